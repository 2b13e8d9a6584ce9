/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/generate/chain.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/generate/fail.h"

const char *const gen_type_names[GEN_TYPES_CNT] = {
	"A",    "NS", "CNAME", "SOA",  "MX",     "TXT",
	"AAAA", "DS", "RRSIG", "NSEC", "DNSKEY", "NSEC3PARAM",
};

void gen_chain_init(struct gen_chain *chain, enum gen_denial denial)
{
	*chain = (struct gen_chain){.denial = denial};
	chain->digest = EVP_MD_CTX_new();
	/* Fetched once: looking the algorithm up costs more than a hash of a short name. */
	chain->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	if (chain->digest == NULL || chain->sha1 == NULL)
		gen_fail("OpenSSL offers no SHA-1");
}

void gen_chain_free(struct gen_chain *chain)
{
	free(chain->hashed);
	free(chain->named);
	free(chain->keys);
	EVP_MD_CTX_free(chain->digest);
	EVP_MD_free(chain->sha1);
	*chain = (struct gen_chain){.denial = GEN_DENIAL_NONE};
}

void gen_chain_reset(struct gen_chain *chain, enum gen_denial denial)
{
	/* The two kinds of entry share the count of free places, so a change starts afresh. */
	if ((chain->denial == GEN_DENIAL_NSEC) != (denial == GEN_DENIAL_NSEC)) {
		free(chain->hashed);
		free(chain->named);
		chain->hashed = NULL;
		chain->named = NULL;
		chain->room = 0;
	}
	chain->denial = denial;
	chain->used = 0;
	chain->keys_used = 0;
}

/* The array of `room` entries of `sz` bytes, grown until one more than `used` fits. */
static void *grow(void *array, size_t used, size_t *room, size_t more, size_t sz)
{
	void *grown = array;

	if (used + more <= *room)
		return array;
	while (used + more > *room)
		*room = *room == 0 ? 1024 : *room * 2;
	grown = realloc(array, *room * sz);
	if (grown == NULL)
		gen_fail("no memory for a denial chain of %zu names", *room);
	return grown;
}

/* Appends the wire form of a name in text, without the root label; returns the bytes. */
static size_t to_wire(uint8_t *to, const char *text, size_t len)
{
	size_t label = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			to[label] = (uint8_t)(i - label);
			label = i + 1;
		} else {
			to[i + 1] = (uint8_t)text[i];
		}
	}
	if (label == len) /* a final dot, or nothing at all */
		return len;
	to[label] = (uint8_t)(len - label);
	return len + 1;
}

static void add_hashed(struct gen_chain *chain, const char *owner, size_t owner_len,
		       const char *origin, uint32_t types)
{
	uint8_t wire[2 * GEN_NAME_MAX];
	size_t wire_sz = to_wire(wire, owner, owner_len);
	unsigned int hash_sz = GEN_HASH_SZ;
	struct gen_hashed *entry;

	wire_sz += to_wire(wire + wire_sz, origin, strlen(origin));
	wire[wire_sz++] = 0;
	chain->hashed = grow(chain->hashed, chain->used, &chain->room, 1, sizeof(*chain->hashed));
	entry = &chain->hashed[chain->used++];
	entry->types = types;
	/* No salt and no extra iterations, as RFC 9276 asks. */
	if (EVP_DigestInit_ex2(chain->digest, chain->sha1, NULL) != 1 ||
	    EVP_DigestUpdate(chain->digest, wire, wire_sz) != 1 ||
	    EVP_DigestFinal_ex(chain->digest, entry->hash, &hash_sz) != 1)
		gen_fail("SHA-1 failed");
}

/* Copies labels from right to left; `from` and `to` are the separators of source and target. */
static size_t reverse_labels(char *target, const char *source, size_t len, char from, char to)
{
	size_t end = len;
	size_t used = 0;

	while (end > 0) {
		size_t begin = end;

		while (begin > 0 && source[begin - 1] != from)
			begin--;
		memcpy(target + used, source + begin, end - begin);
		used += end - begin;
		if (begin == 0)
			break;
		target[used++] = to;
		end = begin - 1;
	}
	return used;
}

static void add_named(struct gen_chain *chain, const char *owner, size_t owner_len, uint32_t types)
{
	struct gen_named *entry;
	uint8_t *key;
	uint64_t prefix = 0;

	chain->named = grow(chain->named, chain->used, &chain->room, 1, sizeof(*chain->named));
	chain->keys = grow(chain->keys, chain->keys_used, &chain->keys_room, owner_len + 1, 1);
	entry = &chain->named[chain->used++];
	key = chain->keys + chain->keys_used;
	key[0] = (uint8_t)owner_len;
	/* A zero byte is below every character, which makes byte order the canonical order. */
	reverse_labels((char *)key + 1, owner, owner_len, '.', '\0');
	for (size_t i = 0; i < 8; i++)
		prefix = (prefix << 8) | (i < owner_len ? key[1 + i] : 0);
	entry->prefix = prefix;
	entry->key = chain->keys_used & 0xffffffffffff;
	entry->types = types & 0xffff;
	chain->keys_used += owner_len + 1;
}

void gen_chain_add(struct gen_chain *chain, const char *owner, size_t owner_len, const char *origin,
		   uint32_t types)
{
	if (chain->denial == GEN_DENIAL_NSEC)
		add_named(chain, owner, owner_len, types);
	else
		add_hashed(chain, owner, owner_len, origin, types);
}

static int compare_hashed(const void *a, const void *b)
{
	return memcmp(((const struct gen_hashed *)a)->hash, ((const struct gen_hashed *)b)->hash,
		      GEN_HASH_SZ);
}

static int compare_named(const void *va, const void *vb, void *keys)
{
	const struct gen_named *a = va;
	const struct gen_named *b = vb;
	const uint8_t *ka = (const uint8_t *)keys + a->key;
	const uint8_t *kb = (const uint8_t *)keys + b->key;
	int order;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	order = memcmp(ka + 1, kb + 1, ka[0] < kb[0] ? ka[0] : kb[0]);
	return order != 0 ? order : ka[0] - kb[0];
}

void gen_chain_sort(struct gen_chain *chain)
{
	if (chain->used == 0)
		return;
	if (chain->denial == GEN_DENIAL_NSEC)
		qsort_r(chain->named, chain->used, sizeof(*chain->named), compare_named,
			chain->keys);
	else
		qsort(chain->hashed, chain->used, sizeof(*chain->hashed), compare_hashed);
}

size_t gen_chain_owner(const struct gen_chain *chain, size_t at, char owner[GEN_NAME_MAX])
{
	const uint8_t *key = chain->keys + chain->named[at].key;

	return reverse_labels(owner, (const char *)key + 1, key[0], '\0', '.');
}
