/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of other servers, and of who may do what. */
#include "mgmt/config/internal.h"

#include <stddef.h>

/* ---- remotes ---- */

static const struct stele_config_option tls_options[] = {
	{
		.name = "enabled",
		.type = STELE_CONFIG_BOOL,
		AT(remote_tls, enabled),
		.def = "false",
		.help = "Speak TLS with it: transfers are XoT (RFC 9103), with TLS 1.3.",
	},
	{
		.name = "name",
		.type = STELE_CONFIG_STRING,
		AT(remote_tls, name),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.check = mgmtd_check_name,
		.help = "Name that its certificate must have. `none`: it must have its address.",
	},
	{
		.name = "ca",
		.type = STELE_CONFIG_PATH,
		AT(remote_tls, ca),
		.word = "system",
		.def = "system",
		.help = "PEM file of the authorities that its certificate may come from. `system`: "
			"those that the system trusts.",
	},
	{
		.name = "pins",
		.type = STELE_CONFIG_STRING,
		LIST_AT(remote_tls, pins, STELE_CONFIG_UNIQUE),
		.list_max = 8,
		.min = 1,
		.max = 64,
		.check = mgmtd_check_pin,
		.help = "SHA-256 hashes of public keys (SubjectPublicKeyInfo) in base64. If there "
			"are any, its key must be one of them, and `ca` and `name` are of no use.",
	},
	{
		.name = "certificate",
		.type = STELE_CONFIG_PATH,
		AT(remote_tls, certificate),
		.word = "none",
		.def = "none",
		.help = "PEM file of our own certificate, for servers that ask for one.",
	},
	{
		.name = "key",
		.type = STELE_CONFIG_PATH,
		AT(remote_tls, key),
		.word = "none",
		.def = "none",
		.help = "PEM file of its key.",
	},
	{0},
};

const struct stele_config_option mgmtd_remote_options[] = {
	{
		.name = "id",
		.type = STELE_CONFIG_STRING,
		AT(remote, id),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = 63,
		.check = mgmtd_check_id,
		.help = "What templates and messages call this server.",
	},
	{
		.name = "addresses",
		.type = STELE_CONFIG_ADDRESS,
		LIST_AT(remote, addresses, STELE_CONFIG_REQUIRED | STELE_CONFIG_UNIQUE),
		.list_min = 1,
		.list_max = 16,
		.check = mgmtd_check_host,
		.help = "Where it is asked, in this order until one answers. NOTIFY is accepted "
			"from all of them.",
	},
	{
		.name = "port",
		.type = STELE_CONFIG_INTEGER,
		AT(remote, port),
		.word = "auto",
		.min = 1,
		.def = "auto",
		.help = "Its port. `auto`: 53, or 853 with TLS.",
	},
	{
		.name = "notify_port",
		.type = STELE_CONFIG_INTEGER,
		AT(remote, notify_port),
		.word = "auto",
		.min = 1,
		.def = "auto",
		.help = "UDP port at which it hears NOTIFY. `auto`: its port; with TLS, NOTIFY goes over "
			"TLS to that. Give one to tell servers in the clear that take NOTIFY over UDP "
			"alone.",
	},
	{
		.name = "source",
		.type = STELE_CONFIG_ADDRESS,
		AT(remote, source),
		.word = "auto",
		.def = "auto",
		.check = mgmtd_check_host,
		.help = "Our address towards it, where the family is the same. `auto`: the kernel "
			"chooses.",
	},
	{
		.name = "key",
		.type = STELE_CONFIG_STRING,
		AT(remote, key),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.check = mgmtd_check_name,
		.help = "TSIG key that signs what is said to it, by its name in the file of `keys`. "
			"What it answers must be signed then, too.",
	},
	{
		.name = "tls",
		.type = STELE_CONFIG_MAP,
		AT(remote, tls),
		.options = tls_options,
		.help = "TLS with this server.",
	},
	{0},
};

/* ---- acls ---- */

