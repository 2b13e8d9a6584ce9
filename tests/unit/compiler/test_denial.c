/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which denial chain an image has, whatever NSEC3 records the store holds: an owner with records of two
 * chains has none, and a zone whose apex has no record of the chain has no chain. What import refuses is
 * put into the store here all the same, since a store may be older than the check.
 */
#include "tests/unit/compiler/build_place.h"
#include "zonecompiler/build/build.h"
#include "zonecompiler/carve/nsec3_run.h"
#include "zonecompiler/pack/zone_record.h"
#include "zonecompiler/update/update.h"

#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"
#include "lib/image/view.h"
#include "lib/store/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct stele_error err;

#define OK(call)                                                                                   \
	do {                                                                                       \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

/* ---- a zone ---- */

static const uint8_t apex[] = "\7example";

/* What stands at an owner of NSEC3 records; the zone's NSEC3PARAM says no salt and no iterations. */
enum owner_kind {
	NO_OWNER,
	OWNER_OF_CHAIN,
	OWNER_OF_BOTH,  /* a second record, with a salt */
	OWNER_OF_OTHER, /* only that one */
	OWNER_OF_ITERATIONS,
	OWNER_OF_SIGNATURE, /* over no record */
	OWNER_CUT_SHORT,    /* rdata of which the parameters are not whole */
};

struct zone {
	enum owner_kind apex_owner, others;
	uint32_t other_cnt;
	bool has_nsec;
	uint8_t iterations[2]; /* of the chain */
};

struct source {
	const struct zone *zone;
	uint32_t at;
	uint8_t key[STELE_NSEC3_HASH_SZ];
	uint8_t node[512];
};

struct rdata {
	const char *bytes;
	size_t len;
};

static size_t put_rrset(uint8_t *to, uint16_t type, const struct rdata *rdata, unsigned cnt,
			bool is_sig)
{
	size_t sz = STELE_NODE_RRSET_HEAD_SZ;
	memset(to, 0, sz);
	stele_put_le16(to, type);
	stele_put_le16(to + (is_sig ? 8 : 2), (uint16_t)cnt);
	stele_put_le32(to + 4, 300);
	for (unsigned i = 0; i < cnt; i++) {
		stele_put_le16(to + sz, (uint16_t)rdata[i].len);
		memcpy(to + sz + 2, rdata[i].bytes, rdata[i].len);
		sz += 2 + rdata[i].len;
	}
	stele_put_le32(to + 12, (uint32_t)(sz - STELE_NODE_RRSET_HEAD_SZ));
	return sz;
}

#define RDATA(text)                                                                                \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static int next_node(void *user, struct stele_store_item *item, struct stele_error *reterr)
{
	(void)reterr;
	static const struct rdata ns = RDATA("\2ns\1x\0"), param = RDATA("\1\0\0\0\0"),
				  nsec = RDATA("\7example\0\0\1\x40"),
				  soa = RDATA("\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1");
	struct source *s = user;
	if (s->at++ > 0)
		return 0;
	size_t sz = put_rrset(s->node, STELE_TYPE_NS, &ns, 1, false);
	sz += put_rrset(s->node + sz, STELE_TYPE_SOA, &soa, 1, false);
	if (s->zone->has_nsec)
		sz += put_rrset(s->node + sz, STELE_TYPE_NSEC, &nsec, 1, false);
	sz += put_rrset(s->node + sz, STELE_TYPE_NSEC3PARAM, &param, 1, false);
	memcpy(s->node + sz - 3, s->zone->iterations, 2);
	*item = (struct stele_store_item){s->key, 0, s->node, sz};
	return 1;
}

#define HASH "12345678901234567890"

static size_t put_owner(uint8_t *node, enum owner_kind kind)
{
	static const struct rdata plain = RDATA("\1\0\0\0\0\x14" HASH "\0\1\x40"),
				  salted = RDATA("\1\0\0\0\1\xab\x14" HASH "\0\1\x40"),
				  iterated = RDATA("\1\0\0\1\0\x14" HASH "\0\1\x40"),
				  cut = RDATA("\1\0\0"),
				  sig = RDATA("\0\x32 16 bytes or so e\0sig");
	switch (kind) {
	case OWNER_OF_BOTH:
		return put_rrset(node, STELE_TYPE_NSEC3, (struct rdata[]){plain, salted}, 2, false);
	case OWNER_OF_OTHER:
		return put_rrset(node, STELE_TYPE_NSEC3, &salted, 1, false);
	case OWNER_OF_ITERATIONS:
		return put_rrset(node, STELE_TYPE_NSEC3, &iterated, 1, false);
	case OWNER_OF_SIGNATURE:
		return put_rrset(node, STELE_TYPE_NSEC3, &sig, 1, true);
	case OWNER_CUT_SHORT:
		return put_rrset(node, STELE_TYPE_NSEC3, &cut, 1, false);
	default:
		return put_rrset(node, STELE_TYPE_NSEC3, &plain, 1, false);
	}
}

/* The others are spread over all hashes, in order; the apex's comes where it belongs. */
static int next_nsec3(void *user, struct stele_store_item *item, struct stele_error *reterr)
{
	(void)reterr;
	struct source *s = user;
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	stele_nsec3_hash(apex, sizeof(apex), (const uint8_t *)"", 0,
			 stele_get_be16(s->zone->iterations), hash);
	uint32_t step = s->zone->other_cnt > 0 ? UINT32_MAX / s->zone->other_cnt : UINT32_MAX;
	uint32_t apex_at = stele_get_be32(hash) / step + 1;
	if (apex_at > s->zone->other_cnt)
		apex_at = s->zone->other_cnt;
	uint32_t at = s->at++;
	enum owner_kind kind = at == apex_at ? s->zone->apex_owner : s->zone->others;
	if (at > s->zone->other_cnt)
		return 0;
	if (at == apex_at) {
		if (kind == NO_OWNER)
			return next_nsec3(user, item, reterr);
		memcpy(s->key, hash, sizeof(hash));
	} else {
		memset(s->key, 0, sizeof(s->key));
		stele_put_be32(s->key, step * (at < apex_at ? at : at - 1));
	}
	size_t node_sz = put_owner(s->node, kind);
	if (kind ==
	    OWNER_OF_CHAIN) /* behind the head of the RRset, a length, algorithm and flags */
		memcpy(s->node + STELE_NODE_RRSET_HEAD_SZ + 4, s->zone->iterations, 2);
	*item = (struct stele_store_item){s->key, sizeof(s->key), s->node, node_sz};
	return 1;
}

/* ---- images ---- */

static void set_zone(struct place *p, const struct zone *zone)
{
	struct source nodes = {.zone = zone}, nsec3 = {.zone = zone};
	struct stele_store_write *write;
	OK(stele_store_write_begin(p->store, &write, &err));
	OK(stele_store_zone_replace(write, apex, next_node, &nodes, next_nsec3, &nsec3, NULL,
				    &err));
	OK(stele_store_commit(write, NULL, &err));
}

static void build(struct place *p)
{
	struct stele_build_options options = {.image = p->image, .jobs = 2, .seed = {77, 88}};
	struct stele_build_stats stats;
	OK(stele_build(p->store, &options, &stats, &err));
}

static enum stele_chain_kind chain_of(struct place *p)
{
	struct stele_view view;
	OK(stele_view_open_file(p->image, &view, &err));
	OK(stele_view_verify(&view, &err));
	assert_int_equal(view.zone_cnt, 1);
	const struct stele_view_shard *shard = view.shards + view.zone_first;
	const struct stele_zone *zone = NULL;
	for (uint32_t i = 0; i < stele_view_slot_cnt(shard) && zone == NULL; i++)
		zone = (const void *)stele_view_slot_record(shard, i);
	if (zone == NULL)
		abort();
	enum stele_chain_kind kind = zone->chain_kind;
	stele_view_close(&view);
	return kind;
}

static void update(struct place *p)
{
	struct stele_update_stats stats;
	struct stele_update_options options = {.jobs = 2};
	OK(stele_update(p->store, p->image, &options, &stats, &err));
}

/* ---- tests ---- */

/* In a zone record, in shards of a zone carved in parts, and in two shards. */
static const uint32_t sizes[] = {0, 30, 100, 5000};

static void test_no_chain_without_the_apex(void **state)
{
	static const enum owner_kind kinds[] = {NO_OWNER,           OWNER_OF_BOTH,
						OWNER_OF_OTHER,     OWNER_OF_ITERATIONS,
						OWNER_OF_SIGNATURE, OWNER_CUT_SHORT};
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			for (unsigned others = 0; others < 3; others++) {
				static const enum owner_kind other_kinds[] = {
					OWNER_OF_CHAIN, OWNER_OF_BOTH, OWNER_OF_SIGNATURE};
				struct zone zone = {.apex_owner = kinds[i],
						    .others = other_kinds[others],
						    .other_cnt = sizes[k],
						    .has_nsec = others == 1};
				set_zone(*state, &zone);
				build(*state);
				assert_int_equal(chain_of(*state), zone.has_nsec ?
									   STELE_CHAIN_NSEC_INLINE :
									   STELE_CHAIN_NONE);
			}
}

static void test_chain_of_the_apex_alone(void **state)
{
	static const enum owner_kind others[] = {OWNER_OF_BOTH, OWNER_OF_OTHER, OWNER_OF_SIGNATURE};
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct zone zone = {OWNER_OF_CHAIN, others[i], sizes[k], true, {0}};
			set_zone(*state, &zone);
			build(*state);
			assert_int_equal(chain_of(*state), sizes[k] > 4096 ?
								   STELE_CHAIN_NSEC3_SHARDS :
								   STELE_CHAIN_NSEC3_INLINE);
		}
}

