/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of the compiler: which one is due, how it ends, and what is tried after a failure. And copies
 * without garbage, which go on beside them: `compact` holds the image's lock only at its end.
 */
#include "mgmt/publish/internal.h"

#include "lib/base/clock.h"
#include "mgmt/publish/boot.h"

#include <jansson.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* When garbage is worth a copy: as the compiler itself has it. */
#define GARBAGE_PERCENT 30
#define GARBAGE_MIN_SZ (UINT64_C(16) << 20)

/* Garbage that does not wait for an hour when nobody waits: four times as much as there is image. */
#define GARBAGE_URGENT_MIN_SZ (UINT64_C(256) << 20)
#define GARBAGE_URGENT_TIMES 4

/*
 * Nobody waits if nothing was wanted for so long. Shorter, and more often a change comes while the image is
 * copied, and shares processor and disk with the copy.
 */
#define QUIET_NS UINT64_C(10000000000)

/*
 * The image is synced if nothing was wanted for so long. Sooner, and the disk is busy with it when the next change
 * has to be stored. Later, and a crash of the machine is more likely to cost a build.
 */
#define SYNC_QUIET_NS UINT64_C(1000000000)

/* If it never gets quiet. The system itself writes what is older than half of that. */
#define SYNC_MAX_NS UINT64_C(60000000000)

/* After a copy that failed. */
#define COMPACT_AGAIN_NS UINT64_C(60000000000)

/* So many updates that find something wrong, and the image is built anew: it may be the image. */
#define REFUSED_MAX 2

/*
 * After so many rounds that died, or could not read or write, a build is tried in the place of the next: what kills a
 * compiler that looks at the image may be the image, or the disk below it. Where it is not, a build takes more memory
 * and room than what failed, so that is tried again afterwards.
 */
#define FAILED_MAX 3

static const char *const words[] = {
	[ROUND_UPDATE] = "update", [ROUND_BUILD] = "build", [ROUND_VERIFY] = "verify"};

/* ---- what is due ---- */

static bool is_garbage_urgent(const struct stele_publisher_status *status)
{
	return status->garbage_sz > GARBAGE_URGENT_MIN_SZ &&
	       status->garbage_sz / GARBAGE_URGENT_TIMES > status->image_sz - status->garbage_sz;
}

static bool is_garbage_due(const struct stele_publisher_status *status)
{
	return status->garbage_sz > GARBAGE_MIN_SZ &&
	       status->garbage_sz * 100 > GARBAGE_PERCENT * status->image_sz;
}

static bool is_compile_due(const struct stele_publisher *publisher)
{
	return publisher->is_suspect || publisher->is_first || publisher->build_anew ||
	       publisher->status.wanted > publisher->status.compiled;
}

/* The time until the image may be compacted; UINT64_MAX: there is no reason to. */
static uint64_t compact_in_ns(const struct stele_publisher *publisher)
{
	uint64_t now = stele_clock_ns(), at = publisher->compact_not_before_ns;
	uint64_t quiet_ns = publisher->settings.quiet_ns ? publisher->settings.quiet_ns : QUIET_NS;

	if (!is_garbage_due(&publisher->status))
		return UINT64_MAX;
	if (!is_garbage_urgent(&publisher->status) && publisher->wanted_ns + quiet_ns > at)
		at = publisher->wanted_ns + quiet_ns;
	return at > now ? at - now : 0;
}

/* The time until the image is to be synced; UINT64_MAX: there is no reason to. */
static uint64_t sync_in_ns(const struct stele_publisher *publisher)
{
	uint64_t now = stele_clock_ns();
	uint64_t quiet_ns = publisher->settings.sync_quiet_ns ? publisher->settings.sync_quiet_ns :
								SYNC_QUIET_NS;
	uint64_t at = publisher->wanted_ns + quiet_ns;

	if (!publisher->is_unsynced)
		return UINT64_MAX;
	if (at > publisher->unsynced_ns + SYNC_MAX_NS)
		at = publisher->unsynced_ns + SYNC_MAX_NS;
	return at > now ? at - now : 0;
}

