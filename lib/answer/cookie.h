/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_COOKIE_H
#define STELE_LIB_ANSWER_COOKIE_H

/*
 * Server cookies (RFC 7873, RFC 9018), in two steps. When a query is read, its cookie is put aside: what is to be
 * done about it is enough to know how long the reply will be. What takes time is the MAC. It is computed when all
 * replies of a batch stand, for four clients at once; then the cookies go to where the replies have room for them,
 * and replies learn whether that of their query was valid.
 *
 * A server cookie is 16 bytes: version 1, three reserved ones, a timestamp, and the SipHash-2-4 of client cookie, these
 * eight bytes and the client's address (RFC 9018 section 4).
 */

#include "lib/answer/work.h"

#include "lib/base/bytes.h"

enum {
	COOKIE_CLIENT_SZ = 8,
	COOKIE_SERVER_SZ = 16,
	COOKIE_OPTION_SZ = 4 + COOKIE_CLIENT_SZ + COOKIE_SERVER_SZ, /* of a reply */
	COOKIE_VERSION = 1,

	/* RFC 9018 section 4.3. A longer past keeps a stolen cookie useful, a shorter one makes idle
	 * clients start anew; the future allows for clocks that differ among the nodes of one address. */
	COOKIE_PAST_S = 3600,
	COOKIE_FUTURE_S = 300,
	COOKIE_FRESH_S = 1800, /* an older one is to be replaced */

	COOKIE_LANES = 4, /* are computed at once */
};

/* What SipHash begins with. */
#define SIP_0 UINT64_C(0x736f6d6570736575)
#define SIP_1 UINT64_C(0x646f72616e646f6d)
#define SIP_2 UINT64_C(0x6c7967656e657261)
#define SIP_3 UINT64_C(0x7465646279746573)

/* What all cookies of a batch have in common. Settings and time are those of the batch already. */
static inline void stele_cookie_begin(struct stele_answerer *a)
{
	a->cookies = a->settings->cookies && a->settings->cookie_secret_cnt > 0;
	a->cookie_counts = (struct stele_cookie_counts){0, 0};
	a->cookie_head = (uint64_t)__builtin_bswap32(a->now) << 32 | COOKIE_VERSION;
}

/*
 * Puts aside the cookie of a query: the client's at `data`, and the server's of `server_len` bytes behind it.
 * Nothing is done if cookies are off or the client's address is unknown.
 */
static inline __attribute__((always_inline)) void
stele_cookie_read(struct work *w, const uint8_t *data, size_t server_len)
{
	const struct stele_answerer *shared = w->shared;
	if (!shared->cookies || w->query->client.family == 0)
		return;
	struct cookie *cookie = &w->cookie;
	cookie->client = stele_get_le64(data);
	cookie->at = NULL;
	if (server_len == 0) {
		w->edns.cookie = COOKIE_MAKE;
		cookie->head = shared->cookie_head;
		return;
	}
	const uint8_t *server = data + COOKIE_CLIENT_SZ;
	/* Seconds modulo 2^32, as serial numbers (RFC 1982). Any server cookie has eight bytes. */
	int32_t age = (int32_t)(shared->now - stele_get_be32(server + 4));
	if (server_len != COOKIE_SERVER_SZ || server[0] != COOKIE_VERSION || age > COOKIE_PAST_S ||
	    age < -COOKIE_FUTURE_S) {
		w->edns.cookie = COOKIE_REPLACE;
		cookie->head = shared->cookie_head;
		return;
	}
	w->edns.cookie = age <= COOKIE_FRESH_S ? COOKIE_CHECK : COOKIE_CHECK_OLD;
	cookie->head = stele_get_le64(server);
	cookie->mac = stele_get_le64(server + 8);
}

/* The option with the cookie, at `p`: all but the server cookie. Returns what stands behind it. */
static inline uint8_t *stele_cookie_put_option(struct work *w, uint8_t *p)
{
	stele_put_be32(p, STELE_EDNS_COOKIE << 16 | (COOKIE_OPTION_SZ - 4));
	stele_put_le64(p + 4, w->cookie.client);
	w->cookie.at = p + 4 + COOKIE_CLIENT_SZ;
	return p + COOKIE_OPTION_SZ;
}

/* The server cookie, once it is known, to where the reply has room for it. */
static inline void stele_cookie_write(const struct work *w)
{
	uint8_t *at = w->cookie.at;
	uint64_t head = w->cookie.head, mac = w->cookie.mac;
	if (at == NULL) /* no reply, or one without OPT */
		return;
	stele_put_le64(at, head);
	stele_put_le64(at + 8, mac);
}

/*
 * What was put aside by `cnt` queries of clients of one address family, whose replies are finished: checks, makes and
 * writes the cookies, and sets `cookie_valid` and `cookie_invalid` of the replies. `works` is rounded up to a multiple
 * of COOKIE_LANES.
 */
void stele_cookie_settle(struct work **works, unsigned cnt);

/*
 * The MACs of `cnt` cookies that were put aside, a multiple of COOKIE_LANES, of clients of one family; with
 * the first secret. The same code for any processor, for AVX2, and for AVX-512.
 */
void stele_cookie_macs_portable(struct work *const *works, unsigned cnt, uint64_t *ret_macs);
#if defined(__x86_64__)
void stele_cookie_macs_avx2(struct work *const *works, unsigned cnt, uint64_t *ret_macs);
void stele_cookie_macs_avx512(struct work *const *works, unsigned cnt, uint64_t *ret_macs);
#endif

/* One MAC. `head` is the first half of the server cookie, as little-endian, as is the client's. */
uint64_t stele_cookie_mac(const uint8_t secret[16], uint64_t client_cookie, uint64_t head,
			  const struct stele_client *client);

#endif
