/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates for a zone of which we are a secondary (RFC 2136 section 6).
 *
 * The message goes to the primary byte for byte, with the signature that it came with, and the reply comes
 * back the same way: the two who share a key are the client and the primary. Over TCP, or TLS where the
 * zone comes over that, since a datagram that is lost would be an update that may have happened. Primaries
 * are tried in their order until one takes a byte of the update; it is not followed by another, for the same
 * reason. All in the main loop: an update that is forwarded costs a connection, and there are few.
 *
 * No more than a bounded number at once: who may send updates could else take all descriptors, with a primary
 * that is not there.
 */
#include "mgmt/update/internal.h"

#include "lib/daemon/log.h"
#include "lib/dns/message.h"
#include "mgmt/peer/address.h"
#include "mgmt/peer/refusal.h"
#include "mgmt/transfer/client.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX_NS UINT64_C(15000000000)

/* Under way at once. Fewer, and one slow primary has the others' clients turned away; each takes a descriptor
 * for up to 10 s an address if nobody is there. */
#define FORWARDS_MAX 256

struct stele_update_forward {
	struct stele_task task;
	struct stele_update_forward *before, *next; /* of the daemon, once it has begun */
	struct stele_daemon *daemon;
	struct stele_request *request;
	const struct stele_mgmtd_config *config; /* held */
	const struct stele_template_config *options;
	struct stele_client *client;
	size_t primary, address; /* the one that is asked */
	uint8_t apex[STELE_NAME_MAX];
	char zone[STELE_NAME_TEXT_MAX];
	char to[STELE_ADDRESS_TEXT_MAX];
	uint8_t *reply; /* malloc'ed */
	size_t reply_len;
};

struct stele_update_forwards {
	struct stele_update_forward *first;
	unsigned cnt;
	struct stele_tls_contexts
		*contexts; /* of all: to make one may mean to read the system's CAs */
};

static void forward_free(struct stele_update_forward *forward)
{
	stele_client_free(forward->client);
	stele_mgmtd_config_release(forward->config);
	free(forward->reply);
	free(forward);
}

static void end(struct stele_update_forward *forward)
{
	struct stele_update_forwards *forwards = forward->daemon->forwards;
	struct stele_daemon_counters *counters = &forward->daemon->counters;
	stele_count(forward->reply != NULL ? &counters->update_forwarded :
					     &counters->update_forward_failed);
	if (forward->reply != NULL)
		stele_request_pass(forward->request, forward->reply, forward->reply_len);
	else
		stele_request_refuse(forward->request, STELE_RCODE_SERVFAIL);
	*(forward->before != NULL ? &forward->before->next : &forwards->first) = forward->next;
	if (forward->next != NULL)
		forward->next->before = forward->before;
	forwards->cnt--;
	forward_free(forward);
}

/* ---- the primary ---- */

