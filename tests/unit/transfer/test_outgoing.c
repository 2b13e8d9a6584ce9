/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers out, from a store to messages: whole zones, who gets none, and when they expire. */
#include "tests/unit/store/failing_head.h"
#include "tests/unit/transfer/outgoing_case.h"

#include <stdlib.h>
#include <string.h>

static void test_axfr(void **state)
{
	struct fixture *f = *state;
	struct model model = small_zone(1);
	store_model(f, &model);
	unsigned most = 0;
	for (size_t cap = 110; cap < 700; cap++) {
		struct client client = transfer(f, STELE_TYPE_AXFR, 0, cap);
		expect_whole(&client, &model);
		most = client.message_cnt > most ? client.message_cnt : most;
		client_free(&client);
	}
	assert_true(most > 3);
	struct client client = transfer(f, STELE_TYPE_AXFR, 0, STELE_MESSAGE_MAX);
	assert_int_equal(client.message_cnt, 1);
	expect_whole(&client, &model);
	client_free(&client);
	model_free(&model);
}

static void test_full_messages(void **state)
{
	struct fixture *f = *state;
	struct stele_store_write *write;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, bulk_replace(write, apex, 5, 20000, false, NULL, &f->err));
	ok(f, stele_store_commit(write, NULL, &f->err));
	struct client client = transfer(f, STELE_TYPE_AXFR, 0, STELE_MESSAGE_MAX);
	assert_int_equal(client.received.cnt, 20002);
	/* A record of 18 bytes or less does not fit into what is left of any but the last. */
	assert_true(client.stats.sz > (uint64_t)(client.message_cnt - 1) * (16384 - 18));
	assert_true(client.stats.sz <= (uint64_t)client.message_cnt * 16384);
	client_free(&client);
}

static void test_large_records(void **state)
{
	struct fixture *f = *state;
	struct model model = {0};
	char *text = malloc(STELE_MESSAGE_MAX + 1);
	memset(text, 'x', STELE_MESSAGE_MAX);
	text[65480] = '\0';
	put_soa(&model, 1);
	model_put_text(&model, "\1a", "before");
	model_put_text(&model, "\1b", text);
	model_put_text(&model, "\1c", "behind");
	store_model(f, &model);
	struct client client = transfer(f, STELE_TYPE_AXFR, 0, STELE_MESSAGE_MAX);
	expect_whole(&client, &model);
	assert_int_equal(client.message_cnt, 3);
	client_free(&client);

	/* With its owner this one is longer than any message. */
	text[65480] = 'x';
	text[65530] = '\0';
	model_put_text(&model, "\1b", text);
	store_model(f, &model);
	static const struct stele_outgoing_options options = {.ixfr = true};
	struct stele_transfer_request request = request_of(STELE_TYPE_AXFR, 0);
	struct stele_outgoing *out = begin(f, &request, &options);
	static uint8_t buf[STELE_MESSAGE_MAX];
	bool last;
	int len;
	while ((len = stele_outgoing_next(out, buf, sizeof(buf), &last, &f->err)) > 0)
		assert_false(last);
	assert_int_equal(len, STELE_E_INPUT);
	assert_non_null(strstr(f->err.text, "b.example.com."));
	assert_int_equal(stele_outgoing_next(out, buf, sizeof(buf), &last, &f->err), STELE_E_USAGE);
	stele_outgoing_free(out);
	free(text);
	model_free(&model);
}

/* A transfer is of the version with which it began. */
static void test_pinned(void **state)
{
	struct fixture *f = *state;
	struct model model = small_zone(1), other = small_zone(2);
	model_put_text(&other, "\1a\1b", "other");
	store_model(f, &model);
	static const struct stele_outgoing_options options = {.ixfr = true};
	struct stele_transfer_request request = request_of(STELE_TYPE_AXFR, 0);
	struct stele_outgoing *out = begin(f, &request, &options);
	struct client client = {.message_cnt = 0};
	uint8_t buf[120];
	bool last;
	int len = stele_outgoing_next(out, buf, sizeof(buf), &last, &f->err);
	ok(f, len);
	assert_false(last);
	receive(&client, buf, (size_t)len, STELE_TYPE_AXFR);
	store_model(f, &other);
	take(f, out, 200, STELE_TYPE_AXFR, &client);
	expect_whole(&client, &model);
	stele_outgoing_free(out);
	client_free(&client);
	model_free(&model);
	model_free(&other);
}

