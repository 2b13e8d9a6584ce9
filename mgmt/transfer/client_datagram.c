/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/client_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* Datagrams that are looked at in one go: a flood of forged ones must not hold up the loop. */
#define BURST_MAX 16

static bool would_block(int error_number)
{
	return error_number == EAGAIN || error_number == EINTR;
}

int client_datagram_send(struct stele_client *client, struct stele_error *reterr)
{
	if (send(client->fd, client->out + 2, client->out_len - 2, 0) < 0 && !would_block(errno))
		return stele_fail_errno(reterr, errno, "cannot send");
	client->silence_end_ns = 0;
	event_del(client->timer);
	client_heard(client, STELE_CLIENT_UDP_NS << client->try_cnt);
	client->try_cnt++;
	return 0;
}

void client_datagram_again(struct stele_client *client)
{
	struct stele_error err;
	if (client->try_cnt < STELE_CLIENT_UDP_TRIES) {
		if (client_datagram_send(client, &err) < 0)
			client_end(client, STELE_CLIENT_UNREACHABLE, &err);
		return;
	}
	if (client->passed_over.text[0] != '\0')
		stele_fail(&err, 0, "no answer over UDP but one that is wrong: %s",
			   client->passed_over.text);
	else
		stele_fail(&err, 0, "no answer over UDP");
	client_end(client, STELE_CLIENT_UNREACHABLE, &err);
}

void client_datagram_ready(struct stele_client *client)
{
	for (unsigned i = 0; i < BURST_MAX; i++) {
		ssize_t got = recv(client->fd, client->in, STELE_MESSAGE_MAX, 0);
		if (got < 0 && would_block(errno))
			return;
		if (got < 0) {
			/* An ICMP error for a datagram of ours. */
			struct stele_error err;
			stele_fail_errno(&err, errno, "no answer over UDP");
			client_end(client, STELE_CLIENT_UNREACHABLE, &err);
			return;
		}
		if (client->asking && client_take(client, client->in, (size_t)got) == 0)
			return;
	}
}
