/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a whole, ended while the store changes: what is committed at the end is for the next start, since the
 * parts that would work on it are gone.
 */
#include "lib/config/config.h"
#include "mgmt/daemon.h"
#include "tests/unit/store/store_model.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const uint8_t member[] = "\6member\4test", other[] = "\5other\4test";
static const char *compiler;
static char dir[64], path[128];
static struct stele_error err;

static unsigned free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static const struct stele_mgmtd_config *make_config(void)
{
	const struct stele_mgmtd_config *config;
	snprintf(path, sizeof(path), "%s/mgmtd.yaml", dir);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file,
		"{store: %s/store, image: %s/image, state_dir: %s/state, control: %s/control,\n"
		" user: none, responder: none, compiler: /bin/false, threads: 1,\n"
		" listen: [{address: 127.0.0.1, port: %u}],\n"
		" remotes: [{id: p, addresses: [127.0.0.1], port: %u}],\n"
		" templates: [{id: cat, primaries: [p], catalog: consumer, catalog_template: member},\n"
		"             {id: member, primaries: [p]}],\n"
		" zones: [{name: cat.test, template: cat}]}\n",
		dir, dir, dir, dir, free_port(), free_port());
	fclose(file);
	if (stele_mgmtd_config_load(path, &config, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return config;
}

/* A catalog with one member, by another process. */
static void import_catalog(void)
{
	char command[512];
	snprintf(path, sizeof(path), "%s/zone", dir);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs("@ 0 SOA invalid. invalid. 1 3600 600 2147483646 0\n@ 0 NS invalid.\n"
	      "version 0 TXT \"2\"\nm1.zones 0 PTR member.test.\n",
	      file);
	fclose(file);
	snprintf(command, sizeof(command),
		 "'%s' import --store %s/store --zone cat.test %s >/dev/null", compiler, dir, path);
	assert_int_equal(system(command), 0);
}

static int apply(struct stele_commit *commit, struct stele_store_write *write,
		 struct stele_error *reterr)
{
	(void)commit;
	return bulk_replace(write, other, 1, 3, false, NULL, reterr);
}

static unsigned done_cnt;

static void done(struct stele_commit *commit, int status, uint64_t generation,
		 const struct stele_error *error)
{
	(void)commit;
	(void)error;
	assert_int_equal(status, 0);
	assert_true(generation > 0);
	done_cnt++;
}

static int count(void *user, const uint8_t *apex, const uint8_t *catalog, const uint8_t *unique,
		 const char *group)
{
	(void)apex;
	(void)unique;
	(void)group;
	*(unsigned *)user += catalog != NULL;
	return 0;
}

static unsigned remembered_members(void)
{
	struct stele_zone_states *states;
	unsigned cnt = 0;
	snprintf(path, sizeof(path), "%s/state", dir);
	assert_int_equal(stele_zone_states_open(path, &states, &err), 0);
	assert_int_equal(stele_zone_states_each(states, count, &cnt, &err), 0);
	stele_zone_states_close(states);
	return cnt;
}

static void test_a_catalog_that_comes_last(void **state)
{
	(void)state;
	const struct stele_mgmtd_config *config = make_config();
	struct stele_daemon daemon;
	struct stele_commit commit = {.apply = apply, .done = done};
	snprintf(path, sizeof(path), "%s/mgmtd.yaml", dir);
	if (stele_daemon_start(&daemon, config, path, &err) < 0)
		fail_msg("%s", err.text);
	import_catalog();
	/* Nobody runs the main loop, so the news of it comes when zones have ended. */
	commit.home = daemon.main;
	stele_committer_submit(daemon.committer, &commit);
	stele_daemon_stop(&daemon);
	assert_int_equal(done_cnt, 1);
	assert_int_equal(remembered_members(), 0);

	/* The next start finds it. */
	snprintf(path, sizeof(path), "%s/mgmtd.yaml", dir);
	assert_int_equal(stele_daemon_start(&daemon, config, path, &err), 0);
	assert_non_null(stele_zones_find(daemon.zones, member));
	assert_non_null(stele_zones_find(daemon.zones, other));
	stele_daemon_stop(&daemon);
	assert_int_equal(remembered_members(), 1);
	stele_mgmtd_config_release(config);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_catalog_that_comes_last)};
	char command[128];
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmtd_end STELE_COMPILE\n");
		return 2;
	}
	compiler = argv[1];
	snprintf(dir, sizeof(dir), "/tmp/stele-test-end-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 2;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command) != 0 ? 2 : failed;
}
