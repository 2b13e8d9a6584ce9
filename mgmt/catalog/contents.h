/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CATALOG_CONTENTS_H
#define STELE_MGMT_CATALOG_CONTENTS_H

/*
 * What a catalog says (RFC 9432 section 4), read from the store.
 *
 *   version                     TXT "2"
 *   <unique>.zones              PTR the member
 *   group.<unique>.zones        TXT a group, perhaps several
 *   coo.<unique>.zones          PTR the catalog that the member moves to
 *
 * Everything else is passed over (section 3). A catalog that breaks the rules is not processed at all
 * (section 5.1): what was made of its last sound version stays.
 */

#include "lib/base/error.h"
#include "lib/dns/name.h"
#include "lib/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Groups of one member that are looked at; more of them can only be a mistake. */
#define STELE_CATALOG_GROUPS_MAX 8

struct stele_catalog_member {
	uint8_t apex[STELE_NAME_MAX]; /* lower case */
	uint8_t apex_len;
	uint8_t node[STELE_NAME_MAX]; /* <unique>.zones.<catalog> */
	bool has_coo;
	uint8_t coo[STELE_NAME_MAX]; /* lower case */
	unsigned group_cnt;
	char *groups[STELE_CATALOG_GROUPS_MAX];
};

struct stele_catalog_contents {
	struct stele_catalog_member *members; /* in ascending order of the bytes of `apex` */
	size_t member_cnt;
};

/*
 * Reads the catalog at `apex`. STELE_E_INPUT: it is broken, `reterr` says how; STELE_E_NOTFOUND;
 * STELE_E_SYSTEM. Only with 0 there is something to free.
 */
int stele_catalog_read(struct stele_store_read *read, const uint8_t *apex,
		       struct stele_catalog_contents *ret_contents, struct stele_error *reterr);
void stele_catalog_contents_free(struct stele_catalog_contents *contents);

/* NULL if there is none of this name, in lower case. */
const struct stele_catalog_member *stele_catalog_find(const struct stele_catalog_contents *contents,
						      const uint8_t *apex);

#endif
