/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CONFIG_CONFIG_H
#define STELE_MGMT_CONFIG_CONFIG_H

/*
 * The daemon's configuration: what its YAML says, as plain values. docs/configuration.md explains
 * each option; it is printed from the tables in this folder.
 *
 * Zones take their options from a template, the one called "default" unless they name another, and
 * have nothing of their own besides: ten thousand zones are ten thousand names. A zone of
 * the store that no configuration and no catalog names is served as the template "default" says,
 * without primaries.
 *
 * References (of a zone to a template, of a template to remotes) are by id in the file and by
 * pointer here. A loaded configuration never changes; who uses it holds it.
 */

#include "lib/config/config.h"
#include "lib/dns/name.h"
#include "lib/serving/options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Too few, and a hosting company needs two daemons; each takes some 200 bytes while the file is read. */
#define STELE_ZONES_MAX 300000
#define STELE_TEMPLATES_MAX 1024
#define STELE_REMOTES_MAX 1024
#define STELE_ACLS_MAX 1024
#define STELE_LISTEN_MAX 64

struct stele_listen_config {
	struct stele_config_address address;
	uint16_t port;
	bool tls; /* TCP with TLS only; else UDP and TCP */
};

struct stele_tcp_config {
	uint32_t connections;            /* in all */
	uint32_t connections_per_client; /* of one address, or one IPv6 /64 */
	uint32_t pipeline;               /* queries of one connection that are worked on */
	uint64_t idle_ns;                /* nothing asked, or nothing of a reply taken */
	uint64_t handshake_ns;           /* half open, or half a message */
	uint32_t transfers;              /* out, in all, at once */
};

struct stele_tls_config {
	const char *certificate, *key; /* PEM files; NULL: no TLS in */
	const char *client_ca; /* certificates of clients must come from it; NULL: not asked for */
};

struct stele_remote_tls_config {
	bool enabled;
	const char *name; /* that its certificate must have; NULL: the address */
	const char *ca;   /* PEM file; NULL: the system's */
	STELE_CONFIG_LIST(const char *) pins; /* SHA-256 of its public key, base64; instead of ca */
	const char *certificate, *key;        /* ours, for mutual TLS; or NULL */
};

/* Another server: a primary, or one to notify. */
struct stele_remote_config {
	const char *id;
	STELE_CONFIG_LIST(struct stele_config_address) addresses; /* tried in this order */
	uint16_t port;                                            /* 0: 53, or 853 with TLS */
	uint16_t notify_port; /* of UDP; 0: `port`, over TLS where that is spoken */
	/* Family 0: the kernel chooses, as it does for addresses of the other family. */
	struct stele_config_address source;
	const char *key; /* TSIG key's id; NULL: none */
	struct stele_remote_tls_config tls;

	/* Derived. */
	const uint8_t *key_name; /* `key` in wire format, lower case; NULL where it is */
	uint16_t connect_port;   /* `port`, or what it stands for */
	uint16_t told_port;      /* where NOTIFY goes */
	bool is_told_by_tls;
};

enum stele_access {
	STELE_ACCESS_TRANSFER,
	STELE_ACCESS_NOTIFY,
	STELE_ACCESS_UPDATE,
	STELE_ACCESS_CNT,
};

/*
 * Who may do what. A client matches if one of `prefixes` has its address (empty: any), one of
 * `keys` signed (empty: any or none), and one of `tls_names` is a name of its verified certificate
 * (empty: any or none).
 */
struct stele_acl_config {
	const char *id;
	STELE_CONFIG_LIST(struct stele_config_prefix) prefixes;
	STELE_CONFIG_LIST(const char *) keys;
	STELE_CONFIG_LIST(const char *) tls_names;
	bool deny; /* a match refuses; the first match of a list decides */

	/* Derived: `keys` as names in wire format, lower case. */
	STELE_CONFIG_LIST(const uint8_t *) key_names;
};

enum stele_update_match {
	STELE_MATCH_NAME,      /* the owner is `name` */
	STELE_MATCH_SUBDOMAIN, /* it is `name` or below */
	STELE_MATCH_WILDCARD,  /* it matches `name`, of which the first label is * */
	STELE_MATCH_SELF,      /* it is the name of the key */
	STELE_MATCH_SELFSUB,   /* it is the name of the key or below */
	STELE_MATCH_ZONE,      /* any name of the zone */
};

struct stele_update_rule_config {
	bool deny;
	STELE_CONFIG_LIST(const char *) keys; /* empty: any key */
	enum stele_update_match match;
	const char *name; /* NULL where `match` needs none */
	STELE_CONFIG_LIST(const char *)
	types; /* empty: all but SOA, NS, DNSKEY, RRSIG, NSEC,
						* NSEC3, NSEC3PARAM */

	/* Derived: the same in wire format, lower case, and as numbers. */
	STELE_CONFIG_LIST(const uint8_t *) key_names;
	const uint8_t *match_name; /* NULL where `name` is */
	STELE_CONFIG_LIST(uint16_t) type_codes;
};

/* The first rule that matches decides; none: refused. */
struct stele_update_policy_config {
	const char *id;
	STELE_CONFIG_LIST(struct stele_update_rule_config) rules;
};

enum stele_zonemd_mode {
	STELE_ZONEMD_IGNORE,
	STELE_ZONEMD_IF_PRESENT, /* one that is there must verify */
	STELE_ZONEMD_REQUIRED,
};

enum stele_catalog_role {
	STELE_CATALOG_NONE,
	STELE_CATALOG_CONSUMER, /* its members become zones here */
	STELE_CATALOG_PRODUCER, /* made here, of the zones that name it */
};

