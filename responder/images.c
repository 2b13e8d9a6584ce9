/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/images.h"

#include "lib/daemon/log.h"
#include "responder/serve/state.h"
#include "responder/serve/findings_file.h"

#include <fcntl.h>
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

/* The zones of the current image, as they are counted. */
struct zone_set {
	struct stele_stats_zone *zones;
	uint32_t *slots;
	size_t cnt;
	/* One for each node: the serial of a view is its own. */
	struct stele_worker_zones nodes[STELE_NODES_MAX];
	struct stele_stats_zone_map *map;
};

/* The file of an image that is kept: what is needed to remember it. */
struct file {
	int fd; /* -1: none */
	char path[4096];
};

struct stele_images {
	const struct stele_responder_config *config;
	struct stele_stats *stats;
	unsigned node_cnt;
	int nodes[STELE_NODES_MAX];
	struct stele_serve *serves[STELE_NODES_MAX];
	struct stele_worker *const *workers;
	unsigned worker_cnt;
	struct zone_set *zones;
	struct file current, previous;
	uint64_t unsaved_sz; /* bytes verified since findings were saved; UINT64_MAX: none were */
	struct stat saved;   /* the file that it is about */

	pthread_mutex_t lock; /* over `status`, and over who looks at `zones` */
	struct stele_serve_status status;
};

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

static void note_status(struct stele_images *images)
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

const struct stele_serve_root *stele_images_root(const struct stele_images *images, int node)
{
	unsigned i = 0;

	while (i + 1 < images->node_cnt && images->nodes[i] != node)
		i++;
	return stele_serve_root(images->serves[i]);
}

int stele_images_open(const struct stele_responder_config *config, const int *nodes,
		      unsigned node_cnt, struct stele_stats *stats,
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
	note_status(images);
	stele_log(STELE_LOG_INFO, "images are kept in %llu MB of %s",
		  (unsigned long long)(images->status.arena.size >> 20),
		  stele_arena_pages_text(images->status.arena.pages));
	*ret_images = images;
	return 0;
}

static void free_zone_set(struct zone_set *set)
{
	if (!set)
		return;
	stele_stats_zone_map_free(set->map);
	free(set->zones);
	free(set->slots);
	free(set);
}

void stele_images_close(struct stele_images *images)
{
	if (!images)
		return;
	for (unsigned i = 0; i < images->node_cnt; i++)
		stele_serve_close(images->serves[i]);
	free_zone_set(images->zones);
	if (images->current.fd >= 0)
		close(images->current.fd);
	if (images->previous.fd >= 0)
		close(images->previous.fd);
	pthread_mutex_destroy(&images->lock);
	free(images);
}

/* ---- zones ---- */

struct gathering {
	struct zone_set *set;
	size_t room;
	uint64_t generation;
};

static int gather(void *user, const struct stele_serve_zone *zone)
{
	struct gathering *g = user;
	struct stele_stats_zone *entry;

	if (g->set->cnt == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		void *grown = realloc(g->set->zones, room * sizeof(*g->set->zones));
		if (!grown)
			return STELE_E_SYSTEM;
		g->set->zones = grown;
		g->room = room;
	}
	entry = &g->set->zones[g->set->cnt++];
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->name, zone->apex, zone->apex_len);
	entry->name_len = zone->apex_len;
	entry->serial = zone->serial;
	entry->zone_id = zone->zone_id;
	entry->generation = g->generation;
	return 0;
}

static int make_zone_set(struct stele_images *images, struct zone_set **ret_set,
			 struct stele_error *reterr)
{
	struct gathering g = {.set = calloc(1, sizeof(*g.set))};
	int rc;

