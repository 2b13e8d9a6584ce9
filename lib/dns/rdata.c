/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/rdata.h"

#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"

#include <string.h>

struct stele_rdata_shape stele_rdata_shape_of(uint16_t type)
{
	switch (type) {
	case STELE_TYPE_NS:
	case STELE_TYPE_MD:
	case STELE_TYPE_MF:
	case STELE_TYPE_CNAME:
	case STELE_TYPE_MB:
	case STELE_TYPE_MG:
	case STELE_TYPE_MR:
	case STELE_TYPE_PTR:
	case STELE_TYPE_DNAME:
		return (struct stele_rdata_shape){.name_cnt = 1};
	case STELE_TYPE_SOA:
		return (struct stele_rdata_shape){.name_cnt = 2, .tail_sz = 20};
	case STELE_TYPE_MINFO:
	case 17: /* RP */
		return (struct stele_rdata_shape){.name_cnt = 2};
	case STELE_TYPE_MX:
	case 18: /* AFSDB */
	case 21: /* RT */
	case 36: /* KX */
		return (struct stele_rdata_shape){.fixed_sz = 2, .name_cnt = 1};
	case 26: /* PX */
		return (struct stele_rdata_shape){.fixed_sz = 2, .name_cnt = 2};
	case STELE_TYPE_SRV:
		return (struct stele_rdata_shape){.fixed_sz = 6, .name_cnt = 1};
	case STELE_TYPE_SIG:
	case STELE_TYPE_RRSIG:
		return (struct stele_rdata_shape){
			.fixed_sz = 18, .name_cnt = 1, .tail_sz = STELE_RDATA_TAIL_ANY};
	case 30: /* NXT */
		return (struct stele_rdata_shape){.name_cnt = 1, .tail_sz = STELE_RDATA_TAIL_ANY};
	case 35: /* NAPTR */
		return (struct stele_rdata_shape){.fixed_sz = 4, .string_cnt = 3, .name_cnt = 1};
	default:
		return (struct stele_rdata_shape){.tail_sz = STELE_RDATA_TAIL_ANY};
	}
}

unsigned stele_rdata_compressible_cnt(uint16_t type)
{
	/* MX is the last type with names of RFC 1035; of those before it each name may be. */
	return type <= STELE_TYPE_MX ? stele_rdata_shape_of(type).name_cnt : 0;
}

unsigned stele_rdata_compressible_names(uint16_t type, const uint8_t *rdata, size_t rdata_len,
					uint16_t pos[2])
{
	unsigned cnt = stele_rdata_compressible_cnt(type);
	size_t at = stele_rdata_shape_of(type).fixed_sz;
	for (unsigned i = 0; i < cnt; i++) {
		pos[i] = (uint16_t)at;
		if (i + 1 < cnt)
			at += stele_name_length(rdata + at, rdata_len - at);
	}
	return cnt;
}

bool stele_rdata_canonical(uint16_t type, const uint8_t *rdata, size_t len, uint8_t *ret_rdata)
{
	struct stele_rdata_shape shape = stele_rdata_shape_of(type);
	memmove(ret_rdata, rdata, len);
	size_t at = shape.fixed_sz;
	for (unsigned i = 0; i < shape.string_cnt && at < len; i++)
		at += 1u + ret_rdata[at];
	for (unsigned i = 0; i < shape.name_cnt; i++) {
		size_t name_len = at < len ? stele_name_length(ret_rdata + at, len - at) : 0;
		if (name_len == 0)
			return false;
		stele_name_lower(ret_rdata + at, ret_rdata + at, name_len);
		at += name_len;
	}
	return at <= len && (shape.tail_sz == STELE_RDATA_TAIL_ANY || len - at == shape.tail_sz);
}

uint16_t stele_rdata_key_tag(const uint8_t *rdata, size_t len)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)rdata[i] << 8 : rdata[i];
	return (uint16_t)(sum + (sum >> 16));
}
