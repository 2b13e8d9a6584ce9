/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in shared memory: the list of them, and the law over packets. */
#include "tests/unit/daemon/stats_case.h"

#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static void test_list(void **state)
{
	(void)state;
	unsigned of_kind[STELE_KIND_CNT] = {0};
	for (unsigned i = 0; i < STELE_STAT_CNT; i++) {
		of_kind[stele_stat_kind(i)]++;
		assert_true(strlen(stele_stat_help(i)) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(stele_stat_name(i), stele_stat_name(j));
	}
	for (unsigned kind = 0; kind < STELE_KIND_CNT; kind++) {
		assert_true(of_kind[kind] > 0);
		assert_non_null(stele_stat_kind_name(kind));
	}
	assert_int_equal(of_kind[STELE_KIND_RECEIVED], 1);
	assert_string_equal(stele_stat_name(STELE_STAT_DROP_RRL), "drop_rrl");
	assert_int_equal(stele_stat_kind(STELE_STAT_DROP_RRL), STELE_KIND_DROPPED);
	assert_string_equal(stele_global_name(STELE_GLOBAL_LOADS), "loads");
	assert_string_equal(stele_zone_stat_name(STELE_ZONE_STAT_REFERRAL), "referral");
	assert_string_equal(stele_histogram_name(STELE_HISTOGRAM_RESPONSE_SIZE), "response_size");
	assert_string_equal(stele_histogram_unit(STELE_HISTOGRAM_RESPONSE_SIZE), "bytes");
}

static void test_buckets(void **state)
{
	(void)state;
	static const struct {
		uint64_t value;
		uint32_t bucket;
	} cases[] = {
		{0, 0},    {1, 1},    {7, 7},       {8, 8},          {15, 15},          {16, 16},
		{17, 16},  {18, 17},  {31, 23},     {32, 24},        {511, 55},         {512, 56},
		{575, 56}, {576, 57}, {65535, 111}, {1u << 16, 112}, {UINT64_MAX, 495},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(stele_stats_bucket(cases[i].value, 1000), cases[i].bucket);
	/* The last bucket of the list takes what is above. */
	assert_int_equal(STELE_BUCKETS_RESPONSE_SIZE, 112);
	assert_int_equal(stele_stats_bucket(65535, STELE_BUCKETS_RESPONSE_SIZE), 111);
	assert_int_equal(stele_stats_bucket(1u << 20, STELE_BUCKETS_RESPONSE_SIZE), 111);
	/* 2^37 - 1 ns are 137 s. */
	assert_int_equal(stele_stats_bucket((1ull << 37) - 1, UINT32_MAX),
			 STELE_BUCKETS_RESPONSE_TIME - 1);
	for (uint32_t bucket = 0; bucket < 496; bucket++) {
		uint64_t floor = stele_stats_bucket_floor(bucket);
		assert_int_equal(stele_stats_bucket(floor, 1000), bucket);
		if (bucket > 0)
			assert_int_equal(stele_stats_bucket(floor - 1, 1000), bucket - 1);
	}
}

static void test_layout(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers < 40; workers += 13) {
		for (uint32_t slots = 1; slots < 5000; slots += 1499) {
			struct stele_stats_layout l = stele_stats_layout(workers, slots);
			assert_true(l.zones_off >= sizeof(struct stele_stats_header));
			assert_true(l.workers_off >=
				    l.zones_off + slots * sizeof(struct stele_stats_zone));
			assert_true(l.rows_off >=
				    l.workers_off + workers * sizeof(struct stele_stats_worker));
			assert_true(l.rows_stride >= slots * 64);
			assert_int_equal(l.file_sz, l.rows_off + workers * l.rows_stride);
			assert_int_equal(l.workers_off % 128 + l.rows_off % 64 + l.zones_off % 8,
					 0);
		}
	}
}

/* ---- counting ---- */

static void test_counting(void **state)
{
	(void)state;
	struct stele_stats *stats = create(2, 1);
	struct stele_stats_worker *w[2] = {stele_stats_worker(stats, 0, &place),
					   stele_stats_worker(stats, 1, &place)};
	stele_stats_begin(w[0]);
	stele_stats_add(w[0], STELE_STAT_RX_PACKETS, 10);
	stele_stats_add(w[0], STELE_STAT_ANSWERED_UDP4, 3);
	stele_stats_add(w[0], STELE_STAT_ANSWERED_UDP6, 2);
	stele_stats_add(w[0], STELE_STAT_LOCAL_ARP, 1);
	stele_stats_add(w[0], STELE_STAT_PUNT_TCP, 1);
	stele_stats_add(w[0], STELE_STAT_DROP_RRL, 3);
	stele_stats_add(w[0], STELE_STAT_RCODE_NOERROR, 5);
	stele_stats_set(w[0], STELE_STAT_GENERATION, 42);
	STELE_STATS_RECORD(w[0], RESPONSE_SIZE, 100, 4);
	STELE_STATS_RECORD(w[0], RESPONSE_SIZE, 1000, 1);
	STELE_STATS_RECORD(w[0], RESPONSE_TIME, 5000, 5);
	stele_stats_end(w[0]);
	stele_stats_begin(w[1]);
	stele_stats_add(w[1], STELE_STAT_RX_PACKETS, 1);
	stele_stats_add(w[1], STELE_STAT_RETURN_IN, 4);
	stele_stats_add(w[1], STELE_STAT_RETURN_OUT, 3);
	stele_stats_set(w[1], STELE_STAT_GENERATION, 41);
	STELE_STATS_RECORD(w[1], RESPONSE_SIZE, 10, 5);
	stele_stats_end(w[1]);
	stele_stats_global_add(stats, STELE_GLOBAL_LOADS, 1);
	stele_stats_global_add(stats, STELE_GLOBAL_LOADS, 1);

	struct stele_stats_reader *reader = open_reader();
	struct stele_stats_snapshot s = take(reader, false);
	assert_int_equal(s.worker_cnt, 2);
	assert_int_equal(s.torn_cnt, 0);
	assert_int_equal(s.zone_cnt, 0);
	assert_int_equal(s.globals[STELE_GLOBAL_LOADS], 2);
	assert_int_equal(s.workers[0].place.core, 3);
	assert_int_equal(s.workers[0].place.queue, 2);
	assert_int_equal(stele_stats_balance(&s.workers[0]), 0);
	assert_int_equal(stele_stats_kind_sum(&s.workers[0], STELE_KIND_ANSWERED), 5);
	/* A packet of which nobody knows what became of it, and one lost on the way out. */
	assert_int_equal(stele_stats_balance(&s.workers[1]), 1);
	assert_int_equal(stele_stats_kind_sum(&s.workers[1], STELE_KIND_RETURN_IN), 4);
	assert_int_equal(stele_stats_kind_sum(&s.workers[1], STELE_KIND_RETURN_OUT), 3);
	assert_int_equal(stele_stats_kind_sum(&s.workers[1], STELE_KIND_RETURN_LOST), 0);
	stele_stats_add(&s.workers[1], STELE_STAT_DROP_FRAGMENT, 2);
	assert_int_equal(stele_stats_balance(&s.workers[1]), -1);

	struct stele_stats_worker sum;
	stele_stats_sum(&s, &sum);
	assert_int_equal(sum.values[STELE_STAT_RX_PACKETS], 11);
	assert_int_equal(sum.values[STELE_STAT_GENERATION], 0);
	assert_int_equal(sum.sums[STELE_HISTOGRAM_RESPONSE_SIZE], 4 * 100 + 1000 + 50);
	assert_int_equal(sum.sums[STELE_HISTOGRAM_RESPONSE_TIME], 25000);
	/* 5 × 10, 4 × 100 in 96 … 103, 1000 in 960 … 1023 */
	assert_int_equal(stele_stats_quantile(&sum, STELE_HISTOGRAM_RESPONSE_SIZE, 0.5), 10);
	assert_int_equal(stele_stats_quantile(&sum, STELE_HISTOGRAM_RESPONSE_SIZE, 0.51), 103);
	assert_int_equal(stele_stats_quantile(&sum, STELE_HISTOGRAM_RESPONSE_SIZE, 0.9), 103);
	assert_int_equal(stele_stats_quantile(&sum, STELE_HISTOGRAM_RESPONSE_SIZE, 1), 1023);
	assert_int_equal(stele_stats_quantile(&sum, STELE_HISTOGRAM_RESPONSE_SIZE, 0), 10);
	struct stele_stats_worker none = {0};
	assert_int_equal(stele_stats_quantile(&none, STELE_HISTOGRAM_RESPONSE_SIZE, 0.5), 0);

	/* A second look, and what came between. */
	stele_stats_begin(w[0]);
	stele_stats_add(w[0], STELE_STAT_RX_PACKETS, 7);
	stele_stats_add(w[0], STELE_STAT_DROP_SHORT, 7);
	stele_stats_set(w[0], STELE_STAT_GENERATION, 43);
	STELE_STATS_RECORD(w[0], RESPONSE_SIZE, 100, 2);
	stele_stats_end(w[0]);
	struct stele_stats_snapshot later = take(reader, false);
	assert_true(stele_stats_same_server(&s, &later));
	assert_true(later.taken_ns >= s.taken_ns && s.taken_ns >= s.started_ns);
	struct stele_stats_worker diff;
	stele_stats_diff(&later.workers[0], &s.workers[0], &diff);
	assert_int_equal(diff.values[STELE_STAT_RX_PACKETS], 7);
	assert_int_equal(diff.values[STELE_STAT_ANSWERED_UDP4], 0);
	assert_int_equal(diff.values[STELE_STAT_GENERATION], 43);
	assert_int_equal(diff.sums[STELE_HISTOGRAM_RESPONSE_SIZE], 200);
	assert_int_equal(diff.buckets.RESPONSE_SIZE[stele_stats_bucket(100, 200)], 2);
	assert_int_equal(diff.place.core, 3);
	assert_int_equal(stele_stats_balance(&diff), 0);
	later.started_ns++;
	assert_false(stele_stats_same_server(&s, &later));
	stele_stats_snapshot_free(&later);
	stele_stats_snapshot_free(&s);
	stele_stats_close(reader);
	stele_stats_destroy(stats);
}

/* One that stands still in the middle of a burst does not keep the reader; its numbers are marked. */
static void test_torn(void **state)
{
	(void)state;
	struct stele_stats *stats = create(2, 1);
	struct stele_stats_worker *worker = stele_stats_worker(stats, 1, &place);
	stele_stats_begin(worker);
	stele_stats_add(worker, STELE_STAT_RX_PACKETS, 9);
	struct stele_stats_reader *reader = open_reader();
	struct stele_stats_snapshot s = take(reader, false);
	assert_int_equal(s.torn_cnt, 1);
	assert_int_equal(s.workers[1].values[STELE_STAT_RX_PACKETS], 9);
	stele_stats_snapshot_free(&s);
	stele_stats_close(reader);
	stele_stats_destroy(stats);
}

struct load {
	struct stele_stats_worker *worker;
	struct stele_stats_zone_row *rows;
	bool stop;
};

static void *count_bursts(void *user)
{
	struct load *load = user;
	for (uint64_t i = 1; !__atomic_load_n(&load->stop, __ATOMIC_RELAXED); i++) {
		struct stele_stats_worker *w = load->worker;
		stele_stats_begin(w);
		stele_stats_add(w, STELE_STAT_RX_PACKETS, 32);
		stele_stats_add(w, STELE_STAT_ANSWERED_UDP4, 20);
		stele_stats_zone_add(&load->rows[i % 3], STELE_ZONE_STAT_ANSWER, 20);
		stele_stats_add(w, STELE_STAT_DROP_UDP_CHECKSUM, 2);
		stele_stats_add(w, STELE_STAT_PUNT_TCP, 10);
		stele_stats_end(w);
		/* Room between bursts, as lookups make it. */
		for (unsigned spin = 0; spin < 2000; spin++)
			__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

static void test_law_under_load(void **state)
{
	(void)state;
	struct stele_stats *stats = create(2, 3);
	struct load loads[2];
	pthread_t threads[2];
	for (uint32_t i = 0; i < 2; i++) {
		loads[i] = (struct load){.worker = stele_stats_worker(stats, i, &place),
					 .rows = stele_stats_zone_rows(stats, i)};
		assert_int_equal(pthread_create(&threads[i], NULL, count_bursts, &loads[i]), 0);
	}
	struct stele_stats_reader *reader = open_reader();
	unsigned whole = 0;
	uint64_t last = 0;
	for (unsigned i = 0; i < 2000; i++) {
		struct stele_stats_snapshot s = take(reader, i % 8 == 0);
		if (s.torn_cnt == 0) {
			struct stele_stats_worker sum;
			stele_stats_sum(&s, &sum);
			assert_int_equal(stele_stats_balance(&sum), 0);
			assert_int_equal(stele_stats_balance(&s.workers[0]), 0);
			assert_true(sum.values[STELE_STAT_RX_PACKETS] >= last);
			last = sum.values[STELE_STAT_RX_PACKETS];
			whole++;
		}
		stele_stats_snapshot_free(&s);
	}
	for (unsigned i = 0; i < 2; i++) {
		__atomic_store_n(&loads[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(threads[i], NULL);
	}
	assert_true(whole > 0);
	struct stele_stats_snapshot s = take(reader, true);
	struct stele_stats_worker sum;
	stele_stats_sum(&s, &sum);
	assert_int_equal(s.torn_cnt, 0);
	assert_int_equal(stele_stats_balance(&sum), 0);
	uint64_t answers = 0;
	for (uint32_t slot = 0; slot < 3; slot++)
		answers += s.rows[slot].values[STELE_ZONE_STAT_ANSWER];
	assert_int_equal(answers, sum.values[STELE_STAT_ANSWERED_UDP4]);
	stele_stats_snapshot_free(&s);
	stele_stats_close(reader);
	stele_stats_destroy(stats);
}

int main(void)
{
	snprintf(path, sizeof(path), "/dev/shm/stele-test-stats-%d", getpid());
	struct statfs fs;
	bool has_tmpfs = statfs("/dev/shm", &fs) == 0 && fs.f_type == TMPFS_MAGIC;
	const struct CMUnitTest pure[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_layout),
	};
	const struct CMUnitTest mapped[] = {
		cmocka_unit_test(test_counting),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_law_under_load),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);
	if (!has_tmpfs) {
		print_message("/dev/shm is no tmpfs here: the other tests are skipped\n");
		return failed;
	}
	failed |= cmocka_run_group_tests(mapped, NULL, NULL);
	failed |= test_stats_file();
	failed |= test_stats_zones();
	return failed;
}
