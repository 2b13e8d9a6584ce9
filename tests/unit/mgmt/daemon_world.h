/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_MGMT_DAEMON_WORLD_H
#define STELE_TESTS_UNIT_MGMT_DAEMON_WORLD_H

/*
 * A directory in which the daemon as a whole is started and stopped within a test, without a compiler and without a
 * responder. Nobody runs its main loop: what is posted at the start is done at the end, in order.
 */

#include "mgmt/daemon.h"

/* Of cmocka: make the directory, and remove it. `*state` is not used. */
int daemon_world_begin(void **state);
int daemon_world_end(void **state);
#define TEST(function)                                                                             \
	cmocka_unit_test_setup_teardown(function, daemon_world_begin, daemon_world_end)

/* Its path, and of something in it; good until the next call. */
const char *daemon_world_dir(void);
const char *daemon_world_path(const char *name);

/* A port of 127.0.0.1 that is free for UDP and for TCP. */
unsigned daemon_world_port(void);

/* Puts a zone with three owners beside the apex, and serial 1, into the store. No daemon must run. */
void daemon_world_put_zone(const uint8_t *apex);
/* The zone in the file `zone` of the directory goes into the store, by a `compiler` in a process of its own. */
void daemon_world_import(const char *compiler, const char *zone);

/* Starts a daemon with these options of the configuration, each line of them with a comma behind it. There is
 * a remote `p`, at whose address nobody answers. */
void daemon_world_start(struct stele_daemon *daemon, const char *options);

/* Has it read other options. */
void daemon_world_reload(struct stele_daemon *daemon, const char *options);

/* Takes all readers of the daemon's store, so that nobody can read it; gives them back. */
void daemon_world_hold_readers(struct stele_daemon *daemon);
void daemon_world_release_readers(void);

/* As if the disk were full: nothing can be written to any file; and as before. */
void daemon_world_fill_disk(void);
void daemon_world_empty_disk(void);

/* Rows in the directory of states; of those, members of catalogs. The daemon must not run. */
struct daemon_world_rows {
	unsigned cnt, member_cnt;
};
struct daemon_world_rows daemon_world_rows(void);

#endif
