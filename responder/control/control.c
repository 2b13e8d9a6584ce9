/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/control/control.h"

#include "lib/base/clock.h"
#include "lib/ctl/ctl.h"
#include "lib/daemon/log.h"
#include "lib/daemon/notify.h"
#include "lib/daemon/privileges.h"
#include "responder/control/operations.h"
#include "responder/control/reload.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Between two looks at ports and workers. Shorter, and a worker that only rests (idle.max_delay, or a core that
 * others have too) seems to stand still; longer, and one that does stand still, or a link that is down, is
 * told late. */
#define TICK_MS 1000

static void signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

void stele_control_block_signals(void)
{
	sigset_t set;

	signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A client that goes away in the middle of a response. */
	signal(SIGPIPE, SIG_IGN);
}

bool stele_control_is_told_to_end(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

/* The addresses of a port whose link came up, so that nobody sends to where they were before. */
static void announce(struct stele_responder *responder, unsigned port)
{
	unsigned worker = 0;

	for (unsigned i = 0; i < port; i++)
		worker += responder->ports[i].queue_cnt;
	/* A bifurcated card's addresses are on the kernel's interface. */
	if (!responder->ports[port].bifurcated)
		stele_worker_announce(responder->workers[worker]);
}

static void look_at_ports(struct stele_responder *responder)
{
	uint64_t missed = 0, errors = 0;

	for (unsigned i = 0; i < responder->port_cnt; i++) {
		struct stele_port *port = &responder->ports[i];
		stele_port_poll_counters(port, &missed, &errors);
		if (!stele_port_poll_link(port))
			continue;
		stele_log(port->link_up ? STELE_LOG_INFO : STELE_LOG_WARNING,
			  "port '%s': link is %s", port->config->name,
			  port->link_up ? "up" : "down");
		if (port->link_up)
			announce(responder, i);
	}
	stele_stats_global_add(responder->stats, STELE_GLOBAL_NIC_MISSED, missed);
	stele_stats_global_add(responder->stats, STELE_GLOBAL_NIC_ERRORS, errors);
}

/* A worker that stands still holds up every load; the log says so once. */
static void look_at_workers(struct stele_responder *responder)
{
	for (unsigned i = 0; i < responder->worker_cnt; i++) {
		uint64_t now = stele_worker_quiescent(responder->workers[i]);
		bool stuck = now == responder->quiescent[i];
		if (stuck != responder->stuck[i])
			stele_log(stuck ? STELE_LOG_ERROR : STELE_LOG_NOTICE,
				  "worker %u on core %u %s", i,
				  stele_worker_core(responder->workers[i]),
				  stuck ? "stands still" : "goes on");
		responder->quiescent[i] = now;
		responder->stuck[i] = stuck;
	}
}

/* True if it is time to end. */
static bool take_signal(struct stele_responder *responder, int fd)
{
	struct signalfd_siginfo info;
	struct stele_error error;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGHUP)
		return true;
	stele_notify("RELOADING=1");
	if (stele_reload(responder, &error) != 0)
		stele_log(STELE_LOG_ERROR, "nothing is reloaded: %s", error.text);
	stele_notify("READY=1");
	return false;
}

static int64_t now_ms(void)
{
	return (int64_t)(stele_clock_ns() / 1000000);
}

static void run(struct stele_responder *responder, struct stele_ctl_server *server, int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = stele_ctl_server_fd(server), .events = POLLIN},
		/* A load that has ended is told at once, not at the server's next look. */
		{.fd = stele_jobs_fd(responder->jobs), .events = POLLIN},
	};
	uint64_t requests = 0;
	int64_t looked_ms = now_ms();

	look_at_ports(responder);
	for (unsigned i = 0; i < responder->worker_cnt; i++)
		responder->quiescent[i] = stele_worker_quiescent(responder->workers[i]);
	for (;;) {
		int64_t rest_ms = looked_ms + TICK_MS - now_ms();
		if (rest_ms <= 0) {
			looked_ms = now_ms();
			rest_ms = TICK_MS;
			look_at_ports(responder);
			look_at_workers(responder);
			stele_notify("WATCHDOG=1");
		}
		int timeout = stele_ctl_server_timeout_ms(server);
		poll(fds, 3, timeout < 0 || timeout > rest_ms ? (int)rest_ms : timeout);
		if (fds[0].revents & POLLIN && take_signal(responder, signal_fd))
			return;
		if (fds[2].revents & POLLIN)
			stele_jobs_seen(responder->jobs);
		stele_ctl_server_step(server);
		uint64_t cnt = stele_ctl_server_request_cnt(server);
		stele_stats_global_add(responder->stats, STELE_GLOBAL_CONTROL_REQUESTS,
				       cnt - requests);
		requests = cnt;
	}
}

int stele_control_listen(struct stele_responder *responder, struct stele_error *reterr)
{
	const struct stele_ctl_server_settings settings = {
		.path = responder->config->control,
		.group = stele_privileges_group(responder->config->user),
		.ops = stele_operations,
		.user = responder,
	};

	return stele_ctl_server_new(&settings, &responder->server, reterr);
}

int stele_control_run(struct stele_responder *responder, struct stele_error *reterr)
{
	sigset_t set;

	signals(&set);
	int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return stele_fail_errno(reterr, errno, "signals");
	stele_notify("READY=1\nSTATUS=answering");
	stele_log(STELE_LOG_NOTICE, "ready: version %s; control socket %s", STELE_VERSION,
		  responder->config->control);
	run(responder, responder->server, signal_fd);
	stele_notify("STOPPING=1");
	close(signal_fd);
	return 0;
}
