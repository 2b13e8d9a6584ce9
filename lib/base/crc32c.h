/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_CRC32C_H
#define STELE_LIB_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), reflected, initial and final value ~0.
 *
 * `crc` is 0 for a first piece and the result so far for each further one, so that
 * crc(crc(0, a), b) == crc(0, ab). Uses SSE4.2 where the processor has it, a table elsewhere,
 * with the same result. Thread safe.
 */
uint32_t stele_crc32c(uint32_t crc, const void *data, size_t data_sz);

#endif
