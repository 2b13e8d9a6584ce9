/* SPDX-License-Identifier: Apache-2.0 */
/* Start, signals, the tick, reload, end. */
#include "lib/daemon/log.h"
#include "lib/base/clock.h"
#include "lib/daemon/notify.h"
#include "lib/daemon/options.h"
#include "lib/daemon/privileges.h"
#include "mgmt/control.h"
#include "mgmt/daemon.h"
#include "mgmt/internal.h"
#include "mgmt/catalog/catalog.h"
#include "mgmt/metrics/metrics.h"
#include "mgmt/notify/notify.h"
#include "mgmt/transfer/out.h"
#include "mgmt/transfer/refresh.h"
#include "mgmt/transfer/tls.h"
#include "mgmt/update/update.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Between two looks at the store. Longer, and what another process has imported is served later; a look
 * costs microseconds. */
#define TICK_S 1

/* ---- keys ---- */

static int find_key(const struct stele_tsig_keys *keys, const struct stele_mgmtd_config *config,
		    const char *id, struct stele_error *reterr)
{
	if (stele_tsig_keys_find_text(keys, id) != NULL)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT,
			  "%s: there is no key '%s', which the configuration names", config->keys,
			  id);
}

static int find_keys(const struct stele_tsig_keys *keys, const struct stele_mgmtd_config *config,
		     struct stele_error *reterr)
{
	int status = 0;
	for (size_t i = 0; i < config->remotes.cnt && status == 0; i++)
		if (config->remotes.items[i].key != NULL)
			status = find_key(keys, config, config->remotes.items[i].key, reterr);
	for (size_t i = 0; i < config->acls.cnt && status == 0; i++)
		for (size_t j = 0; j < config->acls.items[i].keys.cnt && status == 0; j++)
			status =
				find_key(keys, config, config->acls.items[i].keys.items[j], reterr);
	for (size_t i = 0; i < config->update_policies.cnt && status == 0; i++) {
		const struct stele_update_policy_config *policy = &config->update_policies.items[i];
		for (size_t j = 0; j < policy->rules.cnt && status == 0; j++)
			for (size_t k = 0; k < policy->rules.items[j].keys.cnt && status == 0; k++)
				status = find_key(keys, config,
						  policy->rules.items[j].keys.items[k], reterr);
	}
	return status;
}

static int load_keys(const struct stele_mgmtd_config *config, struct stele_tsig_keys **ret_keys,
		     struct stele_error *reterr)
{
	struct stele_tsig_keys *keys;
	if (config->keys == NULL) {
		*ret_keys = NULL;
		return 0;
	}
	int status = stele_tsig_keys_load(config->keys, &keys, reterr);
	if (status < 0)
		return status;
	status = find_keys(keys, config, reterr);
	if (status < 0)
		stele_tsig_keys_unref(keys);
	else
		*ret_keys = keys;
	return status;
}

/* ---- start ---- */

/* The compiler beside this program, as built or as installed (sbin and bin); else PATH's. */
static char *find_compiler(const struct stele_mgmtd_config *config)
{
	static const char *const places[] = {"stele-compile", "../bin/stele-compile",
					     "../zonecompiler/stele-compile"};
	char self[PATH_MAX], path[PATH_MAX + 64];
	if (config->compiler != NULL)
		return strdup(config->compiler);
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len > 0) {
		self[len] = 0;
		*strrchr(self, '/') = 0;
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			snprintf(path, sizeof(path), "%s/%s", self, places[i]);
			if (access(path, X_OK) == 0)
				return strdup(path);
		}
	}
	return strdup("stele-compile");
}

static int check_compiler(const struct stele_mgmtd_config *config, struct stele_error *reterr)
{
	char *path = find_compiler(config);
	if (path == NULL)
		return stele_fail_errno(reterr, ENOMEM, "compiler");
	int status = 0;
	if (strchr(path, '/') != NULL && access(path, X_OK) != 0)
		status = stele_fail_file(reterr, errno, "compiler %s", path);
	free(path);
	return status;
}

