/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's table of zones against a plain array, who may do what, and what outlives a restart. */
#include "mgmt/zones/state.h"
#include "mgmt/zones/zones.h"
#include "tests/unit/store/failing_head.h"
#include "tests/unit/store/store_dir.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct stele_mgmtd_config *parse(const char *text)
{
	struct stele_config *config;
	struct stele_error err;
	if (stele_config_parse("t", text, strlen(text), &stele_mgmtd_schema, &config, NULL, &err) <
	    0)
		fail_msg("%s", err.text);
	return stele_config_root(config);
}

static const uint8_t *wire(const char *text)
{
	static uint8_t name[4][STELE_NAME_MAX];
	static unsigned turn;
	uint8_t *to = name[turn++ % 4];
	assert_true(stele_name_from_text(text, strlen(text), to) > 0);
	return to;
}

static struct stele_zones *new_zones(void)
{
	struct stele_zones *zones;
	struct stele_error err;
	assert_int_equal(stele_zones_new(&zones, &err), 0);
	return zones;
}

static const struct stele_template_config *template_of(const struct stele_mgmtd_config *config,
						       const char *id)
{
	for (size_t i = 0; i < config->templates.cnt; i++)
		if (strcmp(config->templates.items[i].id, id) == 0)
			return &config->templates.items[i];
	assert_string_equal(config->default_template->id, id);
	return config->default_template;
}

static struct stele_managed_zone *add(struct stele_zones *zones, const char *name,
				      const struct stele_mgmtd_config *config, const char *template)
{
	struct stele_managed_zone *zone;
	struct stele_error err;
	const struct stele_template_config *options = template_of(config, template);
	if (stele_zones_add(zones, wire(name), config, options, &zone, &err) < 0)
		fail_msg("%s", err.text);
	return zone;
}

/* ---- the table ---- */

static void test_table(void **state)
{
	(void)state;
	const struct stele_mgmtd_config *config = parse("listen: [{address: 127.0.0.1}]");
	struct stele_zones *zones = new_zones();
	assert_int_equal(stele_zones_cnt(zones), 0);
	assert_null(stele_zones_find(zones, wire("example.")));
	assert_null(stele_zones_by_id(zones, 1));

	struct stele_managed_zone *b = add(zones, "b.example", config, "default");
	struct stele_managed_zone *root = add(zones, ".", config, "default");
	struct stele_managed_zone *a = add(zones, "a.example", config, "default");
	struct stele_managed_zone *parent = add(zones, "example", config, "default");
	assert_string_equal(a->name, "a.example.");
	assert_string_equal(root->name, ".");
	struct stele_managed_zone *const order[] = {root, parent, a, b};
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(stele_zones_at(zones, i), order[i]);
	assert_ptr_equal(stele_zones_find(zones, wire("b.example")), b);
	assert_ptr_equal(stele_zones_find(zones, wire(".")), root);

	struct stele_managed_zone *none = NULL;
	struct stele_error err;
	assert_int_equal(stele_zones_add(zones, wire("a.example"), config, config->default_template,
					 &none, &err),
			 STELE_E_USAGE);
	assert_null(none);

	stele_zones_set_id(zones, a, 7);
	stele_zones_set_id(zones, b, 8);
	assert_ptr_equal(stele_zones_by_id(zones, 7), a);
	stele_zones_set_id(zones, a, 9);
	assert_null(stele_zones_by_id(zones, 7));
	stele_zones_set_id(zones, b, 0);
	assert_null(stele_zones_by_id(zones, 8));

	stele_zone_set_error(a, "%s failed", "it");
	assert_string_equal(a->last_error, "it failed");
	assert_true(a->last_error_at > 0);
	stele_zone_set_error(a, NULL);
	assert_null(a->last_error);
	stele_zone_set_error(a, "again");

	stele_zones_remove(zones, parent);
	stele_zones_remove(zones, a);
	assert_null(stele_zones_by_id(zones, 9));
	assert_null(stele_zones_find(zones, wire("a.example")));
	assert_ptr_equal(stele_zones_at(zones, 1), b);
	assert_int_equal(stele_zones_cnt(zones), 2);
	stele_zones_free(zones);
	stele_zones_free(NULL);
	stele_mgmtd_config_release(config);
}

