/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from a store: the same bytes for any number of threads, and after an update the same records
 * as in an image built anew; also when whole zones come, go, or come back under another id.
 */
#include "tests/unit/compiler/build_place.h"
#include "zonecompiler/build/build.h"
#include "zonecompiler/image/compact.h"
#include "zonecompiler/update/update.h"

#include "lib/answer/answer.h"
#include "lib/base/bytes.h"
#include "lib/base/crc32c.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/image/view.h"
#include "lib/store/internal.h"
#include "lib/store/node.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct stele_error err;

#define OK(call)                                                                                   \
	do {                                                                                       \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

/* ---- zones ---- */

/* A zone of `cnt` names beside the apex. Every third is a cut with an address below, every seventh
 * has an empty non-terminal above it. */
struct source {
	const char *apex;
	uint32_t cnt, serial;
	uint32_t at;
	bool glue_next;
	uint8_t key[STELE_SORT_KEY_MAX];
	uint8_t node[512];
	size_t node_sz;
};

static size_t put_rrset(uint8_t *to, uint16_t type, const uint8_t *rdata, size_t len)
{
	memset(to, 0, STELE_NODE_RRSET_HEAD_SZ);
	stele_put_le16(to, type);
	stele_put_le16(to + 2, 1);
	stele_put_le32(to + 4, 300);
	stele_put_le32(to + 12, (uint32_t)(2 + len));
	stele_put_le16(to + 16, (uint16_t)len);
	memcpy(to + 18, rdata, len);
	return 18 + len;
}

static void put_apex(struct source *s)
{
	uint8_t rdata[300], name[STELE_NAME_MAX];
	int len = stele_name_from_text(s->apex, strlen(s->apex), name);
	s->node_sz = put_rrset(s->node, STELE_TYPE_NS, name, (size_t)len);
	memcpy(rdata, name, (size_t)len);
	memcpy(rdata + len, name, (size_t)len);
	uint8_t *numbers = rdata + 2 * (size_t)len;
	memset(numbers, 0, 20);
	stele_put_be32(numbers, s->serial);
	stele_put_be32(numbers + 16, 60);
	s->node_sz += put_rrset(s->node + s->node_sz, STELE_TYPE_SOA, rdata, 2 * (size_t)len + 20);
}

static int next_node(void *user, struct stele_store_item *item, struct stele_error *reterr)
{
	(void)reterr;
	struct source *s = user;
	uint8_t rel[64];
	size_t key_len = 0;
	if (s->at > s->cnt)
		return 0;
	if (s->at == 0) {
		put_apex(s);
		s->at = 1;
	} else {
		char label[16];
		snprintf(label, sizeof(label), "n%07u", s->at);
		size_t rel_len = 0;
		if (s->glue_next || s->at % 7 == 0) {
			memcpy(rel, "\1g", 2);
			rel_len = 2;
		}
		rel[rel_len] = 8;
		memcpy(rel + rel_len + 1, label, 8);
		rel_len += 9;
		key_len = stele_sort_key(rel, rel_len, s->key);
		uint8_t address[4];
		stele_put_be32(address, s->at + s->serial);
		if (s->at % 3 == 0 && !s->glue_next && s->at % 7 != 0) {
			uint8_t host[STELE_NAME_MAX];
			int len = stele_name_from_text("ns.test.", 8, host);
			s->node_sz = put_rrset(s->node, STELE_TYPE_NS, host, (size_t)len);
			s->glue_next = true;
		} else {
			s->node_sz = put_rrset(s->node, STELE_TYPE_A, address, sizeof(address));
			s->glue_next = false;
			s->at++;
		}
	}
	*item = (struct stele_store_item){s->key, key_len, s->node, s->node_sz};
	return 1;
}

/* Makes the zone hold `cnt` names; 0 removes it. */
static void set_zone(struct stele_store *store, const char *apex, uint32_t cnt, uint32_t serial)
{
	uint8_t name[STELE_NAME_MAX];
	assert_true(stele_name_from_text(apex, strlen(apex), name) > 0);
	struct stele_store_write *write;
	OK(stele_store_write_begin(store, &write, &err));
	struct source source = {.apex = apex, .cnt = cnt, .serial = serial};
	if (cnt == 0)
		OK(stele_store_zone_remove(write, name, &err));
	else
		OK(stele_store_zone_replace(write, name, next_node, &source, NULL, NULL, NULL,
					    &err));
	OK(stele_store_commit(write, NULL, &err));
}

/* ---- images ---- */

static struct stele_build_stats build(struct place *p, const char *image, unsigned jobs)
{
	struct stele_build_options options = {.image = image, .jobs = jobs, .seed = {77, 88}};
	struct stele_build_stats stats;
	OK(stele_build(p->store, &options, &stats, &err));
	return stats;
}

static struct stele_update_stats update(struct place *p)
{
	struct stele_update_stats stats;
	struct stele_update_options options = {.jobs = 2};
	OK(stele_update(p->store, p->image, &options, &stats, &err));
	return stats;
}

static struct stele_view open_verified(const char *image)
{
	struct stele_view view;
	OK(stele_view_open_file(image, &view, &err));
	OK(stele_view_verify(&view, &err));
	return view;
}

/* Every record of `a` stands in `b` under the same slot key, byte for byte. Verified images bind a
 * record to its key, so looking for equal records shard by shard is enough. */
static void check_same_records(const struct stele_view *a, const struct stele_view *b)
{
	assert_int_equal(a->name_bits, b->name_bits);
	for (uint32_t i = 0; i < UINT32_C(1) << a->name_bits; i++) {
		const uint8_t *base = a->shards[a->name_first + i].base;
		const uint8_t *other = b->shards[b->name_first + i].base;
		assert_int_equal(base != NULL, other != NULL);
		if (base == NULL || other == NULL)
			continue;
		const struct stele_hash_shard *x = (const void *)base, *y = (const void *)other;
		/* The perfect hash depends on the set of keys alone: equal shards are equal bytes. */
		assert_int_equal(stele_le64(x->size), stele_le64(y->size));
		assert_memory_equal(base, other, stele_le64(x->size));
	}
}

static void check_like_new(struct place *p)
{
	build(p, p->other, 2);
	struct stele_view updated = open_verified(p->image), fresh = open_verified(p->other);
	assert_int_equal(updated.generation, fresh.generation);
	assert_int_equal(updated.zone_cnt, fresh.zone_cnt);
	assert_int_equal(updated.name_cnt, fresh.name_cnt);
	assert_int_equal(updated.rr_cnt, fresh.rr_cnt);
	assert_memory_equal(updated.apex_depths, fresh.apex_depths, sizeof(fresh.apex_depths));
	check_same_records(&fresh, &updated);
	stele_view_close(&updated);
	stele_view_close(&fresh);
}

/* ---- tests ---- */

static char *read_file(const char *path, size_t *ret_sz)
{
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	struct stat st;
	assert_int_equal(fstat(fileno(file), &st), 0);
	char *bytes = malloc((size_t)st.st_size);
	*ret_sz = fread(bytes, 1, (size_t)st.st_size, file);
	assert_int_equal(*ret_sz, st.st_size);
	fclose(file);
	return bytes;
}

static void test_threads_do_not_show(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "big.test.", 60000, 1);
	set_zone(p->store, "x.y.small.test.", 10, 1);
	set_zone(p->store, "middle.test.", 3000, 1);
	build(p, p->image, 1);
	size_t size, other_sz;
	char *bytes = read_file(p->image, &size);
	for (unsigned jobs = 2; jobs <= 7; jobs++) {
		struct stele_build_stats stats = build(p, p->other, jobs);
		assert_int_equal(stats.zone_cnt, 3);
		char *other = read_file(p->other, &other_sz);
		assert_int_equal(size, other_sz);
		assert_memory_equal(bytes, other, size);
		free(other);
	}
	free(bytes);
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.zone_cnt, 3);
	stele_view_close(&view);
}

