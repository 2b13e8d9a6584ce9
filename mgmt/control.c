/* SPDX-License-Identifier: Apache-2.0 */
/* The socket in the main loop, and what operators change or wait for. */
#include "mgmt/control.h"

#include "lib/base/clock.h"
#include "lib/daemon/log.h"
#include "lib/daemon/privileges.h"
#include "lib/dns/serial.h"
#include "mgmt/control_internal.h"
#include "mgmt/notify/notify.h"
#include "mgmt/transfer/refresh.h"

#include <stdlib.h>
#include <string.h>

struct stele_daemon_control {
	struct stele_daemon *daemon;
	struct stele_ctl_server *server;
	struct event *readable, *timer;
};

/* ---- operations ---- */

static int op_wait(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stele_managed_zone *zone;
	const char *name;
	json_int_t serial, timeout_ms = 60000;
	int status = stele_ctl_unpack(call, reterr, "s:s, s:I, s?I", "zone", &name, "serial",
				      &serial, "timeout_ms", &timeout_ms);
	if (status < 0)
		return status;
	if (serial < 0 || serial > UINT32_MAX || timeout_ms < 0)
		return stele_fail(
			reterr, STELE_E_USAGE,
			"serial and timeout have to be numbers that serials and times can be");
	call->deadline_ns = stele_ctl_deadline_ns(call, timeout_ms);
	/* A zone that is not there may be about to come. */
	status = control_find_zone(user, name, &zone, reterr);
	if (status == STELE_E_USAGE)
		return status;
	if (status == 0 && zone->served &&
	    stele_serial_reaches(zone->served_serial, (uint32_t)serial)) {
		json_object_set_new(call->response, "zone", stele_ctl_text(zone->name));
		json_object_set_new(call->response, "serial", json_integer(zone->served_serial));
		return 0;
	}
	if (stele_clock_ns() < call->deadline_ns)
		return STELE_CTL_AGAIN;
	return stele_fail(reterr, STELE_E_NOTFOUND,
			  "%s is not served with serial %u on every core after %lld ms", name,
			  (unsigned)serial, (long long)timeout_ms);
}

/* Who asked, as the audit has it. */
static void audit(const struct stele_ctl_call *call, const char *what, const char *zone)
{
	char peer[64];
	snprintf(peer, sizeof(peer), "uid %lld pid %lld", (long long)call->peer_uid,
		 (long long)call->peer_pid);
	stele_log_audit(&(struct stele_log_audit){.what = what, .zone = zone, .peer = peer});
}

static int op_transfer(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stele_daemon *daemon = user;
	struct stele_managed_zone *zone;
	const char *name;
	int force = false;
	int status = stele_ctl_unpack(call, reterr, "s:s, s?b", "zone", &name, "force", &force);
	if (status == 0)
		status = control_find_zone(daemon, name, &zone, reterr);
	if (status != 0)
		return status;
	if (!zone->options->has_primaries)
		return stele_fail(reterr, STELE_E_INPUT, "%s has no primaries: it is ours",
				  zone->name);
	audit(call, force ? "transfer-forced" : "transfer-asked", zone->name);
	stele_refresh_ask(daemon, zone, force);
	json_object_set_new(call->response, "zone", stele_ctl_text(zone->name));
	return 0;
}

static int op_notify(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stele_daemon *daemon = user;
	struct stele_managed_zone *zone;
	const char *name;
	int status = stele_ctl_unpack(call, reterr, "s:s", "zone", &name);
	if (status == 0)
		status = control_find_zone(daemon, name, &zone, reterr);
	if (status != 0)
		return status;
	if (zone->options->notify_remotes.cnt == 0)
		return stele_fail(reterr, STELE_E_INPUT, "%s has nobody to notify", zone->name);
	if (!zone->loaded || zone->expired)
		return stele_fail(reterr, STELE_E_INPUT, "%s is not loaded, or has expired",
				  zone->name);
	status = stele_notify_out(daemon, zone, reterr);
	if (status < 0)
		return status;
	json_object_set_new(call->response, "zone", stele_ctl_text(zone->name));
	json_object_set_new(call->response, "servers",
			    json_integer((json_int_t)zone->options->notify_remotes.cnt));
	return 0;
}

static int op_reload(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	int status = stele_ctl_unpack(call, reterr, "");
	if (status == 0)
		status = stele_daemon_reload(user, reterr);
	if (status == 0)
		json_object_set_new(call->response, "reloaded",
				    json_pack("[s, s, s]", "zones", "keys", "certificates"));
	return status;
}

static const struct stele_ctl_op operations[] = {
	{"status", false, control_status}, {"zones", false, control_zones},
	{"zone", false, control_zone},     {"wait", false, op_wait},
	{"transfer", false, op_transfer},  {"notify", false, op_notify},
	{"reload", false, op_reload},      {0},
};

/* ---- the socket ---- */

static void step(struct stele_daemon_control *control)
{
	stele_ctl_server_step(control->server);
	int ms = stele_ctl_server_timeout_ms(control->server);
	if (ms < 0) {
		evtimer_del(control->timer);
		return;
	}
	const struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	evtimer_add(control->timer, &wait);
}

static void on_event(evutil_socket_t fd, short events, void *user)
{
	(void)fd;
	(void)events;
	step(user);
}

void stele_daemon_control_look(struct stele_daemon *daemon)
{
	/* As an event of its own: the caller may be inside an operation. */
	if (daemon->control != NULL)
		event_active(daemon->control->timer, EV_TIMEOUT, 0);
}

int stele_daemon_control_new(struct stele_daemon *daemon, struct stele_error *reterr)
{
	const struct stele_ctl_server_settings settings = {
		.path = daemon->config->control,
		.group = stele_privileges_group(daemon->config->user),
		.ops = operations,
		.user = daemon,
	};
	struct event_base *base = stele_loop_base(daemon->main);
	struct stele_daemon_control *control = calloc(1, sizeof(*control));
	if (control == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "control socket: out of memory");
	control->daemon = daemon;
	daemon->control = control;
	int status = stele_ctl_server_new(&settings, &control->server, reterr);
	if (status < 0)
		return status;
	control->readable = event_new(base, stele_ctl_server_fd(control->server),
				      EV_READ | EV_PERSIST, on_event, control);
	control->timer = evtimer_new(base, on_event, control);
	if (control->readable == NULL || control->timer == NULL ||
	    event_add(control->readable, NULL) != 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "control socket: no event can be made");
	return 0;
}

void stele_daemon_control_free(struct stele_daemon *daemon)
{
	struct stele_daemon_control *control = daemon->control;
	if (control == NULL)
		return;
	if (control->readable != NULL)
		event_free(control->readable);
	if (control->timer != NULL)
		event_free(control->timer);
	stele_ctl_server_free(control->server);
	free(control);
	daemon->control = NULL;
}
