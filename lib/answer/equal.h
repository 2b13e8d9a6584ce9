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

/*
 * Whether `len` bytes are the same. Reads up to STELE_VIEW_SLACK bytes of both, whatever `len` is:
 * behind a name in a record there is more of the image.
 */
static inline __attribute__((always_inline)) bool stele_equal(const uint8_t *a, const uint8_t *b,
							      unsigned len)
{
	/* Two pieces of 32 bytes, always: how many a name has is what nothing can predict. */
	typedef uint64_t piece __attribute__((vector_size(32)));
	/* masks + PIECE_SZ - n keeps the first n bytes of a piece. */
	static const uint8_t masks[64] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	};
	enum { PIECE_SZ = sizeof(piece) };
	_Static_assert(2 * PIECE_SZ <= STELE_VIEW_SLACK, "stays in the image");
	unsigned first = len < PIECE_SZ ? len : PIECE_SZ;
	unsigned second = len - first < PIECE_SZ ? len - first : PIECE_SZ;
	piece x, y, mask, difference;
	memcpy(&x, a, PIECE_SZ);
	memcpy(&y, b, PIECE_SZ);
	memcpy(&mask, masks + PIECE_SZ - first, PIECE_SZ);
	difference = (x ^ y) & mask;
	memcpy(&x, a + PIECE_SZ, PIECE_SZ);
	memcpy(&y, b + PIECE_SZ, PIECE_SZ);
	memcpy(&mask, masks + PIECE_SZ - second, PIECE_SZ);
	difference |= (x ^ y) & mask;
	if ((difference[0] | difference[1] | difference[2] | difference[3]) != 0)
		return false;
	unsigned done = first + second;
	return len == done || memcmp(a + done, b + done, len - done) == 0;
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
