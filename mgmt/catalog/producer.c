/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catalogs that are written here: of each, what it ought to hold is made and compared with what the store has;
 * if that differs it is replaced as a whole. That costs as much as it has members, and happens when zones come, go,
 * or get another template, not when their data changes.
 *
 * A member's unique label is a digest of its name, so it stays the same whoever writes the catalog: nobody
 * loses what it knows of a zone because we were set up anew. And its serial is the time of day, or the one
 * behind the last, so that those who have an earlier catalog take the new one.
 */
#include "mgmt/catalog/internal.h"

#include "lib/base/bytes.h"
#include "lib/base/hex.h"
#include "lib/daemon/log.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "lib/store/node.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNIQUE_SZ 32 /* hex digits: 128 bits */
#define SOA_SERIAL_OFF 18
#define NODE_MAX 600

struct entry {
	size_t key_len, node_sz;
	uint8_t *key, *node; /* one allocation, at `key` */
};

struct job {
	struct stele_commit commit; /* first */
	struct stele_daemon *daemon;
	uint8_t apex[STELE_NAME_MAX];
	struct entry *entries; /* in ascending order of key; the first is the apex */
	size_t entry_cnt, cap, at;
};

static void job_free(struct job *job)
{
	for (size_t i = 0; job != NULL && i < job->entry_cnt; i++)
		free(job->entries[i].key);
	if (job != NULL)
		free(job->entries);
	free(job);
}

/* ---- what it ought to hold ---- */

/* Means nothing (RFC 9432 section 3). */
#define TTL 0

static bool put_entry(struct job *job, const uint8_t *rel, size_t rel_len, const uint8_t *node,
		      size_t node_sz)
{
	if (job->entry_cnt == job->cap) {
		size_t cap = job->cap > 0 ? 2 * job->cap : 64;
		struct entry *entries = reallocarray(job->entries, cap, sizeof(*entries));
		if (entries == NULL)
			return false;
		job->entries = entries;
		job->cap = cap;
	}
	uint8_t key[STELE_SORT_KEY_MAX];
	struct entry *entry = &job->entries[job->entry_cnt];
	entry->key_len = stele_sort_key(rel, rel_len, key);
	entry->node_sz = node_sz;
	entry->key = malloc(entry->key_len + node_sz);
	if (entry->key == NULL)
		return false;
	entry->node = entry->key + entry->key_len;
	memcpy(entry->key, key, entry->key_len);
	memcpy(entry->node, node, node_sz);
	job->entry_cnt++;
	return true;
}

/* SOA and NS that lead nowhere, and the version (sections 4.1 and 4.2.1). */
static bool put_head(struct job *job)
{
	static const uint8_t invalid[] = "\7invalid";
	/* mname, rname, serial (written later), refresh 1 h, retry 10 min, expire 2^31 - 2, minimum 0 */
	static const uint8_t soa[] =
		"\7invalid\0\7invalid\0\0\0\0\0\0\0\x0e\x10\0\0\2\x58\x7f\xff\xff\xfe"
		"\0\0\0";
	uint8_t node[NODE_MAX];
	size_t node_sz = stele_node_put_rr(node, STELE_TYPE_NS, TTL, invalid, sizeof(invalid));
	node_sz += stele_node_put_rr(node + node_sz, STELE_TYPE_SOA, TTL, soa, sizeof(soa));
	static const uint8_t apex[1];
	if (!put_entry(job, apex, 0, node, node_sz))
		return false;
	node_sz = stele_node_put_rr(node, STELE_TYPE_TXT, TTL,
				    "\1"
				    "2",
				    2);
	return put_entry(job, (const uint8_t *)"\7version", 8, node, node_sz);
}

