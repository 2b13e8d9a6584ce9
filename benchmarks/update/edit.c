/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/update/edit.h"

#include "lib/base/bytes.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_SZ 64
/* Bitmaps of the names that are added, window 0 (RFC 4034 section 4.1.2). */
static const uint8_t host_types[] = {0, 6, 0x40, 0, 0, 0, 0, 3};   /* A RRSIG NSEC */
static const uint8_t cut_types[] = {0, 6, 0x20, 0, 0, 0, 0, 0x12}; /* NS DS RRSIG */

void change_free(struct change *change)
{
	for (int t = 0; t < 2; t++)
		for (size_t i = 0; i < change->edits[t].cnt; i++)
			free(change->edits[t].items[i].node);
}

/* ---- nodes ---- */

static struct change_edit *edit_of(struct change *change, enum stele_store_table table,
				   const uint8_t *key, size_t key_len)
{
	struct change_edits *edits = change->edits + table;
	for (size_t i = 0; i < edits->cnt; i++)
		if (edits->items[i].key_len == key_len &&
		    memcmp(edits->items[i].key, key, key_len) == 0)
			return edits->items + i;
	struct change_edit *edit = edits->items + edits->cnt++;
	edit->key_len = key_len;
	memcpy(edit->key, key, key_len);
	edit->node = malloc(1 << 17);
	if (edit->node == NULL)
		change_fail("out of memory");
	return edit;
}

static struct change_edit *edit_item(struct change *change, enum stele_store_table table,
				     const struct stele_store_item *item)
{
	struct change_edit *edit = edit_of(change, table, item->key, item->key_len);
	edit->node_sz = item->node_sz;
	memcpy(edit->node, item->node, item->node_sz);
	return edit;
}

static struct change_edit *edit_node(struct change *change, const uint8_t *key, size_t key_len)
{
	struct stele_error err;
	struct stele_store_item item = {.key = key, .key_len = key_len};
	if (stele_store_node(change->read, change->info.id, key, key_len, &item.node, &item.node_sz,
			     &err) < 0)
		change_fail("the zone does not have this name");
	return edit_item(change, STELE_STORE_NODES, &item);
}

/* New signatures over an RRset of a node that may be written to. */
static void sign(struct change *change, const struct stele_node_rrset *rrset)
{
	const uint8_t *p = rrset->data;
	for (unsigned i = 0; i < rrset->rr_cnt + (unsigned)rrset->sig_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (i >= rrset->rr_cnt)
			gen_rng_fill(&change->rng,
				     (uint8_t *)(uintptr_t)rr.rdata + rr.rdata_len - SIGNATURE_SZ,
				     SIGNATURE_SZ);
	}
}

static struct stele_node_rrset find_rrset(const struct change_edit *edit, uint16_t type)
{
	struct stele_node_rrset rrset;
	if (!stele_node_find(edit->node, edit->node_sz, type, &rrset) || rrset.rr_cnt == 0)
		change_fail("the name does not have this type");
	return rrset;
}

/* The last record of an RRset, to be written to, which is then signed. */
static uint8_t *last_rdata(struct change *change, struct change_edit *edit, uint16_t type,
			   size_t *ret_len)
{
	struct stele_node_rrset rrset = find_rrset(edit, type);
	const uint8_t *p = rrset.data;
	struct stele_node_rr rr = {0};
	for (unsigned i = 0; i < rrset.rr_cnt; i++)
		rr = stele_node_rr_next(&p);
	sign(change, &rrset);
	*ret_len = rr.rdata_len;
	return (uint8_t *)(uintptr_t)rr.rdata;
}

static void set_subject(struct change *change, const uint8_t *key, size_t key_len)
{
	int len = stele_sort_key_to_name(key, key_len, change->subject);
	memcpy(change->subject + len, change->info.apex, change->info.apex_len);
}

/* ---- the apex ---- */

static const uint8_t apex_key[1]; /* of 0 bytes, but not nowhere */

void change_soa(struct change *change)
{
	size_t len;
	uint8_t *soa = last_rdata(change, edit_node(change, apex_key, 0), STELE_TYPE_SOA, &len);
	stele_put_be32(soa + len - 20, stele_get_be32(soa + len - 20) + 1);
	set_subject(change, apex_key, 0);
}

void change_ns(struct change *change)
{
	size_t len;
	uint8_t *ns = last_rdata(change, edit_of(change, STELE_STORE_NODES, apex_key, 0),
				 STELE_TYPE_NS, &len);
	/* The last letter of the first label: the last record of its RRset, and it stays that. */
	uint8_t letter = ns[ns[0]];
	ns[ns[0]] = (uint8_t)(letter >= 'e' && letter < 'z' ? letter + 1 : 'e');
}

