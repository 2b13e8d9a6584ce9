/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/work.h"

#include "lib/base/bytes.h"

#include <string.h>

enum {
	COOKIE_VERSION = 1,
	COOKIE_HEAD_SZ = 8, /* version, 3 reserved, timestamp: what the MAC covers of itself */
	COOKIE_MAC_SZ = 8,
	COOKIE_SZ = COOKIE_HEAD_SZ + COOKIE_MAC_SZ,

	/* RFC 9018 section 4.3. A longer past keeps a stolen cookie useful, a shorter one makes idle
	 * clients start anew; the future allows for clocks that differ among the nodes of one address. */
	COOKIE_PAST_S = 3600,
	COOKIE_FUTURE_S = 300,
	COOKIE_FRESH_S = 1800, /* an older one is to be replaced */
};

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
static uint64_t cookie_mac(const uint8_t secret[16], const uint8_t client_cookie[8],
			   const uint8_t head[COOKIE_HEAD_SZ], const struct stele_client *client)
{
	uint64_t k0 = stele_get_le64(secret), k1 = stele_get_le64(secret + 8);
	struct siphash s = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	sip_word(&s, stele_get_le64(client_cookie));
	sip_word(&s, stele_get_le64(head));
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

void stele_cookie_make(const uint8_t secret[16], const uint8_t client_cookie[8], uint32_t now,
		       const struct stele_client *client, uint8_t server_cookie[16])
{
	server_cookie[0] = COOKIE_VERSION;
	memset(server_cookie + 1, 0, 3);
	stele_put_be32(server_cookie + 4, now);
	stele_put_le64(server_cookie + COOKIE_HEAD_SZ,
		       cookie_mac(secret, client_cookie, server_cookie, client));
}

enum stele_cookie_state stele_cookie_check(const struct stele_answer_settings *settings,
					   const uint8_t client_cookie[8],
					   const uint8_t *server_cookie, size_t server_cookie_len,
					   uint32_t now, const struct stele_client *client)
{
	if (server_cookie_len != COOKIE_SZ || server_cookie[0] != COOKIE_VERSION ||
	    client->family == 0)
		return STELE_COOKIE_NONE;
	/* Seconds modulo 2^32, as serial numbers (RFC 1982). */
	int32_t age = (int32_t)(now - stele_get_be32(server_cookie + 4));
	if (age > COOKIE_PAST_S || age < -COOKIE_FUTURE_S)
		return STELE_COOKIE_NONE;
	/* One comparison of a whole word takes the same time whatever differs. */
	uint64_t mac = stele_get_le64(server_cookie + COOKIE_HEAD_SZ);
	for (unsigned i = 0; i < settings->cookie_secret_cnt; i++)
		if (cookie_mac(settings->cookie_secrets[i], client_cookie, server_cookie, client) ==
		    mac)
			return i == 0 && age <= COOKIE_FRESH_S ? STELE_COOKIE_FRESH :
								 STELE_COOKIE_VALID;
	return STELE_COOKIE_NONE;
}