static void set_timer(struct stele_publisher *publisher, uint64_t ns)
{
	struct timeval time = stele_pause_time(ns);

	evtimer_add(publisher->timer, &time);
}

/* ---- how a round ends ---- */

static uint64_t ns_of(const json_t *summary, const char *member)
{
	double seconds = json_number_value(json_object_get(summary, member));

	return seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
}

static void note_unsynced(struct stele_publisher *publisher)
{
	if (!publisher->is_unsynced)
		publisher->unsynced_ns = stele_clock_ns();
	publisher->is_unsynced = true;
}

/* What the compiler says that it did; false if that makes no sense. `ret_rebuilt`: the image is a new one. */
static bool take_summary(struct stele_publisher *publisher, const char *output, size_t len,
			 bool *ret_rebuilt)
{
	struct stele_publisher_status *status = &publisher->status;
	json_t *summary = json_loadb(output, len, JSON_REJECT_DUPLICATES, NULL);
	const char *result = json_string_value(json_object_get(summary, "result"));
	bool is_sound = json_is_integer(json_object_get(summary, "generation"));

	*ret_rebuilt = publisher->round == ROUND_BUILD ||
		       (result && strcmp(result, "rebuilt") == 0);
	if (is_sound) {
		if (publisher->appends_unsynced && result && strcmp(result, "appended") == 0)
			note_unsynced(publisher);
		if (*ret_rebuilt) {
			status->compile_rebuilt_cnt++;
			publisher->epoch++;
			publish_forget_loaded(publisher);
		}
		status->compile_work_ns = ns_of(summary, "work_seconds");
	}
	json_decref(summary);
	return is_sound;
}

static void fail(struct stele_publisher *publisher, const char *text)
{
	struct stele_publisher_status *status = &publisher->status;

	snprintf(status->compile_error, sizeof(status->compile_error), "%s: %.400s",
		 words[publisher->round], text);
	status->compile_failed_cnt++;
	stele_pause_begin(&publisher->pause);
	publisher->compile_told = true;
	publish_trouble(publisher, "compile", status->compile_error);
}

static void succeed(struct stele_publisher *publisher, bool rebuilt)
{
	struct stele_publisher_status *status = &publisher->status;
	struct stele_error err;
	uint64_t began_ns = stele_clock_ns();
	int failed = publish_open(publisher, &err);

	if (failed) {
		/* The compiler takes it for good, or for another store's: only a new one helps. */
		publisher->build_anew |= failed == STELE_E_INPUT || failed == STELE_E_NOTFOUND;
		publisher->image_told = true;
		publish_trouble(publisher, "image", err.text);
		fail(publisher, err.text);
		return;
	}
	if (publisher->image_told)
		publish_trouble(publisher, "image", NULL);
	publisher->image_told = false;
	uint64_t now = stele_clock_ns();
	publisher->is_first = false;
	/* What was found wrong while an update went on, the update has not made right. */
	if (rebuilt)
		publisher->build_anew = publisher->is_suspect = false;
	publisher->refused_cnt = publisher->failed_cnt = 0;
	stele_pause_end(&publisher->pause);
	status->compile_cnt++;
	status->open_last_ns = now - began_ns;
	status->compile_last_ns = now - publisher->began_ns;
	*status->compile_error = '\0';
	if (publisher->compile_told)
		publish_trouble(publisher, "compile", NULL);
	publisher->compile_told = false;
	publish_check_served(publisher);
}

static void end_verify(struct stele_publisher *publisher, int exit_status, const char *error)
{
	/* Anything but a verdict (no memory, killed) is tried again. */
	if (*error && exit_status != 1) {
		publisher->failed_cnt++;
		fail(publisher, error);
		return;
	}
	publisher->is_suspect = false;
	publisher->failed_cnt = 0;
	if (*error) {
		publisher->build_anew = publisher->image_told = true;
		publish_trouble(publisher, "image", error);
	} else {
		publish_open_first(publisher);
	}
}

