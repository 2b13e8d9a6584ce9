/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/images/internal.h"

#include "lib/base/clock.h"
#include "lib/daemon/log.h"
#include "lib/image/findings_file.h"
#include "responder/serve/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Findings are saved again when what was loaded since is this part of the image: it is what a start
 * verifies. Smaller: megabytes are written and synced at every few updates. Larger: starts take longer.
 */
#define UNSAVED_PART 16

static enum stele_arena_pages pages_of(enum stele_huge_pages pages)
{
	switch (pages) {
	case STELE_HUGE_PAGES_1G:
		return STELE_ARENA_PAGES_1G;
	case STELE_HUGE_PAGES_2M:
		return STELE_ARENA_PAGES_2M;
	case STELE_HUGE_PAGES_NONE:
		return STELE_ARENA_PAGES_PLAIN;
	default:
		return STELE_ARENA_PAGES_AUTO;
	}
}

void images_note_status(struct stele_images *images)
{
	struct stele_serve_status status;

	stele_serve_status(images->serves[0], &status);
	pthread_mutex_lock(&images->lock);
	images->status = status;
	pthread_mutex_unlock(&images->lock);
}

void stele_images_status(struct stele_images *images, struct stele_serve_status *ret_status)
{
	pthread_mutex_lock(&images->lock);
	*ret_status = images->status;
	pthread_mutex_unlock(&images->lock);
}

const struct stele_serve *stele_images_serve(const struct stele_images *images)
{
	return images->serves[0];
}

unsigned images_node_index(const struct stele_images *images, int node)
{
	unsigned i = 0;

	while (i + 1 < images->node_cnt && images->nodes[i] != node)
		i++;
	return i;
}

const struct stele_serve_root *stele_images_root(const struct stele_images *images, int node)
{
	return stele_serve_root(images->serves[images_node_index(images, node)]);
}

/* Also when they were there and packets, which come first, took them. */
static void tell_pages(const struct stele_images *images, uint64_t huge_sz)
{
	const struct stele_responder_config *config = images->config;
	struct stele_serve_status status;
	bool is_plain = false;

	for (unsigned i = 0; i < images->node_cnt; i++) {
		stele_serve_status(images->serves[i], &status);
		is_plain |= status.arena.pages == STELE_ARENA_PAGES_PLAIN;
	}
	stele_log(STELE_LOG_INFO, "images are kept in %llu MB of %s",
		  (unsigned long long)(images->status.arena.size >> 20),
		  stele_arena_pages_text(images->status.arena.pages));
	if (is_plain && huge_sz > 0 && config->memory.huge_pages == STELE_HUGE_PAGES_AUTO)
		stele_log(
			STELE_LOG_WARNING,
			"%llu MB of huge pages were free, but images are in plain pages, which are "
			"slower: it takes memory.image_arena in pages of one size, on each NUMA node "
			"with workers (%u), beside what packets take",
			(unsigned long long)(huge_sz >> 20), images->node_cnt);
}

int stele_images_open(const struct stele_responder_config *config, const int *nodes,
		      unsigned node_cnt, uint64_t huge_sz, struct stele_stats *stats,
		      struct stele_images **ret_images, struct stele_error *reterr)
{
	struct stele_images *images = calloc(1, sizeof(*images));
	int rc = 0;

	if (!images)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for images");
	pthread_mutex_init(&images->lock, NULL);
	images->config = config;
	images->stats = stats;
	images->current.fd = images->previous.fd = -1;
	images->unsaved_sz = UINT64_MAX;
	for (unsigned i = 0; i < node_cnt && !rc; i++) {
		const struct stele_serve_options options = {
			.arena.size = config->memory.image_arena,
			.arena.pages = pages_of(config->memory.huge_pages),
			.arena.node = nodes[i],
			.map_first = true,
		};
		images->nodes[i] = nodes[i];
		rc = stele_serve_open(&options, &images->serves[i], reterr);
		if (!rc)
			images->node_cnt++;
	}
	if (rc) {
		stele_images_close(images);
		return rc;
	}
	images_note_status(images);
	tell_pages(images, huge_sz);
	*ret_images = images;
	return 0;
}