void change_dnskey(struct change *change)
{
	size_t len;
	uint8_t *key = last_rdata(change, edit_of(change, STELE_STORE_NODES, apex_key, 0),
				  STELE_TYPE_DNSKEY, &len);
	gen_rng_fill(&change->rng, key + len - SIGNATURE_SZ, SIGNATURE_SZ);
}

/* ---- hosts ---- */

static void change_host(struct change *change, struct change_edit *edit)
{
	size_t len;
	uint8_t *address = last_rdata(change, edit, STELE_TYPE_A, &len);
	address[len - 1] ^= (uint8_t)(1 + gen_rng_below(&change->rng, 255));
	set_subject(change, edit->key, edit->key_len);
}

void change_address(struct change *change, const char *name)
{
	uint8_t wire[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX];
	int len = stele_name_from_text(name, strlen(name), wire);
	if (len < change->info.apex_len)
		change_fail("the host is not in the zone");
	size_t key_len = stele_sort_key(wire, (size_t)len - change->info.apex_len, key);
	change_host(change, edit_node(change, key, key_len));
}

/* A walk that begins at a random place of the zone. */
static struct stele_store_cursor *walk(struct change *change)
{
	uint8_t from[3];
	for (int i = 0; i < 3; i++)
		from[i] = (uint8_t)('a' + gen_rng_below(&change->rng, 24));
	struct stele_error err;
	struct stele_store_cursor *cursor;
	if (stele_store_cursor_open(change->read, STELE_STORE_NODES, change->info.id, from,
				    sizeof(from), NULL, 0, &cursor, &err) < 0)
		change_fail(err.text);
	return cursor;
}

static struct stele_store_item next_of(struct stele_store_cursor *cursor)
{
	struct stele_store_item item;
	struct stele_error err;
	if (stele_store_cursor_next(cursor, &item, &err) != 1)
		change_fail("found nothing to change behind this place; another seed may help");
	return item;
}

/* A name with one address and no other name's records to look after. */
static bool is_host(const struct stele_store_item *item)
{
	struct stele_node_rrset a;
	return stele_node_find(item->node, item->node_sz, STELE_TYPE_A, &a) && a.rr_cnt == 1 &&
	       item->key_len >= 6 && memcmp(item->key, "shared", 6) != 0 &&
	       memcmp(item->key + item->key_len - 2, "*", 2) != 0;
}

void change_leaf(struct change *change)
{
	struct stele_store_cursor *cursor = walk(change);
	struct stele_store_item item = next_of(cursor);
	while (!is_host(&item))
		item = next_of(cursor);
	change_host(change, edit_item(change, STELE_STORE_NODES, &item));
	stele_store_cursor_close(cursor);
}

/* ---- new nodes ---- */

static void put(struct change_edit *edit, const void *bytes, size_t sz)
{
	memcpy(edit->node + edit->node_sz, bytes, sz);
	edit->node_sz += sz;
}

static void put_rr(struct change_edit *edit, const void *rdata, size_t rdata_len)
{
	uint8_t len[2];
	stele_put_le16(len, (uint16_t)rdata_len);
	put(edit, len, sizeof(len));
	put(edit, rdata, rdata_len);
}

/* Adds an RRset of one record to the end of a node, with a signature if there are `labels`. */
static void put_rrset(struct change *change, struct change_edit *edit, uint16_t type,
		      const void *rdata, size_t rdata_len, unsigned labels)
{
	uint8_t head[STELE_NODE_RRSET_HEAD_SZ] = {0};
	size_t at = edit->node_sz;
	put(edit, head, sizeof(head));
	put_rr(edit, rdata, rdata_len);
	if (labels > 0) {
		uint8_t sig[18 + STELE_NAME_MAX + SIGNATURE_SZ] = {0};
		stele_put_be16(sig, type);
		sig[2] = 13;
		sig[3] = (uint8_t)labels;
		stele_put_be32(sig + 4, 3600);
		stele_put_be32(sig + 8, 2145916800);
		stele_put_be32(sig + 12, 1704067200);
		memcpy(sig + 18, change->info.apex, change->info.apex_len);
		size_t len = 18u + change->info.apex_len;
		gen_rng_fill(&change->rng, sig + len, SIGNATURE_SZ);
		put_rr(edit, sig, len + SIGNATURE_SZ);
	}
	stele_put_le16(edit->node + at, type);
	stele_put_le16(edit->node + at + 2, 1);
	stele_put_le32(edit->node + at + 4, 3600);
	stele_put_le16(edit->node + at + 8, labels > 0);
	stele_put_le32(edit->node + at + 12,
		       (uint32_t)(edit->node_sz - at - STELE_NODE_RRSET_HEAD_SZ));
}

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
	put_rrset(change, edit, type, rdata, len, labels);
}

