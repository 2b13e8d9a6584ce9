/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_WRITE_COMPACT_H
#define STELE_ZONECOMPILER_WRITE_COMPACT_H

/* An image without its garbage: what the last root reaches, in a new file of the same name. */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct stele_compact_stats {
	uint64_t generation;
	uint64_t from_sz, image_sz; /* bytes of the file, before and after */
	double locked_s;            /* so long an update had to wait */
	bool done; /* false: another image has taken the name meanwhile, and stays */
};

/*
 * Compacts the image at `path`. Updates may go on meanwhile; at the end the image is locked for as long as it
 * takes to copy what they added. STELE_E_INPUT: not an image.
 */
int stele_compact(const char *path, struct stele_compact_stats *ret_stats,
		  struct stele_error *reterr);

#endif
