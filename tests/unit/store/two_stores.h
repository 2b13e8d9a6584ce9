/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_TWO_STORES_H
#define STELE_TESTS_UNIT_STORE_TWO_STORES_H

/*
 * Two empty stores in folders of their own: what is tried in one is compared with the other, which came to the same by
 * a plainer way. And numbers that only look random.
 */

#include "lib/store/store.h"

struct two_stores {
	char dir[2][64];
	struct stele_store *store, *twin;
	struct stele_error err;
};

/* Of cmocka: `*state` is a struct two_stores. */
int two_stores_setup(void **state);
int two_stores_teardown(void **state);

/* Fails the test with the text of the stores' error. */
void two_stores_ok(const struct two_stores *stores, int status);

/* From 0 to `below` - 1; the same after the same seed. */
void draw_seed(uint32_t seed);
uint32_t draw(uint32_t below);

#endif