	if (!g.set)
		goto no_memory;
	g.generation = images->status.current.generation;
	if (stele_serve_zones(images->serves[0], gather, &g) != 0)
		goto no_memory;
	g.set->slots = calloc(g.set->cnt + 1, sizeof(*g.set->slots));
	if (!g.set->slots)
		goto no_memory;
	rc = stele_stats_zones_assign(images->stats, g.set->zones, g.set->cnt, g.set->slots,
				      reterr);
	if (!rc)
		rc = stele_stats_zone_map_new(g.set->zones, g.set->slots, g.set->cnt, &g.set->map,
					      reterr);
	if (rc) {
		free_zone_set(g.set);
		return rc;
	}
	for (unsigned i = 0; i < images->node_cnt; i++) {
		struct stele_serve_status status;
		stele_serve_status(images->serves[i], &status);
		g.set->nodes[i].view_serial = status.current.serial;
		g.set->nodes[i].map = g.set->map;
	}
	*ret_set = g.set;
	return 0;
no_memory:
	free_zone_set(g.set);
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the zones of an image");
}

static const struct stele_worker_zones *zones_for(const struct stele_images *images,
						  const struct zone_set *set, int node)
{
	unsigned i = 0;

	while (i + 1 < images->node_cnt && images->nodes[i] != node)
		i++;
	return &set->nodes[i];
}

/*
 * Until a worker has the new zones, it counts replies from the new image in the row for all that
 * have none of their own. To count queries late is no reason to serve them late.
 */
static void renew_zones(struct stele_images *images)
{
	const struct stele_worker_zones *old;
	struct stele_error error;
	struct zone_set *set = NULL;

	if (make_zone_set(images, &set, &error) != 0) {
		stele_log(STELE_LOG_WARNING, "zones are not counted one by one: %s", error.text);
		return;
	}
	for (unsigned i = 0; i < images->worker_cnt; i++)
		stele_worker_set_zones(
			images->workers[i],
			zones_for(images, set, stele_worker_node(images->workers[i])), &old);
	urcu_qsbr_synchronize_rcu();
	stele_stats_zones_settle(images->stats, set->zones, set->slots, set->cnt);
	pthread_mutex_lock(&images->lock);
	struct zone_set *gone = images->zones;
	images->zones = set;
	pthread_mutex_unlock(&images->lock);
	free_zone_set(gone);
}

bool stele_images_serial(struct stele_images *images, const uint8_t *apex, size_t apex_len,
			 uint32_t *ret_serial, uint64_t *ret_generation)
{
	bool found = false;

	pthread_mutex_lock(&images->lock);
	const struct zone_set *set = images->zones;
	for (size_t i = 0; set && i < set->cnt && !found; i++) {
		const struct stele_stats_zone *zone = &set->zones[i];
		found = zone->name_len == apex_len && memcmp(zone->name, apex, apex_len) == 0;
		if (found) {
			*ret_serial = zone->serial;
			*ret_generation = zone->generation;
		}
	}
	pthread_mutex_unlock(&images->lock);
	return found;
}

void stele_images_attach(struct stele_images *images, struct stele_worker *const *workers,
			 unsigned worker_cnt)
{
	images->workers = workers;
	images->worker_cnt = worker_cnt;
}

/* ---- loading ---- */

