/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole replies that are kept are what would be composed anew, in each byte and in what is told of them; they are kept
 * for nothing but the same query, and for none whose reply depends on anything else.
 *
 *   test_packet_cache IMAGE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/packet_cache.h"
#include "lib/dns/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096, RD = 0x100, WITH_OPT = 1, WITH_DO = 2, WITH_NSID = 4, WITH_COOKIE = 8 };

static const char *image_path;
static struct stele_view view;
static struct stele_answerer *answerer, *composer; /* the other one keeps nothing */
static struct stele_answer_settings settings;

static int setup_image(void **state)
{
	(void)state;
	struct stele_error err;
	if (stele_view_open_file(image_path, &view, &err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return 1;
}

static int teardown_image(void **state)
{
	(void)state;
	stele_view_close(&view);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	stele_answer_settings_default(&settings);
	answerer = stele_answerer_new();
	composer = stele_answerer_new();
	return answerer == NULL || composer == NULL;
}

static int teardown(void **state)
{
	(void)state;
	stele_answerer_free(answerer);
	stele_answerer_free(composer);
	return 0;
}

/* ---- asking ---- */

struct message {
	uint8_t bytes[ROOM];
	uint32_t len;
};

static struct message question(const char *name, unsigned type, unsigned flags, unsigned with)
{
	struct message m = {.bytes = {0x12, 0x34, (uint8_t)(flags >> 8), (uint8_t)flags, 0, 1}};
	uint8_t *p = m.bytes + STELE_HEADER_SZ;
	int len = stele_name_from_text(name, strlen(name), p);
	assert_true(len > 0);
	p += len;
	stele_put_be16(p, (uint16_t)type);
	stele_put_be16(p + 2, STELE_CLASS_IN);
	p += 4;
	if (with != 0) {
		m.bytes[11] = 1;
		stele_put_be64(p, (uint64_t)STELE_TYPE_OPT << 40 | (uint64_t)ROOM << 24 |
					  (with & WITH_DO ? 0x80 : 0));
		p[8] = p[9] = p[10] = 0;
		uint8_t *options = p + 11;
		p = options;
		if (with & WITH_NSID) {
			stele_put_be32(p, STELE_EDNS_NSID << 16);
			p += 4;
		}
		if (with & WITH_COOKIE) {
			stele_put_be32(p, STELE_EDNS_COOKIE << 16 | 8);
			memset(p + 4, 'c', 8);
			p += 12;
		}
		stele_put_be16(options - 2, (uint16_t)(p - options));
	}
	m.len = (uint32_t)(p - m.bytes);
	return m;
}

static void set_id(struct message *m, unsigned id)
{
	stele_put_be16(m->bytes, (uint16_t)id);
}

struct answer {
	uint8_t bytes[ROOM];
	struct stele_reply reply;
};

static void ask_as(struct stele_answerer *of, const struct message *m, struct stele_query how,
		   uint32_t cap, struct answer *ret)
{
	bool was_on = settings.packet_cache;
	if (of == composer)
		settings.packet_cache = false;
	memcpy(ret->bytes, m->bytes, m->len);
	how.msg = ret->bytes;
	how.len = m->len;
	ret->reply = (struct stele_reply){.buf = ret->bytes, .cap = cap};
	stele_answer_batch(of, &view, &settings, 0, &how, &ret->reply, 1);
	settings.packet_cache = was_on;
}

static const struct stele_query by_udp = {.client = {.family = 4, .addr = {192, 0, 2, 1}}};

/* Asks, and composes the same anew: both are the same. True if the first was one that was kept. */
static bool ask_how(const struct message *m, struct stele_query how, uint32_t cap)
{
	static struct answer ours, anew;
	ask_as(answerer, m, how, cap, &ours);
	bool cached = stele_answerer_cached(answerer) == 1;
	ask_as(composer, m, how, cap, &anew);
	assert_int_equal(stele_answerer_cached(composer), 0);
	assert_int_equal(ours.reply.verdict, anew.reply.verdict);
	assert_int_equal(ours.reply.drop_reason, anew.reply.drop_reason);
	assert_int_equal(ours.reply.reply_class, anew.reply.reply_class);
	assert_int_equal(ours.reply.zone_id, anew.reply.zone_id);
	assert_int_equal(ours.reply.cookie_valid, anew.reply.cookie_valid);
	assert_int_equal(ours.reply.cookie_invalid, anew.reply.cookie_invalid);
	assert_int_equal(ours.reply.cap, cap);
	assert_ptr_equal(ours.reply.buf, ours.bytes);
	assert_int_equal(ours.reply.len, anew.reply.len);
	if (anew.reply.verdict != STELE_VERDICT_REPLY)
		return cached;
	assert_int_equal(ours.reply.rcode, anew.reply.rcode);
	assert_memory_equal(ours.bytes, anew.bytes, anew.reply.len);
	assert_int_equal(ours.reply.body_off, anew.reply.body_off);
	assert_int_equal(ours.reply.body_len, anew.reply.body_len);
	assert_int_equal(ours.reply.body_sum, anew.reply.body_sum);
	return cached;
}

static bool ask(const struct message *m)
{
	return ask_how(m, by_udp, ROOM);
}

/* How many of the next five of this query were answered with a reply that was kept. */
static unsigned cached_of_five(const struct message *m, struct stele_query how, uint32_t cap)
{
	unsigned cnt = 0;
	for (unsigned i = 0; i < 5; i++)
		cnt += ask_how(m, how, cap);
	return cnt;
}

/* ---- tests ---- */

static struct message samples(unsigned i)
{
	static const struct {
		const char *name;
		unsigned type, flags, with;
	} all[] = {
		{"www.plain.test.", STELE_TYPE_A, 0, 0},
		{"www.plain.test.", STELE_TYPE_A, RD, WITH_OPT},
		{"www.nsec3.test.", STELE_TYPE_A, 0, WITH_OPT | WITH_DO},
		{"alias1.plain.test.", STELE_TYPE_A, 0, WITH_OPT},
		{"x.y.sub.plain.test.", STELE_TYPE_A, RD, WITH_OPT},
		{"www.plain.test.", STELE_TYPE_MX, 0, WITH_OPT},
		{"gone.plain.test.", STELE_TYPE_A, 0, WITH_OPT},
		{"gone.nsec3.test.", STELE_TYPE_A, 0, WITH_OPT | WITH_DO},
		{"x.wild.nsec.test.", STELE_TYPE_A, RD, WITH_OPT | WITH_DO},
		{"plain.test.", STELE_TYPE_MX, 0, WITH_OPT},
		{"big.nsec3.test.", STELE_TYPE_TXT, 0, 0}, /* truncated */
		{"a-name-of-which-nobody-could-say-that-it-is-short.and-another-label-in-front."
		 "wild.nsec3.test.",
		 STELE_TYPE_A, 0, WITH_OPT | WITH_DO},
	};
	enum { CNT = sizeof(all) / sizeof(all[0]) };
	if (i >= CNT)
		return (struct message){.len = 0};
	return question(all[i].name, all[i].type, all[i].flags, all[i].with);
}

static void test_the_third_is_kept(void **state)
{
	(void)state;
	for (unsigned i = 0; samples(i).len > 0; i++) {
		struct message m = samples(i);
		for (unsigned k = 0; k < 6; k++) {
			set_id(&m, 0xabc0 + k);
			assert_int_equal(ask(&m), k >= 2);
		}
		assert_true(ask_how(&m, by_udp, ROOM - 100)); /* a reply's room is its own */
	}
}

static void test_another_bit_is_another_query(void **state)
{
	for (unsigned i = 0; samples(i).len > 0; i++) {
		/* One cache for all would take it for a flood. */
		teardown(state);
		assert_int_equal(setup(state), 0);
		struct message m = samples(i);
		while (!ask(&m))
			;
		for (size_t bit = 16; bit < 8 * (size_t)m.len; bit++) {
			struct message other = m;
			other.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(ask(&other));
		}
		struct message shorter = m, longer = m;
		shorter.len--;
		assert_false(ask(&shorter));
		longer.len++;
		assert_false(ask(&longer));
		assert_true(ask(&m));
	}
}

static void test_what_is_not_kept(void **state)
{
	(void)state;
	struct message m = question("www.nsec3.test.", STELE_TYPE_A, 0, WITH_OPT | WITH_DO);
	struct stele_query how = by_udp;
	how.tcp = true;
	assert_int_equal(cached_of_five(&m, how, ROOM), 0);
	how.tcp = false;
	how.reserve = 100;
	assert_int_equal(cached_of_five(&m, how, ROOM), 0);
	assert_int_equal(cached_of_five(&m, by_udp, 1231), 0);
	assert_int_equal(cached_of_five(&m, by_udp, 1232), 3);
	settings.udp_max = 512;
	assert_int_equal(cached_of_five(&m, by_udp, 512), 0);
	settings.udp_max = 1232;

	memset(settings.nsid, 'n', 4);
	settings.nsid_len = 4;
	settings.cookies = true;
	settings.cookie_secret_cnt = 1;
	static const struct {
		const char *name;
		unsigned type, with;
	} others[] = {
		{"www.nsec3.test.", STELE_TYPE_A, WITH_OPT | WITH_NSID},
		{"www.nsec3.test.", STELE_TYPE_A, WITH_OPT | WITH_COOKIE},
		{"www.nsec3.test.", STELE_TYPE_ANY, WITH_OPT},
		{"www.elsewhere.test.", STELE_TYPE_A, WITH_OPT}, /* of no zone */
		{"www.elsewhere.test.", STELE_TYPE_A, 0},
		{"12345678901234567890123456789012345678901234567890.1234567890123456789012345678."
		 "12345678901234567890.plain.test.",
		 STELE_TYPE_A, WITH_OPT},
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		m = question(others[i].name, others[i].type, 0, others[i].with);
		assert_int_equal(cached_of_five(&m, by_udp, ROOM), 0);
	}
	settings.cookies = false; /* an option like any other that says nothing to us */
	m = question("www.nsec3.test.", STELE_TYPE_A, 0, WITH_OPT | WITH_COOKIE);
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 0);
}

/* The query stands elsewhere, in memory that ends with it, and stays as it is. */
static void test_another_buffer(void **state)
{
	(void)state;
	for (unsigned i = 0; samples(i).len > 0; i++) {
		struct message m = samples(i);
		static struct answer anew;
		uint8_t *exact = malloc(m.len);
		uint8_t buf[ROOM];
		assert_non_null(exact);
		memcpy(exact, m.bytes, m.len);
		ask_as(composer, &m, by_udp, ROOM, &anew);
		struct stele_query query = by_udp;
		query.msg = exact;
		query.len = m.len;
		for (unsigned k = 0; k < 5; k++) {
			struct stele_reply reply = {.buf = buf, .cap = sizeof(buf)};
			stele_answer_batch(answerer, &view, &settings, 0, &query, &reply, 1);
			assert_int_equal(stele_answerer_cached(answerer), k >= 2);
			assert_int_equal(reply.len, anew.reply.len);
			assert_memory_equal(buf, anew.bytes, reply.len);
			assert_memory_equal(exact, m.bytes, m.len);
		}
		free(exact);
	}
}

static void test_settings(void **state)
{
	(void)state;
	struct message m = samples(2);
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 3);
	settings.udp_max = 1400; /* the OPT of each reply says it */
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 3);
	settings.packet_cache = false;
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 0);
	settings.packet_cache = true;
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 5);
	stele_view_renew(&view);
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 3);
}

