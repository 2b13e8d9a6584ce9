/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every name of an image's zones, and names around it, with every type that matters: what the image
 * answers is what the store says. The same bytes come from an answerer that has met nothing yet, when all
 * types are asked for in one batch, and when each is asked for again and again, so that short ways, what is
 * remembered, whole replies that are kept and who else asks change no reply. All differences are printed.
 *
 *   test_reference IMAGE STORE
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/answer.h"
#include "lib/base/bytes.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"
#include "zonecompiler/reference/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIFFERENCES_SHOWN = 40 };

static const char *image_path, *store_dir;
static struct stele_view view, strange_view; /* of the same image */
static struct stele_store *store;
static struct stele_store_read *store_read;
static struct stele_answerer *answerer, *stranger, *batcher, *repeater;

static int setup(void **state)
{
	(void)state;
	struct stele_error err;
	if (stele_view_open_file(image_path, &view, &err) == 0 &&
	    stele_view_verify(&view, &err) == 0 &&
	    stele_view_open_file(image_path, &strange_view, &err) == 0 &&
	    stele_store_open(store_dir, STELE_STORE_READ, &store, &err) == 0 &&
	    stele_store_read_begin(store, &store_read, &err) == 0) {
		answerer = stele_answerer_new();
		stranger = stele_answerer_new();
		batcher = stele_answerer_new();
		repeater = stele_answerer_new();
		return answerer == NULL || stranger == NULL || batcher == NULL || repeater == NULL;
	}
	print_error("%s\n", err.text);
	return 1;
}

static int teardown(void **state)
{
	(void)state;
	stele_answerer_free(answerer);
	stele_answerer_free(stranger);
	stele_answerer_free(batcher);
	stele_answerer_free(repeater);
	stele_view_close(&strange_view);
	stele_store_read_end(store_read);
	stele_store_close(store);
	stele_view_close(&view);
	return 0;
}

/* ---- asking ---- */

enum { ASK_DO = 1, ASK_TCP = 2, ASK_SMALL = 4, ASK_LARGE = 8, ASK_UPPER = 16, ASK_NO_OPT = 32 };
static const unsigned hows[] = {
	0,
	ASK_NO_OPT,
	ASK_DO,
	ASK_TCP,
	ASK_DO | ASK_TCP,
	ASK_SMALL | ASK_UPPER,
	ASK_DO | ASK_SMALL,
	ASK_DO | ASK_LARGE | ASK_UPPER,
};

struct counts {
	uint64_t asked, truncated, cached, differing;
};

enum { QUERY_MAX = 12 + STELE_NAME_MAX + 4 + 11 };

/* Returns its length. */
static uint32_t make_query(uint8_t msg[QUERY_MAX], const uint8_t *name, size_t len, uint16_t type,
			   unsigned how)
{
	static const uint8_t head[12] = {0x12, 0x34, 1, 0, 0, 1};
	memcpy(msg, head, sizeof(head));
	uint8_t *p = msg + 12;
	memcpy(p, name, len);
	if (how & ASK_UPPER)
		for (size_t at = 0; p[at] != 0; at += p[at] + 1u)
			for (size_t i = 1; i <= p[at]; i++)
				if (p[at + i] >= 'a' && p[at + i] <= 'z')
					p[at + i] = (uint8_t)(p[at + i] - 'a' + 'A');
	p += len;
	stele_put_be16(p, type);
	stele_put_be16(p + 2, STELE_CLASS_IN);
	if (how & ASK_NO_OPT)
		return (uint32_t)(p + 4 - msg);
	msg[11] = 1;
	p[4] = 0; /* OPT at the root */
	stele_put_be16(p + 5, STELE_TYPE_OPT);
	stele_put_be16(p + 7, how & ASK_SMALL ? 512 : how & ASK_LARGE ? 65535 : 1232);
	stele_put_be32(p + 9, how & ASK_DO ? STELE_EDNS_FLAG_DO : 0);
	stele_put_be16(p + 13, 0);
	return (uint32_t)(p + 15 - msg);
}

static struct stele_answer_settings settings_for(unsigned how)
{
	struct stele_answer_settings settings;
	stele_answer_settings_default(&settings);
	if (how & ASK_LARGE)
		settings.udp_max = 65535;
	return settings;
}

