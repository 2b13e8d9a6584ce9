/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, checksums, types, serials: lib/base and lib/dns. */

/* The sources themselves, so that the portable paths can be compared with the fast ones. */
#include "lib/base/crc32c.c"
#include "lib/dns/base32hex.c"
#include "lib/dns/nsec3.c"

#include "lib/base/error.h"
#include "lib/dns/name.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % below;
}

/* ---- hashes and checksums ---- */

static void test_base32hex(void **state)
{
	(void)state;
	uint8_t hash[STELE_NSEC3_HASH_SZ], back[STELE_NSEC3_HASH_SZ];
	uint8_t digits[STELE_NSEC3_LABEL_SZ], last_digits[STELE_NSEC3_LABEL_SZ];
	for (int i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < sizeof(hash); k++)
			hash[k] = (uint8_t)draw(256);
		stele_base32hex_encode(hash, digits);
		encode_portable(hash, last_digits);
		assert_memory_equal(digits, last_digits, sizeof(digits));
		assert_true(stele_base32hex_decode(digits, back));
		assert_memory_equal(back, hash, sizeof(hash));
	}
	/* The order of hashes is the order of their digits. */
	memset(hash, 0, sizeof(hash));
	memset(last_digits, 0, sizeof(last_digits));
	for (unsigned i = 0; i < 256; i++) {
		hash[0] = (uint8_t)i;
		stele_base32hex_encode(hash, digits);
		assert_true(memcmp(last_digits, digits, sizeof(digits)) < 0);
		memcpy(last_digits, digits, sizeof(digits));
	}
	memcpy(digits, "0123456789ABCDEFGHIJKLMNOPQRSTUV", 32);
	assert_true(stele_base32hex_decode(digits, hash));
	stele_base32hex_encode(hash, last_digits);
	assert_memory_equal(last_digits, "0123456789abcdefghijklmnopqrstuv", 32);
	for (unsigned c = 0; c < 256; c++) {
		bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'v') ||
				(c >= 'A' && c <= 'V');
		digits[7] = (uint8_t)c;
		assert_int_equal(stele_base32hex_decode(digits, hash), is_digit);
	}
}

/* RFC 5155 appendix A. */
static void test_nsec3_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *name, *hash;
	} vectors[] = {
		{"example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"},
		{"a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"},
		{"ai.example", "gjeqe526plbf1g8mklp59enfd789njgi"},
		{"ns1.example", "2t7b4g4vsa5smi47k61mv5bv1a22bojr"},
		{"ns2.example", "q04jkcevqvmu85r014c7dkba38o0ji5r"},
		{"w.example", "k8udemvp1j2f7eg6jebps17vp3n8i58h"},
		{"*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"},
		{"x.w.example", "b4um86eghhds6nea196smvmlo4ors995"},
		{"y.w.example", "ji6neoaepv8b5o6k4ev33abha8ht9fgc"},
		{"x.y.w.example", "2vptu5timamqttgl4luu9kg21e0aor3s"},
		{"xx.example", "t644ebqk9bibcna874givr6joj62mlhv"},
	};
	static const uint8_t salt[] = {0xaa, 0xbb, 0xcc, 0xdd};
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t name[STELE_NAME_MAX], hash[STELE_NSEC3_HASH_SZ];
		uint8_t digits[STELE_NSEC3_LABEL_SZ];
		int len = stele_name_from_text(vectors[i].name, strlen(vectors[i].name), name);
		assert_true(len > 0);
		stele_nsec3_hash(name, (size_t)len, salt, sizeof(salt), 12, hash);
		stele_base32hex_encode(hash, digits);
		assert_memory_equal(digits, vectors[i].hash, sizeof(digits));
	}
}

/* Many at once: the same as one by one, in whatever pairs they come. */
static void test_nsec3_jobs(void **state)
{
	(void)state;
	enum { CNT = 300 };
	static uint8_t names[CNT][STELE_NAME_MAX], salts[CNT][255], got[CNT][STELE_NSEC3_HASH_SZ];
	static struct stele_nsec3_job jobs[CNT];
	for (unsigned i = 0; i < CNT; i++) {
		for (size_t k = 0; k < sizeof(names[i]); k++)
			names[i][k] = (uint8_t)draw(256);
		for (size_t k = 0; k < sizeof(salts[i]); k++)
			salts[i][k] = (uint8_t)draw(256);
		uint8_t salt_len = draw(3) == 0 ? (uint8_t)draw(256) : (uint8_t)draw(4);
		jobs[i] = (struct stele_nsec3_job){
			.name = names[i],
			.name_len = (uint8_t)(1 + (draw(4) == 0 ? draw(255) : draw(60))),
			.salt = salts[i],
			.salt_len = salt_len,
			.iterations = (uint16_t)(draw(8) == 0 ? draw(4) : 0),
			.hash = got[i],
		};
		if (i < 64) { /* each length about that of one block */
			jobs[i].name_len = (uint8_t)(i + 1);
			jobs[i].salt_len = 0;
			jobs[i].iterations = 0;
		}
	}
	for (unsigned cnt = 0; cnt <= CNT; cnt += cnt < 8 ? 1 : 73) {
		memset(got, 0, sizeof(got));
		stele_nsec3_hash_jobs(jobs, cnt);
		for (unsigned i = 0; i < cnt; i++) {
			uint8_t one[STELE_NSEC3_HASH_SZ];
			stele_nsec3_hash(jobs[i].name, jobs[i].name_len, jobs[i].salt,
					 jobs[i].salt_len, jobs[i].iterations, one);
			assert_memory_equal(got[i], one, sizeof(one));
		}
	}
}

