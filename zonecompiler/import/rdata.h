/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_RDATA_H
#define STELE_ZONECOMPILER_IMPORT_RDATA_H

/*
 * The data of one record, from text to wire format: by the fields that its type has in
 * lib/dns/rdata_fields.h, or by ldns. Every type may be written as `\# LENGTH HEX` (RFC 3597); of a type that is
 * known the bytes must then be what the type allows.
 */

#include "lib/zone/rdata.h"
#include "zonecompiler/import/cursor.h"

#include <stddef.h>
#include <stdint.h>

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

/* The data of a LOC record (RFC 1876), which is all there is to such a record. */
int stele_rdata_parse_loc(struct stele_cursor *c, struct stele_rdata *rdata);

/* Appends the parameters of an SVCB or HTTPS record, which are all that is left of the entry. */
int stele_rdata_parse_svc_params(struct stele_cursor *c, struct stele_rdata *rdata);

/* As stele_rdata_parse() for types that have no description. */
int stele_rdata_parse_by_ldns(struct stele_cursor *c, uint16_t type, struct stele_rdata *rdata);

#endif
