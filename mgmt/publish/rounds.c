/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds of the compiler: which one is due, how it ends, and what is tried after a failure. And copies
 * without garbage, which go on beside them: `compact` holds the image's lock only at its end.
 */
#include "mgmt/publish/internal.h"

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

/* After a copy that failed. */
#define COMPACT_AGAIN_NS UINT64_C(60000000000)

/* So many updates that find something wrong, and the image is built anew: it may be the image. */
#define REFUSED_MAX 2

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
	uint64_t now = stele_pause_now(), at = publisher->compact_not_before_ns;
	uint64_t quiet_ns = publisher->settings.quiet_ns ? publisher->settings.quiet_ns : QUIET_NS;

	if (!is_garbage_due(&publisher->status))
		return UINT64_MAX;
	if (!is_garbage_urgent(&publisher->status) && publisher->wanted_ns + quiet_ns > at)
		at = publisher->wanted_ns + quiet_ns;
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

/* What the compiler says that it did; false if that makes no sense. */
static bool take_summary(struct stele_publisher *publisher, const char *output, size_t len)
{
	struct stele_publisher_status *status = &publisher->status;
	json_t *summary = json_loadb(output, len, JSON_REJECT_DUPLICATES, NULL);
	const char *result = json_string_value(json_object_get(summary, "result"));
	bool is_sound = json_is_integer(json_object_get(summary, "generation"));

	if (is_sound) {
		if (publisher->round == ROUND_BUILD || (result && strcmp(result, "rebuilt") == 0)) {
			status->compile_rebuilt_cnt++;
			publisher->epoch++;
			publisher->loaded = 0;
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

static void succeed(struct stele_publisher *publisher)
{
	struct stele_publisher_status *status = &publisher->status;
	struct stele_error err;
	uint64_t began_ns = stele_pause_now();
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
	uint64_t now = stele_pause_now();
	publisher->is_first = publisher->build_anew = false;
	publisher->refused_cnt = 0;
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

/* The whole summary has come, though the compiler may still wait for the disk. */
static void on_output(void *user, const char *output, size_t len)
{
	struct stele_publisher *publisher = user;

	if (publisher->is_taken || publisher->round == ROUND_VERIFY ||
	    !take_summary(publisher, output, len))
		return;
	publisher->is_taken = true;
	publisher->taken_ns = stele_pause_now();
	succeed(publisher);
}

static void end_verify(struct stele_publisher *publisher, int exit_status, const char *error)
{
	/* Anything but a verdict (no memory, killed) is tried again. */
	if (*error && exit_status != 1) {
		fail(publisher, error);
		return;
	}
	publisher->is_suspect = false;
	if (*error) {
		publisher->build_anew = publisher->image_told = true;
		publish_trouble(publisher, "image", error);
	} else {
		publish_open_first(publisher);
	}
}

static void on_done(void *user, int exit_status, const char *output, size_t output_len,
		    const char *error)
{
	struct stele_publisher *publisher = user;
	bool is_taken = publisher->is_taken;

	publisher->child = NULL;
	publisher->status.compiling = publisher->is_taken = false;
	if (publisher->round == ROUND_VERIFY) {
		end_verify(publisher, exit_status, error);
	} else if (is_taken) {
		publisher->status.compile_sync_ns = stele_pause_now() - publisher->taken_ns;
		if (*error) {
			/* What the system still has is right, what the disk has may not be. */
			publisher->build_anew = true;
			fail(publisher, error);
		}
	} else if (*error) {
		/* What an update finds wrong may be the image, or the store, and only a build tells. */
		if (publisher->round == ROUND_UPDATE && exit_status == 1 &&
		    ++publisher->refused_cnt >= REFUSED_MAX)
			publisher->build_anew = true;
		fail(publisher, error);
	} else if (take_summary(publisher, output, output_len)) {
		succeed(publisher);
	} else {
		fail(publisher, "ended without saying what it did");
	}
	publish_go_on(publisher);
}

/* ---- how a round begins ---- */

/* From now on updates may be served before they are synced. */
static void mark_boot(struct stele_publisher *publisher)
{
	if (publisher->was_marked)
		return;
	publisher->was_marked = true;
	publisher->may_sync_later = stele_boot_mark(publisher->image, NULL) == 0;
}

static void start(struct stele_publisher *publisher, enum publish_round round)
{
	if (round == ROUND_UPDATE)
		mark_boot(publisher);
	const char *const build[] = {
		publisher->compiler, "build",  "--store", publisher->store, "-o",
		publisher->image,    "--json", NULL};
	const char *const verify[] = {publisher->compiler, "verify", publisher->image, NULL};
	/* The last option twice is the last option. */
	const char *const update[] = {
		publisher->compiler,
		"update",
		"--store",
		publisher->store,
		"--json",
		"--no-compact",
		publisher->may_sync_later ? "--sync-later" : "--no-compact",
		publisher->image,
		NULL,
	};
	const char *const *const argvs[] = {
		[ROUND_UPDATE] = update, [ROUND_BUILD] = build, [ROUND_VERIFY] = verify};
	struct stele_child_settings settings = {
		.argv = argvs[round],
		.max_ns = publisher->settings.compile_max_ns,
		.output = on_output,
		.done = on_done,
		.user = publisher,
	};
	struct stele_error err;

	publisher->round = round;
	publisher->began_ns = stele_pause_now();
	if (stele_child_start(publisher->loop, &settings, &publisher->child, &err) != 0) {
		publisher->child = NULL;
		fail(publisher, err.text);
		set_timer(publisher, stele_pause_rest(&publisher->pause));
		return;
	}
	publisher->status.compiling = true;
}

static enum publish_round round_due(const struct stele_publisher *publisher)
{
	if (publisher->is_suspect)
		return ROUND_VERIFY;
	/* Somebody may have taken it away. */
	return publisher->build_anew || access(publisher->image, F_OK) != 0 ? ROUND_BUILD :
									      ROUND_UPDATE;
}

/* ---- copies without garbage ---- */

static void fail_compact(struct stele_publisher *publisher, const char *text)
{
	struct stele_publisher_status *status = &publisher->status;

	/* What is served does not depend on it. */
	publisher->compact_not_before_ns = stele_pause_now() + COMPACT_AGAIN_NS;
	snprintf(status->compile_error, sizeof(status->compile_error), "compact: %.400s", text);
	publisher->compile_told = true;
	publish_trouble(publisher, "compile", status->compile_error);
}

static void on_compacted(void *user, int exit_status, const char *output, size_t output_len,
			 const char *error)
{
	struct stele_publisher *publisher = user;
	struct stele_error err;

	(void)exit_status;
	(void)output;
	(void)output_len;
	publisher->compactor = NULL;
	if (*error) {
		fail_compact(publisher, error);
	} else if (publish_open(publisher, &err) != 0) {
		fail_compact(publisher, err.text);
	} else {
		publisher->status.compact_cnt++;
		publish_check_served(publisher);
	}
	publish_go_on(publisher);
}

static void start_compact(struct stele_publisher *publisher)
{
	const char *const argv[] = {publisher->compiler, "compact", "--json", publisher->image,
				    NULL};
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
	uint64_t rest_ns = stele_pause_rest(&publisher->pause), wake_ns = UINT64_MAX;

	if (!publisher->child && is_due && rest_ns == 0)
		start(publisher, round_due(publisher));
	else if (!publisher->child && is_due)
		wake_ns = rest_ns;
	/* An image that is about to be made anew, or that nobody has looked at yet, is not worth a copy. */
	if (!publisher->compactor && !publisher->is_first && !publisher->build_anew &&
	    !publisher->is_suspect) {
		if (compact_in_ns(publisher) == 0)
			start_compact(publisher);
		uint64_t compact_ns = publisher->compactor ? UINT64_MAX : compact_in_ns(publisher);
		if (compact_ns < wake_ns)
			wake_ns = compact_ns;
	}
	if (wake_ns != UINT64_MAX)
		set_timer(publisher, wake_ns);
}
