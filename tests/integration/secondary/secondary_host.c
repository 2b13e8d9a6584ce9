/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary without the daemon around it, with a clock that a test can turn:
 *
 *   secondary_host CONFIG
 *
 * Reads the daemon's configuration and looks after all its zones that have primaries. Lines on standard input:
 *
 *   refresh ZONE [ADDRESS]   as after a NOTIFY (from there)
 *   ask ZONE, force ZONE     as an operator does; with a transfer whatever the serial
 *   end ZONE, begin ZONE     stop looking after it, and again
 *   shift SECONDS            the clock goes ahead
 *   mute                     no datagram is let out any more, as if by a firewall of this machine
 *   zone ZONE                answered with a JSON object
 *   counts                   the same
 *   quit
 *
 * Each is answered by one line, "ok" or an object; log lines go to standard error.
 */
#include "lib/base/bytes.h"
#include "lib/daemon/log.h"
#include "lib/store/node.h"
#include "mgmt/transfer/refresh.h"
#include "mgmt/transfer/turns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stele_daemon daemon_;
static size_t changed_cnt;

static void fail(const char *what, const struct stele_error *err)
{
	fprintf(stderr, "secondary_host: %s: %s\n", what, err->text);
	exit(1);
}

/* ---- what the daemon does ---- */

static void learn_soa(struct stele_store_read *read, struct stele_managed_zone *zone)
{
	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset rrset;
	if (stele_store_node(read, zone->id, NULL, 0, &node, &node_sz, NULL) < 0 ||
	    !stele_node_find(node, node_sz, 6, &rrset))
		return;
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	const uint8_t *timers = rr.rdata + rr.rdata_len - 16;
	zone->soa = (struct stele_soa_timers){stele_get_be32(timers), stele_get_be32(timers + 4),
					      stele_get_be32(timers + 8),
					      stele_get_be32(timers + 12)};
}

static void learn(struct stele_store_read *read, struct stele_managed_zone *zone)
{
	struct stele_zone_info info;
	if (stele_store_zone_find(read, zone->apex, &info, NULL) < 0)
		return;
	stele_zones_set_id(daemon_.zones, zone, info.id);
	zone->loaded = !(info.flags & STELE_STORE_ZONE_STUB);
	zone->expired = (info.flags & STELE_STORE_ZONE_EXPIRED) != 0;
	zone->serial = info.serial;
	zone->rr_cnt = info.rr_cnt;
	zone->generation = info.generation;
	learn_soa(read, zone);
}

void stele_daemon_store_changed(struct stele_daemon *daemon, uint64_t generation)
{
	struct stele_store_read *read;
	struct stele_error err;
	changed_cnt++;
	daemon->generation = generation;
	if (stele_store_read_begin(daemon->store, &read, &err) < 0)
		fail("store", &err);
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++)
		learn(read, stele_zones_at(daemon->zones, i));
	stele_store_read_end(read);
}

/* ---- in the place of send() ---- */

static bool is_mute;

ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	int type = 0;
	socklen_t type_len = sizeof(type);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len);
	if (is_mute && type == SOCK_DGRAM) {
		errno = EPERM;
		return -1;
	}
	return __real_send(fd, buf, len, flags);
}

/* ---- commands ---- */

static void put_line(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	puts(text);
	fflush(stdout);
	free(text);
	json_decref(json);
}

static void show_zone(const struct stele_managed_zone *zone)
{
	put_line(json_pack("{sb sb sI sI sI sI sI sI sI sI sI sb ss?}", "loaded", zone->loaded,
			   "expired", zone->expired, "serial", (json_int_t)zone->serial,
			   "primary_serial", (json_int_t)zone->primary_serial, "records",
			   (json_int_t)zone->rr_cnt, "refreshed_at", (json_int_t)zone->refreshed_at,
			   "next_refresh_at", (json_int_t)zone->next_refresh_at, "expires_at",
			   (json_int_t)zone->expires_at, "failures", (json_int_t)zone->retry_cnt,
			   "transfers", (json_int_t)zone->transfer_cnt, "failed_transfers",
			   (json_int_t)zone->transfer_failed_cnt, "under_way",
			   zone->refresh != NULL, "error", zone->last_error));
}