static void test_empty_store(void **state)
{
	struct place *p = *state;
	build(p, p->image, 2);
	struct stele_view view = open_verified(p->image);
	assert_int_equal(view.name_cnt, 0);
	stele_view_close(&view);
	set_zone(p->store, "first.test.", 3, 1);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
	check_like_new(p);
}

static void update_by_shards(struct place *p)
{
	enum stele_update_kind kind = update(p).kind;
	assert_true(kind == STELE_UPDATE_APPENDED || kind == STELE_UPDATE_COMPACTED);
}

static void test_zones_come_and_go(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 5000, 1);
	set_zone(p->store, "a.test.", 50, 1);
	build(p, p->image, 2);
	set_zone(p->store, "deep.b.test.", 300, 1);
	update_by_shards(p);
	check_like_new(p);
	set_zone(p->store, "deep.b.test.", 0, 0);
	update_by_shards(p);
	check_like_new(p);
	/* Away and back between two updates: the same names under another id. */
	set_zone(p->store, "a.test.", 0, 0);
	set_zone(p->store, "a.test.", 40, 2);
	update_by_shards(p);
	check_like_new(p);
	set_zone(p->store, "a.test.", 0, 0);
	set_zone(p->store, "c.test.", 1, 2);
	set_zone(p->store, "base.test.", 4990, 2);
	update_by_shards(p);
	check_like_new(p);
	assert_int_equal(update(p).kind, STELE_UPDATE_NOTHING);
}

