/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_RDATA_H
#define STELE_ZONECOMPILER_IMPORT_RDATA_H

/*
 * The data of one record, from text to wire format.
 *
 * A type is described by a string of letters, one a field; one loop over it parses text and another
 * checks wire bytes. That covers the types of which zones are full, and those that ldns may not know.
 * All others go through ldns, which costs microseconds. Every type may be written as `\# LENGTH HEX` (RFC 3597);
 * of a type that is known the bytes must then be what the type allows.
 */

#include "zonecompiler/import/cursor.h"

#include <stddef.h>
#include <stdint.h>

#define STELE_RDATA_MAX 65535

struct stele_rdata {
	uint8_t bytes[STELE_RDATA_MAX];
	size_t len;
	/* For names without a dot at their end; 0 long if there is none. Case kept. */
	const uint8_t *origin;
	size_t origin_len;
};

/*
 * Parses the fields from `c->p` to the end of the entry as the data of `type`. On success the bytes
 * are in `rdata` and the cursor is at the end of the entry. STELE_E_INPUT after an error.
 */
int stele_rdata_parse(struct stele_cursor *c, uint16_t type, struct stele_rdata *rdata);

/* True if the bytes are what `type` allows; of a type that nobody knows all are. */
bool stele_rdata_valid(uint16_t type, const uint8_t *bytes, size_t len);

/* The same two for types that have no description here. */
int stele_rdata_parse_by_ldns(struct stele_cursor *c, uint16_t type, struct stele_rdata *rdata);
bool stele_rdata_valid_by_ldns(uint16_t type, const uint8_t *bytes, size_t len);

/*
 * Canonical order of two rdata of a type (RFC 4034 section 6.3, with 6.2 and RFC 6840 section 5.1 for
 * the names that count in lower case). 0 means that they are the same record.
 */
int stele_rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
			size_t b_len);

#endif
