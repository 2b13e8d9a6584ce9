/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files, files of TSIG keys and of secrets. Whatever the bytes are: a configuration or faults with
 * places, in order, on one line each; the same again for the same bytes; and nothing that a filled
 * struct points to is out of bounds.
 */
#include "lib/config/secrets.h"
#include "lib/tsig/keys.h"
#include "mgmt/config/config.h"
#include "responder/config/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_faults(const struct stele_config_faults *faults)
{
	require(faults->cnt > 0 && faults->cnt <= STELE_CONFIG_FAULTS_MAX);
	require(faults->more_cnt == 0 || faults->cnt == STELE_CONFIG_FAULTS_MAX);
	for (unsigned i = 0; i < faults->cnt; i++) {
		const struct stele_config_fault *fault = &faults->items[i];
		char place[64];
		require(fault->line > 0 && fault->column > 0);
		require(memchr(fault->text, 0, sizeof(fault->text)) != NULL);
		require(strchr(fault->text, '\n') == NULL);
		snprintf(place, sizeof(place), "f:%u:%u: ", (unsigned)fault->line,
			 (unsigned)fault->column);
		require(strncmp(fault->text, place, strlen(place)) == 0);
		require(i == 0 || fault[-1].line < fault->line ||
			(fault[-1].line == fault->line && fault[-1].column <= fault->column));
	}
}

static void check_port(const struct stele_port_config *port)
{
	require(port->kind < STELE_PORT_KIND_CNT && strlen(port->device) < 64);
	require(strlen(port->name) > 0 && strlen(port->exception.interface) <= 15);
	require(port->addresses.cnt > 0 && port->addresses.cnt <= STELE_PORT_ADDRESSES_MAX);
	for (size_t i = 0; i < port->addresses.cnt; i++) {
		const struct stele_config_prefix *address = &port->addresses.items[i];
		require(address->family == 4 ? address->len <= 32 :
					       address->family == 6 && address->len <= 128);
	}
	require(port->cores.cnt > 0 && port->cores.cnt <= STELE_PORT_CORES_MAX);
	for (size_t i = 0; i < port->cores.cnt; i++)
		require(port->cores.items[i] <= STELE_CORE_MAX);
	for (size_t i = 0; i < port->args.cnt; i++)
		require(strlen(port->args.items[i].key) > 0 && port->args.items[i].value != NULL);
	require(port->mtu >= 1280 && port->vlan <= 4094);
}

static void check_config(const struct stele_responder_config *config)
{
	require(config->image[0] == '/' && strlen(config->control) <= 107);
	require(config->ports.cnt > 0 && config->ports.cnt <= STELE_PORTS_MAX);
	for (size_t i = 0; i < config->ports.cnt; i++)
		check_port(&config->ports.items[i]);
	for (size_t i = 0; i < config->memory.eal_args.cnt; i++)
		require(strlen(config->memory.eal_args.items[i]) > 0);
	require(config->rrl.ipv4_prefixes.cnt > 0 && config->rrl.ipv4_prefixes.items[0] <= 32);
	require(config->rrl.ipv6_prefixes.cnt > 0 && config->rrl.ipv6_prefixes.items[0] <= 128);
	require(stele_responder_worker_cnt(config) >= config->ports.cnt);
}

static void check_template(const struct stele_template_config *template)
{
	require(strlen(template->id) > 0);
	require(template->has_primaries == (template->primary_remotes.cnt > 0));
	for (size_t i = 0; i < template->primary_remotes.cnt; i++)
		require(template->primary_remotes.items[i]->addresses.cnt > 0);
	for (size_t i = 0; i < template->notify_remotes.cnt; i++)
		require(template->notify_remotes.items[i]->connect_port > 0);
	for (unsigned i = 0; i < STELE_ACCESS_CNT; i++)
		for (size_t j = 0; j < template->acls[i].cnt; j++)
			require(strlen(template->acls[i].items[j]->id) > 0);
	require((template->policy != NULL) == (template->update_policy != NULL));
	require(template->refresh_min_ns <= template->refresh_max_ns);
	require((template->catalog == STELE_CATALOG_CONSUMER) ==
		(template->member_options != NULL));
	for (size_t i = 0; i < template->group_options.cnt; i++)
		require(template->group_options.items[i]->catalog == STELE_CATALOG_NONE);
	require((template->producer != NULL) == (template->catalog_zone != NULL));
}

