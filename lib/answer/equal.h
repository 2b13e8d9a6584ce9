/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_EQUAL_H
#define STELE_LIB_ANSWER_EQUAL_H

/*
 * Comparing and copying short runs of bytes in place: a call of memcmp() or memcpy() costs as much
 * as what it does for the ten to thirty bytes of a name or a record.
 */

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

/* Bytes in front of a run that stele_equal_ends() may read. */
#define STELE_EQUAL_LEAD 16

/*
 * Whether the `len` bytes that end at `a_end` are those that end at `b_end`. Reads up to
 * STELE_EQUAL_LEAD bytes before both runs, which is where records have their heads; behind a run, an
 * image may end.
 */
static inline bool stele_equal_ends(const uint8_t *a_end, const uint8_t *b_end, unsigned len)
{
	static const uint8_t masks[32] = {[16] = 255, 255, 255, 255, 255, 255, 255, 255,
					  255,        255, 255, 255, 255, 255, 255, 255};
	for (; len > 16; len -= 16, a_end -= 16, b_end -= 16) {
		stele_vector d = stele_vector_load(a_end - 16) ^ stele_vector_load(b_end - 16);
		uint64_t words[2];
		memcpy(words, &d, sizeof(d));
		if ((words[0] | words[1]) != 0)
			return false;
	}
	stele_vector d = (stele_vector_load(a_end - 16) ^ stele_vector_load(b_end - 16)) &
			 stele_vector_load(masks + len);
	uint64_t words[2];
	memcpy(words, &d, sizeof(d));
	return (words[0] | words[1]) == 0;
}

/* memcpy() of runs that are mostly 16 to 200 bytes long. */
static inline void stele_copy(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len < 16) {
		memcpy(to, from, len);
		return;
	}
	stele_vector last = stele_vector_load(from + len - 16);
	for (size_t i = 0; i + 16 < len; i += 16)
		stele_vector_store(to + i, stele_vector_load(from + i));
	stele_vector_store(to + len - 16, last);
}

#endif
