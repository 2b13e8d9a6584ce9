/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/transfer/handler_host.h"

#include "tests/unit/store/store_dir.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void ok(const struct handler_host *host, int status)
{
	if (status < 0)
		fail_msg("%s", host->err.text);
}

void handler_host_begin(struct handler_host *host, const char *config_text)
{
	struct stele_daemon *daemon = &host->daemon;
	struct stele_config *config;
	memset(host, 0, sizeof(*host));
	strcpy(host->dir, "/tmp/stele-test-host-XXXXXX");
	assert_non_null(mkdtemp(host->dir));
	ok(host, stele_config_parse("t", config_text, strlen(config_text), &stele_mgmtd_schema,
				    &config, NULL, &host->err));
	daemon->config = stele_config_root(config);
	ok(host, stele_loop_new("main", &daemon->main, &host->err));
	ok(host, stele_store_open(host->dir, STELE_STORE_CREATE, &daemon->store, &host->err));
	ok(host, stele_zones_new(&daemon->zones, &host->err));
	for (size_t i = 0; i < daemon->config->zones.cnt; i++) {
		const struct stele_zone_config *zone = &daemon->config->zones.items[i];
		struct stele_managed_zone *added;
		ok(host, stele_zones_add(daemon->zones, zone->apex, daemon->config, zone->options,
					 &added, &host->err));
	}
}

void handler_host_end(struct handler_host *host)
{
	struct stele_daemon *daemon = &host->daemon;
	stele_loop_free(daemon->main);
	stele_zones_free(daemon->zones);
	stele_store_close(daemon->store);
	stele_tsig_keys_unref(daemon->keys);
	stele_mgmtd_config_release(daemon->config);
	store_dir_remove(host->dir);
}

bool handler_host_run(struct handler_host *host, const bool *until, unsigned ms)
{
	static const struct timespec nap = {.tv_nsec = 1000000};
	for (unsigned i = 0; i < ms && !*until; i++) {
		event_base_loop(stele_loop_base(host->daemon.main), EVLOOP_NONBLOCK);
		nanosleep(&nap, NULL);
	}
	return *until;
}

void hosted_request_init(struct hosted_request *hosted, struct handler_host *host,
			 enum stele_transport transport, const char *from, const char *key,
			 const uint8_t *msg, size_t len)
{
	static uint8_t key_name[STELE_NAME_MAX];
	memset(hosted, 0, sizeof(*hosted));
	hosted->refused = -1;
	struct stele_request *request = &hosted->request;
	request->home = host->daemon.main;
	request->transport = transport;
	request->peer.address.family = strchr(from, ':') == NULL ? 4 : 6;
	request->peer.port = 4711;
	assert_int_equal(inet_pton(request->peer.address.family == 4 ? AF_INET : AF_INET6, from,
				   request->peer.address.addr),
			 1);
	if (key != NULL) {
		assert_true(stele_name_from_text(key, strlen(key), key_name) > 0);
		request->peer.key = key_name;
	}
	request->msg = msg;
	request->len = len;
	request->reply_max = transport == STELE_UDP ? 1232 : 65535;
}

/* ---- in the place of the service ---- */

static struct hosted_request *answer(struct stele_request *request)
{
	struct hosted_request *hosted = (struct hosted_request *)request;
	assert_false(hosted->answered);
	hosted->answered = true;
	return hosted;
}

void stele_request_reply(struct stele_request *request, const uint8_t *msg, size_t len)
{
	struct hosted_request *hosted = answer(request);
	assert_true(len <= request->reply_max);
	memcpy(hosted->reply, msg, len);
	hosted->reply_len = len;
}

void stele_request_refuse(struct stele_request *request, uint16_t rcode)
{
	answer(request)->refused = rcode;
}

void stele_request_drop(struct stele_request *request)
{
	answer(request)->dropped = true;
}

void stele_request_stream(struct stele_request *request, struct stele_stream *stream)
{
	struct hosted_request *hosted = answer(request);
	bool last = false;
	int len;
	while ((len = stream->next(stream, hosted->reply, request->reply_max, &last)) > 0) {
		hosted->reply_len = (size_t)len;
		hosted->stream_cnt++;
		if (last)
			break;
	}
	stream->ended(stream, last);
}