static void set_flag(struct place *p, const char *apex, bool expired, bool stub)
{
	uint8_t name[STELE_NAME_MAX];
	assert_true(stele_name_from_text(apex, strlen(apex), name) > 0);
	struct stele_store_write *write;
	OK(stele_store_write_begin(p->store, &write, &err));
	if (stub)
		OK(stele_store_zone_stub(write, name, &err));
	else
		OK(stele_store_zone_set_expired(write, name, expired, &err));
	OK(stele_store_commit(write, NULL, &err));
}

/* How many zones of the image are expired. */
static unsigned expired_cnt(struct place *p)
{
	struct stele_view view = open_verified(p->image);
	unsigned cnt = 0;
	for (uint32_t i = 0; i < UINT32_C(1) << view.zone_bits; i++) {
		const struct stele_view_shard *shard = view.shards + view.zone_first + i;
		for (uint32_t k = 0; k < stele_view_slot_cnt(shard); k++) {
			const struct stele_zone *zone =
				(const void *)stele_view_slot_record(shard, k);
			cnt += zone != NULL && (zone->flags & STELE_ZONE_EXPIRED) != 0;
		}
	}
	stele_view_close(&view);
	return cnt;
}

/* The rcode of the image's reply to a question for the SOA of this name. */
static unsigned rcode_of(struct place *p, const char *text)
{
	struct stele_view view = open_verified(p->image);
	struct stele_answerer *answerer = stele_answerer_new();
	struct stele_answer_settings settings;
	stele_answer_settings_default(&settings);
	uint8_t msg[STELE_HEADER_SZ + STELE_NAME_MAX + 4] = {0}, buf[512];
	msg[5] = 1;
	int len = stele_name_from_text(text, strlen(text), msg + STELE_HEADER_SZ);
	assert_true(answerer != NULL && len > 0);
	uint8_t *end = msg + STELE_HEADER_SZ + len;
	stele_put_be16(end, STELE_TYPE_SOA);
	stele_put_be16(end + 2, STELE_CLASS_IN);
	struct stele_query query = {.msg = msg, .len = (uint32_t)(end + 4 - msg)};
	struct stele_reply reply = {.buf = buf, .cap = sizeof(buf)};
	stele_answer_batch(answerer, &view, &settings, 0, &query, &reply, 1);
	assert_int_equal(reply.verdict, STELE_VERDICT_REPLY);
	stele_answerer_free(answerer);
	stele_view_close(&view);
	return reply.rcode;
}

static void check_expired(struct place *p, unsigned expected)
{
	update_by_shards(p);
	check_like_new(p);
	assert_int_equal(expired_cnt(p), expected);
}

static void test_expired_zones_and_stubs(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 5000, 1);
	set_zone(p->store, "a.test.", 50, 1);
	build(p, p->image, 2);
	assert_int_equal(expired_cnt(p), 0);
	set_flag(p, "a.test.", true, false);
	check_expired(p, 1);
	set_flag(p, "base.test.", true, false); /* a zone that is carved by several threads */
	set_flag(p, "stub.test.", false, true);
	check_expired(p, 3);
	static const char *const dead[] = {"a.test.", "base.test.", "stub.test.", "x.stub.test."};
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rcode_of(p, dead[i]), STELE_RCODE_SERVFAIL);
	assert_int_equal(rcode_of(p, "other.test."), STELE_RCODE_REFUSED);
	set_flag(p, "a.test.", false, false);
	set_flag(p, "stub.test.", false, false);
	check_expired(p, 2);
	set_zone(p->store, "base.test.", 5000, 1); /* the same contents anew */
	check_expired(p, 1);
	set_zone(p->store, "stub.test.", 20, 1);
	check_expired(p, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rcode_of(p, dead[i]), STELE_RCODE_NOERROR);
	set_flag(p, "a.test.", false, true); /* it is there already */
	assert_int_equal(update(p).kind, STELE_UPDATE_NOTHING);
	set_flag(p, "b.test.", false, true);
	set_zone(p->store, "b.test.", 0, 0);
	check_expired(p, 0);
}

static void set_transferred(struct place *p, const char *apex)
{
	uint8_t name[STELE_NAME_MAX];
	assert_true(stele_name_from_text(apex, strlen(apex), name) > 0);
	struct stele_store_write *write;
	OK(stele_store_write_begin(p->store, &write, &err));
	OK(stele_store_zone_set_transferred(write, name, true, &err));
	OK(stele_store_commit(write, NULL, &err));
}

