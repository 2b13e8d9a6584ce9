/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/mgmt/daemon_world.h"

#include "lib/config/config.h"
#include "tests/unit/store/store_model.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* More than the store has. */
#define READERS_MAX 4096

static char dir[64], path[128];
static struct stele_store_read *reads[READERS_MAX];
static unsigned read_cnt;

int daemon_world_begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/stele-test-daemon-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

int daemon_world_end(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

const char *daemon_world_dir(void)
{
	return dir;
}

const char *daemon_world_path(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

unsigned daemon_world_port(void)
{
	for (;;) {
		struct sockaddr_in address = {.sin_family = AF_INET,
					      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof(address);
		int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(bind(udp, (struct sockaddr *)&address, len), 0);
		assert_int_equal(getsockname(udp, (struct sockaddr *)&address, &len), 0);
		bool free_too = bind(tcp, (struct sockaddr *)&address, len) == 0;
		close(udp);
		close(tcp);
		if (free_too)
			return ntohs(address.sin_port);
	}
}

void daemon_world_put_zone(const uint8_t *apex)
{
	struct stele_store *store;
	struct stele_store_write *write;
	struct stele_error err;
	assert_int_equal(
		stele_store_open(daemon_world_path("store"), STELE_STORE_CREATE, &store, &err), 0);
	assert_int_equal(stele_store_write_begin(store, &write, &err), 0);
	assert_int_equal(bulk_replace(write, apex, 1, 3, false, NULL, &err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &err), 0);
	stele_store_close(store);
}

void daemon_world_import(const char *compiler, const char *zone)
{
	char command[512];
	snprintf(command, sizeof(command),
		 "'%s' import --store %s/store --zone %s %s/zone >/dev/null", compiler, dir, zone,
		 dir);
	assert_int_equal(system(command), 0);
}

/* Its path stands in `path` afterwards. */
static void write_config(const char *options)
{
	FILE *file = fopen(daemon_world_path("mgmtd.yaml"), "we");
	assert_non_null(file);
	fprintf(file,
		"{store: %s/store, image: %s/image, state_dir: %s/state, control: %s/control,\n"
		" user: none, responder: none, compiler: /bin/false, threads: 1,\n"
		" %s\n"
		" listen: [{address: 127.0.0.1, port: %u}],\n"
		" remotes: [{id: p, addresses: [127.0.0.1], port: %u}]}\n",
		dir, dir, dir, dir, options, daemon_world_port(), daemon_world_port());
	fclose(file);
}

void daemon_world_start(struct stele_daemon *daemon, const char *options)
{
	const struct stele_mgmtd_config *config;
	struct stele_error err;
	write_config(options);
	if (stele_mgmtd_config_load(path, &config, NULL, &err) < 0)
		fail_msg("%s", err.text);
	if (stele_daemon_start(daemon, config, path, &err) < 0)
		fail_msg("%s", err.text);
	/* The daemon holds it. */
	stele_mgmtd_config_release(config);
}

void daemon_world_reload(struct stele_daemon *daemon, const char *options)
{
	struct stele_error err;
	write_config(options);
	if (stele_daemon_reload(daemon, &err) < 0)
		fail_msg("%s", err.text);
}

void daemon_world_hold_readers(struct stele_daemon *daemon)
{
	struct stele_error err;
	while (read_cnt < READERS_MAX &&
	       stele_store_read_begin(daemon->store, &reads[read_cnt], &err) == 0)
		read_cnt++;
	assert_in_range(read_cnt, 1024, READERS_MAX - 1);
}

void daemon_world_release_readers(void)
{
	while (read_cnt > 0)
		stele_store_read_end(reads[--read_cnt]);
}

static void limit_files(bool none)
{
	struct rlimit limit;
	/* Else the kernel ends the process. */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = none ? 0 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

void daemon_world_fill_disk(void)
{
	limit_files(true);
}

void daemon_world_empty_disk(void)
{
	limit_files(false);
}

static int count(void *user, const uint8_t *apex, const uint8_t *catalog, const uint8_t *unique,
		 const char *group)
{
	struct daemon_world_rows *rows = user;
	(void)apex;
	(void)unique;
	(void)group;
	rows->cnt++;
	rows->member_cnt += catalog != NULL;
	return 0;
}

struct daemon_world_rows daemon_world_rows(void)
{
	struct daemon_world_rows rows = {0};
	struct stele_zone_states *states;
	struct stele_error err;
	assert_int_equal(stele_zone_states_open(daemon_world_path("state"), &states, &err), 0);
	assert_int_equal(stele_zone_states_each(states, count, &rows, &err), 0);
	stele_zone_states_close(states);
	return rows;
}
