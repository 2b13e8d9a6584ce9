/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/cookie.h"

/* ---- SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") ---- */

struct siphash {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct siphash *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

/* Client cookie, head of the server cookie, address (RFC 9018 section 4.4): 20 or 32 bytes. */
uint64_t stele_cookie_mac(const uint8_t secret[16], uint64_t client_cookie, uint64_t head,
			  const struct stele_client *client)
{
	uint64_t k0 = stele_get_le64(secret), k1 = stele_get_le64(secret + 8);
	struct siphash s = {k0 ^ SIP_0, k1 ^ SIP_1, k0 ^ SIP_2, k1 ^ SIP_3};
	sip_word(&s, client_cookie);
	sip_word(&s, head);
	if (client->family == 6) {
		sip_word(&s, stele_get_le64(client->addr));
		sip_word(&s, stele_get_le64(client->addr + 8));
		sip_word(&s, UINT64_C(32) << 56);
	} else {
		sip_word(&s, UINT64_C(20) << 56 | stele_get_le32(client->addr));
	}
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- What becomes of a cookie ---- */

/*
 * True if a server cookie that came with a query is valid; `mac` is what it has if the first secret made it.
 * Unless that did so lately, one that is made now takes its place.
 */
static __attribute__((noinline)) bool check(struct work *w, uint64_t mac)
{
	const struct stele_answer_settings *settings = w->shared->settings;
	const struct stele_client *client = &w->query->client;
	struct cookie *cookie = &w->cookie;
	/* One comparison of a whole word takes the same time whatever differs. */
	bool is_first = cookie->mac == mac, is_valid = is_first;
	for (unsigned i = 1; i < settings->cookie_secret_cnt && !is_valid; i++)
		is_valid = cookie->mac == stele_cookie_mac(settings->cookie_secrets[i],
							   cookie->client, cookie->head, client);
	if (is_first && w->edns.cookie == COOKIE_CHECK)
		return true;
	cookie->head = w->shared->cookie_head;
	cookie->mac =
		stele_cookie_mac(settings->cookie_secrets[0], cookie->client, cookie->head, client);
	return is_valid;
}

static inline void settle(struct work *w, uint64_t mac)
{
	struct cookie *cookie = &w->cookie;
	if (w->edns.cookie == COOKIE_MAKE) {
		cookie->mac = mac;
	} else {
		bool is_valid = false;
		if (w->edns.cookie == COOKIE_REPLACE)
			cookie->mac = mac;
		else /* mostly the very one that goes back */
			is_valid = (w->edns.cookie == COOKIE_CHECK && cookie->mac == mac) ||
				   check(w, mac);
		if (w->reply->verdict == STELE_VERDICT_REPLY) {
			w->reply->cookie_valid = is_valid;
			w->reply->cookie_invalid = !is_valid;
			w->shared->cookie_counts.valid += is_valid;
			w->shared->cookie_counts.invalid += !is_valid;
		}
	}
	stele_cookie_write(w);
}

void stele_cookie_settle(struct work **works, unsigned cnt)
{
	uint64_t macs[STELE_BATCH_MAX];
	unsigned lane_cnt = (cnt + COOKIE_LANES - 1) / COOKIE_LANES * COOKIE_LANES;
	for (unsigned i = cnt; i < lane_cnt; i++)
		works[i] = works[0];
	works[0]->shared->cookie_macs(works, lane_cnt, macs);
	for (unsigned i = 0; i < cnt; i++)
		settle(works[i], macs[i]);
}
