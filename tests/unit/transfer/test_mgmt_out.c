/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets a transfer out, over what, and how many at once. */
#include "tests/unit/transfer/handler_host.h"
#include "tests/unit/store/store_model.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/transfer/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t apex[] = "\7example\3com", stub[] = "\4stub";

static const char config[] = "listen: [{address: 127.0.0.1}]\n"
			     "keys: /nowhere\n"
			     "remotes: [{id: p, addresses: [192.0.2.1]}]\n"
			     "acls:\n"
			     "  - {id: lan, prefixes: [192.0.2.128/25]}\n"
			     "  - {id: key, keys: [k.]}\n"
			     "templates:\n"
			     "  - {id: default, allow_transfer: [lan, key]}\n"
			     "  - {id: sec, primaries: [p], allow_transfer: [lan]}\n"
			     "zones:\n"
			     "  - {name: example.com}\n"
			     "  - {name: stub, template: sec}\n"
			     "  - {name: nowhere}\n";

static struct handler_host host;
static struct hosted_request hosted;

static void put_zone(uint32_t serial)
{
	struct stele_store_write *write;
	struct model model = {0};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add_soa(&node, &node_sz, serial);
	for (unsigned i = 0; i < 40; i++) {
		static const char *const text =
			"a text of which there are many, and some of them are long";
		uint8_t *more = NULL;
		size_t more_sz = 0;
		uint8_t key[3] = {(uint8_t)('a' + i % 26), (uint8_t)('a' + i / 26), 0};
		node_add(&more, &more_sz, STELE_TYPE_TXT, 60 + (serial % 7), &text, 1, 0);
		model_put(&model, STELE_STORE_NODES, key, sizeof(key), more, more_sz);
	}
	model_put(&model, STELE_STORE_NODES, (const uint8_t *)"", 0, node, node_sz);
	assert_int_equal(stele_store_write_begin(host.daemon.store, &write, &host.err), 0);
	assert_int_equal(model_replace(write, apex, &model, NULL, &host.err), 0);
	assert_int_equal(stele_store_zone_stub(write, stub, &host.err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &host.err), 0);
	model_free(&model);
}

static int setup(void **state)
{
	(void)state;
	handler_host_begin(&host, config);
	put_zone(5);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(host.daemon.counters.transfers_out, 0);
	handler_host_end(&host);
	return 0;
}

static struct hosted_request *ask(enum stele_transport transport, const char *from, const char *key,
				  const uint8_t *zone, size_t zone_len, uint16_t type,
				  uint32_t serial, bool expire)
{
	static uint8_t msg[512];
	static struct stele_writer w;
	static const uint8_t root[1], option[] = {0, STELE_EDNS_EXPIRE, 0, 0};
	uint8_t soa[22] = {0};
	stele_put_be32(soa + 2, serial);
	stele_writer_init(&w, msg, sizeof(msg));
	stele_writer_begin(&w, 7, 0);
	stele_writer_question(&w, zone, zone_len, type, STELE_CLASS_IN);
	if (type == STELE_TYPE_IXFR)
		stele_writer_record(&w, STELE_RR_AUTHORITY, zone, zone_len, STELE_TYPE_SOA,
				    STELE_CLASS_IN, 0, soa, sizeof(soa));
	if (expire)
		stele_writer_record(&w, STELE_RR_ADDITIONAL, root, 1, STELE_TYPE_OPT, 1232, 0,
				    option, sizeof(option));
	hosted_request_init(&hosted, &host, transport, from, key, msg, stele_writer_end(&w));
	stele_transfer_out(&host.daemon, &hosted.request);
	assert_true(hosted.answered);
	return &hosted;
}

#define ASK(transport, from, key, zone, type, serial)                                              \
	ask(transport, from, key, zone, sizeof(zone), type, serial, false)

