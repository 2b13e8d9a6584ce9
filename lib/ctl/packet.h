/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CTL_PACKET_H
#define STELE_LIB_CTL_PACKET_H

/* One packet with at most one descriptor, in and out. For the code of this folder. */

#include <stdbool.h>
#include <stddef.h>

struct stele_ctl_packet {
	size_t len;
	int fd;        /* -1: none; else the caller's, close-on-exec */
	bool too_long; /* it did not fit; what came is no use */
	bool too_many; /* descriptors; all of them are closed */
	bool lost;     /* a descriptor: this process has as many as it may */
};

/* 1 with a packet, 0 if the other side has closed (or sent an empty one), -errno. Does not block. */
int stele_ctl_packet_recv(int sock, char *bytes, size_t max, struct stele_ctl_packet *ret_packet);

/* 0 or -errno: -EAGAIN if there is no room now. Does not block, raises no SIGPIPE. */
int stele_ctl_packet_send(int sock, const char *bytes, size_t len, int fd);

#endif