/* What just fits is whole: the same reply comes when all other room is kept free. */
static void check_just_fits(const struct stele_query *query, const struct stele_reply *reply,
			    struct counts *counts)
{
	static uint8_t buf[STELE_MESSAGE_MAX];
	struct stele_answer_settings settings = settings_for(ASK_LARGE);
	struct stele_query tight = *query;
	struct stele_reply same = {.buf = buf, .cap = sizeof(buf)};
	settings.packet_cache = false;
	tight.reserve = (uint16_t)(STELE_MESSAGE_MAX - reply->len);
	stele_answer_batch(answerer, &view, &settings, 0, &tight, &same, 1);
	if (same.len == reply->len && memcmp(buf, reply->buf, reply->len) == 0)
		return;
	if (counts->differing++ < DIFFERENCES_SHOWN)
		print_error("a reply is not said in its own size, %u\n", reply->len);
}

/* `batched` is what came when it was asked in a batch with others, `repeated` what came at last. */
static void ask(const uint8_t *name, size_t len, uint16_t type, unsigned how,
		const struct stele_reply *batched, const struct stele_reply *repeated,
		struct counts *counts)
{
	uint8_t msg[QUERY_MAX];
	static uint8_t buf[STELE_MESSAGE_MAX];
	struct stele_answer_settings settings = settings_for(how);
	struct stele_query query = {.msg = msg,
				    .len = make_query(msg, name, len, type, how),
				    .tcp = (how & ASK_TCP) != 0};
	struct stele_reply reply = {.buf = buf, .cap = sizeof(buf)};
	settings.packet_cache = false;
	stele_answer_batch(answerer, &view, &settings, 0, &query, &reply, 1);
	counts->asked++;

	static uint8_t strange_buf[STELE_MESSAGE_MAX];
	struct stele_reply strange = {.buf = strange_buf, .cap = sizeof(strange_buf)};
	stele_view_renew(&strange_view); /* forgets everything */
	stele_answer_batch(stranger, &strange_view, &settings, 0, &query, &strange, 1);
	const struct stele_reply *others[] = {&strange, batched, repeated};
	static const char *const ways[] = {"a stranger says", "is said in a batch",
					   "is said again"};
	for (unsigned i = 0; i < 3; i++) {
		const struct stele_reply *other = others[i];
		assert_int_equal(other->verdict, reply.verdict);
		if (reply.verdict != STELE_VERDICT_REPLY ||
		    (other->len == reply.len && memcmp(other->buf, buf, reply.len) == 0 &&
		     other->reply_class == reply.reply_class && other->zone_id == reply.zone_id &&
		     other->rcode == reply.rcode && !other->cookie_valid && !other->cookie_invalid))
			continue;
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(name, text);
		if (counts->differing++ < DIFFERENCES_SHOWN)
			print_error("%s type %u how %u: not what %s\n", text, type, how, ways[i]);
	}
	if (reply.verdict != STELE_VERDICT_REPLY)
		return;
	counts->truncated += (buf[2] & STELE_FLAG_TC >> 8) != 0;
	if ((how & ASK_LARGE) != 0)
		check_just_fits(&query, &reply, counts);
	struct reference_check check = {.read = store_read,
					.any_minimal = settings.any_minimal,
					.udp_max = settings.udp_max,
					.tcp = query.tcp,
					.cap = reply.cap};
	struct stele_error err;
	if (reference_check(&check, msg, query.len, buf, reply.len, &err) == 0)
		return;
	if (counts->differing++ < DIFFERENCES_SHOWN)
		print_error("%s(how %u)\n", err.text, how);
}

/* The third time it is whole replies that were kept, every other one in the place of its query. */
static void ask_again(uint8_t places[][STELE_MESSAGE_MAX], const struct stele_query *queries,
		      const struct stele_answer_settings *settings, struct stele_reply *replies,
		      unsigned cnt, struct counts *counts)
{
	struct stele_query again[STELE_BATCH_MAX];
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < cnt; i++) {
			again[i] = queries[i];
			if (i % 2 == 0) {
				memcpy(places[i], queries[i].msg, queries[i].len);
				again[i].msg = places[i];
			}
			replies[i] =
				(struct stele_reply){.buf = places[i], .cap = STELE_MESSAGE_MAX};
		}
		stele_answer_batch(repeater, &view, settings, 0, again, replies, cnt);
	}
	counts->cached += stele_answerer_cached(repeater);
}

