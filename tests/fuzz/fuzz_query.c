/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a query to a small image with all that a zone may hold. Each reply is read strictly and
 * must echo what it answers, keep to the limits, and hold what the store says it holds.
 *
 * STELE_FUZZ_IMAGE names the image, STELE_FUZZ_STORE the store that it was built from. The first
 * byte of the input says how the query came, the rest is the message. Neighbours are made of it, which share its
 * batch: for another type, for a name beside its own. Then it is asked again, often enough for its reply to be kept.
 */
#include "lib/answer/answer.h"
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/text/message.h"
#include "zonecompiler/reference/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
	HOW_TCP = 1,
	HOW_IPV6 = 2,
	HOW_NO_COOKIES = 4,
	HOW_NO_NSID = 8,
	HOW_ANY_FULL = 16,
	HOW_SMALL_BUFFER = 32, /* 512 bytes, whatever the client takes */
	HOW_LARGE_UDP = 64,
};

static struct stele_view view;
static struct stele_answerer *answerer, *repeater;
static struct stele_store_read *store_read;

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz_query: %s\n", what);
	abort();
}

static void begin(void)
{
	struct stele_error err = {0};
	const char *image = getenv("STELE_FUZZ_IMAGE");
	const char *dir = getenv("STELE_FUZZ_STORE");
	require(image != NULL && dir != NULL, "STELE_FUZZ_IMAGE and STELE_FUZZ_STORE are not set");
	struct stele_store *store;
	require(stele_view_open_file(image, &view, &err) == 0, err.text);
	require(stele_view_verify(&view, &err) == 0, err.text);
	require(stele_store_open(dir, STELE_STORE_READ, &store, &err) == 0, err.text);
	require(stele_store_read_begin(store, &store_read, &err) == 0, err.text);
	require(stele_store_generation(store_read) == view.generation, "image and store differ");
	answerer = stele_answerer_new();
	repeater = stele_answerer_new();
	require(answerer != NULL && repeater != NULL, "out of memory");
}

static void make_settings(struct stele_answer_settings *settings, unsigned how)
{
	stele_answer_settings_default(settings);
	settings->any_minimal = (how & HOW_ANY_FULL) == 0;
	settings->udp_max = how & HOW_LARGE_UDP ? 65535 : 1232;
	if ((how & HOW_NO_NSID) == 0) {
		memset(settings->nsid, 'n', STELE_NSID_MAX);
		settings->nsid_len = STELE_NSID_MAX;
	}
	settings->keepalive = 300;
	settings->pad_block = 468;
	settings->cookies = (how & HOW_NO_COOKIES) == 0;
	settings->cookie_secret_cnt = 1;
	strcpy(settings->chaos_version, "version");
	memset(settings->chaos_id, 'i', STELE_CHAOS_TEXT_MAX);
}

