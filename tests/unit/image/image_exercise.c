/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/image/image_exercise.h"

#include "lib/answer/answer.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"

#include <stdlib.h>

#define QUERY_MAX 512
#define REPLY_MAX 4096

struct exercise {
	const struct stele_view *view;
	struct stele_answerer *answerer;
	struct stele_answer_settings settings;
	struct stele_query queries[STELE_BATCH_MAX];
	struct stele_reply replies[STELE_BATCH_MAX];
	uint8_t query_bytes[STELE_BATCH_MAX][QUERY_MAX];
	uint8_t reply_bytes[STELE_BATCH_MAX][REPLY_MAX];
	unsigned cnt;
	unsigned names_left;
	uint64_t hash;
};

static void ask_batch(struct exercise *e)
{
	stele_answer_batch(e->answerer, e->view, &e->settings, 0, e->queries, e->replies, e->cnt);
	for (unsigned i = 0; i < e->cnt; i++) {
		const struct stele_reply *reply = e->replies + i;
		if (reply->verdict != STELE_VERDICT_REPLY)
			continue;
		if (reply->len > REPLY_MAX)
			abort();
		for (uint32_t k = 0; k < reply->len; k++)
			e->hash = (e->hash ^ reply->buf[k]) * UINT64_C(0x100000001b3);
	}
	e->cnt = 0;
}

static void ask(struct exercise *e, const uint8_t *name, size_t name_len, uint16_t type,
		bool dnssec)
{
	static const uint8_t opt[11] = {0, 0, STELE_TYPE_OPT, 0x10, 0, 0, 0, 0x80, 0, 0, 0};
	uint8_t *p = e->query_bytes[e->cnt];
	memset(p, 0, STELE_HEADER_SZ);
	p[5] = 1;
	p[11] = dnssec ? 1 : 0;
	size_t len = STELE_HEADER_SZ;
	memcpy(p + len, name, name_len);
	len += name_len;
	stele_put_be16(p + len, type);
	stele_put_be16(p + len + 2, STELE_CLASS_IN);
	len += 4;
	if (dnssec) {
		memcpy(p + len, opt, sizeof(opt));
		len += sizeof(opt);
	}
	e->queries[e->cnt] = (struct stele_query){.msg = p, .len = (uint32_t)len};
	e->replies[e->cnt] = (struct stele_reply){.buf = e->reply_bytes[e->cnt], .cap = REPLY_MAX};
	if (++e->cnt == STELE_BATCH_MAX)
		ask_batch(e);
}

static void ask_types(struct exercise *e, const uint8_t *name, size_t name_len)
{
	static const uint16_t types[] = {
		STELE_TYPE_A,   STELE_TYPE_NS,  STELE_TYPE_MX,  STELE_TYPE_CNAME, STELE_TYPE_DS,
		STELE_TYPE_SOA, STELE_TYPE_ANY, STELE_TYPE_SRV, STELE_TYPE_MINFO, STELE_TYPE_TXT,
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ask(e, name, name_len, types[i], false);
		ask(e, name, name_len, types[i], true);
	}
}

/* The name, one below it, one beside it. */
static void ask_around(struct exercise *e, const uint8_t *name, size_t name_len)
{
	uint8_t other[STELE_NAME_MAX + STELE_HASH_SLACK];
	ask_types(e, name, name_len);
	if (name_len + 3 <= STELE_NAME_MAX) {
		other[0] = 2;
		other[1] = 'q';
		other[2] = '0';
		memcpy(other + 3, name, name_len);
		ask_types(e, other, name_len + 3);
	}
	if (name_len > 1) {
		memcpy(other, name, name_len);
		other[name[0]] ^= 1; /* the last byte of the first label */
		ask_types(e, other, name_len);
	}
}

static const uint8_t *zone_apex(const struct stele_view *view, uint32_t zone_id, size_t *ret_len)
{
	for (uint64_t s = 0; s < UINT64_C(1) << view->zone_bits; s++) {
		const struct stele_view_shard *shard = view->shards + view->zone_first + s;
		for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
			const struct stele_zone *zone =
				(const void *)stele_view_slot_record(shard, i);
			if (zone != NULL && stele_le32(zone->zone_id) == zone_id) {
				*ret_len = zone->apex_len;
				return (const uint8_t *)(zone + 1);
			}
		}
	}
	abort(); /* verify says that there is one */
}

static void ask_shard(struct exercise *e, const struct stele_view_shard *shard)
{
	for (uint32_t i = 0; i < stele_view_slot_cnt(shard) && e->names_left > 0; i++) {
		const uint8_t *record = stele_view_slot_record(shard, i);
		if (record == NULL)
			continue;
		struct stele_name_parts name = stele_name_parts(record);
		uint8_t whole[STELE_NAME_MAX];
		size_t apex_len, rel_len = name.head->rel_len;
		const uint8_t *apex = zone_apex(e->view, stele_le32(name.head->zone_id), &apex_len);
		if (rel_len + apex_len > sizeof(whole))
			abort();
		memcpy(whole, name.rel, rel_len);
		memcpy(whole + rel_len, apex, apex_len);
		ask_around(e, whole, rel_len + apex_len);
		e->names_left--;
	}
}

uint64_t image_exercise(const struct stele_view *view, unsigned name_max)
{
	struct exercise *e = calloc(1, sizeof(*e));
	if (e == NULL)
		abort();
	e->view = view;
	e->answerer = stele_answerer_new();
	e->names_left = name_max;
	if (e->answerer == NULL)
		abort();
	stele_answer_settings_default(&e->settings);
	e->settings.udp_max = REPLY_MAX;
	for (uint64_t s = 0; s < UINT64_C(1) << view->name_bits && e->names_left > 0; s++)
		ask_shard(e, view->shards + view->name_first + s);
	ask_batch(e);
	uint64_t hash = e->hash;
	stele_answerer_free(e->answerer);
	free(e);
	return hash;
}
