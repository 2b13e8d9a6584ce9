/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/rdata.h"

#include "lib/dns/name.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

static const char *const descriptions[] = {
	[STELE_TYPE_A] = "4",
	[STELE_TYPE_NS] = "N",
	[STELE_TYPE_CNAME] = "N",
	[STELE_TYPE_SOA] = "NN3DDDD",
	[STELE_TYPE_PTR] = "N",
	[STELE_TYPE_MX] = "2N",
	[STELE_TYPE_TXT] = "T",
	[17] = "NN",   /* RP */
	[18] = "2N",   /* AFSDB */
	[21] = "2N",   /* RT */
	[23] = "N",    /* NSAP-PTR */
	[26] = "2NN",  /* PX */
	[25] = "21AZ", /* KEY, RFC 2535 */
	[STELE_TYPE_AAAA] = "6",
	[29] = "G", /* LOC, RFC 1876 */
	[STELE_TYPE_SRV] = "222N",
	[35] = "22UUUN", /* NAPTR */
	[36] = "2N",     /* KX */
	[37] = "F2AZ",   /* CERT, RFC 4398 */
	[STELE_TYPE_DNAME] = "N",
	[STELE_TYPE_DS] = "2A1X",
	[44] = "11X", /* SSHFP */
	[45] = "1K",  /* IPSECKEY, RFC 4025 */
	[STELE_TYPE_RRSIG] = "RA1DEE2NB",
	[STELE_TYPE_NSEC] = "NM",
	[STELE_TYPE_DNSKEY] = "21AB",
	[STELE_TYPE_NSEC3] = "112SHM",
	[STELE_TYPE_NSEC3PARAM] = "112S",
	[52] = "PPPX", /* TLSA */
	[53] = "PPPX", /* SMIMEA */
	[56] = "T",    /* NINFO */
	[57] = "21AB", /* RKEY */
	[STELE_TYPE_CDS] = "2A1X",
	[STELE_TYPE_CDNSKEY] = "21AB",
	[62] = "32M", /* CSYNC */
	[STELE_TYPE_ZONEMD] = "311X",
	[64] = "2NV",  /* SVCB, RFC 9460 */
	[65] = "2NV",  /* HTTPS */
	[66] = "RC2N", /* DSYNC, RFC 9859 */
	[67] = "B",    /* HHIT, RFC 9886 */
	[68] = "B",    /* BRID, RFC 9886 */
	[104] = "2I",  /* NID, RFC 6742 */
	[105] = "24",  /* L32 */
	[106] = "2I",  /* L64 */
	[107] = "2N",  /* LP */
};

const char *stele_rdata_description(uint16_t type)
{
	if (type < sizeof(descriptions) / sizeof(descriptions[0]))
		return descriptions[type];
	switch (type) {
	case 256: /* URI */
		return "22Q";
	case 257: /* CAA */
		return "1WQ";
	case 258: /* AVC */
	case 261: /* RESINFO, RFC 9606 */
	case 262: /* WALLET */
	case 263: /* CLA */
		return "T";
	case 259: /* DOA */
		return "331UO";
	case 260: /* AMTRELAY, RFC 8777 */
		return "1Y";
	case 264: /* IPN */
		return "8";
	case 32768: /* TA */
	case 32769: /* DLV, RFC 4431 */
		return "2A1X";
	default:
		return NULL;
	}
}

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
	const char *letters = stele_rdata_description(type);
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
