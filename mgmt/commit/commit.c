/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/commit/commit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * Commits of one transaction. With fewer, an fsync is shared by fewer; with more, the first one waits
 * longer for its acknowledgement than the disk needs.
 */
#define GROUP_MAX 512

struct stele_committer {
	struct stele_store *store;
	pthread_t thread;
	pthread_mutex_t lock; /* over the queue and `ending` */
	pthread_cond_t wake;
	struct stele_commit *first, **last;
	bool ending;
	bool ended; /* its thread is gone */
	atomic_size_t depth;

	/* Who wants to know of new generations. Its task waits in their loop while `watch_posted`. */
	struct stele_loop *watch_loop;
	void (*watch)(void *user, uint64_t generation);
	void *watch_user;
	struct stele_task watch_task;
	atomic_bool watch_posted;
	atomic_ullong generation;
};

static void run_watch(struct stele_task *task)
{
	struct stele_committer *committer =
		(struct stele_committer *)((char *)task -
					   offsetof(struct stele_committer, watch_task));

	/* First the flag: a generation that comes from now on is told by another task. */
	atomic_store(&committer->watch_posted, false);
	committer->watch(committer->watch_user, atomic_load(&committer->generation));
}

static void tell_generation(struct stele_committer *committer, uint64_t generation)
{
	if (generation == atomic_load(&committer->generation))
		return; /* nothing was written */
	atomic_store(&committer->generation, generation);
	if (committer->watch && !atomic_exchange(&committer->watch_posted, true))
		stele_loop_post(committer->watch_loop, &committer->watch_task);
}

static void run_done(struct stele_task *task)
{
	struct stele_commit *commit =
		(struct stele_commit *)((char *)task - offsetof(struct stele_commit, task));

	commit->done(commit, commit->status, commit->generation, &commit->err);
}

/* ---- one transaction ---- */

/* What fails inside a nest undoes the nest. A group of one needs none: it fails as a whole. */
static void apply(struct stele_commit *commit, struct stele_store_write *write, bool nested)
{
	commit->status = nested ? stele_store_write_nest(write, &commit->err) : 0;
	if (commit->status != 0)
		return;
	commit->status = commit->apply(commit, write, &commit->err);
	if (!nested)
		return;
	if (commit->status == 0)
		commit->status = stele_store_nest_commit(write, &commit->err);
	else
		stele_store_nest_abort(write);
}

static int apply_group(struct stele_committer *committer, struct stele_commit *group,
		       uint64_t *ret_generation, struct stele_error *err)
{
	struct stele_store_write *write;
	int status = stele_store_write_begin(committer->store, &write, err);
	unsigned applied_cnt = 0;

	if (status != 0)
		return status;
	for (struct stele_commit *commit = group; commit; commit = commit->next) {
		apply(commit, write, group->next != NULL);
		applied_cnt += commit->status == 0;
	}
	if (applied_cnt > 0)
		return stele_store_commit(write, ret_generation, err);
	stele_store_abort(write);
	return 0;
}

static void run_group(struct stele_committer *committer, struct stele_commit *group)
{
	struct stele_error err;
	uint64_t generation = atomic_load(&committer->generation);

	for (struct stele_commit *commit = group; commit; commit = commit->next)
		commit->status = 0;
	int status = apply_group(committer, group, &generation, &err);
	if (status == 0)
		tell_generation(committer, generation);
	while (group) {
		struct stele_commit *commit = group;
		group = commit->next;
		/* What was refused by itself keeps its own reason. */
		if (status != 0 && commit->status == 0) {
			commit->status = status;
			commit->err = err;
		}
		commit->generation = generation;
		commit->task.run = run_done;
		atomic_fetch_sub(&committer->depth, 1);
		stele_loop_post(commit->home, &commit->task);
	}
}

/* ---- the queue ---- */

/* Takes what makes the next transaction from the queue, in order. The lock is held. */
static struct stele_commit *take_group(struct stele_committer *committer)
{
	struct stele_commit *group = committer->first, *last = group;

	if (!group->large)
		for (unsigned cnt = 1; cnt < GROUP_MAX && last->next && !last->next->large; cnt++)
			last = last->next;
	committer->first = last->next;
	if (!committer->first)
		committer->last = &committer->first;
	last->next = NULL;
	return group;
}

static void *run_thread(void *user)
{
	struct stele_committer *committer = user;

	pthread_setname_np(pthread_self(), "committer");
	pthread_mutex_lock(&committer->lock);
	for (;;) {
		while (!committer->first && !committer->ending)
			pthread_cond_wait(&committer->wake, &committer->lock);
		if (!committer->first)
			break;
		struct stele_commit *group = take_group(committer);
		pthread_mutex_unlock(&committer->lock);
		run_group(committer, group);
		pthread_mutex_lock(&committer->lock);
	}
	pthread_mutex_unlock(&committer->lock);
	return NULL;
}

void stele_committer_submit(struct stele_committer *committer, struct stele_commit *commit)
{
	commit->next = NULL;
	commit->err.text[0] = '\0';
	atomic_fetch_add(&committer->depth, 1);
	pthread_mutex_lock(&committer->lock);
	*committer->last = commit;
	committer->last = &commit->next;
	pthread_cond_signal(&committer->wake);
	pthread_mutex_unlock(&committer->lock);
}

size_t stele_committer_depth(const struct stele_committer *committer)
{
	return atomic_load(&committer->depth);
}

/* ---- beginning and end ---- */

int stele_committer_new(struct stele_store *store, struct stele_committer **ret_committer,
			struct stele_error *reterr)
{
	struct stele_committer *committer = calloc(1, sizeof(*committer));
	sigset_t all, before;

	if (!committer)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	committer->store = store;
	committer->last = &committer->first;
	committer->watch_task.run = run_watch;
	pthread_mutex_init(&committer->lock, NULL);
	pthread_cond_init(&committer->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&committer->thread, NULL, run_thread, committer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		pthread_cond_destroy(&committer->wake);
		pthread_mutex_destroy(&committer->lock);
		free(committer);
		return stele_fail_errno(reterr, failed, "no thread can be made for commits");
	}
	*ret_committer = committer;
	return 0;
}

void stele_committer_watch(struct stele_committer *committer, struct stele_loop *loop,
			   void (*watch)(void *user, uint64_t generation), void *user)
{
	committer->watch_loop = loop;
	committer->watch = watch;
	committer->watch_user = user;
}

void stele_committer_end(struct stele_committer *committer)
{
	if (!committer || committer->ended)
		return;
	pthread_mutex_lock(&committer->lock);
	committer->ending = true;
	pthread_cond_signal(&committer->wake);
	pthread_mutex_unlock(&committer->lock);
	pthread_join(committer->thread, NULL);
	committer->ended = true;
}

void stele_committer_free(struct stele_committer *committer)
{
	if (!committer)
		return;
	stele_committer_end(committer);
	pthread_cond_destroy(&committer->wake);
	pthread_mutex_destroy(&committer->lock);
	free(committer);
}
