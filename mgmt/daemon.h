/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_DAEMON_H
#define STELE_MGMT_DAEMON_H

/*
 * The daemon as a whole: what its parts need of one another. main.c makes it; everything in it
 * belongs to the main loop unless its own header says otherwise.
 *
 * A change goes this way, whatever made it (a transfer, an update, another process):
 *
 *   commit → stele_daemon_store_changed() → zones learn their serials, catalogs are read → the publisher
 *   makes it served → stele_daemon_served() → secondaries are notified, whoever waits is told
 *
 * Secondaries are told last, since they ask for the SOA, which is answered from what is served.
 */

#include "lib/store/store.h"
#include "lib/tsig/keys.h"
#include "mgmt/commit/commit.h"
#include "mgmt/config/config.h"
#include "mgmt/counters.h"
#include "mgmt/loop/loop.h"
#include "mgmt/publish/publish.h"
#include "mgmt/service/service.h"
#include "mgmt/zones/state.h"
#include "mgmt/zones/zones.h"

struct stele_daemon_work;

struct stele_daemon {
	const char *config_path;
	const struct stele_mgmtd_config *config; /* held */
	/* Held: that of the start, of which `listen` and paths are in force. */
	const struct stele_mgmtd_config *started;
	struct stele_tsig_keys *keys; /* held; NULL: none */
	struct stele_loop *main;
	struct stele_store *store;
	struct stele_committer *committer;
	struct stele_images *images;
	struct stele_publisher *publisher;
	struct stele_zones *zones;
	struct stele_zone_states *states;
	struct stele_refreshes *refreshes; /* transfer/'s own; NULL while there is no secondary */
	struct stele_notify *notify;
	struct stele_service *service;
	struct stele_daemon_control *control;
	struct stele_metrics *metrics;
	struct stele_daemon_counters counters; /* any thread */
	uint64_t generation;                   /* of the store, as far as zones know */
	time_t started_at;

	/* life.c's */
	struct event *events[4]; /* signals, then the tick */
	char *compiler;          /* path */
	bool awake;              /* zones may be asked for: all parts are there */
	bool holds; /* nothing is published before the store has all zones; see wake() */

	/* changes.c's: zones with changes that are not served yet. */
	struct stele_managed_zone *unserved;
	bool catalogs_due;    /* some zone's catalog_due is set */
	bool catalogs_failed; /* some zone's catalog_failed is set */
	bool stray_left;      /* a zone that may have been in the way of a catalog's member */
	bool notifies_failed; /* some zone's notify_failed is set */

	/* update/'s: what is being passed on to primaries; NULL before the first. */
	struct stele_update_forwards *forwards;

	/* catalog/'s: of the table of zones, when catalogs were last made of it; 0: not yet, or it failed */
	uint64_t catalogs_version;

	/* work.c's: what is still to be submitted. */
	struct stele_daemon_work *work;
	struct stele_task flush;
	bool flush_posted;
	struct stele_daemon_work *failed_work;
};

/* ---- life.c ---- */

/* Looks at what the configuration names: the user, whom it becomes, keys, certificates, secrets, the compiler. Logs
 * each fault; the status of the first, or 0. */
int stele_daemon_check(const struct stele_mgmtd_config *config);

/*
 * Makes all parts and begins to answer. `config` is held by the caller as long as this lasts. On
 * failure everything is taken down again.
 */
int stele_daemon_start(struct stele_daemon *daemon, const struct stele_mgmtd_config *config,
		       const char *config_path, struct stele_error *reterr);

/* Runs until SIGTERM or SIGINT. */
void stele_daemon_run(struct stele_daemon *daemon);

/* Ends all parts in order: what was acknowledged is on disk. */
void stele_daemon_stop(struct stele_daemon *daemon);

/* Reads the configuration again; what is wrong with it changes nothing. */
int stele_daemon_reload(struct stele_daemon *daemon, struct stele_error *reterr);

/* ---- zones (sync.c) ---- */

/*
 * Makes zones as the configuration (a new one after a reload) and what is remembered of catalogs say.
 * What is in the store and nowhere else is a zone too.
 *
 * A zone that has left the configuration: if it came from primaries, its data goes, for it can come again.
 * Our own data is never removed by an edit of a file: the zone stays, with the template "default", until
 * somebody removes it (`stele-compile remove`).
 */
int stele_daemon_sync_zones(struct stele_daemon *daemon, struct stele_error *reterr);

/*
 * Makes one zone more, of a catalog, say: recalls its state, sees to a stub in the store where there is
 * no data yet, asks its primaries. The caller may fill in its catalog afterwards, and then notes its
 * state. STELE_E_USAGE if it is there already.
 */
int stele_daemon_zone_add(struct stele_daemon *daemon, const uint8_t *apex,
			  const struct stele_mgmtd_config *config,
			  const struct stele_template_config *options,
			  struct stele_managed_zone **ret_zone, struct stele_error *reterr);

/* Ends all that is under way with it and takes it out of the table. `with_data`: its data is removed from the
 * store, and then its state is forgotten; else that is forgotten at once. */
void stele_daemon_zone_remove(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			      bool with_data);

/* Gives it other options: as removing and adding, but what it holds and knows stays. */
void stele_daemon_zone_set_options(struct stele_daemon *daemon, struct stele_managed_zone *zone,
				   const struct stele_mgmtd_config *config,
				   const struct stele_template_config *options);

/* ---- changes.c ---- */

/* The store has reached `generation` with a change of this process, or perhaps of another one:
 * brings zones, publisher, notifies and catalogs up to date. Once the daemon ends it does nothing: the next start
 * sees to it. In the main loop. */
void stele_daemon_store_changed(struct stele_daemon *daemon, uint64_t generation);

/* What was held back at the start (`holds`) is published. Does nothing afterwards. In the main loop. */
void stele_daemon_release(struct stele_daemon *daemon);

/* The publisher's word: every core serves this image, whose generation may be later than any that we have seen. */
void stele_daemon_served(void *daemon, const struct stele_mapped_image *image);

/* A zone that leaves the table must not stand in the list. */
void stele_daemon_forget_unserved(struct stele_daemon *daemon, struct stele_managed_zone *zone);

/* ---- work.c: small changes of the store that are the daemon's own ---- */

enum stele_daemon_work_kind {
	STELE_WORK_STUB,   /* if there is no such zone */
	STELE_WORK_REMOVE, /* if there is */
	STELE_WORK_OURS,   /* the zone is ours now: not expired, not transferred */
};

/* To be committed soon, all that come meanwhile together, in their order. Failures are logged, and tried
 * again a second later. */
void stele_daemon_work(struct stele_daemon *daemon, enum stele_daemon_work_kind kind,
		       const uint8_t *apex);

#endif
