/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_COPY_H
#define STELE_RESPONDER_SERVE_COPY_H

/*
 * Reading an image file that may change or shrink while it is read. By pread(), since a mapping would
 * end the process when the file is cut. Digests are computed from the copy, piece by piece while it is
 * in the cache.
 */

#include "lib/image/directory.h"

struct serve_reader {
	int fd;
};

/* For struct stele_source, with a struct serve_reader. */
int serve_read(void *user, uint64_t off, void *to, size_t size, struct stele_error *reterr);

/* A shard to be copied. */
struct copy_job {
	const struct stele_shard_ref *ref;
	uint32_t index;
	uint8_t *to; /* room for what the reference says */
};

/*
 * Copies shards and compares each with its digest, in up to `threads` threads. STELE_E_INPUT: a shard is not
 * there or not what the reference says; STELE_E_SYSTEM: the file cannot be read.
 */
int serve_copy(int fd, const struct copy_job *jobs, uint32_t job_cnt, unsigned threads,
	       struct stele_error *reterr);

#endif
