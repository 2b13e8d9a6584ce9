/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_CONTROL_JOBS_H
#define STELE_RESPONDER_CONTROL_JOBS_H

/*
 * The loader: a thread that does, one after another, what takes too long for the control thread.
 *
 * A job is a function and what it is to work on; its result is a JSON object. Whoever submits one
 * polls for the result with its ticket. A result that nobody fetches is forgotten when its place is
 * needed.
 *
 * What waits for the disk and concerns nobody who waits for a result is done by `tidy`: when there has been
 * nothing to do for a second, once a minute if it never comes to that, and at the end.
 */

#include "lib/base/error.h"

#include <jansson.h>
#include <stdint.h>

struct stele_jobs;

/* Runs in the loader. `arg` is the job's; it frees it, and all that it owns. */
typedef int (*stele_job)(void *arg, json_t *response, struct stele_error *reterr);

/* `tidy` is called by the loader, and only if a job has ended since the last time. */
int stele_jobs_start(void (*tidy)(void *user), void *user, struct stele_jobs **ret_jobs,
		     struct stele_error *reterr);
/* Waits for the job that runs; those that wait are dropped. NULL is fine. */
void stele_jobs_stop(struct stele_jobs *jobs);

/*
 * Returns the ticket, never 0; 0 if as many jobs wait as there can be (then `arg` is still the caller's). `drop` frees
 * `arg` in place of a job that does not come to run; NULL: there is nothing to free.
 */
uint64_t stele_jobs_submit(struct stele_jobs *jobs, stele_job job, void (*drop)(void *arg),
			   void *arg);

/* Readable when a job has ended since stele_jobs_seen(): for the caller's poll loop. */
int stele_jobs_fd(const struct stele_jobs *jobs);
void stele_jobs_seen(struct stele_jobs *jobs);

#define STELE_JOB_RUNNING 1
/*
 * STELE_JOB_RUNNING, or what the job returned, once: 0 with its members added to `response`, or a
 * status with the text in `reterr`. STELE_E_NOTFOUND: no such ticket.
 */
int stele_jobs_poll(struct stele_jobs *jobs, uint64_t ticket, json_t *response,
		    struct stele_error *reterr);

#endif