void stele_images_close(struct stele_images *images)
{
	if (!images)
		return;
	for (unsigned i = 0; i < images->node_cnt; i++)
		stele_serve_close(images->serves[i]);
	images_free_zones(images);
	free(images->quiescent);
	if (images->current.fd >= 0)
		close(images->current.fd);
	if (images->previous.fd >= 0)
		close(images->previous.fd);
	stele_findings_close(&images->start.findings);
	pthread_mutex_destroy(&images->lock);
	free(images);
}

int stele_images_attach(struct stele_images *images, struct stele_worker *const *workers,
			unsigned worker_cnt, struct stele_error *reterr)
{
	images->quiescent = calloc(worker_cnt, sizeof(*images->quiescent));
	if (!images->quiescent)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for workers");
	images->workers = workers;
	images->worker_cnt = worker_cnt;
	return 0;
}

/* ---- loading ---- */

/* What a name stands for now: links are followed. */
static void whole_path(const char *name, char path[PATH_MAX])
{
	if (!realpath(name, path))
		snprintf(path, PATH_MAX, "%s", name);
}

/* `exact`: not what the compiler may have appended to the file since. */
static void remember(struct stele_images *images, bool exact)
{
	uint64_t root_off = images->status.current.root_off;
	struct stele_error error;
	struct stat file;

	if (images->current.fd < 0)
		return;
	images->remembered.path[0] = '\0';
	images->unremembered.text[0] = '\0';
	if (stele_state_remember(images->config->state_dir, images->current.fd,
				 images->current.path, root_off, exact, images->previous.fd,
				 &error) != 0) {
		stele_fail(&images->unremembered, STELE_E_SYSTEM,
			   "the image is served, but will not be remembered at the next start: %s",
			   error.text);
		stele_log(STELE_LOG_WARNING, "%s", images->unremembered.text);
	} else if (fstat(images->current.fd, &file) == 0) {
		whole_path(images->current.path, images->remembered.path);
		images->remembered.exact = exact;
		images->remembered.device = file.st_dev;
		images->remembered.inode = file.st_ino;
		images->remembered.root_off = root_off;
	}
}

const char *stele_images_unremembered(const struct stele_images *images)
{
	return images->unremembered.text[0] != '\0' ? images->unremembered.text : NULL;
}

/* A start would serve something else than what is served. */
static bool is_other_served(const struct stele_images *images)
{
	char path[PATH_MAX];

	whole_path(images->current.path, path);
	return images->remembered.exact || strcmp(images->remembered.path, path) != 0;
}

/* A start would serve this image, but not find it if its file is gone, or is damaged behind it. */
static bool is_old_remembered(const struct stele_images *images)
{
	struct stat file;

	return images->remembered.path[0] != '\0' && !images->remembered.exact &&
	       fstat(images->current.fd, &file) == 0 &&
	       (images->remembered.device != file.st_dev ||
		images->remembered.inode != file.st_ino ||
		images->remembered.root_off != images->status.current.root_off);
}

static void note_unsaved(struct stele_images *images, const struct stele_serve_load_info *info)
{
	uint64_t whole_sz = images->status.current.shards_sz;

	/* After a start: what was copied more than once was not in the findings. */
	if (info->recalled)
		images->unsaved_sz = info->copied_sz > whole_sz ? info->copied_sz - whole_sz : 0;
	else if (!info->incremental || images->unsaved_sz > UINT64_MAX - info->copied_sz)
		images->unsaved_sz = UINT64_MAX;
	else
		images->unsaved_sz += info->copied_sz;
}

/* A start looks for the image of the findings in the file that it serves. */
static bool is_other_file(const struct stele_images *images, struct stat *ret_file)
{
	return fstat(images->current.fd, ret_file) == 0 &&
	       (ret_file->st_dev != images->saved.st_dev ||
		ret_file->st_ino != images->saved.st_ino);
}

