/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/config.h"
#include "lib/config/private.h"
#include "lib/tsig/internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>

/* A key takes about 120 bytes; who has more than this named another file by mistake. */
#define FILE_MAX (4u << 20)

/* Bytes. Of fewer, a recorded message tells the secret to who tries all of them. Longer ones than 64 or 128
 * bytes are hashed first (RFC 2104 section 3), so that more add nothing. */
#define SECRET_MIN 8
#define SECRET_MAX 512
#define BASE64_MAX ((SECRET_MAX + 2) / 3 * 4)

/* ---- the table ---- */

struct key_entry {
	const char *id;
	int algorithm;
	const char *secret;
	uint8_t mac_size; /* 0: all */
};

struct keys_file {
	STELE_CONFIG_LIST(struct key_entry) keys;
};

static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

/* base64 (RFC 4648 section 4), padded, without blanks. The length, or -1. */
static int decode_base64(const char *text, uint8_t bytes[SECRET_MAX + 2])
{
	size_t len = strlen(text), sz = 0;
	if (len % 4 != 0 || len > BASE64_MAX)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		int v[4];
		unsigned cnt = 4;
		if (i + 4 == len)
			while (cnt > 2 && text[i + cnt - 1] == '=')
				cnt--;
		uint32_t word = 0;
		for (unsigned k = 0; k < 4; k++) {
			v[k] = k < cnt ? digit(text[i + k]) : 0;
			if (v[k] < 0)
				return -1;
			word = word << 6 | (uint32_t)v[k];
		}
		/* Bits that belong to no byte must be zero, else two texts would be one secret. */
		if ((cnt == 2 && (word & 0xffff) != 0) || (cnt == 3 && (word & 0xff) != 0))
			return -1;
		for (unsigned k = 0; k + 1 < cnt; k++)
			bytes[sz++] = (uint8_t)(word >> (16 - 8 * k));
	}
	return (int)sz;
}

static int check_id(const void *value, struct stele_error *reterr)
{
	const char *id;
	uint8_t name[STELE_NAME_MAX];
	memcpy(&id, value, sizeof(id));
	if (stele_name_from_text(id, strlen(id), name) < 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "is no domain name (expected such as transfer.example.)");
	return 0;
}