const struct stele_config_option mgmtd_acl_options[] = {
	{
		.name = "id",
		.type = STELE_CONFIG_STRING,
		AT(acl, id),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = 63,
		.check = mgmtd_check_id,
		.help = "What templates call it.",
	},
	{
		.name = "prefixes",
		.type = STELE_CONFIG_PREFIX,
		LIST_AT(acl, prefixes, STELE_CONFIG_UNIQUE),
		.list_max = 1024,
		.help = "Addresses of clients. Empty: any.",
	},
	{
		.name = "keys",
		.type = STELE_CONFIG_STRING,
		LIST_AT(acl, keys, STELE_CONFIG_UNIQUE),
		.list_max = 1024,
		.min = 1,
		.max = 255,
		.check = mgmtd_check_name,
		.help = "TSIG keys, of which one must have signed. Empty: any, or none. An address "
			"is easily forged over UDP: give keys wherever something can be changed.",
	},
	{
		.name = "tls_names",
		.type = STELE_CONFIG_STRING,
		LIST_AT(acl, tls_names, STELE_CONFIG_UNIQUE),
		.list_max = 1024,
		.min = 1,
		.max = 255,
		.check = mgmtd_check_name,
		.help = "Names, of which the client's certificate must have one; `tls.client_ca` "
			"says whose certificates are believed. Empty: any, or no TLS.",
	},
	{
		.name = "deny",
		.type = STELE_CONFIG_BOOL,
		AT(acl, deny),
		.def = "false",
		.help = "A client that fits is refused, even if one that stands further behind in "
			"the list would let it in.",
	},
	{0},
};

/* ---- update policies ---- */

static const char *const match_words[] = {
	[STELE_MATCH_NAME] = "name",
	[STELE_MATCH_SUBDOMAIN] = "subdomain",
	[STELE_MATCH_WILDCARD] = "wildcard",
	[STELE_MATCH_SELF] = "self",
	[STELE_MATCH_SELFSUB] = "selfsub",
	[STELE_MATCH_ZONE] = "zone",
	NULL,
};

static const struct stele_config_option rule_options[] = {
	{
		.name = "deny",
		.type = STELE_CONFIG_BOOL,
		AT(update_rule, deny),
		.def = "false",
		.help = "What fits is refused.",
	},
	{
		.name = "keys",
		.type = STELE_CONFIG_STRING,
		LIST_AT(update_rule, keys, STELE_CONFIG_UNIQUE),
		.list_max = 1024,
		.min = 1,
		.max = 255,
		.check = mgmtd_check_name,
		.help = "TSIG keys that the rule is about. Empty: any key.",
	},
	{
		.name = "match",
		.type = STELE_CONFIG_ENUM,
		.words = match_words,
		AT(update_rule, match),
		.def = "zone",
		.help = "Which owner names. `name`: that of `name`. `subdomain`: that and those "
			"below it. `wildcard`: those that `name`, which begins with `*.`, stands "
			"for, at any depth. `self`: the name of the key. `selfsub`: that and those "
			"below it. `zone`: all of the zone.",
	},
	{
		.name = "name",
		.type = STELE_CONFIG_STRING,
		AT(update_rule, name),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.check = mgmtd_check_name,
		.help = "The name for `match`, absolute.",
	},
	{
		.name = "types",
		.type = STELE_CONFIG_STRING,
		LIST_AT(update_rule, types, STELE_CONFIG_UNIQUE),
		.list_max = 256,
		.min = 1,
		.max = 15,
		.check = mgmtd_check_type,
		.help = "Types of records; ANY stands for all. Empty: all but SOA, NS, DNSKEY, RRSIG, NSEC, NSEC3 and "
			"NSEC3PARAM.",
	},
	{0},
};

const struct stele_config_option mgmtd_policy_options[] = {
	{
		.name = "id",
		.type = STELE_CONFIG_STRING,
		AT(update_policy, id),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = 63,
		.check = mgmtd_check_id,
		.help = "What templates call it.",
	},
	{
		.name = "rules",
		.type = STELE_CONFIG_MAP,
		LIST_AT(update_policy, rules, STELE_CONFIG_REQUIRED),
		.list_min = 1,
		.list_max = 1024,
		.options = rule_options,
		.help = "The first one that fits decides for each record; what none fits is "
			"refused, and the whole update with it.",
	},
	{0},
};
