/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_SCAN_H
#define STELE_ZONECOMPILER_IMPORT_SCAN_H

/*
 * The scanner: zone files in, one record after the other out (RFC 1035 section 5, RFC 2308 section 4,
 * RFC 3597 section 5; $GENERATE as BIND has it).
 *
 * It knows nothing of zones: only owner, type, TTL and data of each record, and where it stands. A
 * record that is wrong is reported and left out, and the scan goes on behind it, until the report
 * is full. Regular files are mapped, anything else is read to its end first.
 *
 * Owners come as the sort key of the whole lower-cased name. One scanner belongs to one thread.
 */

#include "zonecompiler/import/cursor.h"
#include "zonecompiler/import/rdata.h"
#include "lib/zone/records.h"

#include "lib/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stele_scan;

struct stele_scan_owner {
	const uint8_t *key;
	size_t key_len;
	bool same;     /* as that of the record before; false if in doubt */
	uint16_t file; /* for stele_scan_file_name() */
};

/* Takes a record; the bytes live until it returns. Negative ends the scan, which returns it. */
typedef int (*stele_scan_sink)(void *user, const struct stele_scan_owner *owner,
			       const struct stele_record *record);

/* `report` must live as long. 0, or STELE_E_SYSTEM when there is no memory. */
int stele_scan_new(struct stele_report *report, stele_scan_sink sink, void *user,
		   struct stele_scan **ret_scan);
void stele_scan_free(struct stele_scan *scan); /* NULL is fine */

/*
 * Forgets files, origin, owner and TTL, for the next zone. `origin` is what names without a dot at
 * their end are relative to until the first $ORIGIN; origin_len 0: there is none.
 */
void stele_scan_reset(struct stele_scan *scan, const uint8_t *origin, size_t origin_len);

/* Sets the origin as $ORIGIN does. `origin` may be in upper case, which names in rdata then keep. */
void stele_scan_set_origin(struct stele_scan *scan, const uint8_t *origin, size_t origin_len);

/*
 * Scans a file, "-" is the standard input. Errors in the text go to the report, and are no failure:
 * 0 even so. Negative: the file cannot be read (STELE_E_SYSTEM, or STELE_E_INPUT if it is not
 * there), or what the sink returned.
 */
int stele_scan_file(struct stele_scan *scan, const char *path, struct stele_error *reterr);

/* Scans `len` bytes of text, which STELE_CURSOR_SLACK bytes of zero must follow. */
int stele_scan_text(struct stele_scan *scan, const char *name, const uint8_t *text, size_t len,
		    struct stele_error *reterr);

/* The name of a file as it is to be shown. Lives until the next reset. */
const char *stele_scan_file_name(const struct stele_scan *scan, uint16_t file);

/* Calls back with the number of bytes of the outermost file that were scanned, now and then. */
void stele_scan_progress(struct stele_scan *scan, void (*progress)(void *user, uint64_t done),
			 void *user);

/*
 * For text of which nothing is known: $INCLUDE is refused, and a $GENERATE makes at most
 * STELE_SCAN_GENERATE_RESTRICTED records.
 */
#define STELE_SCAN_GENERATE_RESTRICTED 256
void stele_scan_restrict(struct stele_scan *scan);

#endif
