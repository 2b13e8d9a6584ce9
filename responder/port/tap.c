/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- namespaces ---- */

struct excursion {
	const char *namespace;
	int (*run)(void *user, struct stele_error *reterr);
	void *user;
	struct stele_error *reterr;
	int rc;
};

static int enter(const char *namespace, struct stele_error *reterr)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", strchr(namespace, '/') ? "" : "/run/netns/",
		 namespace);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return stele_fail(reterr, STELE_E_INPUT, "network namespace '%s': %s", namespace,
				  strerror(errno));
	int rc = setns(fd, CLONE_NEWNET) == 0 ?
			 0 :
			 stele_fail_errno(reterr, errno, "cannot enter network namespace '%s'",
					  namespace);
	close(fd);
	return rc;
}

static void *travel(void *arg)
{
	struct excursion *excursion = arg;

	excursion->rc = enter(excursion->namespace, excursion->reterr);
	if (!excursion->rc)
		excursion->rc = excursion->run(excursion->user, excursion->reterr);
	return NULL;
}

int stele_interface_in_namespace(const char *namespace,
				 int (*run)(void *user, struct stele_error *reterr), void *user,
				 struct stele_error *reterr)
{
	struct excursion excursion = {namespace, run, user, reterr, 0};
	pthread_t thread;

	if (!namespace)
		return run(user, reterr);
	/* A thread of its own, since one that has entered a namespace would have to be root to
	 * come back. */
	int rc = pthread_create(&thread, NULL, travel, &excursion);
	if (rc)
		return stele_fail_errno(reterr, rc, "cannot make a thread");
	pthread_join(thread, NULL);
	return excursion.rc;
}

/* ---- addresses ---- */

static int ask_kernel(struct mnl_socket *socket, struct nlmsghdr *request)
{
	char buf[8192]; /* an acknowledgement quotes the request at most */

	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return errno;
	ssize_t len = mnl_socket_recvfrom(socket, buf, sizeof(buf));
	if (len < 0)
		return errno;
	return mnl_cb_run(buf, (size_t)len, request->nlmsg_seq, mnl_socket_get_portid(socket), NULL,
			  NULL) < 0 ?
		       errno :
		       0;
}

static int add_address(struct mnl_socket *socket, unsigned if_index, unsigned seq,
		       const struct stele_config_prefix *address)
{
	char buf[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	bool ipv4 = address->family == 4;

	request->nlmsg_type = RTM_NEWADDR;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	request->nlmsg_seq = seq;
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->ifa_family = ipv4 ? AF_INET : AF_INET6;
	body->ifa_prefixlen = address->len;
	/* The worker answers probes for the address: to the kernel that would look like a
	 * duplicate. */
	body->ifa_flags = ipv4 ? 0 : IFA_F_NODAD;
	body->ifa_scope = RT_SCOPE_UNIVERSE;
	body->ifa_index = if_index;
	mnl_attr_put(request, IFA_LOCAL, ipv4 ? 4 : 16, address->addr);
	mnl_attr_put(request, IFA_ADDRESS, ipv4 ? 4 : 16, address->addr);
	int rc = ask_kernel(socket, request);
	return rc == EEXIST ? 0 : rc;
}

static int add_addresses(const struct stele_interface_settings *settings,
			 struct stele_error *reterr)
{
	unsigned if_index = if_nametoindex(settings->name);
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc = 0;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = stele_fail_errno(reterr, errno, "cannot talk to the kernel about addresses");
	for (size_t i = 0; i < settings->address_cnt && !rc; i++) {
		int error = add_address(socket, if_index, (unsigned)i + 1, &settings->addresses[i]);
		if (error)
			rc = stele_fail_errno(reterr, error,
					      "interface '%s' does not take address %zu",
					      settings->name, i + 1);
	}
	if (socket)
		mnl_socket_close(socket);
	return rc;
}

/* ---- interfaces ---- */

int stele_interface_configure(const struct stele_interface_settings *settings,
			      struct stele_error *reterr)
{
	struct ifreq request = {0};
	const char *what = "a MAC address";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return stele_fail_errno(reterr, errno, "cannot make a socket");
	snprintf(request.ifr_name, IFNAMSIZ, "%s", settings->name);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, settings->mac, 6);
	int rc = ioctl(fd, SIOCSIFHWADDR, &request);
	if (rc == 0) {
		what = "an MTU";
		request.ifr_mtu = settings->mtu;
		rc = ioctl(fd, SIOCSIFMTU, &request);
	}
	if (rc == 0) {
		what = "to be up";
		rc = ioctl(fd, SIOCGIFFLAGS, &request);
		request.ifr_flags |= IFF_UP;
		if (rc == 0)
			rc = ioctl(fd, SIOCSIFFLAGS, &request);
	}
	if (rc != 0)
		rc = stele_fail_errno(reterr, errno, "interface '%s' does not take %s",
				      settings->name, what);
	else
		rc = add_addresses(settings, reterr);
	close(fd);
	return rc;
}

struct tap_request {
	const struct stele_interface_settings *settings;
	int fd;
};

static int make_tap(void *user, struct stele_error *reterr)
{
	struct tap_request *tap = user;
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	snprintf(request.ifr_name, IFNAMSIZ, "%s", tap->settings->name);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "/dev/net/tun");
	int rc = 0;
	if (ioctl(fd, TUNSETIFF, &request) != 0)
		rc = stele_fail_errno(reterr, errno, "interface '%s' cannot be made",
				      tap->settings->name);
	if (!rc)
		rc = stele_interface_configure(tap->settings, reterr);
	if (rc)
		close(fd);
	else
		tap->fd = fd;
	return rc;
}

int stele_tap_open(const struct stele_interface_settings *settings, int *ret_fd,
		   struct stele_error *reterr)
{
	struct tap_request tap = {settings, -1};
	int rc = stele_interface_in_namespace(settings->namespace, make_tap, &tap, reterr);

	if (!rc)
		*ret_fd = tap.fd;
	return rc;
}
