/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_INCOMING_H
#define STELE_MGMT_TRANSFER_INCOMING_H

/*
 * A transfer that comes in (RFC 5936, RFC 1995), message by message, apart from sockets.
 *
 * What comes is told to a sink: either the zone as a whole, or deltas from our serial on, each a run
 * of removed and one of added records. It ends with the SOA that it began with. To a question for
 * IXFR the primary may answer with either, or with its SOA alone if it has nothing newer; which it is,
 * shows with the second record:
 *
 *   SOA new | records | SOA new                                     the zone as a whole
 *   SOA new | SOA ours | removed | SOA next | added | ... | SOA new    deltas
 *
 * The messages are taken as hostile. Order, serials, owners, classes, types and the names in records
 * are checked here, and that neither the messages nor what they unpack to pass the limit; whether a
 * record is what its type demands, and what makes a zone, is for the sink. Nothing that the sink
 * was told counts before stele_incoming_message() has returned 0.
 *
 * Signatures were checked and taken off before. Belongs to one thread; costs no memory of its own.
 */

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/name.h"
#include "lib/dns/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is told may take so many times the bytes of the messages: compression hides that much. In the
 * zones of registries it is below 4; a message that is made for it reaches 20. */
#define STELE_INCOMING_UNPACK_MAX 8

struct stele_incoming_record {
	bool removed;         /* of a delta: it goes */
	bool same_owner;      /* as of the record told before */
	const uint8_t *owner; /* whole name, lower case */
	uint8_t owner_len;
	uint16_t type, rdata_len;
	uint32_t ttl;
	const uint8_t *rdata; /* names expanded, in the case in which they came */
};

/* Each returns 0, or a negative status that ends the transfer. */
struct stele_incoming_sink {
	/* The zone as a whole comes next: what there was told before does not count. */
	int (*whole)(void *user, struct stele_error *reterr);
	/* A delta comes next, from this serial on: first what is removed, beginning with the SOA of
	 * that serial, then what is added, beginning with the SOA of the next. */
	int (*delta)(void *user, uint32_t from, struct stele_error *reterr);
	int (*record)(void *user, const struct stele_incoming_record *record,
		      struct stele_error *reterr);
	void *user;
};

struct stele_incoming_settings {
	const uint8_t *apex; /* lower case; lives as long as the transfer */
	uint8_t apex_len;
	bool ixfr;       /* this was asked for, from `serial` on; else AXFR */
	bool only_newer; /* a primary that is not ahead of `serial` ends it; so always with `ixfr` */
	uint32_t serial; /* ours, where one of the two is set */
	uint16_t id;     /* of the question */
	uint64_t sz_max; /* bytes of messages; 0: no limit */
	struct stele_incoming_sink sink;
};

enum stele_incoming_kind {
	STELE_INCOMING_UNKNOWN,    /* not yet known */
	STELE_INCOMING_UP_TO_DATE, /* the primary's serial is ours */
	STELE_INCOMING_OLDER,      /* the primary's serial is behind ours */
	STELE_INCOMING_WHOLE,
	STELE_INCOMING_DELTAS,
};

/* Why a transfer ended with STELE_E_INPUT: whether something else should be asked for. */
enum stele_incoming_fault {
	STELE_INCOMING_FINE,
	STELE_INCOMING_RCODE,     /* `rcode` says no */
	STELE_INCOMING_MALFORMED, /* not what the RFCs allow */
	STELE_INCOMING_TOO_LARGE,
	STELE_INCOMING_SINK, /* the sink ended it */
};

struct stele_incoming {
	/* Results, good after each message. */
	enum stele_incoming_kind kind;
	enum stele_incoming_fault fault;
	uint16_t rcode;
	uint32_t serial; /* of the primary, once a SOA was seen: `rr_cnt` > 0 */
	bool has_expire; /* the option EXPIRE came (RFC 7314): `expire` seconds */
	uint32_t expire;
	uint64_t sz, message_cnt, rr_cnt, told_sz;

	/* Private: */
	struct stele_incoming_settings settings;
	int state;
	uint32_t from, to; /* of the delta under way */
	uint32_t soa_ttl;
	uint16_t soa_len;
	uint8_t owner_len; /* of the record told last; 0: none */
	uint8_t owner[STELE_NAME_MAX];
	uint8_t raw_len;
	uint8_t raw[STELE_NAME_MAX];          /* the same owner, as it came */
	uint8_t soa[2 * STELE_NAME_MAX + 20]; /* rdata of the first SOA */
	uint8_t rdata[STELE_MESSAGE_MAX];
};

void stele_incoming_begin(struct stele_incoming *incoming,
			  const struct stele_incoming_settings *settings);

/*
 * The next message. 1: more must come; 0: the transfer is complete, and `kind` says what came;
 * STELE_E_INPUT: it is wrong, `fault` says in which way; or what the sink returned. Not to be called
 * again after anything but 1.
 */
int stele_incoming_message(struct stele_incoming *incoming, const uint8_t *msg, size_t len,
			   struct stele_error *reterr);

#define STELE_INCOMING_SOA_FIXED_SZ 20 /* serial, refresh, retry, expire, minimum */

/* The serial of a SOA that was told. */
static inline uint32_t stele_incoming_soa_serial(const struct stele_incoming_record *soa)
{
	return stele_get_be32(soa->rdata + soa->rdata_len - STELE_INCOMING_SOA_FIXED_SZ);
}

#endif
