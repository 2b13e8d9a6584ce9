/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_READER_H
#define STELE_LIB_DNS_READER_H

/*
 * Reads a DNS message (RFC 1035 section 4.1) from hostile bytes, one entry after another.
 *
 * A reader is a place in a message: each call of stele_reader_next() checks and tells one entry, a
 * question or a record, in the order of the message. Nothing is allocated, and nothing but the names
 * is copied. A message is whole only once the call has returned 0; and even then there may be bytes
 * behind the last record, which stele_reader_left() counts: what they mean is the caller's to say.
 *
 * Compression pointers must point before the run of labels that they end, and not into the header; so
 * a name costs at most 255 bytes and 127 jumps, whatever the message says.
 *
 * A reader belongs to one thread; the message is the caller's and stays as it is.
 */

#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"

#include <stddef.h>
#include <stdint.h>

/* The four sections in their order. UPDATE calls them zone, prerequisite, update, additional
 * (RFC 2136 section 2). */
enum stele_rr_section {
	STELE_RR_QUESTION,
	STELE_RR_ANSWER,
	STELE_RR_AUTHORITY,
	STELE_RR_ADDITIONAL,
	STELE_RR_SECTION_CNT,
};

struct stele_reader {
	const uint8_t *msg;
	size_t len;
	uint16_t id;
	uint16_t flags;                     /* STELE_FLAG_… */
	uint16_t cnt[STELE_RR_SECTION_CNT]; /* as the header says */
	/* Private: */
	size_t at;         /* where the next entry begins */
	uint32_t section;  /* whose entries come next */
	uint32_t told_cnt; /* entries of that section that were told */
};

struct stele_rr {
	uint8_t section;               /* enum stele_rr_section */
	uint8_t owner_len;             /* 1 … 255 */
	uint8_t owner[STELE_NAME_MAX]; /* expanded, in the case of the message: stele_name_lower() */
	uint16_t type, class_;
	uint32_t ttl;       /* seconds, as it stands there; 0 in a question */
	uint16_t rdata_off; /* from the beginning of the message; names in there may be compressed */
	uint16_t rdlen;     /* bytes of rdata; 0 in a question */
	uint16_t at_off;    /* where the entry begins */
};

/*
 * Begins with a message of `len` bytes. STELE_E_INPUT if it is shorter than a header or longer than
 * 65535 bytes.
 */
int stele_reader_init(struct stele_reader *reader, const uint8_t *msg, size_t len);

/*
 * The next entry. 1: it is in `ret_rr`; 0: there are no more; STELE_E_INPUT: the message breaks off, or
 * a name is wrong. After an error the same comes again. Never touches `ret_rr` unless it returns 1.
 */
int stele_reader_next(struct stele_reader *reader, struct stele_rr *ret_rr);

/* Bytes that were not read yet: behind the last record, once stele_reader_next() has returned 0. */
size_t stele_reader_left(const struct stele_reader *reader);

/*
 * The rdata of `rr`, a record of this message, with its names expanded, in the case of the message. Those
 * are the names of stele_rdata_shape_of(): RFC 3597 section 4 wants them expanded by who receives them,
 * though most must not be sent so. All else is copied as it is.
 *
 * Returns the length and puts the bytes to `ret_rdata`. STELE_E_INPUT: a name is wrong or leaves the
 * rdata, what follows it is missing or too much, or all is longer than `max` bytes; 65535 are always
 * enough for what a message could hold. Empty rdata of class ANY or NONE is fine (RFC 2136 section 2.4).
 */
int stele_reader_rdata(const struct stele_reader *reader, const struct stele_rr *rr,
		       uint8_t *ret_rdata, size_t max);

/*
 * The same for the `rdlen` bytes at offset `at` of a message, all of which are there; `type` says where names
 * stand. Empty rdata is then what its type allows.
 */
int stele_rdata_expand(uint16_t type, const uint8_t *msg, size_t at, size_t rdlen,
		       uint8_t *ret_rdata, size_t max);

/*
 * Expands the name at offset `at` of a message. Returns its length and puts the offset of what follows
 * it into `ret_end`; STELE_E_INPUT if it is no name. Reads nothing at or behind `msg + len`.
 */
int stele_reader_name(const uint8_t *msg, size_t len, size_t at, uint8_t ret_name[STELE_NAME_MAX],
		      size_t *ret_end);

#endif
