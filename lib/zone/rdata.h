/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_RDATA_H
#define STELE_LIB_ZONE_RDATA_H

/*
 * The data of one record in wire format: what a type allows, in which order records of an RRset stand, and
 * how data comes out of a message.
 *
 * Wire bytes are checked by the fields of the type (lib/dns/rdata_fields.h). That covers the types of which zones are
 * full, and those that ldns may not know. All others go through ldns, which costs microseconds. All functions are pure
 * and thread safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_RDATA_MAX 65535

/*
 * True if records of the type can stand in a zone: not 0, not OPT, none of the question and meta types
 * (RFC 6895 section 3.1: 128 to 255).
 */
bool stele_rdata_type_is_data(uint16_t type);

/* True if the bytes are what `type` allows; of a type that nobody knows all are. */
bool stele_rdata_valid(uint16_t type, const uint8_t *bytes, size_t len);

/* The same for types without fields: all bytes, if ldns knows none either. */
bool stele_rdata_valid_by_ldns(uint16_t type, const uint8_t *bytes, size_t len);

/*
 * Canonical order of two rdata of a type (RFC 4034 section 6.3, with 6.2 and RFC 6840 section 5.1 for
 * the names that count in lower case). 0 means that they are the same record.
 */
int stele_rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
			size_t b_len);

/* ---- out of a message ---- */

/*
 * Copies the data of a record of `type` out of a message: `rdlen` bytes at `rdata_off`, with names expanded as
 * stele_reader_rdata() does it. The result is what stele_rdata_valid() accepts; its length is returned.
 * STELE_E_INPUT if it is not, if a name leaves the data or does not end in it, or if the type is none of
 * data. Nothing is assumed of the message and of where the data lies in it.
 */
int stele_rdata_from_message(uint16_t type, const uint8_t *msg, size_t msg_len, size_t rdata_off,
			     size_t rdlen, uint8_t out[STELE_RDATA_MAX]);

#endif
