/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/records.h"

#include "lib/base/error.h"

#include <stdlib.h>
#include <string.h>

/* Both heads are copied in and out: groups and records stand at any address. */
struct group_head {
	uint32_t sz; /* of the group, head and key included */
	uint16_t key_len;
	uint16_t file;
};

struct record_head {
	uint16_t type;
	uint16_t rdata_len;
	uint32_t ttl;
	uint32_t line;
	uint16_t column;
};

_Static_assert(sizeof(struct group_head) == 8, "the head of a group");

/* Without the padding at its end. */
#define RECORD_HEAD_SZ (offsetof(struct record_head, column) + sizeof(uint16_t))
_Static_assert(RECORD_HEAD_SZ == 14, "the head of a record");

/* A group that grows beyond this is closed and another with the same owner begun. */
#define GROUP_MAX (UINT32_C(1) << 30)
#define ROOM_FIRST ((size_t)1 << 16)

void stele_records_free(struct stele_records *records)
{
	free(records->bytes);
	free(records->index);
	*records = (struct stele_records){0};
}

void stele_records_clear(struct stele_records *records)
{
	free(records->index);
	*records = (struct stele_records){.bytes = records->bytes, .room = records->room};
}

/* Large blocks move by remapping, not by copying, and cost memory only where written to. */
static int make_room(struct stele_records *records, size_t need)
{
	size_t room = records->room == 0 ? ROOM_FIRST : records->room;
	while (room - records->sz < need)
		room *= 2;
	uint8_t *bytes = realloc(records->bytes, room);
	if (bytes == NULL)
		return STELE_E_SYSTEM;
	records->bytes = bytes;
	records->room = room;
	return 0;
}

static struct group_head get_head(const struct stele_records *records, size_t group)
{
	struct group_head head;
	memcpy(&head, records->bytes + group, sizeof(head));
	return head;
}

static bool begin_group(struct stele_records *records, const uint8_t *key, size_t key_len,
			bool same_owner, uint16_t file)
{
	if (records->group_cnt == 0) {
		records->sorted = true;
		return true;
	}
	struct group_head head = get_head(records, records->group);
	const uint8_t *last = records->bytes + records->group + sizeof(head);
	if (!same_owner) {
		int order = stele_sort_key_compare(last, head.key_len, key, key_len);
		if (order > 0)
			records->sorted = false;
		if (order != 0)
			return true;
	}
	return head.file != file || head.sz > GROUP_MAX;
}

int stele_records_add(struct stele_records *records, const uint8_t *key, size_t key_len,
		      bool same_owner, uint16_t file, const struct stele_record *record)
{
	size_t most = sizeof(struct group_head) + key_len + RECORD_HEAD_SZ + record->rdata_len;
	if (records->room - records->sz < most && make_room(records, most) < 0)
		return STELE_E_SYSTEM;
	uint8_t *out = records->bytes + records->sz;
	struct group_head head = {0};
	if (begin_group(records, key, key_len, same_owner, file)) {
		head = (struct group_head){(uint32_t)(sizeof(head) + key_len), (uint16_t)key_len,
					   file};
		records->group = records->sz;
		records->group_cnt++;
		memcpy(out + sizeof(head), key, key_len);
		out += head.sz;
	} else {
		head = get_head(records, records->group);
	}
	struct record_head rr = {record->type, record->rdata_len, record->ttl, record->line,
				 record->column};
	memcpy(out, &rr, RECORD_HEAD_SZ);
	memcpy(out + RECORD_HEAD_SZ, record->rdata, record->rdata_len);
	head.sz += (uint32_t)RECORD_HEAD_SZ + record->rdata_len;
	memcpy(records->bytes + records->group, &head, sizeof(head));
	records->sz = records->group + head.sz;
	records->rr_cnt++;
	return 0;
}

static void open_group(const struct stele_records *records, size_t group,
		       struct stele_records_group *ret_group)
{
	struct group_head head = get_head(records, group);
	const uint8_t *key = records->bytes + group + sizeof(head);
	*ret_group = (struct stele_records_group){
		.key = key,
		.key_len = head.key_len,
		.file = head.file,
		.p = key + head.key_len,
		.end = records->bytes + group + head.sz,
	};
}

