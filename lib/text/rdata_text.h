/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_RDATA_TEXT_H
#define STELE_LIB_TEXT_RDATA_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Rdata in presentation format, so that whoever reads it gets the same bytes again.
 *
 * Types that zones are full of are written here, straight from a table of fields. The text of any other is checked:
 * ldns must read the same bytes from it. What has no sound text of its own (types nobody knows, types of whose words
 * each program has its own idea, rdata that does not parse) is written as `\# LENGTH HEX` (RFC 3597 section 5).
 */

/*
 * Enough for any rdata. The longest text is that of a bitmap with all 65,536 types, up to 10 characters
 * for each; any other is at most four characters a byte (escaped text) and what stands between fields.
 */
#define STELE_RDATA_TEXT_MAX (10 * 65536 + 4096)

/*
 * Writes the text, without a NUL, to `text` of STELE_RDATA_TEXT_MAX bytes; returns its length. One
 * thread at a time.
 */
size_t stele_rdata_to_text(uint16_t type, const uint8_t *rdata, size_t rdata_len, char *text);

#endif
