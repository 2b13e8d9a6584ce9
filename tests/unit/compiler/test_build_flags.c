/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of zones that an image shows, and the one that it does not. */
#include "tests/unit/compiler/build_case.h"

#include "lib/answer/answer.h"
#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"

#include <string.h>

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

int test_build_flags(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_expired_zones_and_stubs),
		TEST(test_transferred_zones),
	};
	return cmocka_run_group_tests_name("build-flags", tests, NULL, NULL);
}
