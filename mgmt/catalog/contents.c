/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/catalog/contents.h"

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char version[] = "\7version";

struct reading {
	struct stele_catalog_contents *contents;
	size_t cap;
	const struct stele_zone_info *info;
	bool has_version;
	struct stele_error *reterr;
};

/* `name` is below the apex, and leaves room for it: see read_node() and stele_catalog_read(). */
static int broken(struct reading *r, const char *name, size_t name_len, const char *what)
{
	uint8_t whole[STELE_NAME_MAX];
	char text[STELE_NAME_TEXT_MAX];
	assert(name_len + r->info->apex_len <= sizeof(whole));
	memcpy(whole, name, name_len);
	memcpy(whole + name_len, r->info->apex, r->info->apex_len);
	stele_name_to_text(whole, text);
	return stele_fail(r->reterr, STELE_E_INPUT, "broken catalog: %s %s", text, what);
}

/* ---- single properties ---- */

static int read_version(struct reading *r, const uint8_t *rel, size_t rel_len, const uint8_t *node,
			size_t node_sz)
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(node, node_sz, STELE_TYPE_TXT, &rrset) || rrset.rr_cnt == 0)
		return 0;
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	if (rrset.rr_cnt != 1)
		return broken(r, (const char *)rel, rel_len, "has more than one record");
	if (rr.rdata_len != 2 || memcmp(rr.rdata,
					"\1"
					"2",
					2) != 0)
		return broken(r, (const char *)rel, rel_len,
			      "is none that is known (only \"2\" is)");
	r->has_version = true;
	return 0;
}

/* 1 with the name of the only PTR, in lower case; 0 without one. */
static int read_pointer(struct reading *r, const uint8_t *rel, size_t rel_len, const uint8_t *node,
			size_t node_sz, uint8_t ret_name[STELE_NAME_MAX])
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(node, node_sz, STELE_TYPE_PTR, &rrset) || rrset.rr_cnt == 0)
		return 0;
	if (rrset.rr_cnt != 1)
		return broken(r, (const char *)rel, rel_len, "has more than one PTR");
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	if (stele_name_length(rr.rdata, rr.rdata_len) != rr.rdata_len)
		return broken(r, (const char *)rel, rel_len, "has a malformed PTR");
	stele_name_lower(ret_name, rr.rdata, rr.rdata_len);
	return 1;
}

/* The strings of a TXT, one behind the other, as text; NULL if memory is out. */
static char *join_strings(const struct stele_node_rr *rr)
{
	char *text = malloc(rr->rdata_len + 1u), *to = text;
	for (size_t at = 0; text != NULL && at < rr->rdata_len;) {
		size_t len = rr->rdata[at++];
		if (len > rr->rdata_len - at)
			len = rr->rdata_len - at;
		memcpy(to, rr->rdata + at, len);
		to += len;
		at += len;
	}
	if (text != NULL)
		*to = '\0';
	return text;
}

static int read_groups(struct reading *r, struct stele_catalog_member *member, const uint8_t *node,
		       size_t node_sz)
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(node, node_sz, STELE_TYPE_TXT, &rrset))
		return 0;
	const uint8_t *p = rrset.data;
	for (unsigned i = 0; i < rrset.rr_cnt && i < STELE_CATALOG_GROUPS_MAX; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		member->groups[i] = join_strings(&rr);
		if (member->groups[i] == NULL)
			return stele_fail(r->reterr, STELE_E_SYSTEM, "out of memory");
		member->group_cnt++;
	}
	return 0;
}

/* ---- nodes ---- */

static int read_member(struct reading *r, const uint8_t *rel, size_t rel_len, const uint8_t *node,
		       size_t node_sz)
{
	struct stele_catalog_contents *contents = r->contents;
	uint8_t apex[STELE_NAME_MAX];
	int status = read_pointer(r, rel, rel_len, node, node_sz, apex);
	if (status != 1)
		return status;
	if (contents->member_cnt == r->cap) {
		size_t cap = r->cap > 0 ? 2 * r->cap : 64;
		struct stele_catalog_member *members =
			reallocarray(contents->members, cap, sizeof(*members));
		if (members == NULL)
			return stele_fail(r->reterr, STELE_E_SYSTEM, "out of memory");
		contents->members = members;
		r->cap = cap;
	}
	struct stele_catalog_member *member = &contents->members[contents->member_cnt++];
	memset(member, 0, sizeof(*member));
	member->apex_len = (uint8_t)stele_name_length(apex, sizeof(apex));
	memcpy(member->apex, apex, member->apex_len);
	memcpy(member->node, rel, rel_len);
	memcpy(member->node + rel_len, r->info->apex, r->info->apex_len);
	return 0;
}