static void note_failed(struct stele_publisher *publisher, int exit_status)
{
	if (publisher->round != ROUND_UPDATE)
		return;
	if (exit_status != 1)
		publisher->failed_cnt++;
	/* What an update finds wrong may be the image, or the store, and only a build tells. */
	else if (++publisher->refused_cnt >= REFUSED_MAX)
		publisher->build_anew = true;
}

static void on_done(void *user, int exit_status, const char *output, size_t output_len,
		    const char *error)
{
	struct stele_publisher *publisher = user;
	bool rebuilt;

	publisher->child = NULL;
	publisher->status.compiling = false;
	if (publisher->round == ROUND_VERIFY) {
		end_verify(publisher, exit_status, error);
	} else if (*error) {
		note_failed(publisher, exit_status);
		fail(publisher, error);
	} else if (take_summary(publisher, output, output_len, &rebuilt)) {
		succeed(publisher, rebuilt);
	} else {
		fail(publisher, "ended without saying what it did");
	}
	publish_go_on(publisher);
}

/* ---- how a round begins ---- */

/* From now on updates are not synced. */
static void mark_boot(struct stele_publisher *publisher)
{
	if (publisher->was_marked)
		return;
	publisher->was_marked = true;
	publisher->may_not_sync = stele_boot_mark(publisher->image, NULL) == 0;
}

static void start(struct stele_publisher *publisher, enum publish_round round)
{
	if (round == ROUND_UPDATE)
		mark_boot(publisher);
	const char *const build[] = {publisher->compiler,
				     "build",
				     "--store",
				     publisher->store,
				     "-o",
				     publisher->image,
				     "--force", /* damage may begin with its first bytes */
				     "--json",
				     NULL};
	const char *const verify[] = {publisher->compiler, "verify", publisher->image, NULL};
	const char *const update[] = {
		publisher->compiler,
		"update",
		"--store",
		publisher->store,
		"--json",
		"--no-compact",
		publisher->may_not_sync ? "--no-sync" : "--",
		publisher->image,
		NULL,
	};
	const char *const *const argvs[] = {
		[ROUND_UPDATE] = update, [ROUND_BUILD] = build, [ROUND_VERIFY] = verify};
	struct stele_child_settings settings = {
		.argv = argvs[round],
		.max_ns = publisher->settings.compile_max_ns,
		.done = on_done,
		.user = publisher,
	};
	struct stele_error err;

	if (round == ROUND_BUILD)
		publisher->failed_cnt = 0;
	publisher->round = round;
	publisher->appends_unsynced = round == ROUND_UPDATE && publisher->may_not_sync;
	publisher->began_ns = stele_clock_ns();
	if (stele_child_start(publisher->loop, &settings, &publisher->child, &err) != 0) {
		publisher->child = NULL;
		fail(publisher, err.text);
		return;
	}
	publisher->status.compiling = true;
}

static enum publish_round round_due(const struct stele_publisher *publisher)
{
	if (publisher->failed_cnt >= FAILED_MAX)
		return ROUND_BUILD;
	if (publisher->is_suspect)
		return ROUND_VERIFY;
	/* Somebody may have taken it away. */
	return publisher->build_anew || access(publisher->image, F_OK) != 0 ? ROUND_BUILD :
									      ROUND_UPDATE;
}

/* ---- syncs ---- */

static void on_flushed(void *user, int error_number)
{
	struct stele_publisher *publisher = user;
	struct stele_publisher_status *status = &publisher->status;

	stele_flush_free(publisher->flush);
	publisher->flush = NULL;
	status->sync_last_ns = stele_clock_ns() - publisher->flush_ns;
	if (error_number) {
		/* What the system still has is right, what the disk has may not be. */
		struct stele_error err;

		stele_fail_errno(&err, error_number, "syncing %s", publisher->image);
		publisher->build_anew = true;
		fail(publisher, err.text);
	} else {
		status->sync_cnt++;
	}
	publish_go_on(publisher);
}

