/* SPDX-License-Identifier: Apache-2.0 */
/* The table of templates: all that zones have options for. */
#include "mgmt/config/internal.h"

#include <stddef.h>
#include <string.h>

static const char *const zonemd_words[] = {
	[STELE_ZONEMD_IGNORE] = "ignore",
	[STELE_ZONEMD_IF_PRESENT] = "if-present",
	[STELE_ZONEMD_REQUIRED] = "required",
	NULL,
};

static const char *const catalog_words[] = {
	[STELE_CATALOG_NONE] = "none",
	[STELE_CATALOG_CONSUMER] = "consumer",
	[STELE_CATALOG_PRODUCER] = "producer",
	NULL,
};

/* A list of ids. */
#define IDS(field, cnt, what)                                                                      \
	{                                                                                          \
		.name = #field, .type = STELE_CONFIG_STRING,                                       \
		LIST_AT(template, field, STELE_CONFIG_UNIQUE), .list_max = cnt, .min = 1,          \
		.max = 63, .check = mgmtd_check_id, .help = what,                                  \
	}

/* A bound of a timer. */
#define TIMER(option, field, least, most, value, what)                                             \
	{                                                                                          \
		.name = #option, .type = STELE_CONFIG_DURATION, AT(template, field), .min = least, \
		.max = most, .def = value, .help = what,                                           \
	}

const struct stele_config_option mgmtd_template_options[] = {
	{
		.name = "id",
		.type = STELE_CONFIG_STRING,
		AT(template, id),
		.min = 1,
		.max = 63,
		.def = "default",
		.check = mgmtd_check_id,
		.help = "What zones call it. The one called `default` is for zones that name none.",
	},
	IDS(primaries, 16,
	    "Remotes that the zone comes from, asked in this order. Empty: it is ours, "
	    "and changed here."),
	IDS(notify, 64, "Remotes that are told of changes."),
	IDS(allow_transfer, 64,
	    "Acls of who may have the zone as a whole or its changes (AXFR, IXFR). Empty: nobody."),
	IDS(allow_notify, 64,
	    "Acls of who may say that the zone has changed, besides the addresses of `primaries`."),
	IDS(allow_update, 64, "Acls of who may change records (RFC 2136). Empty: nobody."),
	{
		.name = "update_policy",
		.type = STELE_CONFIG_STRING,
		AT(template, update_policy),
		.word = "none",
		.min = 1,
		.max = 63,
		.def = "none",
		.check = mgmtd_check_id,
		.help = "Policy of which records they may change. `none`: all.",
	},
	{
		.name = "forward_updates",
		.type = STELE_CONFIG_BOOL,
		AT(template, forward_updates),
		.def = "false",
		.help = "Hand updates on to the first primary. What `allow_update` says is asked "
			"here first.",
	},
	{
		.name = "ixfr_in",
		.type = STELE_CONFIG_BOOL,
		AT(template, ixfr_in),
		.def = "true",
		.help = "Ask primaries for changes (IXFR) before the zone as a whole.",
	},
	{
		.name = "ixfr_out",
		.type = STELE_CONFIG_BOOL,
		AT(template, ixfr_out),
		.def = "true",
		.help = "Give changes to those who ask for them; else they get the zone as a whole.",
	},
	{
		.name = "zonemd",
		.type = STELE_CONFIG_ENUM,
		.words = zonemd_words,
		AT(template, zonemd),
		.def = "if-present",
		.help = "Digest of the zone (RFC 8976) in what primaries send. `if-present`: one "
			"that is there must be right. `required`: there must be one.",
	},
	TIMER(refresh_min, refresh_min_ns, S, 28 * DAY, "2s",
	      "Shortest time between two questions whether the zone has changed, whatever its SOA "
	      "says."),
	TIMER(refresh_max, refresh_max_ns, S, 365 * DAY, "28d", "The longest."),
	TIMER(retry_min, retry_min_ns, S, 28 * DAY, "1s",
	      "Shortest time until a primary that failed is asked again."),
	TIMER(retry_max, retry_max_ns, S, 365 * DAY, "1d", "The longest."),
	{
		.name = "transfer_max_size",
		.type = STELE_CONFIG_SIZE,
		AT(template, transfer_max_sz),
		.min = 64 * 1024,
		.max = 16 * TIB,
		.def = "16G",
		.help = "A transfer in that is larger is broken off. Too small keeps the zone from "
			"growing, too large lets a broken primary fill the disk.",
	},
	TIMER(transfer_max_time, transfer_max_ns, S, 7 * DAY, "2h",
	      "A transfer in that takes longer is broken off."),
	{
		.name = "catalog",
		.type = STELE_CONFIG_ENUM,
		.words = catalog_words,
		AT(template, catalog),
		.def = "none",
		.help = "The zone is a catalog (RFC 9432). `consumer`: its members are zones here. "
			"`producer`: it is written here, from the zones of which `catalog_zone` "
			"names it.",
	},
	{
		.name = "catalog_template",
		.type = STELE_CONFIG_STRING,
		AT(template, catalog_template),
		.word = "none",
		.min = 1,
		.max = 63,
		.def = "none",
		.check = mgmtd_check_id,
		.help = "Of a consumer: the template of members whose group is not among "
			"`catalog_groups`.",
	},
	{
		.name = "catalog_groups",
		.type = STELE_CONFIG_PAIRS,
		AT(template, catalog_groups),
		.max = 200,
		.check = mgmtd_check_groups,
		.help = "Of a consumer: groups, and the template of each: `{ signed: secure }`.",
	},
	{
		.name = "catalog_zone",
		.type = STELE_CONFIG_STRING,
		AT(template, catalog_zone),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.check = mgmtd_check_name,
		.help = "Zone of a template that is a `producer`: the catalog in which zones of "
			"this template are listed.",
	},
	{
		.name = "catalog_group",
		.type = STELE_CONFIG_STRING,
		AT(template, catalog_group),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.help = "The group that they are listed with.",
	},
	{0},
};

