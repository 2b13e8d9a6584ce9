/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/rdata.h"

#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"

#include <string.h>

int stele_name_from_message(const uint8_t *msg, size_t msg_len, size_t off, uint8_t name[255],
			    size_t *ret_next)
{
	size_t len = 0, at = off, next = 0;
	size_t lowest = off; /* what pointers must stay below */
	for (;;) {
		if (at >= msg_len)
			return STELE_E_INPUT;
		size_t label = msg[at];
		if (label >= 0xc0) {
			if (msg_len - at < 2)
				return STELE_E_INPUT;
			size_t target = (label & 0x3f) << 8 | msg[at + 1];
			if (next == 0)
				next = at + 2;
			if (target < STELE_HEADER_SZ || target >= lowest)
				return STELE_E_INPUT;
			lowest = at = target;
			continue;
		}
		if (label > STELE_LABEL_MAX || msg_len - at < 1 + label ||
		    len + 1 + label > STELE_NAME_MAX)
			return STELE_E_INPUT;
		memcpy(name + len, msg + at, 1 + label);
		len += 1 + label;
		at += 1 + label;
		if (label == 0)
			break;
	}
	*ret_next = next != 0 ? next : at;
	return (int)len;
}

/*
 * What stands in the data up to the last name that may be compressed: N a name, S a string, a digit so many
 * bytes. What follows is copied.
 */
static const char *layout(uint16_t type)
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
	case 30: /* NXT */
		return "N";
	case STELE_TYPE_SOA:
	case STELE_TYPE_MINFO:
	case 17: /* RP */
		return "NN";
	case STELE_TYPE_MX:
	case 18: /* AFSDB */
	case 21: /* RT */
		return "2N";
	case 26: /* PX */
		return "2NN";
	case STELE_TYPE_SRV:
		return "6N";
	case STELE_TYPE_SIG:
		return "99N";
	case 35: /* NAPTR */
		return "4SSSN";
	default:
		return "";
	}
}

int stele_rdata_from_message(uint16_t type, const uint8_t *msg, size_t msg_len, size_t rdata_off,
			     size_t rdlen, uint8_t out[STELE_RDATA_MAX])
{
	if (!stele_rdata_type_is_data(type) || rdata_off > msg_len || rdlen > msg_len - rdata_off ||
	    rdlen > STELE_RDATA_MAX)
		return STELE_E_INPUT;
	size_t at = rdata_off, end = rdata_off + rdlen, len = 0;
	for (const char *field = layout(type); *field != '\0'; field++) {
		size_t sz = (size_t)(*field - '0');
		if (*field == 'N') {
			uint8_t name[STELE_NAME_MAX];
			/* The labels that stand here, and the pointer, are the data's own. */
			int name_len = stele_name_from_message(msg, end, at, name, &at);
			if (name_len < 0 || at > end || len + (size_t)name_len > STELE_RDATA_MAX)
				return STELE_E_INPUT;
			memcpy(out + len, name, (size_t)name_len);
			len += (size_t)name_len;
			continue;
		}
		if (*field == 'S')
			sz = at < end ? 1u + msg[at] : 1;
		if (sz > end - at || len + sz > STELE_RDATA_MAX)
			return STELE_E_INPUT;
		memcpy(out + len, msg + at, sz);
		len += sz;
		at += sz;
	}
	if (end - at > STELE_RDATA_MAX - len)
		return STELE_E_INPUT;
	memcpy(out + len, msg + at, end - at);
	len += end - at;
	return stele_rdata_valid(type, out, len) ? (int)len : STELE_E_INPUT;
}
