/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options, from the top. */
#include "mgmt/config/config.h"

#include "lib/ctl/ctl.h"
#include "mgmt/config/internal.h"

#include <stddef.h>
#include <string.h>

/* ---- the service ---- */

static const struct stele_config_option listen_options[] = {
	{
		.name = "address",
		.type = STELE_CONFIG_ADDRESS,
		AT(listen, address),
		.flags = STELE_CONFIG_REQUIRED,
		.help = "One of this machine's, or `0.0.0.0` or `::` for all of the family.",
	},
	{
		.name = "port",
		.type = STELE_CONFIG_INTEGER,
		AT(listen, port),
		.word = "auto",
		.min = 1,
		.def = "auto",
		.help = "`auto`: 53, or 853 with TLS.",
	},
	{
		.name = "tls",
		.type = STELE_CONFIG_BOOL,
		AT(listen, tls),
		.def = "false",
		.help = "TLS over TCP (RFC 7858). Else UDP and TCP.",
	},
	{0},
};

static const struct stele_config_option tcp_options[] = {
	{
		.name = "connections",
		.type = STELE_CONFIG_INTEGER,
		AT(tcp, connections),
		.min = 1,
		.max = 1000000,
		.def = "4096",
		.help = "Connections at once, TLS included. When one more comes, that which has "
			"been quiet for the longest is closed. Each takes some kilobytes, TLS "
			"several times as much.",
	},
	{
		.name = "connections_per_client",
		.type = STELE_CONFIG_INTEGER,
		AT(tcp, connections_per_client),
		.min = 1,
		.max = 1000000,
		.def = "64",
		.help = "Connections of one address; of IPv6, of one /64. A large resolver needs a "
			"few; too many let one client close those of others.",
	},
	{
		.name = "pipeline",
		.type = STELE_CONFIG_INTEGER,
		AT(tcp, pipeline),
		.min = 1,
		.max = 65535,
		.def = "128",
		.help = "Requests of one connection that are worked on at once; further ones wait "
			"until one is answered.",
	},
	{
		.name = "idle",
		.type = STELE_CONFIG_DURATION,
		AT(tcp, idle_ns),
		.min = S,
		.max = HOUR,
		.def = "10s",
		.help = "A connection on which nothing is asked, or nothing of a reply taken, for "
			"this long is closed. Clients that ask are told (RFC 7828).",
	},
	{
		.name = "handshake",
		.type = STELE_CONFIG_DURATION,
		AT(tcp, handshake_ns),
		.min = 100 * MS,
		.max = 5 * MINUTE,
		.def = "5s",
		.help = "For the handshake of TLS, for the first message, and for the rest of a "
			"message that has begun.",
	},
	{
		.name = "transfers",
		.type = STELE_CONFIG_INTEGER,
		AT(tcp, transfers),
		.min = 1,
		/* Each may read the store for as long as its client takes, and the store has 2,046 readers. */
		.max = 1024,
		.def = "32",
		.help = "Transfers out at once; further ones are refused.",
	},
	{0},
};

static const struct stele_config_option tls_options[] = {
	{
		.name = "certificate",
		.type = STELE_CONFIG_PATH,
		AT(tls, certificate),
		.word = "none",
		.def = "none",
		.help = "PEM file of the server's certificate and those between it and its "
			"authority. Read again on reload.",
	},
	{
		.name = "key",
		.type = STELE_CONFIG_PATH,
		AT(tls, key),
		.word = "none",
		.def = "none",
		.help = "PEM file of its key. The `user` must be able to read it.",
	},
	{
		.name = "client_ca",
		.type = STELE_CONFIG_PATH,
		AT(tls, client_ca),
		.word = "none",
		.def = "none",
		.help = "PEM file of the authorities whose certificates are believed of clients; "
			"acls speak of their names. `none`: clients are not asked for one.",
	},
	{0},
};

static const struct stele_config_option answers_options[] = {
	STELE_ANSWERS_OPTIONS,
	{0},
};

/* ---- zones ---- */

static const struct stele_config_option zone_options[] = {
	{
		.name = "name",
		.type = STELE_CONFIG_STRING,
		AT(zone, name),
		.flags = STELE_CONFIG_REQUIRED,
		.min = 1,
		.max = 1020,
		.check = mgmtd_check_name,
		.help = "The zone's name, with or without the last dot.",
	},
	{
		.name = "template",
		.type = STELE_CONFIG_STRING,
		AT(zone, template),
		.min = 1,
		.max = 63,
		.def = "default",
		.check = mgmtd_check_id,
		.help = "Whose options it has.",
	},
	{0},
};

