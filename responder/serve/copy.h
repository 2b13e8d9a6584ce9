/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_COPY_H
#define STELE_RESPONDER_SERVE_COPY_H

/*
 * Reading an image file that may change or shrink while it is read. By pread(), since a mapping would
 * end the process when the file is cut. Digests are computed from the copy, of three shards side by
 * side (lib/image/digests.h). For a shard that is served where the file is mapped (mapping.h) there is only the digest.
 */

#include "lib/image/directory.h"

#include <stdbool.h>

/* A shard to be copied, or only compared. */
struct copy_job {
	const struct stele_shard_ref *ref;
	uint32_t index;
	uint8_t *to;           /* room for what the reference says, if `mapped` is NULL */
	const uint8_t *mapped; /* where the shard stands in a mapping */
};

/*
 * Copies shards and compares each with its digest, in up to `threads` threads. STELE_E_INPUT: a shard is not
 * there or not what the reference says; STELE_E_SYSTEM: the file cannot be read, or `given_up` has become true,
 * which another thread may do at any time (NULL: nobody does).
 */
int serve_copy(int fd, const struct copy_job *jobs, uint32_t job_cnt, unsigned threads,
	       const bool *given_up, struct stele_error *reterr);

#endif
