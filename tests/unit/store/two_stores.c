/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/two_stores.h"

#include "tests/unit/store/store_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t random_state;

void two_stores_ok(const struct two_stores *stores, int status)
{
	if (status < 0)
		fail_msg("%s", stores->err.text);
}

int two_stores_setup(void **state)
{
	static struct two_stores f;
	f = (struct two_stores){
		.dir = {"/tmp/stele-test-edit-XXXXXX", "/tmp/stele-test-edit-XXXXXX"}};
	if (mkdtemp(f.dir[0]) == NULL || mkdtemp(f.dir[1]) == NULL)
		return -1;
	*state = &f;
	two_stores_ok(&f, stele_store_open(f.dir[0], STELE_STORE_CREATE, &f.store, &f.err));
	two_stores_ok(&f, stele_store_open(f.dir[1], STELE_STORE_CREATE, &f.twin, &f.err));
	return 0;
}

int two_stores_teardown(void **state)
{
	struct two_stores *f = *state;
	stele_store_close(f->store);
	stele_store_close(f->twin);
	store_dir_remove(f->dir[0]);
	store_dir_remove(f->dir[1]);
	return 0;
}

void draw_seed(uint32_t seed)
{
	random_state = seed;
}

uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}
