/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/rdata_fields.h"

#include "lib/dns/rrtype.h"

#include <stddef.h>

struct fields {
	const char *letters;
	unsigned uses;
};

enum { READ = STELE_RDATA_READ, WRITTEN = STELE_RDATA_WRITTEN, BOTH = READ | WRITTEN };

static const struct fields low[] = {
	[STELE_TYPE_A] = {"4", BOTH},
	[STELE_TYPE_NS] = {"N", BOTH},
	[STELE_TYPE_MD] = {"N", WRITTEN},
	[STELE_TYPE_MF] = {"N", WRITTEN},
	[STELE_TYPE_CNAME] = {"N", BOTH},
	[STELE_TYPE_SOA] = {"NN3DDDD", BOTH},
	[STELE_TYPE_MB] = {"N", WRITTEN},
	[STELE_TYPE_MG] = {"N", WRITTEN},
	[STELE_TYPE_MR] = {"N", WRITTEN},
	[STELE_TYPE_PTR] = {"N", BOTH},
	[STELE_TYPE_HINFO] = {"UU", WRITTEN},
	[STELE_TYPE_MINFO] = {"NN", WRITTEN},
	[STELE_TYPE_MX] = {"2N", BOTH},
	[STELE_TYPE_TXT] = {"T", BOTH},
	[17] = {"NN", BOTH},   /* RP */
	[18] = {"2N", BOTH},   /* AFSDB */
	[21] = {"2N", BOTH},   /* RT */
	[23] = {"N", READ},    /* NSAP-PTR */
	[25] = {"21AZ", READ}, /* KEY, RFC 2535 */
	[26] = {"2NN", READ},  /* PX */
	[STELE_TYPE_AAAA] = {"6", BOTH},
	[29] = {"G", BOTH}, /* LOC, RFC 1876 */
	[STELE_TYPE_SRV] = {"222N", BOTH},
	[35] = {"22UUUN", BOTH}, /* NAPTR */
	[36] = {"2N", BOTH},     /* KX */
	[37] = {"F2AZ", READ},   /* CERT, RFC 4398 */
	[STELE_TYPE_DNAME] = {"N", BOTH},
	[STELE_TYPE_DS] = {"2A1X", BOTH},
	[44] = {"11X", BOTH}, /* SSHFP */
	[45] = {"1K", READ},  /* IPSECKEY, RFC 4025 */
	[STELE_TYPE_RRSIG] = {"RA1DEE2NB", BOTH},
	[STELE_TYPE_NSEC] = {"NM", BOTH},
	[STELE_TYPE_DNSKEY] = {"21AB", BOTH},
	[49] = {"B", WRITTEN}, /* DHCID */
	[STELE_TYPE_NSEC3] = {"112SHM", BOTH},
	[STELE_TYPE_NSEC3PARAM] = {"112S", BOTH},
	[52] = {"PPPX", BOTH}, /* TLSA */
	[53] = {"PPPX", BOTH}, /* SMIMEA */
	[56] = {"T", BOTH},    /* NINFO */
	[57] = {"21AB", BOTH}, /* RKEY */
	[STELE_TYPE_CDS] = {"2A1X", BOTH},
	[STELE_TYPE_CDNSKEY] = {"21AB", BOTH},
	[61] = {"B", WRITTEN}, /* OPENPGPKEY */
	[62] = {"32M", BOTH},  /* CSYNC */
	[STELE_TYPE_ZONEMD] = {"311X", BOTH},
	[64] = {"2NV", READ},  /* SVCB, RFC 9460 */
	[65] = {"2NV", READ},  /* HTTPS */
	[66] = {"RC2N", BOTH}, /* DSYNC, RFC 9859 */
	[67] = {"B", BOTH},    /* HHIT, RFC 9886 */
	[68] = {"B", BOTH},    /* BRID, RFC 9886 */
	[99] = {"T", WRITTEN}, /* SPF */
	[104] = {"2I", READ},  /* NID, RFC 6742 */
	[105] = {"24", READ},  /* L32 */
	[106] = {"2I", READ},  /* L64 */
	[107] = {"2N", READ},  /* LP */
};

#define HIGH 256
static const struct fields high[] = {
	[256 - HIGH] = {"22Q", BOTH},   /* URI */
	[257 - HIGH] = {"1WQ", BOTH},   /* CAA */
	[258 - HIGH] = {"T", BOTH},     /* AVC */
	[259 - HIGH] = {"331UO", BOTH}, /* DOA */
	[260 - HIGH] = {"1Y", BOTH},    /* AMTRELAY, RFC 8777 */
	[261 - HIGH] = {"T", BOTH},     /* RESINFO, RFC 9606 */
	[262 - HIGH] = {"T", BOTH},     /* WALLET */
	[263 - HIGH] = {"T", BOTH},     /* CLA */
	[264 - HIGH] = {"8", BOTH},     /* IPN */
};

#define CNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct fields *find(uint16_t type)
{
	if (type < CNT(low))
		return &low[type];
	if (type >= HIGH && type - HIGH < (int)CNT(high))
		return &high[type - HIGH];
	if (type == 32768 || type == 32769) /* TA; DLV, RFC 4431 */
		return &low[STELE_TYPE_DS];
	return NULL;
}

const char *stele_rdata_fields(uint16_t type, enum stele_rdata_use use)
{
	const struct fields *fields = find(type);
	return fields != NULL && (fields->uses & use) != 0 ? fields->letters : NULL;
}