int stele_daemon_check(const struct stele_mgmtd_config *config)
{
	struct stele_error err, why;
	struct stele_tsig_keys *keys = NULL;
	int worst = 0;
	if (config->user != NULL)
		stele_daemon_note_fault(stele_privileges_try(config->user, &err), &err, &worst);
	/* As root it would read what its user may not. */
	if (worst != 0)
		return worst;
	stele_daemon_note_fault(load_keys(config, &keys, &err), &err, &worst);
	stele_tsig_keys_unref(keys);
	stele_daemon_note_fault(stele_service_check(config, &err), &err, &worst);
	for (size_t i = 0; i < config->remotes.cnt; i++) {
		const struct stele_remote_config *remote = &config->remotes.items[i];
		int status = remote->tls.enabled ? stele_tls_check_files(&remote->tls, &why) : 0;
		if (status != 0)
			stele_fail(&err, status, "remote '%s': %s", remote->id, why.text);
		stele_daemon_note_fault(status, &err, &worst);
	}
	stele_daemon_note_fault(check_compiler(config, &err), &err, &worst);
	return worst;
}

/* A connection takes a descriptor; so does each transfer, and each question to a primary. */
static void raise_limits(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void trouble(void *user, const char *what, const char *text)
{
	(void)user;
	if (text != NULL)
		stele_log_event(STELE_LOG_ERROR, "publish-failed", STELE_LOG_TEXT("what", what),
				STELE_LOG_REASON(text));
	else
		stele_log_event(STELE_LOG_NOTICE, "publish-works", STELE_LOG_TEXT("what", what));
}

static int open_publisher(struct stele_daemon *daemon, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config = daemon->config;
	daemon->compiler = find_compiler(config);
	if (daemon->compiler == NULL)
		return stele_fail_errno(reterr, ENOMEM, "compiler");
	const struct stele_publisher_settings settings = {
		.compiler = daemon->compiler,
		.store = config->store,
		.image = config->image,
		.responder = config->responder,
		.compile_max_ns = config->compile_max_ns,
		.served = stele_daemon_served,
		.trouble = trouble,
		.user = daemon,
	};
	return stele_publisher_new(daemon->main, daemon->images, &settings, &daemon->publisher,
				   reterr);
}

static int open_service(struct stele_daemon *daemon, struct stele_error *reterr)
{
	const struct stele_service_settings settings = {
		.config = daemon->config,
		.images = daemon->images,
		.keys = daemon->keys,
		.handlers = {.transfer = stele_transfer_out,
			     .notify = stele_notify_in,
			     .update = stele_update_in,
			     .user = daemon},
	};
	return stele_service_new(&settings, &daemon->service, reterr);
}

static void on_commit(void *user, uint64_t generation)
{
	stele_daemon_store_changed(user, generation);
}

/* All that touches no network. */
static int open_data(struct stele_daemon *daemon, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config = daemon->config;
	int status = load_keys(config, &daemon->keys, reterr);
	if (status == 0)
		status =
			stele_store_open(config->store, STELE_STORE_CREATE, &daemon->store, reterr);
	if (status == 0)
		status = stele_zone_states_open(config->state_dir, &daemon->states, reterr);
	if (status == 0)
		status = stele_zones_new(&daemon->zones, reterr);
	if (status == 0)
		status = stele_images_new(&daemon->images, reterr);
	if (status == 0)
		status = stele_committer_new(daemon->store, &daemon->committer, reterr);
	if (status == 0)
		stele_committer_watch(daemon->committer, daemon->main, on_commit, daemon);
	return status;
}

/* ---- signals and the tick ---- */

static void on_end(evutil_socket_t fd, short events, void *user)
{
	struct stele_daemon *daemon = user;
	(void)fd;
	(void)events;
	stele_loop_stop(daemon->main);
}

static void on_reload(evutil_socket_t fd, short events, void *user)
{
	struct stele_error err;
	(void)fd;
	(void)events;
	if (stele_daemon_reload(user, &err) < 0)
		stele_log(STELE_LOG_ERROR, "nothing is reloaded: %s", err.text);
}

static void look_at_store(struct stele_daemon *daemon)
{
	struct stele_store_read *read;
	struct stele_error err;
	if (stele_store_read_begin(daemon->store, &read, &err) < 0) {
		stele_log_some(STELE_LOG_ERROR, "store-failed", STELE_LOG_REASON(err.text));
		return;
	}
	uint64_t generation = stele_store_generation(read);
	stele_store_read_end(read);
	if (generation > daemon->generation)
		stele_daemon_store_changed(daemon, generation);
}

static void on_tick(evutil_socket_t fd, short events, void *user)
{
	struct stele_daemon *daemon = user;
	struct stele_error err;
	(void)fd;
	(void)events;
	look_at_store(daemon);
	stele_daemon_work_again(daemon);
	stele_daemon_catalogs_again(daemon);
	stele_daemon_write_catalogs(daemon);
	stele_daemon_notify_again(daemon);
	if (stele_zone_states_write(daemon->states, &err) < 0)
		stele_log_some(STELE_LOG_ERROR, "state-failed", STELE_LOG_REASON(err.text));
	stele_notify("WATCHDOG=1");
}

static int add_events(struct stele_daemon *daemon, struct stele_error *reterr)
{
	static const struct timeval tick = {.tv_sec = TICK_S};
	struct event_base *base = stele_loop_base(daemon->main);
	struct event **events = daemon->events;
	events[0] = evsignal_new(base, SIGTERM, on_end, daemon);
	events[1] = evsignal_new(base, SIGINT, on_end, daemon);
	events[2] = evsignal_new(base, SIGHUP, on_reload, daemon);
	events[3] = event_new(base, -1, EV_PERSIST, on_tick, daemon);
	for (unsigned i = 0; i < 4; i++)
		if (events[i] == NULL || event_add(events[i], i < 3 ? NULL : &tick) != 0)
			return stele_fail(reterr, STELE_E_SYSTEM, "signals: no event can be made");
	return 0;
}

/* ---- all of it ---- */

static int wake(struct stele_daemon *daemon, struct stele_error *reterr)
{
	int status = stele_notify_new(daemon, &daemon->notify, reterr);
	if (status == 0)
		status = stele_daemon_sync_zones(daemon, reterr);
	/* What there is from the last time answers at once. */
	if (status == 0)
		status = open_publisher(daemon, reterr);
	if (status == 0)
		status = open_service(daemon, reterr);
	if (status == 0 && daemon->config->metrics.address.family != 0)
		status = stele_metrics_new(daemon, &daemon->metrics, reterr);
	if (status == 0)
		status = add_events(daemon, reterr);
	if (status < 0)
		return status;
	daemon->awake = true;
	/* Zones that the store does not know yet get their stubs first: an image without them would have them refused
	 * as if they were not ours. What there is from the last time answers meanwhile. */
	daemon->holds = true;
	stele_daemon_store_changed(daemon, 0);
	stele_daemon_begin_refreshes(daemon);
	/* Of a store without any generation, too: what is not ours is refused, not failed. */
	if (daemon->work == NULL)
		stele_daemon_release(daemon);
	stele_daemon_write_catalogs(daemon);
	return 0;
}

int stele_daemon_start(struct stele_daemon *daemon, const struct stele_mgmtd_config *config,
		       const char *config_path, struct stele_error *reterr)
{
	memset(daemon, 0, sizeof(*daemon));
	daemon->config_path = config_path;
	daemon->config = daemon->started = config;
	stele_mgmtd_config_hold(daemon->config);
	stele_mgmtd_config_hold(daemon->started);
	daemon->started_at = time(NULL);
	/* Clients that go away in the middle of an answer. */
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, as whoever started us may have it, it would keep from us how the compiler ends. */
	signal(SIGCHLD, SIG_DFL);
	raise_limits();
	int status = 0;
	if (config->user != NULL)
		status = stele_privileges_drop(config->user, STELE_KEEP_BIND, reterr);
	if (status == 0)
		status = stele_loop_new("main", &daemon->main, reterr);
	/* Its lock keeps a second daemon away from all that follows. */
	if (status == 0)
		status = stele_daemon_control_new(daemon, reterr);
	if (status == 0)
		status = open_data(daemon, reterr);
	if (status == 0)
		status = wake(daemon, reterr);
	if (status < 0)
		stele_daemon_stop(daemon);
	return status;
}

void stele_daemon_run(struct stele_daemon *daemon)
{
	stele_notify("READY=1\nSTATUS=answering");
	stele_log(STELE_LOG_NOTICE, "ready: version %s, %zu zones; control socket %s",
		  STELE_VERSION, stele_zones_cnt(daemon->zones), daemon->config->control);
	stele_loop_run(daemon->main);
	stele_notify("STOPPING=1");
}

static void end_zones(struct stele_daemon *daemon)
{
	for (size_t i = 0; daemon->zones != NULL && i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		stele_refresh_end(daemon, zone);
		stele_notify_out_end(daemon, zone);
		stele_catalog_free(zone);
	}
}

void stele_daemon_stop(struct stele_daemon *daemon)
{
	for (unsigned i = 0; i < 4; i++)
		if (daemon->events[i] != NULL)
			event_free(daemon->events[i]);
	daemon->awake = false;
	stele_daemon_control_free(daemon);
	/* Before anything drains the loop: what a transfer that is committed now means for its zone is for the next
	 * start, since zones do not learn from the store any more. */
	end_zones(daemon);
	stele_metrics_free(daemon->metrics);
	/* Nobody asks any more; requests that wait for a commit are answered by the service, so the committer
	 * ends before that does. */
	stele_service_stop(daemon->service);
	/* What is being passed on to a primary is answered before the service goes. */
	if (daemon->main != NULL)
		stele_loop_drain(daemon->main);
	stele_update_end(daemon);
	stele_committer_end(daemon->committer);
	stele_service_free(daemon->service);
	/* What these have posted is about zones, which are still there. */
	if (daemon->main != NULL)
		stele_loop_drain(daemon->main);
	stele_committer_free(daemon->committer);
	stele_publisher_free(daemon->publisher);
	stele_notify_free(daemon->notify);
	stele_loop_free(daemon->main);
	stele_daemon_work_drop(daemon);
	stele_zone_states_close(daemon->states);
	stele_zones_free(daemon->zones);
	stele_images_free(daemon->images);
	stele_store_close(daemon->store);
	stele_tsig_keys_unref(daemon->keys);
	stele_mgmtd_config_release(daemon->config);
	stele_mgmtd_config_release(daemon->started);
	free(daemon->compiler);
	memset(daemon, 0, sizeof(*daemon));
}

/* ---- reload ---- */

static bool differs(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

/* What takes effect at the next start only. */
static void tell_fixed(const struct stele_mgmtd_config *old, const struct stele_mgmtd_config *now)
{
	const struct {
		const char *name;
		bool differs;
	} options[] = {
		{"store", differs(old->store, now->store)},
		{"image", differs(old->image, now->image)},
		{"state_dir", differs(old->state_dir, now->state_dir)},
		{"compiler", differs(old->compiler, now->compiler)},
		{"responder", differs(old->responder, now->responder)},
		{"control", differs(old->control, now->control)},
		{"user", differs(old->user, now->user)},
		{"threads", old->threads != now->threads},
		{"compile_max", old->compile_max_ns != now->compile_max_ns},
		{"listen", old->listen.cnt != now->listen.cnt ||
				   memcmp(old->listen.items, now->listen.items,
					  old->listen.cnt * sizeof(*old->listen.items)) != 0},
		{"metrics", memcmp(&old->metrics.address, &now->metrics.address,
				   sizeof(old->metrics.address)) != 0 ||
				    old->metrics.port != now->metrics.port},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].differs)
			stele_log(STELE_LOG_WARNING,
				  "%s has changed, which takes effect at the next start",
				  options[i].name);
}

static int reload(struct stele_daemon *daemon, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config, *old = daemon->config;
	struct stele_tsig_keys *keys, *old_keys = daemon->keys;
	int status = stele_mgmtd_config_load(daemon->config_path, &config, NULL, reterr);
	if (status < 0)
		return status;
	status = load_keys(config, &keys, reterr);
	if (status < 0) {
		stele_mgmtd_config_release(config);
		return status;
	}
	status = stele_service_reload(daemon->service, config, keys, reterr);
	if (status < 0) {
		stele_tsig_keys_unref(keys);
		stele_mgmtd_config_release(config);
		return status;
	}
	tell_fixed(daemon->started, config);
	daemon->config = config;
	daemon->keys = keys;
	stele_log_set_json(config->log.format == STELE_LOG_FORMAT_JSON);
	stele_log_set_audit(config->log.audit);
	stele_log_audit(&(struct stele_log_audit){.what = "reload"});
	status = stele_daemon_sync_zones(daemon, reterr);
	stele_tsig_keys_unref(old_keys);
	stele_mgmtd_config_release(old);
	return status;
}

int stele_daemon_reload(struct stele_daemon *daemon, struct stele_error *reterr)
{
	char state[64];
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)stele_clock_ns() / 1000);
	stele_notify(state);
	int status = reload(daemon, reterr);
	stele_notify("READY=1");
	return status;
}
