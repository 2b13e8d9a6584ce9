/* SPDX-License-Identifier: Apache-2.0 */
/* How remotes are told by NOTIFY: when, how often, signed, and of what has changed by then. */
#include "tests/unit/store/store_model.h"
#include "tests/unit/transfer/notify_case.h"

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/notify/message.h"
#include "mgmt/peer/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct remote {
	int fd;
	uint16_t port;
	uint8_t msg[2048];
	size_t len;
	union stele_sockaddr from;
	socklen_t from_len;
};

static void remote_open(struct remote *remote)
{
	socklen_t len = sizeof(remote->from);
	memset(remote, 0, sizeof(*remote));
	remote->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	remote->from.v4.sin_family = AF_INET;
	remote->from.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(remote->fd, &remote->from.any, sizeof(remote->from.v4)), 0);
	assert_int_equal(getsockname(remote->fd, &remote->from.any, &len), 0);
	remote->port = ntohs(remote->from.v4.sin_port);
}

/* Waits for a datagram; false if none comes within `ms`. */
static bool remote_hears(struct remote *remote, unsigned ms)
{
	bool until = false;
	for (unsigned i = 0; i < ms; i++) {
		remote->from_len = sizeof(remote->from);
		ssize_t len = recvfrom(remote->fd, remote->msg, sizeof(remote->msg), 0,
				       &remote->from.any, &remote->from_len);
		if (len > 0) {
			remote->len = (size_t)len;
			return true;
		}
		handler_host_run(&host, &until, 1);
	}
	return false;
}

static void remote_says(const struct remote *remote, const uint8_t *msg, size_t len)
{
	bool until = false;
	assert_int_equal(sendto(remote->fd, msg, len, 0, &remote->from.any, remote->from_len), len);
	handler_host_run(&host, &until, 20);
}

static void put_zone(uint32_t serial)
{
	struct stele_store_write *write;
	struct model model = {0};
	model_put_soa(&model, serial);
	assert_int_equal(stele_store_write_begin(host.daemon.store, &write, &host.err), 0);
	assert_int_equal(model_replace(write, apex, &model, NULL, &host.err), 0);
	assert_int_equal(stele_store_commit(write, NULL, &host.err), 0);
	model_free(&model);
}

static struct stele_managed_zone *tell(void)
{
	struct stele_managed_zone *zone = stele_zones_find(host.daemon.zones, apex);
	if (stele_notify_out(&host.daemon, zone, &host.err) != 0)
		fail_msg("%s", host.err.text);
	return zone;
}

struct statuses {
	unsigned cnt;
	struct stele_notify_status of[4];
};

static void keep(void *user, const struct stele_notify_status *status)
{
	struct statuses *statuses = user;
	statuses->of[statuses->cnt++] = *status;
}

static struct statuses statuses_of(const struct stele_managed_zone *zone)
{
	struct statuses statuses = {.cnt = 0};
	stele_notify_each(zone, keep, &statuses);
	return statuses;
}

static void begin_out(const struct remote *remotes, unsigned cnt, const char *more)
{
	char *config = NULL;
	size_t sz;
	FILE *file = open_memstream(&config, &sz);
	fputs("remotes:\n", file);
	for (unsigned i = 0; i < cnt; i++)
		fprintf(file, "  - {id: r%u, addresses: [127.0.0.1], port: %u%s}\n", i,
			remotes[i].port, more);
	fputs("templates:\n  - {id: default, notify: [", file);
	for (unsigned i = 0; i < cnt; i++)
		fprintf(file, "%sr%u", i > 0 ? ", " : "", i);
	fputs("]}\nzones: [{name: example.com}]\nlisten: [{address: 127.0.0.1}]\n", file);
	if (*more != '\0')
		fputs("keys: /nowhere\n", file);
	fclose(file);
	begin(config);
	free(config);
}

