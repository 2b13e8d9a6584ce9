/* SPDX-License-Identifier: Apache-2.0 */
/* Which image is current, and how another takes its place. */
#include "responder/serve/serve.h"

#include "lib/base/clock.h"
#include "lib/base/cpu.h"
#include "responder/serve/image.h"
#include "responder/serve/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A reader says that it holds nothing once a burst, thousands of times a second. Shorter, and a core that
 * others have too seems to hang; longer, and who loads learns late that one does. */
#define READER_TIMEOUT_MS 10000

/* Above this, starting is bound by memory. */
#define START_THREADS_MAX 16u

/* By the cores of the thread that loads, which may be others than of the one that opened. */
static unsigned start_threads(const struct stele_serve *serve)
{
	return serve->start_threads > 0 ? serve->start_threads :
					  stele_cpu_usable_cnt(START_THREADS_MAX);
}

int stele_serve_open(const struct stele_serve_options *options, struct stele_serve **ret_serve,
		     struct stele_error *reterr)
{
	struct stele_serve *serve = aligned_alloc(64, (sizeof(*serve) + 63) / 64 * 64);
	if (serve == NULL)
		return stele_fail_errno(reterr, ENOMEM, "serving images");
	*serve = (struct stele_serve){
		.map_first = options->map_first,
		.start_threads = options->start_threads,
		.load_threads = options->load_threads > 0 ? options->load_threads : 1,
		.reader_timeout_ms = options->reader_timeout_ms > 0 ? options->reader_timeout_ms :
								      READER_TIMEOUT_MS,
		.grace = stele_grace_new(),
	};
	int rc = serve->grace == NULL ? stele_fail_errno(reterr, ENOMEM, "serving images") :
					stele_arena_open(&options->arena, &serve->arena, reterr);
	if (rc != 0) {
		stele_grace_free(serve->grace);
		free(serve);
		return rc;
	}
	*ret_serve = serve;
	return 0;
}

void stele_serve_close(struct stele_serve *serve)
{
	if (serve == NULL)
		return;
	stele_grace_free(serve->grace);
	serve_image_free(serve->arena, serve->current);
	serve_image_free(serve->arena, serve->previous);
	serve_image_free(serve->arena, serve->leaving);
	stele_arena_close(serve->arena);
	free(serve);
}

const struct stele_serve_root *stele_serve_root(const struct stele_serve *serve)
{
	return &serve->root;
}

/* ---- the next image ---- */

struct stele_serve_next {
	struct serve_image *image; /* for a rollback: serve->previous */
	bool is_rollback;
	bool is_move; /* of the current image, from the mapping of its file into the arena */
	struct stele_serve_load_info info;
};

static int stands_still(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_STALE, "a reader stands still");
}

/*
 * The arena has no room for three images. Nobody but a rollback would miss the one before, and
 * readers have left it, unless one of them hangs.
 */
static bool give_up_previous(struct stele_serve *serve, uint64_t grace)
{
	if (serve->previous == NULL ||
	    stele_grace_await(serve->grace, grace, serve->reader_timeout_ms) != 0)
		return false;
	serve_image_free(serve->arena, serve->previous);
	serve->previous = NULL;
	return true;
}

void stele_serve_trust(struct stele_serve *serve, const struct stele_findings *findings,
		       const struct stele_stamped *stamped)
{
	serve->findings = findings;
	serve->stamped = stamped;
}

int stele_serve_findings(const struct stele_serve *serve, struct stele_findings *ret_findings,
			 struct stele_error *reterr)
{
	const struct serve_image *image = serve->current;
	if (image == NULL)
		return stele_fail(reterr, STELE_E_NOTFOUND, "no image is served");
	return stele_findings_make(&image->view, image->verified, &image->identity, ret_findings,
				   reterr);
}

/*
 * The image of the findings, out of the same file, as a base for the one that is wanted; NULL if it is not
 * there. Nobody sees it. It is made even if it is not quite what is wanted: its shards mostly are.
 */
