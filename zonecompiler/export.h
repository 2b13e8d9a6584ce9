/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_EXPORT_H
#define STELE_ZONECOMPILER_EXPORT_H

#include "lib/store/store.h"

#include <stdio.h>

/*
 * Writes a zone as a zone file: one record a line, `owner TTL IN TYPE rdata` between tabs, every name
 * absolute; the SOA first, then owners in canonical order with the NSEC3 owners where they belong,
 * RRsets in order of type, signatures behind what they sign. The same contents give the same bytes.
 *
 * `progress` (may be NULL) is called now and then with the number of owners done. Returns 0 or a negative
 * stele_status; a failure to write to `file` is left to ferror().
 */
int stele_export_zone(struct stele_store *store, struct stele_store_read *read,
		      const struct stele_zone_info *zone, FILE *file,
		      void (*progress)(void *user, uint64_t owner_cnt), void *user,
		      struct stele_error *reterr);

#endif
