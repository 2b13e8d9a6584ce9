/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_RDATA_H
#define STELE_ZONECOMPILER_IMPORT_RDATA_H

/*
 * The data of one record, from text to wire format, by the fields of its type. Every type may be written as
 * `\# LENGTH HEX` (RFC 3597); of a type that is known the bytes must then be what the type allows. Types that nobody
 * writes any more (WKS, NXT, EID, NIMLOC, ATMA, A6, SINK) have no other form here: programs differ in what their
 * words mean, and those of WKS mean what a file of the machine says.
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

/*
 * The letters of a type: those of lib/dns/rdata_fields.h and, for types that are rare,
 *
 *   a prefixes of APL up to the end    h all of HIP       o string, which may be missing
 *   e, f EUI-48 and EUI-64             n NSAP             x string with an address of X.121
 *   g string with a number of GPOS
 *
 * NULL if the type is not known in words.
 */
const char *stele_rdata_letters(uint16_t type);

/* The data of a LOC record (RFC 1876), which is all there is to such a record. */
int stele_rdata_parse_loc(struct stele_cursor *c, struct stele_rdata *rdata);

/* Appends the parameters of an SVCB or HTTPS record, which are all that is left of the entry. */
int stele_rdata_parse_svc_params(struct stele_cursor *c, struct stele_rdata *rdata);

/* Append the prefixes of an APL record, or all of a HIP record, up to the end of the entry. */
int stele_rdata_parse_apl(struct stele_cursor *c, struct stele_rdata *rdata);
int stele_rdata_parse_hip(struct stele_cursor *c, struct stele_rdata *rdata);

/* Appends the field of one of the letters e, f, g, n, x. */
int stele_rdata_parse_rare_word(struct stele_cursor *c, char letter, struct stele_rdata *rdata);

#endif
