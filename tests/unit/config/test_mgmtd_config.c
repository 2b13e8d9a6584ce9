/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's table: what files give, and what each wrong file in tests/golden/mgmtd-config is
 * told. The argument is the root of the source tree.
 */
#include "lib/serving/settings.h"
#include "mgmt/config/config.h"

#include "tests/unit/config/config_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *source_dir;
static struct stele_config_faults faults;

static const struct stele_mgmtd_config *parse(const char *text)
{
	struct stele_config *config;
	struct stele_error err;
	if (stele_config_parse("t", text, strlen(text), &stele_mgmtd_schema, &config, &faults,
			       &err) < 0)
		fail_msg("%s", err.text);
	const struct stele_mgmtd_config *root = stele_config_root(config);
	assert_ptr_equal(root->owner, config);
	return root;
}

static void test_table(void **state)
{
	(void)state;
	struct stele_error err;
	if (stele_config_check_schema(&stele_mgmtd_schema, &err) < 0)
		fail_msg("%s", err.text);
}

static void check_default_template(const struct stele_template_config *t)
{
	assert_string_equal(t->id, "default");
	assert_false(t->has_primaries);
	assert_int_equal(t->primary_remotes.cnt, 0);
	assert_int_equal(t->notify_remotes.cnt, 0);
	for (int i = 0; i < STELE_ACCESS_CNT; i++)
		assert_int_equal(t->acls[i].cnt, 0);
	assert_null(t->policy);
	assert_false(t->forward_updates);
	assert_true(t->ixfr_in && t->ixfr_out);
	assert_int_equal(t->zonemd, STELE_ZONEMD_IF_PRESENT);
	assert_true(t->refresh_min_ns == UINT64_C(2000000000));
	assert_true(t->retry_max_ns == UINT64_C(86400) * 1000000000);
	assert_true(t->transfer_max_sz == UINT64_C(16) << 30);
	assert_int_equal(t->catalog, STELE_CATALOG_NONE);
	assert_null(t->catalog_template);
	assert_null(t->producer);
}

static void test_least(void **state)
{
	(void)state;
	const struct stele_mgmtd_config *c = parse("listen: [{address: 127.0.0.1}]");
	assert_string_equal(c->store, "/var/lib/stele/store");
	assert_string_equal(c->image, "/var/lib/stele/current.image");
	assert_string_equal(c->state_dir, "/var/lib/stele/mgmtd");
	assert_null(c->compiler);
	assert_string_equal(c->responder, "/run/stele/responder.sock");
	assert_string_equal(c->control, "/run/stele/mgmtd.sock");
	assert_string_equal(c->user, "stele");
	assert_null(c->keys);
	assert_int_equal(c->threads, 0);
	assert_true(c->compile_max_ns == UINT64_C(1800) * 1000000000);
	assert_int_equal(c->listen.cnt, 1);
	assert_int_equal(c->listen.items[0].port, 53);
	assert_false(c->listen.items[0].tls);
	assert_int_equal(c->tcp.connections, 4096);
	assert_int_equal(c->tcp.connections_per_client, 64);
	assert_int_equal(c->tcp.pipeline, 128);
	assert_true(c->tcp.idle_ns == UINT64_C(10000000000));
	assert_true(c->tcp.handshake_ns == UINT64_C(5000000000));
	assert_int_equal(c->tcp.transfers, 32);
	assert_null(c->tls.certificate);
	assert_null(c->tls.client_ca);
	assert_int_equal(c->answers.udp_size, 1232);
	assert_true(c->answers.any_minimal);
	assert_true(c->cookies.enabled);
	assert_null(c->answers.nsid);
	assert_null(c->answers.chaos.version);
	assert_null(c->answers.chaos.id);
	assert_null(c->cookies.secret_file);
	assert_int_equal(c->zones.cnt, 0);
	assert_int_equal(c->metrics.address.family, 0);
	assert_int_equal(c->log.format, STELE_LOG_FORMAT_TEXT);
	assert_true(c->log.audit);
	check_default_template(c->default_template);
	assert_string_equal(c->default_template->id, "default");
	assert_int_equal(c->templates.cnt, 0);
	stele_mgmtd_config_release(c);
}

