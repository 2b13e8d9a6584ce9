/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CTL_DISPATCH_H
#define STELE_LIB_CTL_DISPATCH_H

/* From the bytes of a request to those of its response, without sockets. For the code of this folder. */

#include "lib/ctl/ctl.h"

/* A request between its arrival and its response. All zero, with call.fd = -1, when there is none. */
struct stele_ctl_job {
	json_t *request;
	const struct stele_ctl_op *op;
	struct stele_ctl_call call;
};

/*
 * Parses a request and finds its operation. `job->call` has the peer and the descriptor, if one came, which
 * is the job's from now on. Returns NULL when stele_ctl_job_run() comes next; else the
 * response that says what is wrong, malloc'ed, and the job is cleared.
 */
char *stele_ctl_job_begin(struct stele_ctl_job *job, const struct stele_ctl_op *ops,
			  const char *bytes, size_t len);

/*
 * Calls the handler, once. NULL if it has to be called again; else the response, malloc'ed, and the job is
 * cleared.
 */
char *stele_ctl_job_run(struct stele_ctl_job *job, void *user);

/* Frees the request and closes the descriptor. */
void stele_ctl_job_clear(struct stele_ctl_job *job);

/* The response that says no, malloc'ed; NULL if memory is out. */
char *stele_ctl_refusal(int status, const char *text);

/* How a response spells a stele_status, and back (STELE_E_SYSTEM if it is no known word). */
const char *stele_ctl_kind(int status);
int stele_ctl_status(const char *kind);

#endif
