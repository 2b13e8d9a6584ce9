/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_ZONES_ZONES_H
#define STELE_MGMT_ZONES_ZONES_H

/*
 * The zones that the daemon looks after, and what it knows of each.
 *
 * The main loop owns the table. Service loops look up a zone's options for access checks, under a
 * lock that the main loop takes only to change who is in it or with which options; all other members
 * of a zone are for the main loop alone. What must outlive a restart (when the primary was last
 * reached) is remembered by state.h; what a zone holds stands in the store.
 */

#include "lib/store/store.h"
#include "mgmt/config/config.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The timers of a SOA (RFC 1035 section 3.3.13), seconds. */
struct stele_soa_timers {
	uint32_t refresh, retry, expire, minimum;
};

struct stele_managed_zone {
	uint8_t apex[STELE_NAME_MAX]; /* lower case */
	uint8_t apex_len;
	char *name; /* as text, with the last dot */

	/* Under the table's lock. */
	const struct stele_template_config *options;
	const struct stele_mgmtd_config *config; /* that `options` belongs to; held */
	bool from_catalog; /* a member; `catalog` is the apex of the catalog */
	uint8_t catalog[STELE_NAME_MAX];
	/* The member's node in the catalog, <unique>.zones.<catalog> (RFC 9432 section 4.1). */
	uint8_t catalog_unique[STELE_NAME_MAX];
	char *catalog_group; /* malloc'ed; NULL: none */

	/* The store, as of the last commit that the main loop heard of. */
	bool loaded;      /* it holds the zone's data, not only a stub */
	bool expired;     /* answered with SERVFAIL */
	bool transferred; /* the data came from a primary */
	uint32_t id;      /* set by stele_zones_set_id(); 0: not in the store */
	uint32_t serial;
	uint64_t generation;
	uint64_t rr_cnt;
	struct stele_soa_timers soa;

	/* What is served by every core and by us. */
	bool served;
	uint32_t served_serial;
	bool unserved; /* it stands in the daemon's list of zones with changes that are not served yet */
	bool notify_due;    /* its secondaries are to be told once they are */
	bool notify_failed; /* once they were, to tell them could not even begin */
	struct stele_managed_zone *next_unserved, **unserved_link; /* what points to it there */

	/* Of a secondary (RFC 1034 section 4.3.5). Times are seconds since 1970, 0: never. */
	bool primary_serial_known;
	uint32_t primary_serial;
	time_t refreshed_at;       /* the primary last said, or proved, that we are up to date */
	time_t next_refresh_at;    /* when it is asked again */
	_Atomic time_t expires_at; /* service loops read it too */
	uint32_t expire_s;         /* in force: the SOA's or what RFC 7314 allows */
	unsigned retry_cnt;        /* failures in a row */
	char *last_error;          /* of the last try; NULL: none. free() */
	time_t last_error_at;
	uint64_t transfer_cnt, transfer_failed_cnt, notify_in_cnt, update_cnt, update_failed_cnt;

	bool configured;     /* the configuration names it */
	bool wanted;         /* while zones are brought in line with the configuration */
	bool catalog_due;    /* its data is to be read as a catalog */
	bool catalog_failed; /* it was, but that could not even begin */

	/* Owned by transfer/, notify/, catalog/: NULL where there is none. */
	struct stele_refresh *refresh;
	struct stele_notify_out *notify_out;
	struct stele_catalog *catalog_state;
};

struct stele_zones;

/* An empty table. STELE_E_SYSTEM. */
int stele_zones_new(struct stele_zones **ret_zones, struct stele_error *reterr);
void stele_zones_free(struct stele_zones *zones); /* NULL is fine */

/* ---- the main loop ---- */

/* Adds a zone that is not there yet; holds `config`. STELE_E_USAGE if it is there, STELE_E_SYSTEM. */
int stele_zones_add(struct stele_zones *zones, const uint8_t *apex,
		    const struct stele_mgmtd_config *config,
		    const struct stele_template_config *options,
		    struct stele_managed_zone **ret_zone, struct stele_error *reterr);
/* Takes it out and frees it; `refresh` and the other owned members must be gone. */
void stele_zones_remove(struct stele_zones *zones, struct stele_managed_zone *zone);
/* Other options, after a reload. */
void stele_zones_set_options(struct stele_zones *zones, struct stele_managed_zone *zone,
			     const struct stele_mgmtd_config *config,
			     const struct stele_template_config *options);
/* NULL if it is not there. `apex` in lower case. */
struct stele_managed_zone *stele_zones_find(const struct stele_zones *zones, const uint8_t *apex);
size_t stele_zones_cnt(const struct stele_zones *zones);
/* In canonical order; `index` below the count. To add or remove a zone may change the places of others,
 * those before it excepted: who removes some goes from the end to the beginning. */
struct stele_managed_zone *stele_zones_at(const struct stele_zones *zones, size_t index);
/* What stele_zones_by_id() finds it by; 0: nothing. */
void stele_zones_set_id(struct stele_zones *zones, struct stele_managed_zone *zone, uint32_t id);
/* The zone that has this id in the store; NULL. */
struct stele_managed_zone *stele_zones_by_id(const struct stele_zones *zones, uint32_t id);

/* Another number whenever a zone came, went, or got other options; never 0. */
uint64_t stele_zones_version(const struct stele_zones *zones);

/* Keeps a text as the zone's last error (NULL: it went well). */
void stele_zone_set_error(struct stele_managed_zone *zone, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- any thread ---- */

/* Who asks. */
struct stele_peer {
	struct stele_config_address address;
	uint16_t port;
	const uint8_t *key;           /* the name of the key that signed, wire format; NULL: none */
	const char *const *tls_names; /* of its verified certificate; NULL: none */
	size_t tls_name_cnt;
};

enum stele_access_verdict {
	STELE_ACCESS_NO_ZONE, /* we have none of this name */
	STELE_ACCESS_REFUSED,
	STELE_ACCESS_GRANTED,
};

/*
 * Whether `peer` may do this with the zone. The first acl of the list that fits decides. NOTIFY is granted
 * to the addresses of primaries too, unless an acl refuses them: it makes us ask, and nothing else.
 */
enum stele_access_verdict stele_zones_access(const struct stele_zones *zones, const uint8_t *apex,
					     enum stele_access access,
					     const struct stele_peer *peer);

/* The options of a zone, with the configuration held that they belong to; false if there is no such
 * zone. The caller releases `*ret_config`. */
bool stele_zones_options(const struct stele_zones *zones, const uint8_t *apex,
			 const struct stele_template_config **ret_options,
			 const struct stele_mgmtd_config **ret_config);

/* When the zone, a secondary's, expires unless its primary confirms it: seconds since 1970, 0 if that is
 * not known, or there is no such zone. */
time_t stele_zones_expires_at(const struct stele_zones *zones, const uint8_t *apex);

#endif
