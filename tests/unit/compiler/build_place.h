/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_COMPILER_BUILD_PLACE_H
#define STELE_TESTS_UNIT_COMPILER_BUILD_PLACE_H

/* A store, and paths for images made of it, in a directory of its own. */

#include "lib/store/store.h"

struct place {
	char dir[64], store_dir[80], image[80], other[80];
	struct stele_store *store;
};

/* Of a test: for cmocka; `*state` is the place. */
int build_place_open(void **state);
int build_place_close(void **state);

#endif
