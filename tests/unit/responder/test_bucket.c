/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/worker/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define HZ 1000000

static unsigned take_all(struct stele_bucket *bucket, uint64_t now)
{
	unsigned cnt = 0;

	while (cnt < 100000 && stele_bucket_take(bucket, now))
		cnt++;
	return cnt;
}

static void a_burst_and_then_the_rate(void **state)
{
	struct stele_bucket bucket;
	unsigned cnt = 0;

	(void)state;
	stele_bucket_init(&bucket, 100, 10, HZ);
	assert_int_equal(take_all(&bucket, HZ), 10);
	assert_false(stele_bucket_take(&bucket, HZ + HZ / 100 - 1));
	assert_true(stele_bucket_take(&bucket, HZ + HZ / 100));
	/* In ten seconds, however often it is asked. */
	for (uint64_t now = HZ + HZ / 100; now < 11 * HZ; now += 123)
		cnt += stele_bucket_take(&bucket, now);
	assert_in_range(cnt, 998, 1000);
	/* After a rest there is one burst, not all that was not taken. */
	assert_int_equal(take_all(&bucket, 100 * (uint64_t)HZ), 10);
}

/* The counter of a machine that slept, or has moved to another host: nobody waits until it is where it was. */
static void a_counter_that_goes_back(void **state)
{
	struct stele_bucket bucket;
	uint64_t now = 1000 * (uint64_t)HZ;

	(void)state;
	stele_bucket_init(&bucket, 100, 10, HZ);
	assert_int_equal(take_all(&bucket, now), 10);
	assert_int_equal(take_all(&bucket, HZ), 10);
	assert_true(stele_bucket_take(&bucket, HZ + HZ / 100));
	/* A little back, as from core to core, is no new burst. */
	stele_bucket_init(&bucket, 100, 10, HZ);
	assert_int_equal(take_all(&bucket, now), 10);
	assert_int_equal(take_all(&bucket, now - 1), 0);
	stele_bucket_init(&bucket, 100, 1, HZ);
	assert_int_equal(take_all(&bucket, now), 1);
	assert_int_equal(take_all(&bucket, now - 1), 0);
	assert_int_equal(take_all(&bucket, now + HZ / 100), 1);
}

static void no_limit(void **state)
{
	struct stele_bucket bucket;

	(void)state;
	stele_bucket_init(&bucket, 0, 1, HZ);
	assert_int_equal(take_all(&bucket, 5), 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_and_then_the_rate),
		cmocka_unit_test(a_counter_that_goes_back),
		cmocka_unit_test(no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
