/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_EQUAL_H
#define STELE_LIB_ANSWER_EQUAL_H

/*
 * Comparing and copying short runs of bytes in place: a call of memcmp() or memcpy() costs as much
 * as what it does for the ten to thirty bytes of a name or a record.
 */

#include "lib/image/view.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* One register on every machine that matters. */
typedef uint8_t stele_vector __attribute__((vector_size(16)));

static inline stele_vector stele_vector_load(const uint8_t *from)
{
	stele_vector v;
	memcpy(&v, from, sizeof(v));
	return v;
}

static inline void stele_vector_store(uint8_t *to, stele_vector v)
{
	memcpy(to, &v, sizeof(v));
}

/* Names are compared in pieces. */
typedef uint64_t stele_piece __attribute__((vector_size(32)));
enum { STELE_PIECE_SZ = sizeof(stele_piece) };

/* Adds to `*difference` the bits in which the first `len` bytes of two pieces differ; `len` is at most
 * STELE_PIECE_SZ. By pointers: what returns a piece has another ABI on each processor. */
static inline __attribute__((always_inline)) void
stele_piece_compare(stele_piece *difference, const uint8_t *a, const uint8_t *b, unsigned len)
{
	/* masks + STELE_PIECE_SZ - n keeps the first n bytes of a piece. */
	static const uint8_t masks[64] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	};
	stele_piece x, y, mask;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	memcpy(&mask, masks + STELE_PIECE_SZ - len, sizeof(mask));
	*difference |= (x ^ y) & mask;
}

static inline __attribute__((always_inline)) bool stele_piece_is_zero(const stele_piece *v)
{
	typedef uint64_t half __attribute__((vector_size(16)));
	half both = (half)__builtin_shufflevector(*v, *v, 0, 1) |
		    (half)__builtin_shufflevector(*v, *v, 2, 3);
	return (both[0] | both[1]) == 0;
}

/*
 * Whether `len` bytes are the same. Reads up to STELE_VIEW_SLACK bytes of both, whatever `len` is:
 * behind a name in a record there is more of the image.
 */
static inline __attribute__((always_inline)) bool stele_equal(const uint8_t *a, const uint8_t *b,
							      unsigned len)
{
	_Static_assert(2 * STELE_PIECE_SZ <= STELE_VIEW_SLACK, "stays in the image");
	/* Two pieces, always: how many a name has is what nothing can predict. */
	unsigned first = len < STELE_PIECE_SZ ? len : STELE_PIECE_SZ;
	unsigned second = len - first < STELE_PIECE_SZ ? len - first : STELE_PIECE_SZ;
	stele_piece difference = {0};
	stele_piece_compare(&difference, a, b, first);
	stele_piece_compare(&difference, a + STELE_PIECE_SZ, b + STELE_PIECE_SZ, second);
	if (!stele_piece_is_zero(&difference))
		return false;
	unsigned done = first + second;
	return len == done || memcmp(a + done, b + done, len - done) == 0;
}

/* The same for the names of zones, which seldom take more than one piece. */
static inline __attribute__((always_inline)) bool stele_equal_apex(const uint8_t *a,
								   const uint8_t *b, unsigned len)
{
	if (__builtin_expect(len > STELE_PIECE_SZ, 0))
		return memcmp(a, b, len) == 0;
	stele_piece difference = {0};
	stele_piece_compare(&difference, a, b, len);
	return stele_piece_is_zero(&difference);
}

/* A-Z to a-z. The length bytes of labels are below 'A' and stay. */
static inline stele_vector stele_vector_lower(stele_vector v)
{
	stele_vector is_upper = (stele_vector)((v - 'A') < 26);
	return v | (is_upper & 0x20);
}

/* memcpy() of runs that are mostly 16 to 200 bytes long. */
static inline __attribute__((always_inline)) void stele_copy(uint8_t *to, const uint8_t *from,
							     size_t len)
{
	if (len < 16) {
		memcpy(to, from, len);
		return;
	}
	/* Begin and end first: an address record has no more. */
	stele_vector first = stele_vector_load(from), last = stele_vector_load(from + len - 16);
	stele_vector_store(to, first);
	for (size_t i = 16; i + 16 < len; i += 16)
		stele_vector_store(to + i, stele_vector_load(from + i));
	stele_vector_store(to + len - 16, last);
}

#endif
