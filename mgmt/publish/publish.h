/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_PUBLISH_H
#define STELE_MGMT_PUBLISH_PUBLISH_H

/*
 * The publisher: from a generation of the store to what every core serves.
 *
 *   store commit → `stele-compile update` (a process) → this daemon's own mapping → `load` at the
 *   responder → served
 *
 * One compiler at a time; generations that come meanwhile wait for the next one together. It does not
 * wait for the responder, which loads the last image that is there when it is done with the one before.
 * A compiler that fails, hangs or is killed is reported and run again with growing pauses; nothing is
 * lost by that, since what is to be served stands in the store. A responder that comes back
 * gets the image again. Where no responder is configured the mapping is all that is served.
 *
 * A change is served without any wait for the disk: what is acknowledged stands in the store. The image is
 * synced when nobody waits (flush.h), and after a crash of the machine it is verified (boot.h). One that
 * is not there, is damaged, or is refused by the responder as damaged, is built anew.
 *
 * The image is compacted by a process beside the rounds: when nobody waits, or when garbage is several
 * times the image; changes that come meanwhile are served as ever. Belongs to the main loop.
 */

#include "lib/base/error.h"
#include "mgmt/loop/loop.h"
#include "mgmt/publish/images.h"

#include <stdbool.h>
#include <stdint.h>

struct stele_publisher;

struct stele_publisher_settings {
	const char *compiler;    /* path of stele-compile */
	const char *store;       /* directory */
	const char *image;       /* path */
	const char *responder;   /* its control socket; NULL: none */
	uint64_t compile_max_ns; /* longer, and the compiler is taken to hang */
	uint64_t quiet_ns; /* without a change, and the image may be compacted; 0: ten seconds */
	uint64_t sync_quiet_ns; /* without a change, and the image is synced; 0: one second */

	/* Called in the main loop when the generation of `image` is served by every core of the responder and by
	 * this daemon; the current image may be ahead of it. Held for the call. */
	void (*served)(void *user, const struct stele_mapped_image *image);
	/* Something failed (text), or works again (NULL). `what` is "compile", "image" or
	 * "responder". */
	void (*trouble)(void *user, const char *what, const char *text);
	void *user;
};

struct stele_publisher_status {
	uint64_t wanted, compiled, served; /* generations */
	bool compiling;
	bool responder_up;       /* true where none is configured */
	char compile_error[512]; /* empty: none */
	char responder_error[512];
	uint64_t compile_cnt, compile_failed_cnt, compile_rebuilt_cnt, load_cnt, load_failed_cnt;
	uint64_t compact_cnt;
	uint64_t compile_last_ns, load_last_ns; /* how long they took */
	/* Parts of compile_last_ns: the compiler's own work, and for the view in this process; the rest is to
	 * start it. */
	uint64_t compile_work_ns, open_last_ns;
	uint64_t sync_cnt, sync_last_ns; /* of the image, which nobody waits for */
	uint64_t image_sz, garbage_sz;   /* bytes */
};

/* `settings` is copied, texts too. STELE_E_SYSTEM. */
int stele_publisher_new(struct stele_loop *main, struct stele_images *images,
			const struct stele_publisher_settings *settings,
			struct stele_publisher **ret_publisher, struct stele_error *reterr);
/* Kills a compiler that runs (the image stays whole). NULL is fine. */
void stele_publisher_free(struct stele_publisher *publisher);

/* The store has reached `generation`: it is to be served. */
void stele_publisher_want(struct stele_publisher *publisher, uint64_t generation);

void stele_publisher_status(const struct stele_publisher *publisher,
			    struct stele_publisher_status *ret_status);

#endif
