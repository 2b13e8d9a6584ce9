/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_LOOP_LOOP_H
#define STELE_MGMT_LOOP_LOOP_H

/*
 * A loop: one thread that waits for events (libevent), and a queue through which other threads hand
 * it work.
 *
 * Every object of the daemon belongs to one loop and is touched by its thread only, so nearly
 * nothing needs a lock. The main loop owns zones, timers, transfers in and the control socket; each
 * service loop owns its sockets and connections. Who wants something of another loop posts a task.
 */

#include "lib/base/error.h"

#include <event2/event.h>
#include <stdbool.h>

struct stele_loop;

/*
 * A task: embedded in whatever it is about, so that posting cannot fail for want of memory. It
 * belongs to the queue from the post until `run` is called, and must not be posted twice meanwhile.
 */
struct stele_task {
	void (*run)(struct stele_task *task);
	struct stele_task *next; /* the queue's */
};

/* `name` is the thread's, at most 15 bytes. STELE_E_SYSTEM. */
int stele_loop_new(const char *name, struct stele_loop **ret_loop, struct stele_error *reterr);
/* Of a loop that has ended. Tasks that wait are run first. NULL is fine. */
void stele_loop_free(struct stele_loop *loop);

/* Of a loop that has ended, or not begun: runs tasks that wait, in the calling thread. */
void stele_loop_drain(struct stele_loop *loop);

struct event_base *stele_loop_base(const struct stele_loop *loop);

/* Runs in the calling thread until stele_loop_stop(). */
void stele_loop_run(struct stele_loop *loop);
/* Runs in a thread of its own, with all signals blocked. STELE_E_SYSTEM. */
int stele_loop_start(struct stele_loop *loop, struct stele_error *reterr);
/* Any thread. Ends after the events at hand and what this thread has posted before. */
void stele_loop_stop(struct stele_loop *loop);
/* Waits for the end of the thread of stele_loop_start(). */
void stele_loop_join(struct stele_loop *loop);

/* Any thread, the loop's own too: runs `task` in the loop, in the order of the posts. */
void stele_loop_post(struct stele_loop *loop, struct stele_task *task);

/* True in the thread that runs the loop: for assertions. */
bool stele_loop_is_here(const struct stele_loop *loop);

#endif
