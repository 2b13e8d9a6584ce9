/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IXFR out of a store: steps between versions, what is sent instead of them, and answers over UDP.
 */
#include "tests/unit/transfer/outgoing_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_CNT 24

/* Versions that differ in a few owners of many; the same for the same seed. */
static void make_versions(struct model versions[VERSION_CNT], unsigned seed, uint32_t serial)
{
	versions[0] = small_zone(serial);
	for (unsigned i = 0; i < 200; i++) {
		char rel[16];
		snprintf(rel, sizeof(rel), "\4n%03u", i);
		model_put_text(&versions[0], rel, "the first text");
	}
	srand(seed);
	for (unsigned v = 1; v < VERSION_CNT; v++) {
		struct model *model = &versions[v];
		*model = model_clone(&versions[v - 1]);
		put_soa(model, serial + v);
		for (int cnt = rand() % 6; cnt > 0; cnt--) {
			char rel[16], text[24];
			snprintf(rel, sizeof(rel), "\4n%03d", rand() % 300);
			snprintf(text, sizeof(text), "text %d", rand() % 4);
			const char *texts[] = {text, "second", "signature"};
			model_put_rrset(model, rel, strlen(rel), STELE_TYPE_TXT,
					60 + (uint32_t)(rand() % 2), texts,
					1 + (unsigned)(rand() % 3), (unsigned)(rand() % 2));
		}
		if (rand() % 3 == 0)
			put_nsec3(model, (uint8_t)(rand() % 256), "more");
		while (rand() % 2 == 0)
			model_remove(model, 1 + (size_t)rand() % (model->cnt - 1));
	}
}

static void test_ixfr(void **state)
{
	struct fixture *f = *state;
	/* Over the wrap of serials too (RFC 1982). */
	static const uint32_t serials[] = {100, 0xfffffff6};
	for (unsigned seed = 0; seed < 2; seed++) {
		struct model versions[VERSION_CNT];
		make_versions(versions, seed, serials[seed]);
		struct stele_store_write *write;
		ok(f, stele_store_write_begin(f->store, &write, &f->err));
		int status = stele_store_zone_remove(write, apex, &f->err);
		assert_true(status == 0 || status == STELE_E_NOTFOUND);
		ok(f, stele_store_commit(write, NULL, &f->err));
		for (unsigned v = 0; v < VERSION_CNT; v++) {
			store_model(f, &versions[v]);
			for (unsigned from = 0; from < v; from++) {
				size_t cap = from % 3 == 0 ? STELE_MESSAGE_MAX :
							     130 + (size_t)(rand() % 200);
				struct client client =
					transfer(f, STELE_TYPE_IXFR, serials[seed] + from, cap);
				/* Many steps come to be longer than the zone. */
				if (v - from > 8 && client.stats.kind == STELE_OUT_AXFR)
					expect_whole(&client, &versions[v]);
				else
					expect_steps(&client, versions, from, v);
				client_free(&client);
			}
		}
		for (unsigned v = 0; v < VERSION_CNT; v++)
			model_free(&versions[v]);
	}
}

static void test_fallback(void **state)
{
	struct fixture *f = *state;
	struct model first = small_zone(1), second = small_zone(3);
	store_model(f, &first);
	store_model(f, &second);
	/* The journal does not lead from there. */
	struct client client = transfer(f, STELE_TYPE_IXFR, 2, STELE_MESSAGE_MAX);
	expect_whole(&client, &second);
	client_free(&client);
	/* It does from here. */
	client = transfer(f, STELE_TYPE_IXFR, 1, STELE_MESSAGE_MAX);
	assert_int_equal(client.stats.kind, STELE_OUT_IXFR);
	client_free(&client);
	/* It is not wanted. */
	static const struct stele_outgoing_options options = {.ixfr = false};
	struct stele_transfer_request request = request_of(STELE_TYPE_IXFR, 1);
	client = transfer_with(f, &request, &options, STELE_MESSAGE_MAX);
	expect_whole(&client, &second);
	client_free(&client);
	/* It is longer than the zone. */
	struct model last = {0};
	for (uint32_t serial = 4; serial < 10; serial++) {
		model_free(&last);
		last = small_zone(serial);
		model_put_text(&last, "\1x",
			       serial % 2 == 0 ? "a rather long text, longer than others" : "text");
		store_model(f, &last);
	}
	client = transfer(f, STELE_TYPE_IXFR, 1, STELE_MESSAGE_MAX);
	expect_whole(&client, &last);
	client_free(&client);
	client = transfer(f, STELE_TYPE_IXFR, 8, STELE_MESSAGE_MAX);
	assert_int_equal(client.stats.kind, STELE_OUT_IXFR);
	client_free(&client);
	model_free(&first);
	model_free(&second);
	model_free(&last);
}

static void test_up_to_date(void **state)
{
	struct fixture *f = *state;
	struct model model = small_zone(0x7ffffff0);
	store_model(f, &model);
	/* The same; newer, by one and by as much as can be told. */
	static const uint32_t serials[] = {0x7ffffff0, 0x7ffffff1, 0xffffffef};
	for (unsigned i = 0; i < 3; i++) {
		struct client client = transfer(f, STELE_TYPE_IXFR, serials[i], STELE_MESSAGE_MAX);
		expect_soa(&client);
		client_free(&client);
	}
	/* Of this one it cannot be told; the next is older. */
	for (uint32_t serial = 0xfffffff0; serial < 0xfffffff2; serial++) {
		struct client client = transfer(f, STELE_TYPE_IXFR, serial, STELE_MESSAGE_MAX);
		expect_whole(&client, &model);
		client_free(&client);
	}
	model_free(&model);
}

/* RFC 1995 section 2. */
static void test_datagram(void **state)
{
	struct fixture *f = *state;
	static const struct stele_outgoing_options options = {.ixfr = true, .datagram = true};
	struct model versions[VERSION_CNT];
	make_versions(versions, 1, 1);
	for (unsigned v = 0; v < 12; v++)
		store_model(f, &versions[v]);
	struct stele_transfer_request request = request_of(STELE_TYPE_IXFR, 11);
	request.has_opt = true;
	struct client client = transfer_with(f, &request, &options, 1232);
	expect_steps(&client, versions, 10, 11);
	assert_true(client.has_opt);
	client_free(&client);
	request.serial = 1;
	client = transfer_with(f, &request, &options, 300);
	expect_soa(&client);
	assert_true(client.has_opt);
	client_free(&client);
	request.serial = 0xffff0000;
	client = transfer_with(f, &request, &options, 1232);
	expect_soa(&client);
	client_free(&client);
	for (unsigned v = 0; v < VERSION_CNT; v++)
		model_free(&versions[v]);
}

int test_outgoing_ixfr(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ixfr),
		TEST(test_fallback),
		TEST(test_up_to_date),
		TEST(test_datagram),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