/* The answer is for the client: only that it is one is looked at. */
static int message(void *user, uint8_t *msg, size_t len, struct stele_error *reterr)
{
	struct stele_update_forward *forward = user;
	const uint8_t *asked = forward->request->msg;
	if (len < STELE_HEADER_SZ || memcmp(msg, asked, 2) != 0 ||
	    (msg[2] & 0xf8) != (0x80 | (asked[2] & 0x78)))
		return stele_fail(reterr, STELE_E_INPUT, "what came is no answer to the update");
	forward->reply = malloc(len);
	if (forward->reply == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	memcpy(forward->reply, msg, len);
	forward->reply_len = len;
	return 0;
}

static void try_next(struct stele_update_forward *forward);

static void ended(void *user, enum stele_client_fault fault, const struct stele_error *err)
{
	struct stele_update_forward *forward = user;
	if (fault == STELE_CLIENT_FINE) {
		end(forward);
		return;
	}
	stele_log_event(STELE_LOG_WARNING, "update-forward-failed", STELE_LOG_ZONE(forward->zone),
			STELE_LOG_PEER(forward->to), STELE_LOG_REASON(err->text));
	if (stele_client_has_sent(forward->client)) {
		end(forward);
		return;
	}
	stele_client_free(forward->client);
	forward->client = NULL;
	forward->address++;
	try_next(forward);
}

static int ask(struct stele_update_forward *forward, const struct stele_remote_config *remote,
	       struct stele_error *reterr)
{
	const struct stele_config_address *address = &remote->addresses.items[forward->address];
	const struct stele_client_settings settings = {
		.transport = remote->tls.enabled ? STELE_CLIENT_TLS : STELE_CLIENT_TCP,
		.address = address,
		.port = remote->connect_port,
		.source = &remote->source,
		.tls = &remote->tls,
		.contexts = forward->daemon->forwards->contexts,
		.answer_max_ns = ANSWER_MAX_NS,
		.message = message,
		.ended = ended,
		.user = forward,
	};
	stele_address_to_text(address, remote->connect_port, forward->to);
	int status = stele_client_new(stele_loop_base(forward->daemon->main), &settings,
				      &forward->client, reterr);
	if (status != 0)
		return status;
	size_t len = forward->request->wire_len;
	uint8_t *msg = malloc(len);
	if (msg == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	stele_request_wire(forward->request, msg);
	status = stele_client_ask(forward->client, msg, len, reterr);
	free(msg);
	return status;
}

/* Asks the next address that can be asked; answers if there is none. */
static void try_next(struct stele_update_forward *forward)
{
	const struct stele_template_config *options = forward->options;
	struct stele_error err;
	while (forward->primary < options->primary_remotes.cnt) {
		const struct stele_remote_config *remote =
			options->primary_remotes.items[forward->primary];
		if (forward->address >= remote->addresses.cnt) {
			forward->primary++;
			forward->address = 0;
			continue;
		}
		if (ask(forward, remote, &err) == 0)
			return;
		stele_log_event(STELE_LOG_WARNING, "update-forward-failed",
				STELE_LOG_ZONE(forward->zone), STELE_LOG_PEER(forward->to),
				STELE_LOG_REASON(err.text));
		stele_client_free(forward->client);
		forward->client = NULL;
		forward->address++;
	}
	end(forward);
}

/* One that has not begun. */
static void refuse(struct stele_update_forward *forward, const char *reason)
{
	stele_count(&forward->daemon->counters.update_forward_failed);
	stele_log_refusal("update-refused", forward->request, forward->apex, STELE_RCODE_SERVFAIL,
			  reason);
	stele_request_refuse(forward->request, STELE_RCODE_SERVFAIL);
	forward_free(forward);
}

static struct stele_update_forwards *make_forwards(void)
{
	struct stele_update_forwards *forwards = calloc(1, sizeof(*forwards));
	if (forwards == NULL)
		return NULL;
	forwards->contexts = stele_tls_contexts_new();
	if (forwards->contexts == NULL) {
		free(forwards);
		return NULL;
	}
	return forwards;
}

static void begin(struct stele_task *task)
{
	struct stele_update_forward *forward = (struct stele_update_forward *)task;
	struct stele_daemon *daemon = forward->daemon;
	if (daemon->forwards == NULL)
		daemon->forwards = make_forwards();
	struct stele_update_forwards *forwards = daemon->forwards;
	if (forwards == NULL || forwards->cnt == FORWARDS_MAX) {
		refuse(forward, forwards == NULL ? "out of memory" :
						   "too many updates are being passed on already");
		return;
	}
	forward->next = forwards->first;
	if (forward->next != NULL)
		forward->next->before = forward;
	forwards->first = forward;
	forwards->cnt++;
	try_next(forward);
}

void update_forward(struct stele_daemon *daemon, struct stele_request *request, const uint8_t *apex,
		    const struct stele_template_config *options,
		    const struct stele_mgmtd_config *config)
{
	struct stele_update_forward *forward = calloc(1, sizeof(*forward));
	if (forward == NULL) {
		stele_mgmtd_config_release(config);
		stele_request_refuse(request, STELE_RCODE_SERVFAIL);
		return;
	}
	forward->task.run = begin;
	forward->daemon = daemon;
	forward->request = request;
	forward->config = config;
	forward->options = options;
	memcpy(forward->apex, apex, stele_name_length(apex, STELE_NAME_MAX));
	stele_name_to_text(apex, forward->zone);
	stele_loop_post(daemon->main, &forward->task);
}

void stele_update_end(struct stele_daemon *daemon)
{
	struct stele_update_forwards *forwards = daemon->forwards;
	if (forwards == NULL)
		return;
	for (struct stele_update_forward *forward = forwards->first, *next; forward != NULL;
	     forward = next) {
		next = forward->next;
		free(forward->reply);
		forward->reply = NULL;
		end(forward);
	}
	stele_tls_contexts_free(forwards->contexts);
	free(forwards);
	daemon->forwards = NULL;
}