static void show_counts(void)
{
	struct stele_refresh_counts c;
	stele_refresh_counts(&daemon_, &c);
	size_t loaded = 0, confirmed = 0;
	for (size_t i = 0; i < stele_zones_cnt(daemon_.zones); i++) {
		const struct stele_managed_zone *zone = stele_zones_at(daemon_.zones, i);
		loaded += zone->loaded;
		confirmed += zone->refreshed_at > 0;
	}
	put_line(json_pack("{sI sI sI sI sI sI sI sI sI sI}", "probes", (json_int_t)c.probes,
			   "probes_waiting", (json_int_t)c.probes_waiting, "transfers",
			   (json_int_t)c.transfers, "transfers_waiting",
			   (json_int_t)c.transfers_waiting, "loaded", (json_int_t)loaded,
			   "confirmed", (json_int_t)confirmed, "changed", (json_int_t)changed_cnt,
			   "soa_in", (json_int_t)daemon_.counters.soa_in, "axfr_in",
			   (json_int_t)daemon_.counters.axfr_in, "ixfr_in",
			   (json_int_t)daemon_.counters.ixfr_in));
}

static struct stele_managed_zone *find_zone(const char *text)
{
	uint8_t name[STELE_NAME_MAX];
	int len = text == NULL ? -1 : stele_name_from_text(text, strlen(text), name);
	return len < 0 ? NULL : stele_zones_find(daemon_.zones, name);
}

static bool parse_address(const char *text, struct stele_config_address *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->family = strchr(text, ':') != NULL ? 6 : 4;
	return inet_pton(ret->family == 4 ? AF_INET : AF_INET6, text, ret->addr) == 1;
}

static void run_command(char *line)
{
	char *rest, *verb = strtok_r(line, " \n", &rest);
	char *argument = strtok_r(NULL, " \n", &rest), *more = strtok_r(NULL, " \n", &rest);
	struct stele_managed_zone *zone = find_zone(argument);
	struct stele_config_address address;
	struct stele_error err;
	if (verb == NULL)
		return;
	if (strcmp(verb, "quit") == 0) {
		stele_loop_stop(daemon_.main);
	} else if (strcmp(verb, "counts") == 0) {
		show_counts();
		return;
	} else if (strcmp(verb, "shift") == 0 && argument != NULL) {
		stele_refresh_shift_clock(&daemon_, strtol(argument, NULL, 10));
	} else if (strcmp(verb, "mute") == 0) {
		is_mute = true;
	} else if (zone == NULL) {
		puts("\"no such zone or command\"");
		fflush(stdout);
		return;
	} else if (strcmp(verb, "zone") == 0) {
		show_zone(zone);
		return;
	} else if (strcmp(verb, "refresh") == 0) {
		bool has = more != NULL && parse_address(more, &address);
		stele_refresh_now(&daemon_, zone, has ? &address : NULL, false);
	} else if (strcmp(verb, "ask") == 0 || strcmp(verb, "force") == 0) {
		stele_refresh_ask(&daemon_, zone, strcmp(verb, "force") == 0);
	} else if (strcmp(verb, "end") == 0) {
		stele_refresh_end(&daemon_, zone);
	} else if (strcmp(verb, "begin") == 0 && stele_refresh_begin(&daemon_, zone, &err) < 0) {
		fail("begin", &err);
	}
	puts("\"ok\"");
	fflush(stdout);
}