static void start_flush(struct stele_publisher *publisher)
{
	struct stele_error err;

	/* What is appended from here on is for the next one. */
	publisher->is_unsynced = false;
	publisher->flush_ns = stele_clock_ns();
	if (stele_flush_start(publisher->loop, publisher->image, on_flushed, publisher,
			      &publisher->flush, &err) != 0) {
		/* There is the mark; and the next try is at the next quiet moment. */
		publisher->flush = NULL;
		publisher->wanted_ns = publisher->unsynced_ns = publisher->flush_ns;
		publisher->is_unsynced = access(publisher->image, F_OK) == 0;
	}
}

/* ---- copies without garbage ---- */

static void fail_compact(struct stele_publisher *publisher, const char *text)
{
	struct stele_publisher_status *status = &publisher->status;

	/* What is served does not depend on it. */
	publisher->compact_not_before_ns = stele_clock_ns() + COMPACT_AGAIN_NS;
	snprintf(status->compile_error, sizeof(status->compile_error), "compact: %.400s", text);
	publisher->compile_told = true;
	publish_trouble(publisher, "compile", status->compile_error);
}

static void on_compacted(void *user, int exit_status, const char *output, size_t output_len,
			 const char *error)
{
	struct stele_publisher *publisher = user;
	struct stele_error err;

	(void)output;
	(void)output_len;
	publisher->compactor = NULL;
	if (*error) {
		/* It has read all of the image. */
		publisher->build_anew |= exit_status == 1;
		fail_compact(publisher, error);
	} else if (publish_open(publisher, &err) != 0) {
		fail_compact(publisher, err.text);
	} else {
		publisher->status.compact_cnt++;
		if (publisher->may_not_sync)
			note_unsynced(publisher);
		publish_check_served(publisher);
	}
	publish_go_on(publisher);
}

static void start_compact(struct stele_publisher *publisher)
{
	const char *const argv[] = {
		publisher->compiler,
		"compact",
		"--json",
		publisher->may_not_sync ? "--no-sync" : "--",
		publisher->image,
		NULL,
	};
	struct stele_child_settings settings = {
		.argv = argv,
		.max_ns = publisher->settings.compile_max_ns,
		.done = on_compacted,
		.user = publisher,
	};
	struct stele_error err;

	if (stele_child_start(publisher->loop, &settings, &publisher->compactor, &err) != 0) {
		publisher->compactor = NULL;
		fail_compact(publisher, err.text);
	}
}

/* ---- what comes next ---- */

void publish_go_on(struct stele_publisher *publisher)
{
	bool is_due = is_compile_due(publisher);
	uint64_t wake_ns = UINT64_MAX;

	if (!publisher->child && is_due && stele_pause_rest(&publisher->pause) == 0)
		start(publisher, round_due(publisher));
	/* Or it could not be started. */
	if (!publisher->child && is_due)
		wake_ns = stele_pause_rest(&publisher->pause);
	/* An image that is about to be made anew, or that nobody has looked at yet, is not worth a copy. */
	if (!publisher->compactor && !publisher->is_first && !publisher->build_anew &&
	    !publisher->is_suspect) {
		if (compact_in_ns(publisher) == 0)
			start_compact(publisher);
		uint64_t compact_ns = publisher->compactor ? UINT64_MAX : compact_in_ns(publisher);
		if (compact_ns < wake_ns)
			wake_ns = compact_ns;
	}
	if (!publisher->flush && !publisher->build_anew) {
		if (sync_in_ns(publisher) == 0)
			start_flush(publisher);
		uint64_t sync_ns = publisher->flush ? UINT64_MAX : sync_in_ns(publisher);
		if (sync_ns < wake_ns)
			wake_ns = sync_ns;
	}
	if (wake_ns != UINT64_MAX)
		set_timer(publisher, wake_ns);
}
