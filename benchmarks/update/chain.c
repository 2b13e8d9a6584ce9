/* SPDX-License-Identifier: Apache-2.0 */
/* Names that come and go with their place in the denial chain. */
#include "benchmarks/update/edit.h"
#include "benchmarks/update/node.h"
#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"

#include <stdio.h>
#include <string.h>

/* Bitmaps of the names that are added, window 0 (RFC 4034 section 4.1.2). */
static const uint8_t host_types[] = {0, 6, 0x40, 0, 0, 0, 0, 3};   /* A RRSIG NSEC */
static const uint8_t cut_types[] = {0, 6, 0x20, 0, 0, 0, 0, 0x12}; /* NS DS RRSIG */

/* ---- links ---- */

/* The bytes of an NSEC record, or those of an NSEC3 record behind its salt: next owner and types. */
struct link {
	uint8_t next[STELE_NAME_MAX + 1];
	size_t next_len;
	uint8_t types[256];
	size_t types_len;
};

#define NSEC3_HEAD_SZ 5 /* algorithm, flags, iterations, salt length; the generator has no salt */

static struct link read_link(const uint8_t *node, size_t node_sz, uint16_t type)
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(node, node_sz, type, &rrset) || rrset.rr_cnt != 1)
		change_fail("no link of the denial chain where one was expected");
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = stele_node_rr_next(&p);
	size_t head = type == STELE_TYPE_NSEC3 ? NSEC3_HEAD_SZ : 0;
	struct link link = {0};
	link.next_len = type == STELE_TYPE_NSEC3 ? 1 + STELE_NSEC3_HASH_SZ :
						   stele_name_length(rr.rdata, rr.rdata_len);
	memcpy(link.next, rr.rdata + head, link.next_len);
	link.types_len = rr.rdata_len - head - link.next_len;
	memcpy(link.types, rr.rdata + head + link.next_len, link.types_len);
	return link;
}

/* Writes the link behind what the node has; NSEC and NSEC3 are the last types here. */
static void put_link(struct change *change, struct change_edit *edit, uint16_t type,
		     const struct link *link, unsigned labels)
{
	static const uint8_t nsec3_head[NSEC3_HEAD_SZ] = {1, 1, 0, 0, 0};
	uint8_t rdata[NSEC3_HEAD_SZ + sizeof(link->next) + sizeof(link->types)];
	size_t len = type == STELE_TYPE_NSEC3 ? NSEC3_HEAD_SZ : 0;
	memcpy(rdata, nsec3_head, len);
	memcpy(rdata + len, link->next, link->next_len);
	len += link->next_len;
	memcpy(rdata + len, link->types, link->types_len);
	len += link->types_len;
	change_put_rrset(change, edit, type, rdata, len, labels);
}

/* An existing owner's link leads elsewhere. */
static void set_next(struct change *change, enum stele_store_table table,
		     const struct stele_store_item *item, const uint8_t *next, size_t next_len)
{
	uint16_t type = table == STELE_STORE_NSEC3 ? STELE_TYPE_NSEC3 : STELE_TYPE_NSEC;
	struct link link = read_link(item->node, item->node_sz, type);
	struct change_edit *edit = change_edit_of(change, table, item->key, item->key_len);
	struct stele_node_rrset rrset;
	edit->node_sz = 0;
	for (size_t at = 0, begin = 0; stele_node_next(item->node, item->node_sz, &at, &rrset);
	     begin = at)
		if (rrset.type != type)
			change_put(edit, item->node + begin, at - begin);
	memcpy(link.next, next, next_len);
	link.next_len = next_len;
	unsigned labels = stele_name_label_cnt(change->info.apex) + 1;
	if (table == STELE_STORE_NODES) {
		labels--;
		for (size_t i = 0; i < item->key_len; i++)
			labels += item->key[i] == 0;
	}
	put_link(change, edit, type, &link, labels);
}

/* ---- NSEC: hosts ---- */

static bool has_nsec(const struct stele_store_item *item)
{
	struct stele_node_rrset nsec;
	return stele_node_find(item->node, item->node_sz, STELE_TYPE_NSEC, &nsec);
}

/* Key and whole name of a new sibling of the owner of `item`, directly behind it if `is_behind`. */
struct sibling {
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len;
	uint8_t name[STELE_NAME_MAX];
	size_t name_len;
};