static void test_references(void **state)
{
	(void)state;
	const struct stele_mgmtd_config *c = parse(
		"listen: [{address: '::', tls: on}]\n"
		"tls: {certificate: /c, key: /k, client_ca: /ca}\n"
		"keys: /keys\n"
		"answers: {chaos: {id: x}, nsid: n}\n"
		"cookies: {enabled: no, secret_file: /s}\n"
		"rrl: {enabled: yes, slip: 3, ipv6_prefixes: [56]}\n"
		"remotes:\n"
		"- {id: a, addresses: [192.0.2.1], key: K.Example}\n"
		"- {id: b, addresses: ['2001:db8::1'], tls: {enabled: true}, source: '2001:db8::2'}\n"
		"acls:\n"
		"- {id: all}\n"
		"- {id: signed, keys: [k.example., K2.example]}\n"
		"update_policies:\n"
		"- {id: p, rules: [{match: wildcard, name: '*.A.example', types: [txt, TYPE65280]}]}\n"
		"templates:\n"
		"- {id: sec, primaries: [b, a], allow_transfer: [signed, all]}\n"
		"- {id: prim, notify: [a], allow_update: [signed], update_policy: p,\n"
		"   catalog_zone: CAT.example., catalog_group: g}\n"
		"- {id: made, catalog: producer}\n"
		"- {id: eat, primaries: [a], catalog: consumer, catalog_template: default,\n"
		"   catalog_groups: {one: sec, two words: default}}\n"
		"zones:\n"
		"- {name: WWW.Example.org, template: sec}\n"
		"- {name: cat.example, template: made}\n"
		"- {name: own.example, template: prim}\n"
		"- {name: other.example.}\n");
	const struct stele_template_config *t = c->templates.items;
	assert_string_equal(c->answers.chaos.id, "x");
	assert_string_equal(c->answers.nsid, "n");
	assert_false(c->cookies.enabled);
	assert_true(c->rrl.enabled);
	assert_int_equal(c->rrl.slip, 3);
	assert_int_equal(c->rrl.ipv6_prefixes.cnt, 1);
	assert_int_equal(c->rrl.ipv4_prefixes.items[0], 24);
	assert_string_equal(c->cookies.secret_file, "/s");
	assert_int_equal(c->listen.items[0].port, 853);
	assert_memory_equal(c->remotes.items[0].key_name, "\1k\7example", 11);
	assert_null(c->remotes.items[1].key_name);
	assert_int_equal(c->remotes.items[0].connect_port, 53);
	assert_int_equal(c->remotes.items[1].connect_port, 853);
	assert_int_equal(c->acls.items[1].key_names.cnt, 2);
	assert_memory_equal(c->acls.items[1].key_names.items[1], "\2k2\7example", 12);
	const struct stele_update_rule_config *rule = c->update_policies.items[0].rules.items;
	assert_memory_equal(rule->match_name, "\1*\1a\7example", 13);
	assert_int_equal(rule->type_codes.items[0], 16);
	assert_int_equal(rule->type_codes.items[1], 65280);

	assert_true(t[0].has_primaries);
	assert_ptr_equal(t[0].primary_remotes.items[0], &c->remotes.items[1]);
	assert_ptr_equal(t[0].primary_remotes.items[1], &c->remotes.items[0]);
	assert_int_equal(t[0].acls[STELE_ACCESS_TRANSFER].cnt, 2);
	assert_ptr_equal(t[0].acls[STELE_ACCESS_TRANSFER].items[0], &c->acls.items[1]);
	assert_int_equal(t[0].acls[STELE_ACCESS_UPDATE].cnt, 0);
	assert_ptr_equal(t[1].notify_remotes.items[0], &c->remotes.items[0]);
	assert_ptr_equal(t[1].policy, &c->update_policies.items[0]);
	assert_ptr_equal(t[1].producer, &c->zones.items[1]);
	/* The file has no template "default". */
	check_default_template(c->default_template);
	assert_ptr_equal(t[3].member_options, c->default_template);
	assert_ptr_equal(t[3].group_options.items[0], &t[0]);
	assert_ptr_equal(t[3].group_options.items[1], c->default_template);
	assert_string_equal(t[3].catalog_groups.items[1].key, "two words");

	assert_memory_equal(c->zones.items[0].apex, "\3www\7example\3org", 17);
	assert_int_equal(c->zones.items[0].apex_len, 17);
	assert_ptr_equal(c->zones.items[0].options, &t[0]);
	assert_ptr_equal(c->zones.items[1].options, &t[2]);
	assert_ptr_equal(c->zones.items[2].options, &t[1]);
	assert_ptr_equal(c->zones.items[3].options, c->default_template);
	stele_mgmtd_config_release(c);
}

