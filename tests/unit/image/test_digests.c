/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of several shards at once are those that libcrypto and a CRC of one buffer give, whatever the lengths. */
#include "lib/base/crc32c.h"
#include "lib/image/digests.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LONGEST 1000u
#define JOBS 7u

/* Bytes without a pattern that ends where the buffer does, for sanitizers. */
static uint8_t *some_bytes(size_t sz)
{
	uint8_t *bytes = malloc(sz > 0 ? sz : 1);
	assert_non_null(bytes);
	for (size_t i = 0; i < sz; i++)
		bytes[i] = (uint8_t)random();
	return bytes;
}

static void check(const struct stele_digests_job *job)
{
	uint8_t sha256[32];
	assert_int_equal(EVP_Digest(job->bytes, job->sz, sha256, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(job->sha256, sha256, sizeof(sha256));
	assert_int_equal(job->crc, stele_crc32c(0, job->bytes, job->sz));
}

static void digest(size_t *sizes, unsigned cnt)
{
	struct stele_digests_job jobs[JOBS];
	for (unsigned i = 0; i < cnt; i++)
		jobs[i] = (struct stele_digests_job){.bytes = some_bytes(sizes[i]), .sz = sizes[i]};
	struct stele_error error;
	assert_int_equal(stele_digests(jobs, cnt, &error), 0);
	for (unsigned i = 0; i < cnt; i++) {
		check(&jobs[i]);
		free((void *)jobs[i].bytes);
	}
}

static void test_each_length(void **state)
{
	(void)state;
	for (size_t sz = 0; sz <= LONGEST; sz++)
		digest(&sz, 1);
}

static void test_numbers_of_jobs(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 500; round++)
		for (unsigned cnt = 0; cnt <= JOBS; cnt++) {
			size_t sizes[JOBS];
			for (unsigned i = 0; i < cnt; i++)
				sizes[i] = (size_t)random() % LONGEST;
			digest(sizes, cnt);
		}
}

/* FIPS 180-4's example and RFC 3720's. */
static void test_known(void **state)
{
	(void)state;
	static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
					0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
					0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
					0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
	static const uint8_t zeros[32];
	struct stele_digests_job jobs[] = {
		{.bytes = (const uint8_t *)"abc", .sz = 3},
		{.bytes = zeros, .sz = sizeof(zeros)},
	};
	struct stele_error error;
	assert_int_equal(stele_digests(jobs, 2, &error), 0);
	assert_memory_equal(jobs[0].sha256, abc, sizeof(abc));
	assert_int_equal(jobs[1].crc, 0x8a9136aa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_each_length),
		cmocka_unit_test(test_numbers_of_jobs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