static bool make_sibling(struct change *change, const struct stele_store_item *item,
			 struct sibling *sibling)
{
	uint8_t rel[STELE_NAME_MAX];
	int rel_len = stele_sort_key_to_name(item->key, item->key_len, rel);
	if (rel[0] > 40 || rel_len > 150)
		return false;
	char end[8];
	size_t end_len =
		(size_t)snprintf(end, sizeof(end), "-%04x", gen_rng_below(&change->rng, 65536));
	uint8_t *to = sibling->name;
	size_t first = 1u + rel[0];
	memcpy(to, rel, first);
	memcpy(to + first, end, end_len);
	to[0] = (uint8_t)(to[0] + end_len);
	memcpy(to + first + end_len, rel + first, (size_t)rel_len - first);
	size_t len = (size_t)rel_len + end_len;
	memcpy(to + len, change->info.apex, change->info.apex_len);
	sibling->name_len = len + change->info.apex_len;
	sibling->key_len = stele_sort_key(to, len, sibling->key);
	return true;
}

static size_t key_of_name(const struct change *change, const uint8_t *name, size_t name_len,
			  uint8_t key[STELE_SORT_KEY_MAX])
{
	uint8_t lower[STELE_NAME_MAX];
	stele_name_lower(lower, name, name_len);
	return stele_sort_key(lower, name_len - change->info.apex_len, key);
}

static void add_host(struct change *change)
{
	struct stele_store_cursor *cursor = change_walk(change);
	struct sibling sibling;
	for (;;) {
		struct stele_store_item item = change_next(cursor);
		uint8_t key[STELE_SORT_KEY_MAX];
		if (!change_is_host(&item) || !has_nsec(&item) ||
		    !make_sibling(change, &item, &sibling))
			continue;
		struct link link = read_link(item.node, item.node_sz, STELE_TYPE_NSEC);
		size_t key_len = key_of_name(change, link.next, link.next_len, key);
		if (stele_sort_key_compare(sibling.key, sibling.key_len, key, key_len) >= 0)
			continue;
		set_next(change, STELE_STORE_NODES, &item, sibling.name, sibling.name_len);
		struct change_edit *edit =
			change_edit_of(change, STELE_STORE_NODES, sibling.key, sibling.key_len);
		unsigned labels = stele_name_label_cnt(sibling.name);
		edit->node_sz = 0;
		change_put_rrset(change, edit, STELE_TYPE_A, "\12\1\2\3", 4, labels);
		memcpy(link.types, host_types, sizeof(host_types));
		link.types_len = sizeof(host_types);
		put_link(change, edit, STELE_TYPE_NSEC, &link, labels);
		change_set_subject(change, sibling.key, sibling.key_len);
		stele_store_cursor_close(cursor);
		return;
	}
}

static void remove_host(struct change *change)
{
	struct stele_store_cursor *cursor = change_walk(change);
	struct stele_store_item before = change_next(cursor);
	for (;;) {
		struct stele_store_item item = change_next(cursor);
		if (has_nsec(&before) && change_is_host(&item) && has_nsec(&item)) {
			struct link link = read_link(item.node, item.node_sz, STELE_TYPE_NSEC);
			set_next(change, STELE_STORE_NODES, &before, link.next, link.next_len);
			change_edit_item(change, STELE_STORE_NODES, &item)->node_sz = 0;
			change_set_subject(change, item.key, item.key_len);
			stele_store_cursor_close(cursor);
			return;
		}
		before = item;
	}
}

/* ---- NSEC3: delegations ---- */

/* The last NSEC3 owner before a hash; false if that is too far off or not there. */
static bool find_before(struct change *change, const uint8_t *hash, struct stele_store_item *ret)
{
	/* About 32 owners before it. */
	uint64_t step = UINT64_MAX / (change->info.nsec3_cnt + 1);
	uint64_t lead = stele_get_be64(hash);
	uint8_t from[8];
	if (step > lead / 32)
		return false;
	stele_put_be64(from, lead - 32 * step);
	struct stele_store_cursor *cursor;
	struct stele_error err;
	if (stele_store_cursor_open(change->read, STELE_STORE_NSEC3, change->info.id, from,
				    sizeof(from), hash, STELE_NSEC3_HASH_SZ, &cursor, &err) < 0)
		change_fail(err.text);
	bool found = false;
	struct stele_store_item item;
	while (stele_store_cursor_next(cursor, &item, &err) == 1) {
		*ret = item;
		found = true;
	}
	stele_store_cursor_close(cursor);
	return found;
}