bool stele_records_next_group(const struct stele_records *records, uint64_t *at,
			      struct stele_records_group *ret_group)
{
	if (records->index != NULL) {
		if (*at >= records->group_cnt)
			return false;
		/* In file order the next groups are near one another; here they may not be. */
		if (*at + 8 < records->group_cnt)
			__builtin_prefetch(records->bytes + records->index[*at + 8].group);
		open_group(records, records->index[(*at)++].group, ret_group);
		return true;
	}
	if (*at >= records->sz)
		return false;
	open_group(records, *at, ret_group);
	*at = (uint64_t)(ret_group->end - records->bytes);
	return true;
}

bool stele_records_next(struct stele_records_group *group, struct stele_record *ret_record)
{
	if (group->p == group->end)
		return false;
	struct record_head rr;
	memcpy(&rr, group->p, RECORD_HEAD_SZ);
	*ret_record = (struct stele_record){
		.type = rr.type,
		.rdata_len = rr.rdata_len,
		.ttl = rr.ttl,
		.line = rr.line,
		.column = rr.column,
		.rdata = group->p + RECORD_HEAD_SZ,
	};
	group->p += RECORD_HEAD_SZ + rr.rdata_len;
	return true;
}

/* ---- sorting ---- */

static uint64_t prefix_of(const struct stele_records_group *group, size_t apex_len)
{
	uint64_t prefix = 0;
	for (size_t i = 0; i < 8; i++) {
		size_t at = apex_len + i;
		prefix = prefix << 8 | (at < group->key_len ? group->key[at] : 0);
	}
	return prefix;
}

/*
 * In the zone the order of keys; ties in the order of the file. Owners outside of it come somewhere,
 * but those with the same key together, which is enough to refuse them.
 */
static bool is_before(const struct stele_records *records, const struct stele_records_entry *a,
		      const struct stele_records_entry *b)
{
	struct group_head head_a, head_b;
	if (a->prefix != b->prefix)
		return a->prefix < b->prefix;
	head_a = get_head(records, a->group);
	head_b = get_head(records, b->group);
	int order =
		stele_sort_key_compare(records->bytes + a->group + sizeof(head_a), head_a.key_len,
				       records->bytes + b->group + sizeof(head_b), head_b.key_len);
	return order != 0 ? order < 0 : a->group < b->group;
}

/* Length of the ascending stretch that begins at `from`. */
static size_t stretch(const struct stele_records *records,
		      const struct stele_records_entry *entries, size_t from, size_t cnt)
{
	size_t at = from + 1;
	while (at < cnt && is_before(records, &entries[at - 1], &entries[at]))
		at++;
	return at - from;
}

/* One pass: merges neighbouring stretches pairwise into `to`. Returns how many stretches there were. */
static size_t merge_pass(const struct stele_records *records,
			 const struct stele_records_entry *from, struct stele_records_entry *to,
			 size_t cnt)
{
	size_t at = 0, stretches = 0;
	while (at < cnt) {
		size_t middle = at + stretch(records, from, at, cnt);
		size_t end = middle;
		stretches++;
		if (middle < cnt) {
			end = middle + stretch(records, from, middle, cnt);
			stretches++;
		}
		size_t a = at, b = middle;
		for (size_t out = at; out < end; out++) {
			bool left = b == end ||
				    (a < middle && is_before(records, &from[a], &from[b]));
			to[out] = left ? from[a++] : from[b++];
		}
		at = end;
	}
	return stretches;
}

int stele_records_sort(struct stele_records *records, size_t apex_len)
{
	if (records->sorted || records->group_cnt < 2)
		return 0;
	size_t cnt = records->group_cnt;
	struct stele_records_entry *a = calloc(cnt, sizeof(*a));
	struct stele_records_entry *b = calloc(cnt, sizeof(*b));
	if (a == NULL || b == NULL) {
		free(a);
		free(b);
		return STELE_E_SYSTEM;
	}
	struct stele_records_group group;
	uint64_t at = 0;
	for (size_t i = 0; i < cnt; i++) {
		a[i].group = at;
		if (!stele_records_next_group(records, &at, &group))
			break;
		a[i].prefix = prefix_of(&group, apex_len);
	}
	while (merge_pass(records, a, b, cnt) > 2) {
		struct stele_records_entry *swap = a;
		a = b;
		b = swap;
	}
	free(a);
	records->index = b;
	return 0;
}