/* ---- metrics, log ---- */

static const struct stele_config_option metrics_options[] = {
	{
		.name = "address",
		.type = STELE_CONFIG_ADDRESS,
		AT(metrics, address),
		.word = "none",
		.def = "none",
		.help = "Address of the HTTP server, one that only those reach who may know. "
			"`none`: there is no such server.",
	},
	{
		.name = "port",
		.type = STELE_CONFIG_INTEGER,
		AT(metrics, port),
		.min = 1,
		.def = "9530",
		.help = "Its port.",
	},
	{
		.name = "health_name",
		.type = STELE_CONFIG_STRING,
		AT(metrics, health_name),
		.word = "auto",
		.min = 1,
		.max = 1020,
		.def = "auto",
		.check = mgmtd_check_name,
		.help = "Name whose SOA `/healthz` asks for. `auto`: the first zone's.",
	},
	{0},
};

static const char *const format_words[] = {
	[STELE_LOG_FORMAT_TEXT] = "text",
	[STELE_LOG_FORMAT_JSON] = "json",
	NULL,
};

static const struct stele_config_option log_options[] = {
	{
		.name = "format",
		.type = STELE_CONFIG_ENUM,
		.words = format_words,
		AT(log, format),
		.def = "text",
		.help = "`json`: each line is an object, with its text and what it speaks of (zone, "
			"serial, peer, key) as members.",
	},
	{
		.name = "audit",
		.type = STELE_CONFIG_BOOL,
		AT(log, audit),
		.def = "true",
		.help = "A line for each change: who, what, which zone, from serial to serial.",
	},
	{0},
};

/* ---- the whole ---- */

