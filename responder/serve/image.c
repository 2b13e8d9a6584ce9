/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/serve/image.h"

#include "lib/base/clock.h"
#include "responder/serve/copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* An image on its way. */
struct making {
	struct stele_arena *arena;
	struct serve_image *image;
	struct stele_directory directory;
	struct stele_stamp stamp; /* of the file, before anything was read */
	bool rested;
	struct serve_mapping *mapping; /* NULL: none is wanted */
	uint32_t shard_cnt;
	struct serve_shard **fresh; /* to be copied; pointers into image->shards' */
	uint32_t *fresh_index;
	uint32_t fresh_cnt;
	struct stele_serve_load_info *info;
	struct stele_error *reterr;
};

/* ---- shards that are here already ---- */

struct known {
	const struct stele_shard_ref *ref;
	struct serve_shard *shard;
};

/* By all that the reference says of the bytes: with the digest alone, a reference could lie about the rest. */
static int compare_refs(const struct stele_shard_ref *a, const struct stele_shard_ref *b)
{
	int order = memcmp(a->digest, b->digest, sizeof(a->digest));
	if (order == 0)
		order = memcmp(&a->size, &b->size, sizeof(a->size));
	if (order == 0)
		order = memcmp(&a->crc, &b->crc, sizeof(a->crc) + sizeof(a->item_cnt));
	return order != 0 ? order : a->kind - b->kind;
}

static int compare_known(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	return compare_refs(x->ref, y->ref);
}

static uint32_t add_known(struct known *known, uint32_t cnt, const struct serve_image *image)
{
	for (uint32_t i = 0; image != NULL && i < image->view.shard_cnt; i++)
		if (image->shards[i] != NULL)
			known[cnt++] =
				(struct known){stele_view_ref(&image->view, i), image->shards[i]};
	return cnt;
}

static struct serve_shard *find_known(const struct known *known, uint32_t cnt,
				      const struct serve_image *base, uint32_t index,
				      const struct stele_shard_ref *ref)
{
	if (base != NULL && index < base->view.shard_cnt && base->shards[index] != NULL &&
	    compare_refs(stele_view_ref(&base->view, index), ref) == 0)
		return base->shards[index];
	struct known wanted = {.ref = ref};
	const struct known *found =
		cnt > 0 ? bsearch(&wanted, known, cnt, sizeof(*known), compare_known) : NULL;
	return found != NULL ? found->shard : NULL;
}

/* ---- room for the others ---- */

/* Lookups may read a little behind a shard. */
static size_t extent_size(const struct serve_shard *shard)
{
	return shard->size + STELE_VIEW_SLACK;
}

static void drop_shard(struct stele_arena *arena, struct serve_shard *shard)
{
	if (shard == NULL || --shard->user_cnt > 0)
		return;
	if (shard->mapping != NULL)
		serve_mapping_drop(shard->mapping);
	else if (shard->bytes != NULL)
		stele_arena_free(arena, (uint8_t *)shard->bytes, extent_size(shard));
	free(shard);
}

