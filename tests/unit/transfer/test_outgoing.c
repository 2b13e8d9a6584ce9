/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers out, from a store to messages. A client as plain as possible reads the messages: what it holds
 * afterwards must be what the store held.
 */
#include "tests/unit/store/store_model.h"

#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/transfer/outgoing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t apex[] = "\7example\3com";

struct fixture {
	char dir[64];
	struct stele_store *store;
	struct stele_error err;
};

static void ok(const struct fixture *f, int status)
{
	if (status < 0)
		fail_msg("%s", f->err.text);
}

static int setup(void **state)
{
	static struct fixture f;
	f = (struct fixture){.dir = "/tmp/stele-test-outgoing-XXXXXX"};
	if (mkdtemp(f.dir) == NULL)
		return -1;
	*state = &f;
	ok(&f, stele_store_open(f.dir, STELE_STORE_CREATE, &f.store, &f.err));
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	stele_store_close(f->store);
	for (unsigned i = 0; i < 2; i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		unlink(path);
	}
	rmdir(f->dir);
	return 0;
}

/* ---- zones ---- */

static void put(struct model *model, const char *rel, uint16_t type, uint32_t ttl,
		const char *const *rdatas, unsigned cnt, unsigned sig_cnt)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key((const uint8_t *)rel, strlen(rel), key);
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, type, ttl, rdatas, cnt, sig_cnt);
	model_put(model, STELE_STORE_NODES, key, key_len, node, node_sz);
}

static void put_soa(struct model *model, uint32_t serial)
{
	static const char *const signature[] = {"signature of an apex TXT"};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add_soa(&node, &node_sz, serial);
	node_add(&node, &node_sz, STELE_TYPE_TXT, 60, signature, 1, 1);
	model_put(model, STELE_STORE_NODES, (const uint8_t *)"", 0, node, node_sz);
}

static void put_nsec3(struct model *model, uint8_t first, const char *text)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {first, 1, 2, 3};
	const char *rdatas[] = {text, "its signature"};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, STELE_TYPE_NSEC3, 60, rdatas, 2, 1);
	model_put(model, STELE_STORE_NSEC3, hash, sizeof(hash), node, node_sz);
}

static void put_text(struct model *model, const char *rel, const char *text)
{
	put(model, rel, STELE_TYPE_TXT, 60, &text, 1, 0);
}

static struct model small_zone(uint32_t serial)
{
	static const char *const addresses[] = {"1111", "2222", "a signature", "another one"};
	struct model model = {0};
	put_soa(&model, serial);
	put(&model, "\3www", STELE_TYPE_A, 300, addresses, 4, 2);
	put_text(&model, "\1a\1b", "text");
	put_nsec3(&model, 7, "nsec3");
	put_nsec3(&model, 200, "last nsec3");
	return model;
}

static void store_model(struct fixture *f, const struct model *model)
{
	struct stele_store_write *write;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, model_replace(write, apex, model, NULL, &f->err));
	ok(f, stele_store_commit(write, NULL, &f->err));
}

