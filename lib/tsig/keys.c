/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tsig/internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

const struct tsig_algorithm tsig_algorithms[TSIG_ALGORITHM_CNT] = {
	[TSIG_HMAC_SHA1] = {"hmac-sha1", "SHA1", 20},
	[TSIG_HMAC_SHA224] = {"hmac-sha224", "SHA224", 28},
	[TSIG_HMAC_SHA256] = {"hmac-sha256", "SHA256", 32},
	[TSIG_HMAC_SHA256_128] = {"hmac-sha256-128", "SHA256", 16},
	[TSIG_HMAC_SHA384] = {"hmac-sha384", "SHA384", 48},
	[TSIG_HMAC_SHA384_192] = {"hmac-sha384-192", "SHA384", 24},
	[TSIG_HMAC_SHA512] = {"hmac-sha512", "SHA512", 64},
	[TSIG_HMAC_SHA512_256] = {"hmac-sha512-256", "SHA512", 32},
};

int tsig_compare_names(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
	return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

struct stele_tsig_keys *tsig_keys_new(size_t cnt)
{
	struct stele_tsig_keys *keys = calloc(1, sizeof(*keys));
	if (keys == NULL)
		return NULL;
	atomic_init(&keys->ref_cnt, 1);
	keys->cnt = cnt;
	keys->keys = calloc(cnt > 0 ? cnt : 1, sizeof(*keys->keys));
	keys->last_at = calloc(cnt > 0 ? cnt : 1, sizeof(*keys->last_at));
	if (keys->keys == NULL || keys->last_at == NULL) {
		keys->cnt = 0;
		stele_tsig_keys_unref(keys);
		return NULL;
	}
	return keys;
}

struct stele_tsig_keys *stele_tsig_keys_ref(struct stele_tsig_keys *keys)
{
	if (keys != NULL)
		atomic_fetch_add_explicit(&keys->ref_cnt, 1, memory_order_relaxed);
	return keys;
}

void stele_tsig_keys_unref(struct stele_tsig_keys *keys)
{
	if (keys == NULL || atomic_fetch_sub_explicit(&keys->ref_cnt, 1, memory_order_acq_rel) != 1)
		return;
	/* OpenSSL overwrites the secrets that its contexts hold. */
	for (size_t i = 0; i < keys->cnt; i++)
		EVP_MAC_CTX_free(keys->keys[i].begun);
	if (keys->keys != NULL)
		OPENSSL_cleanse(keys->keys, keys->cnt * sizeof(*keys->keys));
	free(keys->keys);
	free(keys->last_at);
	free(keys);
}

const struct stele_tsig_key *stele_tsig_keys_find(const struct stele_tsig_keys *keys,
						  const uint8_t *name, size_t name_len)
{
	uint8_t lower[STELE_NAME_MAX];
	if (keys == NULL || name_len > sizeof(lower))
		return NULL;
	stele_name_lower(lower, name, name_len);
	size_t low = 0, high = keys->cnt;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct stele_tsig_key *key = &keys->keys[middle];
		int c = tsig_compare_names(lower, name_len, key->name, key->name_len);
		if (c == 0)
			return key;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const struct stele_tsig_key *stele_tsig_keys_find_text(const struct stele_tsig_keys *keys,
						       const char *id)
{
	uint8_t name[STELE_NAME_MAX];
	int len = stele_name_from_text(id, strlen(id), name);
	return len > 0 ? stele_tsig_keys_find(keys, name, (size_t)len) : NULL;
}

const uint8_t *stele_tsig_key_name(const struct stele_tsig_key *key, size_t *ret_len)
{
	*ret_len = key->name_len;
	return key->name;
}

size_t stele_tsig_key_room(const struct stele_tsig_key *key)
{
	size_t algorithm_len = strlen(tsig_algorithms[key->algorithm].text) + 2;
	return tsig_record_size(key->name_len, algorithm_len, key->mac_sz, 6);
}
