/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listens and counts as stele-responder does, and answers with what is written here: stelectl has
 * somebody to talk to without ports, huge pages or an image.
 *
 * usage: fake_responder SOCKET STATS-FILE [withdrawn | refuses | fails | unwell]
 *
 * Until a signal ends it; prints "ready" first. "withdrawn": it has withdrawn an image. "refuses": its configuration is
 * wrong. "fails": that is right, but what it says cannot be done. "unwell": no image, no link, core 2 stands still.
 */
#include "lib/base/hex.h"
#include "lib/ctl/ctl.h"
#include "lib/dns/message.h"
#include "lib/stats/stats.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* More than one part of a list holds. */
enum { ZONE_CNT = 25, PART_MAX = 8, CORE_CNT = 2 };

struct fake {
	const char *stats_path;
	struct stele_stats *stats;
	struct stele_stats_worker *workers[CORE_CNT];
	const char *how; /* "": nothing is wrong */
	bool drained;
	json_int_t generation;
};

static bool is(const struct fake *fake, const char *how)
{
	return strcmp(fake->how, how) == 0;
}

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static json_t *image_json(json_int_t generation)
{
	return json_pack("{s:s, s:I, s:i, s:i, s:i, s:I, s:I, s:s}", "name", "/srv/example.image",
			 "generation", generation, "zones", ZONE_CNT, "names", 1000, "records",
			 2000, "bytes", (json_int_t)12345678, "loaded_at", (json_int_t)1700000000,
			 "served_from", "arena");
}

static int status(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	bool unwell = is(fake, "unwell");
	int wrong = stele_ctl_unpack(call, reterr, "");
	if (wrong != 0)
		return wrong;
	json_t *members = json_pack(
		"{s:s, s:i, s:i, s:b, s:b, s:o?, s:n, s:{s:I, s:I, s:s}, s:[s,s], s:[{s:s, s:s, s:s, s:s, s:i, s:i}],"
		" s:[{s:i, s:i, s:s, s:i, s:I, s:s}, {s:i, s:i, s:s, s:i, s:I, s:s}]}",
		"version", STELE_VERSION, "pid", (int)getpid(), "uptime_s", 3723, "healthy",
		!fake->drained && !unwell, "drained", fake->drained, "image",
		unwell ? NULL : image_json(fake->generation), "previous", "arena", "used",
		(json_int_t)12400000, "size", (json_int_t)1000000000, "pages", "2 MB pages",
		"addresses", "10.53.0.2", "fd53::2", "ports", "name", "tap0", "device", "net_tap0",
		"mac", "02:00:00:00:00:01", "link", unwell ? "down" : "up", "speed_mbps", 10000,
		"mtu", 1500, "cores", "core", 1, "numa", 0, "port", "tap0", "queue", 0,
		"generation", fake->generation, "state", "running", "core", 2, "numa", 0, "port",
		"tap0", "queue", 1, "generation", fake->generation - 1, "state",
		unwell ? "stuck" : "running");
	json_object_set_new(members, "withdrawn", json_boolean(is(fake, "withdrawn")));
	json_object_update(call->response, members);
	json_decref(members);
	return 0;
}

static int zones(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	const char *after = "0";
	json_int_t limit = PART_MAX;
	int wrong = stele_ctl_unpack(call, reterr, "s?s, s?I", "after", &after, "limit", &limit);
	if (wrong != 0)
		return wrong;
	if (limit > PART_MAX)
		limit = PART_MAX;
	json_t *list = json_array();
	int i = (int)strtol(after, NULL, 10);
	for (; i < ZONE_CNT && limit > 0; i++, limit--) {
		char name[32];
		snprintf(name, sizeof(name), "zone-%d.test.", i);
		json_array_append_new(list,
				      json_pack("{s:s, s:i, s:i, s:i, s:s, s:b, s:i, s:i}", "zone",
						name, "serial", 100 + i, "names", i, "records",
						2 * i, "signed", i % 2 ? "nsec3" : "none",
						"expired", i == 3, "cores", 2, "core_cnt", 2));
	}
	json_object_set_new(call->response, "generation", json_integer(fake->generation));
	json_object_set_new(call->response, "total", json_integer(ZONE_CNT));
	json_object_set_new(call->response, "zones", list);
	if (i < ZONE_CNT) {
		char next[16];
		snprintf(next, sizeof(next), "%d", i);
		json_object_set_new(call->response, "next", json_string(next));
	}
	return 0;
}

