/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/refresh_internal.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "mgmt/transfer/incoming.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

/* A connection, and silence until the answer comes. More, and a primary that sends it byte by byte keeps the zone from
 * the others for as long as a transfer may take. */
#define ANSWER_MAX_NS (STELE_CLIENT_CONNECT_NS + STELE_CLIENT_SILENCE_NS)

uint16_t refresh_message_id(struct stele_daemon *daemon)
{
	uint16_t id;
	/* Never short for so few bytes once the system is up; early, the kernel's port is random. */
	if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != sizeof(id))
		id = (uint16_t)refresh_random(daemon);
	return id;
}

int refresh_probe_message(struct stele_refresh *refresh, const uint8_t *msg, size_t len,
			  struct stele_error *reterr)
{
	struct refresh_round *round = refresh->round;
	const struct stele_managed_zone *zone = refresh->zone;
	int status = stele_transfer_soa_reply(msg, len, round->id, zone->apex, zone->apex_len,
					      &round->reply, reterr);
	return status < 0 ? status : 0;
}

static void ask_again(struct stele_refresh *refresh)
{
	stele_client_free(refresh->round->client);
	refresh->round->client = NULL;
	refresh_probe(refresh);
}

static void ask_over_tcp(struct stele_refresh *refresh)
{
	refresh->round->probe_stream = true;
	ask_again(refresh);
}

/* The zone is newer at the primary: waits for a turn to transfer it, or goes on where it was asked. */
static void go_on(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	if (round->remote->tls.enabled) {
		refresh_fetch(refresh);
		return;
	}
	stele_client_free(round->client);
	round->client = NULL;
	stele_turn_leave(refresh->daemon->refreshes->turns, &round->turn);
	refresh_wait_transfer(refresh);
}

static void weigh_reply(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	struct stele_managed_zone *zone = refresh->zone;
	const struct stele_soa_reply *reply = &round->reply;
	char text[160], rcode[16];
	if (reply->truncated && !round->probe_stream) {
		ask_over_tcp(refresh);
		return;
	}
	if ((reply->rcode == STELE_RCODE_FORMERR || reply->rcode == STELE_RCODE_NOTIMP) &&
	    !round->plain) {
		round->plain = true;
		ask_again(refresh);
		return;
	}
	if (reply->rcode != STELE_RCODE_NOERROR) {
		snprintf(text, sizeof(text), "answers %s when asked for the SOA",
			 stele_transfer_rcode(reply->rcode, rcode));
		refresh_candidate_failed(refresh, false, text);
		return;
	}
	if (!reply->authoritative || !reply->has_soa) {
		refresh_candidate_failed(refresh, false,
					 reply->has_soa ? "is not authoritative for the zone" :
							  "sends no SOA");
		return;
	}
	stele_turns_answered(refresh->daemon->refreshes->turns, round->address,
			     round->remote->connect_port);
	zone->primary_serial_known = true;
	zone->primary_serial = reply->serial;
	if (stele_serial_older(zone->serial, reply->serial)) {
		go_on(refresh);
	} else if (zone->serial == reply->serial) {
		refresh_confirmed(refresh, false, reply->has_expire, reply->expire);
	} else {
		snprintf(text, sizeof(text), "serial %" PRIu32 " is behind ours, %" PRIu32,
			 reply->serial, zone->serial);
		refresh_candidate_failed(refresh, false, text);
	}
}

void refresh_probe_ended(struct stele_refresh *refresh, enum stele_client_fault fault,
			 const struct stele_error *err)
{
	struct refresh_round *round = refresh->round;
	bool was_stream = round->probe_stream || round->remote->tls.enabled;
	if (fault == STELE_CLIENT_FINE) {
		weigh_reply(refresh);
	} else if (!was_stream && fault == STELE_CLIENT_UNREACHABLE) {
		/* Datagrams may be lost on the way; it is down only if TCP says so too. */
		ask_over_tcp(refresh);
	} else {
		refresh_candidate_failed(refresh, fault == STELE_CLIENT_UNREACHABLE, err->text);
	}
}

void refresh_probe(struct stele_refresh *refresh)
{
	struct refresh_round *round = refresh->round;
	const struct stele_managed_zone *zone = refresh->zone;
	enum stele_client_transport transport = STELE_CLIENT_UDP;
	if (round->remote->tls.enabled)
		transport = STELE_CLIENT_TLS;
	else if (round->probe_stream)
		transport = STELE_CLIENT_TCP;
	struct stele_client_settings settings = refresh_client(refresh, transport);
	struct stele_error err;
	if (settings.answer_max_ns == 0 || settings.answer_max_ns > ANSWER_MAX_NS)
		settings.answer_max_ns = ANSWER_MAX_NS;
	uint8_t msg[STELE_TRANSFER_QUERY_MAX];
	stele_count(&refresh->daemon->counters.soa_in);
	round->id = refresh_message_id(refresh->daemon);
	size_t len = stele_transfer_query(round->id, zone->apex, zone->apex_len, STELE_TYPE_SOA, 0,
					  !round->plain, msg);
	int status = stele_client_new(stele_loop_base(refresh->daemon->main), &settings,
				      &round->client, &err);
	if (status == 0)
		status = stele_client_ask(round->client, msg, len, &err);
	/* A host that lets no datagram out may let a connection. */
	if (status < 0 && transport == STELE_CLIENT_UDP)
		ask_over_tcp(refresh);
	else if (status < 0)
		refresh_candidate_not_asked(refresh, status, err.text);
}
