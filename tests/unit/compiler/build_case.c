/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compiler/build_case.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"

#include <stdio.h>
#include <string.h>

struct stele_error err;

/* ---- zones ---- */

/* See set_zone(). */
struct source {
	const char *apex;
	uint32_t cnt, serial;
	uint32_t at;
	bool glue_next;
	uint8_t key[STELE_SORT_KEY_MAX];
	uint8_t node[512];
	size_t node_sz;
};

static void put_apex(struct source *s)
{
	uint8_t rdata[300], name[STELE_NAME_MAX];
	int len = stele_name_from_text(s->apex, strlen(s->apex), name);
	s->node_sz = stele_node_put_rr(s->node, STELE_TYPE_NS, 300, name, (size_t)len);
	memcpy(rdata, name, (size_t)len);
	memcpy(rdata + len, name, (size_t)len);
	uint8_t *numbers = rdata + 2 * (size_t)len;
	memset(numbers, 0, 20);
	stele_put_be32(numbers, s->serial);
	stele_put_be32(numbers + 16, 60);
	s->node_sz += stele_node_put_rr(s->node + s->node_sz, STELE_TYPE_SOA, 300, rdata,
					2 * (size_t)len + 20);
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
			s->node_sz =
				stele_node_put_rr(s->node, STELE_TYPE_NS, 300, host, (size_t)len);
			s->glue_next = true;
		} else {
			s->node_sz = stele_node_put_rr(s->node, STELE_TYPE_A, 300, address,
						       sizeof(address));
			s->glue_next = false;
			s->at++;
		}
	}
	*item = (struct stele_store_item){s->key, key_len, s->node, s->node_sz};
	return 1;
}

void set_zone(struct stele_store *store, const char *apex, uint32_t cnt, uint32_t serial)
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

struct stele_build_stats build(struct place *p, const char *image, unsigned jobs)
{
	struct stele_build_options options = {.image = image, .jobs = jobs, .seed = {77, 88}};
	struct stele_build_stats stats;
	OK(stele_build(p->store, &options, &stats, &err));
	return stats;
}

struct stele_update_stats update(struct place *p)
{
	struct stele_update_stats stats;
	struct stele_update_options options = {.jobs = 2};
	OK(stele_update(p->store, p->image, &options, &stats, &err));
	return stats;
}

struct stele_view open_verified(const char *image)
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

void check_like_new(struct place *p)
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

void update_by_shards(struct place *p)
{
	enum stele_update_kind kind = update(p).kind;
	assert_true(kind == STELE_UPDATE_APPENDED || kind == STELE_UPDATE_COMPACTED);
}