static bool decide(void *user, const struct stele_query *queries, const struct stele_reply *replies,
		   unsigned cnt, enum stele_policy_verdict *ret_verdicts)
{
	(void)queries;
	(void)replies;
	for (unsigned i = 0; i < cnt; i++)
		ret_verdicts[i] = *(const enum stele_policy_verdict *)user;
	return true;
}

static void test_policy(void **state)
{
	(void)state;
	enum stele_policy_verdict verdict = STELE_POLICY_PASS;
	settings.policy_user = &verdict;
	for (unsigned i = 0; samples(i).len > 0; i++) {
		struct message m = samples(i);
		settings.policy = NULL;
		assert_int_equal(cached_of_five(&m, by_udp, ROOM), 3);
		settings.policy = decide;
		for (verdict = STELE_POLICY_PASS; verdict <= STELE_POLICY_REFUSE; verdict++)
			assert_true(ask(&m));
		settings.policy = NULL;
		assert_true(ask(&m)); /* what was kept is as it was */
	}
}

/* What a batch of these queries gets is right. Returns how many were kept. */
static unsigned ask_batch(const struct message *all, unsigned cnt)
{
	static struct answer answers[STELE_BATCH_MAX], anew;
	struct stele_query queries[STELE_BATCH_MAX];
	struct stele_reply replies[STELE_BATCH_MAX];
	for (unsigned i = 0; i < cnt; i++) {
		memcpy(answers[i].bytes, all[i].bytes, all[i].len);
		queries[i] = by_udp;
		queries[i].msg = answers[i].bytes;
		queries[i].len = all[i].len;
		replies[i] = (struct stele_reply){.buf = answers[i].bytes, .cap = ROOM};
	}
	stele_answer_batch(answerer, &view, &settings, 0, queries, replies, cnt);
	unsigned cached = stele_answerer_cached(answerer);
	for (unsigned i = 0; i < cnt; i++) {
		ask_as(composer, &all[i], by_udp, ROOM, &anew);
		assert_int_equal(replies[i].len, anew.reply.len);
		assert_memory_equal(answers[i].bytes, anew.bytes, anew.reply.len);
	}
	return cached;
}

