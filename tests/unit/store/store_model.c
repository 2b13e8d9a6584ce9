/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store/store_model.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *resize(void *p, size_t sz)
{
	p = realloc(p, sz > 0 ? sz : 1);
	if (p == NULL)
		abort();
	return p;
}

void model_free(struct model *model)
{
	for (size_t i = 0; i < model->cnt; i++)
		free(model->entries[i].node);
	free(model->entries);
	*model = (struct model){0};
}

struct model model_clone(const struct model *model)
{
	struct model clone = {resize(NULL, model->cnt * sizeof(*clone.entries)), model->cnt};
	for (size_t i = 0; i < model->cnt; i++) {
		clone.entries[i] = model->entries[i];
		clone.entries[i].node = resize(NULL, model->entries[i].node_sz);
		memcpy(clone.entries[i].node, model->entries[i].node, model->entries[i].node_sz);
	}
	return clone;
}

/* The first entry that is not before this key. */
static size_t lower_bound(const struct model *model, enum stele_store_table table,
			  const uint8_t *key, size_t key_len, bool *ret_equal)
{
	size_t low = 0, high = model->cnt;
	*ret_equal = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct model_entry *e = &model->entries[middle];
		int order = e->table != table ?
				    (int)e->table - (int)table :
				    stele_sort_key_compare(e->key, e->key_len, key, key_len);
		if (order == 0)
			*ret_equal = true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void model_put(struct model *model, enum stele_store_table table, const uint8_t *key,
	       size_t key_len, uint8_t *node, size_t node_sz)
{
	bool equal;
	size_t at = lower_bound(model, table, key, key_len, &equal);
	if (equal) {
		free(model->entries[at].node);
	} else {
		model->entries =
			resize(model->entries, (model->cnt + 1) * sizeof(struct model_entry));
		memmove(&model->entries[at + 1], &model->entries[at],
			(model->cnt - at) * sizeof(struct model_entry));
		model->cnt++;
	}
	struct model_entry *e = &model->entries[at];
	e->table = table;
	e->key_len = key_len;
	e->node = node;
	e->node_sz = node_sz;
	if (key_len > 0)
		memcpy(e->key, key, key_len);
}

void model_remove(struct model *model, size_t index)
{
	free(model->entries[index].node);
	model->cnt--;
	memmove(&model->entries[index], &model->entries[index + 1],
		(model->cnt - index) * sizeof(struct model_entry));
}

const struct model_entry *model_find(const struct model *model, enum stele_store_table table,
				     const uint8_t *key, size_t key_len)
{
	bool equal;
	size_t at = lower_bound(model, table, key, key_len, &equal);
	return equal ? &model->entries[at] : NULL;
}

/* A source of one table, for stele_store_zone_replace. */
struct model_source {
	const struct model *model;
	enum stele_store_table table;
	size_t at;
};

static int model_next(void *source, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	(void)reterr;
	struct model_source *s = source;
	while (s->at < s->model->cnt && s->model->entries[s->at].table != s->table)
		s->at++;
	if (s->at == s->model->cnt)
		return 0;
	const struct model_entry *e = &s->model->entries[s->at++];
	*ret_item = (struct stele_store_item){e->key, e->key_len, e->node, e->node_sz};
	return 1;
}

int model_replace(struct stele_store_write *write, const uint8_t *apex, const struct model *model,
		  struct stele_zone_info *ret_info, struct stele_error *reterr)
{
	struct model_source nodes = {model, STELE_STORE_NODES, 0};
	struct model_source nsec3 = {model, STELE_STORE_NSEC3, 0};
	return stele_store_zone_replace(write, apex, model_next, &nodes, model_next, &nsec3,
					ret_info, reterr);
}

/* ---- nodes ---- */

static uint8_t *add_rrset(uint8_t **node, size_t *node_sz, uint16_t type, uint32_t ttl,
			  unsigned rr_cnt, unsigned sig_cnt, size_t data_sz)
{
	*node = resize(*node, *node_sz + STELE_NODE_RRSET_HEAD_SZ + data_sz);
	uint8_t *p = *node + *node_sz;
	stele_put_le16(p, type);
	stele_put_le16(p + 2, (uint16_t)rr_cnt);
	stele_put_le32(p + 4, ttl);
	stele_put_le16(p + 8, (uint16_t)sig_cnt);
	stele_put_le16(p + 10, 0);
	stele_put_le32(p + 12, (uint32_t)data_sz);
	*node_sz += STELE_NODE_RRSET_HEAD_SZ + data_sz;
	return p + STELE_NODE_RRSET_HEAD_SZ;
}

void node_add(uint8_t **node, size_t *node_sz, uint16_t type, uint32_t ttl,
	      const char *const *rdatas, unsigned cnt, unsigned sig_cnt)
{
	size_t data_sz = 0;
	for (unsigned i = 0; i < cnt; i++)
		data_sz += 2 + strlen(rdatas[i]);
	uint8_t *p = add_rrset(node, node_sz, type, ttl, cnt - sig_cnt, sig_cnt, data_sz);
	for (unsigned i = 0; i < cnt; i++) {
		size_t len = strlen(rdatas[i]);
		stele_put_le16(p, (uint16_t)len);
		memcpy(p + 2, rdatas[i], len);
		p += 2 + len;
	}
}

void node_add_soa(uint8_t **node, size_t *node_sz, uint32_t serial)
{
	uint8_t *p = add_rrset(node, node_sz, STELE_TYPE_SOA, 3600, 1, 0, 2 + 22);
	memset(p, 0, 24);
	stele_put_le16(p, 22);
	stele_put_be32(p + 4, serial);
}

void model_put_rrset(struct model *model, const char *rel, size_t rel_len, uint16_t type,
		     uint32_t ttl, const char *const *rdatas, unsigned cnt, unsigned sig_cnt)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key((const uint8_t *)rel, rel_len, key);
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, type, ttl, rdatas, cnt, sig_cnt);
	model_put(model, STELE_STORE_NODES, key, key_len, node, node_sz);
}