/* Takes what is known, and notes what has to be copied. */
static int take_shards(struct making *m, struct serve_image *const bases[2])
{
	uint32_t known_max = 1;
	for (unsigned i = 0; i < 2; i++)
		known_max += bases[i] != NULL ? bases[i]->view.shard_cnt : 0;
	struct known *known = calloc(known_max, sizeof(*known));
	m->image->shards = calloc(m->shard_cnt, sizeof(*m->image->shards));
	m->fresh = calloc(m->shard_cnt, sizeof(*m->fresh));
	m->fresh_index = calloc(m->shard_cnt, sizeof(*m->fresh_index));
	bool whole = known != NULL && m->image->shards != NULL && m->fresh != NULL &&
		     m->fresh_index != NULL;
	uint32_t known_cnt = 0;
	if (whole) {
		known_cnt = add_known(known, add_known(known, 0, bases[0]), bases[1]);
		qsort(known, known_cnt, sizeof(*known), compare_known);
	}
	for (uint32_t i = 0; whole && i < m->shard_cnt; i++) {
		const struct stele_shard_ref *ref = m->directory.refs + i;
		uint64_t size = stele_le64(ref->size);
		if (ref->kind == STELE_SHARD_NONE)
			continue;
		m->info->shard_cnt++;
		struct serve_shard *shard = find_known(known, known_cnt, bases[0], i, ref);
		if (shard != NULL) {
			shard->user_cnt++;
			m->info->shared_cnt++;
			m->info->shared_sz += size;
		} else {
			shard = calloc(1, sizeof(*shard));
			if (shard == NULL) {
				whole = false;
				break;
			}
			*shard = (struct serve_shard){.size = size, .user_cnt = 1};
			m->fresh_index[m->fresh_cnt] = i;
			m->fresh[m->fresh_cnt++] = shard;
			m->info->copied_cnt++;
			m->info->copied_sz += size;
		}
		m->image->shards[i] = shard;
	}
	free(known);
	return whole ? 0 : stele_fail_errno(m->reterr, ENOMEM, "shards of an image");
}

/* Bytes of the arena that would be free without this image. */
static uint64_t exclusive_size(const struct serve_image *image)
{
	uint64_t size = 0;
	for (uint32_t i = 0; image != NULL && i < image->view.shard_cnt; i++)
		if (image->shards[i] != NULL && image->shards[i]->user_cnt == 1)
			size += extent_size(image->shards[i]);
	return size;
}

static int make_room(struct making *m, const struct serve_image *second)
{
	uint64_t need = m->info->copied_sz + (uint64_t)m->fresh_cnt * STELE_VIEW_SLACK;
	struct stele_arena_use use = stele_arena_use(m->arena);
	uint64_t yield = exclusive_size(second);
	if (need > use.free_sz + yield)
		return stele_fail(m->reterr, STELE_E_SYSTEM,
				  "arena of %zu bytes is full: the image needs %" PRIu64
				  " bytes more, %zu are free",
				  use.size, need, use.free_sz);
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < m->fresh_cnt; i++) {
		uint8_t *bytes;
		rc = stele_arena_alloc(m->arena, extent_size(m->fresh[i]), &bytes, m->reterr);
		if (rc == 0)
			m->fresh[i]->bytes = bytes;
	}
	return rc != 0 && yield > 0 ? STELE_E_STALE : rc;
}

/* ---- those that stay in the file ---- */

/* An image that could not be copied afterwards is not to be served now. */
static int expect_room(const struct making *m)
{
	struct stele_arena_use use = stele_arena_use(m->arena);
	uint64_t need = 0;
	for (uint32_t i = 0; i < m->shard_cnt; i++)
		if (m->image->shards[i] != NULL)
			need += (extent_size(m->image->shards[i]) + STELE_ARENA_ALIGN - 1) /
				STELE_ARENA_ALIGN * STELE_ARENA_ALIGN;
	return need <= use.size ?
		       0 :
		       stele_fail(m->reterr, STELE_E_SYSTEM,
				  "an arena of %zu bytes has no room for %" PRIu64 " bytes",
				  use.size, need);
}

static int map_shards(struct making *m, const struct serve_source *source)
{
	uint64_t end = m->directory.root_off + sizeof(struct stele_root);
	int rc = expect_room(m);
	if (rc == 0)
		rc = serve_mapping_open(source->fd, (size_t)end, &m->mapping, m->reterr);
	for (uint32_t i = 0; rc == 0 && i < m->fresh_cnt; i++) {
		struct serve_shard *shard = m->fresh[i];
		uint64_t off = stele_le64(m->directory.refs[m->fresh_index[i]].off);
		/* The root is behind all shards; else lookups would read behind the mapping. */
		if (off > end || end - off < extent_size(shard))
			return stele_fail(m->reterr, STELE_E_INPUT, "a shard behind its root");
		shard->bytes = m->mapping->bytes + off;
		shard->mapping = m->mapping;
		m->mapping->user_cnt++;
	}
	return rc;
}