static void test_one_query_several_times_a_batch(void **state)
{
	static struct message all[STELE_BATCH_MAX];
	for (unsigned cnt = 1; cnt <= STELE_BATCH_MAX; cnt++) {
		teardown(state);
		assert_int_equal(setup(state), 0);
		for (unsigned i = 0; i < cnt; i++) {
			all[i] = samples(2);
			set_id(&all[i], i);
		}
		assert_int_equal(ask_batch(all, cnt), 0);
		assert_int_equal(ask_batch(all, cnt), cnt > 1 ? cnt : 0);
		assert_int_equal(ask_batch(all, cnt), cnt);
	}
}

/* Nobody finds queries that collide in all that is looked at; so another one is put in the place of one. */
static void test_the_same_hash_is_not_the_same_query(void **state)
{
	(void)state;
	for (unsigned i = 0; samples(i).len > 0; i++) {
		struct message m = samples(i);
		assert_int_equal(cached_of_five(&m, by_udp, ROOM), 3);
		struct packet *packet = answerer->packets->batch[0].packet;
		for (unsigned at = 0; at < m.len - 2; at++) {
			packet->query[at] ^= 0x20;
			assert_false(ask(&m));
			packet->query[at] ^= 0x20;
		}
		packet->query_len++;
		assert_false(ask(&m));
		packet->query_len--;
		assert_true(ask(&m));
	}
}

