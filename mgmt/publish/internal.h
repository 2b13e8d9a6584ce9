/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_PUBLISH_INTERNAL_H
#define STELE_MGMT_PUBLISH_INTERNAL_H

/* The publisher's inside: publish.c is what is called, rounds.c runs the compiler. */

#include "mgmt/publish/child.h"
#include "mgmt/publish/flush.h"
#include "mgmt/publish/link.h"
#include "mgmt/publish/pause.h"
#include "mgmt/publish/publish.h"

enum publish_round {
	ROUND_UPDATE,
	ROUND_BUILD,  /* the image as a whole */
	ROUND_VERIFY, /* after a crash: whether it is whole */
};

struct stele_publisher {
	struct stele_loop *loop;
	struct stele_images *images;
	struct stele_publisher_settings settings; /* texts are our own copies */
	char *compiler, *store, *image, *responder;
	struct stele_publisher_status status;
	struct stele_link *link; /* NULL: no responder is configured */
	uint64_t loaded; /* generation that the responder serves, since it is there; 0: not known */
	/* Held: the daemon's image when the last load began, and when the one did that `loaded` is of, until it is
	 * told of. The current one may be ahead of that. */
	struct stele_mapped_image *loading, *loaded_image;
	/* Rises when the image is built anew: generations of another store's image mean nothing. */
	uint64_t epoch;

	struct stele_child *child; /* NULL: none runs */
	enum publish_round round;  /* what it does */
	uint64_t began_ns;
	bool is_first; /* no round has come to an end: whether the image is the store's is not known */
	bool build_anew; /* the image is of no use */
	bool is_suspect; /* the machine crashed: it is not opened before it is verified */
	bool may_not_sync, was_marked;  /* a crash would be noticed; whether that was tried */
	bool is_unsynced;               /* the disk may not have all of the image */
	bool appends_unsynced;          /* so does the round that goes on */
	struct stele_flush *flush;      /* NULL: none goes on */
	uint64_t unsynced_ns, flush_ns; /* since when; when the flush was begun */
	unsigned refused_cnt;           /* updates in a row that ended with exit status 1 */
	unsigned failed_cnt;            /* updates and verifications in a row that came to no end */
	bool compile_told, image_told;  /* trouble that was told, and has not ended */
	struct stele_pause pause;
	/* Copies the image beside the rounds, which go on meanwhile. NULL: none runs. */
	struct stele_child *compactor;
	struct event *timer; /* for the end of a pause, or to compact */
	uint64_t wanted_ns;  /* when a generation was last wanted */
	uint64_t compact_not_before_ns;
};

/* Begins what is to be done next, if anything: a round, or a timer for it. */
void publish_go_on(struct stele_publisher *publisher);

/* A file that has another root: maps it, and has it loaded. */
int publish_open(struct stele_publisher *publisher, struct stele_error *reterr);

/* What an earlier run left: serves it, if it is there and whole. */
void publish_open_first(struct stele_publisher *publisher);

/* Tells what is served, if that has risen. */
void publish_check_served(struct stele_publisher *publisher);

/* What the responder serves is not known, or is another store's. */
void publish_forget_loaded(struct stele_publisher *publisher);

/* To who made the publisher; see struct stele_publisher_settings. */
void publish_trouble(struct stele_publisher *publisher, const char *what, const char *text);

#endif
