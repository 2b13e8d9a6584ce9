/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/rdata.h"

#include "lib/dns/name.h"
#include "lib/dns/rdata_fields.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

bool stele_rdata_type_is_data(uint16_t type)
{
	return type != 0 && type != STELE_TYPE_OPT && (type < 128 || type > 255);
}

/*
 * Bytes of a relay of AMTRELAY or a gateway of IPSECKEY, by its type; SIZE_MAX if they are not whole. What stands there
 * for other types than these is not said.
 */
static size_t host_length(unsigned type, const uint8_t *p, size_t left)
{
	size_t need = left;
	if (type == 0)
		need = 0;
	else if (type == 1)
		need = 4;
	else if (type == 2)
		need = 16;
	else if (type == 3 && (need = stele_name_length(p, left)) == 0)
		return SIZE_MAX;
	return need <= left ? need : SIZE_MAX;
}

static bool bitmap_valid(const uint8_t *p, size_t len)
{
	int last = -1;
	while (len > 0) {
		if (len < 2 || p[0] <= last || p[1] < 1 || p[1] > 32 || p[1] > len - 2 ||
		    p[1 + p[1]] == 0)
			return false;
		last = p[0];
		len -= 2u + p[1];
		p += 2u + p[1];
	}
	return true;
}

bool stele_rdata_valid(uint16_t type, const uint8_t *bytes, size_t len)
{
	const char *letters = stele_rdata_fields(type, STELE_RDATA_READ);
	if (letters == NULL)
		return stele_rdata_valid_by_ldns(type, bytes, len);
	const uint8_t *p = bytes, *end = bytes + len;
	for (; *letters != '\0'; letters++) {
		size_t left = (size_t)(end - p), need;
		switch (*letters) {
		case '1':
		case 'A':
		case 'C':
		case 'P':
			need = 1;
			break;
		case '2':
		case 'F':
		case 'R':
			need = 2;
			break;
		case '6':
			need = 16;
			break;
		case '8':
		case 'I':
			need = 8;
			break;
		case 'Y': /* D bit and type */
			need = left < 1 ? SIZE_MAX : host_length(*p & 0x7f, p + 1, left - 1);
			if (need == SIZE_MAX)
				return false;
			need++;
			break;
		case 'K': /* type and algorithm; behind the gateway the key, which may be none */
			return left >= 2 && host_length(*p, p + 2, left - 2) != SIZE_MAX;
		case 'G': /* of another version anything */
			need = left > 0 && *p != 0 ? left : 16;
			break;
		case 'N':
			need = stele_name_length(p, left);
			if (need == 0)
				return false;
			break;
		case 'S':
		case 'H':
		case 'U':
		case 'W':
			if (left == 0 || ((*letters == 'H' || *letters == 'W') && *p == 0))
				return false;
			need = 1u + *p;
			break;
		case 'T':
			if (left == 0)
				return false;
			while (p < end) {
				if (*p >= end - p)
					return false;
				p += 1 + *p;
			}
			return true;
		case 'M':
			return bitmap_valid(p, left);
		case 'X':
		case 'B':
			return left > 0;
		case 'O':
		case 'Q':
		case 'Z':
		case 'V': /* clients judge */
			return true;
		default:
			need = 4;
			break;
		}
		if (need > left)
			return false;
		p += need;
	}
	return p == end;
}

int stele_rdata_from_message(uint16_t type, const uint8_t *msg, size_t msg_len, size_t rdata_off,
			     size_t rdlen, uint8_t out[STELE_RDATA_MAX])
{
	if (!stele_rdata_type_is_data(type) || rdata_off > msg_len || rdlen > msg_len - rdata_off ||
	    rdlen > STELE_RDATA_MAX)
		return STELE_E_INPUT;
	int len = stele_rdata_expand(type, msg, rdata_off, rdlen, out, STELE_RDATA_MAX);
	return len >= 0 && stele_rdata_valid(type, out, (size_t)len) ? len : STELE_E_INPUT;
}
