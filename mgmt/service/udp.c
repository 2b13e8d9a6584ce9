/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/dns/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Batches that one socket may have before the others have their turn. */
#define ROUNDS_MAX 4

union control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* Of one batch; replies go over the queries. */
struct udp_buffers {
	struct mmsghdr heads[STELE_BATCH_MAX]; /* in: by query; then out: by reply */
	struct iovec vectors[STELE_BATCH_MAX];
	struct udp_route routes[STELE_BATCH_MAX];
	union control controls[STELE_BATCH_MAX];
	struct stele_query queries[STELE_BATCH_MAX];
	struct stele_reply replies[STELE_BATCH_MAX];
	uint8_t which[STELE_BATCH_MAX]; /* the datagram that a query is */
	uint8_t bytes[STELE_BATCH_MAX][MESSAGE_STRIDE];
};

struct udp_buffers *udp_buffers_new(void)
{
	return calloc(1, sizeof(struct udp_buffers));
}

void udp_buffers_free(struct udp_buffers *buffers)
{
	free(buffers);
}

/* ---- in ---- */

static int receive(struct udp_buffers *b, const struct listener *listener)
{
	for (unsigned i = 0; i < STELE_BATCH_MAX; i++) {
		b->vectors[i] = (struct iovec){b->bytes[i], STELE_MESSAGE_MAX};
		b->heads[i].msg_hdr = (struct msghdr){
			.msg_name = &b->routes[i].client,
			.msg_namelen = sizeof(b->routes[i].client),
			.msg_iov = &b->vectors[i],
			.msg_iovlen = 1,
		};
		if (listener->wildcard) {
			b->heads[i].msg_hdr.msg_control = &b->controls[i];
			b->heads[i].msg_hdr.msg_controllen = sizeof(b->controls[i]);
		}
	}
	return recvmmsg(listener->fd, b->heads, STELE_BATCH_MAX, MSG_DONTWAIT, NULL);
}

/* Where the datagram came from and what it asked. False: nobody can be answered there. */
static bool read_route(const struct msghdr *head, struct udp_route *route)
{
	route->client_len = head->msg_namelen;
	route->has_local = false;
	for (struct cmsghdr *c = head->msg_controllen > 0 ? CMSG_FIRSTHDR(head) : NULL; c;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)head, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&route->local.v4, CMSG_DATA(c), sizeof(route->local.v4));
			/* The kernel finds the way; of a broadcast, this is our own address. */
			route->local.v4.ipi_ifindex = 0;
			route->has_local = true;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&route->local.v6, CMSG_DATA(c), sizeof(route->local.v6));
			/* Only link-local addresses need to know their interface. */
			if (!IN6_IS_ADDR_LINKLOCAL(&route->local.v6.ipi6_addr))
				route->local.v6.ipi6_ifindex = 0;
			route->has_local = true;
		}
	}
	if (route->client.ss_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)&route->client)->sin_port != 0;
	return ((const struct sockaddr_in6 *)(const void *)&route->client)->sin6_port != 0;
}

static void set_client(const struct udp_route *route, struct stele_client *client)
{
	if (route->client.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)&route->client;
		client->family = 4;
		memcpy(client->addr, &v4->sin_addr, 4);
	} else {
		const struct sockaddr_in6 *v6 = (const void *)&route->client;
		client->family = 6;
		memcpy(client->addr, &v6->sin6_addr, 16);
	}
}

void udp_route_read(const struct listener *listener, const struct udp_route *route,
		    struct stele_peer *ret_peer, struct stele_config_address *ret_local)
{
	struct stele_client client = {0};

	set_client(route, &client);
	ret_peer->address.family = client.family;
	memcpy(ret_peer->address.addr, client.addr, sizeof(client.addr));
	ret_peer->port = ntohs(
		client.family == 4 ?
			((const struct sockaddr_in *)(const void *)&route->client)->sin_port :
			((const struct sockaddr_in6 *)(const void *)&route->client)->sin6_port);
	*ret_local = listener->address;
	if (!listener->wildcard || !route->has_local)
		return;
	if (client.family == 4)
		memcpy(ret_local->addr, &route->local.v4.ipi_addr, 4);
	else
		memcpy(ret_local->addr, &route->local.v6.ipi6_addr, 16);
}

/* ---- out ---- */

static void aim(const struct listener *listener, const struct udp_route *route,
		struct iovec *vector, union control *control, struct msghdr *ret_head)
{
	*ret_head = (struct msghdr){
		.msg_name = (void *)(uintptr_t)&route->client,
		.msg_namelen = route->client_len,
		.msg_iov = vector,
		.msg_iovlen = 1,
	};
	if (!listener->wildcard || !route->has_local)
		return;
	bool is_v4 = route->client.ss_family == AF_INET;
	size_t sz = is_v4 ? sizeof(route->local.v4) : sizeof(route->local.v6);
	memset(control, 0, sizeof(*control));
	control->align.cmsg_level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6;
	control->align.cmsg_type = is_v4 ? IP_PKTINFO : IPV6_PKTINFO;
	control->align.cmsg_len = CMSG_LEN(sz);
	memcpy(CMSG_DATA(&control->align), &route->local, sz);
	if (is_v4)
		/* Not ipi_addr, which is what the header said: with ipi_spec_dst we choose. */
		((struct in_pktinfo *)(void *)CMSG_DATA(&control->align))->ipi_spec_dst =
			route->local.v4.ipi_addr;
	ret_head->msg_control = control;
	ret_head->msg_controllen = CMSG_SPACE(sz);
}

