/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_CATALOG_CATALOG_H
#define STELE_MGMT_CATALOG_CATALOG_H

/*
 * Catalog zones (RFC 9432), version 2, as consumer and as producer.
 *
 * A consumer reads a catalog whenever it changes and makes its members zones of this
 * daemon: new ones with the template of their group, or `catalog_template`. A member that left is
 * removed, with its data. One that moved by `coo` keeps its data; a member whose unique label
 * changed is reset (section 5.6). A member that cannot be added is reported with the reason.
 *
 * A producer's catalog is written by the daemon from the zones whose template names it.
 */

#include "mgmt/daemon.h"

/* The zone has changed, and its template says that it is a catalog. Main loop. */
int stele_catalog_changed(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			  struct stele_error *reterr);
/* It is not a catalog any more, or is about to go: its members go. */
void stele_catalog_end(struct stele_daemon *daemon, struct stele_managed_zone *zone);

/* The zone goes, or the daemon ends: frees catalog_state; members stay what they are. */
void stele_catalog_free(struct stele_managed_zone *zone);

/* Zones came, went, or changed their template: producers' catalogs are written anew if they differ. */
int stele_catalog_produce(struct stele_daemon *daemon, struct stele_error *reterr);

/* What was in the way of members may be gone: catalogs that have such are read again, soon. */
void stele_catalog_look_again(struct stele_daemon *daemon);

/* Members that could not be added, with the reason; of a broken catalog its own name. `each` gets texts. */
void stele_catalog_problems(const struct stele_managed_zone *zone,
			    void (*each)(void *user, const char *member, const char *reason),
			    void *user);

#endif
