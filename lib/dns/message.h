/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DNS_MESSAGE_H
#define STELE_LIB_DNS_MESSAGE_H

/* Constants of DNS messages (RFC 1035 section 4.1, RFC 6895, RFC 6891). */

enum {
	STELE_HEADER_SZ = 12,
	STELE_RR_FIXED_SZ = 10, /* type, class, TTL, rdata length: an RR behind its owner */
	STELE_MESSAGE_MAX = 65535,
	STELE_POINTER_MAX = 0x3fff, /* the last offset that a compression pointer reaches */
};

/* The 16 bits behind the message id, as one big-endian number. */
enum {
	STELE_FLAG_QR = 0x8000,
	STELE_FLAG_OPCODE = 0x7800,
	STELE_FLAG_AA = 0x0400,
	STELE_FLAG_TC = 0x0200,
	STELE_FLAG_RD = 0x0100,
	STELE_FLAG_RA = 0x0080,
	STELE_FLAG_AD = 0x0020,
	STELE_FLAG_CD = 0x0010,
	STELE_FLAG_RCODE = 0x000f,
	STELE_OPCODE_SHIFT = 11,
};

enum stele_opcode {
	STELE_OPCODE_QUERY = 0,
	STELE_OPCODE_NOTIFY = 4,
	STELE_OPCODE_UPDATE = 5,
};

enum stele_rcode {
	STELE_RCODE_NOERROR = 0,
	STELE_RCODE_FORMERR = 1,
	STELE_RCODE_SERVFAIL = 2,
	STELE_RCODE_NXDOMAIN = 3,
	STELE_RCODE_NOTIMP = 4,
	STELE_RCODE_REFUSED = 5,
	STELE_RCODE_YXDOMAIN = 6,
	STELE_RCODE_NOTAUTH = 9, /* as an answer to TSIG: RFC 8945 section 5.2 */
	STELE_RCODE_BADVERS = 16,
	STELE_RCODE_BADCOOKIE = 23,
};

enum stele_edns_option {
	STELE_EDNS_NSID = 3,
	STELE_EDNS_EXPIRE = 9,
	STELE_EDNS_COOKIE = 10,
	STELE_EDNS_TCP_KEEPALIVE = 11,
	STELE_EDNS_PADDING = 12,
	STELE_EDNS_EDE = 15,
};

/* Extended DNS errors (RFC 8914 section 4). */
enum stele_ede {
	STELE_EDE_NONE = -1,
	STELE_EDE_NOT_READY = 14,
	STELE_EDE_PROHIBITED = 18,
	STELE_EDE_NOT_AUTHORITATIVE = 20,
	STELE_EDE_NOT_SUPPORTED = 21,
	STELE_EDE_INVALID_DATA = 24,
};

#define STELE_EDNS_FLAG_DO 0x8000

#endif