/* The records of a model as they are on the wire: signatures are records of type RRSIG. */
static struct records wire_records(const struct model *model)
{
	struct records records = records_of(model, apex);
	for (size_t i = 0; i < records.cnt; i++) {
		char *type = strchr(strchr(records.texts[i], ' ') + 1, ' ') + 1;
		char *is_sig = strchr(type, ' ') + 1;
		if (*is_sig != '1')
			continue;
		char *rdata = is_sig + 2, *text = malloc(strlen(records.texts[i]) + 8);
		sprintf(text, "%.*s%d 0 %s", (int)(type - records.texts[i]), records.texts[i],
			STELE_TYPE_RRSIG, rdata);
		free(records.texts[i]);
		records.texts[i] = text;
	}
	return records;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- a client ---- */

struct client {
	struct records received; /* in the order in which they came */
	unsigned message_cnt;
	bool has_opt, has_expire;
	uint32_t expire_s;
	struct stele_outgoing_stats stats;
};

static void client_free(struct client *client)
{
	records_free(&client->received);
	*client = (struct client){0};
}

static void receive_record(struct client *client, const struct stele_reader *reader,
			   const struct stele_rr *rr)
{
	static uint8_t rdata[STELE_MESSAGE_MAX];
	uint8_t owner[STELE_NAME_MAX];
	int len = rr->rdlen;
	if (rr->type == STELE_TYPE_RRSIG) /* mere texts, see put() */
		memcpy(rdata, reader->msg + rr->rdata_off, rr->rdlen);
	else
		len = stele_reader_rdata(reader, rr, rdata, sizeof(rdata));
	assert_true(len >= 0);
	stele_name_lower(owner, rr->owner, rr->owner_len);
	char *text = malloc(2 * ((size_t)rr->owner_len + (size_t)len) + 64), *p = text;
	for (size_t i = 0; i < rr->owner_len; i++)
		p += sprintf(p, "%02x", owner[i]);
	p += sprintf(p, " %u %u 0 ", rr->ttl, rr->type);
	for (int i = 0; i < len; i++)
		p += sprintf(p, "%02x", rdata[i]);
	struct records *records = &client->received;
	records->texts = realloc(records->texts, (records->cnt + 1) * sizeof(char *));
	records->texts[records->cnt++] = text;
}

static void receive(struct client *client, const uint8_t *msg, size_t len, uint16_t type)
{
	struct stele_reader reader;
	struct stele_rr rr;
	assert_int_equal(stele_reader_init(&reader, msg, len), 0);
	assert_int_equal(reader.id, 0x1234);
	assert_int_equal(reader.flags, STELE_FLAG_QR | STELE_FLAG_AA);
	assert_int_equal(reader.cnt[STELE_RR_QUESTION], client->message_cnt == 0);
	assert_true(reader.cnt[STELE_RR_ANSWER] > 0);
	int status;
	while ((status = stele_reader_next(&reader, &rr)) == 1) {
		if (rr.section == STELE_RR_QUESTION) {
			assert_int_equal(rr.type, type);
			assert_memory_equal(rr.owner, "\7eXample\3com", sizeof(apex));
		} else if (rr.section == STELE_RR_ANSWER) {
			assert_int_equal(rr.class_, STELE_CLASS_IN);
			receive_record(client, &reader, &rr);
		} else {
			assert_int_equal(rr.type, STELE_TYPE_OPT);
			assert_int_equal(client->message_cnt, 0);
			client->has_opt = true;
			client->has_expire = rr.rdlen == 8;
			if (client->has_expire)
				client->expire_s = stele_get_be32(msg + rr.rdata_off + 4);
		}
	}
	assert_int_equal(status, 0);
	assert_int_equal(stele_reader_left(&reader), 0);
	client->message_cnt++;
}

static struct stele_transfer_request request_of(uint16_t type, uint32_t serial)
{
	struct stele_transfer_request request = {
		.id = 0x1234,
		.type = type,
		.class_ = STELE_CLASS_IN,
		.name_len = sizeof(apex),
		.serial = serial,
		.udp_size = 1232,
	};
	memcpy(request.name, "\7eXample\3com", sizeof(apex));
	memcpy(request.apex, apex, sizeof(apex));
	return request;
}

static struct stele_outgoing *begin(struct fixture *f, const struct stele_transfer_request *request,
				    const struct stele_outgoing_options *options)
{
	struct stele_outgoing *out = NULL;
	uint16_t rcode = 0xffff;
	ok(f, stele_outgoing_new(f->store, request, options, &out, &rcode, &f->err));
	assert_int_equal(rcode, STELE_RCODE_NOERROR);
	return out;
}

/* All that is left of a transfer, in messages of at most `cap` bytes. */
static void take(struct fixture *f, struct stele_outgoing *out, size_t cap, uint16_t type,
		 struct client *client)
{
	uint8_t *buf = malloc(cap);
	bool last = false;
	int len;
	while ((len = stele_outgoing_next(out, buf, cap, &last, &f->err)) > 0) {
		assert_true((size_t)len <= cap);
		receive(client, buf, (size_t)len, type);
		if (last)
			break;
	}
	ok(f, len);
	assert_true(last);
	assert_int_equal(stele_outgoing_next(out, buf, cap, &last, &f->err), 0);
	stele_outgoing_stats(out, &client->stats);
	assert_int_equal(client->stats.message_cnt, client->message_cnt);
	assert_int_equal(client->stats.record_cnt, client->received.cnt);
	free(buf);
}

static struct client transfer_with(struct fixture *f, const struct stele_transfer_request *request,
				   const struct stele_outgoing_options *options, size_t cap)
{
	struct client client = {.message_cnt = 0};
	struct stele_outgoing *out = begin(f, request, options);
	take(f, out, cap, request->type, &client);
	stele_outgoing_free(out);
	return client;
}

static struct client transfer(struct fixture *f, uint16_t type, uint32_t serial, size_t cap)
{
	static const struct stele_outgoing_options options = {.ixfr = true};
	struct stele_transfer_request request = request_of(type, serial);
	return transfer_with(f, &request, &options, cap);
}

static bool is_soa(const char *text)
{
	return strstr(text, " 3600 6 0 ") != NULL;
}

/* The client has got the whole zone, which is this one. */
static void expect_whole(const struct client *client, const struct model *model)
{
	struct records expected = wire_records(model), got = {0};
	size_t cnt = client->received.cnt;
	char **texts = client->received.texts;
	assert_true(cnt >= 2 && is_soa(texts[0]));
	assert_string_equal(texts[0], texts[cnt - 1]);
	got.cnt = cnt - 1;
	got.texts = malloc(got.cnt * sizeof(char *));
	memcpy(got.texts, texts, got.cnt * sizeof(char *));
	qsort(got.texts, got.cnt, sizeof(char *), compare_texts);
	qsort(expected.texts, expected.cnt, sizeof(char *), compare_texts);
	assert_true(records_equal(&got, &expected));
	free(got.texts);
	records_free(&expected);
	assert_int_equal(client->stats.kind, STELE_OUT_AXFR);
}

static void expect_soa(const struct client *client)
{
	assert_int_equal(client->stats.kind, STELE_OUT_SOA);
	assert_int_equal(client->received.cnt, 1);
	assert_true(is_soa(client->received.texts[0]));
}

/* False: there is none like it. */
static bool take_out(struct records *records, const char *text)
{
	for (size_t i = 0; i < records->cnt; i++) {
		if (strcmp(records->texts[i], text) != 0)
			continue;
		free(records->texts[i]);
		records->texts[i] = records->texts[--records->cnt];
		return true;
	}
	return false;
}

/* False: there is one like it. */
static bool put_in(struct records *records, const char *text)
{
	for (size_t i = 0; i < records->cnt; i++)
		if (strcmp(records->texts[i], text) == 0)
			return false;
	records->texts = reallocarray(records->texts, records->cnt + 1, sizeof(char *));
	records->texts[records->cnt++] = strdup(text);
	return true;
}

/*
 * Goes from one version to another by what came: RFC 1995 section 4. Each step must lead from the version
 * in `versions` of which it names the serial to the next one.
 */
static void expect_steps(const struct client *client, const struct model *versions, unsigned from,
			 unsigned to)
{
	char **texts = client->received.texts;
	size_t cnt = client->received.cnt, at = 1;
	struct records zone = wire_records(&versions[from]);
	assert_int_equal(client->stats.kind, STELE_OUT_IXFR);
	assert_string_equal(texts[0], texts[cnt - 1]);
	for (unsigned version = from; version < to; version++) {
		assert_true(at < cnt - 1 && is_soa(texts[at]));
		do {
			assert_true(take_out(&zone, texts[at]));
		} while (!is_soa(texts[++at]));
		do {
			assert_true(put_in(&zone, texts[at]));
		} while (!is_soa(texts[++at]));
		struct records expected = wire_records(&versions[version + 1]);
		qsort(zone.texts, zone.cnt, sizeof(char *), compare_texts);
		qsort(expected.texts, expected.cnt, sizeof(char *), compare_texts);
		assert_true(records_equal(&zone, &expected));
		records_free(&expected);
	}
	assert_int_equal(at, cnt - 1);
	records_free(&zone);
}

/* ---- whole zones ---- */

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
	put_text(&model, "\1a", "before");
	put_text(&model, "\1b", text);
	put_text(&model, "\1c", "behind");
	store_model(f, &model);
	struct client client = transfer(f, STELE_TYPE_AXFR, 0, STELE_MESSAGE_MAX);
	expect_whole(&client, &model);
	assert_int_equal(client.message_cnt, 3);
	client_free(&client);