void stele_images_save_findings(struct stele_images *images)
{
	struct stele_findings findings;
	struct stele_error error;
	struct stat file = images->saved;

	/* What is not in the arena is not proven yet. */
	if (images->current.fd < 0 || images_in_mapping(images) ||
	    (!is_other_file(images, &file) &&
	     images->unsaved_sz <= images->status.current.shards_sz / UNSAVED_PART))
		return;
	int rc = stele_serve_findings(images->serves[0], &findings, &error);
	if (!rc) {
		rc = stele_findings_save(images->config->state_dir, &findings, &error);
		stele_findings_close(&findings);
	}
	if (rc) {
		stele_log(STELE_LOG_WARNING, "the next start will verify the whole image again: %s",
			  error.text);
		return;
	}
	images->saved = file;
	images->unsaved_sz = 0;
}

/* Takes the descriptor. */
static void hold_file(struct stele_images *images, int fd, const char *path, bool replaces)
{
	struct images_file *gone = replaces ? &images->current : &images->previous;

	if (gone->fd >= 0)
		close(gone->fd);
	if (!replaces)
		images->previous = images->current;
	images->current.fd = fd;
	snprintf(images->current.path, sizeof(images->current.path), "%s", path);
}

void images_note_workers(struct stele_images *images)
{
	for (unsigned i = 0; i < images->worker_cnt; i++)
		images->quiescent[i] = stele_worker_quiescent(images->workers[i]);
}

/* Who has not come round since images_note_workers(). */
static int name_stuck(const struct stele_images *images, const char *what,
		      struct stele_error *reterr)
{
	for (unsigned i = 0; i < images->worker_cnt; i++)
		if (images->quiescent[i] == stele_worker_quiescent(images->workers[i]))
			return stele_fail(reterr, STELE_E_SYSTEM,
					  "worker %u on core %u stands still: %s", i,
					  stele_worker_core(images->workers[i]), what);
	return stele_fail(reterr, STELE_E_SYSTEM, "a worker is too slow: %s", what);
}

void images_discard(struct stele_images *images, struct stele_serve_next **next)
{
	for (unsigned i = 0; i < images->node_cnt; i++) {
		stele_serve_discard(images->serves[i], next[i]);
		next[i] = NULL;
	}
}

/* What was left undone for a worker that had yet to see the current image: what was prepared since waited for it. */
static void settle_late(struct stele_images *images)
{
	if (images->retired)
		images_settle_zones(images);
}

/*
 * On all nodes; what was prepared is gone then. Nothing is published while a worker may still look at an
 * image before the current one, so there are never more than two that zones are counted of.
 */
int images_publish(struct stele_images *images, struct stele_serve_next **next,
		   struct stele_error *reterr)
{
	int rc = 0;

	settle_late(images);
	images_give_zones(images, next);
	for (unsigned i = 0; i < images->node_cnt; i++)
		stele_serve_publish(images->serves[i], next[i]);
	images_note_status(images);
	/* All have come round since the load began: that was the wait before this. */
	images_note_workers(images);
	for (unsigned i = 0; i < images->node_cnt && !rc; i++)
		rc = stele_serve_await(images->serves[i], reterr);
	if (rc)
		return name_stuck(images, "all others serve the image, it does not", reterr);
	images_settle_zones(images);
	return 0;
}

/* Nothing was published, for whatever reason. */
int images_refuse(struct stele_images *images, int rc, struct stele_error *reterr)
{
	if (rc == STELE_E_STALE)
		rc = name_stuck(images, "nothing is loaded until it goes on", reterr);
	images_note_status(images);
	return rc;
}

static int refuse_load(struct stele_images *images, int rc, struct stele_error *reterr)
{
	stele_stats_global_add(images->stats, STELE_GLOBAL_LOADS_REFUSED, 1);
	return images_refuse(images, rc, reterr);
}

static int prepare(struct stele_images *images, int fd, uint64_t end, const char *name,
		   struct stele_serve_next **next, struct stele_error *reterr)
{
	int rc = 0;