static int check_secret(const void *value, struct stele_error *reterr)
{
	const char *text;
	uint8_t secret[SECRET_MAX + 2];
	memcpy(&text, value, sizeof(text));
	int len = decode_base64(text, secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (len < SECRET_MIN || len > SECRET_MAX)
		return stele_fail(reterr, STELE_E_INPUT, "%s (expected %d to %d bytes in base64)",
				  len < 0 ? "is no base64" : "has a wrong length", SECRET_MIN,
				  SECRET_MAX);
	return 0;
}

static const char *const algorithm_words[] = {
	"hmac-sha1",       "hmac-sha224",     "hmac-sha256",
	"hmac-sha256-128", "hmac-sha384",     "hmac-sha384-192",
	"hmac-sha512",     "hmac-sha512-256", NULL,
};
_Static_assert(sizeof(algorithm_words) / sizeof(algorithm_words[0]) == TSIG_ALGORITHM_CNT + 1,
	       "a word for each of enum tsig_algorithm_number");

static const struct stele_config_option key_options[] = {
	{
		.name = "id",
		.type = STELE_CONFIG_STRING,
		STELE_CONFIG_AT(key_entry, id),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = STELE_NAME_TEXT_MAX - 1,
		.check = check_id,
		.help = "Name of the key, a domain name; the other side must call it the same.",
	},
	{
		.name = "algorithm",
		.type = STELE_CONFIG_ENUM,
		STELE_CONFIG_AT(key_entry, algorithm),
		.flags = STELE_CONFIG_REQUIRED,
		.words = algorithm_words,
		.help = "Algorithm of the key, which the other side must use too. Take "
			"`hmac-sha256` unless it asks for another one.",
	},
	{
		.name = "secret",
		.type = STELE_CONFIG_STRING,
		STELE_CONFIG_AT(key_entry, secret),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = BASE64_MAX,
		.check = check_secret,
		.help = "The secret in base64, 8 to 512 bytes of random: as many as a whole MAC "
			"has are best. `openssl rand -base64 32` makes one.",
	},
	{
		.name = "mac_size",
		.type = STELE_CONFIG_INTEGER,
		STELE_CONFIG_AT(key_entry, mac_size),
		.word = "full",
		.min = STELE_TSIG_MAC_MIN,
		.max = STELE_TSIG_MAC_MAX,
		.unit = "bytes",
		.def = "full",
		.help = "Bytes of a MAC that are sent, and the fewest that are accepted; at least "
			"half of what the algorithm makes (RFC 8945 section 5.2.2.1). Shorter ones "
			"only save bytes.",
	},
	{0},
};

static const struct stele_config_option file_options[] = {
	{
		.name = "keys",
		.type = STELE_CONFIG_MAP,
		STELE_CONFIG_LIST_AT(keys_file, keys, STELE_CONFIG_REQUIRED),
		.list_max = 16384,
		.options = key_options,
		.help = "The keys, each shared with other servers.",
	},
	{0},
};

struct placed_name {
	uint8_t name[STELE_NAME_MAX];
	size_t len;
	size_t entry; /* which of the list */
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed_name *x = a, *y = b;
	int c = tsig_compare_names(x->name, x->len, y->name, y->len);
	return c != 0 ? c : (x->entry > y->entry) - (x->entry < y->entry);
}

/* The names of all keys in their order; NULL if memory is out. */
static struct placed_name *sort_names(const struct keys_file *file)
{
	struct placed_name *names = calloc(file->keys.cnt > 0 ? file->keys.cnt : 1, sizeof(*names));
	if (names == NULL)
		return NULL;
	for (size_t i = 0; i < file->keys.cnt; i++) {
		const char *id = file->keys.items[i].id;
		uint8_t name[STELE_NAME_MAX];
		int len = stele_name_from_text(id, strlen(id), name);
		names[i].len = len > 0 ? (size_t)len : 0;
		names[i].entry = i;
		stele_name_lower(names[i].name, name, names[i].len);
	}
	qsort(names, file->keys.cnt, sizeof(*names), compare_placed);
	return names;
}

static void check_file(struct stele_config *config, void *root)
{
	const struct keys_file *file = root;
	for (size_t i = 0; i < file->keys.cnt; i++) {
		const struct key_entry *key = &file->keys.items[i];
		uint8_t whole = tsig_algorithms[key->algorithm].mac_sz;
		uint8_t half = whole / 2 > STELE_TSIG_MAC_MIN ? whole / 2 : STELE_TSIG_MAC_MIN;
		if (key->mac_size != 0 && (key->mac_size < half || key->mac_size > whole))
			stele_config_fault(config, &key->mac_size,
					   "mac_size is %u (expected %u to %u with %s)",
					   key->mac_size, half, whole,
					   tsig_algorithms[key->algorithm].text);
	}
	struct placed_name *names = sort_names(file);
	if (names == NULL) {
		stele_config_fault(config, root, "no memory to compare the keys");
		return;
	}
	for (size_t i = 1; i < file->keys.cnt; i++)
		if (tsig_compare_names(names[i - 1].name, names[i - 1].len, names[i].name,
				       names[i].len) == 0)
			stele_config_fault(
				config, &file->keys.items[names[i].entry].id,
				"id is that of another key (expected a new one; see line %u)",
				stele_config_line(config,
						  &file->keys.items[names[i - 1].entry].id));
	free(names);
}

const struct stele_config_schema stele_tsig_keys_schema = {
	.program = "TSIG keys",
	.about =
		"Keys of TSIG (RFC 8945), in a file of their own that nobody but its owner may read. "
		"It is read again on a reload.",
	.options = file_options,
	.root_sz = sizeof(struct keys_file),
	.finish = check_file,
};

/* ---- from entries to keys ---- */

static EVP_MAC_CTX *begin_mac(EVP_MAC *hmac, const struct key_entry *entry)
{
	uint8_t secret[SECRET_MAX + 2];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_DIGEST, (char *)tsig_algorithms[entry->algorithm].digest, 0),
		OSSL_PARAM_construct_end(),
	};
	int len = decode_base64(entry->secret, secret);
	EVP_MAC_CTX *ctx = len > 0 ? EVP_MAC_CTX_new(hmac) : NULL;
	if (ctx != NULL && EVP_MAC_init(ctx, secret, (size_t)len, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return ctx;
}

static struct stele_tsig_keys *make_keys(const struct keys_file *file)
{
	struct placed_name *names = sort_names(file);
	struct stele_tsig_keys *keys = tsig_keys_new(file->keys.cnt);
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	bool done = names != NULL && keys != NULL && hmac != NULL;
	for (size_t i = 0; done && i < keys->cnt; i++) {
		const struct key_entry *entry = &file->keys.items[names[i].entry];
		struct stele_tsig_key *key = &keys->keys[i];
		memcpy(key->name, names[i].name, names[i].len);
		key->name_len = (uint8_t)names[i].len;
		key->algorithm = (uint8_t)entry->algorithm;
		key->mac_sz = tsig_algorithms[entry->algorithm].mac_sz;
		key->mac_least = entry->mac_size != 0 ? entry->mac_size : key->mac_sz;
		key->last_at = &keys->last_at[i];
		key->begun = begin_mac(hmac, entry);
		done = key->begun != NULL;
	}
	EVP_MAC_free(hmac); /* contexts hold it */
	free(names);
	if (done)
		return keys;
	stele_tsig_keys_unref(keys);
	return NULL;
}

/*
 * What a message quotes of the file may be a secret that stands where it does not belong. All that is
 * expected stands behind the last " (expected", and comes from the table.
 */
static void hide_values(char *text)
{
	char *begin = strchr(text, '\''), *expected = NULL;
	for (char *at = text; (at = strstr(at, " (expected")) != NULL; at++)
		expected = at;
	if (begin == NULL || (expected != NULL && begin > expected))
		return;
	static const char hidden[] = "not what belongs here";
	char rest[STELE_ERROR_MAX];
	snprintf(rest, sizeof(rest), "%s", expected != NULL ? expected : "");
	snprintf(begin, STELE_ERROR_MAX - (size_t)(begin - text), "%s%s", hidden, rest);
}

int stele_tsig_keys_parse(const char *name, const char *text, size_t text_sz,
			  struct stele_tsig_keys **ret_keys, struct stele_error *reterr)
{
	struct stele_config *config;
	struct stele_error err;
	int status =
		stele_config_parse("", text, text_sz, &stele_tsig_keys_schema, &config, NULL, &err);
	if (status < 0) {
		/* The name may have quotes too, so it comes last. */
		hide_values(err.text);
		return stele_fail(reterr, status, "%s%s", name, err.text);
	}
	struct stele_tsig_keys *keys = make_keys(stele_config_root(config));
	stele_config_free(config);
	if (keys == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", name);
	*ret_keys = keys;
	return 0;
}

int stele_tsig_keys_load(const char *path, struct stele_tsig_keys **ret_keys,
			 struct stele_error *reterr)
{
	struct stele_private_text text;
	int status = stele_private_read(path, FILE_MAX, &text, reterr);
	if (status < 0)
		return status;
	status = stele_tsig_keys_parse(path, text.bytes, text.sz, ret_keys, reterr);
	stele_private_wipe(&text);
	return status;
}