	/* With its owner this one is longer than any message. */
	text[65480] = 'x';
	text[65530] = '\0';
	put_text(&model, "\1b", text);
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
	put_text(&other, "\1a\1b", "other");
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

/* ---- IXFR ---- */

#define VERSION_CNT 24

/* Versions that differ in a few owners of many; the same for the same seed. */
static void make_versions(struct model versions[VERSION_CNT], unsigned seed, uint32_t serial)
{
	versions[0] = small_zone(serial);
	for (unsigned i = 0; i < 200; i++) {
		char rel[16];
		snprintf(rel, sizeof(rel), "\4n%03u", i);
		put_text(&versions[0], rel, "the first text");
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
			put(model, rel, STELE_TYPE_TXT, 60 + (uint32_t)(rand() % 2), texts,
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
		put_text(&last, "\1x",
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

/* ---- requests ---- */

enum wrong {
	WRONG_NOTHING,
	WRONG_TWO_QUESTIONS,
	WRONG_TYPE,
	WRONG_ANSWER,
	WRONG_NO_SOA,
	WRONG_TWO_SOAS,
	WRONG_NO_SOA_TYPE,
	WRONG_OWNER,
	WRONG_SHORT_SOA,
	WRONG_TWO_OPTS,
	WRONG_OPT_OWNER,
	WRONG_OPT_PLACE,
	WRONG_OPT_LENGTH,
	WRONG_OPT_VERSION,
	WRONG_QR,
	WRONG_GARBAGE,
	WRONG_CNT,
};

static size_t make_request(uint8_t *buf, size_t max, uint16_t type, enum wrong wrong)
{
	static const uint8_t soa[22] = {0, 0, 0, 0, 0, 77};
	static const uint8_t expire[] = {0, 9, 0, 0}, bad[] = {0, 9, 0, 1}, root[] = "";
	static struct stele_writer w;
	stele_writer_init(&w, buf, max);
	stele_writer_begin(&w, 7, wrong == WRONG_QR ? STELE_FLAG_QR : 0);
	stele_writer_question(&w, apex, sizeof(apex), wrong == WRONG_TYPE ? STELE_TYPE_A : type,
			      STELE_CLASS_IN);
	if (wrong == WRONG_TWO_QUESTIONS)
		stele_writer_question(&w, apex, sizeof(apex), type, STELE_CLASS_IN);
	if (wrong == WRONG_ANSWER)
		stele_writer_record(&w, STELE_RR_ANSWER, apex, sizeof(apex), STELE_TYPE_SOA,
				    STELE_CLASS_IN, 0, soa, sizeof(soa));
	unsigned soa_cnt = wrong == WRONG_NO_SOA ? 0 : wrong == WRONG_TWO_SOAS ? 2 : 1;
	for (; type == STELE_TYPE_IXFR && soa_cnt > 0; soa_cnt--)
		stele_writer_record(&w, STELE_RR_AUTHORITY, wrong == WRONG_OWNER ? apex + 8 : apex,
				    wrong == WRONG_OWNER ? 5 : sizeof(apex),
				    wrong == WRONG_NO_SOA_TYPE ? STELE_TYPE_TXT : STELE_TYPE_SOA,
				    STELE_CLASS_IN, 0, soa, sizeof(soa));
	unsigned opt_cnt = wrong == WRONG_TWO_OPTS ? 2 : 1;
	for (; opt_cnt > 0; opt_cnt--)
		stele_writer_record(
			&w, wrong == WRONG_OPT_PLACE ? STELE_RR_AUTHORITY : STELE_RR_ADDITIONAL,
			wrong == WRONG_OPT_OWNER ? apex : root,
			wrong == WRONG_OPT_OWNER ? sizeof(apex) : 1, STELE_TYPE_OPT, 4096,
			wrong == WRONG_OPT_VERSION ? 0x10000 : 0,
			wrong == WRONG_OPT_LENGTH ? bad : expire, 4);
	size_t len = stele_writer_end(&w);
	if (wrong == WRONG_SHORT_SOA)
		buf[len - 15 - 21 - 1]--; /* the length of its rdata */
	if (wrong == WRONG_GARBAGE)
		buf[len++] = 0;
	return len;
}

static void test_requests(void **state)
{
	(void)state;
	uint8_t buf[512];
	struct stele_transfer_request request;
	for (enum wrong wrong = 0; wrong < WRONG_CNT; wrong++) {
		size_t len = make_request(buf, sizeof(buf), STELE_TYPE_IXFR, wrong);
		uint16_t expected = wrong == WRONG_NOTHING     ? STELE_RCODE_NOERROR :
				    wrong == WRONG_OPT_VERSION ? STELE_RCODE_BADVERS :
								 STELE_RCODE_FORMERR;
		assert_int_equal(stele_transfer_request_parse(buf, len, &request), expected);
		if (wrong != WRONG_NOTHING)
			continue;
		assert_int_equal(request.id, 7);
		assert_int_equal(request.serial, 77);
		assert_int_equal(request.udp_size, 4096);
		assert_true(request.has_opt && request.wants_expire);
		assert_int_equal(request.name_len, sizeof(apex));
		/* Cut anywhere it is malformed. */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(stele_transfer_request_parse(buf, cut, &request),
					 STELE_RCODE_FORMERR);
	}
	size_t len = make_request(buf, sizeof(buf), STELE_TYPE_AXFR, WRONG_NOTHING);
	assert_int_equal(stele_transfer_request_parse(buf, len, &request), STELE_RCODE_NOERROR);
	assert_int_equal(request.type, STELE_TYPE_AXFR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_axfr),     TEST(test_full_messages), TEST(test_large_records),
		TEST(test_pinned),   TEST(test_no_zone),       TEST(test_ixfr),
		TEST(test_fallback), TEST(test_up_to_date),    TEST(test_datagram),
		TEST(test_expire),   TEST(test_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