	for (unsigned i = 0; i < images->node_cnt && !rc; i++)
		rc = stele_serve_prepare(images->serves[i], fd, end, name, &next[i], reterr);
	return rc;
}

/* The file was changed when some nodes had it in a mapping already: the arena it is then, for all. */
static bool is_mixed(const struct stele_images *images, struct stele_serve_next *const *next)
{
	bool mixed = false;

	for (unsigned i = 1; i < images->node_cnt; i++)
		mixed |= stele_serve_next_info(next[i])->mapped !=
			 stele_serve_next_info(next[0])->mapped;
	return mixed;
}

int images_load_until(struct stele_images *images, int fd, uint64_t end, const char *name,
		      struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	struct stele_serve_next *next[STELE_NODES_MAX] = {NULL};
	int rc = stele_images_move(images, reterr);

	/* An image that is in its file is no base for another. Without one, any is better than none. */
	if (rc && images_in_mapping(images))
		return refuse_load(images, rc, reterr);
	images_note_workers(images);
	/* To be had before anything is published: without it, the image would not be remembered, nor moved. */
	int held_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rc = held_fd < 0 ? stele_fail_errno(reterr, errno, "%s: cannot be kept open", name) :
			   prepare(images, fd, end, name, next, reterr);
	if (!rc && is_mixed(images, next)) {
		for (unsigned i = 0; i < images->node_cnt; i++)
			stele_serve_map_first(images->serves[i], false);
		images_discard(images, next);
		rc = prepare(images, fd, end, name, next, reterr);
	}
	if (rc) {
		images_discard(images, next);
		if (held_fd >= 0)
			close(held_fd);
		return refuse_load(images, rc, reterr);
	}
	struct stele_serve_load_info info = *stele_serve_next_info(next[0]);
	uint64_t begin = stele_clock_ns();
	if (info.unchanged) {
		images_discard(images, next);
		settle_late(images);
	} else {
		rc = images_publish(images, next, reterr);
	}
	info.grace_ns = stele_clock_ns() - begin;
	hold_file(images, held_fd, name, info.unchanged);
	stele_stats_global_add(images->stats, STELE_GLOBAL_LOADS, 1);
	if (!info.unchanged)
		note_unsaved(images, &info);
	if (ret_info)
		*ret_info = info;
	return rc;
}

int stele_images_load(struct stele_images *images, int fd, const char *name,
		      struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	struct stele_serve_load_info info = {0};
	int rc = images_load_until(images, fd, UINT64_MAX, name, &info, reterr);

	/* Also if a worker has yet to see it: it is served. */
	if (info.serial != 0 && is_other_served(images))
		remember(images, false);
	if (ret_info && !rc)
		*ret_info = info;
	return rc;
}

void stele_images_tidy(struct stele_images *images)
{
	struct stele_error error;

	if (stele_images_move(images, &error) != 0)
		stele_log(STELE_LOG_WARNING, "%s", error.text);
	if (images->current.fd >= 0 && is_old_remembered(images))
		remember(images, false);
	stele_images_save_findings(images);
}

int stele_images_rollback(struct stele_images *images, struct stele_serve_load_info *ret_info,
			  struct stele_error *reterr)
{
	struct stele_serve_next *next[STELE_NODES_MAX] = {NULL};
	int rc = 0;

	images_note_workers(images);
	for (unsigned i = 0; i < images->node_cnt && !rc; i++)
		rc = stele_serve_prepare_rollback(images->serves[i], &next[i], reterr);
	if (rc) {
		images_discard(images, next);
		return images_refuse(images, rc, reterr);
	}
	struct stele_serve_load_info info = *stele_serve_next_info(next[0]);
	rc = images_publish(images, next, reterr);
	if (!rc && ret_info)
		*ret_info = info;
	struct images_file file = images->current;
	images->current = images->previous;
	images->previous = file;
	stele_stats_global_add(images->stats, STELE_GLOBAL_ROLLBACKS, 1);
	remember(images, true);
	stele_images_save_findings(images);
	return rc;
}
