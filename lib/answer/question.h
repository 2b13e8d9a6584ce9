/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_QUESTION_H
#define STELE_LIB_ANSWER_QUESTION_H

/* Reading the question of a query: what every message with one needs, plain or not. */

#include "lib/answer/work.h"

#include "lib/base/bytes.h"

enum {
	QUESTION_FIXED_SZ = 4, /* type and class */
	OPT_FIXED_SZ = 11,     /* with the root as its owner */
	UDP_MIN = 512,         /* what every client takes (RFC 1035 section 4.2.1) */
};

/* A-Z to a-z in a long run of fixed size; `to` and `from` do not overlap. */
#define QUESTION_LONG_SZ 96
static inline __attribute__((always_inline)) void question_lower_long(uint8_t *to,
								      const uint8_t *from)
{
	typedef uint8_t piece __attribute__((vector_size(32)));
	for (unsigned i = 0; i < QUESTION_LONG_SZ; i += sizeof(piece)) {
		piece v;
		memcpy(&v, from + i, sizeof(v));
		piece is_upper = (piece)((v - 'A') < 26);
		v |= is_upper & 0x20;
		memcpy(to + i, &v, sizeof(v));
	}
}

/* Drops the first `cnt` bytes, at most 15. */
static inline stele_vector question_shift_down(stele_vector v, unsigned cnt)
{
	unsigned __int128 bits;
	memcpy(&bits, &v, sizeof(bits));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	bits >>= 8 * cnt;
#else
	bits <<= 8 * cnt;
#endif
	memcpy(&v, &bits, sizeof(v));
	return v;
}

/*
 * The question into `w`, and into the reply if that is elsewhere. False if it does not parse: no
 * compression, since there is nothing in front of it to point to.
 *
 * The message goes on for type and class behind the name, and the header stands before it. So every
 * run of 16 bytes below lies inside the message, whatever its length, and the last one, which ends
 * with the question, always exists.
 */
static inline __attribute__((always_inline)) bool stele_question_read(struct work *w)
{
	const uint8_t *msg = w->query->msg;
	const uint8_t *qname = msg + STELE_HEADER_SZ;
	uint32_t len = w->query->len;
	if (len < STELE_HEADER_SZ + 1 + QUESTION_FIXED_SZ)
		return false;
	uint32_t max = len - STELE_HEADER_SZ - QUESTION_FIXED_SZ;
	if (max > STELE_NAME_MAX)
		max = STELE_NAME_MAX;

	struct search_name *sname = &w->sname;
	uint32_t at = 0;
	unsigned depth = 0, lens = 0; /* bits of all length bytes */
	for (;;) {
		uint8_t label = qname[at];
		sname->starts[depth] = (uint8_t)at;
		if (label == 0)
			break;
		lens |= label;
		at += label + 1u;
		if (at >= max)
			return false;
		depth++;
	}
	if (lens > STELE_LABEL_MAX) /* which has all bits below it */
		return false;
	uint32_t name_len = at + 1;
	sname->len = (uint8_t)name_len;
	sname->depth = (uint8_t)depth;
	sname->at = STELE_HEADER_SZ;
	w->qname_len = (uint8_t)name_len;
	w->has_question = true;
	w->pos = STELE_HEADER_SZ + name_len + QUESTION_FIXED_SZ;

	w->qtype = stele_get_be16(qname + name_len);
	w->qclass = stele_get_be16(qname + name_len + 2);

	uint8_t *out = w->reply->buf;
	enum { RUN_SZ = sizeof(stele_vector) };
	enum { TAIL_SZ = RUN_SZ - QUESTION_FIXED_SZ }; /* of the name, in the last run */
	stele_vector tail = stele_vector_load(msg + name_len);
	if (out != msg) {
		for (uint32_t i = 0; i + TAIL_SZ < name_len; i += RUN_SZ)
			stele_vector_store(out + STELE_HEADER_SZ + i, stele_vector_load(qname + i));
		stele_vector_store(out + name_len, tail);
	}
	if (out == msg && name_len <= QUESTION_LONG_SZ) {
		/* Nearly always. A reply's buffer has 512 bytes: no need to ask how many runs it takes,
		 * which nothing could predict. */
		question_lower_long(sname->wire, qname);
		return true;
	}
	tail = stele_vector_lower(tail);
	for (uint32_t i = 0; i + TAIL_SZ < name_len; i += RUN_SZ)
		stele_vector_store(sname->wire + i,
				   stele_vector_lower(stele_vector_load(qname + i)));
	if (name_len >= TAIL_SZ)
		/* cppcheck-suppress pointerOutOfBoundsCond ; it is at most STELE_NAME_MAX */
		stele_vector_store(sname->wire + name_len - TAIL_SZ, tail);
	else
		stele_vector_store(sname->wire, question_shift_down(tail, TAIL_SZ - name_len));
	return true;
}

/* What the client takes, by the OPT at `opt`, kept between what it must take and what we send. */
static inline uint16_t stele_question_udp_size(const struct work *w, const uint8_t *opt)
{
	uint16_t size = stele_get_be16(opt + 3);
	if (size > w->shared->settings->udp_max)
		size = w->shared->settings->udp_max;
	return size < UDP_MIN ? UDP_MIN : size;
}

/* Bytes that the reply may have without its OPT, of `max` that it may have in all. */
static inline uint32_t stele_question_limit(const struct work *w, uint32_t max)
{
	uint32_t taken = (uint32_t)w->opt_len + w->query->reserve;
	return max >= w->pos + taken ? max - taken : w->pos;
}

#endif
