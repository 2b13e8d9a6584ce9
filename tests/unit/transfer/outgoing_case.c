/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/transfer/outgoing_case.h"

#include "lib/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t apex[13] = "\7example\3com";

/* ---- zones ---- */

void put_soa(struct model *model, uint32_t serial)
{
	static const char *const signature[] = {"signature of an apex TXT"};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add_soa(&node, &node_sz, serial);
	node_add(&node, &node_sz, STELE_TYPE_TXT, 60, signature, 1, 1);
	model_put(model, STELE_STORE_NODES, (const uint8_t *)"", 0, node, node_sz);
}

void put_nsec3(struct model *model, uint8_t first, const char *text)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {first, 1, 2, 3};
	const char *rdatas[] = {text, "its signature"};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, STELE_TYPE_NSEC3, 60, rdatas, 2, 1);
	model_put(model, STELE_STORE_NSEC3, hash, sizeof(hash), node, node_sz);
}

struct model small_zone(uint32_t serial)
{
	static const char *const addresses[] = {"1111", "2222", "a signature", "another one"};
	struct model model = {0};
	put_soa(&model, serial);
	model_put_rrset(&model, "\3www", 4, STELE_TYPE_A, 300, addresses, 4, 2);
	model_put_text(&model, "\1a\1b", "text");
	put_nsec3(&model, 7, "nsec3");
	put_nsec3(&model, 200, "last nsec3");
	return model;
}

void store_model(struct fixture *f, const struct model *model)
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

void client_free(struct client *client)
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
	if (rr->type == STELE_TYPE_RRSIG) /* mere texts, see node_add() */
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

void receive(struct client *client, const uint8_t *msg, size_t len, uint16_t type)
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

struct stele_transfer_request request_of(uint16_t type, uint32_t serial)
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

struct stele_outgoing *begin(struct fixture *f, const struct stele_transfer_request *request,
			     const struct stele_outgoing_options *options)
{
	struct stele_outgoing *out = NULL;
	uint16_t rcode = 0xffff;
	ok(f, stele_outgoing_new(f->store, request, options, &out, &rcode, &f->err));
	assert_int_equal(rcode, STELE_RCODE_NOERROR);
	return out;
}

void take(struct fixture *f, struct stele_outgoing *out, size_t cap, uint16_t type,
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

struct client transfer_with(struct fixture *f, const struct stele_transfer_request *request,
			    const struct stele_outgoing_options *options, size_t cap)
{
	struct client client = {.message_cnt = 0};
	struct stele_outgoing *out = begin(f, request, options);
	take(f, out, cap, request->type, &client);
	stele_outgoing_free(out);
	return client;
}

struct client transfer(struct fixture *f, uint16_t type, uint32_t serial, size_t cap)
{
	static const struct stele_outgoing_options options = {.ixfr = true};
	struct stele_transfer_request request = request_of(type, serial);
	return transfer_with(f, &request, &options, cap);
}

static bool is_soa(const char *text)
{
	return strstr(text, " 3600 6 0 ") != NULL;
}

void expect_whole(const struct client *client, const struct model *model)
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

void expect_soa(const struct client *client)
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

void expect_steps(const struct client *client, const struct model *versions, unsigned from,
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
