/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/rrtype.h"

#include "lib/dns/name.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One a line reads as a table. */
/* clang-format off */
static const struct {
	uint16_t type;
	const char *text;
} mnemonics[] = {
	{1, "A"},
	{2, "NS"},
	{3, "MD"},
	{4, "MF"},
	{5, "CNAME"},
	{6, "SOA"},
	{7, "MB"},
	{8, "MG"},
	{9, "MR"},
	{10, "NULL"},
	{11, "WKS"},
	{12, "PTR"},
	{13, "HINFO"},
	{14, "MINFO"},
	{15, "MX"},
	{16, "TXT"},
	{17, "RP"},
	{18, "AFSDB"},
	{19, "X25"},
	{20, "ISDN"},
	{21, "RT"},
	{22, "NSAP"},
	{23, "NSAP-PTR"},
	{24, "SIG"},
	{25, "KEY"},
	{26, "PX"},
	{27, "GPOS"},
	{28, "AAAA"},
	{29, "LOC"},
	{30, "NXT"},
	{31, "EID"},
	{32, "NIMLOC"},
	{33, "SRV"},
	{34, "ATMA"},
	{35, "NAPTR"},
	{36, "KX"},
	{37, "CERT"},
	{38, "A6"},
	{39, "DNAME"},
	{40, "SINK"},
	{41, "OPT"},
	{42, "APL"},
	{43, "DS"},
	{44, "SSHFP"},
	{45, "IPSECKEY"},
	{46, "RRSIG"},
	{47, "NSEC"},
	{48, "DNSKEY"},
	{49, "DHCID"},
	{50, "NSEC3"},
	{51, "NSEC3PARAM"},
	{52, "TLSA"},
	{53, "SMIMEA"},
	{55, "HIP"},
	{56, "NINFO"},
	{57, "RKEY"},
	{58, "TALINK"},
	{59, "CDS"},
	{60, "CDNSKEY"},
	{61, "OPENPGPKEY"},
	{62, "CSYNC"},
	{63, "ZONEMD"},
	{64, "SVCB"},
	{65, "HTTPS"},
	{66, "DSYNC"},
	{67, "HHIT"},
	{68, "BRID"},
	{99, "SPF"},
	{100, "UINFO"},
	{101, "UID"},
	{102, "GID"},
	{103, "UNSPEC"},
	{104, "NID"},
	{105, "L32"},
	{106, "L64"},
	{107, "LP"},
	{108, "EUI48"},
	{109, "EUI64"},
	{128, "NXNAME"},
	{249, "TKEY"},
	{250, "TSIG"},
	{251, "IXFR"},
	{252, "AXFR"},
	{253, "MAILB"},
	{254, "MAILA"},
	{255, "ANY"},
	{256, "URI"},
	{257, "CAA"},
	{258, "AVC"},
	{259, "DOA"},
	{260, "AMTRELAY"},
	{261, "RESINFO"},
	{262, "WALLET"},
	{263, "CLA"},
	{264, "IPN"},
	{32768, "TA"},
	{32769, "DLV"},
};
/* clang-format on */

#define MNEMONIC_CNT (sizeof(mnemonics) / sizeof(mnemonics[0]))

const char *stele_rrtype_to_text(uint16_t type, char text[STELE_RRTYPE_TEXT_MAX])
{
	for (size_t i = 0; i < MNEMONIC_CNT; i++) {
		if (mnemonics[i].type == type) {
			snprintf(text, STELE_RRTYPE_TEXT_MAX, "%s", mnemonics[i].text);
			return text;
		}
	}
	snprintf(text, STELE_RRTYPE_TEXT_MAX, "TYPE%u", type);
	return text;
}

int stele_rrtype_from_text(const char *text, size_t text_len)
{
	for (size_t i = 0; i < MNEMONIC_CNT; i++)
		if (strlen(mnemonics[i].text) == text_len &&
		    strncasecmp(mnemonics[i].text, text, text_len) == 0)
			return mnemonics[i].type;
	if (text_len < 5 || text_len > 9 || strncasecmp(text, "TYPE", 4) != 0)
		return -1;
	unsigned value = 0;
	for (size_t i = 4; i < text_len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	return value <= 65535 ? (int)value : -1;
}

int stele_rdata_additional_name(uint16_t type)
{
	switch (type) {
	case STELE_TYPE_NS:
		return 0;
	case STELE_TYPE_MX:
	case STELE_TYPE_SVCB:
	case STELE_TYPE_HTTPS:
		return 2;
	case STELE_TYPE_SRV:
		return 6;
	default:
		return -1;
	}
}