/* Nobody has changed the file since its digests were compared. */
static bool is_known_file(const struct making *m, const struct serve_source *source)
{
	return source->mapped && source->stamped != NULL &&
	       stele_stamp_same(&source->stamped->stamp, &m->stamp) &&
	       memcmp(source->stamped->image.digest, m->image->identity.digest,
		      STELE_FINDINGS_DIGEST_SZ) == 0;
}

/* What was compared and verified in a mapping is only as good as the file was unchanged meanwhile. */
static int look_again(struct making *m, const struct serve_source *source,
		      struct serve_image *const bases[2])
{
	struct stele_stamp now;
	int rc = stele_stamp_take(source->fd, &now, m->reterr);
	if (rc != 0)
		return rc;
	bool same = stele_stamp_same(&m->stamp, &now);
	/* What was not read now was read for the base. */
	bool all_read = m->info->shared_cnt == 0 ||
			(bases[0] != NULL && bases[0]->stamped &&
			 stele_stamp_same(&bases[0]->stamp, &now) && bases[1] == NULL);
	m->image->stamp = m->stamp;
	m->image->stamped = same && m->rested && all_read;
	if (source->mapped && !same)
		return stele_fail(m->reterr, STELE_E_INPUT, "it changed while it was verified");
	return 0;
}

/* ---- the image ---- */

static int copy_shards(struct making *m, const struct serve_source *source, unsigned threads)
{
	struct copy_job *jobs = calloc(m->fresh_cnt + 1u, sizeof(*jobs));
	if (jobs == NULL)
		return stele_fail_errno(m->reterr, ENOMEM, "copies of shards");
	for (uint32_t i = 0; i < m->fresh_cnt; i++)
		jobs[i] = (struct copy_job){
			.ref = m->directory.refs + m->fresh_index[i],
			.index = m->fresh_index[i],
			.to = source->mapped ? NULL : (uint8_t *)m->fresh[i]->bytes,
			.mapped = source->mapped ? m->fresh[i]->bytes : NULL,
		};
	int rc = serve_copy(source->fd, jobs, m->fresh_cnt, threads, source->given_up, m->reterr);
	free(jobs);
	return rc;
}

static int assemble(struct making *m)
{
	const uint8_t **bases = calloc(m->shard_cnt, sizeof(*bases));
	if (bases == NULL)
		return stele_fail_errno(m->reterr, ENOMEM, "shards of an image");
	for (uint32_t i = 0; i < m->shard_cnt; i++)
		bases[i] = m->image->shards[i] != NULL ? m->image->shards[i]->bytes : NULL;
	int rc = stele_view_assemble(&m->directory, bases, &m->image->view, m->reterr);
	free(bases);
	return rc;
}

static int verify(struct making *m, const struct serve_source *source,
		  const struct serve_image *base, unsigned threads)
{
	if (source->findings != NULL) {
		m->info->recalled = true;
		return stele_findings_take(source->findings, &m->image->view, &m->image->verified,
					   m->reterr);
	}
	struct stele_verify_options options = {
		.threads = threads,
		.digests_checked = true,
		.base = base != NULL ? &base->view : NULL,
		.base_verified = base != NULL ? base->verified : NULL,
		.given_up = source->given_up,
	};
	return stele_view_verify_with(&m->image->view, &options, &m->image->verified,
				      &m->info->incremental, m->reterr);
}

static int read_head(struct making *m, const struct serve_source *source)
{
	int rc = stele_stamp_take(source->fd, &m->stamp, m->reterr);
	m->rested = rc == 0 && stele_stamp_rests(&m->stamp);
	if (rc == 0)
		rc = stele_directory_read_file(source->fd, source->end, &m->directory, NULL,
					       m->reterr);
	if (rc == 0) {
		m->shard_cnt = stele_le32(m->directory.root.shard_cnt);
		rc = stele_findings_image(&m->directory, &m->image->identity, m->reterr);
	}
	if (rc == 0 && source->findings != NULL &&
	    memcmp(source->findings->image.digest, m->image->identity.digest,
		   STELE_FINDINGS_DIGEST_SZ) != 0)
		rc = stele_fail(m->reterr, STELE_E_NOTFOUND, "not the image of the findings");
	return rc;
}