const struct stele_template_config *
stele_mgmtd_member_options(const struct stele_template_config *catalog, const char *group)
{
	for (size_t i = 0; group != NULL && i < catalog->catalog_groups.cnt; i++)
		if (strcmp(catalog->catalog_groups.items[i].key, group) == 0)
			return catalog->group_options.items[i];
	return catalog->member_options;
}

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same_tls(const struct stele_remote_tls_config *a,
			const struct stele_remote_tls_config *b)
{
	if (a->enabled != b->enabled || a->pins.cnt != b->pins.cnt)
		return false;
	for (size_t i = 0; i < a->pins.cnt; i++)
		if (!is_same(a->pins.items[i], b->pins.items[i]))
			return false;
	return is_same(a->name, b->name) && is_same(a->ca, b->ca) &&
	       is_same(a->certificate, b->certificate) && is_same(a->key, b->key);
}

static bool is_same_remote(const struct stele_remote_config *a, const struct stele_remote_config *b)
{
	return a->addresses.cnt == b->addresses.cnt &&
	       memcmp(a->addresses.items, b->addresses.items,
		      a->addresses.cnt * sizeof(*a->addresses.items)) == 0 &&
	       a->connect_port == b->connect_port &&
	       memcmp(&a->source, &b->source, sizeof(a->source)) == 0 && is_same(a->key, b->key) &&
	       is_same_tls(&a->tls, &b->tls);
}

bool stele_mgmtd_same_primaries(const struct stele_template_config *a,
				const struct stele_template_config *b)
{
	if (a->primary_remotes.cnt != b->primary_remotes.cnt)
		return false;
	for (size_t i = 0; i < a->primary_remotes.cnt; i++)
		if (!is_same_remote(a->primary_remotes.items[i], b->primary_remotes.items[i]))
			return false;
	return true;
}
