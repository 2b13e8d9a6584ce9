/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_RRTYPE_H
#define STELE_LIB_DNS_RRTYPE_H

#include <stddef.h>
#include <stdint.h>

/* The record types that Stele itself treats in some way of its own (IANA DNS parameters). */
enum stele_rrtype {
	STELE_TYPE_A = 1,
	STELE_TYPE_NS = 2,
	STELE_TYPE_MD = 3,
	STELE_TYPE_MF = 4,
	STELE_TYPE_CNAME = 5,
	STELE_TYPE_SOA = 6,
	STELE_TYPE_MB = 7,
	STELE_TYPE_MG = 8,
	STELE_TYPE_MR = 9,
	STELE_TYPE_PTR = 12,
	STELE_TYPE_HINFO = 13,
	STELE_TYPE_MINFO = 14,
	STELE_TYPE_MX = 15,
	STELE_TYPE_TXT = 16,
	STELE_TYPE_SIG = 24,
	STELE_TYPE_AAAA = 28,
	STELE_TYPE_SRV = 33,
	STELE_TYPE_DNAME = 39,
	STELE_TYPE_OPT = 41,
	STELE_TYPE_DS = 43,
	STELE_TYPE_RRSIG = 46,
	STELE_TYPE_NSEC = 47,
	STELE_TYPE_DNSKEY = 48,
	STELE_TYPE_NSEC3 = 50,
	STELE_TYPE_NSEC3PARAM = 51,
	STELE_TYPE_CDS = 59,
	STELE_TYPE_CDNSKEY = 60,
	STELE_TYPE_ZONEMD = 63,
	STELE_TYPE_SVCB = 64,
	STELE_TYPE_HTTPS = 65,
	STELE_TYPE_TKEY = 249,
	STELE_TYPE_TSIG = 250,
	STELE_TYPE_IXFR = 251,
	STELE_TYPE_AXFR = 252,
	STELE_TYPE_ANY = 255,
};

enum stele_class {
	STELE_CLASS_IN = 1,
	STELE_CLASS_CH = 3,
	STELE_CLASS_HS = 4,
	STELE_CLASS_NONE = 254,
	STELE_CLASS_ANY = 255,
};

#define STELE_RRTYPE_TEXT_MAX 16

/* The mnemonic, or TYPE123 (RFC 3597 section 5). NUL-terminated; returns `text`. */
const char *stele_rrtype_to_text(uint16_t type, char text[STELE_RRTYPE_TEXT_MAX]);

/* A mnemonic in any case or TYPE123; -1 if it is neither. */
int stele_rrtype_from_text(const char *text, size_t text_len);

/*
 * Offset in the rdata of the name whose addresses belong into the additional section (NS: 0, MX, SVCB, HTTPS: 2,
 * SRV: 6); -1 for types without. The root in SVCB and HTTPS stands for something else: stele_svc_is_own().
 */
int stele_rdata_additional_name(uint16_t type);

#endif