static struct serve_image *make_trusted(struct stele_serve *serve,
					const struct serve_source *wanted, unsigned threads,
					struct stele_serve_load_info *ret_info)
{
	struct serve_image *none[2] = {NULL, NULL}, *image = NULL;
	struct serve_source source = *wanted;
	if (serve->findings == NULL)
		return NULL;
	source.findings = serve->findings;
	source.end = serve->findings->image.root_off + sizeof(struct stele_root);
	/* Why not, nobody needs to know: the image that is wanted is judged on its own then. */
	if (serve_image_make(serve->arena, &source, none, threads, &image, ret_info, NULL) != 0)
		return NULL;
	return image;
}

/* Makes it as what differs from the trusted one. */
static int make_after(struct stele_serve *serve, const struct serve_source *source,
		      struct serve_image *trusted, unsigned threads, struct serve_image **ret_image,
		      struct stele_serve_load_info *info)
{
	struct serve_image *bases[2] = {trusted, NULL};
	struct stele_serve_load_info more;
	int rc = serve_image_make(serve->arena, source, bases, threads, ret_image, &more, NULL);
	if (rc == 0) {
		more.recalled = more.incremental;
		more.known_file = info->known_file && more.copied_cnt == 0;
		more.unchanged = false;
		more.shared_cnt = 0; /* with anything that was served */
		more.shared_sz = 0;
		more.copied_cnt += info->copied_cnt;
		more.copied_sz += info->copied_sz;
		more.head_ns += info->head_ns;
		more.copy_ns += info->copy_ns;
		more.verify_ns += info->verify_ns;
		*info = more;
	}
	serve_image_free(serve->arena, trusted);
	return rc;
}

/* The image of a start, or of the move that follows it: nothing is there that it could share. */
static int make_first(struct stele_serve *serve, const struct serve_source *source,
		      unsigned threads, struct stele_serve_next *next, struct stele_error *reterr)
{
	struct stele_serve_load_info *info = &next->info;
	struct serve_image *none[2] = {NULL, NULL};
	struct serve_image *trusted = make_trusted(serve, source, threads, info);
	int rc = trusted != NULL ? make_after(serve, source, trusted, threads, &next->image, info) :
				   STELE_E_NOTFOUND;
	/* Also what did not go well with a base: then there is one text for a fault, and all of the arena. */
	if (rc != 0)
		rc = serve_image_make(serve->arena, source, none, threads, &next->image, info,
				      reterr);
	return rc;
}

/* Any image after the first. */
static int make_update(struct stele_serve *serve, const struct serve_source *source, uint64_t grace,
		       struct stele_serve_next *next, struct stele_error *reterr)
{
	struct stele_serve_load_info *info = &next->info;
	bool shares = !serve->current->mapped;
	struct serve_image *bases[2] = {shares ? serve->current : NULL, serve->previous};
	int rc = serve_image_make(serve->arena, source, bases, serve->load_threads, &next->image,
				  info, reterr);
	bool dropped = rc == STELE_E_STALE && give_up_previous(serve, grace);
	if (dropped) {
		bases[1] = NULL;
		rc = serve_image_make(serve->arena, source, bases, serve->load_threads,
				      &next->image, info, reterr);
	}
	if (rc != 0)
		return rc;
	info->dropped_previous = dropped;
	if (info->unchanged)
		info->serial = serve->current->view.serial;
	return 0;
}

/* A move is of the very image that readers see. */
static int make_move(struct stele_serve *serve, const struct serve_source *source,
		     struct stele_serve_next *next, struct stele_error *reterr)
{
	int rc = make_first(serve, source, serve->load_threads, next, reterr);
	if (rc == 0 && memcmp(next->image->identity.digest, serve->current->identity.digest,
			      STELE_FINDINGS_DIGEST_SZ) != 0)
		rc = stele_fail(reterr, STELE_E_INPUT, "%s: it is another image than before",
				source->name);
	return rc;
}

