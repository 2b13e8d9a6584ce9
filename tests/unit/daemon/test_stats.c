/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in shared memory: the layout, the law over packets, zones and their slots, damaged files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/stats/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

static char path[64];
static const struct stele_stats_place place = {.core = 3, .port = 1, .queue = 2};

static struct stele_stats *create(uint32_t worker_cnt, uint32_t slot_cnt)
{
	struct stele_stats_settings settings = {
		.path = path, .mode = 0640, .worker_cnt = worker_cnt, .zone_slot_cnt = slot_cnt};
	struct stele_stats *stats;
	struct stele_error err;
	int status = stele_stats_create(&settings, &stats, &err);
	if (status != 0)
		fail_msg("%s", err.text);
	return stats;
}

static struct stele_stats_reader *open_reader(void)
{
	struct stele_stats_reader *reader;
	struct stele_error err;
	if (stele_stats_open(path, &reader, &err) != 0)
		fail_msg("%s", err.text);
	return reader;
}

static struct stele_stats_snapshot take(const struct stele_stats_reader *reader, bool zones)
{
	struct stele_stats_snapshot snapshot;
	struct stele_error err;
	if (stele_stats_snapshot(reader, zones, &snapshot, &err) != 0)
		fail_msg("%s", err.text);
	return snapshot;
}

/* ---- the list ---- */

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

/* ---- the file ---- */

static void test_settings(void **state)
{
	(void)state;
	static const struct {
		uint32_t workers, slots;
	} wrong[] = {{0, 1},
		     {STELE_STATS_WORKERS_MAX + 1, 1},
		     {1, 0},
		     {1, STELE_STATS_ZONE_SLOTS_MAX + 1}};
	struct stele_stats *stats = NULL;
	struct stele_error err;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct stele_stats_settings settings = {.path = path,
							.mode = 0640,
							.worker_cnt = wrong[i].workers,
							.zone_slot_cnt = wrong[i].slots};
		assert_int_equal(stele_stats_create(&settings, &stats, &err), STELE_E_USAGE);
	}
	struct stele_stats_settings settings = {.path = "/dev/shm/no-such-folder/stats",
						.mode = 0640,
						.worker_cnt = 1,
						.zone_slot_cnt = 1};
	assert_int_equal(stele_stats_create(&settings, &stats, &err), STELE_E_SYSTEM);
	assert_null(stats);
	assert_int_equal(access(path, F_OK), -1);
}

/* Written back to a disk, pages would stop workers. */
static void test_only_tmpfs(void **state)
{
	(void)state;
	static const char *const folders[] = {"/var/tmp", "/tmp", "/root", "/"};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		struct statfs fs;
		if (statfs(folders[i], &fs) != 0 || fs.f_type == TMPFS_MAGIC ||
		    access(folders[i], W_OK) != 0)
			continue;
		char there[64];
		snprintf(there, sizeof(there), "%s/stele-test-stats-%d", folders[i], getpid());
		struct stele_stats_settings settings = {
			.path = there, .mode = 0640, .worker_cnt = 1, .zone_slot_cnt = 1};
		struct stele_stats *stats;
		struct stele_error err;
		assert_int_equal(stele_stats_create(&settings, &stats, &err), STELE_E_USAGE);
		assert_non_null(strstr(err.text, "tmpfs"));
		assert_int_equal(access(there, F_OK), -1);
		return;
	}
	print_message("no folder here that is not a tmpfs\n");
	skip();
}

static void test_replace(void **state)
{
	(void)state;
	struct stele_stats *first = create(1, 1);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, first->layout.file_sz);
	/* All of it is there. */
	assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	struct stele_stats_reader *reader = open_reader();
	assert_true(stele_stats_is_current(reader));
	stele_stats_add(stele_stats_worker(first, 0, &place), STELE_STAT_RX_PACKETS, 5);

	struct stele_stats *second = create(2, 3);
	assert_false(stele_stats_is_current(reader));
	struct stele_stats_snapshot old = take(reader, false);
	assert_int_equal(old.workers[0].values[STELE_STAT_RX_PACKETS], 5);
	stele_stats_snapshot_free(&old);
	stele_stats_close(reader);

	/* The first one's end leaves the second's file alone. */
	stele_stats_destroy(first);
	reader = open_reader();
	struct stele_stats_snapshot snapshot = take(reader, true);
	assert_int_equal(snapshot.worker_cnt, 2);
	assert_int_equal(snapshot.zone_cnt, 3);
	assert_int_equal(snapshot.pid, getpid());
	stele_stats_snapshot_free(&snapshot);
	stele_stats_close(reader);
	stele_stats_destroy(second);
	assert_int_equal(access(path, F_OK), -1);
}

static void write_file(const void *bytes, size_t sz)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, sz), sz);
	close(fd);
}

static void assert_refused(int expected)
{
	struct stele_stats_reader *reader = NULL;
	struct stele_error err;
	assert_int_equal(stele_stats_open(path, &reader, &err), expected);
	assert_null(reader);
}

