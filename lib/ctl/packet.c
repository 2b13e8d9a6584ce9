/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ctl/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for more than the one that is allowed, so that two are seen as two. The kernel closes what does
 * not fit and says so. */
#define FDS_MAX 4

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

/* Takes the descriptors of a message: one is handed on, of more all are closed. */
static void take_fds(struct msghdr *msg, struct stele_ctl_packet *packet)
{
	unsigned cnt = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (cnt++ == 0)
				packet->fd = fd;
			else
				close(fd);
		}
	}
	bool cut = (msg->msg_flags & MSG_CTRUNC) != 0;
	packet->lost = cnt == 0 && cut;
	packet->too_many = cnt > 1 || (cnt == 1 && cut);
	if (packet->too_many && packet->fd >= 0) {
		close(packet->fd);
		packet->fd = -1;
	}
}

int stele_ctl_packet_recv(int sock, char *bytes, size_t max, struct stele_ctl_packet *ret_packet)
{
	union control control;
	struct iovec part = {.iov_base = bytes, .iov_len = max};
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;
	do
		got = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	struct stele_ctl_packet packet = {.len = (size_t)got, .fd = -1};
	packet.too_long = (msg.msg_flags & MSG_TRUNC) != 0;
	take_fds(&msg, &packet);
	if (got == 0) {
		if (packet.fd >= 0)
			close(packet.fd);
		return 0;
	}
	*ret_packet = packet;
	return 1;
}

int stele_ctl_packet_send(int sock, const char *bytes, size_t len, int fd)
{
	union control control = {.bytes = {0}};
	struct iovec part = {.iov_base = (char *)bytes, .iov_len = len};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(fd));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	ssize_t sent;
	do
		sent = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}
