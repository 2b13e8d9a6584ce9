/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/build/gather.h"

#include <stdlib.h>
#include <string.h>

#define ITEM_HEAD_SZ 12

int stele_gather_init(struct stele_gather *gather, uint32_t shard_cnt, uint32_t chunk_sz,
		      struct stele_error *reterr)
{
	*gather = (struct stele_gather){
		.lists = calloc(shard_cnt, sizeof(*gather->lists)),
		.shard_cnt = shard_cnt,
		.chunk_sz = chunk_sz,
	};
	if (gather->lists == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	return 0;
}

void stele_gather_free(struct stele_gather *gather)
{
	for (uint32_t i = 0; gather->lists != NULL && i < gather->shard_cnt; i++)
		stele_gather_list_free(gather->lists + i);
	free(gather->lists);
	*gather = (struct stele_gather){0};
}

static int add_chunk(struct stele_gather_list *list, uint32_t chunk_sz, size_t need,
		     struct stele_error *reterr)
{
	size_t head_sz = sizeof(struct stele_gather_chunk);
	size_t cap = chunk_sz - head_sz > need ? chunk_sz - head_sz : need;
	struct stele_gather_chunk *chunk = malloc(head_sz + cap);
	if (chunk == NULL) {
		stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
		return STELE_E_SYSTEM;
	}
	*chunk = (struct stele_gather_chunk){.next = list->last, .cap = (uint32_t)cap};
	list->last = chunk;
	return 0;
}

int stele_gather_add(struct stele_gather *gather, uint32_t shard, uint64_t key,
		     const uint8_t *record, size_t record_sz, struct stele_error *reterr)
{
	struct stele_gather_list *list = gather->lists + shard;
	size_t need = ITEM_HEAD_SZ + record_sz;
	if (list->last == NULL || list->last->cap - list->last->len < need) {
		int rc = add_chunk(list, gather->chunk_sz, need, reterr);
		if (rc < 0)
			return rc;
	}
	struct stele_gather_chunk *chunk = list->last;
	uint8_t *to = chunk->bytes + chunk->len;
	stele_put_le64(to, key);
	stele_put_le32(to + 8, (uint32_t)record_sz);
	memcpy(to + ITEM_HEAD_SZ, record, record_sz);
	chunk->len += (uint32_t)need;
	list->records_sz += record_sz;
	list->item_cnt++;
	return 0;
}

struct stele_pack_item *stele_gather_items(const struct stele_gather_list *list,
					   struct stele_pack_item *items)
{
	for (const struct stele_gather_chunk *chunk = list->last; chunk != NULL;
	     chunk = chunk->next) {
		for (uint32_t at = 0; at < chunk->len; items++) {
			const uint8_t *p = chunk->bytes + at;
			*items = (struct stele_pack_item){
				.key = stele_get_le64(p),
				.record = p + ITEM_HEAD_SZ,
				.record_sz = stele_get_le32(p + 8),
			};
			at += ITEM_HEAD_SZ + items->record_sz;
		}
	}
	return items;
}

void stele_gather_list_free(struct stele_gather_list *list)
{
	while (list->last != NULL) {
		struct stele_gather_chunk *next = list->last->next;
		free(list->last);
		list->last = next;
	}
	*list = (struct stele_gather_list){0};
}
