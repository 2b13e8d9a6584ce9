/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_INTERNAL_H
#define STELE_MGMT_INTERNAL_H

/* What only the files of the daemon as a whole need of one another. */

#include "mgmt/daemon.h"

/* Reads catalogs that are due. */
void stele_daemon_read_catalogs(struct stele_daemon *daemon);

/* And those that could not be read when they were, for want of memory or of a reader. */
void stele_daemon_catalogs_again(struct stele_daemon *daemon);

/* Writes those that are made here, where they are not what they ought to be; does nothing if no zone has
 * come, gone or got another template since, and all went well. */
void stele_daemon_write_catalogs(struct stele_daemon *daemon);

/* All parts are there now: stubs for zones that the store has not, and primaries are asked. */
void stele_daemon_begin_refreshes(struct stele_daemon *daemon);

/* A zone without primaries cannot expire, and its data cannot come again: the flags from the time when it had some
 * are taken away. Does nothing if none is set, or if neither the configuration nor a catalog says that the zone
 * is ours. */
void stele_daemon_make_ours(struct stele_daemon *daemon, const struct stele_managed_zone *zone);

/* What failed is tried again, as far as it still makes sense. */
void stele_daemon_work_again(struct stele_daemon *daemon);

/* Secondaries are told that could not be when a change was served, for want of memory or of a reader. */
void stele_daemon_notify_again(struct stele_daemon *daemon);

/* What was not submitted will not be. */
void stele_daemon_work_drop(struct stele_daemon *daemon);

#endif