/* What RFC 1071 adds up, not complemented. */
static uint16_t sum_of(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Bytes that the reply may have. */
static size_t limit_of(const struct stele_query *query,
		       const struct stele_answer_settings *settings, size_t cap)
{
	struct stele_message asked;
	size_t limit = 512;
	if (query->tcp)
		return cap;
	if (stele_message_parse(query->msg, query->len, &asked, NULL) == 0) {
		if (asked.has_opt && asked.opt.class > limit)
			limit = asked.opt.class < settings->udp_max ? asked.opt.class :
								      settings->udp_max;
		stele_message_free(&asked);
	} else {
		limit = settings->udp_max; /* not parsed alike: do not judge */
	}
	return limit < cap ? limit : cap;
}

static void check_reply(const struct stele_query *query, const struct stele_reply *reply,
			const struct stele_answer_settings *settings)
{
	struct stele_message m;
	struct stele_error err = {0};
	const uint8_t *asked = query->msg;
	require(reply->len <= reply->cap, "longer than the buffer");
	require(reply->len <= limit_of(query, settings, reply->cap), "longer than the limit");
	require(stele_message_parse(reply->buf, reply->len, &m, &err) == 0, err.text);
	require(m.id == stele_get_be16(asked), "another id");
	unsigned flags = stele_get_be16(asked + 2);
	unsigned copied = STELE_FLAG_OPCODE | STELE_FLAG_RD;
	require((m.flags & copied) == (flags & copied), "other flags");
	require((m.flags & STELE_FLAG_QR) != 0, "no QR");
	require((m.flags & (STELE_FLAG_RA | STELE_FLAG_AD | 0x40)) == 0, "RA, AD or Z");
	if (m.question_cnt > 0) {
		size_t len = m.qname_len + 4u;
		require(12 + len <= query->len && memcmp(asked + 12, reply->buf + 12, len) == 0,
			"another question");
	} else {
		require(m.cnt[0] + m.cnt[1] + m.cnt[2] == 0, "records without a question");
	}
	if (m.has_opt) {
		require(m.opt.class == settings->udp_max, "another size in OPT");
		require((m.opt.ttl & 0xff7fff) == 0, "version or flags in OPT");
	}
	unsigned rcode = m.flags & STELE_FLAG_RCODE;
	if (m.has_opt)
		rcode |= m.opt.ttl >> 24 << 4;
	require(rcode == reply->rcode, "another rcode");
	if (reply->body_len > 0) {
		require((size_t)reply->body_off + reply->body_len <= reply->len, "body outside");
		require(sum_of(reply->buf + reply->body_off, reply->body_len) % 0xffff ==
				reply->body_sum % 0xffff,
			"another sum");
	}
	stele_message_free(&m);

	struct reference_check check = {
		.read = store_read,
		.any_minimal = settings->any_minimal,
		.udp_max = settings->udp_max,
		.tcp = query->tcp,
		.cap = reply->cap,
	};
	require(reference_check(&check, query->msg, query->len, reply->buf, reply->len, &err) == 0,
		err.text);
}

enum { BATCH = 6, ELSEWHERE = 1, IN_PLACE = 4 };

/* Of a message with one question; any other stays as it is. */
static void make_neighbour(uint8_t *msg, size_t len, unsigned number)
{
	static const uint8_t types[] = {STELE_TYPE_A,   STELE_TYPE_NS,   STELE_TYPE_MX,
					STELE_TYPE_TXT, STELE_TYPE_AAAA, STELE_TYPE_DS,
					STELE_TYPE_NSEC};
	size_t at = STELE_HEADER_SZ;
	while (at < len && msg[at] > 0 && msg[at] <= STELE_LABEL_MAX)
		at += msg[at] + 1u;
	if (at + 5 > len || msg[at] != 0)
		return;
	if (number % 2 == 0)
		stele_put_be16(msg + at + 1, types[(number + msg[at + 2]) % sizeof(types)]);
	if (number >= 2 && msg[STELE_HEADER_SZ] > 0)
		msg[STELE_HEADER_SZ + 1] ^= (uint8_t)number;
}

/* What is kept is the same reply as `expected`, in place and elsewhere. */
static void ask_again(const struct stele_query *query, const struct stele_answer_settings *settings,
		      const struct stele_reply *expected)
{
	enum { ROUNDS = 3, CNT = 4 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct stele_query queries[CNT];
		struct stele_reply replies[CNT];
		for (unsigned i = 0; i < CNT; i++) {
			uint32_t cap = expected->cap;
			uint8_t *buf = malloc(cap > query->len ? cap : query->len);
			require(buf != NULL, "out of memory");
			queries[i] = *query;
			if (i % 2 == 0) {
				memcpy(buf, query->msg, query->len);
				queries[i].msg = buf;
			}
			replies[i] = (struct stele_reply){.buf = buf, .cap = cap};
		}
		stele_answer_batch(repeater, &view, settings, 1700000000, queries, replies, CNT);
		for (unsigned i = 0; i < CNT; i++) {
			require(replies[i].verdict == expected->verdict, "another verdict again");
			require(replies[i].verdict != STELE_VERDICT_REPLY ||
					(replies[i].len == expected->len &&
					 replies[i].reply_class == expected->reply_class &&
					 replies[i].zone_id == expected->zone_id &&
					 memcmp(replies[i].buf, expected->buf, expected->len) == 0),
				"another reply again");
			free(replies[i].buf);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (answerer == NULL)
		begin();
	if (size == 0 || size > 1 + STELE_MESSAGE_MAX)
		return 0;
	unsigned how = data[0];
	struct stele_answer_settings settings;
	make_settings(&settings, how);
	size_t len = size - 1;
	uint32_t cap = how & HOW_SMALL_BUFFER ? 512 : STELE_MESSAGE_MAX;

	/* The message twice, once elsewhere and once in its own buffer, each between neighbours. */
	uint8_t *msgs[BATCH], *outs[BATCH];
	struct stele_query queries[BATCH];
	struct stele_reply replies[BATCH];
	struct stele_client client = {.family = how & HOW_IPV6 ? 6 : 4, .addr = {32, 1, 13, 184}};
	for (unsigned i = 0; i < BATCH; i++) {
		bool is_in_place = i == IN_PLACE;
		msgs[i] = malloc(cap > len ? cap : len + 1);
		outs[i] = is_in_place ? msgs[i] : malloc(cap);
		require(msgs[i] != NULL && outs[i] != NULL, "out of memory");
		memcpy(msgs[i], data + 1, len);
		if (i != ELSEWHERE && !is_in_place)
			make_neighbour(msgs[i], len, i);
		queries[i] = (struct stele_query){.msg = msgs[i],
						  .len = (uint32_t)len,
						  .tcp = (how & HOW_TCP) != 0,
						  .client = client};
		replies[i] = (struct stele_reply){.buf = outs[i], .cap = cap};
	}
	settings.packet_cache = false;
	stele_answer_batch(answerer, &view, &settings, 1700000000, queries, replies, BATCH);
	settings.packet_cache = true;

	require(memcmp(msgs[ELSEWHERE], data + 1, len) == 0, "the query was written to");
	const struct stele_reply *elsewhere = &replies[ELSEWHERE], *in_place = &replies[IN_PLACE];
	require(elsewhere->verdict == in_place->verdict, "two verdicts");
	if (elsewhere->verdict == STELE_VERDICT_REPLY)
		require(elsewhere->len == in_place->len &&
				memcmp(elsewhere->buf, in_place->buf, in_place->len) == 0,
			"two replies");
	else
		require(memcmp(in_place->buf, data + 1, len) == 0, "a punted query was written to");
	ask_again(&queries[ELSEWHERE], &settings, elsewhere);
	for (unsigned i = 0; i < BATCH; i++) {
		if (i != IN_PLACE && replies[i].verdict == STELE_VERDICT_REPLY)
			check_reply(&queries[i], &replies[i], &settings);
		if (outs[i] != msgs[i])
			free(outs[i]);
		free(msgs[i]);
	}
	return 0;
}
