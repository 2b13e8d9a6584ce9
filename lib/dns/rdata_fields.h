/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_RDATA_FIELDS_H
#define STELE_LIB_DNS_RDATA_FIELDS_H

/*
 * Of which fields the rdata of a type consists: a string of letters, one a field. One loop over it checks wire bytes
 * (lib/zone), another one reads text (import), a third writes text (lib/text).
 *
 *   N name                       4, 6 addresses              1, 2, 3, 8 numbers of 8, 16, 32, 64 bits
 *   D duration of 32 bits        E time of 32 bits           A algorithm
 *   R record type                S salt in hex, "-" if none  H base32hex behind its length
 *   C scheme of DSYNC            Y relay of AMTRELAY         U string
 *   F type of CERT               I 64 bits in four groups of hex digits
 *   Z base64 up to the end, which may be missing on the wire
 *   P parameter of TLSA          W tag of CAA                T strings up to the end
 *   M type bitmap up to the end  X hex up to the end         B base64 up to the end
 *   O the same, "-" if none      Q one string without a length, up to the end
 *   G location of LOC            K gateway and key of IPSECKEY
 *   V parameters of SVCB up to the end
 */

#include <stdint.h>

/* Who goes by the letters; of any other type, ldns is asked. */
enum stele_rdata_use {
	STELE_RDATA_READ = 1,    /* who checks wire bytes, and who reads text */
	STELE_RDATA_WRITTEN = 2, /* who writes text */
};

/* The letters of a type, NULL if it has none for this use. */
const char *stele_rdata_fields(uint16_t type, enum stele_rdata_use use);

#endif