struct stele_template_config {
	const char *id;
	STELE_CONFIG_LIST(const char *) primaries; /* remotes, in order; empty: we are primary */
	STELE_CONFIG_LIST(const char *) notify;    /* remotes */
	STELE_CONFIG_LIST(const char *) allow_transfer; /* acls */
	STELE_CONFIG_LIST(const char *) allow_notify;   /* acls, besides the primaries */
	STELE_CONFIG_LIST(const char *) allow_update;   /* acls; empty: nobody */
	const char *update_policy;                      /* NULL: all of allow_update may all */
	bool forward_updates;                           /* to the primary */
	bool ixfr_in, ixfr_out;
	enum stele_zonemd_mode zonemd;
	uint64_t refresh_min_ns, refresh_max_ns, retry_min_ns, retry_max_ns;
	uint64_t transfer_max_sz; /* bytes on the wire */
	uint64_t transfer_max_ns;
	enum stele_catalog_role catalog;
	const char *catalog_template; /* consumer: of members without a known group */
	STELE_CONFIG_LIST(struct stele_config_pair) catalog_groups; /* see catalog.h */
	const char *catalog_zone;  /* the producer's zone that this zone is listed in; NULL: none */
	const char *catalog_group; /* with this group; NULL: none */

	/* Derived. */
	STELE_CONFIG_LIST(const struct stele_remote_config *) primary_remotes;
	STELE_CONFIG_LIST(const struct stele_remote_config *) notify_remotes;
	STELE_CONFIG_LIST(const struct stele_acl_config *) acls[STELE_ACCESS_CNT];
	const struct stele_update_policy_config *policy; /* NULL: none */
	bool has_primaries;
	const struct stele_template_config *member_options; /* `catalog_template` */
	/* Of each of `catalog_groups`, in their order. */
	STELE_CONFIG_LIST(const struct stele_template_config *) group_options;
	const struct stele_zone_config *producer; /* `catalog_zone` */
};

/* Longest names of catalogs, in wire format: there has to be room for version.CATALOG in one that is read, and in
 * one that is written for group.UNIQUE.zones.CATALOG, where UNIQUE has 32 digits. */
#define STELE_CATALOG_CONSUMED_MAX (STELE_NAME_MAX - 8)
#define STELE_CATALOG_PRODUCED_MAX (STELE_NAME_MAX - 6 - 33 - 6)

struct stele_zone_config {
	const char *name;
	const char *template;

	/* Derived. */
	uint8_t apex[STELE_NAME_MAX];
	uint8_t apex_len;
	const struct stele_template_config *options; /* never NULL */
};

enum stele_log_format { STELE_LOG_FORMAT_TEXT, STELE_LOG_FORMAT_JSON };

struct stele_log_config {
	enum stele_log_format format;
	bool audit; /* a line for each change */
};

struct stele_metrics_config {
	struct stele_config_address address; /* family 0: off */
	uint16_t port;
	const char *health_name; /* asked of the data plane by /healthz; NULL: an apex */
};

struct stele_mgmtd_config {
	const char *store;     /* directory */
	const char *image;     /* path; made if it is not there */
	const char *state_dir; /* what the daemon remembers of zones */
	const char *compiler;  /* path; NULL: stele-compile beside this program */
	const char *responder; /* its control socket; NULL: none */
	const char *control;   /* our control socket */
	const char *user;      /* to become; NULL: stay */
	const char *keys;      /* file of TSIG keys; NULL: none */
	uint16_t threads;      /* service loops; 0: one for each core */
	uint64_t compile_max_ns;
	STELE_CONFIG_LIST(struct stele_listen_config) listen;
	struct stele_tcp_config tcp;
	struct stele_tls_config tls;
	struct stele_answers_config answers;
	struct stele_cookies_config cookies;
	struct stele_rrl_config rrl;
	STELE_CONFIG_LIST(struct stele_remote_config) remotes;
	STELE_CONFIG_LIST(struct stele_acl_config) acls;
	STELE_CONFIG_LIST(struct stele_update_policy_config) update_policies;
	STELE_CONFIG_LIST(struct stele_template_config) templates;
	STELE_CONFIG_LIST(struct stele_zone_config) zones;
	struct stele_metrics_config metrics;
	struct stele_log_config log;

	/* Derived: "default", as given or as the defaults have it. */
	const struct stele_template_config *default_template;
	/* Of a zone of the store that is not configured: the same without primaries, and without
	 * updates where it has some, which those would have had to judge. */
	const struct stele_template_config *stray_template;

	/* All memory that is pointed to, and who holds it. */
	struct stele_config *owner;
	atomic_uint *holder_cnt;
};

/* As stele_config_load(). The result is held once. Whether files, users and keys exist is not looked
 * at: that is known only where and when the daemon starts. */
int stele_mgmtd_config_load(const char *path, const struct stele_mgmtd_config **ret_config,
			    struct stele_config_faults *faults, struct stele_error *reterr);

/* Holding and letting go: any thread. The last one frees it. */
void stele_mgmtd_config_hold(const struct stele_mgmtd_config *config);
void stele_mgmtd_config_release(const struct stele_mgmtd_config *config); /* NULL is fine */

/* The options of a member of a catalog with these options, by its group; NULL: it has none. */
const struct stele_template_config *
stele_mgmtd_member_options(const struct stele_template_config *catalog, const char *group);

/* Whether two templates, of one configuration or two, get their zones from the same places in the same
 * way. */
bool stele_mgmtd_same_primaries(const struct stele_template_config *a,
				const struct stele_template_config *b);

extern const struct stele_config_schema stele_mgmtd_schema;

#endif
