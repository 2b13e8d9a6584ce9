/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_MAPPING_H
#define STELE_RESPONDER_SERVE_MAPPING_H

/*
 * The beginning of an image file, mapped to be read: what a start serves from until the image is in the arena.
 *
 * The pages are those of the page cache, so a mapping takes no time and no memory but page tables. The price is that
 * whoever can write to the file changes what is served, and whoever cuts it takes pages away: reading one of those
 * is a SIGBUS. So nothing is mapped for longer than it takes to copy it, and only the owner of an image may be able
 * to write to it (docs/operation.md). To unlink the file, or to put another in its place, changes nothing.
 *
 * By the thread that loads, but for stele_serve_is_mapped().
 */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

struct serve_mapping {
	const uint8_t *bytes;
	size_t sz;
	uint32_t user_cnt; /* shards in it that somebody holds, and who maps */
};

/* Maps `sz` bytes; the caller has the first use of it. STELE_E_SYSTEM: addresses or memory. */
int serve_mapping_open(int fd, size_t sz, struct serve_mapping **ret_mapping,
		       struct stele_error *reterr);

/* Ends one use; the last unmaps. NULL is fine. */
void serve_mapping_drop(struct serve_mapping *mapping);

/*
 * Makes the pages of some bytes of it present, many at once. STELE_E_INPUT: some are not there any more, since the
 * file was cut, or cannot be read. Any thread.
 */
int serve_mapping_populate(const uint8_t *bytes, size_t sz, struct stele_error *reterr);

#endif
