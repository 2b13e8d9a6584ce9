/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of zones: their slots, whatever zones come and go, and a table that is wrong. */
#include "tests/unit/daemon/stats_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct stele_stats_zone zone_of(const char *text, uint32_t id, uint32_t serial)
{
	struct stele_stats_zone zone = {.zone_id = id, .serial = serial, .generation = serial};
	int len = stele_name_from_text(text, strlen(text), zone.name);
	assert_true(len > 0);
	zone.name_len = (uint8_t)len;
	return zone;
}

static void assign(struct stele_stats *stats, const struct stele_stats_zone *zones, size_t cnt,
		   uint32_t *ret_slots)
{
	struct stele_error err;
	assert_int_equal(stele_stats_zones_assign(stats, zones, cnt, ret_slots, &err), 0);
}

static void test_slots(void **state)
{
	(void)state;
	struct stele_stats *stats = create(2, 4);
	struct stele_stats_zone_row *rows = stele_stats_zone_rows(stats, 1);
	struct stele_stats_reader *reader = open_reader();
	struct stele_stats_zone first[] = {zone_of("a.", 7, 1), zone_of("b.a.", 8, 1),
					   zone_of(".", 9, 1)};
	uint32_t slots[3], again[4];
	assign(stats, first, 3, slots);
	stele_stats_zones_settle(stats, first, slots, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(slots[i] >= 1 && slots[i] <= 3);
	assert_true(slots[0] != slots[1] && slots[0] != slots[2] && slots[1] != slots[2]);
	stele_stats_zone_add(&rows[slots[0]], STELE_ZONE_STAT_ANSWER, 11);
	stele_stats_zone_add(&rows[slots[1]], STELE_ZONE_STAT_NXDOMAIN, 5);

	/* The slots are taken: a new zone counts with all others until one is free. */
	struct stele_stats_zone second[] = {zone_of("c.", 3, 9), zone_of("a.", 20, 2)};
	assign(stats, second, 2, again);
	assert_int_equal(again[0], 0);
	assert_int_equal(again[1], slots[0]);
	struct stele_stats_snapshot s = take(reader, true);
	assert_int_equal(s.zones[slots[0]].serial, 1);
	assert_int_equal(s.rows[slots[1]].values[STELE_ZONE_STAT_NXDOMAIN], 5);
	stele_stats_zones_settle(stats, second, again, 2);
	struct stele_stats_snapshot later = take(reader, true);
	assert_int_equal(later.zones[slots[0]].serial, 2);
	assert_int_equal(later.zones[slots[0]].zone_id, 20);
	assert_int_equal(later.rows[slots[0]].values[STELE_ZONE_STAT_ANSWER], 11);
	assert_int_equal(later.zones[slots[1]].name_len, 0);
	assert_int_equal(later.rows[slots[1]].values[STELE_ZONE_STAT_NXDOMAIN], 0);
	stele_stats_snapshot_free(&later);

	/* Now there is room, and who gets a slot again begins from nothing. */
	struct stele_stats_zone third[] = {zone_of("c.", 3, 9), zone_of("a.", 20, 2),
					   zone_of("b.a.", 8, 3)};
	assign(stats, third, 3, again);
	assert_int_equal(again[1], slots[0]);
	assert_true(again[0] != 0 && again[2] != 0 && again[0] != again[2]);
	/* The image that they are in is refused. */
	uint32_t served[] = {0, slots[0]};
	stele_stats_zones_settle(stats, second, served, 2);
	later = take(reader, true);
	unsigned used = 0;
	for (uint32_t slot = 0; slot < later.zone_cnt; slot++)
		used += later.zones[slot].name_len != 0;
	assert_int_equal(used, 1);
	stele_stats_snapshot_free(&later);

	assign(stats, third, 3, again);
	stele_stats_zones_settle(stats, third, again, 3);
	stele_stats_zone_add(&rows[slots[1]], STELE_ZONE_STAT_NXDOMAIN, 2);
	stele_stats_zone_add(&rows[slots[0]], STELE_ZONE_STAT_ANSWER, 4);
	later = take(reader, true);
	struct stele_stats_zone_row diff;
	stele_stats_zone_diff(&later, &s, slots[0], &diff);
	assert_int_equal(diff.values[STELE_ZONE_STAT_ANSWER], 4);
	/* Another zone (or the same one anew) has this slot: nothing to subtract from if it is
	 * another. */
	stele_stats_zone_diff(&later, &s, again[0], &diff);
	assert_int_equal(diff.values[STELE_ZONE_STAT_NXDOMAIN],
			 later.rows[again[0]].values[STELE_ZONE_STAT_NXDOMAIN]);
	stele_stats_snapshot_free(&later);
	stele_stats_snapshot_free(&s);
	stele_stats_close(reader);
	stele_stats_destroy(stats);
}

static void test_many_zones(void **state)
{
	(void)state;
	enum { CNT = 3000 };
	struct stele_stats *stats = create(1, CNT + 1);
	struct stele_stats_zone *zones = calloc(CNT, sizeof(*zones));
	uint32_t *slots = calloc(CNT, sizeof(*slots)), *again = calloc(CNT, sizeof(*again));
	bool *seen = calloc(CNT + 1, sizeof(*seen));
	assert_true(zones != NULL && slots != NULL && again != NULL && seen != NULL);
	for (uint32_t i = 0; i < CNT; i++) {
		char text[32];
		snprintf(text, sizeof(text), "zone-%u.test.", i);
		/* Ids that differ in their upper bits only, and dense ones. */
		zones[i] = zone_of(text, i % 2 ? i << 20 : i, i);
	}
	assign(stats, zones, CNT, slots);
	stele_stats_zones_settle(stats, zones, slots, CNT);
	for (unsigned i = 0; i < CNT; i++) {
		assert_true(slots[i] >= 1 && slots[i] <= CNT && !seen[slots[i]]);
		seen[slots[i]] = true;
	}
	assign(stats, zones, CNT, again);
	assert_memory_equal(slots, again, CNT * sizeof(*slots));

	struct stele_stats_zone_map *map;
	struct stele_error err;
	slots[5] = 0;
	assert_int_equal(stele_stats_zone_map_new(zones, slots, CNT, &map, &err), 0);
	for (unsigned i = 0; i < CNT; i++)
		assert_int_equal(stele_stats_zone_slot(map, zones[i].zone_id), slots[i]);
	assert_int_equal(stele_stats_zone_slot(map, UINT32_MAX), 0);
	assert_int_equal(stele_stats_zone_slot(map, CNT + 2), 0);
	stele_stats_zone_map_free(map);
	assert_int_equal(stele_stats_zone_map_new(zones, slots, 0, &map, &err), 0);
	assert_int_equal(stele_stats_zone_slot(map, 0), 0);
	stele_stats_zone_map_free(map);
	free(seen);
	free(again);
	free(slots);
	free(zones);
	stele_stats_destroy(stats);
}

/* The writer died in the middle, or the table holds what is no name. */
static void test_bad_table(void **state)
{
	(void)state;
	struct stele_stats *stats = create(1, 3);
	struct stele_stats_zone *table = stele_stats_zone_table(stats->base, &stats->layout);
	table[1] = zone_of("a.", 1, 1);
	table[1].name[0] = 60;
	table[2] = zone_of("b.", 1, 1);
	struct stele_stats_reader *reader = open_reader();
	struct stele_stats_snapshot s = take(reader, true);
	assert_int_equal(s.zones[1].name_len, 0);
	assert_int_equal(s.zones[2].name_len, 3);
	stele_stats_snapshot_free(&s);
	stats->header->zones_version = 7;
	struct stele_error err;
	assert_int_equal(stele_stats_snapshot(reader, true, &s, &err), STELE_E_SYSTEM);
	assert_int_equal(stele_stats_snapshot(reader, false, &s, &err), 0);
	stele_stats_snapshot_free(&s);
	stele_stats_close(reader);
	stele_stats_destroy(stats);
}

int test_stats_zones(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_many_zones),
		cmocka_unit_test(test_bad_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
