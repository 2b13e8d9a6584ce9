/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY that comes: who may say it, and what becomes of many. */
#include "tests/unit/transfer/notify_case.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "mgmt/notify/message.h"
#include "mgmt/transfer/refresh.h"

static const uint8_t other[] = "\5other";

/* ---- in the place of refresh.c ---- */

static unsigned refresh_cnt;
static struct stele_managed_zone *refreshed;
static struct stele_config_address refreshed_from;

void stele_refresh_now(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		       const struct stele_config_address *from, bool force)
{
	(void)daemon;
	assert_false(force);
	refresh_cnt++;
	refreshed = zone;
	assert_non_null(from);
	refreshed_from = *from;
}

static const char in_config[] = "remotes: [{id: p, addresses: [192.0.2.1]}]\n"
				"acls: [{id: lan, prefixes: [192.0.2.128/25]}]\n"
				"templates:\n"
				"  - {id: sec, primaries: [p], allow_notify: [lan]}\n"
				"  - {id: own, allow_notify: [lan]}\n"
				"zones:\n"
				"  - {name: example.com, template: sec}\n"
				"  - {name: other, template: own}\n"
				"listen: [{address: 127.0.0.1}]\n";

static void begin_in(void)
{
	refresh_cnt = 0;
	begin(in_config);
}

static size_t make_notify(uint8_t *buf, size_t max, const uint8_t *zone, size_t zone_len)
{
	static const uint8_t soa[22] = {0, 0, 0, 0, 0, 9};
	return stele_notify_make(buf, max, 77, zone, zone_len, 60, soa, sizeof(soa));
}

static struct hosted_request *notify_from(const char *from, const uint8_t *msg, size_t len)
{
	static struct hosted_request hosted;
	hosted_request_init(&hosted, &host, STELE_UDP, from, NULL, msg, len);
	stele_notify_in(&host.daemon, &hosted.request);
	assert_true(hosted.answered && !hosted.dropped);
	return &hosted;
}

static void test_in(void **state)
{
	(void)state;
	begin_in();
	uint8_t msg[512];
	size_t len = make_notify(msg, sizeof(msg), (const uint8_t *)"\7eXample\3com", 13);
	struct hosted_request *hosted = notify_from("192.0.2.1", msg, len);
	assert_int_equal(hosted->refused, -1);
	/* Header, and the question as it came. */
	assert_int_equal(hosted->reply_len, 12 + 13 + 4);
	assert_int_equal(stele_get_be16(hosted->reply), 77);
	assert_int_equal(stele_get_be16(hosted->reply + 2), 0xa400);
	assert_memory_equal(hosted->reply + 12, "\7eXample\3com", 13);
	notify_from("192.0.2.200", msg, len);
	bool until = false;
	handler_host_run(&host, &until, 20);
	/* Twice, and asked for once; the last one is asked first. */
	assert_int_equal(refresh_cnt, 1);
	assert_ptr_equal(refreshed, stele_zones_find(host.daemon.zones, apex));
	assert_int_equal(refreshed_from.addr[3], 200);
	notify_from("192.0.2.1", msg, len);
	handler_host_run(&host, &until, 20);
	assert_int_equal(refresh_cnt, 2);
	assert_int_equal(refreshed->notify_in_cnt, 2);

	/* A stranger, a zone without a primary, no zone. */
	assert_int_equal(notify_from("192.0.2.2", msg, len)->refused, STELE_RCODE_REFUSED);
	len = make_notify(msg, sizeof(msg), other, sizeof(other));
	assert_int_equal(notify_from("192.0.2.200", msg, len)->refused, STELE_RCODE_NOTAUTH);
	assert_int_equal(notify_from("192.0.2.2", msg, len)->refused, STELE_RCODE_REFUSED);
	len = make_notify(msg, sizeof(msg), (const uint8_t *)"\3net", 5);
	assert_int_equal(notify_from("192.0.2.1", msg, len)->refused, STELE_RCODE_NOTAUTH);
	/* Another type, no question. */
	len = make_notify(msg, sizeof(msg), apex, sizeof(apex));
	msg[12 + sizeof(apex) + 1] = STELE_TYPE_A;
	assert_int_equal(notify_from("192.0.2.1", msg, len)->refused, STELE_RCODE_NOTIMP);
	msg[5] = 0;
	assert_int_equal(notify_from("192.0.2.1", msg, len)->refused, STELE_RCODE_FORMERR);
	handler_host_run(&host, &until, 20);
	assert_int_equal(refresh_cnt, 2);
	assert_int_equal(host.daemon.counters.notify_in, 3);
	assert_int_equal(host.daemon.counters.notify_in_refused, 2);
	assert_int_equal(host.daemon.counters.notify_in_bad, 4);
	end();
}

/* A storm is as many look-ups and answers, and one question to the primary. */
static void test_storm(void **state)
{
	(void)state;
	begin_in();
	uint8_t msg[512];
	size_t len = make_notify(msg, sizeof(msg), apex, sizeof(apex));
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(notify_from("192.0.2.1", msg, len)->refused, -1);
	bool until = false;
	handler_host_run(&host, &until, 20);
	assert_int_equal(refresh_cnt, 1);
	end();
}

/* What waits at the end is forgotten, and a zone that went before its turn too. */
static void test_in_end(void **state)
{
	(void)state;
	begin_in();
	uint8_t msg[512];
	size_t len = make_notify(msg, sizeof(msg), apex, sizeof(apex));
	notify_from("192.0.2.1", msg, len);
	stele_zones_remove(host.daemon.zones, stele_zones_find(host.daemon.zones, apex));
	bool until = false;
	handler_host_run(&host, &until, 20);
	assert_int_equal(refresh_cnt, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_in_end),
	};
	return cmocka_run_group_tests_name("notify", tests, NULL, NULL) + test_notify_out();
}