static bool put_member(struct job *job, const struct stele_managed_zone *zone)
{
	uint8_t digest[SHA256_DIGEST_LENGTH], node[NODE_MAX], text[256];
	uint8_t rel[6 + 1 + UNIQUE_SZ + 1 + 6], *unique = rel + 6;
	char hex[UNIQUE_SZ + 1];
	SHA256(zone->apex, zone->apex_len, digest);
	stele_hex_encode(digest, UNIQUE_SZ / 2, hex);
	memcpy(rel, "\5group", 6);
	unique[0] = UNIQUE_SZ;
	memcpy(unique + 1, hex, UNIQUE_SZ);
	memcpy(unique + 1 + UNIQUE_SZ, "\5zones", 6);
	size_t unique_len = 1 + UNIQUE_SZ + 6;
	size_t node_sz = stele_node_put_rr(node, STELE_TYPE_PTR, TTL, zone->apex, zone->apex_len);
	if (!put_entry(job, unique, unique_len, node, node_sz))
		return false;
	const char *group = zone->options->catalog_group;
	if (group == NULL)
		return true;
	size_t len = strlen(group) < 255 ? strlen(group) : 255;
	text[0] = (uint8_t)len;
	memcpy(text + 1, group, len);
	node_sz = stele_node_put_rr(node, STELE_TYPE_TXT, TTL, text, 1 + len);
	return put_entry(job, rel, 6 + unique_len, node, node_sz);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return stele_sort_key_compare(x->key, x->key_len, y->key, y->key_len);
}

static bool is_listed_in(const struct stele_managed_zone *zone,
			 const struct stele_managed_zone *catalog)
{
	const struct stele_zone_config *producer = zone->options->producer;
	return producer != NULL && producer->apex_len == catalog->apex_len &&
	       memcmp(producer->apex, catalog->apex, catalog->apex_len) == 0;
}

static struct job *make(struct stele_daemon *daemon, const struct stele_managed_zone *catalog)
{
	struct job *job = calloc(1, sizeof(*job));
	bool done = job != NULL && put_head(job);
	for (size_t i = 0; done && i < stele_zones_cnt(daemon->zones); i++) {
		const struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (is_listed_in(zone, catalog))
			done = put_member(job, zone);
	}
	if (!done) {
		job_free(job);
		return NULL;
	}
	job->daemon = daemon;
	memcpy(job->apex, catalog->apex, catalog->apex_len);
	qsort(job->entries, job->entry_cnt, sizeof(job->entries[0]), compare_entries);
	return job;
}

/* ---- what it holds ---- */

/* Where the serial of a head's SOA is. */
static uint8_t *serial_in(const struct job *job)
{
	struct stele_node_rrset soa;
	stele_node_find(job->entries[0].node, job->entries[0].node_sz, STELE_TYPE_SOA, &soa);
	return (uint8_t *)soa.data + 2 + SOA_SERIAL_OFF;
}

static int compare_with(struct job *job, struct stele_store_cursor *cursor,
			struct stele_error *reterr)
{
	struct stele_store_item item;
	int status;
	size_t i = 0;
	while ((status = stele_store_cursor_next(cursor, &item, reterr)) == 1) {
		if (i == job->entry_cnt)
			return 0;
		const struct entry *entry = &job->entries[i++];
		if (item.key_len != entry->key_len || item.node_sz != entry->node_sz ||
		    (item.key_len > 0 && memcmp(item.key, entry->key, item.key_len) != 0) ||
		    memcmp(item.node, entry->node, item.node_sz) != 0)
			return 0;
	}
	return status < 0 ? status : i == job->entry_cnt;
}

/* 1 if the store holds just this, whatever the serial; 0; a failure. */
static int is_written(struct stele_store_read *read, struct job *job, struct stele_error *reterr)
{
	struct stele_zone_info info;
	struct stele_store_cursor *cursor;
	int status = stele_store_zone_find(read, job->apex, &info, reterr);
	if (status == STELE_E_NOTFOUND ||
	    (status == 0 && (info.flags & STELE_STORE_ZONE_EXPIRED) != 0))
		return 0;
	if (status == 0)
		status = stele_store_cursor_open(read, STELE_STORE_NODES, info.id, NULL, 0, NULL, 0,
						 &cursor, reterr);
	if (status != 0)
		return status;
	stele_put_be32(serial_in(job), info.serial);
	status = compare_with(job, cursor, reterr);
	stele_store_cursor_close(cursor);
	return status;
}

