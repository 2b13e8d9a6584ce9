/* SPDX-License-Identifier: Apache-2.0 */
/* Remotes that are told of a change, each by a timer of its own. */
#include "mgmt/notify/internal.h"

#include "lib/base/clock.h"
#include "lib/daemon/log.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "mgmt/notify/message.h"
#include "mgmt/peer/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MESSAGE_MAX 1232
#define TRY_CNT 5 /* to each address (RFC 1996 section 3.6) */
/* Before the second try. RFC 1996 has a minute; a shorter one mends a lost datagram before anybody asks,
 * and doubled each time it comes to that too. */
#define FIRST_WAIT_MS 3000
/* From one first try to the next. Faster, and the secondary's socket overflows when all zones change
 * together; slower, and the last of many zones waits. */
#define SLOT_NS 1000000u
#define ID_TRY_CNT 32
/* Until a message is signed anew for its next try. A receiver takes a signature for 300 s (RFC 8945
 * section 10) by its own clock; and an answer to what was sent before does not count any more. */
#define SIGNED_MAX_S 180
/* Until it is looked again whether a connection may be opened. */
#define TURN_MS 20

static const struct stele_config_address *address_of(const struct target *target, unsigned try)
{
	return &target->remote->addresses.items[try % target->remote->addresses.cnt];
}

/* ---- ids ---- */

static bool is_of_remote(const struct stele_remote_config *remote,
			 const struct stele_config_address *from, uint16_t port)
{
	if (port != remote->told_port)
		return false;
	for (size_t i = 0; i < remote->addresses.cnt; i++)
		if (stele_address_equal(&remote->addresses.items[i], from))
			return true;
	return false;
}

/* The target with this id that the address may answer for; NULL. */
static struct target *find_id(const struct stele_notify *notify, uint16_t id,
			      const struct stele_config_address *from, uint16_t port)
{
	struct target *t = notify->by_id[id % BUCKET_CNT];
	while (t != NULL && (t->id != id || !is_of_remote(t->remote, from, port)))
		t = t->next;
	return t;
}

/* Each server has all ids: one that does not answer, of which many wait, takes none from the others. */
static bool is_taken(const struct stele_notify *notify, uint16_t id,
		     const struct stele_remote_config *remote)
{
	for (size_t i = 0; i < remote->addresses.cnt; i++)
		if (find_id(notify, id, &remote->addresses.items[i], remote->told_port) != NULL)
			return true;
	return false;
}

/* Over TLS each answer has a connection of its own, so that any id will do. */
static bool take_id(struct target *target)
{
	struct stele_notify *notify = target->notify;
	uint16_t ids[ID_TRY_CNT];
	if (target->has_id)
		return true;
	if (getrandom(ids, sizeof(ids), 0) != sizeof(ids))
		return false;
	if (target->remote->is_told_by_tls) {
		target->id = ids[0];
		return true;
	}
	for (unsigned i = 0; i < ID_TRY_CNT; i++) {
		if (is_taken(notify, ids[i], target->remote))
			continue;
		target->id = ids[i];
		target->has_id = true;
		target->next = notify->by_id[ids[i] % BUCKET_CNT];
		notify->by_id[ids[i] % BUCKET_CNT] = target;
		return true;
	}
	return false;
}

static void give_id_back(struct target *target)
{
	if (!target->has_id)
		return;
	struct target **at = &target->notify->by_id[target->id % BUCKET_CNT];
	while (*at != target)
		at = &(*at)->next;
	*at = target->next;
	target->has_id = false;
}

/* ---- one remote ---- */

static void forget_signature(struct target *target)
{
	if (target->is_signed)
		stele_tsig_end(&target->tsig);
	target->is_signed = false;
}

/* Keeps what is of interest afterwards. */
static void finish(struct target *target, enum stele_notify_state state)
{
	target->state = state;
	target->at = time(NULL);
	event_del(&target->timer);
	notify_end_encrypted(target);
	give_id_back(target);
	forget_signature(target);
	free(target->msg);
	target->msg = NULL;
}

