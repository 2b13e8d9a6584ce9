/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a start comes to an image. The first that can be served is, from the mapping of its file; and then it is moved
 * into the arena, by the loader, before anything else is loaded. What is in the arena has been proven there, where
 * nobody but the loader writes. If that fails, what was served so long is not believed any more: there are no
 * answers until the candidates have been tried again, each verified in full in the arena.
 */
#include "responder/images/internal.h"

#include "lib/base/clock.h"
#include "lib/daemon/log.h"
#include "lib/image/findings_file.h"
#include "responder/serve/state.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * Added to the niceness of the thread that moves. A core that it has to share with a worker is the worker's for
 * three quarters. More, and a load that comes meanwhile waits longer on a busy core; less, and answers do.
 */
#define MOVE_NICE 5

static void trust(const struct stele_images *images, const struct stele_findings *findings,
		  const struct stele_stamped *stamped)
{
	for (unsigned i = 0; i < images->node_cnt; i++)
		stele_serve_trust(images->serves[i], findings, stamped);
}

static void forget_start(struct stele_images *images)
{
	trust(images, NULL, NULL);
	stele_findings_close(&images->start.findings);
}

bool images_in_mapping(const struct stele_images *images)
{
	return images->node_cnt > 0 && stele_serve_in_mapping(images->serves[0]);
}

/* ---- the first image ---- */

static const char *way_of(const struct stele_serve_load_info *info)
{
	if (!info->mapped)
		return info->recalled ? "copied, verified before" : "copied and verified in full";
	if (info->known_file)
		return "mapped, verified before and unchanged since";
	return info->recalled ? "mapped, verified before and compared with its digests" :
				"mapped and verified in full";
}

static bool is_ending(const struct stele_images *images)
{
	return __atomic_load_n(&images->ending, __ATOMIC_RELAXED);
}

/* The first of the candidates that can be served. */
static int try_all(struct stele_images *images, const struct stele_state_candidates *candidates,
		   struct stele_error *reterr)
{
	int rc = stele_fail(reterr, STELE_E_NOTFOUND, "the program ends");

	for (unsigned i = 0; i < candidates->cnt && rc && !is_ending(images); i++) {
		const struct stele_state_candidate *candidate = &candidates->all[i];
		struct stele_serve_load_info info = {0};
		rc = images_load_until(images, candidate->fd, candidate->end, candidate->name,
				       &info, reterr);
		if (rc) {
			stele_log(STELE_LOG_ERROR, "%s, %s, is refused: %s", candidate->why,
				  candidate->name, reterr->text);
			continue;
		}
		stele_log(STELE_LOG_INFO, "serves %s: %s", candidate->why, way_of(&info));
		/* Findings that served are about this file. */
		if (info.recalled && fstat(images->current.fd, &images->saved) != 0)
			images->unsaved_sz = UINT64_MAX;
	}
	return rc;
}

static int serve_candidates(struct stele_images *images, struct stele_error *reterr)
{
	struct stele_state_candidates *candidates = malloc(sizeof(*candidates));
	struct stele_error left_out;

	if (!candidates)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	left_out.text[0] = '\0';
	stele_state_recall(images->config->state_dir, images->config->image, candidates, &left_out);
	if (left_out.text[0])
		stele_log(STELE_LOG_WARNING, "%s", left_out.text);
	int rc = try_all(images, candidates, reterr);
	if (candidates->cnt == 0)
		rc = stele_fail(reterr, rc, "there is no image yet, neither %s nor one in %s",
				images->config->image, images->config->state_dir);
	stele_state_candidates_close(candidates);
	free(candidates);
	return rc;
}

/* What a process before this one left. */
static void recall(struct stele_images *images)
{
	struct stele_error error;
	const char *dir = images->config->state_dir;
	int rc = stele_findings_load(dir, &images->start.findings, &error);

	if (rc && rc != STELE_E_NOTFOUND)
		stele_log(STELE_LOG_WARNING, "the whole image is verified again: %s", error.text);
	if (rc)
		return;
	rc = stele_stamp_load(dir, &images->start.stamped, &error);
	if (rc && rc != STELE_E_NOTFOUND)
		stele_log(STELE_LOG_WARNING, "the image is compared with its digests again: %s",
			  error.text);
	trust(images, &images->start.findings, rc ? NULL : &images->start.stamped);
}

