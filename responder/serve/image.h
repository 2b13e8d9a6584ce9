/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_IMAGE_H
#define STELE_RESPONDER_SERVE_IMAGE_H

/*
 * One image in the arena: its shards, some of them shared with other images, the view over them, and
 * what its verification left. For the control thread.
 */

#include "lib/image/findings.h"
#include "lib/image/verified.h"
#include "responder/serve/serve.h"

/* Bytes of a shard in the arena. Never changed while an image holds it. */
struct serve_shard {
	uint8_t *bytes;
	uint64_t size;
	uint32_t user_cnt; /* images that hold it */
};

struct serve_image {
	struct stele_view view;
	struct stele_verified *verified;
	struct stele_findings_image identity; /* of the root in its file */
	struct serve_shard **shards;          /* by index; NULL where absent */
	char name[STELE_SERVE_NAME_MAX];
	uint64_t loaded_at;
};

struct serve_source {
	int fd;
	uint64_t end; /* bytes of the file that count; 0: all */
	const char *name;
	/* Not NULL: the image must be the one that this is about, and is not verified beyond its digests. */
	const struct stele_findings *findings;
};

/*
 * Copies and verifies the image in `source`. `bases` are up to two images whose shards it may share (NULL: none);
 * the first is the one that it is compared with. The caller sets no field of `ret_info` before.
 * Errors as stele_serve_load(); the arena is then as it was.
 *
 * STELE_E_NOTFOUND: it is not the image of the findings; nothing was copied.
 * STELE_E_STALE: it does not fit into the arena, but would if the second base were given up.
 */
int serve_image_make(struct stele_arena *arena, const struct serve_source *source,
		     struct serve_image *const bases[2], unsigned threads,
		     struct serve_image **ret_image, struct stele_serve_load_info *ret_info,
		     struct stele_error *reterr);

/* Gives back what no other image holds. No reader may use it. NULL is fine. */
void serve_image_free(struct stele_arena *arena, struct serve_image *image);

/* Nanoseconds of the monotonic clock. */
uint64_t serve_now_ns(void);

#endif