/* Where a zone came from is nothing to an image: its verification would find a flag that it does not know. */
static void test_transferred_zones(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 5000, 1);
	set_zone(p->store, "a.test.", 50, 1);
	set_transferred(p, "a.test.");
	build(p, p->image, 2);
	assert_int_equal(expired_cnt(p), 0);
	set_transferred(p, "base.test.");
	check_expired(p, 0);
	set_flag(p, "a.test.", true, false);
	check_expired(p, 1);
}

static void test_one_change_touches_few_shards(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 100000, 1);
	build(p, p->image, 2);
	set_zone(p->store, "base.test.", 100001, 1);
	struct stele_update_stats stats = update(p);
	assert_int_equal(stats.kind, STELE_UPDATE_APPENDED);
	assert_true(stats.shard_cnt <= 3);
	check_like_new(p);
}

static void test_garbage_is_left_behind(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 100000, 1);
	struct stele_build_stats built = build(p, p->image, 2);
	struct stele_update_stats stats = {.kind = STELE_UPDATE_APPENDED};
	uint64_t largest = 0;
	for (uint32_t i = 1; i < 100 && stats.kind == STELE_UPDATE_APPENDED; i++) {
		set_zone(p->store, "base.test.", 100000 + i, 1);
		stats = update(p);
		if (stats.image_sz > largest)
			largest = stats.image_sz;
	}
	assert_int_equal(stats.kind, STELE_UPDATE_COMPACTED);
	assert_true(largest > built.image_sz + (8 << 20));
	assert_true(stats.image_sz < built.image_sz + (1 << 20));
	check_like_new(p);
	set_zone(p->store, "base.test.", 99999, 1);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
	check_like_new(p);
}

static struct stele_update_stats update_without_compacting(struct place *p)
{
	struct stele_update_options options = {.jobs = 2, .no_compact = true};
	struct stele_update_stats stats;
	OK(stele_update(p->store, p->image, &options, &stats, &err));
	return stats;
}

static void test_compaction_by_itself(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 100000, 1);
	struct stele_build_stats built = build(p, p->image, 2);
	struct stele_update_stats stats = {0};
	uint32_t i = 1;
	for (; i < 200 && stats.image_sz < built.image_sz + (20 << 20); i++) {
		set_zone(p->store, "base.test.", 100000 + i, 1);
		stats = update_without_compacting(p);
		assert_int_equal(stats.kind, STELE_UPDATE_APPENDED);
	}
	assert_true(stats.image_sz >= built.image_sz + (20 << 20));
	struct stele_compact_stats compact;
	OK(stele_compact(p->image, false, &compact, &err));
	assert_true(compact.done);
	assert_int_equal(compact.before_sz, stats.image_sz);
	assert_true(compact.image_sz < built.image_sz + (1 << 20));
	assert_int_equal(compact.generation, stats.generation);
	check_like_new(p);
	set_zone(p->store, "base.test.", 100000 + i, 1);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
	check_like_new(p);
	assert_int_equal(stele_compact("/tmp/no/such/image", false, &compact, &err), STELE_E_INPUT);
	assert_int_equal(stele_compact("/dev/null", false, &compact, &err), STELE_E_INPUT);
}

struct compacter {
	struct place *place;
	int status;
	struct stele_compact_stats stats;
	struct stele_error err;
};

static void *compact_ten_times(void *user)
{
	struct compacter *c = user;
	for (unsigned i = 0; i < 10 && c->status == 0; i++)
		c->status = stele_compact(c->place->image, false, &c->stats, &c->err);
	return NULL;
}

/* Updates go on while the image is compacted, and none of them is lost; a new chain and a zone more come too. */
static void test_compaction_beside_updates(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 30000, 1);
	build(p, p->image, 2);
	struct compacter c = {.place = p};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, compact_ten_times, &c), 0);
	for (uint32_t i = 1; i < 30; i++) {
		set_zone(p->store, "base.test.", 30000 + i, 1);
		if (i % 8 == 0)
			set_zone(p->store, "more.test.", i, i);
		if (i % 2 == 0)
			update(p);
		else
			update_without_compacting(p);
	}
	pthread_join(thread, NULL);
	if (c.status != 0)
		fail_msg("%s", c.err.text);
	update(p);
	check_like_new(p);
}

static void count_progress(void *user, const char *phase, uint64_t done, uint64_t total)
{
	uint64_t *cnt = user;
	assert_non_null(phase);
	assert_true(done <= total);
	(*cnt)++;
}

