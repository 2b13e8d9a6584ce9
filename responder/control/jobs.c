/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/control/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <rte_lcore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Twice as many as there can be clients, each of which has one request: results that are still
 * wanted are never the oldest. */
#define SLOT_CNT 64

/* See jobs.h. Less of the first, and it is in the way of the next load of many; more, and a program that is
 * killed has remembered less. */
#define TIDY_QUIET_S 1
#define TIDY_MAX_S 60

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING, SLOT_DONE };

struct slot {
	enum slot_state state;
	uint64_t ticket;
	stele_job job;
	void (*drop)(void *arg); /* may be NULL */
	void *arg;
	int rc;
	json_t *response;
	struct stele_error error;
};

struct stele_jobs {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t submitted;
	bool stop;
	int ended_fd; /* an eventfd */
	uint64_t last_ticket;
	void (*tidy)(void *user);
	void *user;
	bool is_untidy;      /* since a job has ended. These two are the loader's own */
	time_t untidy_since; /* CLOCK_MONOTONIC, seconds */
	struct slot slots[SLOT_CNT];
};

/* The slot in `state` with the lowest ticket. */
static struct slot *oldest(struct stele_jobs *jobs, enum slot_state state)
{
	struct slot *best = NULL;

	for (unsigned i = 0; i < SLOT_CNT; i++) {
		struct slot *slot = &jobs->slots[i];
		if (slot->state == state && (!best || slot->ticket < best->ticket))
			best = slot;
	}
	return best;
}

static void forget(struct slot *slot)
{
	json_decref(slot->response);
	slot->response = NULL;
	slot->state = SLOT_FREE;
}

static struct timespec now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time;
}

/* With the lock, which is free meanwhile. */
static void tidy(struct stele_jobs *jobs)
{
	if (!jobs->is_untidy)
		return;
	jobs->is_untidy = false;
	pthread_mutex_unlock(&jobs->lock);
	jobs->tidy(jobs->user);
	pthread_mutex_lock(&jobs->lock);
}

/* Until there may be a job. */
static void await_job(struct stele_jobs *jobs)
{
	struct timespec until = now();

	until.tv_sec += TIDY_QUIET_S;
	if (!jobs->is_untidy)
		pthread_cond_wait(&jobs->submitted, &jobs->lock);
	else if (pthread_cond_timedwait(&jobs->submitted, &jobs->lock, &until) == ETIMEDOUT)
		tidy(jobs);
}

static void *run(void *arg)
{
	struct stele_jobs *jobs = arg;

	pthread_mutex_lock(&jobs->lock);
	for (;;) {
		struct slot *slot = oldest(jobs, SLOT_WAITING);
		if (!slot) {
			if (jobs->stop)
				break;
			await_job(jobs);
			continue;
		}
		if (jobs->is_untidy && now().tv_sec > jobs->untidy_since + TIDY_MAX_S)
			tidy(jobs);
		slot->state = SLOT_RUNNING;
		pthread_mutex_unlock(&jobs->lock);
		slot->response = json_object();
		slot->rc = slot->job(slot->arg, slot->response, &slot->error);
		pthread_mutex_lock(&jobs->lock);
		slot->state = SLOT_DONE;
		(void)!write(jobs->ended_fd, &(uint64_t){1}, sizeof(uint64_t));
		if (!jobs->is_untidy)
			jobs->untidy_since = now().tv_sec;
		jobs->is_untidy = true;
	}
	tidy(jobs);
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

int stele_jobs_start(void (*tidy_up)(void *user), void *user, struct stele_jobs **ret_jobs,
		     struct stele_error *reterr)
{
	struct stele_jobs *jobs = calloc(1, sizeof(*jobs));
	pthread_condattr_t clock;

	if (!jobs)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the loader");
	jobs->tidy = tidy_up;
	jobs->user = user;
	jobs->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (jobs->ended_fd < 0) {
		free(jobs);
		return stele_fail_errno(reterr, errno, "the loader's descriptor");
	}
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&jobs->submitted, &clock);
	pthread_condattr_destroy(&clock);
	int rc = rte_ctrl_thread_create(&jobs->thread, "stele-loader", NULL, run, jobs);
	if (rc) {
		close(jobs->ended_fd);
		free(jobs);
		return stele_fail_errno(reterr, -rc, "cannot make the loader's thread");
	}
	*ret_jobs = jobs;
	return 0;
}

/* With the lock. */
static void drop_waiting(struct stele_jobs *jobs)
{
	for (unsigned i = 0; i < SLOT_CNT; i++) {
		struct slot *slot = &jobs->slots[i];
		if (slot->state != SLOT_WAITING)
			continue;
		if (slot->drop)
			slot->drop(slot->arg);
		forget(slot);
	}
}

void stele_jobs_stop(struct stele_jobs *jobs)
{
	if (!jobs)
		return;
	pthread_mutex_lock(&jobs->lock);
	jobs->stop = true;
	drop_waiting(jobs);
	pthread_cond_signal(&jobs->submitted);
	pthread_mutex_unlock(&jobs->lock);
	pthread_join(jobs->thread, NULL);
	for (unsigned i = 0; i < SLOT_CNT; i++)
		forget(&jobs->slots[i]);
	pthread_cond_destroy(&jobs->submitted);
	pthread_mutex_destroy(&jobs->lock);
	close(jobs->ended_fd);
	free(jobs);
}

int stele_jobs_fd(const struct stele_jobs *jobs)
{
	return jobs->ended_fd;
}

void stele_jobs_seen(struct stele_jobs *jobs)
{
	uint64_t cnt;

	(void)!read(jobs->ended_fd, &cnt, sizeof(cnt));
}

uint64_t stele_jobs_submit(struct stele_jobs *jobs, stele_job job, void (*drop)(void *arg),
			   void *arg)
{
	uint64_t ticket = 0;

	pthread_mutex_lock(&jobs->lock);
	struct slot *slot = oldest(jobs, SLOT_FREE);
	if (!slot)
		slot = oldest(jobs, SLOT_DONE);
	if (slot) {
		forget(slot);
		ticket = ++jobs->last_ticket;
		*slot = (struct slot){.state = SLOT_WAITING,
				      .ticket = ticket,
				      .job = job,
				      .drop = drop,
				      .arg = arg};
		pthread_cond_signal(&jobs->submitted);
	}
	pthread_mutex_unlock(&jobs->lock);
	return ticket;
}

int stele_jobs_poll(struct stele_jobs *jobs, uint64_t ticket, json_t *response,
		    struct stele_error *reterr)
{
	int rc = STELE_E_NOTFOUND;
	bool found = false;

	pthread_mutex_lock(&jobs->lock);
	for (unsigned i = 0; i < SLOT_CNT; i++) {
		struct slot *slot = &jobs->slots[i];
		if (slot->state == SLOT_FREE || slot->ticket != ticket)
			continue;
		found = true;
		if (slot->state != SLOT_DONE) {
			rc = STELE_JOB_RUNNING;
			break;
		}
		rc = slot->rc;
		if (rc == 0 && json_object_update(response, slot->response) != 0)
			rc = stele_fail(&slot->error, STELE_E_SYSTEM, "no memory for a response");
		if (rc != 0 && reterr)
			*reterr = slot->error;
		forget(slot);
		break;
	}
	pthread_mutex_unlock(&jobs->lock);
	return found ? rc : stele_fail(reterr, rc, "the job was given up");
}