static int make_next(struct stele_serve *serve, const struct serve_source *source, uint64_t grace,
		     struct stele_serve_next *next, struct stele_error *reterr)
{
	int rc = STELE_E_NOTFOUND;
	if (next->is_move) {
		rc = make_move(serve, source, next, reterr);
	} else if (serve->current != NULL) {
		rc = make_update(serve, source, grace, next, reterr);
	} else {
		struct serve_source mapped = *source;
		mapped.mapped = true;
		mapped.stamped = serve->stamped;
		/* Where it cannot be served from its file, the arena has the last word. */
		if (serve->map_first)
			rc = make_first(serve, &mapped, start_threads(serve), next, NULL);
		if (rc != 0)
			rc = make_first(serve, source, start_threads(serve), next, reterr);
		next->info.unchanged = false;
	}
	return rc == STELE_E_STALE ? STELE_E_SYSTEM : rc;
}

/* `next` is the caller's no more, but for the result. */
static int prepare(struct stele_serve *serve, const struct serve_source *source,
		   struct stele_serve_next *next, struct stele_serve_next **ret_next,
		   struct stele_error *reterr)
{
	/* Readers have the time of copying to say that they are there. */
	uint64_t grace = stele_grace_begin(serve->grace);
	int rc = make_next(serve, source, grace, next, reterr);
	if (rc == 0 && stele_grace_await(serve->grace, grace, serve->reader_timeout_ms) != 0)
		rc = stands_still(reterr);
	if (rc != 0) {
		serve->refused_cnt++;
		stele_serve_discard(serve, next);
		return rc;
	}
	*ret_next = next;
	return 0;
}

int stele_serve_prepare(struct stele_serve *serve, int fd, uint64_t end, const char *name,
			struct stele_serve_next **ret_next, struct stele_error *reterr)
{
	struct serve_source source = {
		.fd = fd, .end = end, .name = name, .given_up = &serve->given_up};
	struct stele_serve_next *next = calloc(1, sizeof(*next));
	if (next == NULL)
		return stele_fail_errno(reterr, ENOMEM, "image");
	return prepare(serve, &source, next, ret_next, reterr);
}

int stele_serve_prepare_rollback(struct stele_serve *serve, struct stele_serve_next **ret_next,
				 struct stele_error *reterr)
{
	struct serve_image *image = serve->previous;
	if (image == NULL)
		return stele_fail(reterr, STELE_E_NOTFOUND, "no image is kept to go back to");
	struct stele_serve_next *next = calloc(1, sizeof(*next));
	if (next == NULL)
		return stele_fail_errno(reterr, ENOMEM, "image");
	if (stele_grace_await(serve->grace, stele_grace_begin(serve->grace),
			      serve->reader_timeout_ms) != 0) {
		free(next);
		return stands_still(reterr);
	}
	/* What workers remember of a view, they remember under its serial: to be seen anew, it needs a new one. */
	stele_view_renew(&image->view);
	next->image = image;
	next->is_rollback = true;
	next->info.generation = image->view.generation;
	next->info.serial = image->view.serial;
	serve_count_shards(image, &next->info.shard_cnt, &next->info.shared_sz);
	next->info.shared_cnt = next->info.shard_cnt;
	*ret_next = next;
	return 0;
}

const struct stele_view *stele_serve_next_view(const struct stele_serve_next *next)
{
	return &next->image->view;
}

const struct stele_serve_load_info *stele_serve_next_info(const struct stele_serve_next *next)
{
	return &next->info;
}

void stele_serve_discard(struct stele_serve *serve, struct stele_serve_next *next)
{
	if (next != NULL && !next->is_rollback)
		serve_image_free(serve->arena, next->image);
	free(next);
}

/* An image that is in a mapping is not kept to go back to: nobody holds on to a file for so long. */
static void leave_current(struct stele_serve *serve)
{
	if (serve->current != NULL && serve->current->mapped)
		serve->leaving = serve->current;
	else
		serve->previous = serve->current;
	serve->current = NULL;
}

static void free_left(struct stele_serve *serve)
{
	serve_image_free(serve->arena, serve->leaving);
	serve->leaving = NULL;
}

