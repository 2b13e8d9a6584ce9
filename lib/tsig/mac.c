/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tsig/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <string.h>

#include <openssl/crypto.h>

/* A name, class, TTL, another name, time, fudge, error, other length. */
#define VARIABLES_MAX (STELE_NAME_MAX + 6 + STELE_NAME_MAX + 6 + 2 + 2 + 2)

EVP_MAC_CTX *tsig_mac_begin(const struct stele_tsig_key *key, const uint8_t *mac, size_t mac_len)
{
	uint8_t prior[2 + STELE_TSIG_MAC_MAX];
	/* A copy has the secret already; to begin anew would hash it twice, and look the digest up. */
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(key->begun);
	if (ctx == NULL || mac_len == 0)
		return ctx;
	stele_put_be16(prior, (uint16_t)mac_len);
	memcpy(prior + 2, mac, mac_len);
	if (EVP_MAC_update(ctx, prior, 2 + mac_len) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

bool tsig_mac_message(EVP_MAC_CTX *ctx, const uint8_t *msg, size_t len, uint16_t id,
		      uint16_t additional_cnt)
{
	uint8_t header[STELE_HEADER_SZ];
	memcpy(header, msg, sizeof(header));
	stele_put_be16(header, id);
	stele_put_be16(header + 10, additional_cnt);
	return EVP_MAC_update(ctx, header, sizeof(header)) == 1 &&
	       EVP_MAC_update(ctx, msg + sizeof(header), len - sizeof(header)) == 1;
}

bool tsig_mac_variables(EVP_MAC_CTX *ctx, const struct tsig_record *record, bool only_timers)
{
	uint8_t variables[VARIABLES_MAX], *p = variables;
	if (!only_timers) {
		memcpy(p, record->name, record->name_len);
		p += record->name_len;
		stele_put_be16(p, STELE_CLASS_ANY);
		stele_put_be32(p + 2, 0);
		p += 6;
		memcpy(p, record->algorithm, record->algorithm_len);
		p += record->algorithm_len;
	}
	stele_put_be16(p, (uint16_t)(record->time >> 32));
	stele_put_be32(p + 2, (uint32_t)record->time);
	stele_put_be16(p + 6, record->fudge);
	p += 8;
	if (only_timers)
		return EVP_MAC_update(ctx, variables, (size_t)(p - variables)) == 1;
	stele_put_be16(p, record->error);
	stele_put_be16(p + 2, record->other_len);
	p += 4;
	return EVP_MAC_update(ctx, variables, (size_t)(p - variables)) == 1 &&
	       (record->other_len == 0 ||
		EVP_MAC_update(ctx, record->other, record->other_len) == 1);
}

bool tsig_mac_end(EVP_MAC_CTX *ctx, uint8_t mac[STELE_TSIG_MAC_MAX])
{
	size_t len;
	bool done = EVP_MAC_final(ctx, mac, &len, STELE_TSIG_MAC_MAX) == 1;
	EVP_MAC_CTX_free(ctx);
	return done;
}

int tsig_mac_check(EVP_MAC_CTX *ctx, const uint8_t *msg, const struct tsig_record *record,
		   bool only_timers)
{
	uint8_t mac[STELE_TSIG_MAC_MAX];
	if (!tsig_mac_message(ctx, msg, record->off, record->original_id,
			      (uint16_t)(stele_get_be16(msg + 10) - 1)) ||
	    !tsig_mac_variables(ctx, record, only_timers)) {
		EVP_MAC_CTX_free(ctx);
		return STELE_E_SYSTEM;
	}
	if (!tsig_mac_end(ctx, mac))
		return STELE_E_SYSTEM;
	bool right = CRYPTO_memcmp(mac, record->mac, record->mac_len) == 0;
	OPENSSL_cleanse(mac, sizeof(mac));
	return right;
}