static void test_out(void **state)
{
	(void)state;
	struct remote remotes[3];
	for (unsigned i = 0; i < 3; i++)
		remote_open(&remotes[i]);
	begin_out(remotes, 3, "");
	put_zone(5);
	struct stele_managed_zone *zone = tell();
	for (unsigned i = 0; i < 3; i++) {
		struct stele_notify_request request;
		assert_true(remote_hears(&remotes[i], 1000));
		assert_int_equal(stele_notify_parse(remotes[i].msg, remotes[i].len, &request),
				 STELE_RCODE_NOERROR);
		assert_memory_equal(request.apex, apex, sizeof(apex));
		struct stele_reader reader;
		struct stele_rr rr;
		assert_int_equal(stele_reader_init(&reader, remotes[i].msg, remotes[i].len), 0);
		assert_int_equal(reader.cnt[STELE_RR_ANSWER], 1);
		while (stele_reader_next(&reader, &rr) == 1)
			;
		assert_int_equal(rr.type, STELE_TYPE_SOA);
		assert_int_equal(stele_get_be32(remotes[i].msg + rr.rdata_off + 2), 5);
	}
	/* The first acknowledges; what is not its answer does not count. */
	struct stele_notify_request request;
	uint8_t reply[512];
	stele_notify_parse(remotes[0].msg, remotes[0].len, &request);
	size_t len = stele_notify_reply(&request, reply, sizeof(reply));
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_WAITING);
	reply[0] ^= 1; /* another id */
	remote_says(&remotes[0], reply, len);
	reply[0] ^= 1;
	reply[13] ^= 1; /* another zone */
	remote_says(&remotes[0], reply, len);
	reply[13] ^= 1;
	remote_says(&remotes[1], reply, len); /* another remote */
	remote_says(&remotes[0], reply, 11);
	remote_says(&remotes[0], remotes[0].msg, remotes[0].len); /* no answer at all */
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_WAITING);
	remote_says(&remotes[0], reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_ACKNOWLEDGED);
	/* The second refuses. */
	stele_notify_parse(remotes[1].msg, remotes[1].len, &request);
	len = stele_notify_reply(&request, reply, sizeof(reply));
	reply[3] |= STELE_RCODE_REFUSED;
	remote_says(&remotes[1], reply, len);
	struct statuses statuses = statuses_of(zone);
	assert_int_equal(statuses.cnt, 3);
	assert_int_equal(statuses.of[1].state, STELE_NOTIFY_FAILED);
	assert_non_null(statuses.of[1].error);
	assert_int_equal(statuses.of[2].state, STELE_NOTIFY_WAITING);
	assert_int_equal(statuses.of[2].serial, 5);
	/* The next serial takes the place of this one. */
	put_zone(6);
	zone = tell();
	for (unsigned i = 0; i < 3; i++)
		assert_true(remote_hears(&remotes[i], 1000));
	remote_says(&remotes[0], reply, len);
	statuses = statuses_of(zone);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(statuses.of[i].state, STELE_NOTIFY_WAITING);
		assert_int_equal(statuses.of[i].serial, 6);
	}
	end();
	for (unsigned i = 0; i < 3; i++)
		close(remotes[i].fd);
}

/* Told again until it answers, and given up in the end; the datagram stays the same. */
static void test_retries(void **state)
{
	(void)state;
	struct remote remote;
	remote_open(&remote);
	begin_out(&remote, 1, "");
	host.daemon.notify->first_wait_ms = 10;
	put_zone(5);
	struct stele_managed_zone *zone = tell();
	uint8_t first[2048];
	for (unsigned i = 0; i < 5; i++) {
		assert_true(remote_hears(&remote, 3000));
		if (i == 0)
			memcpy(first, remote.msg, remote.len);
		assert_memory_equal(first, remote.msg, remote.len);
	}
	assert_false(remote_hears(&remote, 400));
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_FAILED);
	assert_int_equal(statuses_of(zone).of[0].try_cnt, 5);
	assert_int_equal(host.daemon.counters.notify_out, 5);
	/* An answer that comes too late does no harm. */
	struct stele_notify_request request;
	uint8_t reply[512];
	stele_notify_parse(remote.msg, remote.len, &request);
	size_t len = stele_notify_reply(&request, reply, sizeof(reply));
	remote_says(&remote, reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_FAILED);

	/* One that comes after the third try counts, whichever try it answers. */
	put_zone(6);
	tell();
	for (unsigned i = 0; i < 3; i++)
		assert_true(remote_hears(&remote, 3000));
	stele_notify_parse(remote.msg, remote.len, &request);
	len = stele_notify_reply(&request, reply, sizeof(reply));
	remote_says(&remote, reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_ACKNOWLEDGED);
	assert_false(remote_hears(&remote, 300));
	end();
	close(remote.fd);
}