static const struct stele_config_option options[] = {
	{
		.name = "store",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, store),
		.def = "/var/lib/stele/store",
		.help = "Directory of the store. Made if it is not there.",
	},
	{
		.name = "image",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, image),
		.def = "/var/lib/stele/current.image",
		.help = "Image that the daemon keeps up to date with the store, answers from, and "
			"has the responder load. Made if it is not there.",
	},
	{
		.name = "state_dir",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, state_dir),
		.def = "/var/lib/stele/mgmtd",
		.help = "Directory in which it is remembered when primaries were reached and which "
			"zones came from catalogs. Made if it is not there.",
	},
	{
		.name = "compiler",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, compiler),
		.word = "auto",
		.def = "auto",
		.help = "The program `stele-compile`. `auto`: the one beside this program, else the "
			"one that `PATH` finds.",
	},
	{
		.name = "responder",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, responder),
		.word = "none",
		.max = STELE_CTL_PATH_MAX,
		.def = "/run/stele/responder.sock",
		.help = "Control socket of the responder on this machine. `none`: there is none, "
			"and the daemon alone answers.",
	},
	{
		.name = "control",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, control),
		.max = STELE_CTL_PATH_MAX,
		.def = "/run/stele/mgmtd.sock",
		.help = "Unix socket for `stelectl`.",
	},
	{
		.name = "user",
		.type = STELE_CONFIG_STRING,
		AT(mgmtd, user),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "stele",
		.help = "User that the daemon becomes once its sockets are open. Store, image and "
			"state must belong to it. `none`: it stays who it is.",
	},
	{
		.name = "keys",
		.type = STELE_CONFIG_PATH,
		AT(mgmtd, keys),
		.word = "none",
		.def = "none",
		.help = "File of TSIG keys: `keys: [{ id: transfer.example., algorithm: "
			"hmac-sha256, secret: … }]`. Only its owner, the `user`, may have access "
			"(mode 0600). Read again on reload.",
	},
	{
		.name = "threads",
		.type = STELE_CONFIG_INTEGER,
		AT(mgmtd, threads),
		.word = "auto",
		.min = 1,
		.max = 256,
		.def = "auto",
		.help = "Threads that answer; each has sockets of its own on every address. `auto`: "
			"one for each core that the daemon may run on.",
	},
	{
		.name = "compile_max",
		.type = STELE_CONFIG_DURATION,
		AT(mgmtd, compile_max_ns),
		.min = S,
		.max = DAY,
		.def = "30m",
		.help = "A compiler that runs longer is taken to hang, ended, and run again.",
	},
	{
		.name = "listen",
		.type = STELE_CONFIG_MAP,
		LIST_AT(mgmtd, listen, STELE_CONFIG_REQUIRED),
		.list_min = 1,
		.list_max = STELE_LISTEN_MAX,
		.options = listen_options,
		.help = "Where queries, transfers, notifications and updates come in. Changes take "
			"effect at the next start.",
	},
	{
		.name = "tcp",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, tcp),
		.options = tcp_options,
		.help = "What connections may cost.",
	},
	{
		.name = "tls",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, tls),
		.options = tls_options,
		.help = "Certificates, for what listens with TLS.",
	},
	{
		.name = "answers",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, answers),
		.options = answers_options,
		.help = "How queries are answered.",
	},
	{
		.name = "cookies",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, cookies),
		.options = stele_cookies_options,
		.help = "DNS cookies. With the responder's secrets both take the same cookies.",
	},
	{
		.name = "rrl",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, rrl),
		.options = stele_rrl_options,
		.help = "Limits for replies over UDP, where no responder stands in front. Replies to one "
			"prefix are counted by each thread on its own and by class; the rates are "
			"those of all threads together, at most 100000 for each (`threads: auto` "
			"counts as one).",
	},
	{
		.name = "remotes",
		.type = STELE_CONFIG_MAP,
		LIST_AT(mgmtd, remotes, 0),
		.list_max = STELE_REMOTES_MAX,
		.options = mgmtd_remote_options,
		.help = "Other servers: primaries, and those that are told of changes.",
	},
	{
		.name = "acls",
		.type = STELE_CONFIG_MAP,
		LIST_AT(mgmtd, acls, 0),
		.list_max = STELE_ACLS_MAX,
		.options = mgmtd_acl_options,
		.help = "Who may do what. A client fits if it fits all that is given. Of a template's "
			"list the first that fits decides; nobody else may.",
	},
	{
		.name = "update_policies",
		.type = STELE_CONFIG_MAP,
		LIST_AT(mgmtd, update_policies, 0),
		.list_max = STELE_ACLS_MAX,
		.options = mgmtd_policy_options,
		.help = "Which records may be changed by updates.",
	},
	{
		.name = "templates",
		.type = STELE_CONFIG_MAP,
		LIST_AT(mgmtd, templates, 0),
		.list_max = STELE_TEMPLATES_MAX,
		.options = mgmtd_template_options,
		.help = "Options of zones. One called `default` is there even if it is not given; it "
			"is for zones of the store that stand nowhere in this file, too, but without "
			"its `primaries`.",
	},
	{
		.name = "zones",
		.type = STELE_CONFIG_MAP,
		LIST_AT(mgmtd, zones, 0),
		.list_max = STELE_ZONES_MAX,
		.options = zone_options,
		.help = "Zones, besides those of the store and of catalogs.",
	},
	{
		.name = "metrics",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, metrics),
		.options = metrics_options,
		.help = "`/metrics` in Prometheus' text format, and `/healthz`, over HTTP.",
	},
	{
		.name = "log",
		.type = STELE_CONFIG_MAP,
		AT(mgmtd, log),
		.options = log_options,
		.help = "What the daemon writes on standard error.",
	},
	{0},
};

const struct stele_config_schema stele_mgmtd_schema = {
	.program = "stele-mgmtd",
	.about = "The daemon: everything that is not a plain UDP query. "
		 "[config/mgmtd.example.yaml](../config/mgmtd.example.yaml) is a configuration to "
		 "begin with.",
	.options = options,
	.root_sz = sizeof(struct stele_mgmtd_config),
	.finish = mgmtd_check_whole,
};

int stele_mgmtd_config_load(const char *path, const struct stele_mgmtd_config **ret_config,
			    struct stele_config_faults *faults, struct stele_error *reterr)
{
	struct stele_config *owner;
	int status = stele_config_load(path, &stele_mgmtd_schema, &owner, faults, reterr);
	if (status == 0)
		*ret_config = stele_config_root(owner);
	return status;
}

void stele_mgmtd_config_hold(const struct stele_mgmtd_config *config)
{
	atomic_fetch_add_explicit(config->holder_cnt, 1, memory_order_relaxed);
}

void stele_mgmtd_config_release(const struct stele_mgmtd_config *config)
{
	if (config != NULL &&
	    atomic_fetch_sub_explicit(config->holder_cnt, 1, memory_order_acq_rel) == 1)
		stele_config_free(config->owner);
}