static void test_many(void **state)
{
	(void)state;
	enum { CNT = 3000 };
	const struct stele_mgmtd_config *config = parse("listen: [{address: 127.0.0.1}]");
	struct stele_zones *zones = new_zones();
	static struct stele_managed_zone *model[CNT];
	char name[64];
	uint32_t random = 1;
	for (unsigned round = 0; round < 20000; round++) {
		random = random * 1664525 + 1013904223;
		unsigned i = (random >> 8) % CNT;
		snprintf(name, sizeof(name), "z%u.example", i);
		assert_ptr_equal(stele_zones_find(zones, wire(name)), model[i]);
		if (model[i] == NULL) {
			model[i] = add(zones, name, config, "default");
			stele_zones_set_id(zones, model[i], i + 1);
		} else {
			assert_ptr_equal(stele_zones_by_id(zones, i + 1), model[i]);
			stele_zones_remove(zones, model[i]);
			model[i] = NULL;
		}
	}
	size_t cnt = 0;
	for (unsigned i = 0; i < CNT; i++)
		cnt += model[i] != NULL;
	assert_int_equal(stele_zones_cnt(zones), cnt);
	/* From the end: those before keep their places. */
	for (size_t i = cnt; i-- > 0;) {
		struct stele_managed_zone *zone = stele_zones_at(zones, i);
		if (zone->id % 3 == 0)
			stele_zones_remove(zones, zone);
	}
	for (size_t i = 1; i < stele_zones_cnt(zones); i++)
		assert_true(stele_zones_at(zones, i)->id % 3 != 0);
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
}

/* A catalog of which all members are reset: each goes and comes back. Nobody asks for the order meanwhile, so nothing
 * is to be made that costs as much as there are zones. */
static void test_resets(void **state)
{
	(void)state;
	enum { CNT = 2000 };
	const struct stele_mgmtd_config *config = parse("listen: [{address: 127.0.0.1}]");
	struct stele_zones *zones = new_zones();
	char name[64];
	for (unsigned i = 0; i < CNT; i++) {
		snprintf(name, sizeof(name), "z%05u.example", i);
		add(zones, name, config, "default");
	}
	assert_string_equal(stele_zones_at(zones, 7)->name, "z00007.example.");
	for (unsigned i = 0; i < CNT; i++) {
		/* Not in order, and two of them not at once. */
		unsigned a = i * 7 % CNT, b = i * 11 % CNT;
		snprintf(name, sizeof(name), "z%05u.example", a);
		stele_zones_remove(zones, stele_zones_find(zones, wire(name)));
		add(zones, name, config, "default");
		snprintf(name, sizeof(name), "z%05u.example", b);
		stele_zones_set_id(zones, stele_zones_find(zones, wire(name)), i + 1);
	}
	assert_int_equal(stele_zones_cnt(zones), CNT);
	for (unsigned i = 0; i < CNT; i++) {
		snprintf(name, sizeof(name), "z%05u.example.", i);
		assert_string_equal(stele_zones_at(zones, i)->name, name);
	}
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
}

/* Some go, in any order, and the order is asked for now and then: against an array that is kept in order. */
static void test_order(void **state)
{
	(void)state;
	enum { CNT = 300 };
	const struct stele_mgmtd_config *config = parse("listen: [{address: 127.0.0.1}]");
	struct stele_zones *zones = new_zones();
	struct stele_managed_zone *model[CNT] = {NULL};
	char name[64];
	uint32_t random = 7;
	for (unsigned round = 0; round < 20000; round++) {
		random = random * 1664525 + 1013904223;
		unsigned i = (random >> 8) % CNT, what = (random >> 24) % 8;
		snprintf(name, sizeof(name), "z%05u.example", i);
		/* By turns they become more and fewer. */
		if (model[i] == NULL && (round / 2000 % 2 == 0 || what < 2)) {
			model[i] = add(zones, name, config, "default");
		} else if (model[i] != NULL && (round / 2000 % 2 == 1 || what < 2)) {
			stele_zones_remove(zones, model[i]);
			model[i] = NULL;
		}
		size_t place = 0;
		for (unsigned k = 0; k < i; k++)
			place += model[k] != NULL;
		if (model[i] != NULL && what == 7)
			assert_ptr_equal(stele_zones_at(zones, place), model[i]);
	}
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
}

/* ---- access ---- */

