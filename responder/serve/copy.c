/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/copy.h"

#include "lib/base/file.h"
#include "responder/serve/mapping.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* Half of a second-level cache: what was copied is still there when its digest is computed. Smaller
 * pieces cost more calls, larger ones are fetched from memory twice. */
#define PIECE_SZ (UINT64_C(256) << 10)

#define THREADS_MAX 64u

struct copying {
	int fd;
	const struct copy_job *jobs;
	uint32_t job_cnt;
	const bool *given_up;
	uint32_t next;  /* to be taken */
	uint32_t fault; /* the lowest job with one so far; job_cnt: none */
	pthread_mutex_t lock;
	int rc;
	struct stele_error error;
};

static int copy_one(const struct copying *c, const struct copy_job *job, EVP_MD_CTX *digest,
		    struct stele_error *error)
{
	uint64_t off = stele_le64(job->ref->off);
	uint64_t size = stele_le64(job->ref->size);
	const uint8_t *bytes = job->mapped != NULL ? job->mapped : job->to;
	struct stele_error detail;
	uint8_t sha256[32];
	bool hashed = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
	for (uint64_t at = 0; hashed && at < size; at += PIECE_SZ) {
		size_t piece_sz = (size_t)(size - at < PIECE_SZ ? size - at : PIECE_SZ);
		int rc = job->mapped != NULL ?
				 serve_mapping_populate(bytes + at, piece_sz, &detail) :
				 stele_file_read_at(c->fd, off + at, job->to + at, piece_sz,
						    &detail);
		if (rc != 0)
			return stele_fail(error, rc, "shard %" PRIu32 " at offset %" PRIu64 ": %s",
					  job->index, off, detail.text);
		hashed = EVP_DigestUpdate(digest, bytes + at, piece_sz) == 1;
	}
	if (!hashed || EVP_DigestFinal_ex(digest, sha256, NULL) != 1)
		return stele_fail(error, STELE_E_SYSTEM, "libcrypto: SHA-256 failed");
	if (memcmp(sha256, job->ref->digest, sizeof(sha256)) != 0)
		return stele_fail(error, STELE_E_INPUT,
				  "shard %" PRIu32 " at offset %" PRIu64
				  ": wrong digest of its %" PRIu64 " bytes",
				  job->index, off, size);
	return 0;
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

static void *copy_some(void *arg)
{
	struct copying *c = arg;
	struct stele_error error;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	for (;;) {
		uint32_t i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED);
		if (i >= __atomic_load_n(&c->fault, __ATOMIC_RELAXED))
			break;
		int rc = 0;
		if (is_given_up(c))
			rc = stele_fail(&error, STELE_E_SYSTEM, "given up");
		else if (digest == NULL)
			rc = stele_fail_errno(&error, ENOMEM, "SHA-256");
		else
			rc = copy_one(c, c->jobs + i, digest, &error);
		if (rc != 0) {
			note_fault(c, i, rc, &error);
			break;
		}
	}
	EVP_MD_CTX_free(digest);
	return NULL;
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
	/* Fewer threads than wanted do the same work. */
	while (started + 1 < wanted && pthread_create(&ids[started], NULL, copy_some, &c) == 0)
		started++;
	copy_some(&c);
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	pthread_mutex_destroy(&c.lock);
	return c.rc == 0 ? 0 : stele_fail(reterr, c.rc, "%s", c.error.text);
}