void model_put_text(struct model *model, const char *rel, const char *text)
{
	model_put_rrset(model, rel, strlen(rel), STELE_TYPE_TXT, 60, &text, 1, 0);
}

void model_put_soa(struct model *model, uint32_t serial)
{
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add_soa(&node, &node_sz, serial);
	model_put(model, STELE_STORE_NODES, (const uint8_t *)"", 0, node, node_sz);
}

void model_put_nsec3(struct model *model, uint8_t first, const char *text)
{
	uint8_t hash[STELE_NSEC3_HASH_SZ] = {first, 1, 2, 3};
	uint8_t *node = NULL;
	size_t node_sz = 0;
	node_add(&node, &node_sz, STELE_TYPE_NSEC3, 60, &text, 1, 0);
	model_put(model, STELE_STORE_NSEC3, hash, sizeof(hash), node, node_sz);
}

/* ---- large zones ---- */

/* A source of a zone with `cnt` owners beside the apex, which all hold the serial as text. */
struct bulk {
	uint32_t serial, cnt;
	bool long_names; /* sort keys of 387 bytes */
	uint32_t at;
	uint8_t rel[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX];
	uint8_t *node;
	size_t node_sz;
};

static int bulk_next(void *bulk, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	(void)reterr;
	struct bulk *b = bulk;
	if (b->at > b->cnt)
		return 0;
	free(b->node);
	b->node = NULL;
	b->node_sz = 0;
	size_t key_len = 0;
	if (b->at == 0) {
		node_add_soa(&b->node, &b->node_sz, b->serial);
	} else {
		char text[16];
		snprintf(text, sizeof(text), "%u", b->serial);
		const char *texts[] = {text};
		node_add(&b->node, &b->node_sz, STELE_TYPE_TXT, 60, texts, 1, 0);
		memset(b->rel, 0, sizeof(b->rel));
		size_t rel_len = 5;
		b->rel[0] = 4;
		if (b->long_names) {
			b->rel[0] = b->rel[64] = b->rel[128] = 63;
			rel_len = 192;
		}
		stele_put_be32(b->rel + (b->long_names ? 130 : 1), b->at);
		key_len = stele_sort_key(b->rel, rel_len, b->key);
	}
	b->at++;
	*ret_item = (struct stele_store_item){b->key, key_len, b->node, b->node_sz};
	return 1;
}

int bulk_replace(struct stele_store_write *write, const uint8_t *apex, uint32_t serial,
		 uint32_t cnt, bool long_names, struct stele_zone_info *ret_info,
		 struct stele_error *reterr)
{
	struct bulk bulk = {.serial = serial, .cnt = cnt, .long_names = long_names};
	int status = stele_store_zone_replace(write, apex, bulk_next, &bulk, NULL, NULL, ret_info,
					      reterr);
	free(bulk.node);
	return status;
}

