/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * Nothing of libevent is called from another thread: whoever posts writes to a descriptor of our own. So the
 * library needs no locks, which it would take for every event.
 */
struct stele_loop {
	struct event_base *base;
	struct event *wake; /* on wake_fd */
	int wake_fd;
	atomic_bool stopping;
	pthread_t thread;
	bool started;
	char name[16];

	pthread_mutex_t lock; /* over the queue */
	struct stele_task *first, **last;
};

static _Thread_local const struct stele_loop *here;

static void ring(struct stele_loop *loop)
{
	uint64_t one = 1;

	/* It fails only if the counter is full, and then the loop wakes up anyway. */
	(void)!write(loop->wake_fd, &one, sizeof(one));
}

/* Runs what is in the queue now; what is posted meanwhile has its turn after the other events. */
static bool run_queue(struct stele_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	struct stele_task *task = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	if (!task)
		return false;
	while (task) {
		struct stele_task *next = task->next; /* `run` may free or post it */
		task->run(task);
		task = next;
	}
	return true;
}

static void on_wake(evutil_socket_t fd, short events, void *user)
{
	struct stele_loop *loop = user;
	uint64_t cnt;

	(void)events;
	/* Emptied before the queue is taken, so that a later post rings again. */
	(void)!read(fd, &cnt, sizeof(cnt));
	/* Asked before the queue is taken: what was posted before the stop is in it. A later stop rings again. */
	bool stopping = atomic_load(&loop->stopping);
	run_queue(loop);
	if (stopping)
		event_base_loopexit(loop->base, NULL);
}

int stele_loop_new(const char *name, struct stele_loop **ret_loop, struct stele_error *reterr)
{
	struct stele_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: out of memory", name);
	snprintf(loop->name, sizeof(loop->name), "%s", name);
	pthread_mutex_init(&loop->lock, NULL);
	loop->last = &loop->first;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		int failed = stele_fail_errno(reterr, errno, "%s: eventfd", name);
		stele_loop_free(loop);
		return failed;
	}
	loop->base = event_base_new();
	if (loop->base)
		loop->wake =
			event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	if (!loop->wake || event_add(loop->wake, NULL) != 0) {
		stele_loop_free(loop);
		return stele_fail(reterr, STELE_E_SYSTEM, "%s: no event loop can be made", name);
	}
	*ret_loop = loop;
	return 0;
}

void stele_loop_drain(struct stele_loop *loop)
{
	const struct stele_loop *before = here;
	here = loop;
	while (run_queue(loop))
		;
	here = before;
}

void stele_loop_free(struct stele_loop *loop)
{
	if (!loop)
		return;
	stele_loop_drain(loop);
	if (loop->wake)
		event_free(loop->wake);
	if (loop->base)
		event_base_free(loop->base);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

struct event_base *stele_loop_base(const struct stele_loop *loop)
{
	return loop->base;
}

void stele_loop_run(struct stele_loop *loop)
{
	here = loop;
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	here = NULL;
}

static void *run_thread(void *user)
{
	struct stele_loop *loop = user;

	pthread_setname_np(pthread_self(), loop->name);
	stele_loop_run(loop);
	return NULL;
}

int stele_loop_start(struct stele_loop *loop, struct stele_error *reterr)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&loop->thread, NULL, run_thread, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return stele_fail_errno(reterr, failed, "%s: no thread can be made", loop->name);
	loop->started = true;
	return 0;
}

void stele_loop_stop(struct stele_loop *loop)
{
	atomic_store(&loop->stopping, true);
	ring(loop);
}

void stele_loop_join(struct stele_loop *loop)
{
	if (loop->started)
		pthread_join(loop->thread, NULL);
	loop->started = false;
}

void stele_loop_post(struct stele_loop *loop, struct stele_task *task)
{
	task->next = NULL;
	pthread_mutex_lock(&loop->lock);
	bool was_empty = !loop->first;
	*loop->last = task;
	loop->last = &task->next;
	pthread_mutex_unlock(&loop->lock);
	/* Whoever made it not empty has rung, or is about to. */
	if (was_empty)
		ring(loop);
}

bool stele_loop_is_here(const struct stele_loop *loop)
{
	return here == loop;
}