static void test_no_zone(void **state)
{
	struct fixture *f = *state;
	static const struct stele_outgoing_options options = {.ixfr = true};
	struct stele_outgoing *out;
	uint16_t rcode = 0;
	struct stele_transfer_request request = request_of(STELE_TYPE_AXFR, 0);
	ok(f, stele_outgoing_new(f->store, &request, &options, &out, &rcode, &f->err));
	assert_int_equal(rcode, STELE_RCODE_NOTAUTH);
	struct model model = small_zone(1);
	store_model(f, &model);
	request.class_ = STELE_CLASS_CH;
	ok(f, stele_outgoing_new(f->store, &request, &options, &out, &rcode, &f->err));
	assert_int_equal(rcode, STELE_RCODE_NOTAUTH);
	struct stele_store_write *write;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, stele_store_zone_set_expired(write, apex, true, &f->err));
	ok(f, stele_store_commit(write, NULL, &f->err));
	request.class_ = STELE_CLASS_IN;
	ok(f, stele_outgoing_new(f->store, &request, &options, &out, &rcode, &f->err));
	assert_int_equal(rcode, STELE_RCODE_SERVFAIL);
	model_free(&model);
}

static void test_expire(void **state)
{
	struct fixture *f = *state;
	struct model model = small_zone(1);
	store_model(f, &model);
	struct stele_outgoing_options options = {.ixfr = true};
	struct stele_transfer_request request = request_of(STELE_TYPE_AXFR, 0);
	request.has_opt = true;
	struct client client = transfer_with(f, &request, &options, 150);
	expect_whole(&client, &model);
	assert_true(client.has_opt && !client.has_expire && client.message_cnt > 1);
	client_free(&client);
	request.wants_expire = true;
	client = transfer_with(f, &request, &options, 150);
	expect_whole(&client, &model);
	assert_true(client.has_expire);
	assert_int_equal(client.expire_s, 0); /* as the SOA of the model says */
	client_free(&client);
	options.has_expire = true;
	options.expire_s = 4711;
	client = transfer_with(f, &request, &options, STELE_MESSAGE_MAX);
	assert_int_equal(client.expire_s, 4711);
	client_free(&client);
	model_free(&model);
}

/* After a failed write the store is opened again when nobody reads: that is not put off for a slow client. */
static void test_store_opened_again(void **state)
{
	struct fixture *f = *state;
	struct model model = small_zone(1), other = small_zone(2);
	store_model(f, &model);
	struct stele_outgoing_options options = {.ixfr = true};
	struct stele_transfer_request request = request_of(STELE_TYPE_AXFR, 0);
	struct stele_outgoing *out;
	struct stele_store_write *write;
	uint8_t buf[150];
	uint16_t rcode;
	bool last;
	ok(f, stele_outgoing_new(f->store, &request, &options, &out, &rcode, &f->err));
	assert_true(stele_outgoing_next(out, buf, sizeof(buf), &last, &f->err) > 0 && !last);
	failing_head_arm();
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, model_replace(write, apex, &other, NULL, &f->err));
	assert_int_equal(stele_store_commit(write, NULL, &f->err), STELE_E_SYSTEM);
	/* Nobody knows yet. */
	assert_true(stele_outgoing_next(out, buf, sizeof(buf), &last, &f->err) > 0 && !last);
	assert_int_equal(stele_store_write_begin(f->store, &write, &f->err), STELE_E_SYSTEM);
	assert_int_equal(stele_outgoing_next(out, buf, sizeof(buf), &last, &f->err),
			 STELE_E_SYSTEM);
	assert_non_null(strstr(f->err.text, "given up"));
	stele_outgoing_free(out);
	store_model(f, &other);
	struct client client = transfer(f, STELE_TYPE_AXFR, 0, STELE_MESSAGE_MAX);
	expect_whole(&client, &other);
	client_free(&client);
	model_free(&model);
	model_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_axfr),
		TEST(test_full_messages),
		TEST(test_large_records),
		TEST(test_pinned),
		TEST(test_no_zone),
		TEST(test_expire),
		TEST(test_store_opened_again),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed |= test_outgoing_ixfr();
	failed |= test_transfer_request();
	return failed;
}