/* ---- records ---- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *record_text(const uint8_t *owner, size_t owner_len,
			 const struct stele_node_rrset *rrset, bool is_sig, struct stele_node_rr rr)
{
	char *text = resize(NULL, 2 * (owner_len + rr.rdata_len) + 64);
	char *out = text;
	for (size_t i = 0; i < owner_len; i++)
		out += sprintf(out, "%02x", owner[i]);
	out += sprintf(out, " %u %u %d ", rrset->ttl, rrset->type, is_sig);
	for (size_t i = 0; i < rr.rdata_len; i++)
		out += sprintf(out, "%02x", rr.rdata[i]);
	return text;
}

static void add_node(struct records *records, const uint8_t *owner, size_t owner_len,
		     const uint8_t *node, size_t node_sz)
{
	struct stele_node_rrset rrset;
	for (size_t at = 0; stele_node_next(node, node_sz, &at, &rrset);) {
		const uint8_t *p = rrset.data;
		size_t cnt = (size_t)rrset.rr_cnt + rrset.sig_cnt;
		records->texts = resize(records->texts, (records->cnt + cnt) * sizeof(char *));
		for (size_t i = 0; i < cnt; i++)
			records->texts[records->cnt++] = record_text(owner, owner_len, &rrset,
								     i >= rrset.rr_cnt,
								     stele_node_rr_next(&p));
	}
}

struct records records_of(const struct model *model, const uint8_t *apex)
{
	struct records records = {0};
	size_t apex_len = stele_name_length(apex, STELE_NAME_MAX);
	for (size_t i = 0; i < model->cnt; i++) {
		const struct model_entry *e = &model->entries[i];
		uint8_t owner[2 * STELE_NAME_MAX];
		size_t len = 1 + STELE_NSEC3_LABEL_SZ;
		if (e->table == STELE_STORE_NSEC3) {
			owner[0] = STELE_NSEC3_LABEL_SZ;
			stele_base32hex_encode(e->key, owner + 1);
		} else {
			len = (size_t)stele_sort_key_to_name(e->key, e->key_len, owner);
		}
		memcpy(owner + len, apex, apex_len);
		add_node(&records, owner, len + apex_len, e->node, e->node_sz);
	}
	if (records.cnt > 0)
		qsort(records.texts, records.cnt, sizeof(char *), compare_texts);
	return records;
}

void records_free(struct records *records)
{
	for (size_t i = 0; i < records->cnt; i++)
		free(records->texts[i]);
	free(records->texts);
	*records = (struct records){0};
}

static struct records records_of_run(const uint8_t *run, size_t run_sz)
{
	struct records records = {0};
	for (size_t at = 0; at < run_sz;) {
		size_t owner_len = stele_get_le16(run + at);
		const uint8_t *owner = run + at + 2;
		size_t node_sz = stele_get_le32(owner + owner_len);
		const uint8_t *node = owner + owner_len + 4;
		if (node_sz == 0 || !stele_node_check(node, node_sz) ||
		    stele_name_length(owner, owner_len) != owner_len)
			abort();
		add_node(&records, owner, owner_len, node, node_sz);
		at += 2 + owner_len + 4 + node_sz;
	}
	return records;
}

bool records_apply(struct records *records, const struct stele_journal_step *step)
{
	struct records removed = records_of_run(step->removed, step->removed_sz);
	struct records added = records_of_run(step->added, step->added_sz);
	bool fits = true;
	for (size_t i = 0; fits && i < removed.cnt; i++) {
		char **found = bsearch(&removed.texts[i], records->texts, records->cnt,
				       sizeof(char *), compare_texts);
		fits = found != NULL;
		if (fits) {
			size_t at = (size_t)(found - records->texts);
			free(*found);
			records->cnt--;
			memmove(found, found + 1, (records->cnt - at) * sizeof(char *));
		}
	}
	for (size_t i = 0; fits && i < added.cnt; i++)
		fits = records->cnt == 0 || bsearch(&added.texts[i], records->texts, records->cnt,
						    sizeof(char *), compare_texts) == NULL;
	if (fits) {
		records->texts =
			resize(records->texts, (records->cnt + added.cnt) * sizeof(char *));
		for (size_t i = 0; i < added.cnt; i++)
			records->texts[records->cnt++] = added.texts[i];
		added.cnt = 0;
		qsort(records->texts, records->cnt, sizeof(char *), compare_texts);
	}
	records_free(&removed);
	records_free(&added);
	return fits;
}

bool records_equal(const struct records *a, const struct records *b)
{
	if (a->cnt != b->cnt)
		return false;
	for (size_t i = 0; i < a->cnt; i++)
		if (strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	return true;
}
