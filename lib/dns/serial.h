/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_SERIAL_H
#define STELE_LIB_DNS_SERIAL_H

/*
 * Serials of zones stand on a circle of 2^32 (RFC 1982, RFC 1035 section 3.3.13): from each, half of it is ahead and
 * half of it behind. Of two that are exactly half a circle apart neither is older; the RFC leaves that open.
 */

#include <stdbool.h>
#include <stdint.h>

/* Whether `a` is behind `b`, so that `b` is newer (section 3.2). */
static inline bool stele_serial_older(uint32_t a, uint32_t b)
{
	return a != b && b - a < UINT32_C(1) << 31;
}

/* Whether `a` is `b` or newer. */
static inline bool stele_serial_reaches(uint32_t a, uint32_t b)
{
	return a == b || stele_serial_older(b, a);
}

#endif