/* Of no bytes, but not NULL. */
static const uint8_t no_salt[1];

static void add_cut(struct change *change)
{
	struct stele_store_item before;
	struct sibling new;
	uint8_t hash[1 + STELE_NSEC3_HASH_SZ] = {STELE_NSEC3_HASH_SZ};
	do {
		char label[16];
		size_t len = (size_t)snprintf(label, sizeof(label), "n-%08x",
					      gen_rng_below(&change->rng, UINT32_MAX));
		new.name[0] = (uint8_t)len;
		memcpy(new.name + 1, label, len);
		memcpy(new.name + 1 + len, change->info.apex, change->info.apex_len);
		new.name_len = 1 + len + change->info.apex_len;
		new.key_len = stele_sort_key(new.name, 1 + len, new.key);
		stele_nsec3_hash(new.name, new.name_len, no_salt, 0, 0, hash + 1);
	} while (!find_before(change, hash + 1, &before));

	uint8_t ds[36] = {0x12, 0x34, 13, 2};
	gen_rng_fill(&change->rng, ds + 4, 32);
	unsigned apex_labels = stele_name_label_cnt(change->info.apex);
	struct change_edit *edit = change_edit_of(change, STELE_STORE_NODES, new.key, new.key_len);
	edit->node_sz = 0;
	change_put_rrset(change, edit, STELE_TYPE_NS, "\2ns\4edge\4test", 14, 0);
	change_put_rrset(change, edit, STELE_TYPE_DS, ds, sizeof(ds), apex_labels + 1);

	struct link link = read_link(before.node, before.node_sz, STELE_TYPE_NSEC3);
	set_next(change, STELE_STORE_NSEC3, &before, hash, sizeof(hash));
	memcpy(link.types, cut_types, sizeof(cut_types));
	link.types_len = sizeof(cut_types);
	edit = change_edit_of(change, STELE_STORE_NSEC3, hash + 1, STELE_NSEC3_HASH_SZ);
	edit->node_sz = 0;
	put_link(change, edit, STELE_TYPE_NSEC3, &link, apex_labels + 1);
	change_set_subject(change, new.key, new.key_len);
}

static void remove_cut(struct change *change)
{
	struct stele_store_cursor *cursor = change_walk(change);
	for (;;) {
		struct stele_store_item item = change_next(cursor), before;
		struct stele_node_rrset ds;
		uint8_t hash[STELE_NSEC3_HASH_SZ];
		if (!stele_node_find(item.node, item.node_sz, STELE_TYPE_DS, &ds))
			continue;
		change_set_subject(change, item.key, item.key_len);
		stele_nsec3_hash(change->subject,
				 stele_name_length(change->subject, STELE_NAME_MAX), no_salt, 0, 0,
				 hash);
		/* What stands below a delegation would be left without it. */
		struct stele_store_item behind = change_next(cursor);
		if ((behind.key_len > item.key_len &&
		     memcmp(behind.key, item.key, item.key_len) == 0) ||
		    !find_before(change, hash, &before))
			continue;
		struct stele_store_cursor *at;
		struct stele_error err;
		if (stele_store_cursor_open(change->read, STELE_STORE_NSEC3, change->info.id, hash,
					    sizeof(hash), NULL, 0, &at, &err) < 0)
			change_fail(err.text);
		struct stele_store_item own = change_next(at);
		struct link link = read_link(own.node, own.node_sz, STELE_TYPE_NSEC3);
		set_next(change, STELE_STORE_NSEC3, &before, link.next, link.next_len);
		change_edit_item(change, STELE_STORE_NODES, &item)->node_sz = 0;
		change_edit_item(change, STELE_STORE_NSEC3, &own)->node_sz = 0;
		stele_store_cursor_close(at);
		stele_store_cursor_close(cursor);
		return;
	}
}

void change_add(struct change *change)
{
	if (change->info.nsec3_cnt > 0)
		add_cut(change);
	else
		add_host(change);
}

void change_remove(struct change *change)
{
	if (change->info.nsec3_cnt > 0)
		remove_cut(change);
	else
		remove_host(change);
}
