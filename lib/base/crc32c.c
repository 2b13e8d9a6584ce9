/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/crc32c.h"

#include "lib/base/bytes.h"

#define POLYNOMIAL_REFLECTED 0x82f63b78u

static uint32_t table[256];

__attribute__((constructor)) static void fill_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ ((c & 1) ? POLYNOMIAL_REFLECTED : 0);
		table[i] = c;
	}
}

static uint32_t crc_portable(uint32_t c, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		c = (c >> 8) ^ table[(c ^ p[i]) & 0xff];
	return c;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t c, const uint8_t *p, size_t n)
{
	uint64_t wide = c;
	for (; n >= 8; p += 8, n -= 8)
		wide = _mm_crc32_u64(wide, stele_get_le64(p));
	c = (uint32_t)wide;
	for (; n > 0; p++, n--)
		c = _mm_crc32_u8(c, *p);
	return c;
}
#endif

uint32_t stele_crc32c(uint32_t crc, const void *data, size_t data_sz)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_sse42(~crc, data, data_sz);
#endif
	return ~crc_portable(~crc, data, data_sz);
}
