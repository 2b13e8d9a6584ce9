/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_COMMIT_COMMIT_H
#define STELE_MGMT_COMMIT_COMMIT_H

/*
 * The committer: the one thread of the daemon that writes to the store.
 *
 * Work comes as commits. Those that wait together are applied one after another in one LMDB
 * transaction, each within a part that can be undone by itself, and made durable by one fsync: under
 * load a change costs a share of it. What is acknowledged to a client is acknowledged after that.
 *
 * Other processes write too (`stele-compile import`); LMDB's lock keeps them apart, and the
 * committer waits for it, not the loops.
 */

#include "lib/base/error.h"
#include "lib/store/store.h"
#include "mgmt/loop/loop.h"

struct stele_committer;

struct stele_commit {
	/*
	 * In the committer's thread. 0: applied. Anything else undoes what this one wrote, and only
	 * that; the status is handed on. A refusal that is an answer (a prerequisite that does not
	 * hold) is 0 with nothing written, kept in the object around.
	 */
	int (*apply)(struct stele_commit *commit, struct stele_store_write *write,
		     struct stele_error *reterr);

	/*
	 * In `home`, when the outcome is durable: what apply returned, or why the transaction
	 * failed. `generation` is that of the store with the change in it.
	 */
	void (*done)(struct stele_commit *commit, int status, uint64_t generation,
		     const struct stele_error *err);
	struct stele_loop *home;

	/* A zone as a whole: gets a transaction of its own, so that small ones that come meanwhile
	 * are not undone with it when the disk is full. */
	bool large;

	/* The committer's. */
	struct stele_task task;
	struct stele_commit *next;
	int status;
	uint64_t generation;
	struct stele_error err;
};

/* Starts the thread. `store` is the caller's and stays open until the committer is freed. */
int stele_committer_new(struct stele_store *store, struct stele_committer **ret_committer,
			struct stele_error *reterr);
/* Applies what waits, then ends its thread. Afterwards every `done` has been posted, and the last `watch`.
 * NULL is fine. */
void stele_committer_end(struct stele_committer *committer);
/* Ends it, if that was not done. Of what it has posted, the `watch` is its own: the loop of that must have
 * been drained, where there is one. NULL is fine. */
void stele_committer_free(struct stele_committer *committer);

/* Any thread. The commit is the committer's until `done`. In the order of the calls. */
void stele_committer_submit(struct stele_committer *committer, struct stele_commit *commit);

/*
 * Calls `watch` in `loop` after each transaction that made a generation, before the `done` of its commits
 * where those have the same home. Under load some are told together: `generation` is the last one. To be
 * called before the first submit.
 */
void stele_committer_watch(struct stele_committer *committer, struct stele_loop *loop,
			   void (*watch)(void *user, uint64_t generation), void *user);

/* How many wait, for metrics. Any thread. */
size_t stele_committer_depth(const struct stele_committer *committer);

#endif