static const char access_text[] =
	"listen: [{address: 127.0.0.1}]\n"
	"keys: /k\n"
	"remotes:\n"
	"- {id: prim, addresses: [198.51.100.1, '2001:db8:1::1']}\n"
	"acls:\n"
	"- {id: lab, prefixes: [192.0.2.128/25], deny: true}\n"
	"- {id: net, prefixes: [192.0.2.0/24, '2001:db8::/33', 203.0.113.7]}\n"
	"- {id: key, keys: [K.example, other.example]}\n"
	"- {id: both, prefixes: [10.0.0.0/8], keys: [k.example]}\n"
	"- {id: tls, tls_names: [ns.Partner.example.]}\n"
	"- {id: no-prim, prefixes: [198.51.100.1], deny: true}\n"
	"templates:\n"
	"- {id: a, allow_transfer: [lab, net, key], allow_notify: [no-prim, key], primaries: [prim]}\n"
	"- {id: b, allow_update: [both], allow_transfer: [tls]}\n";

static const char *const *no_names;

static enum stele_access_verdict ask(const struct stele_zones *zones, const char *zone,
				     enum stele_access access, const char *address, const char *key,
				     const char *tls_name)
{
	char text[256];
	struct stele_peer peer = {.tls_names = no_names};
	/* The table's own reading of addresses. */
	snprintf(text, sizeof(text), "listen: [{address: '%s'}]", address);
	const struct stele_mgmtd_config *config = parse(text);
	peer.address = config->listen.items[0].address;
	stele_mgmtd_config_release(config);
	if (key != NULL)
		peer.key = wire(key);
	if (tls_name != NULL) {
		peer.tls_names = &tls_name;
		peer.tls_name_cnt = 1;
	}
	return stele_zones_access(zones, wire(zone), access, &peer);
}

static void test_access(void **state)
{
	(void)state;
	static const struct {
		const char *zone;
		enum stele_access access;
		const char *address, *key, *tls_name;
		enum stele_access_verdict verdict;
	} cases[] = {
		{"none.example", 0, "192.0.2.1", NULL, NULL, STELE_ACCESS_NO_ZONE},
		{"a.example", STELE_ACCESS_TRANSFER, "192.0.2.1", NULL, NULL, STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_TRANSFER, "192.0.3.1", NULL, NULL, STELE_ACCESS_REFUSED},
		/* The deny stands first, whatever the key. */
		{"a.example", STELE_ACCESS_TRANSFER, "192.0.2.129", "k.example", NULL,
		 STELE_ACCESS_REFUSED},
		{"a.example", STELE_ACCESS_TRANSFER, "192.0.2.127", NULL, NULL,
		 STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_TRANSFER, "203.0.113.7", NULL, NULL,
		 STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_TRANSFER, "203.0.113.6", NULL, NULL,
		 STELE_ACCESS_REFUSED},
		{"a.example", STELE_ACCESS_TRANSFER, "2001:db8:7fff::1", NULL, NULL,
		 STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_TRANSFER, "2001:db8:8000::1", NULL, NULL,
		 STELE_ACCESS_REFUSED},
		/* The bytes of an IPv4 prefix are none of an IPv6 address. */
		{"a.example", STELE_ACCESS_TRANSFER, "c000:200::1", NULL, NULL,
		 STELE_ACCESS_REFUSED},
		{"a.example", STELE_ACCESS_TRANSFER, "10.0.0.1", "K.EXAMPLE", NULL,
		 STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_TRANSFER, "10.0.0.1", "kk.example", NULL,
		 STELE_ACCESS_REFUSED},
		{"a.example", STELE_ACCESS_UPDATE, "192.0.2.1", "k.example", NULL,
		 STELE_ACCESS_REFUSED},
		/* Primaries may notify, but for the one that an acl refuses. */
		{"a.example", STELE_ACCESS_NOTIFY, "2001:db8:1::1", NULL, NULL,
		 STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_NOTIFY, "198.51.100.1", NULL, NULL,
		 STELE_ACCESS_REFUSED},
		{"a.example", STELE_ACCESS_TRANSFER, "2001:db8:1::1", NULL, NULL,
		 STELE_ACCESS_GRANTED},
		{"a.example", STELE_ACCESS_TRANSFER, "198.51.100.1", NULL, NULL,
		 STELE_ACCESS_REFUSED},
		{"b.example", STELE_ACCESS_UPDATE, "10.1.1.1", "k.example", NULL,
		 STELE_ACCESS_GRANTED},
		{"b.example", STELE_ACCESS_UPDATE, "10.1.1.1", NULL, NULL, STELE_ACCESS_REFUSED},
		{"b.example", STELE_ACCESS_UPDATE, "11.1.1.1", "k.example", NULL,
		 STELE_ACCESS_REFUSED},
		{"b.example", STELE_ACCESS_TRANSFER, "11.1.1.1", NULL, "ns.partner.example",
		 STELE_ACCESS_GRANTED},
		{"b.example", STELE_ACCESS_TRANSFER, "11.1.1.1", NULL, "partner.example",
		 STELE_ACCESS_REFUSED},
		{"b.example", STELE_ACCESS_TRANSFER, "11.1.1.1", NULL, NULL, STELE_ACCESS_REFUSED},
	};
	const struct stele_mgmtd_config *config = parse(access_text);
	struct stele_zones *zones = new_zones();
	add(zones, "a.example", config, "a");
	add(zones, "b.example", config, "b");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (ask(zones, cases[i].zone, cases[i].access, cases[i].address, cases[i].key,
			cases[i].tls_name) != cases[i].verdict)
			fail_msg("case %zu: %s, %s", i, cases[i].zone, cases[i].address);
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
}

