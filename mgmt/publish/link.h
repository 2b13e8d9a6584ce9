/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_LINK_H
#define STELE_MGMT_PUBLISH_LINK_H

/*
 * The link to the responder: a connection to its control socket that is held, so that its end is
 * noticed at once, and over it the requests to load the image.
 *
 * A responder that is new, or that was away, is told to load the image as soon as it is there; one that
 * serves it already says so and does nothing. One request at a time; images that come
 * meanwhile are loaded together by the next one, since what is loaded is always the file's last root. A
 * load that is refused is tried again with growing pauses. Belongs to one loop; never blocks.
 */

#include "lib/base/error.h"
#include "mgmt/loop/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct stele_link;

struct stele_link_settings {
	const char *responder; /* path of its control socket */
	const char *image;     /* path of the file; both are kept by the caller */

	/* A load begins: of what the file holds now, which may be more than stele_link_load() was called for. */
	void (*begun)(void *user);
	/* Every core serves this generation, `ns` after the request. `epoch` is that of the last
	 * stele_link_load() before it. */
	void (*loaded)(void *user, uint64_t epoch, uint64_t generation, uint64_t ns);
	/* It refused the image: a stele_status and why. */
	void (*refused)(void *user, int status, const char *text);
	/* It is there (NULL), or no longer (why). */
	void (*changed)(void *user, const char *text);
	void *user;
};

/* Tries to connect from now on. STELE_E_SYSTEM. */
int stele_link_new(struct stele_loop *loop, const struct stele_link_settings *settings,
		   struct stele_link **ret_link, struct stele_error *reterr);
void stele_link_free(struct stele_link *link); /* NULL is fine */

/* The file has another root: it is to be loaded. */
void stele_link_load(struct stele_link *link, uint64_t epoch);

bool stele_link_is_up(const struct stele_link *link);

#endif
