/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_FRAME_FRAME_BYTES_H
#define STELE_TESTS_UNIT_FRAME_FRAME_BYTES_H

/* What the making of frames and the slow reading of them share. */

#include "tests/unit/frame/frame_model.h"

/* Big-endian. */
static inline unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Of UDP or ICMPv6 (`proto`) with its pseudo-header out of the IP header `ip`, not complemented. */
uint32_t frame_transport_sum(const uint8_t *ip, unsigned proto, const uint8_t *p, uint32_t len);

#endif
