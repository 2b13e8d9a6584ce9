/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a whole, ended while the store changes: what is committed at the end is for the next start, since the
 * parts that would work on it are gone.
 */
#include "tests/unit/mgmt/daemon_world.h"
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

#define CATALOG                                                                                    \
	"templates: [{id: cat, primaries: [p], catalog: consumer, catalog_template: member},"      \
	" {id: member, primaries: [p]}], zones: [{name: cat.test, template: cat}],"

/* A catalog with one member, by another process. */
static void import_catalog(void)
{
	char command[512];
	FILE *file = fopen(daemon_world_path("zone"), "we");
	assert_non_null(file);
	fputs("@ 0 SOA invalid. invalid. 1 3600 600 2147483646 0\n@ 0 NS invalid.\n"
	      "version 0 TXT \"2\"\nm1.zones 0 PTR member.test.\n",
	      file);
	fclose(file);
	snprintf(command, sizeof(command),
		 "'%s' import --store %s/store --zone cat.test %s/zone >/dev/null", compiler,
		 daemon_world_dir(), daemon_world_dir());
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

/* As transfers do. */
struct telling {
	struct stele_commit commit; /* first */
	struct stele_daemon *daemon;
};

static void tell(struct stele_commit *commit, int status, uint64_t generation,
		 const struct stele_error *error)
{
	struct stele_daemon *daemon = ((struct telling *)commit)->daemon;
	done(commit, status, generation, error);
	stele_daemon_store_changed(daemon, generation);
}

static void test_a_transfer_that_comes_last(void **state)
{
	(void)state;
	struct stele_daemon daemon;
	struct telling telling = {{.apply = apply, .done = tell}, &daemon};
	daemon_world_start(&daemon, CATALOG);
	import_catalog();
	telling.commit.home = daemon.main;
	stele_committer_submit(daemon.committer, &telling.commit);
	done_cnt = 0;
	stele_daemon_stop(&daemon);
	assert_int_equal(done_cnt, 1);
	assert_int_equal(daemon_world_rows().member_cnt, 0);
}

static uint32_t serial_of(const char *text)
{
	uint8_t apex[STELE_NAME_MAX];
	struct stele_zone_info info = {.serial = 0};
	struct stele_store *store;
	struct stele_store_read *read;
	struct stele_error err;
	assert_true(stele_name_from_text(text, strlen(text), apex) > 0);
	assert_int_equal(
		stele_store_open(daemon_world_path("store"), STELE_STORE_CREATE, &store, &err), 0);
	assert_int_equal(stele_store_read_begin(store, &read, &err), 0);
	stele_store_zone_find(read, apex, &info, &err);
	stele_store_read_end(read);
	stele_store_close(store);
	return info.serial;
}

/* It is committed at the end, with one more zone come meanwhile. */
static void test_a_catalog_that_is_written_last(void **state)
{
	(void)state;
	struct stele_daemon daemon;
	struct stele_managed_zone *zone;
	struct stele_error err;
	daemon_world_start(
		&daemon,
		"templates: [{id: cat, catalog: producer}, {id: t, catalog_zone: cat.test}],"
		" zones: [{name: cat.test, template: cat}, {name: a.test, template: t}],");
	const struct stele_managed_zone *listed =
		stele_zones_find(daemon.zones, (const uint8_t *)"\1a\4test");
	assert_int_equal(stele_daemon_zone_add(&daemon, member, daemon.config, listed->options,
					       &zone, &err),
			 0);
	stele_daemon_stop(&daemon);
	assert_int_equal(serial_of("cat.test"), 1);
}

static void test_a_catalog_that_comes_last(void **state)
{
	(void)state;
	struct stele_daemon daemon;
	struct stele_commit commit = {.apply = apply, .done = done};
	daemon_world_start(&daemon, CATALOG);
	import_catalog();
	/* Nobody runs the main loop, so the news of it comes when zones have ended. */
	commit.home = daemon.main;
	stele_committer_submit(daemon.committer, &commit);
	stele_daemon_stop(&daemon);
	assert_int_equal(done_cnt, 1);
	assert_int_equal(daemon_world_rows().member_cnt, 0);

	/* The next start finds it. */
	daemon_world_start(&daemon, CATALOG);
	assert_non_null(stele_zones_find(daemon.zones, member));
	assert_non_null(stele_zones_find(daemon.zones, other));
	stele_daemon_stop(&daemon);
	assert_int_equal(daemon_world_rows().member_cnt, 1);
}

/* Who has asked when the daemon ends gets an answer, or the end of the connection where the server closed before
 * it has written. */
static void scrape_and_stop(void)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct stele_daemon daemon;
	char options[128], reply[64] = "";
	unsigned port = daemon_world_port();
	snprintf(options, sizeof(options), "metrics: {address: 127.0.0.1, port: %u},", port);
	daemon_world_start(&daemon, options);
	address.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	usleep(300000);
	stele_daemon_stop(&daemon);
	ssize_t got = recv(fd, reply, sizeof(reply) - 1, 0);
	close(fd);
	if (got > 0)
		assert_memory_equal(reply, "HTTP/1.", 7);
}

/* Its thread waits for the main loop, which nobody runs any more, and the end waits for it. */
static void test_a_scrape_that_comes_last(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		scrape_and_stop();
}

static int begin(void **state)
{
	(void)state;
	return daemon_world_begin();
}

static int end(void **state)
{
	(void)state;
	return daemon_world_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_catalog_that_comes_last, begin, end),
		cmocka_unit_test_setup_teardown(test_a_transfer_that_comes_last, begin, end),
		cmocka_unit_test_setup_teardown(test_a_catalog_that_is_written_last, begin, end),
		cmocka_unit_test_setup_teardown(test_a_scrape_that_comes_last, begin, end),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmtd_end STELE_COMPILE\n");
		return 2;
	}
	compiler = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