/* `exact`: not what the compiler may have appended to the file since. */
static void remember(const struct stele_images *images, bool exact)
{
	struct stele_error error;

	if (images->current.fd >= 0 &&
	    stele_state_remember(images->config->state_dir, images->current.fd,
				 images->current.path, images->status.current.root_off, exact,
				 &error) != 0)
		stele_log(STELE_LOG_WARNING,
			  "the image is served, but will not be remembered at the next start: %s",
			  error.text);
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
	struct stat file;

	if (images->current.fd < 0 ||
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

static void hold_file(struct stele_images *images, int fd, const char *path, bool replaces)
{
	struct file *gone = replaces ? &images->current : &images->previous;

	if (gone->fd >= 0)
		close(gone->fd);
	if (!replaces)
		images->previous = images->current;
	images->current.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	snprintf(images->current.path, sizeof(images->current.path), "%s", path);
}

static int load_until(struct stele_images *images, int fd, uint64_t end, const char *name,
		      struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	struct stele_serve_load_info info = {0};
	int rc = 0;
	unsigned i;

	for (i = 0; i < images->node_cnt && !rc; i++)
		rc = stele_serve_load_until(images->serves[i], fd, end, name, &info, reterr);
	if (rc) {
		/* The nodes before the one that refused. */
		for (unsigned back = 0; back + 1 < i && !info.unchanged; back++)
			stele_serve_rollback(images->serves[back], NULL, NULL);
		stele_stats_global_add(images->stats, STELE_GLOBAL_LOADS_REFUSED, 1);
		note_status(images);
		return rc;
	}
	hold_file(images, fd, name, info.unchanged);
	stele_stats_global_add(images->stats, STELE_GLOBAL_LOADS, 1);
	note_status(images);
	if (!info.unchanged) {
		note_unsaved(images, &info);
		renew_zones(images);
	}
	if (ret_info)
		*ret_info = info;
	return 0;
}

int stele_images_load(struct stele_images *images, int fd, const char *name,
		      struct stele_serve_load_info *ret_info, struct stele_error *reterr)
{
	int rc = load_until(images, fd, UINT64_MAX, name, ret_info, reterr);

	if (!rc) {
		remember(images, false);
		stele_images_save_findings(images);
	}
	return rc;
}

int stele_images_rollback(struct stele_images *images, struct stele_serve_load_info *ret_info,
			  struct stele_error *reterr)
{
	int rc = 0;

	for (unsigned i = 0; i < images->node_cnt && !rc; i++)
		rc = stele_serve_rollback(images->serves[i], ret_info, reterr);
	if (rc)
		return rc;
	struct file file = images->current;
	images->current = images->previous;
	images->previous = file;
	stele_stats_global_add(images->stats, STELE_GLOBAL_ROLLBACKS, 1);
	note_status(images);
	renew_zones(images);
	remember(images, true);
	stele_images_save_findings(images);
	return 0;
}

static void trust(const struct stele_images *images, const struct stele_findings *findings)
{
	for (unsigned i = 0; i < images->node_cnt; i++)
		stele_serve_trust(images->serves[i], findings);
}

/* The first of the candidates that can be served. */
static int restore(struct stele_images *images, const struct stele_state_candidates *candidates,
		   bool *ret_recalled, struct stele_error *reterr)
{
	int rc = STELE_E_NOTFOUND;

	for (unsigned i = 0; i < candidates->cnt && rc; i++) {
		const struct stele_state_candidate *candidate = &candidates->all[i];
		struct stele_serve_load_info info = {0};
		rc = load_until(images, candidate->fd, candidate->end, candidate->name, &info,
				reterr);
		*ret_recalled = info.recalled;
		if (rc)
			stele_log(STELE_LOG_ERROR, "%s, %s, is refused: %s", candidate->why,
				  candidate->name, reterr->text);
		else
			stele_log(STELE_LOG_DEBUG, "serves %s%s", candidate->why,
				  info.recalled ? ", verified before" : "");
	}
	return rc;
}

int stele_images_restore(struct stele_images *images, struct stele_error *reterr)
{
	struct stele_state_candidates *candidates = malloc(sizeof(*candidates));
	struct stele_findings findings = {.bytes = NULL};
	struct stele_error left_out;
	bool recalled = false;

	if (!candidates)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	left_out.text[0] = '\0';
	stele_state_recall(images->config->state_dir, images->config->image, candidates, &left_out);
	if (left_out.text[0])
		stele_log(STELE_LOG_WARNING, "%s", left_out.text);
	int rc = stele_findings_load(images->config->state_dir, &findings, &left_out);
	if (!rc)
		trust(images, &findings);
	else if (rc != STELE_E_NOTFOUND && candidates->cnt > 0)
		stele_log(STELE_LOG_WARNING, "the whole image is verified again: %s",
			  left_out.text);
	rc = restore(images, candidates, &recalled, reterr);
	trust(images, NULL);
	stele_findings_close(&findings);
	/* Findings that served are about this file. */
	if (recalled && fstat(images->current.fd, &images->saved) != 0)
		images->unsaved_sz = UINT64_MAX;
	if (candidates->cnt == 0)
		rc = stele_fail(reterr, rc, "there is no image yet, neither %s nor one in %s",
				images->config->image, images->config->state_dir);
	stele_state_candidates_close(candidates);
	free(candidates);
	return rc;
}
