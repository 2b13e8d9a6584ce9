/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_RDATA_H
#define STELE_LIB_DNS_RDATA_H

/*
 * Where names stand in an rdata, and the tag of a key.
 *
 * An rdata with names that matter is: some fixed bytes, some character strings, some names, and a tail. One
 * table of that serves who expands names of a message that came in (RFC 3597 section 4), who compresses those
 * that go out, and who lowers them for the canonical form (RFC 4034 section 6.2, without NSEC and HINFO as
 * RFC 6840 section 5.1 has it): both lists name the same types. A6, a third shape that nobody serves, is left
 * out.
 *
 * All functions are pure and thread safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_RDATA_TAIL_ANY 255 /* any number of bytes, none included */

struct stele_rdata_shape {
	uint8_t fixed_sz;   /* bytes before everything else */
	uint8_t string_cnt; /* character strings behind them (RFC 1035 section 3.3) */
	uint8_t name_cnt; /* names behind those: 0 for types without names that matter, else 1 or 2 */
	uint8_t tail_sz; /* bytes behind the names, exactly, or STELE_RDATA_TAIL_ANY */
};

/* The shape of the rdata of `type`; with no names at all for a type that is not in the table. */
struct stele_rdata_shape stele_rdata_shape_of(uint16_t type);

/*
 * How many names of `type` may be compressed (RFC 3597 section 4): those of the types that RFC 1035 has
 * with names, which are NS, MD, MF, CNAME, SOA, MB, MG, MR, PTR, MINFO, MX. 0 to 2.
 */
unsigned stele_rdata_compressible_cnt(uint16_t type);

/*
 * Where these stand: writes their offsets to `pos` and returns how many there are. `rdata` must be valid and
 * not compressed.
 */
unsigned stele_rdata_compressible_names(uint16_t type, const uint8_t *rdata, size_t rdata_len,
					uint16_t pos[2]);

/*
 * The canonical form of an rdata (RFC 4034 section 6.2): copies `len` bytes with the names of the
 * table in lower case. The rdata has no compressed names. False if it does not have the shape of its
 * type; `ret_rdata` may then be written to. `ret_rdata` may be `rdata` itself.
 */
bool stele_rdata_canonical(uint16_t type, const uint8_t *rdata, size_t len, uint8_t *ret_rdata);

/*
 * The tag of a key, by which signatures say who made them (RFC 4034 appendix B); `rdata` is that of the
 * DNSKEY record. Algorithm 1 has another rule (B.1), and nobody uses it.
 */
uint16_t stele_rdata_key_tag(const uint8_t *rdata, size_t len);

#endif
