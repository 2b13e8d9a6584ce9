/* SPDX-License-Identifier: Apache-2.0 */
/* Which image is current, and how another takes its place. */
#include "responder/serve/serve.h"

#include "responder/serve/image.h"
#include "responder/serve/internal.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#if STELE_SERVE_NOTES
#include <sanitizer/tsan_interface.h>
static int quiescence;
void stele_serve_note_quiescent(void)
{
	__tsan_release(&quiescence);
}
static void note_grace(void)
{
	__tsan_acquire(&quiescence);
}
#else
void stele_serve_note_quiescent(void)
{
}
static void note_grace(void)
{
}
#endif

/* Above this, starting is bound by memory. */
#define START_THREADS_MAX 16u

static unsigned usable_cores(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	unsigned cnt = (unsigned)CPU_COUNT(&set);
	return cnt < START_THREADS_MAX ? cnt : START_THREADS_MAX;
}

int stele_serve_open(const struct stele_serve_options *options, struct stele_serve **ret_serve,
		     struct stele_error *reterr)
{
	struct stele_serve *serve = aligned_alloc(64, (sizeof(*serve) + 63) / 64 * 64);
	if (serve == NULL)
		return stele_fail_errno(reterr, ENOMEM, "serving images");
	*serve = (struct stele_serve){
		.start_threads = options->start_threads > 0 ? options->start_threads :
							      usable_cores(),
		.load_threads = options->load_threads > 0 ? options->load_threads : 1,
	};
	int rc = stele_arena_open(&options->arena, &serve->arena, reterr);
	if (rc != 0) {
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
	serve_image_free(serve->arena, serve->current);
	serve_image_free(serve->arena, serve->previous);
	stele_arena_close(serve->arena);
	free(serve);
}

const struct stele_serve_root *stele_serve_root(const struct stele_serve *serve)
{
	return &serve->root;
}

/* Readers see `image` from now on. When this returns, none of them uses the one before. */
static uint64_t publish(struct stele_serve *serve, const struct serve_image *image)
{
	uint64_t begin = serve_now_ns();
	__atomic_store_n(&serve->root.view, &image->view, __ATOMIC_RELEASE);
	urcu_qsbr_synchronize_rcu();
	note_grace();
	serve->load_cnt++;
	return serve_now_ns() - begin;
}

/* The arena has no room for three images. Nobody but a rollback would miss the one before. */
static bool give_up_previous(struct stele_serve *serve)
{
	if (serve->previous == NULL)
		return false;
	serve_image_free(serve->arena, serve->previous);
	serve->previous = NULL;
	return true;
}

void stele_serve_trust(struct stele_serve *serve, const struct stele_findings *findings)
{
	serve->findings = findings;
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
					const struct serve_source *wanted,
					struct stele_serve_load_info *ret_info)
{
	struct serve_image *none[2] = {NULL, NULL}, *image = NULL;
	struct serve_source source = *wanted;
	if (serve->current != NULL || serve->findings == NULL)
		return NULL;
	source.findings = serve->findings;
	source.end = serve->findings->image.root_off + sizeof(struct stele_root);
	/* Why not, nobody needs to know: the image that is wanted is judged on its own then. */
	if (serve_image_make(serve->arena, &source, none, serve->start_threads, &image, ret_info,
			     NULL) != 0)
		return NULL;
	return image;
}

/* Makes it as what differs from the trusted one. */
static int make_after(struct stele_serve *serve, const struct serve_source *source,
		      struct serve_image *trusted, struct serve_image **ret_image,
		      struct stele_serve_load_info *info)
{
	struct serve_image *bases[2] = {trusted, NULL};
	struct stele_serve_load_info more;
	int rc = serve_image_make(serve->arena, source, bases, serve->start_threads, ret_image,
				  &more, NULL);
	if (rc == 0) {
		more.recalled = more.incremental;
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

int stele_serve_load_until(struct stele_serve *serve, int fd, uint64_t end, const char *name,
			   struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	struct serve_source source = {.fd = fd, .end = end, .name = name};
	unsigned threads = serve->current == NULL ? serve->start_threads : serve->load_threads;
	struct stele_serve_load_info info;
	struct serve_image *image = NULL;
	struct serve_image *bases[2] = {serve->current, serve->previous};
	struct serve_image *trusted = make_trusted(serve, &source, &info);
	int rc = trusted != NULL ? make_after(serve, &source, trusted, &image, &info) :
				   STELE_E_NOTFOUND;
	/* Also what did not go well with a base: then there is one text for a fault, and all of the arena. */
	if (rc != 0)
		rc = serve_image_make(serve->arena, &source, bases, threads, &image, &info, reterr);
	bool dropped = rc == STELE_E_STALE && give_up_previous(serve);
	if (dropped) {
		bases[1] = NULL;
		rc = serve_image_make(serve->arena, &source, bases, threads, &image, &info, reterr);
	}
	if (rc != 0) {
		serve->refused_cnt++;
		return rc == STELE_E_STALE ? STELE_E_SYSTEM : rc;
	}
	info.dropped_previous = dropped;
	if (serve->current != NULL && info.unchanged) {
		info.serial = serve->current->view.serial;
		serve_image_free(serve->arena, image);
	} else {
		info.grace_ns = publish(serve, image);
		serve_image_free(serve->arena, serve->previous);
		serve->previous = serve->current;
		serve->current = image;
	}
	if (ret_info != NULL)
		*ret_info = info;
	return 0;
}

int stele_serve_load(struct stele_serve *serve, int fd, const char *name,
		     struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	return stele_serve_load_until(serve, fd, 0, name, ret_info, reterr);
}

int stele_serve_rollback(struct stele_serve *serve, struct stele_serve_load_info *ret_info,
			 struct stele_error *reterr)
{
	struct serve_image *image = serve->previous;
	if (image == NULL)
		return stele_fail(reterr, STELE_E_NOTFOUND, "no image is kept to go back to");
	/* What workers remember of a view, they remember under its serial: to be seen anew, it needs a new one. */
	stele_view_renew(&image->view);
	struct stele_serve_load_info info = {
		.generation = image->view.generation,
		.serial = image->view.serial,
		.grace_ns = publish(serve, image),
	};
	serve->previous = serve->current;
	serve->current = image;
	serve_count_shards(image, &info.shard_cnt, &info.shared_sz);
	info.shared_cnt = info.shard_cnt;
	if (ret_info != NULL)
		*ret_info = info;
	return 0;
}
