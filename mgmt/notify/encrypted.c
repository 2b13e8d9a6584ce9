/* SPDX-License-Identifier: Apache-2.0 */
/* Remotes that are told over TLS: a connection for each try. */
#include "mgmt/notify/internal.h"

#include <stdio.h>
#include <string.h>

/* At once. More are a load of handshakes for both ends when many zones change; with fewer, remotes that do
 * not answer hold up the others for longer. */
#define CLIENT_MAX 16

static int message(void *user, uint8_t *msg, size_t len, struct stele_error *reterr)
{
	struct target *target = user;

	if (len > sizeof(target->answer))
		return stele_fail(reterr, STELE_E_INPUT, "an answer of %zu bytes to NOTIFY", len);
	memcpy(target->answer, msg, len);
	target->answer_len = len;
	return 0;
}

static void ended(void *user, enum stele_client_fault fault, const struct stele_error *err)
{
	struct target *target = user;

	if (fault != STELE_CLIENT_FINE)
		snprintf(target->error, sizeof(target->error), "%.120s", err->text);
	else if (notify_take_answer(target, target->answer, target->answer_len))
		return;
	else
		snprintf(target->error, sizeof(target->error), "what came is no answer to NOTIFY");
	/* The next try has its time. */
	notify_end_encrypted(target);
}

static int ask(struct target *target, const struct stele_config_address *address,
	       struct stele_error *reterr)
{
	struct stele_notify *notify = target->notify;
	const struct stele_client_settings settings = {
		.transport = STELE_CLIENT_TLS,
		.address = address,
		.port = target->remote->told_port,
		.source = &target->remote->source,
		.key = target->key,
		.tls = &target->remote->tls,
		.contexts = notify->contexts,
		.message = message,
		.ended = ended,
		.user = target,
	};
	int status = stele_client_new(stele_loop_base(notify->daemon->main), &settings,
				      &target->client, reterr);

	if (status != 0) {
		target->client = NULL;
		return status;
	}
	notify->client_cnt++;
	return stele_client_ask(target->client, target->msg, target->len, reterr);
}

bool notify_send_encrypted(struct target *target, const struct stele_config_address *address)
{
	struct stele_notify *notify = target->notify;
	struct stele_error err = {"out of memory"};

	notify_end_encrypted(target);
	if (notify->client_cnt >= CLIENT_MAX)
		return false;
	if (notify->contexts == NULL)
		notify->contexts = stele_tls_contexts_new();
	if (notify->contexts == NULL || ask(target, address, &err) != 0) {
		snprintf(target->error, sizeof(target->error), "%.120s", err.text);
		notify_end_encrypted(target);
	}
	stele_count(&notify->daemon->counters.notify_out);
	return true;
}

void notify_end_encrypted(struct target *target)
{
	if (target->client == NULL)
		return;
	stele_client_free(target->client);
	target->client = NULL;
	target->notify->client_cnt--;
}
