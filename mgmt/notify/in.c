/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFYs that come in: service loops put zones into a set, the main loop empties it. */
#include "mgmt/notify/internal.h"

#include "lib/dns/message.h"
#include "mgmt/notify/message.h"
#include "mgmt/peer/refusal.h"
#include "mgmt/transfer/refresh.h"

#include <stdlib.h>
#include <string.h>

/* Only zones that are there and may be notified of come into the set: nobody chooses what collides. */
static unsigned bucket_of(const uint8_t *apex, size_t len)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ apex[i]) * 16777619u;
	return (hash ^ hash >> 16) % BUCKET_CNT;
}

/* False if memory is out. */
static bool put_waiting(struct stele_notify *notify, const struct stele_notify_request *notified,
			const struct stele_config_address *from)
{
	unsigned bucket = bucket_of(notified->apex, notified->name_len);
	bool post = false, done = true;
	pthread_mutex_lock(&notify->lock);
	struct waiting *w = notify->waiting[bucket];
	while (w != NULL && memcmp(w->apex, notified->apex, notified->name_len) != 0)
		w = w->next;
	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		done = w != NULL;
		if (done) {
			memcpy(w->apex, notified->apex, notified->name_len);
			w->next = notify->waiting[bucket];
			notify->waiting[bucket] = w;
			post = !notify->posted;
			notify->posted = true;
		}
	}
	if (done)
		w->from = *from;
	pthread_mutex_unlock(&notify->lock);
	if (post)
		stele_loop_post(notify->daemon->main, &notify->task);
	return done;
}

static struct waiting *take_bucket(struct stele_notify *notify, unsigned bucket)
{
	struct waiting *w = notify->waiting[bucket];
	notify->waiting[bucket] = NULL;
	return w;
}

void notify_drain(struct stele_task *task)
{
	struct stele_notify *notify =
		(struct stele_notify *)((char *)task - offsetof(struct stele_notify, task));
	struct stele_daemon *daemon = notify->daemon;
	struct waiting *all = NULL;
	pthread_mutex_lock(&notify->lock);
	notify->posted = false;
	for (unsigned i = 0; i < BUCKET_CNT; i++)
		for (struct waiting *w = take_bucket(notify, i), *next; w != NULL; w = next) {
			next = w->next;
			w->next = all;
			all = w;
		}
	pthread_mutex_unlock(&notify->lock);
	while (all != NULL) {
		struct waiting *w = all;
		struct stele_managed_zone *zone = stele_zones_find(daemon->zones, w->apex);
		all = w->next;
		if (zone != NULL && zone->options->has_primaries) {
			zone->notify_in_cnt++;
			stele_refresh_now(daemon, zone, &w->from, false);
		}
		free(w);
	}
}

void notify_forget_waiting(struct stele_notify *notify)
{
	for (unsigned i = 0; i < BUCKET_CNT; i++)
		for (struct waiting *w = take_bucket(notify, i), *next; w != NULL; w = next) {
			next = w->next;
			free(w);
		}
}

/* ---- requests ---- */

static void refuse(struct stele_request *request, const struct stele_notify_request *notified,
		   uint16_t rcode, const char *reason)
{
	stele_log_refusal("notify-refused", request, notified->apex, rcode, reason);
	stele_request_refuse(request, rcode);
}

/* True if the zone gets its contents from a primary: nobody has anything to tell about another. */
static bool is_secondary(const struct stele_zones *zones, const uint8_t *apex)
{
	const struct stele_template_config *options;
	const struct stele_mgmtd_config *config;
	if (!stele_zones_options(zones, apex, &options, &config))
		return false;
	bool is = options->has_primaries;
	stele_mgmtd_config_release(config);
	return is;
}

void stele_notify_in(void *user, struct stele_request *request)
{
	struct stele_daemon *daemon = user;
	struct stele_daemon_counters *counters = &daemon->counters;
	struct stele_notify_request notified;
	uint16_t rcode = stele_notify_parse(request->msg, request->len, &notified);
	if (rcode != STELE_RCODE_NOERROR) {
		stele_count(&counters->notify_in_bad);
		stele_request_refuse(request, rcode);
		return;
	}
	enum stele_access_verdict verdict = stele_zones_access(daemon->zones, notified.apex,
							       STELE_ACCESS_NOTIFY, &request->peer);
	if (verdict == STELE_ACCESS_REFUSED) {
		stele_count(&counters->notify_in_refused);
		refuse(request, &notified, STELE_RCODE_REFUSED, "not allowed");
		return;
	}
	if (verdict == STELE_ACCESS_NO_ZONE || !is_secondary(daemon->zones, notified.apex)) {
		stele_count(&counters->notify_in_bad);
		refuse(request, &notified, STELE_RCODE_NOTAUTH,
		       verdict == STELE_ACCESS_NO_ZONE ? "no such zone" : "it has no primary");
		return;
	}
	if (!put_waiting(daemon->notify, &notified, &request->peer.address)) {
		stele_request_refuse(request, STELE_RCODE_SERVFAIL);
		return;
	}
	stele_count(&counters->notify_in);
	uint8_t buf[512];
	size_t len = stele_notify_reply(&notified, buf, sizeof(buf));
	stele_request_reply(request, buf, len);
}
