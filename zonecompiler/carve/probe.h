/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_PROBE_H
#define STELE_ZONECOMPILER_CARVE_PROBE_H

/* Single questions to the names of a zone in the store. All return 1 for yes, 0 for no. */

#include "lib/store/store.h"

/*
 * Is there an existing name (one with a record that is not a signature) from `from` on and before
 * `to` (NULL: no bound)? Its sort key, of at most STELE_SORT_KEY_MAX bytes, goes to `found`.
 */
int stele_probe_first(struct stele_store_read *read, uint32_t zone_id, const uint8_t *from,
		      size_t from_len, const uint8_t *to, size_t to_len, uint8_t *found,
		      size_t *found_len, struct stele_error *reterr);

/* Is there an existing name below the one with this sort key? */
int stele_probe_children(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
			 size_t key_len, struct stele_error *reterr);

/* Does the child "*" of that name exist, be it as an empty non-terminal? */
int stele_probe_wildcard(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
			 size_t key_len, struct stele_error *reterr);

#endif
