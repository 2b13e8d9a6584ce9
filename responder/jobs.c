/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <rte_lcore.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Twice as many as there can be clients, each of which has one request: results that are still
 * wanted are never the oldest. */
#define SLOT_CNT 64

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING, SLOT_DONE };

struct slot {
	enum slot_state state;
	uint64_t ticket;
	stele_job job;
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

static void *run(void *arg)
{
	struct stele_jobs *jobs = arg;

	pthread_mutex_lock(&jobs->lock);
	for (;;) {
		struct slot *slot = oldest(jobs, SLOT_WAITING);
		if (!slot) {
			if (jobs->stop)
				break;
			pthread_cond_wait(&jobs->submitted, &jobs->lock);
			continue;
		}
		slot->state = SLOT_RUNNING;
		pthread_mutex_unlock(&jobs->lock);
		slot->response = json_object();
		slot->rc = slot->job(slot->arg, slot->response, &slot->error);
		pthread_mutex_lock(&jobs->lock);
		slot->state = SLOT_DONE;
		(void)!write(jobs->ended_fd, &(uint64_t){1}, sizeof(uint64_t));
	}
	pthread_mutex_unlock(&jobs->lock);
	return NULL;
}

int stele_jobs_start(struct stele_jobs **ret_jobs, struct stele_error *reterr)
{
	struct stele_jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the loader");
	jobs->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (jobs->ended_fd < 0) {
		free(jobs);
		return stele_fail_errno(reterr, errno, "the loader's descriptor");
	}
	pthread_mutex_init(&jobs->lock, NULL);
	pthread_cond_init(&jobs->submitted, NULL);
	int rc = rte_ctrl_thread_create(&jobs->thread, "stele-loader", NULL, run, jobs);
	if (rc) {
		close(jobs->ended_fd);
		free(jobs);
		return stele_fail_errno(reterr, -rc, "cannot make the loader's thread");
	}
	*ret_jobs = jobs;
	return 0;
}

void stele_jobs_stop(struct stele_jobs *jobs)
{
	if (!jobs)
		return;
	pthread_mutex_lock(&jobs->lock);
	jobs->stop = true;
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

uint64_t stele_jobs_submit(struct stele_jobs *jobs, stele_job job, void *arg)
{
	uint64_t ticket = 0;

	pthread_mutex_lock(&jobs->lock);
	struct slot *slot = oldest(jobs, SLOT_FREE);
	if (!slot)
		slot = oldest(jobs, SLOT_DONE);
	if (slot) {
		forget(slot);
		ticket = ++jobs->last_ticket;
		*slot = (struct slot){
			.state = SLOT_WAITING, .ticket = ticket, .job = job, .arg = arg};
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
