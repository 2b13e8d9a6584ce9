/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a whole, ended while the store changes: what is committed at the end is for the next start, since the
 * parts that would work on it are gone.
 */
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/transfer/fetch.h"
#include "tests/unit/mgmt/daemon_world.h"
#include "tests/unit/store/store_model.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
	FILE *file = fopen(daemon_world_path("zone"), "we");
	assert_non_null(file);
	fputs("@ 0 SOA invalid. invalid. 1 3600 600 2147483646 0\n@ 0 NS invalid.\n"
	      "version 0 TXT \"2\"\nm1.zones 0 PTR member.test.\n",
	      file);
	fclose(file);
	daemon_world_import(compiler, "cat.test");
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

/* ---- the first transfer of a zone ---- */

static const uint8_t zone_apex[] = "\4zone\4test";

static struct sockaddr_in loopback(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket that listens where the primary should be. */
static int listen_as_primary(const struct stele_daemon *daemon)
{
	struct sockaddr_in address = loopback(daemon->config->remotes.items[0].connect_port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

/* What is ready in the main loop, once. */
static void turn(struct stele_daemon *daemon)
{
	const struct stele_managed_zone *zone = stele_zones_find(daemon->zones, zone_apex);
	event_base_loop(stele_loop_base(daemon->main), EVLOOP_ONCE);
	assert_null(zone->last_error);
}

static void turn_until_readable(struct stele_daemon *daemon, int fd)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	while (poll(&readable, 1, 0) == 0)
		turn(daemon);
}

static void send_zone(int fd, uint16_t id)
{
	static const uint8_t soa[] = {0, 0, 0,  0, 0, 1,  0,   0, 14, 16, 0,
				      0, 2, 88, 0, 1, 81, 128, 0, 0,  0,  60};
	static const uint8_t ns[] = "\2ns\5other";
	static struct stele_writer writer;
	const size_t apex_len = sizeof(zone_apex);
	uint8_t msg[512];
	stele_writer_init(&writer, msg + 2, sizeof(msg) - 2);
	stele_writer_begin(&writer, id, STELE_FLAG_QR | STELE_FLAG_AA);
	assert_int_equal(stele_writer_question(&writer, zone_apex, apex_len, STELE_TYPE_AXFR,
					       STELE_CLASS_IN),
			 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(stele_writer_record(&writer, STELE_RR_ANSWER, zone_apex, apex_len,
						     i == 1 ? STELE_TYPE_NS : STELE_TYPE_SOA,
						     STELE_CLASS_IN, 60, i == 1 ? ns : soa,
						     i == 1 ? sizeof(ns) : sizeof(soa)),
				 1);
	size_t len = stele_writer_end(&writer);
	stele_put_be16(msg, (uint16_t)len);
	assert_int_equal(send(fd, msg, 2 + len, 0), 2 + len);
}

/* Until what was submitted before has come back to its loop, which nobody runs meanwhile. `loop` is for this alone, and
 * may be freed when the committer has ended. */
static void wait_for_committer(struct stele_daemon *daemon, struct stele_loop *loop)
{
	struct stele_commit last = {.apply = apply, .done = done, .home = loop};
	done_cnt = 0;
	stele_committer_submit(daemon->committer, &last);
	while (done_cnt == 0) {
		usleep(1000);
		stele_loop_drain(loop);
	}
}

/* When it expires is for the next start to find out: zones do not learn their timers any more. */
static void test_a_first_transfer_that_comes_last(void **state)
{
	(void)state;
	struct stele_daemon daemon;
	struct stele_loop *loop;
	struct stele_error err;
	char options[256];
	uint8_t question[512];
	assert_int_equal(stele_loop_new("last", &loop, &err), 0);
	snprintf(options, sizeof(options),
		 "metrics: {address: 127.0.0.1, port: %u}, templates: [{id: t, primaries: [p]}],"
		 " zones: [{name: zone.test, template: t}],",
		 daemon_world_port());
	daemon_world_start(&daemon, options);
	const struct stele_managed_zone *zone = stele_zones_find(daemon.zones, zone_apex);
	int listener = listen_as_primary(&daemon);
	turn_until_readable(&daemon, listener);
	int fd = accept(listener, NULL, NULL);
	turn_until_readable(&daemon, fd);
	assert_true(recv(fd, question, sizeof(question), 0) > 14);
	send_zone(fd, stele_get_be16(question + 2));
	const struct refresh_round *round = zone->refresh->round;
	while (!round->fetch->committing)
		turn(&daemon);
	wait_for_committer(&daemon, loop);
	stele_daemon_stop(&daemon);
	stele_loop_free(loop);
	close(fd);
	close(listener);

	daemon_world_start(&daemon, options);
	zone = stele_zones_find(daemon.zones, zone_apex);
	assert_true(zone->loaded && !zone->expired);
	assert_true(zone->expires_at > time(NULL) + 3600);
	stele_daemon_stop(&daemon);
}

/* ---- catalogs ---- */

static uint64_t record_cnt_of(const char *text)
{
	uint8_t apex[STELE_NAME_MAX];
	struct stele_zone_info info = {.rr_cnt = 0};
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
	return info.rr_cnt;
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
	/* SOA, NS, version, and the one that was there. */
	assert_int_equal(record_cnt_of("cat.test"), 4);
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

/* ---- a scrape ---- */

static sem_t http_waits;

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

/* The HTTP thread has posted what it wants of the main loop, and waits: here without an end of its own, since it would
 * hide that nobody answers it. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until)
{
	(void)until;
	sem_post(&http_waits);
	return pthread_cond_wait(cond, lock);
}

/* Who has asked when the daemon ends gets an answer, or the end of the connection where the server closed before
 * it has written. */
static void scrape_and_stop(void)
{
	static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
	unsigned port = daemon_world_port();
	struct sockaddr_in address = loopback(port);
	struct stele_daemon daemon;
	char options[512], reply[64] = "";
	/* What it is told of zones is what is left of them. */
	snprintf(options, sizeof(options), "metrics: {address: 127.0.0.1, port: %u}," CATALOG,
		 port);
	daemon_world_start(&daemon, options);
	sem_init(&http_waits, 0, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
	while (sem_wait(&http_waits) != 0)
		;
	/* Does not come back where that thread waits in vain. */
	stele_daemon_stop(&daemon);
	sem_destroy(&http_waits);
	ssize_t got = recv(fd, reply, sizeof(reply) - 1, 0);
	close(fd);
	if (got > 0)
		assert_memory_equal(reply + sizeof("HTTP/1.0") - 1, " 200 ", 5);
}

/* Its thread waits for the main loop, which nobody runs any more, and the end waits for it. */
static void test_a_scrape_that_comes_last(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		scrape_and_stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_catalog_that_comes_last),
		TEST(test_a_transfer_that_comes_last),
		TEST(test_a_first_transfer_that_comes_last),
		TEST(test_a_catalog_that_is_written_last),
		TEST(test_a_scrape_that_comes_last),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: test_mgmtd_end STELE_COMPILE\n");
		return 2;
	}
	compiler = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
