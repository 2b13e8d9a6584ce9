/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/compiler/build_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int build_place_open(void **state)
{
	struct stele_error err;
	struct place *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	strcpy(p->dir, "/tmp/stele-test-build-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->store_dir, sizeof(p->store_dir), "%s/store", p->dir);
	snprintf(p->image, sizeof(p->image), "%s/image", p->dir);
	snprintf(p->other, sizeof(p->other), "%s/other", p->dir);
	assert_int_equal(stele_store_open(p->store_dir, STELE_STORE_CREATE, &p->store, &err), 0);
	*state = p;
	return 0;
}

int build_place_close(void **state)
{
	struct place *p = *state;
	char command[100];
	stele_store_close(p->store);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	int status = system(command); // NOLINT(cert-env33-c): a path of our own
	free(p);
	return status;
}