/* It is larger than the interface takes: says so, and the client comes by TCP. */
static bool send_truncated(const struct listener *listener, struct msghdr *head)
{
	const struct stele_answer_settings *settings =
		&listener->worker->settings->answers[STELE_UDP];
	uint8_t buf[512];
	size_t len = refuse(head->msg_iov->iov_base, head->msg_iov->iov_len, STELE_RCODE_NOERROR,
			    STELE_FLAG_TC, settings->udp_max, buf);

	*head->msg_iov = (struct iovec){buf, len};
	return len > 0 && sendmsg(listener->fd, head, MSG_DONTWAIT) >= 0;
}

static void send_batch(struct listener *listener, struct udp_buffers *b, unsigned cnt)
{
	struct worker *worker = listener->worker;
	unsigned done = 0;

	while (done < cnt) {
		int sent = sendmmsg(listener->fd, b->heads + done, cnt - done, MSG_DONTWAIT);
		if (sent > 0) {
			done += (unsigned)sent;
			count_reply(worker, STELE_UDP, (unsigned)sent);
			continue;
		}
		if (errno == EINTR)
			continue;
		/* This one cannot be sent; the others may. A full buffer is as good as a lost
		 * packet. */
		if (errno == EMSGSIZE && send_truncated(listener, &b->heads[done].msg_hdr))
			count_reply(worker, STELE_UDP, 1);
		else
			count(worker, COUNT_dropped);
		done++;
	}
}

void udp_send(struct listener *listener, const struct udp_route *route, uint8_t *msg, size_t len)
{
	struct stele_client client = {0};

	/* Whoever has been refused may not have asked. */
	set_client(route, &client);
	if (len >= STELE_HEADER_SZ && (msg[3] & 15) != 0 &&
	    !limit_passes_error(listener->worker, &client))
		return;
	struct iovec vector = {msg, len};
	union control control;
	struct msghdr head;

	aim(listener, route, &vector, &control, &head);
	ssize_t sent = sendmsg(listener->fd, &head, MSG_DONTWAIT);
	if (sent >= 0 || (errno == EMSGSIZE && send_truncated(listener, &head)))
		count_reply(listener->worker, STELE_UDP, 1);
	else
		count(listener->worker, COUNT_dropped);
}

static void answer(struct listener *listener, struct udp_buffers *b, unsigned cnt)
{
	struct worker *worker = listener->worker;
	unsigned query_cnt = 0, reply_cnt = 0;

	for (unsigned i = 0; i < cnt; i++) {
		if (!read_route(&b->heads[i].msg_hdr, &b->routes[i])) {
			count(worker, COUNT_dropped);
			continue;
		}
		struct stele_query *query = &b->queries[query_cnt];
		*query = (struct stele_query){.msg = b->bytes[i], .len = b->heads[i].msg_len};
		set_client(&b->routes[i], &query->client);
		b->replies[query_cnt].buf = b->bytes[i];
		b->replies[query_cnt].cap = STELE_MESSAGE_MAX;
		b->which[query_cnt++] = (uint8_t)i;
	}
	limit_begin(worker);
	worker_answer(worker, STELE_UDP, b->queries, b->replies, query_cnt);
	limit_end(worker);
	for (unsigned i = 0; i < query_cnt; i++) {
		struct udp_route *route = &b->routes[b->which[i]];
		switch (b->replies[i].verdict) {
		case STELE_VERDICT_REPLY:
			/* Never before its own query: what is overwritten has been read. */
			b->vectors[reply_cnt] =
				(struct iovec){b->bytes[b->which[i]], b->replies[i].len};
			aim(listener, route, &b->vectors[reply_cnt], &b->controls[reply_cnt],
			    &b->heads[reply_cnt].msg_hdr);
			reply_cnt++;
			break;
		case STELE_VERDICT_DROP:
			count(worker, COUNT_dropped);
			break;
		case STELE_VERDICT_PUNT:
			dispatch_datagram(listener, route, b->queries[i].msg, b->queries[i].len);
			break;
		}
	}
	send_batch(listener, b, reply_cnt);
}

void udp_ready(evutil_socket_t fd, short what, void *user)
{
	struct listener *listener = user;
	struct udp_buffers *b = listener->worker->udp;

	(void)fd;
	(void)what;
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		int cnt = receive(b, listener);
		if (cnt <= 0)
			return;
		count_query(listener->worker, STELE_UDP, (unsigned)cnt);
		answer(listener, b, (unsigned)cnt);
		if (cnt < STELE_BATCH_MAX)
			return;
	}
}