static void fail(struct target *target)
{
	char address[STELE_ADDRESS_TEXT_MAX];
	unsigned last = target->try_cnt > 0 ? target->try_cnt - 1 : 0;
	if (target->error[0] == '\0')
		snprintf(target->error, sizeof(target->error), "no answer");
	finish(target, STELE_NOTIFY_FAILED);
	stele_count(&target->notify->daemon->counters.notify_out_failed);
	stele_log_event(STELE_LOG_WARNING, "notify-out-failed", STELE_LOG_ZONE(target->zone->name),
			STELE_LOG_SERIAL(target->serial),
			STELE_LOG_PEER(stele_address_to_text(address_of(target, last),
							     target->remote->told_port, address)),
			STELE_LOG_TEXT("remote", target->remote->id),
			STELE_LOG_NUMBER("tries", target->try_cnt),
			STELE_LOG_REASON(target->error));
}

static void wait_ms(struct target *target, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
	event_add(&target->timer, &tv);
}

static void wait_until(struct target *target, uint64_t slot_ns)
{
	uint64_t now = stele_clock_ns();
	target->slot_ns = slot_ns;
	wait_ms(target, slot_ns > now ? (slot_ns - now) / 1000000 : 0);
}

/* For the next first try that may go out. */
static void wait_for_slot(struct target *target)
{
	struct stele_notify *notify = target->notify;
	uint64_t slot = stele_clock_ns();
	if (notify->next_slot_ns > slot)
		slot = notify->next_slot_ns;
	notify->next_slot_ns = slot + SLOT_NS;
	wait_until(target, slot);
}

static int sign(struct target *target, struct stele_error *reterr)
{
	target->signed_at = time(NULL);
	int status = stele_tsig_sign_request(target->key, target->msg, &target->len, MESSAGE_MAX,
					     (uint64_t)target->signed_at, &target->tsig);
	target->is_signed = status == 0;
	return status == 0 ? 0 : stele_fail(reterr, status, "cannot sign");
}