/* One remote, which is told with a key. */
static void begin_signed(struct remote *remote)
{
	static const char keys[] =
		"keys: [{id: k., algorithm: hmac-sha256, secret: c2VjcmV0c2VjcmV0}]";
	begin_out(remote, 1, ", key: k.");
	assert_int_equal(stele_tsig_keys_parse("keys", keys, sizeof(keys) - 1, &host.daemon.keys,
					       &host.err),
			 0);
}

static void test_signed(void **state)
{
	(void)state;
	struct remote remote;
	remote_open(&remote);
	begin_signed(&remote);
	put_zone(5);
	struct stele_managed_zone *zone = tell();
	assert_true(remote_hears(&remote, 1000));
	struct stele_tsig tsig;
	assert_int_equal(stele_tsig_verify_request(host.daemon.keys, remote.msg, &remote.len,
						   (uint64_t)time(NULL), &tsig),
			 1);
	struct stele_notify_request request;
	uint8_t reply[512];
	stele_notify_parse(remote.msg, remote.len, &request);
	size_t len = stele_notify_reply(&request, reply, sizeof(reply));
	/* Unsigned it could be anybody's. */
	remote_says(&remote, reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_WAITING);
	assert_int_equal(
		stele_tsig_sign_reply(&tsig, reply, &len, sizeof(reply), (uint64_t)time(NULL)), 0);
	reply[len - 10] ^= 1; /* within the MAC, or near it */
	remote_says(&remote, reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_WAITING);
	reply[len - 10] ^= 1;
	remote_says(&remote, reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_ACKNOWLEDGED);
	stele_tsig_end(&tsig);
	end();
	close(remote.fd);
}

/* The time at which a message was signed. */
static uint64_t signed_at(const struct remote *remote)
{
	struct stele_reader reader;
	struct stele_rr rr;
	assert_int_equal(stele_reader_init(&reader, remote->msg, remote->len), 0);
	while (stele_reader_next(&reader, &rr) == 1)
		;
	assert_int_equal(rr.type, STELE_TYPE_TSIG);
	const uint8_t *at = remote->msg + rr.rdata_off;
	at += stele_name_length(at, rr.rdlen);
	return (uint64_t)stele_get_be16(at) << 32 | stele_get_be32(at + 2);
}

/* Where many wait for their first try, the last one's signature must not be as old as the wait. */
static void test_signed_when_it_is_sent(void **state)
{
	(void)state;
	struct remote remote;
	remote_open(&remote);
	begin_signed(&remote);
	struct stele_notify *notify = host.daemon.notify;
	put_zone(5);
	notify->first_wait_ms = 10;
	notify->next_slot_ns = stele_clock_ns() + 2500000000;
	uint64_t before = (uint64_t)time(NULL);
	struct stele_managed_zone *zone = tell();
	assert_true(remote_hears(&remote, 60000));
	assert_true(signed_at(&remote) >= before + 2);

	/* Nor may that of one with many addresses, which is told for minutes. */
	zone->notify_out->targets[0].signed_at -= 1000;
	assert_true(remote_hears(&remote, 60000));
	assert_true(zone->notify_out->targets[0].signed_at >= (time_t)before);
	struct stele_tsig tsig;
	struct stele_notify_request request;
	uint8_t reply[512];
	assert_int_equal(stele_tsig_verify_request(host.daemon.keys, remote.msg, &remote.len,
						   (uint64_t)time(NULL), &tsig),
			 1);
	stele_notify_parse(remote.msg, remote.len, &request);
	size_t len = stele_notify_reply(&request, reply, sizeof(reply));
	assert_int_equal(
		stele_tsig_sign_reply(&tsig, reply, &len, sizeof(reply), (uint64_t)time(NULL)), 0);
	remote_says(&remote, reply, len);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_ACKNOWLEDGED);
	stele_tsig_end(&tsig);
	end();
	close(remote.fd);
}