void stele_serve_publish(struct stele_serve *serve, struct stele_serve_next *next)
{
	/* Since it was published, readers have left all before it: stele_serve_prepare() waited. */
	free_left(serve);
	if (!next->is_rollback)
		serve_image_free(serve->arena, serve->previous);
	serve->previous = NULL;
	leave_current(serve);
	serve->current = next->image;
	__atomic_store_n(&serve->root.view, &next->image->view, __ATOMIC_RELEASE);
	serve->published = stele_grace_begin(serve->grace);
	serve->load_cnt++;
	free(next);
}

int stele_serve_await(struct stele_serve *serve, struct stele_error *reterr)
{
	if (stele_grace_await(serve->grace, serve->published, serve->reader_timeout_ms) != 0)
		return stands_still(reterr);
	free_left(serve);
	return 0;
}

/* ---- from the mapping into the arena ---- */

void stele_serve_map_first(struct stele_serve *serve, bool map_first)
{
	serve->map_first = map_first;
}

bool stele_serve_in_mapping(const struct stele_serve *serve)
{
	return serve->current != NULL && serve->current->mapped;
}

int stele_serve_prepare_move(struct stele_serve *serve, int fd, struct stele_serve_next **ret_next,
			     struct stele_error *reterr)
{
	if (!stele_serve_in_mapping(serve))
		return stele_fail(reterr, STELE_E_NOTFOUND, "no image is served from its file");
	struct serve_source source = {
		.fd = fd,
		.end = serve->current->view.root_off + sizeof(struct stele_root),
		.name = serve->current->name,
		.given_up = &serve->given_up,
	};
	struct stele_serve_next *next = calloc(1, sizeof(*next));
	if (next == NULL)
		return stele_fail_errno(reterr, ENOMEM, "image");
	next->is_move = true;
	return prepare(serve, &source, next, ret_next, reterr);
}

void stele_serve_give_up(struct stele_serve *serve)
{
	__atomic_store_n(&serve->given_up, true, __ATOMIC_RELAXED);
}

int stele_serve_withdraw(struct stele_serve *serve, struct stele_error *reterr)
{
	if (!stele_serve_in_mapping(serve))
		return stele_fail(reterr, STELE_E_NOTFOUND, "no image is served from its file");
	__atomic_store_n(&serve->root.view, NULL, __ATOMIC_RELEASE);
	/* It is the first of this process, so no other is leaving yet. */
	leave_current(serve);
	serve->map_first = false;
	serve->published = stele_grace_begin(serve->grace);
	return stele_serve_await(serve, reterr);
}

int stele_serve_stamped(const struct stele_serve *serve, struct stele_stamped *ret_stamped)
{
	const struct serve_image *image = serve->current;
	if (image == NULL || image->mapped || !image->stamped)
		return STELE_E_NOTFOUND;
	*ret_stamped = (struct stele_stamped){image->stamp, image->identity};
	return 0;
}

static int publish(struct stele_serve *serve, struct stele_serve_next *next,
		   struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	struct stele_serve_load_info info = next->info;
	uint64_t begin = stele_clock_ns();
	int rc = 0;
	if (info.unchanged) {
		stele_serve_discard(serve, next);
	} else {
		stele_serve_publish(serve, next);
		rc = stele_serve_await(serve, reterr);
		info.grace_ns = stele_clock_ns() - begin;
	}
	if (rc == 0 && ret_info != NULL)
		*ret_info = info;
	return rc;
}

int stele_serve_load_until(struct stele_serve *serve, int fd, uint64_t end, const char *name,
			   struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	struct stele_serve_next *next;
	int rc = stele_serve_prepare(serve, fd, end, name, &next, reterr);
	return rc == 0 ? publish(serve, next, ret_info, reterr) : rc;
}

int stele_serve_load(struct stele_serve *serve, int fd, const char *name,
		     struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	return stele_serve_load_until(serve, fd, 0, name, ret_info, reterr);
}

int stele_serve_rollback(struct stele_serve *serve, struct stele_serve_load_info *ret_info,
			 struct stele_error *reterr)
{
	struct stele_serve_next *next;
	int rc = stele_serve_prepare_rollback(serve, &next, reterr);
	return rc == 0 ? publish(serve, next, ret_info, reterr) : rc;
}