/* Import refuses the records, so the zone is as one whose NSEC3PARAM nobody uses. */
static void test_too_many_iterations(void **state)
{
	for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
		for (unsigned iterations = 500; iterations <= 501; iterations++) {
			struct zone zone = {
				OWNER_OF_CHAIN, OWNER_OF_CHAIN, sizes[k], k % 2 == 0, {0}};
			stele_put_be16(zone.iterations, (uint16_t)iterations);
			set_zone(*state, &zone);
			build(*state);
			enum stele_chain_kind kind = chain_of(*state);
			if (iterations == 500)
				assert_true(kind == STELE_CHAIN_NSEC3_INLINE ||
					    kind == STELE_CHAIN_NSEC3_SHARDS);
			else
				assert_int_equal(kind, zone.has_nsec ? STELE_CHAIN_NSEC_INLINE :
								       STELE_CHAIN_NONE);
		}
}

/* The chain is lost, and comes back, between two states of an image. */
static void test_updates(void **state)
{
	for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct zone sound = {OWNER_OF_CHAIN, OWNER_OF_CHAIN, sizes[k], false, {0}};
		struct zone broken = {OWNER_OF_BOTH, OWNER_OF_BOTH, sizes[k], false, {0}};
		set_zone(*state, &sound);
		build(*state);
		set_zone(*state, &broken);
		update(*state);
		assert_int_equal(chain_of(*state), STELE_CHAIN_NONE);
		set_zone(*state, &sound);
		update(*state);
		assert_int_not_equal(chain_of(*state), STELE_CHAIN_NONE);
	}
}