/* ---- writing ---- */

static int next_node(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	struct job *job = user;
	(void)reterr;
	if (job->at == job->entry_cnt)
		return 0;
	const struct entry *entry = &job->entries[job->at++];
	*ret_item =
		(struct stele_store_item){entry->key, entry->key_len, entry->node, entry->node_sz};
	return 1;
}

static int apply(struct stele_commit *commit, struct stele_store_write *write,
		 struct stele_error *reterr)
{
	struct job *job = (struct job *)commit;
	struct stele_zone_info info = {.serial = 0};
	int status = stele_store_zone_find(stele_store_write_view(write), job->apex, &info, reterr);
	if (status != 0 && status != STELE_E_NOTFOUND)
		return status;
	bool is_new = status == STELE_E_NOTFOUND || (info.flags & STELE_STORE_ZONE_STUB) != 0;
	uint32_t serial = (uint32_t)time(NULL);
	if (!is_new && !stele_serial_older(info.serial, serial))
		serial = info.serial + 1;
	stele_put_be32(serial_in(job), serial != 0 ? serial : 1);
	job->at = 0;
	return stele_store_zone_replace(write, job->apex, next_node, job, NULL, NULL, NULL, reterr);
}

static void done(struct stele_commit *commit, int status, uint64_t generation,
		 const struct stele_error *err)
{
	struct job *job = (struct job *)commit;
	struct stele_managed_zone *catalog = stele_zones_find(job->daemon->zones, job->apex);
	(void)generation;
	if (catalog != NULL && catalog->catalog_state != NULL)
		catalog->catalog_state->writing = false;
	/* Zones may have come meanwhile; and what failed is tried again with the tick. */
	job->daemon->catalogs_version = 0;
	if (status != 0) {
		stele_log_some(STELE_LOG_ERROR, "catalog-failed",
			       STELE_LOG_ZONE(catalog != NULL ? catalog->name : NULL),
			       STELE_LOG_REASON(err->text));
	} else {
		struct stele_error again;
		stele_log_event(STELE_LOG_INFO, "catalog-written",
				STELE_LOG_ZONE(catalog != NULL ? catalog->name : NULL),
				STELE_LOG_NUMBER("records", job->entry_cnt));
		if (stele_catalog_produce(job->daemon, &again) < 0)
			stele_log_some(STELE_LOG_ERROR, "catalog-failed",
				       STELE_LOG_REASON(again.text));
	}
	job_free(job);
}

/* 0 also if there is nothing to do. */
static int produce(struct stele_daemon *daemon, struct stele_store_read *read,
		   struct stele_managed_zone *catalog, struct stele_error *reterr)
{
	struct stele_catalog *state = catalog_state(catalog);
	if (state != NULL && state->writing)
		return 0;
	struct job *job = state != NULL ? make(daemon, catalog) : NULL;
	if (job == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for catalog %s",
				  catalog->name);
	int status = is_written(read, job, reterr);
	if (status != 0) {
		job_free(job);
		return status < 0 ? status : 0;
	}
	state->writing = true;
	job->commit.apply = apply;
	job->commit.done = done;
	job->commit.home = daemon->main;
	job->commit.large = true;
	stele_committer_submit(daemon->committer, &job->commit);
	return 0;
}

int stele_catalog_produce(struct stele_daemon *daemon, struct stele_error *reterr)
{
	uint64_t version = stele_zones_version(daemon->zones);
	/* At the end nobody would commit it; the next start writes it. */
	if (!daemon->awake || daemon->catalogs_version == version)
		return 0;
	struct stele_store_read *read;
	int status = stele_store_read_begin(daemon->store, &read, reterr);
	if (status != 0)
		return status;
	for (size_t i = 0; status == 0 && i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (zone->options->catalog == STELE_CATALOG_PRODUCER && zone->configured)
			status = produce(daemon, read, zone, reterr);
	}
	stele_store_read_end(read);
	if (status == 0)
		daemon->catalogs_version = version;
	return status;
}
