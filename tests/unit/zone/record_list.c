/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/zone/record_list.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"
#include "lib/zone/zone.h"

#include <stdlib.h>
#include <string.h>

const uint8_t apex[9] = "\7example";
const char source[7] = "a test";

struct list list_clone(const struct list *list)
{
	struct list copy = {malloc((list->cnt + 1) * sizeof(struct rr)), list->cnt};
	if (list->cnt > 0)
		memcpy(copy.rrs, list->rrs, list->cnt * sizeof(struct rr));
	return copy;
}

uint16_t set_of(const struct rr *rr)
{
	return rr->type == STELE_TYPE_RRSIG ? stele_get_be16(rr->rdata) : rr->type;
}

bool same_owner(const struct rr *a, const struct rr *b)
{
	return a->owner_len == b->owner_len && memcmp(a->owner, b->owner, a->owner_len) == 0;
}

size_t list_find(const struct list *list, const struct rr *rr)
{
	for (size_t i = 0; i < list->cnt; i++) {
		const struct rr *other = &list->rrs[i];
		if (same_owner(other, rr) && other->type == rr->type &&
		    stele_rdata_compare(rr->type, other->rdata, other->len, rr->rdata, rr->len) ==
			    0)
			return i;
	}
	return SIZE_MAX;
}

void list_add(struct list *list, const struct rr *rr, bool lenient)
{
	if (list_find(list, rr) == SIZE_MAX) {
		list->rrs = realloc(list->rrs, (list->cnt + 1) * sizeof(struct rr));
		list->rrs[list->cnt++] = *rr;
	}
	for (size_t i = 0; lenient && i < list->cnt; i++)
		if (same_owner(&list->rrs[i], rr) && list->rrs[i].type == rr->type &&
		    set_of(&list->rrs[i]) == set_of(rr))
			list->rrs[i].ttl = rr->ttl;
}

void list_remove(struct list *list, size_t at)
{
	list->cnt--;
	memmove(&list->rrs[at], &list->rrs[at + 1], (list->cnt - at) * sizeof(struct rr));
}

unsigned list_count(const struct list *list, const struct rr *like)
{
	unsigned cnt = 0;
	for (size_t i = 0; i < list->cnt; i++)
		cnt += same_owner(&list->rrs[i], like) && list->rrs[i].type == like->type;
	return cnt;
}

void list_remove_set(struct list *list, const struct rr *like, bool whole)
{
	bool is_apex = like->owner_len == sizeof(apex);
	for (size_t i = list->cnt; i-- > 0;) {
		const struct rr *rr = &list->rrs[i];
		uint16_t set = set_of(rr);
		bool goes = like->type == STELE_TYPE_RRSIG ? rr->type == STELE_TYPE_RRSIG :
							     set == like->type;
		if (whole)
			goes = !is_apex || (set != STELE_TYPE_SOA && set != STELE_TYPE_NS);
		if (goes && same_owner(rr, like))
			list_remove(list, i);
	}
}

void list_delete(struct list *list, const struct rr *rr, bool lenient)
{
	size_t at = list_find(list, rr);
	if (at == SIZE_MAX)
		return;
	list_remove(list, at);
	if (lenient && rr->type != STELE_TYPE_RRSIG && list_count(list, rr) == 0)
		list_remove_set(list, rr, false);
}

void level_ttls(struct list *list)
{
	for (size_t i = 0; i < list->cnt; i++) {
		struct rr *rr = &list->rrs[i];
		uint32_t ttl = UINT32_MAX, sig_ttl = UINT32_MAX;
		for (size_t k = 0; k < list->cnt; k++) {
			const struct rr *other = &list->rrs[k];
			if (!same_owner(rr, other) || set_of(rr) != set_of(other))
				continue;
			uint32_t *lowest = other->type == STELE_TYPE_RRSIG ? &sig_ttl : &ttl;
			if (other->ttl < *lowest)
				*lowest = other->ttl;
		}
		rr->ttl = ttl != UINT32_MAX ? ttl : sig_ttl;
	}
}

void drop_lost_signatures(struct list *list)
{
	for (size_t i = list->cnt; i-- > 0;) {
		struct rr like = list->rrs[i];
		if (like.type != STELE_TYPE_RRSIG || set_of(&like) != STELE_TYPE_NSEC3)
			continue;
		like.type = STELE_TYPE_NSEC3;
		if (list_count(list, &like) == 0)
			list_remove(list, i);
	}
}

static const char *no_name(const void *user, uint16_t file)
{
	(void)user;
	(void)file;
	return source;
}

int write_list(struct stele_store_write *write, const struct list *list,
	       struct stele_zone_info *ret_info)
{
	struct stele_zone_data data = {0};
	struct stele_zone_stats stats;
	struct stele_report report = {0};
	struct stele_error err;
	for (size_t i = 0; i < list->cnt; i++) {
		const struct rr *rr = &list->rrs[i];
		uint8_t key[STELE_SORT_KEY_MAX];
		struct stele_record record = {.type = rr->type,
					      .rdata_len = (uint16_t)rr->len,
					      .ttl = rr->ttl,
					      .rdata = rr->rdata};
		if (stele_zone_data_add(&data, key,
					stele_sort_key(rr->owner, rr->owner_len - 1, key), false, 0,
					&record) < 0)
			abort();
	}
	struct stele_zone_input input = {.data = &data,
					 .apex = apex,
					 .apex_len = sizeof(apex),
					 .report = &report,
					 .file_name = no_name};
	int status = stele_zone_data_sort(&data, apex, sizeof(apex));
	if (status == 0)
		status = stele_zone_write(&input, NULL, write, &stats, &err);
	if (status == 0 && ret_info != NULL)
		status = stele_store_zone_find(stele_store_write_view(write), apex, ret_info, &err);
	stele_zone_data_free(&data);
	return status;
}
