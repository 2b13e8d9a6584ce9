/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_WRITER_H
#define STELE_LIB_DNS_WRITER_H

/*
 * Builds a DNS message (RFC 1035 section 4.1) in the caller's buffer, one entry after another.
 *
 * Names of owners, and those in the rdata of the types for which RFC 3597 section 4 allows it, are
 * compressed against what the message has already. Only against bytes that are equal, case included, so
 * that who reads it finds each name as it was given (RFC 5936 section 3.4 asks for that).
 *
 * What the message has is known by a table from (offset of the parent, label) to offset: one look-up a
 * label, from the root on, and nothing but that label is compared. Entries are removed in the reverse
 * order in which they came, by which a record that does not fit is taken back whole, and a message is
 * left for the next without touching the rest of the table.
 *
 * A message is begun with stele_writer_begin() and closed with stele_writer_end(), as often as wanted
 * on the same writer. A writer belongs to one thread, and allocates nothing; it takes 18 KiB itself.
 */

#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/dns/reader.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Labels that a message may know. More would be found in a table that is a cache less; with fewer the
 * later names of a message of 16 KiB would find no suffix. Half of the slots, so that probes are short.
 */
#define STELE_WRITER_LABELS_MAX 1024
#define STELE_WRITER_SLOTS_CNT 2048 /* a power of two */

struct stele_writer_slot {
	uint32_t hash;
	uint16_t off;    /* of the label in the message; 0: the slot is free */
	uint16_t parent; /* offset of the name behind the label; 0: the root */
};

struct stele_writer {
	uint8_t *msg;
	size_t len;   /* of the message so far, header included */
	size_t limit; /* what it may not grow beyond */
	uint16_t cnt[STELE_RR_SECTION_CNT];
	/* Private: */
	size_t max; /* of the buffer */
	uint32_t section;
	uint32_t label_cnt;
	uint16_t labels[STELE_WRITER_LABELS_MAX]; /* slots in the order in which they were taken */
	struct stele_writer_slot slots[STELE_WRITER_SLOTS_CNT];
};

/* A state to which a writer can be taken back, as long as the same message is under way. */
struct stele_writer_mark {
	size_t len;
	uint32_t section, label_cnt;
	uint16_t cnt[STELE_RR_SECTION_CNT];
};

/* Makes a writer for a buffer of `max` bytes, at least 12; more than 65535 are not used. */
void stele_writer_init(struct stele_writer *writer, uint8_t *buffer, size_t max);

/* Begins a message, whatever was there before; the limit is the whole buffer again. */
void stele_writer_begin(struct stele_writer *writer, uint16_t id, uint16_t flags);

/*
 * Leaves `sz` bytes at the end of the buffer free from here on (of the `max` that the client takes, and
 * for OPT and TSIG that come last): limit = min(max, buffer) - reserve. A limit below what is there
 * already lets nothing more in. Both in bytes.
 */
void stele_writer_limit(struct stele_writer *writer, size_t max, size_t reserve);

/*
 * Adds a question. `name` is a whole valid name of `name_len` bytes. Returns 1, or 0 if there is no room;
 * STELE_E_USAGE behind a record of a later section.
 */
int stele_writer_question(struct stele_writer *writer, const uint8_t *name, size_t name_len,
			  uint16_t type, uint16_t class_);

/*
 * Adds a record to `section`, which is not before that of the record before. `owner` is a whole valid
 * name of `owner_len` bytes; `rdata` has no compressed names and may be NULL if it is empty.
 *
 * Returns 1 (a record was written), or 0: it does not fit below the limit, and the message is as it was
 * before. STELE_E_INPUT if the rdata is not what its type demands where names would be compressed;
 * STELE_E_USAGE if the section is over.
 */
int stele_writer_record(struct stele_writer *writer, enum stele_rr_section section,
			const uint8_t *owner, size_t owner_len, uint16_t type, uint16_t class_,
			uint32_t ttl, const uint8_t *rdata, size_t rdlen);

struct stele_writer_mark stele_writer_mark(const struct stele_writer *writer);

/* Takes back everything that was written since `mark` was taken, to keep an RRset whole, say. */
void stele_writer_rollback(struct stele_writer *writer, const struct stele_writer_mark *mark);

/* Puts the counts into the header and returns the length of the message. More may still follow. */
size_t stele_writer_end(struct stele_writer *writer);

#endif
