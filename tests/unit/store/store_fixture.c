/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/store_fixture.h"

#include "tests/unit/store/store_dir.h"

#include <stdlib.h>

void ok(const struct fixture *f, int status)
{
	if (status < 0)
		fail_msg("%s", f->err.text);
}

int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){.dir = "/tmp/stele-test-store-XXXXXX"};
	if (mkdtemp(f.dir) == NULL)
		return -1;
	*state = &f;
	ok(&f, stele_store_open(f.dir, STELE_STORE_CREATE, &f.store, &f.err));
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	stele_store_close(f->store);
	store_dir_remove(f->dir);
	return 0;
}