/* The first names whose packets have the same set, each asked for once. */
static void find_neighbours(void **state, struct message *ret, unsigned cnt)
{
	unsigned found = 0, set = 0;
	for (unsigned i = 0; found < cnt; i++) {
		if (i % (PACKET_PERIOD / 2) == 0) { /* what would be taken for a flood */
			teardown(state);
			assert_int_equal(setup(state), 0);
		}
		char name[32];
		snprintf(name, sizeof(name), "name%u.plain.test.", i);
		ret[found] = question(name, STELE_TYPE_A, 0, WITH_OPT);
		assert_false(ask(&ret[found]));
		if (found == 0)
			set = answerer->packets->batch[0].set;
		found += answerer->packets->batch[0].set == set;
	}
	teardown(state);
	assert_int_equal(setup(state), 0);
}

/* A packet that was found is given away before it is looked at, and then planned for the same query again. */
static void test_a_place_given_away_meanwhile(void **state)
{
	struct message names[PACKET_WAYS + 1];
	find_neighbours(state, names, PACKET_WAYS + 1);
	for (unsigned i = 0; i < PACKET_WAYS; i++)
		assert_int_equal(cached_of_five(&names[i], by_udp, ROOM), 3);
	assert_false(ask(&names[PACKET_WAYS]));
	struct message all[PACKET_WAYS + 2];
	all[0] = all[PACKET_WAYS + 1] = names[0];
	for (unsigned i = 1; i <= PACKET_WAYS; i++)
		all[i] = names[PACKET_WAYS];
	assert_int_equal(ask_batch(all, PACKET_WAYS + 2), 0);
	for (unsigned i = 0; i <= PACKET_WAYS; i++)
		ask(&names[i]);
}

