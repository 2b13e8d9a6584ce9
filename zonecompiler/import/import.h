/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_IMPORT_H
#define STELE_ZONECOMPILER_IMPORT_IMPORT_H

/*
 * Zone files into the store: scanned, sorted, checked, and written in one run.
 *
 *   stele_import_new()
 *   for each zone:  stele_import_read()   text → records in memory, in order
 *                   stele_import_write()  checks, and into the store's transaction
 *   stele_import_free()
 *
 * What is wrong with the text goes to the report as it is found; a call that found errors returns
 * STELE_E_INPUT and leaves `reterr` empty. The memory of one zone is used again for the next.
 */

#include "lib/store/store.h"
#include "lib/zone/report.h"
#include "lib/zone/zone.h"

#include <stddef.h>
#include <stdint.h>

struct stele_import;

/* `report` must live as long. 0, or STELE_E_SYSTEM when there is no memory. */
int stele_import_new(struct stele_report *report, struct stele_import **ret_import);
void stele_import_free(struct stele_import *import); /* NULL is fine */

/* See stele_scan_progress(). */
void stele_import_progress(struct stele_import *import, void (*progress)(void *user, uint64_t done),
			   void *user);

/*
 * Reads one zone from its files ("-" is the standard input). `apex` in wire format, lower case, is
 * the zone's name and first origin; apex_len 0: the owner of the SOA is the zone's name.
 */
int stele_import_read(struct stele_import *import, const char *const *paths, size_t path_cnt,
		      const uint8_t *apex, size_t apex_len, struct stele_error *reterr);

/* The same from memory, restricted as stele_scan_restrict() says. See stele_scan_text(). */
int stele_import_read_text(struct stele_import *import, const char *name, const uint8_t *text,
			   size_t len, const uint8_t *apex, size_t apex_len,
			   struct stele_error *reterr);

/*
 * Checks what was read and gives it to `each`, without a store: all nodes of the zone in order of
 * key, then those of its NSEC3 owners. `each` returns 0 to go on, or a negative stele_status.
 */
int stele_import_walk(struct stele_import *import, uint32_t now,
		      int (*each)(void *user, enum stele_store_table table,
				  const struct stele_store_item *item),
		      void *user, struct stele_zone_stats *ret_stats, struct stele_error *reterr);

/*
 * Checks what was read and replaces the zone by it. `before` is what the store knows of zones before
 * the import, to compare serials; NULL: nothing. `now` in seconds since 1970, for signatures.
 */
int stele_import_write(struct stele_import *import, struct stele_store_read *before,
		       struct stele_store_write *write, uint32_t now,
		       struct stele_zone_stats *ret_stats, struct stele_error *reterr);

#endif
