/* SPDX-License-Identifier: Apache-2.0 */
/* What is served: images, memory, zones. */
#include "responder/serve/internal.h"

#include "lib/dns/name.h"

#include <string.h>

void serve_count_shards(const struct serve_image *image, uint32_t *ret_cnt, uint64_t *ret_sz)
{
	*ret_cnt = 0;
	*ret_sz = 0;
	for (uint32_t i = 0; i < image->view.shard_cnt; i++) {
		*ret_cnt += image->shards[i] != NULL;
		*ret_sz += image->shards[i] != NULL ? image->shards[i]->size : 0;
	}
}

static void describe(const struct serve_image *image, struct stele_serve_image *out)
{
	const struct stele_view *view = &image->view;
	*out = (struct stele_serve_image){
		.generation = view->generation,
		.serial = view->serial,
		.root_off = view->root_off,
		.name_cnt = view->name_cnt,
		.rr_cnt = view->rr_cnt,
		.zone_cnt = view->zone_cnt,
		.loaded_at = image->loaded_at,
		.mapped = image->mapped,
	};
	memcpy(out->name, image->name, sizeof(out->name));
	serve_count_shards(image, &out->shard_cnt, &out->shards_sz);
	for (uint32_t i = 0; i < view->shard_cnt; i++)
		if (image->shards[i] != NULL && image->shards[i]->user_cnt == 1)
			out->exclusive_sz += image->shards[i]->size;
}

void stele_serve_status(const struct stele_serve *serve, struct stele_serve_status *ret_status)
{
	*ret_status = (struct stele_serve_status){
		.has_current = serve->current != NULL,
		.has_previous = serve->previous != NULL,
		.arena = stele_arena_use(serve->arena),
		.load_cnt = serve->load_cnt,
		.refused_cnt = serve->refused_cnt,
	};
	if (serve->current != NULL)
		describe(serve->current, &ret_status->current);
	if (serve->previous != NULL)
		describe(serve->previous, &ret_status->previous);
}

static struct stele_serve_zone describe_zone(const uint8_t *record)
{
	const struct stele_zone *head = (const void *)record;
	return (struct stele_serve_zone){
		.apex = record + sizeof(*head),
		.apex_len = head->apex_len,
		.expired = (head->flags & STELE_ZONE_EXPIRED) != 0,
		.chain_kind = head->chain_kind,
		.zone_id = stele_le32(head->zone_id),
		.serial = stele_le32(head->serial),
		.name_cnt = stele_le64(head->node_cnt),
		.rr_cnt = stele_le64(head->rr_cnt),
	};
}

int stele_serve_zones(const struct stele_serve *serve,
		      int (*visit)(void *user, const struct stele_serve_zone *zone), void *user)
{
	return serve->current == NULL ? 0 :
					stele_serve_view_zones(&serve->current->view, visit, user);
}

int stele_serve_view_zones(const struct stele_view *view,
			   int (*visit)(void *user, const struct stele_serve_zone *zone),
			   void *user)
{
	for (uint64_t s = 0; s < UINT64_C(1) << view->zone_bits; s++) {
		const struct stele_view_shard *shard = view->shards + view->zone_first + s;
		for (uint32_t i = 0; i < stele_view_slot_cnt(shard); i++) {
			const uint8_t *record = stele_view_slot_record(shard, i);
			if (record == NULL)
				continue;
			struct stele_serve_zone zone = describe_zone(record);
			int rc = visit(user, &zone);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

int stele_serve_zone(const struct stele_serve *serve, const uint8_t *apex, size_t apex_len,
		     struct stele_serve_zone *ret_zone)
{
	const struct stele_zone *zone =
		serve->current != NULL ? stele_view_zone(&serve->current->view, apex, apex_len) :
					 NULL;
	if (zone == NULL)
		return STELE_E_NOTFOUND;
	*ret_zone = describe_zone((const uint8_t *)zone);
	return 0;
}