/* What is served without being configured never has primaries. */
static void test_stray(void **state)
{
	(void)state;
	const struct stele_mgmtd_config *c = parse("listen: [{address: 127.0.0.1}]\n"
						   "acls: [{id: all}]\n"
						   "templates: [{allow_update: [all]}]\n");
	assert_ptr_equal(c->stray_template, c->default_template);
	stele_mgmtd_config_release(c);
	c = parse("listen: [{address: 127.0.0.1}]\n"
		  "remotes: [{id: a, addresses: [192.0.2.1]}]\n"
		  "acls: [{id: all}]\n"
		  "templates: [{primaries: [a], notify: [a], allow_transfer: [all],\n"
		  "             allow_update: [all], forward_updates: true}]\n");
	const struct stele_template_config *t = c->stray_template;
	assert_true(c->default_template->has_primaries);
	assert_false(t->has_primaries || t->forward_updates);
	assert_int_equal(t->primary_remotes.cnt, 0);
	assert_int_equal(t->acls[STELE_ACCESS_UPDATE].cnt, 0);
	assert_int_equal(t->acls[STELE_ACCESS_TRANSFER].cnt, 1);
	assert_int_equal(t->notify_remotes.cnt, 1);
	stele_mgmtd_config_release(c);
}

/* Ten thousand zones are ten thousand names. */
static void test_many_zones(void **state)
{
	(void)state;
	const unsigned cnt = 10000;
	char *text = malloc(cnt * 64 + 4096), *at = text;
	assert_non_null(text);
	at += sprintf(at, "listen: [{address: 127.0.0.1}]\n"
			  "remotes: [{id: a, addresses: [192.0.2.1]}]\n"
			  "templates: [{primaries: [a]}, {id: b}]\nzones:\n");
	for (unsigned i = 0; i < cnt; i++)
		at += sprintf(at, "- {name: z%u.example, template: %s}\n", i * 7 % cnt,
			      i % 2 ? "b" : "default");
	const struct stele_mgmtd_config *c = parse(text);
	assert_int_equal(c->zones.cnt, cnt);
	for (unsigned i = 0; i < cnt; i++)
		assert_ptr_equal(c->zones.items[i].options, &c->templates.items[i % 2]);
	stele_mgmtd_config_release(c);

	/* One more that is there already; of many faults not all are looked for. */
	struct stele_config *config;
	struct stele_error err;
	size_t len = (size_t)(at - text);
	sprintf(at, "- {name: Z77.Example.}\n");
	assert_int_equal(stele_config_parse("t", text, strlen(text), &stele_mgmtd_schema, &config,
					    &faults, &err),
			 STELE_E_INPUT);
	assert_int_equal(faults.cnt, 1);
	assert_string_equal(err.text, "t:10005:10: zone 'Z77.Example.' stands on line 16 too "
				      "(expected it once)");
	text[len] = 0;
	memcpy(strstr(text, "id: b"), "id: c", 5);
	assert_int_equal(stele_config_parse("t", text, strlen(text), &stele_mgmtd_schema, &config,
					    &faults, &err),
			 STELE_E_INPUT);
	assert_int_equal(faults.cnt, STELE_CONFIG_FAULTS_MAX);
	free(text);
}