static int zone(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	const char *name;
	int wrong = stele_ctl_unpack(call, reterr, "s:s", "zone", &name);
	if (wrong != 0)
		return wrong;
	if (strcmp(name, "zone-1.test") != 0)
		return stele_fail(reterr, STELE_E_NOTFOUND, "%s: no zone of this image", name);
	json_t *members = json_pack("{s:s, s:i, s:I, s:i, s:i, s:s, s:b,"
				    " s:[{s:i, s:i, s:I}, {s:i, s:n, s:I}]}",
				    "zone", "zone-1.test.", "serial", 101, "generation",
				    fake->generation, "names", 1, "records", 2, "signed", "nsec3",
				    "expired", 0, "cores", "core", 1, "serial", 101, "generation",
				    fake->generation, "core", 2, "serial", "generation",
				    fake->generation - 1);
	json_object_update(call->response, members);
	json_decref(members);
	return 0;
}

/* An image of this server is a file that begins with "image"; a load takes three rounds. */
static int load(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	const char *path;
	char begin[5];
	int wrong = stele_ctl_unpack(call, reterr, "s:s", "path", &path);
	if (wrong != 0)
		return wrong;
	if (call->round < 2)
		return STELE_CTL_AGAIN;
	if (pread(call->fd, begin, sizeof(begin), 0) != sizeof(begin) ||
	    memcmp(begin, "image", 5) != 0) {
		stele_stats_global_add(fake->stats, STELE_GLOBAL_LOADS_REFUSED, 1);
		return stele_fail(reterr, STELE_E_INPUT, "%s: byte 0: not an image", path);
	}
	fake->generation++;
	stele_stats_global_add(fake->stats, STELE_GLOBAL_LOADS, 1);
	json_t *members = json_pack("{s:I, s:i, s:b, s:i, s:I, s:i, s:i}", "generation",
				    fake->generation, "zones", ZONE_CNT, "unchanged", 0,
				    "shards_copied", 3, "bytes_copied", (json_int_t)4096000,
				    "shards_kept", 7, "ms", 12);
	json_object_update(call->response, members);
	json_decref(members);
	return 0;
}

static int rollback(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	if (fake->generation == 1)
		return stele_fail(reterr, STELE_E_NOTFOUND, "no image before this one is kept");
	fake->generation--;
	json_object_set_new(call->response, "generation", json_integer(fake->generation));
	json_object_set_new(call->response, "name", json_string("/srv/example.image"));
	return 0;
}

/* Serials up to 200 are served after some rounds, others never. */
static int wait_for(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	const char *name;
	json_int_t serial, timeout_ms;
	int wrong = stele_ctl_unpack(call, reterr, "s:s, s:I, s:I", "zone", &name, "serial",
				     &serial, "timeout_ms", &timeout_ms);
	if (wrong != 0)
		return wrong;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (serial > 200 || call->round < 5) {
		if (now - call->began_ns < (uint64_t)timeout_ms * 1000000u)
			return STELE_CTL_AGAIN;
		return stele_fail(reterr, STELE_E_NOTFOUND, "%s: core 2 serves serial 101", name);
	}
	json_object_set_new(call->response, "zone", json_string(name));
	json_object_set_new(call->response, "serial", json_integer(serial));
	return 0;
}

static int reload(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	const struct fake *fake = user;
	int check = 0;
	int wrong = stele_ctl_unpack(call, reterr, "s?b", "check", &check);
	if (wrong != 0)
		return wrong;
	if (is(fake, "refuses"))
		return stele_fail(reterr, STELE_E_INPUT, "responder.yaml:1:1: wrong");
	if (is(fake, "fails") && !check)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	json_object_set_new(call->response, "reloaded", json_pack("[s]", "cookie secrets"));
	return 0;
}

static int drain(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	(void)reterr;
	fake->drained = strcmp(json_string_value(json_object_get(call->request, "op")), "drain") ==
			0;
	json_object_set_new(call->response, "drained", json_boolean(fake->drained));
	return 0;
}

static int stats(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	(void)reterr;
	json_object_set_new(call->response, "path", json_string(fake->stats_path));
	return 0;
}