/* Who says that there is a chain where there is none is told so, and crashes nobody. */
static void test_empty_chains_are_errors(void **state)
{
	struct place *p = *state;
	struct zone zone = {NO_OWNER, OWNER_OF_OTHER, 5000, false, {0}};
	set_zone(p, &zone);
	struct stele_store_read *read;
	struct stele_zone_info info;
	OK(stele_store_read_begin(p->store, &read, &err));
	OK(stele_store_zone_find(read, apex, &info, &err));
	struct stele_carve_zone facts;
	struct stele_carver carver = {0};
	OK(stele_carve_zone_init(&facts, stele_hash_seed(1, 2), &info, read, &err));
	facts.chain = STELE_CHAIN_OF_NSEC3;
	unsigned refused = 0;
	for (unsigned bits = 0; bits < 4; bits++)
		for (uint32_t shard = 0; shard < UINT32_C(1) << bits; shard++) {
			struct stele_nsec3_run run = {0};
			int rc = stele_nsec3_run_carve(&carver, read, &facts, bits, shard, &run,
						       &err);
			assert_int_equal(run.entry_cnt, 0);
			assert_true(rc == 0 || rc == STELE_E_INPUT);
			refused += rc != 0;
		}
	assert_int_equal(refused, 4); /* of each chain the shard of the apex */

	static const uint8_t kinds[] = {STELE_CHAIN_NSEC3_INLINE, STELE_CHAIN_NSEC_INLINE};
	for (unsigned i = 0; i < 2; i++) {
		struct stele_zone_record record = {.zone = &facts, .chain_kind = kinds[i]};
		struct stele_buffer out = {0};
		const uint8_t *node;
		size_t node_sz;
		OK(stele_store_node(read, info.id, (const uint8_t *)"", 0, &node, &node_sz, &err));
		assert_int_equal(stele_pack_zone_record(&carver, &record, node, node_sz, &out,
							&err),
				 STELE_E_INPUT);
		assert_non_null(strstr(err.text, "example."));
		stele_buffer_free(&out);
	}
	stele_carver_free(&carver);
	stele_store_read_end(read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_chain_without_the_apex, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_chain_of_the_apex_alone, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_too_many_iterations, build_place_open,
						build_place_close),
		cmocka_unit_test_setup_teardown(test_updates, build_place_open, build_place_close),
		cmocka_unit_test_setup_teardown(test_empty_chains_are_errors, build_place_open,
						build_place_close),
	};
	return cmocka_run_group_tests_name("denial", tests, NULL, NULL);
}
