/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CTL_SOCKET_H
#define STELE_LIB_CTL_SOCKET_H

/* The listening socket: made, guarded, removed. For the code of this folder. */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct stele_ctl_listener {
	int fd, lock_fd;
	uint64_t device, inode; /* of the socket's file */
	char *path;
};

/* As stele_ctl_server_new(). The socket does not block. */
int stele_ctl_listen(const char *path, gid_t group, struct stele_ctl_listener *ret_listener,
		     struct stele_error *reterr);
void stele_ctl_unlisten(struct stele_ctl_listener *listener);

/* Who is at the other end of an accepted connection, and whether they may be there. */
bool stele_ctl_peer(int sock, gid_t group, uid_t *ret_uid, pid_t *ret_pid);

/* Room in a socket for a whole message. */
void stele_ctl_make_room(int sock);

#endif
