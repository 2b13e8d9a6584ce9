/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stubs, removals: what the daemon itself changes in the store. Ten thousand new zones are one commit.
 */
#include "lib/daemon/log.h"
#include "mgmt/daemon.h"
#include "mgmt/internal.h"

#include <stdlib.h>
#include <string.h>

struct item {
	enum stele_daemon_work_kind kind;
	uint8_t apex[STELE_NAME_MAX];
};

struct stele_daemon_work {
	struct stele_commit commit; /* first */
	struct stele_daemon *daemon;
	struct stele_daemon_work *next_failed;
	uint64_t failed_at; /* what zones knew of the store by then: its generation */
	size_t cnt, cap;
	struct item *items;
};

static void free_work(struct stele_daemon_work *work)
{
	free(work->items);
	free(work);
}

static int apply_item(struct stele_store_write *write, const struct item *item,
		      struct stele_error *reterr)
{
	int status;
	switch (item->kind) {
	case STELE_WORK_STUB:
		return stele_store_zone_stub(write, item->apex, reterr);
	case STELE_WORK_REMOVE:
		status = stele_store_zone_remove(write, item->apex, reterr);
		break;
	case STELE_WORK_OURS:
		status = stele_store_zone_set_expired(write, item->apex, false, reterr);
		if (status == 0)
			status = stele_store_zone_set_transferred(write, item->apex, false, reterr);
		break;
	default:
		return 0;
	}
	return status == STELE_E_NOTFOUND ? 0 : status;
}

static int apply(struct stele_commit *commit, struct stele_store_write *write,
		 struct stele_error *reterr)
{
	const struct stele_daemon_work *work = (const struct stele_daemon_work *)commit;
	for (size_t i = 0; i < work->cnt; i++) {
		int status = apply_item(write, &work->items[i], reterr);
		if (status < 0)
			return status;
	}
	return 0;
}

/* Nobody wants it: it is in the table for the data that the store has, or had until now. */
static bool is_stray(const struct stele_managed_zone *zone)
{
	return !zone->configured && !zone->from_catalog;
}

/* What is remembered of a zone that came back meanwhile is that one's. */
static void removed(struct stele_daemon *daemon, const uint8_t *apex)
{
	const struct stele_managed_zone *zone = stele_zones_find(daemon->zones, apex);
	char name[STELE_NAME_TEXT_MAX];
	if (zone == NULL || is_stray(zone))
		stele_zone_states_forget(daemon->states, apex);
	stele_name_to_text(apex, name);
	stele_log_audit(&(struct stele_log_audit){.what = "remove-zone", .zone = name});
}

static void done(struct stele_commit *commit, int status, uint64_t generation,
		 const struct stele_error *err)
{
	struct stele_daemon_work *work = (struct stele_daemon_work *)commit;
	(void)generation;
	stele_daemon_release(work->daemon);
	if (status < 0)
		stele_log_some(STELE_LOG_ERROR, "store-failed", STELE_LOG_REASON(err->text),
			       STELE_LOG_NUMBER("zones", work->cnt));
	if (status < 0) {
		work->failed_at = work->daemon->generation;
		work->next_failed = work->daemon->failed_work;
		work->daemon->failed_work = work;
		return;
	}
	for (size_t i = 0; i < work->cnt; i++)
		if (work->items[i].kind == STELE_WORK_REMOVE)
			removed(work->daemon, work->items[i].apex);
	free_work(work);
}

static void flush(struct stele_task *task)
{
	struct stele_daemon *daemon =
		(struct stele_daemon *)((uint8_t *)task - offsetof(struct stele_daemon, flush));
	struct stele_daemon_work *work = daemon->work;
	daemon->flush_posted = false;
	daemon->work = NULL;
	if (work == NULL)
		return;
	stele_committer_submit(daemon->committer, &work->commit);
}

static struct stele_daemon_work *new_work(struct stele_daemon *daemon)
{
	struct stele_daemon_work *work = calloc(1, sizeof(*work));
	if (work == NULL)
		return NULL;
	work->daemon = daemon;
	work->commit.apply = apply;
	work->commit.done = done;
	work->commit.home = daemon->main;
	/* It is few bytes, but many zones: another's change is not to fail with it. */
	work->commit.large = true;
	return work;
}

void stele_daemon_work(struct stele_daemon *daemon, enum stele_daemon_work_kind kind,
		       const uint8_t *apex)
{
	if (daemon->work == NULL)
		daemon->work = new_work(daemon);
	struct stele_daemon_work *work = daemon->work;
	if (work != NULL && work->cnt == work->cap) {
		size_t cap = work->cap > 0 ? work->cap * 2 : 16;
		struct item *items = reallocarray(work->items, cap, sizeof(*items));
		if (items != NULL) {
			work->items = items;
			work->cap = cap;
		}
	}
	if (work == NULL || work->cnt == work->cap) {
		stele_log(STELE_LOG_ERROR, "no memory for a change of the store");
		return;
	}
	struct item *item = &work->items[work->cnt++];
	item->kind = kind;
	memcpy(item->apex, apex, stele_name_length(apex, STELE_NAME_MAX));
	if (!daemon->flush_posted) {
		daemon->flush_posted = true;
		daemon->flush.run = flush;
		stele_loop_post(daemon->main, &daemon->flush);
	}
}

/* Zones may have come back or gone since. */
static bool is_due(const struct stele_managed_zone *zone, const struct stele_daemon_work *failed,
		   const struct item *item)
{
	switch (item->kind) {
	case STELE_WORK_STUB:
		return zone != NULL && zone->id == 0;
	case STELE_WORK_REMOVE:
		/* Or what is still to be removed has been met in the store, which what somebody has imported since is
		 * not. */
		return zone == NULL || (is_stray(zone) && (zone->transferred ||
							   zone->generation <= failed->failed_at));
	case STELE_WORK_OURS:
		return zone != NULL && !zone->options->has_primaries &&
		       (zone->expired || zone->transferred);
	}
	return false;
}

static void repeat(struct stele_daemon *daemon, const struct stele_daemon_work *failed,
		   const struct item *item)
{
	const struct stele_managed_zone *zone = stele_zones_find(daemon->zones, item->apex);
	if (is_due(zone, failed, item))
		stele_daemon_work(daemon, item->kind, item->apex);
	else if (item->kind == STELE_WORK_REMOVE && is_stray(zone))
		/* Else the next start would remove what is ours now. */
		stele_zone_states_forget(daemon->states, item->apex);
}

void stele_daemon_work_again(struct stele_daemon *daemon)
{
	struct stele_daemon_work *failed = daemon->failed_work;
	daemon->failed_work = NULL;
	while (failed != NULL) {
		struct stele_daemon_work *next = failed->next_failed;
		for (size_t i = 0; i < failed->cnt; i++)
			repeat(daemon, failed, &failed->items[i]);
		free_work(failed);
		failed = next;
	}
}

void stele_daemon_work_drop(struct stele_daemon *daemon)
{
	while (daemon->failed_work != NULL) {
		struct stele_daemon_work *failed = daemon->failed_work;
		daemon->failed_work = failed->next_failed;
		free_work(failed);
	}
	if (daemon->work != NULL)
		free_work(daemon->work);
	daemon->work = NULL;
}
