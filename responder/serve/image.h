/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_IMAGE_H
#define STELE_RESPONDER_SERVE_IMAGE_H

/*
 * One image in the arena, or in the mapping of its file: its shards, some of them shared with other images, the
 * view over them, and what its verification left. For the control thread.
 */

#include "lib/image/findings.h"
#include "lib/image/verified.h"
#include "responder/serve/mapping.h"
#include "responder/serve/serve.h"
#include "responder/serve/stamp.h"

/* Bytes of a shard. Never changed while an image holds it, in the arena. */
struct serve_shard {
	struct serve_mapping *mapping; /* that they stand in; NULL: the arena */
	const uint8_t *bytes;
	uint64_t size;
	uint32_t user_cnt; /* images that hold it */
};

struct serve_image {
	struct stele_view view;
	struct stele_verified *verified;
	struct stele_findings_image identity; /* of the root in its file */
	struct serve_shard **shards;          /* by index; NULL where absent */
	bool mapped;                          /* they are in the file's mapping */
	bool stamped; /* all were read from a file with this stamp, which rested before and was the
		       * same afterwards */
	struct stele_stamp stamp;
	char name[STELE_SERVE_NAME_MAX];
	uint64_t loaded_at;
};

struct serve_source {
	int fd;
	uint64_t end; /* bytes of the file that count; 0: all */
	const char *name;
	/* Not NULL: the image must be the one that this is about, and is not verified beyond its digests. */
	const struct stele_findings *findings;
	/* Shards stay in the file, which is mapped. */
	bool mapped;
	/* Not NULL: digests of a mapped image of this stamp were compared before. */
	const struct stele_stamped *stamped;
	const bool *given_up; /* as for serve_copy(); the verification looks at it too */
};

/*
 * Copies and verifies the image in `source`. `bases` are up to two images whose shards it may share (NULL: none);
 * the first is the one that it is compared with. The caller sets no field of `ret_info` before.
 * Errors as stele_serve_load(); the arena is then as it was. A mapped image takes nothing of the arena, but must fit
 * into one that is empty.
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

#endif