static void test_much_changed(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "base.test.", 20000, 1);
	build(p, p->image, 2);
	set_zone(p->store, "base.test.", 20000, 2);
	/* It takes as long as a build, so it tells as much. */
	uint64_t progress_cnt = 0;
	struct stele_update_options options = {
		.jobs = 1, .progress = count_progress, .user = &progress_cnt};
	struct stele_update_stats stats;
	OK(stele_update(p->store, p->image, &options, &stats, &err));
	assert_int_equal(stats.kind, STELE_UPDATE_REBUILT);
	assert_true(progress_cnt > 10);
	assert_non_null(strstr(stats.reason, "much changed"));
	check_like_new(p);
}

static void test_failure_leaves_nothing(void **state)
{
	struct place *p = *state;
	char path[120];
	snprintf(path, sizeof(path), "%s/no-such/image", p->dir);
	struct stele_build_options options = {.image = path, .jobs = 2};
	struct stele_build_stats stats;
	assert_int_equal(stele_build(p->store, &options, &stats, &err), STELE_E_INPUT);
	const uint8_t *only[] = {(const uint8_t *)"\4none\4test"};
	options = (struct stele_build_options){
		.image = p->image, .jobs = 2, .only = only, .only_cnt = 1};
	assert_int_equal(stele_build(p->store, &options, &stats, &err), STELE_E_INPUT);
	assert_string_equal(err.text, "zone none.test.: not in the store");
	assert_int_equal(access(p->image, F_OK), -1);
}

/* ---- the most names that an image may have ---- */

/* Makes the store believe that its only zone has so many nodes. */
static void claim_nodes(struct stele_store *store, uint64_t cnt)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	struct store_zone_record record;
	assert_int_equal(mdb_txn_begin(store->env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_cursor_open(txn, store->dbs[STORE_DB_ZONES], &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	assert_int_equal(value.mv_size, sizeof(record));
	memcpy(&record, value.mv_data, sizeof(record));
	record.node_cnt = stele_to_le64(cnt);
	value.mv_data = &record;
	assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_txn_commit(txn), 0);
}

static void test_too_many_names_to_build(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "one.test.", 5, 1);
	claim_nodes(p->store, STELE_IMAGE_NAMES_MAX + UINT64_C(1));
	struct stele_build_options options = {.image = p->image, .jobs = 2};
	struct stele_build_stats stats;
	assert_int_equal(stele_build(p->store, &options, &stats, &err), STELE_E_INPUT);
	assert_string_equal(err.text, "1073741824 names (an image has at most 1073741823)");
	assert_int_equal(access(p->image, F_OK), -1);
}

/* Makes an image say in its root that it has so many names. */
static void claim_names(const char *path, uint64_t cnt)
{
	struct stele_root root;
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, -(long)sizeof(root), SEEK_END), 0);
	assert_int_equal(fread(&root, sizeof(root), 1, file), 1);
	root.name_cnt = stele_to_le64(cnt);
	root.crc = stele_to_le32(0);
	root.crc = stele_to_le32(stele_crc32c(0, &root, sizeof(root)));
	assert_int_equal(fseek(file, -(long)sizeof(root), SEEK_END), 0);
	assert_int_equal(fwrite(&root, sizeof(root), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static void test_too_many_names_to_update(void **state)
{
	struct place *p = *state;
	set_zone(p->store, "one.test.", 5, 1);
	build(p, p->image, 2);
	struct stat before, after;
	claim_names(p->image, STELE_IMAGE_NAMES_MAX);
	assert_int_equal(stat(p->image, &before), 0);
	set_zone(p->store, "one.test.", 6, 2);
	struct stele_update_stats stats;
	struct stele_update_options options = {.jobs = 2};
	assert_int_equal(stele_update(p->store, p->image, &options, &stats, &err), STELE_E_INPUT);
	assert_non_null(strstr(err.text, " names (an image has at most 1073741823)"));
	assert_int_equal(stat(p->image, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	/* As many as there may be, and no name more. */
	set_zone(p->store, "one.test.", 5, 3);
	assert_int_equal(update(p).kind, STELE_UPDATE_APPENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_threads_do_not_show, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_empty_store, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_zones_come_and_go, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_transferred_zones, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_expired_zones_and_stubs, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_one_change_touches_few_shards,
						build_place_open, build_place_close),
		cmocka_unit_test_setup_teardown(test_garbage_is_left_behind, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_compaction_by_itself, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_compaction_beside_updates, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_much_changed, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_failure_leaves_nothing, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_too_many_names_to_build, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_too_many_names_to_update, build_place_open,
						build_place_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