/* Every length, against OpenSSL; and the portable path against the one that is used. */
static void test_nsec3_lengths(void **state)
{
	(void)state;
	uint8_t name[STELE_NAME_MAX], salt[255], input[STELE_NAME_MAX + 255];
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (uint8_t)draw(256);
	for (size_t i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)draw(256);
	for (size_t name_len = 1; name_len <= sizeof(name); name_len++) {
		static const size_t salt_lens[] = {0, 1, 8, 64, 255};
		for (unsigned k = 0; k < 5; k++) {
			size_t salt_len = salt_lens[k];
			uint8_t hash[STELE_NSEC3_HASH_SZ], expected[STELE_NSEC3_HASH_SZ];
			memcpy(input, name, name_len);
			memcpy(input + name_len, salt, salt_len);
			assert_int_equal(EVP_Digest(input, name_len + salt_len, expected, NULL,
						    EVP_sha1(), NULL),
					 1);
			stele_nsec3_hash(name, name_len, salt, salt_len, 0, hash);
			assert_memory_equal(hash, expected, sizeof(hash));
			memcpy(input, expected, sizeof(expected));
			memcpy(input + sizeof(expected), salt, salt_len);
			EVP_Digest(input, sizeof(expected) + salt_len, expected, NULL, EVP_sha1(),
				   NULL);
			stele_nsec3_hash(name, name_len, salt, salt_len, 1, hash);
			assert_memory_equal(hash, expected, sizeof(hash));
		}
	}
	for (size_t blocks = 1; blocks * BLOCK_SZ <= sizeof(input); blocks++) {
		uint32_t slow[5], used[5];
		memcpy(slow, initial, sizeof(slow));
		memcpy(used, initial, sizeof(used));
		compress_portable(slow, input, blocks);
		compress(used, input, blocks);
		assert_memory_equal(slow, used, sizeof(slow));
	}
}