int stele_images_restore(struct stele_images *images, struct stele_error *reterr)
{
	recall(images);
	int rc = serve_candidates(images, reterr);
	if (!images_in_mapping(images))
		forget_start(images);
	return rc;
}

/* ---- into the arena ---- */

struct move {
	struct stele_images *images;
	struct stele_serve_next **next;
	struct stele_error *reterr;
	int rc;
};

static void prepare_all(struct move *move)
{
	const struct stele_images *images = move->images;

	for (unsigned i = 0; i < images->node_cnt && !move->rc; i++)
		move->rc = stele_serve_prepare_move(images->serves[i], images->current.fd,
						    &move->next[i], move->reterr);
}

static void *prepare_nicely(void *arg)
{
	id_t thread = (id_t)gettid();

	pthread_setname_np(pthread_self(), "stele-move");
	/* Of this thread, as Linux has it. To be nicer is always allowed, never to be less nice again. */
	(void)setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + MOVE_NICE);
	prepare_all(arg);
	return NULL;
}

/* By a thread of its own, for its niceness. */
static int prepare_move(struct stele_images *images, struct stele_serve_next **next,
			struct stele_error *reterr)
{
	struct move move = {.images = images, .next = next, .reterr = reterr};
	pthread_t thread;

	if (pthread_create(&thread, NULL, prepare_nicely, &move) == 0)
		pthread_join(thread, NULL);
	else
		prepare_all(&move);
	return move.rc;
}

/* So that the next start need not read the file if it stays as it is: what was found, and of which file. */
static void save_start(struct stele_images *images)
{
	struct stele_stamped stamped;
	struct stele_error error;

	/* All of it: a stamp is of no use with the findings on an older root. */
	if (images->unsaved_sz > 0)
		images->unsaved_sz = UINT64_MAX;
	stele_images_save_findings(images);
	if (images->unsaved_sz > 0 || stele_serve_stamped(images->serves[0], &stamped) != 0)
		return;
	if (stele_stamp_save(images->config->state_dir, &stamped, &error) != 0)
		stele_log(STELE_LOG_WARNING,
			  "the next start will compare the image with its digests: %s", error.text);
}

/* No answers are better than some that nobody has proven. */
static int withdraw(struct stele_images *images, struct stele_error *reterr)
{
	struct stele_error error;

	stele_log(STELE_LOG_ERROR,
		  "%s was served from its file, and is withdrawn, since it cannot be copied: %s",
		  images->current.path, reterr->text);
	stele_stats_global_add(images->stats, STELE_GLOBAL_WITHDRAWN, 1);
	__atomic_store_n(&images->withdrawn, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < images->node_cnt; i++)
		if (stele_serve_withdraw(images->serves[i], &error) == STELE_E_STALE)
			stele_log(STELE_LOG_ERROR, "withdrawing: %s", error.text);
	forget_start(images);
	images_note_status(images);
	int rc = serve_candidates(images, reterr);
	if (rc)
		stele_log(STELE_LOG_ERROR, "serves nothing any more: %s", reterr->text);
	return rc;
}

int stele_images_move(struct stele_images *images, struct stele_error *reterr)
{
	struct stele_serve_next *next[STELE_NODES_MAX] = {NULL};
	uint64_t began = stele_clock_ns();

	if (!images_in_mapping(images))
		return 0;
	images_note_workers(images);
	int rc = prepare_move(images, next, reterr);
	if (rc) {
		images_discard(images, next);
		/* A worker that stands still says nothing against the image: again, before the next load. */
		if (rc == STELE_E_STALE || is_ending(images))
			return images_refuse(images, rc, reterr);
		return withdraw(images, reterr);
	}
	const struct stele_serve_load_info info = *stele_serve_next_info(next[0]);
	rc = images_publish(images, next, reterr);
	forget_start(images);
	images_note_status(images);
	stele_log(STELE_LOG_INFO,
		  "serves from memory: %llu MB %s, %llu ms after they were served from the file",
		  (unsigned long long)(info.copied_sz >> 20), way_of(&info),
		  (unsigned long long)((stele_clock_ns() - began) / 1000000));
	save_start(images);
	return rc;
}

bool stele_images_were_withdrawn(const struct stele_images *images)
{
	return __atomic_load_n(&images->withdrawn, __ATOMIC_RELAXED);
}

void stele_images_end(struct stele_images *images)
{
	if (!images)
		return;
	__atomic_store_n(&images->ending, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < images->node_cnt; i++)
		stele_serve_give_up(images->serves[i]);
}