/* ---- threads: others look while zones come, go and change ---- */

static atomic_bool looking;

static void *look(void *user)
{
	const struct stele_zones *zones = user;
	const struct stele_peer peer = {.address = {.family = 4, .addr = {192, 0, 2, 1}}};
	while (atomic_load(&looking)) {
		const struct stele_template_config *options;
		const struct stele_mgmtd_config *config;
		uint8_t apex[] = "\1a\7example";
		(void)stele_zones_access(zones, apex, STELE_ACCESS_TRANSFER, &peer);
		if (stele_zones_options(zones, apex, &options, &config)) {
			assert_true(strlen(options->id) == 1 && config->listen.cnt == 1);
			stele_mgmtd_config_release(config);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t threads[3];
	struct stele_zones *zones = new_zones();
	const struct stele_mgmtd_config *config = parse(access_text);
	struct stele_managed_zone *zone = NULL;
	atomic_store(&looking, true);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look, zones), 0);
	for (unsigned i = 0; i < 300; i++) {
		/* Another configuration each time; the old one goes when the last holder does. */
		const struct stele_mgmtd_config *next = parse(access_text);
		if (zone == NULL) {
			zone = add(zones, "a.example", next, "a");
		} else if (i % 3 == 0) {
			stele_zones_remove(zones, zone);
			zone = NULL;
		} else {
			stele_zones_set_options(zones, zone, next, template_of(next, "b"));
		}
		stele_mgmtd_config_release(next);
	}
	atomic_store(&looking, false);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
}

/* ---- state ---- */

static unsigned member_cnt;

static int count_member(void *user, const uint8_t *apex, const uint8_t *catalog,
			const uint8_t *unique, const char *group)
{
	(void)user;
	if (memcmp(apex, "\1a\7example", 11) == 0) {
		assert_true(catalog == NULL && unique == NULL && group == NULL);
		return 0;
	}
	assert_memory_equal(apex, "\1b\7example", 11);
	assert_memory_equal(catalog, "\3cat\7example", 13);
	assert_memory_equal(unique, "\1u\5zones\3cat\7example", 21);
	assert_string_equal(group, "a group");
	member_cnt++;
	return 0;
}

static struct stele_zone_states *open_states(const char *dir)
{
	struct stele_zone_states *states;
	struct stele_error err;
	if (stele_zone_states_open(dir, &states, &err) < 0)
		fail_msg("%s", err.text);
	return states;
}