static void test_damaged(void **state)
{
	(void)state;
	assert_refused(STELE_E_NOTFOUND);
	write_file("", 0);
	assert_refused(STELE_E_INPUT);
	write_file("STLSTATS", 8);
	assert_refused(STELE_E_INPUT);
	unlink(path);

	struct stele_stats *stats = create(2, 10);
	struct stele_stats_header good = *stats->header;
	static const struct {
		size_t off;
		size_t sz;
		uint64_t value;
	} changes[] = {
#define CHANGE(field, value)                                                                       \
	{offsetof(struct stele_stats_header, field),                                               \
	 sizeof(((struct stele_stats_header *)0)->field), value}
		CHANGE(magic, 0),
		CHANGE(version, STELE_STATS_VERSION + 1),
		CHANGE(layout, 1),
		CHANGE(worker_cnt, 0),
		CHANGE(worker_cnt, 1),
		CHANGE(worker_cnt, 3),
		CHANGE(worker_cnt, UINT32_MAX),
		CHANGE(zone_slot_cnt, 0),
		CHANGE(zone_slot_cnt, 20000),
		CHANGE(zone_slot_cnt, UINT32_MAX),
		CHANGE(file_sz, 0),
		CHANGE(file_sz, UINT64_MAX),
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy((uint8_t *)stats->header + changes[i].off, &changes[i].value, changes[i].sz);
		assert_refused(STELE_E_INPUT);
		*stats->header = good;
	}
	struct stele_stats_reader *reader = open_reader();
	stele_stats_close(reader);
	assert_int_equal(truncate(path, (off_t)stats->layout.file_sz - 1), 0);
	assert_refused(STELE_E_INPUT);
	assert_int_equal(truncate(path, (off_t)sizeof(struct stele_stats_header)), 0);
	assert_refused(STELE_E_INPUT);
	stele_stats_destroy(stats);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(STELE_E_INPUT);
	rmdir(path);
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

/* ---- zones ---- */

static struct stele_stats_zone zone_of(const char *text, uint32_t id, uint32_t serial)
{
	struct stele_stats_zone zone = {.zone_id = id, .serial = serial, .generation = serial};
	int len = stele_name_from_text(text, strlen(text), zone.name);
	assert_true(len > 0);
	zone.name_len = (uint8_t)len;
	return zone;
}

static void assign(struct stele_stats *stats, const struct stele_stats_zone *zones, size_t cnt,
		   uint32_t *ret_slots)
{
	struct stele_error err;
	assert_int_equal(stele_stats_zones_assign(stats, zones, cnt, ret_slots, &err), 0);
}

static void test_slots(void **state)
{
	(void)state;
	struct stele_stats *stats = create(2, 4);
	struct stele_stats_zone_row *rows = stele_stats_zone_rows(stats, 1);
	struct stele_stats_reader *reader = open_reader();
	struct stele_stats_zone first[] = {zone_of("a.", 7, 1), zone_of("b.a.", 8, 1),
					   zone_of(".", 9, 1)};
	uint32_t slots[3], again[4];
	assign(stats, first, 3, slots);
	stele_stats_zones_settle(stats, first, slots, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(slots[i] >= 1 && slots[i] <= 3);
	assert_true(slots[0] != slots[1] && slots[0] != slots[2] && slots[1] != slots[2]);
	stele_stats_zone_add(&rows[slots[0]], STELE_ZONE_STAT_ANSWER, 11);
	stele_stats_zone_add(&rows[slots[1]], STELE_ZONE_STAT_NXDOMAIN, 5);

	/* The slots are taken: a new zone counts with all others until one is free. */
	struct stele_stats_zone second[] = {zone_of("c.", 3, 9), zone_of("a.", 20, 2)};
	assign(stats, second, 2, again);
	assert_int_equal(again[0], 0);
	assert_int_equal(again[1], slots[0]);
	struct stele_stats_snapshot s = take(reader, true);
	assert_int_equal(s.zones[slots[0]].serial, 1);
	assert_int_equal(s.rows[slots[1]].values[STELE_ZONE_STAT_NXDOMAIN], 5);
	stele_stats_zones_settle(stats, second, again, 2);
	struct stele_stats_snapshot later = take(reader, true);
	assert_int_equal(later.zones[slots[0]].serial, 2);
	assert_int_equal(later.zones[slots[0]].zone_id, 20);
	assert_int_equal(later.rows[slots[0]].values[STELE_ZONE_STAT_ANSWER], 11);
	assert_int_equal(later.zones[slots[1]].name_len, 0);
	assert_int_equal(later.rows[slots[1]].values[STELE_ZONE_STAT_NXDOMAIN], 0);
	stele_stats_snapshot_free(&later);

	/* Now there is room, and who gets a slot again begins from nothing. */
	struct stele_stats_zone third[] = {zone_of("c.", 3, 9), zone_of("a.", 20, 2),
					   zone_of("b.a.", 8, 3)};
	assign(stats, third, 3, again);
	assert_int_equal(again[1], slots[0]);
	assert_true(again[0] != 0 && again[2] != 0 && again[0] != again[2]);
	/* The image that they are in is refused. */
	uint32_t served[] = {0, slots[0]};
	stele_stats_zones_settle(stats, second, served, 2);
	later = take(reader, true);
	unsigned used = 0;
	for (uint32_t slot = 0; slot < later.zone_cnt; slot++)
		used += later.zones[slot].name_len != 0;
	assert_int_equal(used, 1);
	stele_stats_snapshot_free(&later);

	assign(stats, third, 3, again);
	stele_stats_zones_settle(stats, third, again, 3);
	stele_stats_zone_add(&rows[slots[1]], STELE_ZONE_STAT_NXDOMAIN, 2);
	stele_stats_zone_add(&rows[slots[0]], STELE_ZONE_STAT_ANSWER, 4);
	later = take(reader, true);
	struct stele_stats_zone_row diff;
	stele_stats_zone_diff(&later, &s, slots[0], &diff);
	assert_int_equal(diff.values[STELE_ZONE_STAT_ANSWER], 4);
	/* Another zone (or the same one anew) has this slot: nothing to subtract from if it is
	 * another. */
	stele_stats_zone_diff(&later, &s, again[0], &diff);
	assert_int_equal(diff.values[STELE_ZONE_STAT_NXDOMAIN],
			 later.rows[again[0]].values[STELE_ZONE_STAT_NXDOMAIN]);
	stele_stats_snapshot_free(&later);
	stele_stats_snapshot_free(&s);
	stele_stats_close(reader);
	stele_stats_destroy(stats);
}

static void test_many_zones(void **state)
{
	(void)state;
	enum { CNT = 3000 };
	struct stele_stats *stats = create(1, CNT + 1);
	struct stele_stats_zone *zones = calloc(CNT, sizeof(*zones));
	uint32_t *slots = calloc(CNT, sizeof(*slots)), *again = calloc(CNT, sizeof(*again));
	bool *seen = calloc(CNT + 1, sizeof(*seen));
	assert_true(zones != NULL && slots != NULL && again != NULL && seen != NULL);
	for (uint32_t i = 0; i < CNT; i++) {
		char text[32];
		snprintf(text, sizeof(text), "zone-%u.test.", i);
		/* Ids that differ in their upper bits only, and dense ones. */
		zones[i] = zone_of(text, i % 2 ? i << 20 : i, i);
	}
	assign(stats, zones, CNT, slots);
	stele_stats_zones_settle(stats, zones, slots, CNT);
	for (unsigned i = 0; i < CNT; i++) {
		assert_true(slots[i] >= 1 && slots[i] <= CNT && !seen[slots[i]]);
		seen[slots[i]] = true;
	}
	assign(stats, zones, CNT, again);
	assert_memory_equal(slots, again, CNT * sizeof(*slots));

	struct stele_stats_zone_map *map;
	struct stele_error err;
	slots[5] = 0;
	assert_int_equal(stele_stats_zone_map_new(zones, slots, CNT, &map, &err), 0);
	for (unsigned i = 0; i < CNT; i++)
		assert_int_equal(stele_stats_zone_slot(map, zones[i].zone_id), slots[i]);
	assert_int_equal(stele_stats_zone_slot(map, UINT32_MAX), 0);
	assert_int_equal(stele_stats_zone_slot(map, CNT + 2), 0);
	stele_stats_zone_map_free(map);
	assert_int_equal(stele_stats_zone_map_new(zones, slots, 0, &map, &err), 0);
	assert_int_equal(stele_stats_zone_slot(map, 0), 0);
	stele_stats_zone_map_free(map);
	free(seen);
	free(again);
	free(slots);
	free(zones);
	stele_stats_destroy(stats);
}

/* The writer died in the middle, or the table holds what is no name. */
static void test_bad_table(void **state)
{
	(void)state;
	struct stele_stats *stats = create(1, 3);
	struct stele_stats_zone *table = stele_stats_zone_table(stats->base, &stats->layout);
	table[1] = zone_of("a.", 1, 1);
	table[1].name[0] = 60;
	table[2] = zone_of("b.", 1, 1);
	struct stele_stats_reader *reader = open_reader();
	struct stele_stats_snapshot s = take(reader, true);
	assert_int_equal(s.zones[1].name_len, 0);
	assert_int_equal(s.zones[2].name_len, 3);
	stele_stats_snapshot_free(&s);
	stats->header->zones_version = 7;
	struct stele_error err;
	assert_int_equal(stele_stats_snapshot(reader, true, &s, &err), STELE_E_SYSTEM);
	assert_int_equal(stele_stats_snapshot(reader, false, &s, &err), 0);
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
		cmocka_unit_test(test_settings),       cmocka_unit_test(test_only_tmpfs),
		cmocka_unit_test(test_replace),        cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_counting),       cmocka_unit_test(test_torn),
		cmocka_unit_test(test_law_under_load), cmocka_unit_test(test_slots),
		cmocka_unit_test(test_many_zones),     cmocka_unit_test(test_bad_table),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);
	if (!has_tmpfs) {
		print_message("/dev/shm is no tmpfs here: the other tests are skipped\n");
		return failed;
	}
	return failed + cmocka_run_group_tests(mapped, NULL, NULL);
}