/* The query itself with QR, AA and REFUSED; names below "drop" and "punt" get none; "bad" a broken one. */
static int trace(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct fake *fake = user;
	const char *hex, *client;
	int tcp;
	uint8_t msg[512];
	int wrong = stele_ctl_unpack(call, reterr, "s:s, s:s, s:b", "query", &hex, "client",
				     &client, "tcp", &tcp);
	if (wrong != 0)
		return wrong;
	size_t len = strlen(hex) / 2;
	if (len > sizeof(msg) || len < STELE_HEADER_SZ || !stele_hex_decode(hex, msg, len))
		return stele_fail(reterr, STELE_E_USAGE, "the query is no message");
	const char *verdict = "reply";
	if (memcmp(msg + STELE_HEADER_SZ, "\4drop", 5) == 0)
		verdict = "drop";
	if (memcmp(msg + STELE_HEADER_SZ, "\4punt", 5) == 0)
		verdict = "punt";
	msg[2] |= 0x84;
	msg[3] = 5;
	if (memcmp(msg + STELE_HEADER_SZ, "\3bad", 4) == 0)
		msg[4] = 7;
	char reply[2 * sizeof(msg) + 1];
	stele_hex_encode(msg, len, reply);
	char step[128];
	snprintf(step, sizeof(step), "from %s by %s", client, tcp ? "TCP" : "UDP");
	json_object_set_new(call->response, "verdict", json_string(verdict));
	json_object_set_new(call->response, "reply", json_string(reply));
	json_object_set_new(call->response, "cookie_valid", json_false());
	json_object_set_new(call->response, "generation", json_integer(fake->generation));
	json_object_set_new(call->response, "steps", json_pack("[s,s]", step, "no zone: REFUSED"));
	return 0;
}

static const struct stele_ctl_op ops[] = {
	{"status", false, status}, {"zones", false, zones},       {"zone", false, zone},
	{"load", true, load},      {"rollback", false, rollback}, {"wait", false, wait_for},
	{"reload", false, reload}, {"drain", false, drain},       {"undrain", false, drain},
	{"stats", false, stats},   {"trace", false, trace},       {NULL, false, NULL},
};

/* What a worker counts in one burst. */
static void count_burst(struct fake *fake, struct stele_stats_zone_row *rows)
{
	struct stele_stats_worker *w = fake->workers[0];
	stele_stats_begin(w);
	stele_stats_add(w, STELE_STAT_RX_PACKETS, 32);
	stele_stats_add(w, STELE_STAT_ANSWERED_UDP4, 20);
	stele_stats_add(w, STELE_STAT_LOCAL_ARP, 1);
	stele_stats_add(w, STELE_STAT_PUNT_TCP, 4);
	stele_stats_add(w, STELE_STAT_DROP_UDP_CHECKSUM, 7);
	stele_stats_add(w, STELE_STAT_RCODE_NOERROR, 20);
	STELE_STATS_RECORD(w, RESPONSE_TIME, 5000, 20);
	STELE_STATS_RECORD(w, RESPONSE_SIZE, 120, 20);
	stele_stats_zone_add(&rows[1], STELE_ZONE_STAT_ANSWER, 20);
	stele_stats_end(w);
}

static int make_stats(struct fake *fake, struct stele_error *err)
{
	struct stele_stats_settings settings = {
		.path = fake->stats_path, .mode = 0644, .worker_cnt = CORE_CNT, .zone_slot_cnt = 4};
	int failed = stele_stats_create(&settings, &fake->stats, err);
	if (failed != 0)
		return failed;
	for (uint32_t i = 0; i < CORE_CNT; i++) {
		struct stele_stats_place place = {.core = i + 1, .queue = i};
		fake->workers[i] = stele_stats_worker(fake->stats, i, &place);
	}
	struct stele_stats_zone zone_one = {.name = "\4zone\4test", .name_len = 11, .serial = 7};
	uint32_t slot;
	failed = stele_stats_zones_assign(fake->stats, &zone_one, 1, &slot, err);
	if (failed == 0)
		stele_stats_zones_settle(fake->stats, &zone_one, &slot, 1);
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 4) {
		fputs("usage: fake_responder SOCKET STATS-FILE [withdrawn | refuses | fails | unwell]\n",
		      stderr);
		return 2;
	}
	struct fake fake = {
		.stats_path = argv[2], .how = argc == 4 ? argv[3] : "", .generation = 1};
	struct stele_ctl_server_settings settings = {
		.path = argv[1], .group = (gid_t)-1, .ops = ops, .user = &fake};
	struct stele_ctl_server *server = NULL;
	struct stele_error err;
	int failed = make_stats(&fake, &err);
	if (failed == 0)
		failed = stele_ctl_server_new(&settings, &server, &err);
	if (failed != 0) {
		fprintf(stderr, "fake_responder: %s\n", err.text);
		stele_stats_destroy(fake.stats);
		return stele_exit_status(failed);
	}
	struct stele_stats_zone_row *rows = stele_stats_zone_rows(fake.stats, 0);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	puts("ready");
	fflush(stdout);
	while (!ended) {
		struct pollfd fd = {.fd = stele_ctl_server_fd(server), .events = POLLIN};
		int timeout = stele_ctl_server_timeout_ms(server);
		poll(&fd, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
		stele_ctl_server_step(server);
		count_burst(&fake, rows);
	}
	stele_ctl_server_free(server);
	stele_stats_destroy(fake.stats);
	return 0;
}