/* More queries of one batch want the same place than there is room for. */
static void test_places_wanted_by_many(void **state)
{
	(void)state;
	enum { CNT = PACKET_WAYS + 2 };
	static struct work works[CNT];
	static struct answer answers[CNT];
	static struct message asked[CNT];
	struct stele_query queries[CNT];
	struct packet_cache *cache = answerer->packets;
	struct packet_look *looks = cache->batch;
	for (unsigned i = 0; i < CNT; i++) {
		char name[32];
		snprintf(name, sizeof(name), "gone%u.plain.test.", i);
		asked[i] = question(name, STELE_TYPE_A, 0, 0);
		ask_as(composer, &asked[i], by_udp, ROOM, &answers[i]);
		queries[i] = by_udp;
		queries[i].msg = asked[i].bytes;
		queries[i].len = asked[i].len;
		works[i] = (struct work){.query = &queries[i],
					 .reply = &answers[i].reply,
					 .qname_len = (uint8_t)(asked[i].len - 16)};
		looks[i] = (struct packet_look){.set = 7, .tag = (i + 1) << 16 | 1};
		assert_null(stele_packet_cache_plan(cache, 7, looks[i].tag, &queries[i], i));
		looks[i].packet = stele_packet_cache_plan(cache, 7, looks[i].tag, &queries[i], i);
		assert_non_null(looks[i].packet);
	}
	/* The last ones have the places, and whoever had them first has lost them, even to one that is not kept. */
	works[CNT - 1].qtype = STELE_TYPE_ANY;
	for (unsigned i = 0; i < CNT; i++)
		stele_packet_cache_keep(cache, i, &works[i]);
	for (unsigned i = 0; i < CNT; i++) {
		unsigned found = 0;
		for (unsigned way = 0; way < PACKET_WAYS; way++) {
			const struct packet *packet = &cache->packets[7 * PACKET_WAYS + way];
			if (cache->sets[7].tags[way] != looks[i].tag)
				continue;
			found++;
			assert_int_equal(packet->reply.len, answers[i].reply.len);
			/* What was kept of the query, and the reply's question. */
			assert_memory_equal(packet->query + STELE_HEADER_SZ - 2,
					    packet->bytes + STELE_HEADER_SZ,
					    packet->query_len - STELE_HEADER_SZ);
		}
		assert_int_equal(found, i >= CNT - PACKET_WAYS && i < CNT - 1);
	}
	/* A reply that is too long leaves its place empty, one that just fits does not. */
	looks[0].tag = 99 << 16 | 1;
	for (uint32_t len = PACKET_REPLY_MAX + 1; len >= PACKET_REPLY_MAX; len--) {
		stele_packet_cache_plan(cache, 7, looks[0].tag, &queries[0], 0);
		looks[0].packet = stele_packet_cache_plan(cache, 7, looks[0].tag, &queries[0], 0);
		answers[0].reply.len = len;
		stele_packet_cache_keep(cache, 0, &works[0]);
		bool kept = len <= PACKET_REPLY_MAX;
		assert_int_equal(looks[0].packet->reply.len, kept ? len : 0);
		unsigned found = 0;
		for (unsigned way = 0; way < PACKET_WAYS; way++)
			found += cache->sets[7].tags[way] == looks[0].tag;
		assert_int_equal(found, kept);
	}
}

/* Names of which none comes twice, `cnt` of them. */
static void flood(unsigned cnt)
{
	static unsigned number;
	while (cnt-- > 0) {
		char name[40];
		snprintf(name, sizeof(name), "flood%u.plain.test.", number++);
		struct message m = question(name, STELE_TYPE_A, 0, WITH_OPT);
		assert_false(ask(&m));
	}
}

static void test_a_flood_is_not_looked_for(void **state)
{
	(void)state;
	struct message m = samples(1);
	assert_int_equal(cached_of_five(&m, by_udp, ROOM), 3);
	flood(PACKET_PERIOD);
	unsigned paused = 0;
	while (!ask(&m) && paused <= 2 * PACKET_PAUSE * PACKET_PERIOD)
		paused++;
	assert_in_range(paused, PACKET_PAUSE * PACKET_PERIOD - 6, PACKET_PAUSE * PACKET_PERIOD);
	/* What comes again is looked for all the time. */
	for (unsigned i = 0; i < 3 * PACKET_PERIOD; i++)
		assert_true(ask(&m));
}

/* Far more names than there are places, each several times. */
static void test_a_crowd(void **state)
{
	(void)state;
	unsigned cached = 0;
	enum { NAMES = 3 * PACKET_SETS * PACKET_WAYS };
	for (unsigned i = 0; i < NAMES; i++) {
		char name[40];
		snprintf(name, sizeof(name), "n%u.wild.nsec3.test.", i);
		struct message m =
			question(name, STELE_TYPE_A, 0, i % 2 ? WITH_OPT | WITH_DO : WITH_OPT);
		cached += cached_of_five(&m, by_udp, ROOM);
	}
	/* One that has half of its hash in common with another is kept at its first miss. */
	assert_in_range(cached, 3 * NAMES, 3 * NAMES + NAMES / 100);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s IMAGE\n", argv[0]);
		return 2;
	}
	image_path = argv[1];
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_third_is_kept),
		TEST(test_another_bit_is_another_query),
		TEST(test_what_is_not_kept),
		TEST(test_another_buffer),
		TEST(test_settings),
		TEST(test_policy),
		TEST(test_one_query_several_times_a_batch),
		TEST(test_the_same_hash_is_not_the_same_query),
		TEST(test_a_place_given_away_meanwhile),
		TEST(test_places_wanted_by_many),
		TEST(test_a_flood_is_not_looked_for),
		TEST(test_a_crowd),
	};
	return cmocka_run_group_tests(tests, setup_image, teardown_image);
}
