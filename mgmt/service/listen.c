/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* What a burst may bring while the loop is busy; the kernel cuts it to net.core.rmem_max. */
#define UDP_BUFFER_SZ (4 << 20)
/* Handshakes of TCP that wait to be accepted; cut to net.core.somaxconn. */
#define BACKLOG 4096
/* How a socket is opened: beside others of our own; to an address that may be missing. */
enum { SHARE = 1, ABSENT = 2 };
/* Connections that may bring data with their SYN (RFC 7413) and have not finished the handshake. */
#define FASTOPEN_QUEUE 256

static socklen_t make_address(const struct stele_listen_config *config,
			      struct sockaddr_storage *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	if (config->address.family == 4) {
		struct sockaddr_in *v4 = (void *)ret_address;
		v4->sin_family = AF_INET;
		v4->sin_port = htons(config->port);
		memcpy(&v4->sin_addr, config->address.addr, 4);
		return sizeof(*v4);
	}
	struct sockaddr_in6 *v6 = (void *)ret_address;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(config->port);
	memcpy(&v6->sin6_addr, config->address.addr, 16);
	return sizeof(*v6);
}

static int fail(const struct stele_listen_config *config, bool is_udp, int error_number,
		const char *what, struct stele_error *reterr)
{
	char text[INET6_ADDRSTRLEN];
	int family = config->address.family == 4 ? AF_INET : AF_INET6;

	inet_ntop(family, config->address.addr, text, sizeof(text));
	return stele_fail_errno(reterr, error_number, "%s port %u/%s: %s", text, config->port,
				is_udp ? "udp" : "tcp", what);
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int set_options(int fd, bool is_udp, bool is_v4, bool is_wildcard, unsigned how)
{
	int status = 0;

	if (!is_v4)
		status |= set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (how & SHARE)
		status |= set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (how & ABSENT && is_v4)
		status |= set(fd, IPPROTO_IP, IP_FREEBIND, 1);
	else if (how & ABSENT)
		status |= set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	if (!is_udp) {
		status |= set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		status |= set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* writes are whole as they are */
		(void)set(fd, IPPROTO_TCP, TCP_FASTOPEN, FASTOPEN_QUEUE);
		return status;
	}
	(void)set(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER_SZ);
	/*
	 * No fragments, which get lost, or are forged (RFC 9715): DF is set, and what does not fit
	 * the interface comes back as an error. What ICMP says of the path is not believed, since
	 * anybody can send that.
	 */
	if (is_v4)
		status |= set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
	else
		status |= set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
	/* Replies must leave from the address that was asked. */
	if (is_wildcard && is_v4)
		status |= set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	else if (is_wildcard)
		status |= set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return status;
}

bool listen_is_wildcard(const struct stele_listen_config *config)
{
	static const uint8_t zero[sizeof(config->address.addr)];

	return memcmp(config->address.addr, zero, sizeof(zero)) == 0;
}

static int open_socket(const struct stele_listen_config *config, bool is_udp, unsigned how,
		       int *ret_fd, struct stele_error *reterr)
{
	struct sockaddr_storage address;
	socklen_t address_len = make_address(config, &address);
	int type = (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(address.ss_family, type, 0);

	if (fd < 0)
		return fail(config, is_udp, errno, "no socket", reterr);
	const char *what = "an option of the socket";
	int failed = set_options(fd, is_udp, address.ss_family == AF_INET,
				 listen_is_wildcard(config), how);
	if (!failed) {
		what = "bind";
		failed = bind(fd, (struct sockaddr *)&address, address_len);
	}
	if (!failed && !is_udp) {
		what = "listen";
		failed = listen(fd, BACKLOG);
	}
	if (failed) {
		int status = fail(config, is_udp, errno, what, reterr);
		close(fd);
		return status;
	}
	*ret_fd = fd;
	return 0;
}

/* Whether bind() says that no interface has it. */
static bool is_absent(const struct stele_listen_config *config)
{
	struct sockaddr_storage address;
	socklen_t address_len = make_address(config, &address);
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	/* At whatever port: both families have theirs in the same place. */
	((struct sockaddr_in *)&address)->sin_port = 0;
	bool absent = bind(fd, (struct sockaddr *)&address, address_len) != 0 &&
		      errno == EADDRNOTAVAIL;
	close(fd);
	return absent;
}

int listen_probe(const struct stele_listen_config *config, bool may_come, bool *ret_absent,
		 struct stele_error *reterr)
{
	unsigned how = may_come ? ABSENT : 0;
	int fd, status = open_socket(config, false, how, &fd, reterr);

	if (status != 0)
		return status;
	close(fd);
	if (!config->tls) {
		status = open_socket(config, true, how, &fd, reterr);
		if (status != 0)
			return status;
		close(fd);
	}
	*ret_absent = may_come && is_absent(config);
	return 0;
}

int listen_open(const struct stele_listen_config *config, enum stele_transport transport,
		bool may_come, int *ret_fd, struct stele_error *reterr)
{
	unsigned how = may_come ? SHARE | ABSENT : SHARE;

	return open_socket(config, transport == STELE_UDP, how, ret_fd, reterr);
}