/* Makes what is sent, with the id that was taken. */
static int make_message(struct target *target, struct stele_error *reterr)
{
	const struct stele_managed_zone *zone = target->zone;
	const struct stele_notify_out *out = zone->notify_out;
	const char *key = target->remote->key;
	if (target->msg == NULL)
		target->msg = malloc(MESSAGE_MAX);
	if (target->msg == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	target->len = stele_notify_make(target->msg, MESSAGE_MAX - 512, target->id, zone->apex,
					zone->apex_len, out->soa_ttl, out->soa, out->soa_len);
	if (key == NULL)
		return 0;
	target->key = stele_tsig_keys_find_text(out->keys, key);
	if (target->key == NULL)
		return stele_fail(reterr, STELE_E_INPUT, "there is no key %s", key);
	forget_signature(target);
	return target->remote->is_told_by_tls ? 0 : sign(target, reterr);
}

/*
 * Has a message to send. With thousands of zones the first try comes long after the change: ids are for those
 * that may be answered, and a signature is good for minutes. False: there is none yet, or it has failed.
 */
static bool has_message(struct target *target)
{
	struct stele_error err;
	bool is_old = target->is_signed && time(NULL) - target->signed_at > SIGNED_MAX_S;
	if (target->msg != NULL && !is_old)
		return true;
	/* Without a place among those that wait for their first try: there may be thousands, all of one server. */
	if (!take_id(target)) {
		wait_ms(target, target->notify->first_wait_ms);
		return false;
	}
	if (make_message(target, &err) == 0)
		return true;
	snprintf(target->error, sizeof(target->error), "%.120s", err.text);
	fail(target);
	return false;
}

static void send_to(struct target *target, const struct stele_config_address *address)
{
	struct stele_error err;
	union stele_sockaddr to;
	socklen_t to_len = stele_address_to_sockaddr(address, target->remote->told_port, &to);
	struct notify_socket *sock =
		notify_socket_for(target->notify, target->remote, address, &err);
	if (sock == NULL) {
		snprintf(target->error, sizeof(target->error), "%.120s", err.text);
		return;
	}
	if (sendto(sock->fd, target->msg, target->len, 0, &to.any, to_len) < 0) {
		char why[64];
		snprintf(target->error, sizeof(target->error), "cannot send: %s",
			 strerror_r(errno, why, sizeof(why)));
	}
	stele_count(&target->notify->daemon->counters.notify_out);
}

/* Its time has come: the next try, or the end. */
static void due(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	struct target *target = user;
	unsigned address_cnt = (unsigned)target->remote->addresses.cnt;
	if (target->try_cnt >= TRY_CNT * address_cnt) {
		fail(target);
		return;
	}
	if (!has_message(target))
		return;
	const struct stele_config_address *address = address_of(target, target->try_cnt);
	unsigned round = target->try_cnt / address_cnt;
	if (target->remote->is_told_by_tls && !notify_send_encrypted(target, address)) {
		wait_ms(target, TURN_MS);
		return;
	}
	target->try_cnt++;
	target->at = time(NULL);
	if (!target->remote->is_told_by_tls)
		send_to(target, address);
	wait_ms(target, (uint64_t)target->notify->first_wait_ms << round);
}

void notify_answered(struct stele_notify *notify, const struct stele_config_address *from,
		     uint16_t port, uint8_t *msg, size_t len)
{
	if (len < STELE_HEADER_SZ)
		return;
	struct target *target = find_id(notify, (uint16_t)(msg[0] << 8 | msg[1]), from, port);
	if (target == NULL)
		return;
	if (target->is_signed) {
		struct stele_error err;
		if (stele_tsig_verify_reply(&target->tsig, msg, &len, (uint64_t)time(NULL), &err) !=
		    1) {
			snprintf(target->error, sizeof(target->error), "%.120s", err.text);
			return;
		}
	}
	notify_take_answer(target, msg, len);
}

bool notify_take_answer(struct target *target, const uint8_t *msg, size_t len)
{
	int rcode = stele_notify_answer(msg, len, target->id, target->zone->apex,
					target->zone->apex_len);
	if (rcode < 0)
		return false;
	/* NOTIMP is how a server answers that asks by its timers alone (RFC 1996 section 4.8). */
	if (rcode == STELE_RCODE_NOERROR || rcode == STELE_RCODE_NOTIMP) {
		target->error[0] = '\0';
		finish(target, STELE_NOTIFY_ACKNOWLEDGED);
		stele_count(&target->notify->daemon->counters.notify_out_acknowledged);
		return true;
	}
	snprintf(target->error, sizeof(target->error), "answered with rcode %d", rcode);
	fail(target);
	return true;
}

/* ---- a zone's remotes ---- */

static void end_out(struct stele_notify_out *out)
{
	if (out == NULL)
		return;
	for (size_t i = 0; i < out->target_cnt; i++)
		if (out->targets[i].state == STELE_NOTIFY_WAITING)
			finish(&out->targets[i], STELE_NOTIFY_FAILED);
	stele_mgmtd_config_release(out->config);
	stele_tsig_keys_unref(out->keys);
	free(out);
}

void stele_notify_out_end(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	(void)daemon;
	end_out(zone->notify_out);
	zone->notify_out = NULL;
}

/* What waits for the first try to the same remote; NULL. */
static const struct target *find_untried(const struct stele_notify_out *out, const char *remote)
{
	for (size_t i = 0; out != NULL && i < out->target_cnt; i++) {
		const struct target *target = &out->targets[i];
		if (target->state == STELE_NOTIFY_WAITING && target->try_cnt == 0 &&
		    strcmp(target->remote->id, remote) == 0)
			return target;
	}
	return NULL;
}

/* A zone that changes keeps its place among those that wait, `before`: else one that changes all the time would
 * never come to its turn, and places that nobody takes would hold up everybody else. */
static int tell(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		const struct stele_notify_out *before, const struct stele_node_rrset *soa,
		uint32_t serial, struct stele_error *reterr)
{
	const struct stele_template_config *options = zone->options;
	size_t cnt = options->notify_remotes.cnt;
	const uint8_t *p = soa->data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	struct stele_notify_out *out =
		calloc(1, sizeof(*out) + cnt * sizeof(out->targets[0]) + rr.rdata_len);
	if (out == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	out->config = zone->config;
	stele_mgmtd_config_hold(out->config);
	out->keys = stele_tsig_keys_ref(daemon->keys);
	out->target_cnt = cnt;
	out->soa_ttl = soa->ttl;
	out->soa_len = rr.rdata_len;
	out->soa = (uint8_t *)(out->targets + cnt);
	memcpy(out->soa, rr.rdata, rr.rdata_len);
	zone->notify_out = out;
	for (size_t i = 0; i < cnt; i++) {
		struct target *target = &out->targets[i];
		target->notify = daemon->notify;
		target->zone = zone;
		target->remote = options->notify_remotes.items[i];
		target->serial = serial;
		event_assign(&target->timer, stele_loop_base(daemon->main), -1, 0, due, target);
		const struct target *untried = find_untried(before, target->remote->id);
		if (untried != NULL)
			wait_until(target, untried->slot_ns);
		else
			wait_for_slot(target);
	}
	return 0;
}

static int read_and_tell(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			 const struct stele_notify_out *before, struct stele_error *reterr)
{
	struct stele_store_read *read;
	struct stele_zone_info info;
	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset soa;
	int status = stele_store_read_begin(daemon->store, &read, reterr);
	if (status != 0)
		return status;
	status = stele_store_zone_find(read, zone->apex, &info, reterr);
	if (status == 0)
		status = stele_store_node(read, info.id, NULL, 0, &node, &node_sz, reterr);
	if (status == 0 &&
	    (!stele_node_find(node, node_sz, STELE_TYPE_SOA, &soa) || soa.rr_cnt != 1))
		status = stele_fail(reterr, STELE_E_SYSTEM, "zone %s has no SOA", zone->name);
	if (status == 0 && (info.flags & STELE_STORE_ZONE_STUB) == 0)
		status = tell(daemon, zone, before, &soa, info.serial, reterr);
	stele_store_read_end(read);
	return status;
}

int stele_notify_out(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		     struct stele_error *reterr)
{
	struct stele_notify_out *before = zone->notify_out;
	int status = 0;
	zone->notify_out = NULL;
	if (zone->options->notify_remotes.cnt > 0)
		status = read_and_tell(daemon, zone, before, reterr);
	end_out(before);
	return status;
}

void stele_notify_each(const struct stele_managed_zone *zone,
		       void (*each)(void *user, const struct stele_notify_status *status),
		       void *user)
{
	const struct stele_notify_out *out = zone->notify_out;
	for (size_t i = 0; out != NULL && i < out->target_cnt; i++) {
		const struct target *target = &out->targets[i];
		const struct stele_notify_status status = {
			.remote = target->remote->id,
			.state = target->state,
			.serial = target->serial,
			.try_cnt = target->try_cnt,
			.at = target->at,
			.error = target->error[0] != '\0' ? target->error : NULL,
		};
		each(user, &status);
	}
}

/* ---- all of it ---- */

int stele_notify_new(struct stele_daemon *daemon, struct stele_notify **ret_notify,
		     struct stele_error *reterr)
{
	struct stele_notify *notify = calloc(1, sizeof(*notify));
	if (notify == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	notify->daemon = daemon;
	notify->task.run = notify_drain;
	notify->first_wait_ms = FIRST_WAIT_MS;
	pthread_mutex_init(&notify->lock, NULL);
	*ret_notify = notify;
	return 0;
}

void stele_notify_free(struct stele_notify *notify)
{
	if (notify == NULL)
		return;
	notify_forget_waiting(notify);
	notify_sockets_close(notify);
	stele_tls_contexts_free(notify->contexts);
	pthread_mutex_destroy(&notify->lock);
	free(notify);
}