static void ask_all(const uint8_t *name, size_t len, struct counts *counts)
{
	static const uint16_t types[] = {
		STELE_TYPE_A,
		STELE_TYPE_NS,
		STELE_TYPE_CNAME,
		STELE_TYPE_SOA,
		STELE_TYPE_PTR,
		STELE_TYPE_MX,
		STELE_TYPE_TXT,
		STELE_TYPE_AAAA,
		STELE_TYPE_SRV,
		STELE_TYPE_DNAME,
		STELE_TYPE_DS,
		STELE_TYPE_RRSIG,
		STELE_TYPE_NSEC,
		STELE_TYPE_DNSKEY,
		STELE_TYPE_NSEC3,
		STELE_TYPE_NSEC3PARAM,
		STELE_TYPE_SVCB,
		STELE_TYPE_HTTPS,
		257,
		65280,
		STELE_TYPE_ANY,
	};
	enum { TYPE_CNT = sizeof(types) / sizeof(types[0]) };
	_Static_assert(TYPE_CNT <= STELE_BATCH_MAX, "one batch");
	static uint8_t msgs[TYPE_CNT][QUERY_MAX], bufs[TYPE_CNT][STELE_MESSAGE_MAX],
		places[TYPE_CNT][STELE_MESSAGE_MAX];
	for (size_t k = 0; k < sizeof(hows) / sizeof(hows[0]); k++) {
		struct stele_answer_settings settings = settings_for(hows[k]);
		struct stele_query queries[TYPE_CNT];
		struct stele_reply replies[TYPE_CNT], repeated[TYPE_CNT];
		for (size_t i = 0; i < TYPE_CNT; i++) {
			queries[i] = (struct stele_query){.msg = msgs[i],
							  .len = make_query(msgs[i], name, len,
									    types[i], hows[k]),
							  .tcp = (hows[k] & ASK_TCP) != 0};
			replies[i] = (struct stele_reply){.buf = bufs[i], .cap = sizeof(bufs[i])};
		}
		ask_again(places, queries, &settings, repeated, TYPE_CNT, counts);
		/* The first batch finds what the second remembers; whole replies would say nothing of it. */
		settings.packet_cache = false;
		for (unsigned round = 0; round < 2; round++)
			stele_answer_batch(batcher, &view, &settings, 0, queries, replies,
					   TYPE_CNT);
		for (size_t i = 0; i < TYPE_CNT; i++)
			ask(name, len, types[i], hows[k], &replies[i], &repeated[i], counts);
	}
}

/* `label` in front of a name, if that fits. */
static void ask_below(const char *label, size_t label_len, const uint8_t *name, size_t len,
		      struct counts *counts)
{
	uint8_t below[STELE_NAME_MAX];
	if (label_len + 1 + len > sizeof(below))
		return;
	below[0] = (uint8_t)label_len;
	memcpy(below + 1, label, label_len);
	memcpy(below + 1 + label_len, name, len);
	ask_all(below, label_len + 1 + len, counts);
}

static void ask_around(const uint8_t *name, size_t len, size_t apex_len, struct counts *counts)
{
	ask_all(name, len, counts);
	ask_below("*", 1, name, len, counts);
	ask_below("\0", 1, name, len, counts);
	ask_below("below", 5, name, len, counts);
	/* Beside the name, and its ancestors, which may be empty non-terminals. */
	for (size_t at = 0; len - at > apex_len; at += name[at] + 1u) {
		size_t parent = at + name[at] + 1u;
		if (at > 0)
			ask_all(name + at, len - at, counts);
		ask_below("zzz", 3, name + parent, len - parent, counts);
		uint8_t beside[STELE_NAME_MAX];
		memcpy(beside, name + at, len - at);
		beside[1] = (uint8_t)(beside[1] + 1);
		ask_all(beside, len - at, counts);
	}
}

