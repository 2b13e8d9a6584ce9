/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TSIG_TSIG_H
#define STELE_LIB_TSIG_TSIG_H

/*
 * Signed messages (TSIG, RFC 8945), for servers and for clients.
 *
 * A `struct stele_tsig` goes with one transaction: a request and all messages that answer it. What the
 * request's signature was goes into those of the answers, and each of theirs into the next.
 *
 * A server verifies the request, makes its reply, whatever that says, and signs it:
 *
 *     struct stele_tsig tsig;
 *     int status = stele_tsig_verify_request(keys, msg, &len, now, &tsig);
 *     …                     (status < 0: a reply with tsig.rcode and nothing but the question)
 *     stele_writer_limit(&writer, max, stele_tsig_room(&tsig));
 *     …
 *     stele_tsig_sign_reply(&tsig, reply, &reply_len, max, now);       (once for each message)
 *     stele_tsig_end(&tsig);
 *
 * A client signs the request and verifies what comes back, one message or many:
 *
 *     stele_tsig_sign_request(key, msg, &len, max, now, &tsig);
 *     status = stele_tsig_verify_reply(&tsig, reply, &reply_len, now, &err);    (once for each)
 *     … stele_tsig_is_closed(&tsig) behind the last one
 *     stele_tsig_end(&tsig);
 *
 * Verifying strips the TSIG record: afterwards the message is as it was before it was signed, except that
 * its id stays that with which it came, since a reply must have that one.
 *
 * `now` is the time of day in seconds since 1970. The set of keys must live as long as the transaction: hold
 * a reference. A transaction belongs to one thread; several may use the same keys. Nothing but OpenSSL
 * allocates.
 */

#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/tsig/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the TSIG's own field (RFC 8945 section 3). */
enum stele_tsig_error {
	STELE_TSIG_NOERROR = 0,
	STELE_TSIG_BADSIG = 16,
	STELE_TSIG_BADKEY = 17,
	STELE_TSIG_BADTIME = 18,
	STELE_TSIG_BADTRUNC = 22,
};

/* Seconds by which clocks may differ, in what we sign: RFC 8945 section 10 recommends it. Less makes
 * signatures fail for clocks that are slightly wrong, more gives a replay more time. */
#define STELE_TSIG_FUDGE 300

/* Messages of an answer without a signature in a row that a client accepts (RFC 8945 section 5.3.1). */
#define STELE_TSIG_UNSIGNED_MAX 99

/* Longest algorithm name that is sent back with BADKEY; a longer one is answered with FORMERR. */
#define STELE_TSIG_ALGORITHM_MAX 64

struct stele_tsig {
	const struct stele_tsig_key
		*key;   /* with which the request was signed; NULL: not, or unknown */
	uint16_t rcode; /* what a refused request is answered with: NOTAUTH or FORMERR; else 0 */
	uint16_t error; /* enum stele_tsig_error: ours of a request, the peer's of a reply */
	uint64_t peer_time; /* seconds since 1970: when the message was signed; with BADTIME of a
			      * reply, the server's clock */
	/* Private: */
	bool has_tsig;       /* a TSIG is to go with the reply */
	bool is_open;        /* messages came that no signature covers yet */
	uint32_t signed_cnt; /* replies that were signed or verified */
	uint32_t unsigned_cnt;
	uint64_t request_time;
	uint16_t fudge;
	uint8_t mac_len; /* of the last signature: the request's, then each reply's */
	uint8_t mac[STELE_TSIG_MAC_MAX];
	uint8_t name_len, algorithm_len;
	uint8_t name[STELE_NAME_MAX]; /* as the request had them, lower case */
	uint8_t algorithm[STELE_TSIG_ALGORITHM_MAX];
	void *running; /* the MAC over messages since the last signature */
};

/*
 * Verifies a request and strips its TSIG: `*len` becomes less, ARCOUNT one less.
 *
 *  1  it is signed and good; `ret_tsig->key` tells by whom.
 *  0  it has no TSIG. Whether that will do is the caller's to say.
 *  STELE_E_INPUT   it must not be obeyed: answer with `ret_tsig->rcode`. FORMERR: the message or its TSIG
 *     cannot be read, the TSIG is not the last record or not alone, or its MAC has an impossible length
 *     (section 5.2.2.1); the message is left as it was. NOTAUTH: `ret_tsig->error` says BADKEY, BADSIG,
 *     BADTIME or BADTRUNC; the TSIG is stripped. sign_reply() does the right thing in each case.
 *  STELE_E_SYSTEM  no memory; answer SERVFAIL.
 *
 * A good signature is fresh if its time is not further from `now` than the fudge that it names. And it must
 * not be older by more than that fudge than the latest that was seen with this key, so that a recorded
 * request is of no use soon after, even if somebody turns our clock back (section 5.2.3 has it without the
 * tolerance; then any two datagrams that overtake one another would fail). Within the fudge a request can be
 * replayed: what must not happen twice needs more than TSIG.
 */
int stele_tsig_verify_request(const struct stele_tsig_keys *keys, uint8_t *msg, size_t *len,
			      uint64_t now, struct stele_tsig *ret_tsig);

/* Bytes that stele_tsig_sign_reply() adds to a message: 0 if the request was not signed. */
size_t stele_tsig_room(const struct stele_tsig *tsig);

/*
 * Appends the TSIG that a reply must have: signed if the request was good, or was refused with BADTIME or
 * BADTRUNC; without a MAC if it was refused with BADKEY or BADSIG; none if it had none or with FORMERR
 * (sections 5.3 and 5.3.2). For each message of an answer of many, in their order (section 5.3.1).
 *
 * `msg` has room for `max` bytes. STELE_E_USAGE if that is too little, STELE_E_SYSTEM if memory is out;
 * then the message is as it was.
 */
int stele_tsig_sign_reply(struct stele_tsig *tsig, uint8_t *msg, size_t *len, size_t max,
			  uint64_t now);

/* Signs a request with `key`: appends stele_tsig_key_room() bytes. Errors as above. The id of the message
 * must be set before. */
int stele_tsig_sign_request(const struct stele_tsig_key *key, uint8_t *msg, size_t *len, size_t max,
			    uint64_t now, struct stele_tsig *ret_tsig);

/*
 * Verifies one message of the answer to a request that stele_tsig_sign_request() signed, and strips its TSIG.
 *
 *  1  signed and good, and with it all that came unsigned before.
 *  0  without a TSIG, and no proof yet that it is genuine: only in an answer of many, never the first one,
 *     and at most 99 in a row. It must not take effect before a later one is good: see is_closed().
 *  STELE_E_INPUT  not to be used. `tsig->error` is what the peer said (BADKEY, BADSIG, BADTIME, BADTRUNC), or
 *     what is wrong here; `reterr` says it in words. A datagram without a good signature may be forged: go on
 *     waiting for the real one, the transaction is as before (section 5.4). A stream is broken.
 *  STELE_E_SYSTEM  no memory.
 */
int stele_tsig_verify_reply(struct stele_tsig *tsig, uint8_t *msg, size_t *len, uint64_t now,
			    struct stele_error *reterr);

/* True if every message so far is covered by a signature; ask behind the last one of an answer. */
bool stele_tsig_is_closed(const struct stele_tsig *tsig);

/* Frees what a transaction holds, and overwrites it. For one that was never begun, zero it first. */
void stele_tsig_end(struct stele_tsig *tsig);

/* "BADKEY"; for logs. */
const char *stele_tsig_error_text(uint16_t error);

#endif
