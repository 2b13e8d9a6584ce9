/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_BYTES_H
#define STELE_LIB_BASE_BYTES_H

/*
 * Integers in byte order of their own, at any alignment.
 *
 * On-disk structs of Stele are made of `stele_le…` fields only: they have an alignment of one, so a
 * struct has no padding, may stand at any offset, and means the same on every machine. DNS
 * messages are big-endian and are read with stele_get_be…(). Compilers turn all of these into
 * one move instruction.
 */

#include <stdint.h>
#include <string.h>

struct stele_le16 {
	uint8_t b[2];
};
struct stele_le32 {
	uint8_t b[4];
};
struct stele_le64 {
	uint8_t b[8];
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STELE_LE(bits, x) (x)
#define STELE_BE(bits, x) __builtin_bswap##bits(x)
#else
#define STELE_LE(bits, x) __builtin_bswap##bits(x)
#define STELE_BE(bits, x) (x)
#endif

#define STELE_DEFINE_BYTES(bits)                                                                   \
	static inline uint##bits##_t stele_get_le##bits(const void *p)                             \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		memcpy(&v, p, sizeof(v));                                                          \
		return STELE_LE(bits, v);                                                          \
	}                                                                                          \
	static inline void stele_put_le##bits(void *p, uint##bits##_t v)                           \
	{                                                                                          \
		v = STELE_LE(bits, v);                                                             \
		memcpy(p, &v, sizeof(v));                                                          \
	}                                                                                          \
	static inline uint##bits##_t stele_get_be##bits(const void *p)                             \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		memcpy(&v, p, sizeof(v));                                                          \
		return STELE_BE(bits, v);                                                          \
	}                                                                                          \
	static inline void stele_put_be##bits(void *p, uint##bits##_t v)                           \
	{                                                                                          \
		v = STELE_BE(bits, v);                                                             \
		memcpy(p, &v, sizeof(v));                                                          \
	}                                                                                          \
	static inline uint##bits##_t stele_le##bits(struct stele_le##bits f)                       \
	{                                                                                          \
		return stele_get_le##bits(f.b);                                                    \
	}                                                                                          \
	static inline struct stele_le##bits stele_to_le##bits(uint##bits##_t v)                    \
	{                                                                                          \
		struct stele_le##bits f;                                                           \
		stele_put_le##bits(f.b, v);                                                        \
		return f;                                                                          \
	}

STELE_DEFINE_BYTES(16)
STELE_DEFINE_BYTES(32)
STELE_DEFINE_BYTES(64)

#undef STELE_DEFINE_BYTES

#endif
