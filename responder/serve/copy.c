/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/copy.h"

#include "lib/base/file.h"
#include "lib/image/digests.h"
#include "responder/serve/mapping.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define THREADS_MAX 64u

struct copying {
	int fd;
	const struct copy_job *jobs;
	uint32_t job_cnt;
	const bool *given_up;
	uint32_t together; /* jobs that a thread takes at a time */
	uint32_t next;     /* to be taken */
	uint32_t fault;    /* the lowest job with one so far; job_cnt: none */
	pthread_mutex_t lock;
	int rc;
	struct stele_error error;
};

/* Brings the bytes of a shard into memory. */
static int fetch(const struct copying *c, const struct copy_job *job, struct stele_error *error)
{
	uint64_t off = stele_le64(job->ref->off);
	size_t size = stele_le64(job->ref->size);
	struct stele_error detail;
	int rc = job->mapped != NULL ? serve_mapping_populate(job->mapped, size, &detail) :
				       stele_file_read_at(c->fd, off, job->to, size, &detail);
	if (rc == 0)
		return 0;
	return stele_fail(error, rc, "shard %" PRIu32 " at offset %" PRIu64 ": %s", job->index, off,
			  detail.text);
}

static int compare(const struct copy_job *job, const struct stele_digests_job *digests,
		   struct stele_error *error)
{
	if (memcmp(digests->sha256, job->ref->digest, sizeof(digests->sha256)) == 0)
		return 0;
	return stele_fail(error, STELE_E_INPUT,
			  "shard %" PRIu32 " at offset %" PRIu64 ": wrong digest of its %zu bytes",
			  job->index, stele_le64(job->ref->off), digests->sz);
}

/* Jobs from `*i` on, side by side. On a fault `*i` is the first that has one. */
static int copy_some(const struct copying *c, uint32_t *i, struct stele_error *error)
{
	struct stele_digests_job digests[STELE_DIGESTS_LANES];
	const struct copy_job *jobs = c->jobs + *i;
	struct stele_error unread;
	uint32_t wanted = c->job_cnt - *i < c->together ? c->job_cnt - *i : c->together, cnt = 0;
	int rc = 0;
	for (; cnt < wanted; cnt++) {
		const struct copy_job *job = jobs + cnt;
		rc = fetch(c, job, &unread);
		if (rc != 0)
			break;
		digests[cnt] = (struct stele_digests_job){
			.bytes = job->mapped != NULL ? job->mapped : job->to,
			.sz = stele_le64(job->ref->size),
		};
	}
	/* What was read before one that cannot be may have a fault of its own. */
	int digest_rc = stele_digests(digests, cnt, error);
	if (digest_rc != 0)
		return digest_rc;
	for (uint32_t k = 0; k < cnt; k++, ++*i) {
		digest_rc = compare(jobs + k, digests + k, error);
		if (digest_rc != 0)
			return digest_rc;
	}
	return rc == 0 ? 0 : stele_fail(error, rc, "%s", unread.text);
}

static void note_fault(struct copying *c, uint32_t i, int rc, const struct stele_error *error)
{
	pthread_mutex_lock(&c->lock);
	if (i < c->fault) {
		__atomic_store_n(&c->fault, i, __ATOMIC_RELAXED);
		c->rc = rc;
		c->error = *error;
	}
	pthread_mutex_unlock(&c->lock);
}

static bool is_given_up(const struct copying *c)
{
	return c->given_up != NULL && __atomic_load_n(c->given_up, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	struct copying *c = arg;
	struct stele_error error;
	for (;;) {
		uint32_t i = __atomic_fetch_add(&c->next, c->together, __ATOMIC_RELAXED);
		if (i >= __atomic_load_n(&c->fault, __ATOMIC_RELAXED))
			return NULL;
		int rc = is_given_up(c) ? stele_fail(&error, STELE_E_SYSTEM, "given up") :
					  copy_some(c, &i, &error);
		if (rc != 0) {
			note_fault(c, i, rc, &error);
			return NULL;
		}
	}
}

int serve_copy(int fd, const struct copy_job *jobs, uint32_t job_cnt, unsigned threads,
	       const bool *given_up, struct stele_error *reterr)
{
	struct copying c = {
		.fd = fd,
		.jobs = jobs,
		.job_cnt = job_cnt,
		.given_up = given_up,
		.fault = job_cnt,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	pthread_t ids[THREADS_MAX];
	unsigned wanted = threads < THREADS_MAX ? threads : THREADS_MAX, started = 0;
	if (wanted > job_cnt)
		wanted = job_cnt;
	/* Side by side only where that leaves no thread without work. */
	c.together = job_cnt >= wanted * STELE_DIGESTS_LANES ? STELE_DIGESTS_LANES : 1;
	/* Fewer threads than wanted do the same work. */
	while (started + 1 < wanted && pthread_create(&ids[started], NULL, work, &c) == 0)
		started++;
	work(&c);
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	pthread_mutex_destroy(&c.lock);
	return c.rc == 0 ? 0 : stele_fail(reterr, c.rc, "%s", c.error.text);
}
