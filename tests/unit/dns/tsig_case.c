/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/dns/tsig_case.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"

#include <string.h>

static struct stele_writer writer;
struct stele_tsig_keys *keys;

const char keys_text[] = "keys:\n"
			 "  - {id: k0, algorithm: hmac-sha1, secret: " SECRET "}\n"
			 "  - {id: k1, algorithm: hmac-sha224, secret: " SECRET "}\n"
			 "  - {id: K2.example., algorithm: hmac-sha256, secret: " SECRET "}\n"
			 "  - {id: k3, algorithm: hmac-sha256-128, secret: " SECRET "}\n"
			 "  - {id: k4, algorithm: hmac-sha384, secret: " SECRET "}\n"
			 "  - {id: k5, algorithm: hmac-sha384-192, secret: " SECRET "}\n"
			 "  - {id: k6, algorithm: hmac-sha512, secret: " SECRET "}\n"
			 "  - {id: k7, algorithm: hmac-sha512-256, secret: " SECRET "}\n"
			 "  - {id: short, algorithm: hmac-sha256, secret: " SECRET
			 ", mac_size: 16}\n";

const char *const ids[ID_CNT] = {"k0", "k1", "k2.example", "k3", "k4", "k5", "k6", "k7", "short"};

struct stele_tsig_keys *load(const char *text)
{
	struct stele_tsig_keys *loaded;
	struct stele_error err;
	if (stele_tsig_keys_parse("keys.yaml", text, strlen(text), &loaded, &err) != 0)
		fail_msg("%s", err.text);
	return loaded;
}

int set_up(void **state)
{
	(void)state;
	keys = load(keys_text);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	stele_tsig_keys_unref(keys);
	return 0;
}

const struct stele_tsig_key *key_named(const struct stele_tsig_keys *set, const char *id)
{
	const struct stele_tsig_key *key = stele_tsig_keys_find_text(set, id);
	assert_non_null(key);
	return key;
}

size_t make_message(uint8_t *msg, size_t max, uint16_t id, unsigned no)
{
	uint8_t name[STELE_NAME_MAX], address[4];
	int len = stele_name_from_text("www.example.test", 16, name);
	stele_put_be32(address, no);
	stele_writer_init(&writer, msg, max);
	stele_writer_begin(&writer, id, STELE_FLAG_AA);
	stele_writer_question(&writer, name, (size_t)len, STELE_TYPE_A, STELE_CLASS_IN);
	stele_writer_record(&writer, STELE_RR_ADDITIONAL, name, (size_t)len, STELE_TYPE_A,
			    STELE_CLASS_IN, 300, address, 4);
	return stele_writer_end(&writer);
}

size_t make_request(const struct stele_tsig_key *key, uint8_t *msg, size_t max, uint64_t now,
		    struct stele_tsig *client)
{
	size_t len = make_message(msg, max, 0x1234, 1);
	assert_int_equal(stele_tsig_sign_request(key, msg, &len, max, now, client), 0);
	return len;
}
