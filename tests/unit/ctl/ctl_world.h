/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_CTL_CTL_WORLD_H
#define STELE_TESTS_UNIT_CTL_CTL_WORLD_H

/*
 * A server of a few operations at a socket in a folder of its own, run by a thread, and clients of it. Functions fail
 * the test.
 *
 * "echo" gives back text and number, "fail" refuses as it is told, "inode" looks at a descriptor, "later" takes some
 * rounds, "big" says as much as is wanted.
 */

#include "lib/ctl/ctl.h"

#include <stdbool.h>
#include <stddef.h>

struct CMUnitTest;

extern char ctl_dir[64], ctl_path[96],
	ctl_lock_path[112]; /* the folder; the socket, and its lock */
extern const struct stele_ctl_op ctl_ops[];
extern int ctl_kept_fd;       /* that "inode" was told to keep; -1: none */
extern unsigned ctl_step_cnt; /* of the server */

/* Makes the folder; false if that fails. It goes with ctl_world_end(). */
bool ctl_world_begin(void);
void ctl_world_end(void);

int ctl_new_server(uint32_t idle_ms, gid_t group, struct stele_ctl_server **ret_server,
		   struct stele_error *err);
void ctl_start_server(uint32_t idle_ms, gid_t group);
/* Of cmocka: a server with the defaults, and its end, after which its socket must be gone. */
int ctl_start(void **state);
int ctl_end(void **state);

struct stele_ctl_client *ctl_must_connect(void);
/* The response to a request given as text; NULL with the status after a refusal. */
json_t *ctl_ask(struct stele_ctl_client *client, const char *request, int fd, int *ret_status,
		struct stele_error *ret_err);
void ctl_assert_refused(struct stele_ctl_client *client, const char *request, int fd, int expected,
			const char *words);
void ctl_assert_works(struct stele_ctl_client *client);
/* Another client is served, whatever the one before did. */
void ctl_assert_alive(void);

/* A socket without the library; -1 if nobody lets it in. */
int ctl_raw_connect(void);
/* The response to bytes as they are, NULL if the server closed. */
json_t *ctl_raw_ask(int sock, const char *bytes, size_t len);
int ctl_send_fds(int sock, const char *bytes, const int *fds, size_t cnt);

unsigned ctl_open_fd_cnt(void);
/* Descriptors that the server holds go when it has seen the end of a connection. */
void ctl_assert_fd_cnt(unsigned expected);

#endif
