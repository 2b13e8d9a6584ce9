/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_ANSWER_H
#define STELE_LIB_ANSWER_ANSWER_H

/*
 * Queries + a view of an image -> replies, in batches, over plain byte buffers.
 *
 * This is the only place in the project that decides what an answer is. It does no I/O, takes no
 * locks and allocates nothing: all memory is a `struct stele_answerer` that the caller makes once per
 * thread. The steps of all queries of a batch are taken together, so that the memory which
 * one of them waits for is fetched while the others are worked on.
 *
 * A query's verdict says what the caller does next: send the reply, drop the query, or punt it (give
 * it to the daemon, which handles what is not a plain query).
 */

#include "lib/image/view.h"

#include <stdbool.h>
#include <stdint.h>

/* Queries worked on at once. Fewer leave memory latency uncovered, more push the state of the batch
 * out of the first-level cache. */
#define STELE_BATCH_MAX 32

#define STELE_NSID_MAX 128
#define STELE_CHAOS_TEXT_MAX 255

enum stele_verdict {
	STELE_VERDICT_REPLY, /* `len` bytes of reply are in the buffer */
	STELE_VERDICT_DROP,  /* nothing is sent: see `drop_reason` */
	STELE_VERDICT_PUNT,  /* for the daemon: NOTIFY, UPDATE, TSIG or SIG(0), AXFR, IXFR */
};

/* Why a query gets no reply at all. */
enum stele_drop_reason {
	STELE_DROP_NONE,
	STELE_DROP_SHORT,    /* less than a header */
	STELE_DROP_RESPONSE, /* QR is set: reflected, or somebody's answer */
	STELE_DROP_POLICY,   /* the caller's policy said so */
};

/* What kind of reply it is: rate limits treat these apart. */
enum stele_reply_class {
	STELE_CLASS_ANSWER,
	STELE_CLASS_REFERRAL,
	STELE_CLASS_NODATA,
	STELE_CLASS_NXDOMAIN,
	STELE_CLASS_ERROR,
	STELE_REPLY_CLASS_CNT,
};

struct stele_client {
	uint8_t family;   /* 4, 6, or 0 if unknown (then there are no server cookies) */
	uint8_t addr[16]; /* 4 or 16 bytes, network order */
};

struct stele_query {
	const uint8_t *msg;
	uint32_t len;
	bool tcp; /* no limit but 65,535; ANY is answered in full */
	struct stele_client client;
	/* Bytes of what the client takes that are left free, for a signature that the caller
	 * appends. Header, question and OPT are written all the same: with TC, if there is no room
	 * for more. */
	uint16_t reserve;
};

struct stele_reply {
	/* In: where the reply goes. May be the query's own buffer. At least 512 bytes. */
	uint8_t *buf;
	uint32_t cap;

	/* Out */
	uint32_t len;
	enum stele_verdict verdict;
	enum stele_drop_reason drop_reason;
	enum stele_reply_class reply_class;
	uint16_t rcode;      /* with the upper bits of EDNS */
	bool cookie_valid;   /* the query carried a server cookie of ours */
	bool cookie_invalid; /* it carried one that is not, or is not any more */
	uint32_t zone_id;    /* the zone that answered; UINT32_MAX: none */
	/* If body_len > 0, the bytes from body_off on, body_len of them, have this one's-complement sum
	 * (struct stele_rrset): a software checksum need not read them. */
	uint16_t body_off;
	uint16_t body_len;
	uint16_t body_sum;
};

/*
 * Where rate limits and client policy plug in: called once per batch, before replies are sent, when class and
 * cookie are known. Says of each reply whose verdict is STELE_VERDICT_REPLY what becomes of it:
 * `ret_verdicts` comes with PASS for all `cnt`, and is looked at if this returns true. Must be quick and must
 * not block. `policy` in the settings may be NULL.
 */
enum stele_policy_verdict {
	STELE_POLICY_PASS,
	STELE_POLICY_DROP,
	STELE_POLICY_TRUNCATE, /* an empty reply with TC, so that an honest client comes by TCP */
	STELE_POLICY_REFUSE,
};
typedef bool (*stele_policy)(void *user, const struct stele_query *queries,
			     const struct stele_reply *replies, unsigned cnt,
			     enum stele_policy_verdict *ret_verdicts);

struct stele_answer_settings {
	uint16_t udp_max; /* bytes; 512 … 65535. Above the path MTU replies get lost, below 1232 more
			     * clients have to come by TCP (RFC 9715). Default 1232. */
	bool any_minimal; /* ANY over UDP: one RRset (RFC 8482). Default true. */
	/* Keep replies for queries that come again, same in every byte but the ID. Replies are the
	 * same. Default true. */
	bool packet_cache;
	uint8_t nsid[STELE_NSID_MAX];
	uint8_t nsid_len;              /* 0: no NSID */
	bool cookies;                  /* answer cookies (RFC 7873, RFC 9018) */
	uint8_t cookie_secrets[2][16]; /* the first makes cookies, both check them */
	uint8_t cookie_secret_cnt;
	/* For a connection: how long it may be idle, in tenths of a second, for clients that ask
	 * (RFC 7828); 0: they are not told. Over UDP it is never sent. */
	uint16_t keepalive;
	/* For an encrypted connection: replies to queries with the padding option become a multiple
	 * of so many bytes, `reserve` counted (RFC 7830, RFC 8467: 468). 0: no padding. */
	uint16_t pad_block;
	/* Nobody knows yet which zones are ours: names of none are answered with SERVFAIL, not
	 * REFUSED. For use with a view that is all zeroes. */
	bool not_ready;
	/* CHAOS TXT texts (RFC 4892): version.bind and version.server, id.server and hostname.bind.
	 * Empty: REFUSED. */
	char chaos_version[STELE_CHAOS_TEXT_MAX + 1];
	char chaos_id[STELE_CHAOS_TEXT_MAX + 1];
	stele_policy policy;
	void *policy_user;
};

/* Cookies off, nothing revealed, 1232 bytes. */
void stele_answer_settings_default(struct stele_answer_settings *settings);

struct stele_answerer;

/* Memory for one thread's batches. NULL if there is none left. */
struct stele_answerer *stele_answerer_new(void);
void stele_answerer_free(struct stele_answerer *answerer); /* NULL is fine */

/*
 * Answers `cnt` queries (at most STELE_BATCH_MAX). All see `view` and `settings` as they are now.
 * `now` is the time in seconds since 1970, for cookies. Never fails: what cannot be answered has a
 * verdict that says so. One thread per answerer.
 */
void stele_answer_batch(struct stele_answerer *answerer, const struct stele_view *view,
			const struct stele_answer_settings *settings, uint32_t now,
			const struct stele_query *queries, struct stele_reply *replies,
			unsigned cnt);

/* Replies of the last batch with `cookie_valid` and with `cookie_invalid`. */
struct stele_cookie_counts {
	unsigned valid, invalid;
};
struct stele_cookie_counts stele_answerer_cookies(const struct stele_answerer *answerer);

/* Replies of the last batch that were kept of another query. */
unsigned stele_answerer_cached(const struct stele_answerer *answerer);

#endif