static bool same_root(const struct making *m, const struct serve_image *base)
{
	if (base == NULL || m->info->copied_cnt > 0 || base->view.shard_cnt != m->shard_cnt ||
	    base->view.generation != stele_le64(m->directory.root.generation) ||
	    base->view.root_off != m->directory.root_off)
		return false;
	for (uint32_t i = 0; i < m->shard_cnt; i++)
		if (base->shards[i] != m->image->shards[i])
			return false;
	return true;
}

static int make(struct making *m, const struct serve_source *source,
		struct serve_image *const bases[2], unsigned threads)
{
	struct stele_serve_load_info *info = m->info;
	uint64_t begin = stele_clock_ns();
	int rc = read_head(m, source);
	if (rc == 0)
		rc = take_shards(m, bases);
	uint64_t headed = stele_clock_ns();
	if (rc == 0)
		rc = source->mapped ? map_shards(m, source) : make_room(m, bases[1]);
	if (rc == 0)
		info->known_file = is_known_file(m, source);
	if (rc == 0 && !info->known_file)
		rc = copy_shards(m, source, threads);
	uint64_t copied = stele_clock_ns();
	if (rc == 0)
		info->unchanged = same_root(m, bases[0]);
	if (rc == 0)
		rc = assemble(m);
	if (rc == 0)
		rc = verify(m, source, bases[0], threads);
	if (rc == 0)
		rc = look_again(m, source, bases);
	if (rc != 0)
		return rc;
	m->image->mapped = info->mapped = source->mapped;
	info->head_ns = headed - begin;
	info->copy_ns = copied - headed;
	info->verify_ns = stele_clock_ns() - copied;
	info->generation = m->image->view.generation;
	info->serial = m->image->view.serial;
	snprintf(m->image->name, sizeof(m->image->name), "%s", source->name);
	m->image->loaded_at = (uint64_t)time(NULL);
	return 0;
}

int serve_image_make(struct stele_arena *arena, const struct serve_source *source,
		     struct serve_image *const bases[2], unsigned threads,
		     struct serve_image **ret_image, struct stele_serve_load_info *ret_info,
		     struct stele_error *reterr)
{
	struct stele_error detail = {{0}};
	struct stele_serve_load_info info = {0};
	struct making m = {
		.arena = arena,
		.image = calloc(1, sizeof(*m.image)),
		.info = &info,
		.reterr = &detail,
	};
	if (m.image == NULL)
		return stele_fail_errno(reterr, ENOMEM, "image");
	int rc = make(&m, source, bases, threads);
	/* Until there is a view, the image does not know how many shards it holds. */
	for (uint32_t i = 0; rc != 0 && m.image->shards != NULL && i < m.shard_cnt; i++) {
		drop_shard(arena, m.image->shards[i]);
		m.image->shards[i] = NULL;
	}
	serve_mapping_drop(m.mapping);
	stele_directory_free(&m.directory);
	free(m.fresh);
	free(m.fresh_index);
	if (rc != 0) {
		serve_image_free(arena, m.image);
		return stele_fail(reterr, rc, "%s: %s", source->name, detail.text);
	}
	*ret_image = m.image;
	*ret_info = info;
	return 0;
}

void serve_image_free(struct stele_arena *arena, struct serve_image *image)
{
	if (image == NULL)
		return;
	for (uint32_t i = 0; image->shards != NULL && i < image->view.shard_cnt; i++)
		drop_shard(arena, image->shards[i]);
	stele_verified_free(image->verified);
	stele_view_close(&image->view);
	free(image->shards);
	free(image);
}