static void on_input(evutil_socket_t fd, short what, void *user)
{
	(void)what;
	(void)user;
	static char line[4096];
	static size_t len;
	ssize_t got = read(fd, line + len, sizeof(line) - len - 1);
	if (got <= 0) {
		stele_loop_stop(daemon_.main);
		return;
	}
	len += (size_t)got;
	line[len] = '\0';
	char *end;
	while ((end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		size_t sz = (size_t)(end + 1 - line);
		run_command(line);
		memmove(line, line + sz, len - sz + 1);
		len -= sz;
	}
}

/* ---- begin and end ---- */

struct stubs {
	struct stele_commit commit;
};

static int apply_stubs(struct stele_commit *commit, struct stele_store_write *write,
		       struct stele_error *reterr)
{
	(void)commit;
	for (size_t i = 0; i < daemon_.config->zones.cnt; i++) {
		int status =
			stele_store_zone_stub(write, daemon_.config->zones.items[i].apex, reterr);
		if (status < 0)
			return status;
	}
	return 0;
}

static void stubs_done(struct stele_commit *commit, int status, uint64_t generation,
		       const struct stele_error *err)
{
	(void)commit;
	if (status < 0)
		fail("stubs", err);
	stele_daemon_store_changed(&daemon_, generation);
	struct stele_error begin_err;
	for (size_t i = 0; i < stele_zones_cnt(daemon_.zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon_.zones, i);
		if (stele_zone_states_recall(daemon_.states, zone, &begin_err) < 0 ||
		    stele_refresh_begin(&daemon_, zone, &begin_err) < 0)
			fail(zone->name, &begin_err);
	}
	puts("\"ready\"");
	fflush(stdout);
}

static void on_second(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	(void)user;
	struct stele_error err;
	if (stele_zone_states_write(daemon_.states, &err) < 0)
		fail("state", &err);
}

static void open_all(const char *path)
{
	struct stele_error err = {.text = ""};
	struct stele_config_faults faults = {0};
	if (stele_mgmtd_config_load(path, &daemon_.config, &faults, &err) < 0) {
		for (size_t i = 0; i < faults.cnt; i++)
			fprintf(stderr, "%s\n", faults.items[i].text);
		fail(path, &err);
	}
	const struct stele_mgmtd_config *config = daemon_.config;
	mkdir(config->state_dir, 0700);
	stele_log_open("secondary_host", STELE_LOG_DEBUG, true);
	if (config->keys != NULL && stele_tsig_keys_load(config->keys, &daemon_.keys, &err) < 0)
		fail(config->keys, &err);
	if (stele_loop_new("main", &daemon_.main, &err) < 0 ||
	    stele_store_open(config->store, STELE_STORE_CREATE, &daemon_.store, &err) < 0 ||
	    stele_committer_new(daemon_.store, &daemon_.committer, &err) < 0 ||
	    stele_zones_new(&daemon_.zones, &err) < 0 ||
	    stele_zone_states_open(config->state_dir, &daemon_.states, &err) < 0)
		fail("start", &err);
	for (size_t i = 0; i < config->zones.cnt; i++) {
		const struct stele_zone_config *z = &config->zones.items[i];
		struct stele_managed_zone *zone;
		if (z->options->has_primaries &&
		    stele_zones_add(daemon_.zones, z->apex, config, z->options, &zone, &err) < 0)
			fail(z->name, &err);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	open_all(argv[1]);
	struct event_base *base = stele_loop_base(daemon_.main);
	struct event *input = event_new(base, 0, EV_READ | EV_PERSIST, on_input, NULL);
	struct event *second = event_new(base, -1, EV_PERSIST, on_second, NULL);
	event_add(input, NULL);
	event_add(second, &(struct timeval){1, 0});
	struct stubs stubs = {{.apply = apply_stubs, .done = stubs_done, .home = daemon_.main}};
	stele_committer_submit(daemon_.committer, &stubs.commit);
	stele_loop_run(daemon_.main);
	event_free(input);
	event_free(second);
	for (size_t i = 0; i < stele_zones_cnt(daemon_.zones); i++)
		stele_refresh_end(&daemon_, stele_zones_at(daemon_.zones, i));
	stele_committer_end(daemon_.committer);
	stele_loop_drain(daemon_.main);
	stele_committer_free(daemon_.committer);
	stele_loop_free(daemon_.main);
	for (size_t i = stele_zones_cnt(daemon_.zones); i > 0; i--)
		stele_zones_remove(daemon_.zones, stele_zones_at(daemon_.zones, i - 1));
	stele_zones_free(daemon_.zones);
	stele_zone_states_close(daemon_.states);
	stele_store_close(daemon_.store);
	stele_tsig_keys_unref(daemon_.keys);
	stele_mgmtd_config_release(daemon_.config);
	return 0;
}