/* A zone that changes before anybody could be told keeps its places, and takes none from others. */
static void test_changed_before_its_turn(void **state)
{
	(void)state;
	const uint64_t hour_ns = UINT64_C(3600000000000);
	struct remote remotes[2];
	for (unsigned i = 0; i < 2; i++)
		remote_open(&remotes[i]);
	begin_out(remotes, 2, "");
	struct stele_notify *notify = host.daemon.notify;
	put_zone(5);
	notify->next_slot_ns = stele_clock_ns() + hour_ns;
	const struct stele_managed_zone *zone = tell();
	const uint64_t next = notify->next_slot_ns;
	for (uint32_t serial = 6; serial < 20; serial++) {
		put_zone(serial);
		zone = tell();
		assert_int_equal(statuses_of(zone).of[1].serial, serial);
		assert_int_equal(notify->next_slot_ns, next);
	}
	/* Its time is near. */
	notify->next_slot_ns = 0;
	for (unsigned i = 0; i < 2; i++)
		zone->notify_out->targets[i].slot_ns -= hour_ns;
	put_zone(20);
	tell();
	for (unsigned i = 0; i < 2; i++)
		assert_true(remote_hears(&remotes[i], 60000));
	/* Who was told once has to be told of the next change in its turn. */
	notify->next_slot_ns = next;
	put_zone(21);
	tell();
	assert_true(notify->next_slot_ns > next);
	end();
	for (unsigned i = 0; i < 2; i++)
		close(remotes[i].fd);
}

static void acknowledge(const struct remote *remote)
{
	struct stele_notify_request request;
	uint8_t reply[512];
	stele_notify_parse(remote->msg, remote->len, &request);
	remote_says(remote, reply, stele_notify_reply(&request, reply, sizeof(reply)));
}

/* While all ids of a server are taken, it is not told, and is once one is free. Others are told meanwhile. */
static void test_no_free_id(void **state)
{
	(void)state;
	enum { ID_CNT = 65536 };
	struct remote remotes[2];
	for (unsigned i = 0; i < 2; i++)
		remote_open(&remotes[i]);
	begin_out(remotes, 2, "");
	put_zone(5);
	struct stele_notify *notify = host.daemon.notify;
	struct stele_managed_zone *zone = stele_zones_find(host.daemon.zones, apex);
	struct target *others = calloc(ID_CNT, sizeof(*others));
	assert_non_null(others);
	for (unsigned i = 0; i < ID_CNT; i++) {
		others[i].id = (uint16_t)i;
		others[i].remote = zone->options->notify_remotes.items[0];
		others[i].next = notify->by_id[i % BUCKET_CNT];
		notify->by_id[i % BUCKET_CNT] = &others[i];
	}
	notify->first_wait_ms = 50;
	tell();
	const uint64_t next = notify->next_slot_ns;
	assert_true(remote_hears(&remotes[1], 1000));
	acknowledge(&remotes[1]);
	assert_int_equal(statuses_of(zone).of[1].state, STELE_NOTIFY_ACKNOWLEDGED);
	assert_false(remote_hears(&remotes[0], 200));
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_WAITING);
	assert_int_equal(statuses_of(zone).of[0].try_cnt, 0);
	/* Nor do first tries of others have to wait for it. */
	assert_int_equal(notify->next_slot_ns, next);
	memset(notify->by_id, 0, sizeof(notify->by_id));
	free(others);
	assert_true(remote_hears(&remotes[0], 60000));
	acknowledge(&remotes[0]);
	assert_int_equal(statuses_of(zone).of[0].state, STELE_NOTIFY_ACKNOWLEDGED);
	end();
	for (unsigned i = 0; i < 2; i++)
		close(remotes[i].fd);
}

int test_notify_out(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_retries),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_signed_when_it_is_sent),
		cmocka_unit_test(test_changed_before_its_turn),
		cmocka_unit_test(test_no_free_id),
	};
	return cmocka_run_group_tests_name("notify-out", tests, NULL, NULL);
}