static void test_hold(void **state)
{
	(void)state;
	const struct stele_mgmtd_config *c = parse("listen: [{address: 127.0.0.1}]");
	stele_mgmtd_config_hold(c);
	stele_mgmtd_config_release(c);
	assert_int_equal(c->listen.cnt, 1);
	stele_mgmtd_config_release(c);
	stele_mgmtd_config_release(NULL);
}

static void test_example(void **state)
{
	(void)state;
	char path[4096];
	struct stele_error err;
	const struct stele_mgmtd_config *config;
	snprintf(path, sizeof(path), "%s/config/mgmtd.example.yaml", source_dir);
	if (stele_mgmtd_config_load(path, &config, &faults, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(config->zones.cnt, 4);
	stele_mgmtd_config_release(config);
	char *text = config_cases_example(path, stele_mgmtd_schema.options);
	/* Pins stand in place of what the example has. */
	memcpy(strstr(text, "pins: []"), "        ", 8);
	stele_mgmtd_config_release(parse(text));
	free(text);
}

static void test_missing_file(void **state)
{
	(void)state;
	struct stele_error err;
	const struct stele_mgmtd_config *config = NULL;
	assert_int_equal(stele_mgmtd_config_load("/nonexistent", &config, &faults, &err),
			 STELE_E_INPUT);
	assert_int_equal(faults.cnt, 0);
	assert_null(config);
}

/* What the table of options lets through, and the check of the whole, the limiter takes too. */
static void test_rates(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"threads: 2\n"
		"rrl: {enabled: yes, answers_per_second: 200000, errors_per_second: 1, window: 1m,\n"
		" table_size: 1G, slip: 100, ipv4_prefixes: [8], ipv6_prefixes: [16, 128]}\n",
		"threads: 256\n"
		"rrl: {enabled: yes, answers_per_second: 25600000, referrals_per_second: unlimited,\n"
		" window: 100ms, table_size: 64K, slip: 0, ipv4_prefixes: [31, 32],\n"
		" ipv6_prefixes: [128], exempt: [0.0.0.0/0, '::/0', 192.0.2.1]}\n",
		"rrl: {enabled: yes, answers_per_second: 100000}\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text), "listen: [{address: 127.0.0.1}]\n%s", texts[i]);
		const struct stele_mgmtd_config *c = parse(text);
		struct stele_rrl_settings settings;
		struct stele_error err;
		if (stele_settings_rrl(&c->rrl, c->threads ? c->threads : 1, &settings, &err) < 0 ||
		    stele_rrl_settings_check(&settings, &err) < 0)
			fail_msg("%s", err.text);
		stele_mgmtd_config_release(c);
	}
}

static void test_golden(void **state)
{
	(void)state;
	char dir[4096];
	snprintf(dir, sizeof(dir), "%s/tests/golden/mgmtd-config", source_dir);
	assert_true(config_cases_golden(dir, &stele_mgmtd_schema) >= 6);
}

int main(int argc, char **argv)
{
	source_dir = argc > 1 ? argv[1] : ".";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),      cmocka_unit_test(test_least),
		cmocka_unit_test(test_references), cmocka_unit_test(test_stray),
		cmocka_unit_test(test_many_zones), cmocka_unit_test(test_hold),
		cmocka_unit_test(test_example),    cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_rates),      cmocka_unit_test(test_golden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
