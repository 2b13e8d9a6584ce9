/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_OUTGOING_H
#define STELE_MGMT_TRANSFER_OUTGOING_H

/*
 * What a transfer out says, without sockets: from a request and the store to messages, one whenever
 * somebody can take one (RFC 5936, RFC 1995).
 *
 * An outgoing transfer holds one read of the store, so all of it is of one version. It costs a writer and
 * a cursor, whatever the size of the zone. What a client gets:
 *
 *   AXFR                              all records between two SOAs
 *   IXFR, serial as ours or newer     our SOA alone
 *   IXFR, the journal leads there     the steps, oldest first; unless the zone itself is shorter
 *   IXFR otherwise                    as AXFR; over UDP our SOA alone, which means: ask over TCP
 *
 * An object belongs to one thread at a time.
 */

#include "lib/base/error.h"
#include "lib/dns/name.h"
#include "lib/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request for a transfer, read and found sound. */
struct stele_transfer_request {
	uint16_t id, flags;
	uint16_t type; /* AXFR or IXFR */
	uint16_t class_;
	uint8_t name[STELE_NAME_MAX]; /* as it came */
	uint8_t apex[STELE_NAME_MAX]; /* lower case */
	uint8_t name_len;
	uint32_t serial;   /* the client's, of IXFR */
	bool has_opt;      /* it speaks EDNS, and is answered so (RFC 5936 section 2.2.5) */
	bool wants_expire; /* RFC 7314 */
	uint16_t udp_size; /* bytes of a datagram that it takes; 512 without EDNS */
};

/*
 * Reads a request of type AXFR or IXFR. NOERROR, or the rcode to answer with: FORMERR if it is not one
 * question of these types with, for IXFR, one SOA of the same name in the authority section; BADVERS. Bytes
 * behind the last record are FORMERR too.
 */
uint16_t stele_transfer_request_parse(const uint8_t *msg, size_t len,
				      struct stele_transfer_request *ret_request);

struct stele_outgoing_options {
	bool ixfr;         /* options.ixfr_out; without it IXFR is answered as AXFR */
	bool datagram;     /* the reply must be one message; else STELE_OUT_SOA */
	bool has_expire;   /* `expire_s` is the secondary's time left; else the SOA says it */
	uint32_t expire_s; /* seconds */
};

enum stele_outgoing_kind {
	STELE_OUT_SOA,  /* the SOA alone */
	STELE_OUT_AXFR, /* the zone as a whole */
	STELE_OUT_IXFR, /* the steps of the journal */
};

struct stele_outgoing_stats {
	enum stele_outgoing_kind kind;
	uint32_t from_serial; /* of IXFR */
	uint32_t serial;
	uint64_t message_cnt, record_cnt, sz; /* so far; bytes without lengths and signatures */
};

struct stele_outgoing;

/*
 * Begins. `*ret_rcode` is NOERROR, NOTAUTH (no such zone, or another class) or SERVFAIL (expired, never loaded); only
 * with NOERROR there is an object. STELE_E_SYSTEM if the store cannot be read.
 */
int stele_outgoing_new(struct stele_store *store, const struct stele_transfer_request *request,
		       const struct stele_outgoing_options *options,
		       struct stele_outgoing **ret_outgoing, uint16_t *ret_rcode,
		       struct stele_error *reterr);

/* Ends the read. NULL is fine. */
void stele_outgoing_free(struct stele_outgoing *outgoing);

/*
 * Writes the next message, of at most `cap` bytes, and returns its length; 0 behind the last one. `ret_last`
 * is true with the last one. With `datagram` there is one message.
 *
 * STELE_E_INPUT: there is a record that fits into no message of this size. STELE_E_SYSTEM: the store
 * cannot be read. After a failure only stele_outgoing_free() is of use.
 */
int stele_outgoing_next(struct stele_outgoing *outgoing, uint8_t *buf, size_t cap, bool *ret_last,
			struct stele_error *reterr);

/* What was sent so far. */
void stele_outgoing_stats(const struct stele_outgoing *outgoing,
			  struct stele_outgoing_stats *ret_stats);

#endif
