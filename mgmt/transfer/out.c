/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/out.h"

#include "lib/base/clock.h"
#include "lib/daemon/log.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "mgmt/peer/address.h"
#include "mgmt/peer/refusal.h"
#include "mgmt/transfer/outgoing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * In each of these spans a client must take at least one message. A transfer keeps the store from using
 * old pages again, so one that a client does not want is a leak. Shorter ones would cut clients behind
 * lines on which zones have always come slowly.
 */
#define TICK_S 60

struct transfer {
	struct stele_stream stream;
	struct stele_daemon *daemon;
	struct stele_outgoing *outgoing; /* NULL: given up */
	struct event *tick;
	uint64_t message_cnt; /* at the last tick */
	uint64_t begun_ns, max_ns;
	/* For the log. */
	char zone[STELE_NAME_TEXT_MAX], peer[STELE_ADDRESS_TEXT_MAX], key[STELE_NAME_TEXT_MAX];
	struct stele_outgoing_stats stats;
	const char *reason; /* why it failed; NULL: the client went away */
	struct stele_error err;
};

/* ---- a stream ---- */

static void log_end(const struct transfer *transfer, bool complete)
{
	static const char *const kinds[] = {"soa", "axfr", "ixfr"};
	const struct stele_outgoing_stats *stats = &transfer->stats;
	const char *reason = complete                 ? NULL :
			     transfer->reason != NULL ? transfer->reason :
							"the client went away";
	stele_log_event(complete ? STELE_LOG_INFO : STELE_LOG_WARNING,
			complete ? "transfer-out" : "transfer-out-failed",
			STELE_LOG_ZONE(transfer->zone), STELE_LOG_SERIAL(stats->serial),
			STELE_LOG_PEER(transfer->peer),
			STELE_LOG_KEY(transfer->key[0] != '\0' ? transfer->key : NULL),
			STELE_LOG_TEXT("kind", kinds[stats->kind]),
			STELE_LOG_NUMBER("records", stats->record_cnt),
			STELE_LOG_NUMBER("bytes", stats->sz),
			STELE_LOG_NUMBER("ms", (stele_clock_ns() - transfer->begun_ns) / 1000000),
			STELE_LOG_REASON(reason));
}

static void give_up(struct transfer *transfer, const char *reason)
{
	if (transfer->outgoing == NULL)
		return;
	stele_outgoing_stats(transfer->outgoing, &transfer->stats);
	stele_outgoing_free(transfer->outgoing);
	transfer->outgoing = NULL;
	transfer->reason = reason;
	event_del(transfer->tick);
}

static void tick(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct transfer *transfer = user;
	struct stele_outgoing_stats stats;
	stele_outgoing_stats(transfer->outgoing, &stats);
	if (stats.message_cnt == transfer->message_cnt)
		give_up(transfer, "the client takes nothing");
	else if (stele_clock_ns() - transfer->begun_ns > transfer->max_ns)
		give_up(transfer, "it took too long");
	transfer->message_cnt = stats.message_cnt;
}

static int next(struct stele_stream *stream, uint8_t *buf, size_t cap, bool *last)
{
	struct transfer *transfer = (struct transfer *)stream;
	if (transfer->outgoing == NULL)
		return STELE_E_SYSTEM;
	int len = stele_outgoing_next(transfer->outgoing, buf, cap, last, &transfer->err);
	if (len < 0)
		give_up(transfer, transfer->err.text);
	return len;
}

static void transfer_free(struct transfer *transfer)
{
	atomic_fetch_sub(&transfer->daemon->counters.transfers_out, 1);
	if (transfer->tick != NULL)
		event_free(transfer->tick);
	stele_outgoing_free(transfer->outgoing);
	free(transfer);
}

static void ended(struct stele_stream *stream, bool complete)
{
	struct transfer *transfer = (struct transfer *)stream;
	struct stele_daemon_counters *counters = &transfer->daemon->counters;
	if (transfer->outgoing != NULL)
		stele_outgoing_stats(transfer->outgoing, &transfer->stats);
	if (!complete)
		stele_count(&counters->transfer_out_failed);
	log_end(transfer, complete);
	transfer_free(transfer);
}

/* ---- requests ---- */

static struct transfer *transfer_new(struct stele_daemon *daemon, struct stele_request *request,
				     const struct stele_transfer_request *wanted,
				     const struct stele_template_config *options)
{
	static const struct timeval interval = {.tv_sec = TICK_S};
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	if (transfer == NULL)
		return NULL;
	atomic_fetch_add(&daemon->counters.transfers_out, 1);
	transfer->daemon = daemon;
	transfer->stream = (struct stele_stream){next, ended};
	transfer->begun_ns = stele_clock_ns();
	transfer->max_ns = options->transfer_max_ns;
	stele_name_to_text(wanted->apex, transfer->zone);
	stele_address_to_text(&request->peer.address, request->peer.port, transfer->peer);
	if (request->peer.key != NULL)
		stele_name_to_text(request->peer.key, transfer->key);
	transfer->tick = event_new(stele_loop_base(request->home), -1, EV_PERSIST, tick, transfer);
	if (transfer->tick == NULL || event_add(transfer->tick, &interval) != 0) {
		transfer_free(transfer);
		return NULL;
	}
	return transfer;
}

