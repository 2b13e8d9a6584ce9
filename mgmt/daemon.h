/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_DAEMON_H
#define STELE_MGMT_DAEMON_H

/*
 * The daemon as a whole: what its parts need of one another. main.c makes it; everything in it
 * belongs to the main loop unless its own header says otherwise.
 *
 * A change goes this way, whatever made it (a transfer, an update, another process):
 *
 *   commit → stele_daemon_store_changed() → zones learn their serials → the publisher is told,
 *   secondaries are notified, catalogs are read → served → whoever waits is told
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

struct stele_daemon {
	const char *config_path;
	const struct stele_mgmtd_config *config; /* held */
	struct stele_tsig_keys *keys;            /* held; NULL: none */
	struct stele_loop *main;
	struct stele_store *store;
	struct stele_committer *committer;
	struct stele_images *images;
	struct stele_publisher *publisher;
	struct stele_zones *zones;
	struct stele_zone_states *states;
	struct stele_notify *notify;
	struct stele_service *service;
	struct stele_ctl_server *control;
	struct stele_metrics *metrics;
	struct stele_daemon_counters counters; /* any thread */
	uint64_t generation;                   /* of the store, as far as zones know */
	time_t started_at;
};

/* The store has reached `generation` with a change of this process, or perhaps of another one:
 * brings zones, publisher, notifies and catalogs up to date. In the main loop. */
void stele_daemon_store_changed(struct stele_daemon *daemon, uint64_t generation);

/* Makes zones as the configuration (a new one after a reload) and the catalogs say. */
int stele_daemon_sync_zones(struct stele_daemon *daemon, struct stele_error *reterr);

/* Reads the configuration again; what is wrong with it changes nothing. */
int stele_daemon_reload(struct stele_daemon *daemon, struct stele_error *reterr);

#endif