static void test_access(void **state)
{
	(void)state;
	assert_true(ASK(STELE_TCP, "192.0.2.200", NULL, apex, STELE_TYPE_AXFR, 0)->stream_cnt > 0);
	assert_true(ASK(STELE_TLS, "203.0.113.1", "k.", apex, STELE_TYPE_AXFR, 0)->stream_cnt > 0);
	assert_int_equal(ASK(STELE_TCP, "192.0.2.2", NULL, apex, STELE_TYPE_AXFR, 0)->refused,
			 STELE_RCODE_REFUSED);
	assert_int_equal(ASK(STELE_TCP, "192.0.2.2", "l.", apex, STELE_TYPE_IXFR, 0)->refused,
			 STELE_RCODE_REFUSED);
	static const uint8_t www[] = "\3www\7example\3com", nowhere[] = "\7nowhere";
	assert_int_equal(ASK(STELE_TCP, "192.0.2.200", NULL, www, STELE_TYPE_AXFR, 0)->refused,
			 STELE_RCODE_NOTAUTH);
	/* Configured, but not in the store. */
	assert_int_equal(ASK(STELE_TCP, "192.0.2.200", NULL, nowhere, STELE_TYPE_AXFR, 0)->refused,
			 STELE_RCODE_NOTAUTH);
	assert_int_equal(ASK(STELE_TCP, "192.0.2.200", NULL, stub, STELE_TYPE_AXFR, 0)->refused,
			 STELE_RCODE_SERVFAIL);
	assert_int_equal(host.daemon.counters.transfer_out_refused, 3);
	assert_int_equal(host.daemon.counters.transfer_out_failed, 2);
	assert_int_equal(host.daemon.counters.axfr_out, 2);
}

static void test_udp(void **state)
{
	(void)state;
	assert_int_equal(ASK(STELE_UDP, "192.0.2.200", NULL, apex, STELE_TYPE_AXFR, 0)->refused,
			 STELE_RCODE_FORMERR);
	/* Up to date; one step that is longer than a datagram. */
	struct hosted_request *h = ASK(STELE_UDP, "192.0.2.200", NULL, apex, STELE_TYPE_IXFR, 5);
	assert_int_equal(stele_get_be16(h->reply + 6), 1);
	put_zone(6);
	h = ASK(STELE_UDP, "192.0.2.200", NULL, apex, STELE_TYPE_IXFR, 5);
	assert_int_equal(stele_get_be16(h->reply + 6), 1);
	assert_true(h->reply_len <= 512);
	assert_int_equal(host.daemon.counters.soa_out, 2);
	h = ASK(STELE_TCP, "192.0.2.200", NULL, apex, STELE_TYPE_IXFR, 5);
	assert_true(h->stream_cnt == 1 && stele_get_be16(h->reply + 6) > 1);
}

/* A secondary hands on what is left of its own time (RFC 7314 section 4). */
static void test_expire(void **state)
{
	(void)state;
	struct stele_managed_zone *zone = stele_zones_find(host.daemon.zones, apex);
	stele_zones_set_options(host.daemon.zones, zone, host.daemon.config,
				&host.daemon.config->templates.items[1]);
	zone->expires_at = time(NULL) + 1000;
	struct hosted_request *h =
		ask(STELE_TCP, "192.0.2.200", NULL, apex, sizeof(apex), STELE_TYPE_AXFR, 0, true);
	uint32_t left = stele_get_be32(h->reply + h->reply_len - 4);
	assert_true(left > 900 && left <= 1000);
}

static void test_malformed(void **state)
{
	(void)state;
	static const uint8_t msg[12] = {0};
	hosted_request_init(&hosted, &host, STELE_TCP, "192.0.2.200", NULL, msg, sizeof(msg));
	stele_transfer_out(&host.daemon, &hosted.request);
	assert_int_equal(hosted.refused, STELE_RCODE_FORMERR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_access),
		TEST(test_udp),
		TEST(test_expire),
		TEST(test_malformed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