/* Below a member's node, which came last of its kind: in canonical order it stands before them. */
static int read_property(struct reading *r, const uint8_t *rel, size_t rel_len, const uint8_t *node,
			 size_t node_sz)
{
	struct stele_catalog_contents *contents = r->contents;
	const uint8_t *parent = rel + rel[0] + 1;
	if (contents->member_cnt == 0)
		return 0;
	struct stele_catalog_member *member = &contents->members[contents->member_cnt - 1];
	if (memcmp(member->node, parent, rel_len - rel[0] - 1u) != 0)
		return 0;
	if (memcmp(rel, "\5group", 6) == 0)
		return read_groups(r, member, node, node_sz);
	if (memcmp(rel, "\3coo", 4) != 0)
		return 0;
	int status = read_pointer(r, rel, rel_len, node, node_sz, member->coo);
	member->has_coo = status == 1;
	return status < 0 ? status : 0;
}

static int read_node(struct reading *r, const struct stele_store_item *item)
{
	uint8_t rel[STELE_NAME_MAX + 1];
	int rel_len = stele_sort_key_to_name(item->key, item->key_len, rel);
	if (rel_len < 0 || (size_t)rel_len + r->info->apex_len > STELE_NAME_MAX)
		return stele_fail(r->reterr, STELE_E_SYSTEM,
				  "the store is damaged: a key is no name");
	rel[rel_len] = 0;
	unsigned label_cnt = stele_name_label_cnt(rel);
	const uint8_t *last = rel;
	for (unsigned i = 1; i < label_cnt; i++)
		last += *last + 1;
	if (label_cnt == 1 && memcmp(rel, version, sizeof(version)) == 0)
		return read_version(r, rel, (size_t)rel_len, item->node, item->node_sz);
	if (label_cnt < 2 || label_cnt > 3 || memcmp(last, "\5zones", 7) != 0)
		return 0;
	return label_cnt == 2 ? read_member(r, rel, (size_t)rel_len, item->node, item->node_sz) :
				read_property(r, rel, (size_t)rel_len, item->node, item->node_sz);
}

/* ---- all of it ---- */

static int compare_names(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len != b_len ? (a_len < b_len ? -1 : 1) : memcmp(a, b, a_len);
}

static int compare_members(const void *a, const void *b)
{
	const struct stele_catalog_member *x = a, *y = b;
	return compare_names(x->apex, x->apex_len, y->apex, y->apex_len);
}

/* Sorts; a zone that is listed twice makes the catalog broken, since nobody could say which one counts. */
static int finish(struct reading *r)
{
	struct stele_catalog_contents *contents = r->contents;
	if (!r->has_version)
		return broken(r, version, sizeof(version) - 1, "is missing");
	if (contents->member_cnt > 1)
		qsort(contents->members, contents->member_cnt, sizeof(contents->members[0]),
		      compare_members);
	for (size_t i = 1; i < contents->member_cnt; i++)
		if (compare_members(&contents->members[i - 1], &contents->members[i]) == 0) {
			char text[STELE_NAME_TEXT_MAX];
			stele_name_to_text(contents->members[i].apex, text);
			return stele_fail(r->reterr, STELE_E_INPUT,
					  "broken catalog: %s is listed more than once", text);
		}
	return 0;
}

int stele_catalog_read(struct stele_store_read *read, const uint8_t *apex,
		       struct stele_catalog_contents *ret_contents, struct stele_error *reterr)
{
	struct stele_catalog_contents contents = {0};
	struct stele_zone_info info;
	struct reading r = {.contents = &contents, .info = &info, .reterr = reterr};
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	int status = stele_store_zone_find(read, apex, &info, reterr);
	/* The configuration refuses such a name. */
	if (status == 0 && info.apex_len + sizeof(version) - 1 > STELE_NAME_MAX)
		return stele_fail(reterr, STELE_E_INPUT,
				  "broken catalog: its name leaves no room for a version");
	if (status == 0)
		status = stele_store_cursor_open(read, STELE_STORE_NODES, info.id, NULL, 0, NULL, 0,
						 &cursor, reterr);
	if (status != 0)
		return status;
	while (status == 0 && (status = stele_store_cursor_next(cursor, &item, reterr)) == 1)
		status = read_node(&r, &item);
	stele_store_cursor_close(cursor);
	if (status == 0)
		status = finish(&r);
	if (status != 0)
		stele_catalog_contents_free(&contents);
	else
		*ret_contents = contents;
	return status;
}

void stele_catalog_contents_free(struct stele_catalog_contents *contents)
{
	for (size_t i = 0; i < contents->member_cnt; i++)
		for (unsigned k = 0; k < contents->members[i].group_cnt; k++)
			free(contents->members[i].groups[k]);
	free(contents->members);
	*contents = (struct stele_catalog_contents){0};
}

const struct stele_catalog_member *stele_catalog_find(const struct stele_catalog_contents *contents,
						      const uint8_t *apex)
{
	size_t len = stele_name_length(apex, STELE_NAME_MAX), low = 0, high = contents->member_cnt;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct stele_catalog_member *member = &contents->members[middle];
		int order = compare_names(member->apex, member->apex_len, apex, len);
		if (order == 0)
			return member;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