/* An existing owner's link leads elsewhere. */
static void set_next(struct change *change, enum stele_store_table table,
		     const struct stele_store_item *item, const uint8_t *next, size_t next_len)
{
	uint16_t type = table == STELE_STORE_NSEC3 ? STELE_TYPE_NSEC3 : STELE_TYPE_NSEC;
	struct link link = read_link(item->node, item->node_sz, type);
	struct change_edit *edit = edit_of(change, table, item->key, item->key_len);
	struct stele_node_rrset rrset;
	edit->node_sz = 0;
	for (size_t at = 0, begin = 0; stele_node_next(item->node, item->node_sz, &at, &rrset);
	     begin = at)
		if (rrset.type != type)
			put(edit, item->node + begin, at - begin);
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
	struct stele_store_cursor *cursor = walk(change);
	struct sibling sibling;
	for (;;) {
		struct stele_store_item item = next_of(cursor);
		uint8_t key[STELE_SORT_KEY_MAX];
		if (!is_host(&item) || !has_nsec(&item) || !make_sibling(change, &item, &sibling))
			continue;
		struct link link = read_link(item.node, item.node_sz, STELE_TYPE_NSEC);
		size_t key_len = key_of_name(change, link.next, link.next_len, key);
		if (stele_sort_key_compare(sibling.key, sibling.key_len, key, key_len) >= 0)
			continue;
		set_next(change, STELE_STORE_NODES, &item, sibling.name, sibling.name_len);
		struct change_edit *edit =
			edit_of(change, STELE_STORE_NODES, sibling.key, sibling.key_len);
		unsigned labels = stele_name_label_cnt(sibling.name);
		edit->node_sz = 0;
		put_rrset(change, edit, STELE_TYPE_A, "\12\1\2\3", 4, labels);
		memcpy(link.types, host_types, sizeof(host_types));
		link.types_len = sizeof(host_types);
		put_link(change, edit, STELE_TYPE_NSEC, &link, labels);
		set_subject(change, sibling.key, sibling.key_len);
		stele_store_cursor_close(cursor);
		return;
	}
}

static void remove_host(struct change *change)
{
	struct stele_store_cursor *cursor = walk(change);
	struct stele_store_item before = next_of(cursor);
	for (;;) {
		struct stele_store_item item = next_of(cursor);
		if (has_nsec(&before) && is_host(&item) && has_nsec(&item)) {
			struct link link = read_link(item.node, item.node_sz, STELE_TYPE_NSEC);
			set_next(change, STELE_STORE_NODES, &before, link.next, link.next_len);
			edit_item(change, STELE_STORE_NODES, &item)->node_sz = 0;
			set_subject(change, item.key, item.key_len);
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
	struct change_edit *edit = edit_of(change, STELE_STORE_NODES, new.key, new.key_len);
	edit->node_sz = 0;
	put_rrset(change, edit, STELE_TYPE_NS, "\2ns\4edge\4test", 14, 0);
	put_rrset(change, edit, STELE_TYPE_DS, ds, sizeof(ds), apex_labels + 1);

	struct link link = read_link(before.node, before.node_sz, STELE_TYPE_NSEC3);
	set_next(change, STELE_STORE_NSEC3, &before, hash, sizeof(hash));
	memcpy(link.types, cut_types, sizeof(cut_types));
	link.types_len = sizeof(cut_types);
	edit = edit_of(change, STELE_STORE_NSEC3, hash + 1, STELE_NSEC3_HASH_SZ);
	edit->node_sz = 0;
	put_link(change, edit, STELE_TYPE_NSEC3, &link, apex_labels + 1);
	set_subject(change, new.key, new.key_len);
}

static void remove_cut(struct change *change)
{
	struct stele_store_cursor *cursor = walk(change);
	for (;;) {
		struct stele_store_item item = next_of(cursor), before;
		struct stele_node_rrset ds;
		uint8_t hash[STELE_NSEC3_HASH_SZ];
		if (!stele_node_find(item.node, item.node_sz, STELE_TYPE_DS, &ds))
			continue;
		set_subject(change, item.key, item.key_len);
		stele_nsec3_hash(change->subject,
				 stele_name_length(change->subject, STELE_NAME_MAX), no_salt, 0, 0,
				 hash);
		/* What stands below a delegation would be left without it. */
		struct stele_store_item behind = next_of(cursor);
		if ((behind.key_len > item.key_len &&
		     memcmp(behind.key, item.key, item.key_len) == 0) ||
		    !find_before(change, hash, &before))
			continue;
		struct stele_store_cursor *at;
		struct stele_error err;
		if (stele_store_cursor_open(change->read, STELE_STORE_NSEC3, change->info.id, hash,
					    sizeof(hash), NULL, 0, &at, &err) < 0)
			change_fail(err.text);
		struct stele_store_item own = next_of(at);
		struct link link = read_link(own.node, own.node_sz, STELE_TYPE_NSEC3);
		set_next(change, STELE_STORE_NSEC3, &before, link.next, link.next_len);
		edit_item(change, STELE_STORE_NODES, &item)->node_sz = 0;
		edit_item(change, STELE_STORE_NSEC3, &own)->node_sz = 0;
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