static void test_state(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-zones-XXXXXX", inner[64], path[96];
	struct stele_error err;
	assert_non_null(mkdtemp(dir));
	snprintf(inner, sizeof(inner), "%s/state", dir);
	const struct stele_mgmtd_config *config = parse("listen: [{address: 127.0.0.1}]");
	struct stele_zones *zones = new_zones();
	struct stele_managed_zone *a = add(zones, "a.example", config, "default");
	struct stele_managed_zone *b = add(zones, "b.example", config, "default");

	struct stele_zone_states *states = open_states(inner);
	assert_int_equal(stele_zone_states_recall(states, a, &err), 0);
	assert_int_equal(a->refreshed_at, 0);
	a->primary_serial_known = true;
	a->primary_serial = UINT32_MAX;
	a->expire_s = 3600;
	a->refreshed_at = 1000000;
	a->expires_at = 1003600;
	a->next_refresh_at = 1000900;
	b->from_catalog = true;
	memcpy(b->catalog, "\3cat\7example", 13);
	memcpy(b->catalog_unique, "\1u\5zones\3cat\7example", 21);
	b->catalog_group = strdup("a group");
	stele_zone_states_note(states, a);
	stele_zone_states_note(states, b);
	a->expire_s = 3601;
	stele_zone_states_note(states, a);
	stele_zone_states_close(states);

	stele_zones_free(zones);
	zones = new_zones();
	a = add(zones, "a.example", config, "default");
	states = open_states(inner);
	assert_int_equal(stele_zone_states_recall(states, a, &err), 0);
	assert_true(a->primary_serial_known && a->primary_serial == UINT32_MAX);
	assert_int_equal(a->expire_s, 3601);
	assert_int_equal(a->refreshed_at, 1000000);
	assert_int_equal(a->expires_at, 1003600);
	assert_int_equal(a->next_refresh_at, 1000900);
	assert_int_equal(stele_zone_states_each(states, count_member, NULL, &err), 0);
	assert_int_equal(member_cnt, 1);
	stele_zone_states_forget(states, wire("b.example"));
	stele_zone_states_forget(states, wire("never.example"));
	assert_int_equal(stele_zone_states_write(states, &err), 0);
	stele_zone_states_close(states);

	states = open_states(inner);
	assert_int_equal(stele_zone_states_each(states, count_member, NULL, &err), 0);
	assert_int_equal(member_cnt, 1);
	stele_zone_states_close(states);
	stele_zone_states_close(NULL);

	/* Something else in its place. */
	snprintf(path, sizeof(path), "%s/data.mdb", inner);
	FILE *out = fopen(path, "we");
	for (unsigned i = 0; i < 4096; i++)
		fputs("no state", out);
	fclose(out);
	assert_int_equal(stele_zone_states_open(inner, &states, &err), STELE_E_INPUT);
	store_dir_remove(inner);
	rmdir(dir);
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
}

/* Notes the zone until it is written: how often that failed. */
static unsigned note_until_written(struct stele_zone_states *states,
				   struct stele_managed_zone *zone, time_t refreshed_at)
{
	struct stele_error err;
	zone->refreshed_at = refreshed_at;
	failing_head_arm();
	for (unsigned failed = 0;;) {
		bool armed = failing_head_is_armed();
		stele_zone_states_note(states, zone);
		/* Written by a thread: of a failure one of the next calls tells. */
		if (stele_zone_states_write(states, &err) < 0) {
			assert_non_null(strstr(err.text, "No space left"));
			failed++;
		} else if (!armed && failed > 0) {
			return failed;
		}
		/* It may be read meanwhile, and in between. */
		struct stele_managed_zone seen = *zone;
		assert_int_equal(stele_zone_states_recall(states, &seen, &err), 0);
		assert_true(seen.refreshed_at <= refreshed_at);
		usleep(1000);
	}
}

/* LMDB's last write of a commit fails, after which it begins no transaction before it is opened again. */
static void test_failed_head(void **state)
{
	(void)state;
	char dir[] = "/tmp/stele-zones-XXXXXX";
	struct stele_error err;
	assert_non_null(mkdtemp(dir));
	const struct stele_mgmtd_config *config = parse("listen: [{address: 127.0.0.1}]");
	struct stele_zones *zones = new_zones();
	struct stele_managed_zone *a = add(zones, "a.example", config, "default");
	struct stele_zone_states *states = open_states(dir);
	for (time_t at = 1; at <= 5; at++)
		assert_int_equal(note_until_written(states, a, at), 1);
	stele_zone_states_note(states, a);
	stele_zone_states_close(states);
	a->refreshed_at = 0;
	states = open_states(dir);
	assert_int_equal(stele_zone_states_recall(states, a, &err), 0);
	assert_int_equal(a->refreshed_at, 5);
	stele_zone_states_close(states);
	stele_zones_free(zones);
	stele_mgmtd_config_release(config);
	store_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),  cmocka_unit_test(test_many),
		cmocka_unit_test(test_resets), cmocka_unit_test(test_order),
		cmocka_unit_test(test_access), cmocka_unit_test(test_threads),
		cmocka_unit_test(test_state),  cmocka_unit_test(test_failed_head),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