static void test_all_names(void **state)
{
	(void)state;
	struct stele_error err;
	struct stele_zone_info *zones;
	size_t zone_cnt;
	struct counts counts = {0};
	assert_int_equal(stele_store_zones(store_read, &zones, &zone_cnt, &err), 0);
	for (size_t z = 0; z < zone_cnt; z++) {
		struct stele_store_cursor *cursor;
		struct stele_store_item item;
		assert_int_equal(stele_store_cursor_open(store_read, STELE_STORE_NODES, zones[z].id,
							 NULL, 0, NULL, 0, &cursor, &err),
				 0);
		while (stele_store_cursor_next(cursor, &item, &err) == 1) {
			uint8_t name[2 * STELE_NAME_MAX];
			int rel_len = stele_sort_key_to_name(item.key, item.key_len, name);
			assert_true(rel_len >= 0);
			memcpy(name + rel_len, zones[z].apex, zones[z].apex_len);
			ask_around(name, (size_t)rel_len + zones[z].apex_len, zones[z].apex_len,
				   &counts);
		}
		stele_store_cursor_close(cursor);
	}
	free(zones);
	print_message("%llu queries, %llu truncated, %llu answered by kept replies, %llu differ\n",
		      (unsigned long long)counts.asked, (unsigned long long)counts.truncated,
		      (unsigned long long)counts.cached, (unsigned long long)counts.differing);
	assert_true(counts.asked > 0 && counts.cached > counts.asked / 4);
	assert_int_equal(counts.differing, 0);
}

/* ---- another image in the same place ---- */

/* The zone's record, which lies in memory of ours. */
static struct stele_zone *zone_of(const struct stele_view *of, const uint8_t *apex, size_t apex_len)
{
	for (uint32_t i = 0; i < UINT32_C(1) << of->zone_bits; i++) {
		const struct stele_view_shard *shard = of->shards + of->zone_first + i;
		for (uint32_t k = 0; k < stele_view_slot_cnt(shard); k++) {
			struct stele_zone *zone =
				(void *)(uintptr_t)stele_view_slot_record(shard, k);
			if (zone != NULL && zone->apex_len == apex_len &&
			    memcmp(zone + 1, apex, apex_len) == 0)
				return zone;
		}
	}
	fail_msg("the image has a zone less than the store");
	return NULL;
}

/* The serial of the SOA that says that there is nothing of this type. */
static uint32_t serial_told(const struct stele_view *of, const uint8_t *name, size_t len)
{
	uint8_t msg[QUERY_MAX], buf[1232]; /* room enough for the whole reply to be kept */
	struct stele_answer_settings settings = settings_for(0);
	struct stele_query query = {.msg = msg,
				    .len = make_query(msg, name, len, 65280, ASK_NO_OPT)};
	struct stele_reply reply = {.buf = buf, .cap = sizeof(buf)};
	stele_answer_batch(batcher, of, &settings, 0, &query, &reply, 1);
	assert_int_equal(reply.reply_class, STELE_CLASS_NODATA);
	return stele_get_be32(buf + reply.len - 20);
}

static void test_nothing_is_remembered_of_another_image(void **state)
{
	(void)state;
	struct stele_error err;
	struct stele_zone_info *zones;
	size_t zone_cnt;
	struct stele_view own;
	uint8_t *bytes = malloc(view.bytes_sz);
	assert_non_null(bytes);
	memcpy(bytes, view.bytes, view.bytes_sz);
	assert_int_equal(stele_view_open(bytes, view.bytes_sz, &own, &err), 0);
	assert_int_equal(stele_store_zones(store_read, &zones, &zone_cnt, &err), 0);
	for (size_t z = 0; z < zone_cnt; z++) {
		const uint8_t *apex = zones[z].apex;
		size_t len = zones[z].apex_len;
		struct stele_zone *zone = zone_of(&own, apex, len);
		uint8_t *serial = (uint8_t *)(uintptr_t)stele_zone_soa_body(zone) +
				  stele_le16(zone->soa.plain_len) - 20;
		for (unsigned i = 0; i < 3; i++) /* the last is the one that was kept */
			assert_int_equal(serial_told(&own, apex, len), stele_get_be32(serial));
		assert_int_equal(stele_answerer_cached(batcher), 1);
		stele_put_be32(serial, stele_get_be32(serial) + 1);
		stele_view_renew(&own);
		assert_int_equal(serial_told(&own, apex, len), stele_get_be32(serial));
	}
	free(zones);
	stele_view_close(&own);
	free(bytes);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s IMAGE STORE\n", argv[0]);
		return 2;
	}
	image_path = argv[1];
	store_dir = argv[2];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_names),
		cmocka_unit_test(test_nothing_is_remembered_of_another_image),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
