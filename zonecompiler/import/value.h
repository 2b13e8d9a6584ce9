/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_VALUE_H
#define STELE_ZONECOMPILER_IMPORT_VALUE_H

/*
 * Words of a zone file as values: numbers, times, addresses, encodings. Every function takes a run
 * of `len` characters and says whether all of it is such a value. Pure, thread safe, no allocation.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number of at most `max`, without sign. */
bool stele_value_number(const uint8_t *p, size_t len, uint32_t max, uint32_t *ret_number);

/* The same of at most 2^64 - 1. */
bool stele_value_number64(const uint8_t *p, size_t len, uint64_t *ret_number);

/*
 * Seconds: a number, or numbers with the units s, m, h, d and w, such as 1h30m (a number without a
 * unit at the end counts as seconds). At most 2^32 - 1.
 */
bool stele_value_duration(const uint8_t *p, size_t len, uint32_t *ret_seconds);

/* RRSIG times (RFC 4034 section 3.2): YYYYMMDDHHmmSS, or seconds since 1970 of at most 10 digits. */
bool stele_value_time(const uint8_t *p, size_t len, uint32_t *ret_time);

/* Addresses as inet_pton() takes them. */
bool stele_value_ipv4(const uint8_t *p, size_t len, uint8_t address[4]);
bool stele_value_ipv6(const uint8_t *p, size_t len, uint8_t address[16]);

/*
 * The number of a record type, mnemonic in any case or TYPE123; -1 if it is none. Knows what
 * stele_rrtype_from_text() knows, and finds the common ones faster.
 */
int stele_value_rrtype(const uint8_t *p, size_t len);

/* A DNSSEC algorithm: a number or a mnemonic of the IANA registry in any case. */
bool stele_value_algorithm(const uint8_t *p, size_t len, uint32_t *ret_algorithm);

/*
 * A parameter of a TLSA record: a number, or its acronym in any case (RFC 7218). `field` is 0 for the usage,
 * 1 for the selector, 2 for the matching type.
 */
bool stele_value_tlsa(const uint8_t *p, size_t len, unsigned field, uint32_t *ret_number);

/* The type of a CERT record: a number, or a mnemonic in any case (RFC 4398 section 2.1). */
bool stele_value_certificate_type(const uint8_t *p, size_t len, uint32_t *ret_number);

/* 64 bits as four groups of one to four hexadecimal digits between colons (RFC 6742). */
bool stele_value_locator(const uint8_t *p, size_t len, uint8_t locator[8]);

/*
 * Decoders that may be fed one word after the other. They write at most (len + 1) / 2 bytes for
 * hexadecimal digits and (len + 3) / 4 * 3 for base64 to `out` and return how many, or -1.
 */
struct stele_decoder {
	uint32_t bits;    /* digits that do not make a whole byte yet */
	unsigned bit_cnt; /* 0 … 7 for hex and base32hex; 0 … 18 for base64 */
	unsigned padding; /* '=' seen */
};

int stele_value_hex(struct stele_decoder *d, const uint8_t *p, size_t len, uint8_t *out);
int stele_value_base64(struct stele_decoder *d, const uint8_t *p, size_t len, uint8_t *out);

/* True if what was fed is whole: no half byte, padding as RFC 4648 wants it. */
bool stele_value_hex_ends(const struct stele_decoder *d);
bool stele_value_base64_ends(const struct stele_decoder *d);

/* base32hex without padding: at most len * 5 / 8 bytes to `out`; their number, or -1. */
int stele_value_base32hex(const uint8_t *p, size_t len, uint8_t *out);

#endif