static void check_name(const uint8_t *name)
{
	require(stele_name_length(name, STELE_NAME_MAX) > 0);
}

static void check_mgmtd(const struct stele_mgmtd_config *config)
{
	require(config->listen.cnt > 0 && config->default_template != NULL);
	for (size_t i = 0; i < config->acls.cnt; i++)
		for (size_t j = 0; j < config->acls.items[i].key_names.cnt; j++)
			check_name(config->acls.items[i].key_names.items[j]);
	for (size_t i = 0; i < config->update_policies.cnt; i++)
		for (size_t j = 0; j < config->update_policies.items[i].rules.cnt; j++) {
			const struct stele_update_rule_config *rule =
				&config->update_policies.items[i].rules.items[j];
			require(rule->type_codes.cnt == rule->types.cnt);
			if (rule->match_name != NULL)
				check_name(rule->match_name);
		}
	check_template(config->default_template);
	for (size_t i = 0; i < config->templates.cnt; i++)
		check_template(&config->templates.items[i]);
	for (size_t i = 0; i < config->zones.cnt; i++) {
		check_name(config->zones.items[i].apex);
		check_template(config->zones.items[i].options);
	}
}

/* One program's reading of the bytes. */
static void exercise(const uint8_t *data, size_t size, const struct stele_config_schema *schema)
{
	static struct stele_config_faults faults, again;
	struct stele_error err = {""};
	struct stele_config *config = NULL;
	int status = stele_config_parse("f", data, size, schema, &config, &faults, &err);
	require(status == 0 || status == STELE_E_INPUT);
	require((status == 0) == (config != NULL));
	if (status == 0) {
		if (schema == &stele_responder_schema)
			check_config(stele_config_root(config));
		else
			check_mgmtd(stele_config_root(config));
		stele_config_free(config);
		return;
	}
	check_faults(&faults);
	require(strcmp(err.text, faults.items[0].text) == 0);
	require(stele_config_parse("f", data, size, schema, &config, &again, NULL) == status);
	require(again.cnt == faults.cnt && again.more_cnt == faults.more_cnt);
	for (unsigned i = 0; i < faults.cnt; i++)
		require(strcmp(again.items[i].text, faults.items[i].text) == 0);
}

/* Keys, found by name in any case and without the last dot; or one fault on one line. */
static void exercise_keys(const uint8_t *data, size_t size)
{
	struct stele_tsig_keys *keys = NULL;
	struct stele_error err = {""};
	int status = stele_tsig_keys_parse("f", (const char *)data, size, &keys, &err);
	require(status == 0 || status == STELE_E_INPUT);
	require((status == 0) == (keys != NULL));
	if (status != 0) {
		require(strncmp(err.text, "f:", 2) == 0 && strchr(err.text, '\n') == NULL);
		return;
	}
	static const uint8_t upper[] = "\1A";
	const struct stele_tsig_key *key = stele_tsig_keys_find(keys, upper, sizeof(upper));
	require(key == stele_tsig_keys_find_text(keys, "a."));
	require(key == stele_tsig_keys_find_text(keys, "a"));
	if (key != NULL) {
		size_t len;
		const uint8_t *name = stele_tsig_key_name(key, &len);
		require(len == 3 && memcmp(name, "\1a", 3) == 0);
		require(stele_tsig_key_room(key) >= STELE_TSIG_MAC_MIN);
	}
	stele_tsig_keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stele_error err;
	struct stele_secrets secrets;
	exercise(data, size, &stele_responder_schema);
	exercise(data, size, &stele_mgmtd_schema);
	exercise_keys(data, size);
	if (stele_secrets_parse("f", (const char *)data, size, &secrets, &err) == 0)
		require(secrets.cnt == 1 || secrets.cnt == 2);
	return 0;
}