static void refuse(struct stele_request *request, const struct stele_transfer_request *wanted,
		   uint16_t rcode, const char *reason)
{
	stele_log_refusal("transfer-out-refused", request, wanted->apex, rcode, reason);
	stele_request_refuse(request, rcode);
}

static void count_kind(struct stele_daemon_counters *counters, enum stele_outgoing_kind kind)
{
	stele_count(kind == STELE_OUT_AXFR ? &counters->axfr_out :
		    kind == STELE_OUT_IXFR ? &counters->ixfr_out :
					     &counters->soa_out);
}

/* One message, over UDP; `transfer` is gone afterwards. */
static void reply_datagram(struct stele_request *request, struct transfer *transfer,
			   const struct stele_transfer_request *wanted)
{
	uint8_t buf[STELE_MESSAGE_MAX];
	bool last;
	size_t max = wanted->udp_size < request->reply_max ? wanted->udp_size : request->reply_max;
	int len = stele_outgoing_next(transfer->outgoing, buf, max, &last, &transfer->err);
	if (len > 0) {
		stele_outgoing_stats(transfer->outgoing, &transfer->stats);
		count_kind(&transfer->daemon->counters, transfer->stats.kind);
		stele_request_reply(request, buf, (size_t)len);
	} else {
		refuse(request, wanted, STELE_RCODE_SERVFAIL, transfer->err.text);
	}
	transfer_free(transfer);
}

static void serve(struct stele_daemon *daemon, struct stele_request *request,
		  const struct stele_transfer_request *wanted,
		  const struct stele_template_config *options)
{
	struct stele_outgoing_options outgoing_options = {
		.ixfr = options->ixfr_out,
		.datagram = request->transport == STELE_UDP,
	};
	struct transfer *transfer = transfer_new(daemon, request, wanted, options);
	if (transfer == NULL) {
		stele_request_refuse(request, STELE_RCODE_SERVFAIL);
		return;
	}
	time_t expires_at =
		options->has_primaries ? stele_zones_expires_at(daemon->zones, wanted->apex) : 0;
	/* Of what came a moment ago it may not be known yet: then its SOA says it. */
	if (expires_at != 0) {
		time_t now = time(NULL);
		outgoing_options.has_expire = true;
		outgoing_options.expire_s = expires_at > now ? (uint32_t)(expires_at - now) : 0;
	}
	uint16_t rcode = STELE_RCODE_NOERROR;
	int status = stele_outgoing_new(daemon->store, wanted, &outgoing_options,
					&transfer->outgoing, &rcode, &transfer->err);
	if (status != 0 || rcode != STELE_RCODE_NOERROR) {
		stele_count(&daemon->counters.transfer_out_failed);
		refuse(request, wanted, status != 0 ? STELE_RCODE_SERVFAIL : rcode,
		       status != 0                   ? transfer->err.text :
		       rcode == STELE_RCODE_SERVFAIL ? "the zone is expired, or was never loaded" :
						       "no such zone in the store");
		transfer_free(transfer);
		return;
	}
	if (request->transport == STELE_UDP) {
		reply_datagram(request, transfer, wanted);
		return;
	}
	stele_outgoing_stats(transfer->outgoing, &transfer->stats);
	count_kind(&daemon->counters, transfer->stats.kind);
	stele_request_stream(request, &transfer->stream);
}

/* True if the client may have the zone; else it is answered. */
static bool is_allowed(struct stele_daemon *daemon, struct stele_request *request,
		       const struct stele_transfer_request *wanted)
{
	enum stele_access_verdict verdict = stele_zones_access(
		daemon->zones, wanted->apex, STELE_ACCESS_TRANSFER, &request->peer);
	if (verdict == STELE_ACCESS_GRANTED)
		return true;
	stele_count(&daemon->counters.transfer_out_refused);
	if (verdict == STELE_ACCESS_NO_ZONE)
		refuse(request, wanted, STELE_RCODE_NOTAUTH, "no such zone");
	else
		refuse(request, wanted, STELE_RCODE_REFUSED, "not allowed");
	return false;
}

void stele_transfer_out(void *user, struct stele_request *request)
{
	struct stele_daemon *daemon = user;
	struct stele_transfer_request wanted;
	uint16_t rcode = stele_transfer_request_parse(request->msg, request->len, &wanted);
	/* There is no AXFR over UDP (RFC 5936 section 4.2). */
	if (rcode == STELE_RCODE_NOERROR && request->transport == STELE_UDP &&
	    wanted.type == STELE_TYPE_AXFR)
		rcode = STELE_RCODE_FORMERR;
	if (rcode != STELE_RCODE_NOERROR) {
		stele_request_refuse(request, rcode);
		return;
	}
	if (!is_allowed(daemon, request, &wanted))
		return;
	const struct stele_template_config *options;
	const struct stele_mgmtd_config *config;
	if (!stele_zones_options(daemon->zones, wanted.apex, &options, &config)) {
		refuse(request, &wanted, STELE_RCODE_NOTAUTH,
		       "no such zone"); /* it went just now */
		return;
	}
	serve(daemon, request, &wanted, options);
	stele_mgmtd_config_release(config);
}