/* RFC 3720 appendix B.4. */
static void test_crc32c(void **state)
{
	(void)state;
	uint8_t bytes[4096];
	memset(bytes, 0, 32);
	assert_int_equal(stele_crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	assert_int_equal(stele_crc32c(0, bytes, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(stele_crc32c(0, bytes, 32), 0x46dd794e);
	for (unsigned i = 0; i < 32; i++)
		bytes[i] = (uint8_t)(31 - i);
	assert_int_equal(stele_crc32c(0, bytes, 32), 0x113fdb5c);
	assert_int_equal(stele_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(stele_crc32c(0, bytes, 0), 0);

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)draw(256);
	for (int i = 0; i < 5000; i++) {
		size_t at = draw(2048), sz = draw(2048), cut = draw((uint32_t)sz + 1);
		uint32_t whole = stele_crc32c(0, bytes + at, sz);
		assert_int_equal(whole, ~crc_portable(~0u, bytes + at, sz));
		uint32_t first = stele_crc32c(0, bytes + at, cut);
		assert_int_equal(whole, stele_crc32c(first, bytes + at + cut, sz - cut));
	}
}

/* ---- the rest ---- */

static void test_rrtype_text(void **state)
{
	(void)state;
	char text[STELE_RRTYPE_TEXT_MAX];
	for (unsigned type = 0; type < 65536; type++) {
		stele_rrtype_to_text((uint16_t)type, text);
		assert_int_equal(stele_rrtype_from_text(text, strlen(text)), type);
		for (char *c = text; *c != '\0'; c++)
			*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
		assert_int_equal(stele_rrtype_from_text(text, strlen(text)), type);
		char number[16];
		int len = snprintf(number, sizeof(number), "TYPE%u", type);
		assert_int_equal(stele_rrtype_from_text(number, (size_t)len), type);
	}
	assert_string_equal(stele_rrtype_to_text(STELE_TYPE_NSEC3PARAM, text), "NSEC3PARAM");
	assert_string_equal(stele_rrtype_to_text(65280, text), "TYPE65280");
	static const char *const bad[] = {"",       "TYPE", "TYPE65536", "TYPE-1",
					  "TYPE1x", "AA",   "TYP1",      "TYPE000001"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(stele_rrtype_from_text(bad[i], strlen(bad[i])), -1);
}

static void test_rdata_names(void **state)
{
	(void)state;
	uint16_t pos[2];
	static const uint8_t soa[] = "\3ns1\0\4host\0\0\0\0\1";
	assert_int_equal(stele_rdata_compressible_names(STELE_TYPE_SOA, soa, sizeof(soa), pos), 2);
	assert_int_equal(pos[0], 0);
	assert_int_equal(pos[1], 5);
	assert_int_equal(stele_rdata_compressible_names(STELE_TYPE_MX, soa, 7, pos), 1);
	assert_int_equal(pos[0], 2);
	/* RFC 3597 section 4: no other type, later ones with names neither. */
	assert_int_equal(stele_rdata_compressible_names(33 /* SRV */, soa, 12, pos), 0);
	assert_int_equal(stele_rdata_compressible_names(STELE_TYPE_DNAME, soa, 5, pos), 0);
	assert_int_equal(stele_rdata_additional_name(STELE_TYPE_NS), 0);
	assert_int_equal(stele_rdata_additional_name(STELE_TYPE_MX), 2);
	assert_int_equal(stele_rdata_additional_name(STELE_TYPE_SRV), 6);
	assert_int_equal(stele_rdata_additional_name(STELE_TYPE_SVCB), 2);
	assert_int_equal(stele_rdata_additional_name(STELE_TYPE_HTTPS), 2);
	assert_int_equal(stele_rdata_additional_name(STELE_TYPE_A), -1);
}

static void test_serials(void **state)
{
	(void)state;
	/* How far `b` is ahead of `a`, wherever these are; half a circle is neither. */
	static const struct {
		uint32_t ahead;
		bool older, reaches;
	} cases[] = {
		{0, false, true},           {1, true, false},          {INT32_MAX, true, false},
		{0x80000000, false, false}, {0x80000001, false, true}, {UINT32_MAX, false, true},
	};
	static const uint32_t from[] = {0, 1, 2026010100, INT32_MAX, 0x80000000, UINT32_MAX};
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
			uint32_t a = from[i], b = a + cases[j].ahead;
			assert_int_equal(stele_serial_older(a, b), cases[j].older);
			assert_int_equal(stele_serial_reaches(a, b), cases[j].reaches);
		}
}

static void test_bytes(void **state)
{
	(void)state;
	uint8_t b[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
	assert_int_equal(stele_get_le16(b + 1), 0x0201);
	assert_int_equal(stele_get_be16(b + 1), 0x0102);
	assert_int_equal(stele_get_le32(b + 1), 0x04030201);
	assert_int_equal(stele_get_be32(b + 1), 0x01020304);
	assert_true(stele_get_le64(b + 1) == 0x0807060504030201u);
	assert_true(stele_get_be64(b + 1) == 0x0102030405060708u);
	stele_put_be32(b, 0xdeadbeef);
	assert_memory_equal(b, "\xde\xad\xbe\xef\4", 5);
	struct stele_le32 field = stele_to_le32(0xdeadbeef);
	assert_memory_equal(&field, "\xef\xbe\xad\xde", 4);
	assert_int_equal(stele_le32(field), 0xdeadbeef);
}

static void test_error(void **state)
{
	(void)state;
	struct stele_error err;
	assert_int_equal(stele_fail(&err, STELE_E_INPUT, "%s:%d", "a", 7), STELE_E_INPUT);
	assert_string_equal(err.text, "a:7");
	assert_int_equal(stele_fail_errno(&err, ENOSPC, "x"), STELE_E_SYSTEM);
	assert_string_equal(err.text, "x: No space left on device");
	assert_int_equal(stele_fail(NULL, STELE_E_STALE, "x"), STELE_E_STALE);
	char *text = malloc(3 * STELE_ERROR_MAX);
	memset(text, 'x', 3 * STELE_ERROR_MAX - 1);
	text[3 * STELE_ERROR_MAX - 1] = '\0';
	stele_fail_errno(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.text), STELE_ERROR_MAX - 1);
	free(text);
	assert_int_equal(stele_exit_status(STELE_OK), 0);
	assert_int_equal(stele_exit_status(STELE_E_INPUT), 1);
	assert_int_equal(stele_exit_status(STELE_E_USAGE), 2);
	assert_int_equal(stele_exit_status(STELE_E_SYSTEM), 3);
	assert_int_equal(stele_exit_status(STELE_E_NOTFOUND), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base32hex),     cmocka_unit_test(test_nsec3_vectors),
		cmocka_unit_test(test_nsec3_lengths), cmocka_unit_test(test_nsec3_jobs),
		cmocka_unit_test(test_crc32c),        cmocka_unit_test(test_rrtype_text),
		cmocka_unit_test(test_serials),       cmocka_unit_test(test_rdata_names),
		cmocka_unit_test(test_bytes),         cmocka_unit_test(test_error),
	};
	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
