/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/import.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "zonecompiler/import/check.h"
#include "zonecompiler/import/nodes.h"
#include "zonecompiler/import/scan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct stele_import {
	struct stele_report *report;
	struct stele_scan *scan;
	struct stele_records records, nsec3;
	struct stele_hash_set cnames;
	uint64_t *hashes; /* of NSEC3 owners, see struct stele_check */

	bool has_soa;
	uint16_t soa_file, soa_column;
	uint32_t soa_line, serial;
	uint8_t soa_key[STELE_SORT_KEY_MAX];
	size_t soa_key_len;

	uint8_t apex[STELE_NAME_MAX];
	size_t apex_len;
	bool last_was_nsec3;
};

/* The scanner's sink: NSEC3 records and signatures over them go to a set of their own. */
static int take_record(void *user, const struct stele_scan_owner *owner,
		       const struct stele_record *record)
{
	struct stele_import *import = user;
	bool is_nsec3 = record->type == STELE_TYPE_NSEC3;
	if (record->type == STELE_TYPE_RRSIG)
		is_nsec3 = stele_get_be16(record->rdata) == STELE_TYPE_NSEC3;
	/* "As before" holds for a set only if the record before went there too. */
	bool same = owner->same && is_nsec3 == import->last_was_nsec3;
	import->last_was_nsec3 = is_nsec3;

	if (record->type == STELE_TYPE_SOA && !import->has_soa) {
		import->has_soa = true;
		import->soa_file = owner->file;
		import->soa_line = record->line;
		import->soa_column = record->column;
		import->serial = stele_get_be32(record->rdata + record->rdata_len - 20);
		memcpy(import->soa_key, owner->key, owner->key_len);
		import->soa_key_len = owner->key_len;
	}
	if (record->type == STELE_TYPE_CNAME &&
	    stele_hash_set_add(&import->cnames, stele_hash_key(owner->key, owner->key_len)) < 0)
		return STELE_E_SYSTEM;
	return stele_records_add(is_nsec3 ? &import->nsec3 : &import->records, owner->key,
				 owner->key_len, same, owner->file, record);
}

int stele_import_new(struct stele_report *report, struct stele_import **ret_import)
{
	struct stele_import *import = calloc(1, sizeof(*import));
	if (import == NULL)
		return STELE_E_SYSTEM;
	import->report = report;
	if (stele_scan_new(report, take_record, import, &import->scan) < 0) {
		free(import);
		return STELE_E_SYSTEM;
	}
	*ret_import = import;
	return 0;
}

void stele_import_free(struct stele_import *import)
{
	if (import == NULL)
		return;
	stele_scan_free(import->scan);
	stele_records_free(&import->records);
	stele_records_free(&import->nsec3);
	stele_hash_set_free(&import->cnames);
	free(import->hashes);
	free(import);
}

void stele_import_progress(struct stele_import *import, void (*progress)(void *user, uint64_t done),
			   void *user)
{
	stele_scan_progress(import->scan, progress, user);
}

static int no_memory(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the records of the zone");
}

static struct stele_place soa_place(const struct stele_import *import)
{
	return (struct stele_place){stele_scan_file_name(import->scan, import->soa_file),
				    import->soa_line, import->soa_column};
}

/* The zone's name, if it was not given: that of the first SOA. */
static int settle_apex(struct stele_import *import, const char *path)
{
	struct stele_place start = {path, 1, 1};
	if (!import->has_soa)
		return stele_report_error(import->report, start,
					  "no SOA record (expected one at the zone's apex)");
	uint8_t name[STELE_NAME_MAX];
	int len = stele_sort_key_to_name(import->soa_key, import->soa_key_len, name);
	if (len < 0 || len >= STELE_NAME_MAX)
		return stele_report_error(import->report, start, "bad name of the zone");
	name[len++] = 0;
	if (import->apex_len == 0) {
		memcpy(import->apex, name, (size_t)len);
		import->apex_len = (size_t)len;
		return 0;
	}
	if ((size_t)len == import->apex_len && memcmp(name, import->apex, import->apex_len) == 0)
		return 0;
	char soa_text[STELE_NAME_TEXT_MAX], apex_text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(name, soa_text);
	stele_name_to_text(import->apex, apex_text);
	return stele_report_error(import->report, soa_place(import),
				  "SOA at %s (expected it at %s, the name of the zone)", soa_text,
				  apex_text);
}

static void begin_read(struct stele_import *import, const uint8_t *apex, size_t apex_len,
		       struct stele_error *reterr)
{
	stele_records_clear(&import->records);
	stele_records_clear(&import->nsec3);
	stele_hash_set_free(&import->cnames);
	import->has_soa = false;
	import->last_was_nsec3 = false;
	import->apex_len = apex_len;
	if (apex_len > 0)
		memcpy(import->apex, apex, apex_len);
	stele_scan_reset(import->scan, import->apex, apex_len);
	if (reterr != NULL)
		reterr->text[0] = '\0';
}

/* Memory is what a scan runs out of without a word. */
static int end_scan(int status, struct stele_error *reterr)
{
	return status < 0 && reterr != NULL && reterr->text[0] == '\0' ? no_memory(reterr) : status;
}

static int end_read(struct stele_import *import, uint64_t errors_before, const char *path,
		    struct stele_error *reterr)
{
	if (import->report->error_cnt != errors_before)
		return STELE_E_INPUT;
	int status = settle_apex(import, path);
	if (status < 0)
		return status;
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key(import->apex, import->apex_len - 1, key);
	if (stele_records_sort(&import->records, key_len) < 0 ||
	    stele_records_sort(&import->nsec3, key_len) < 0)
		return no_memory(reterr);
	return 0;
}

int stele_import_read(struct stele_import *import, const char *const *paths, size_t path_cnt,
		      const uint8_t *apex, size_t apex_len, struct stele_error *reterr)
{
	uint64_t errors = import->report->error_cnt;
	begin_read(import, apex, apex_len, reterr);
	for (size_t i = 0; i < path_cnt; i++) {
		/* Each file begins at the zone's name. */
		stele_scan_set_origin(import->scan, import->apex, apex_len);
		int status = end_scan(stele_scan_file(import->scan, paths[i], reterr), reterr);
		if (status < 0)
			return status;
	}
	return end_read(import, errors, paths[0], reterr);
}

int stele_import_read_text(struct stele_import *import, const char *name, const uint8_t *text,
			   size_t len, const uint8_t *apex, size_t apex_len,
			   struct stele_error *reterr)
{
	uint64_t errors = import->report->error_cnt;
	begin_read(import, apex, apex_len, reterr);
	stele_scan_restrict(import->scan);
	int status = end_scan(stele_scan_text(import->scan, name, text, len, reterr), reterr);
	return status < 0 ? status : end_read(import, errors, name, reterr);
}

/* ---- into the store ---- */

struct stream {
	struct stele_import *import;
	struct stele_nodes nodes;
	struct stele_check check;
	struct stele_import_stats *stats;
	uint8_t hash[STELE_NSEC3_HASH_SZ];
	bool failed; /* an error was reported; what follows is only checked */
};

/* After an error the walk goes on to find more, but gives out nothing. */
static int give_node(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	struct stream *s = user;
	int got;
	while ((got = stele_nodes_next(&s->nodes)) > 0) {
		const struct stele_owner *owner = &s->nodes.owner;
		if (stele_check_owner(&s->check, owner) < 0)
			s->failed = true;
		if (stele_report_full(s->import->report))
			return STELE_E_INPUT;
		if (s->failed)
			continue;
		s->stats->owner_cnt++;
		s->stats->rr_cnt += owner->rr_cnt;
		ret_item->key = owner->key + s->check.apex_key_len;
		ret_item->key_len = owner->key_len - s->check.apex_key_len;
		if (stele_nodes_write(&s->nodes, &ret_item->node, &ret_item->node_sz) < 0)
			return no_memory(reterr);
		return 1;
	}
	if (got < 0)
		return no_memory(reterr);
	stele_check_end(&s->check);
	return s->failed ? STELE_E_INPUT : 0;
}

static int give_nsec3(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	struct stream *s = user;
	int got;
	while ((got = stele_nodes_next(&s->nodes)) > 0) {
		const struct stele_owner *owner = &s->nodes.owner;
		if (stele_check_nsec3_owner(&s->check, owner, s->hash) < 0)
			s->failed = true;
		if (stele_report_full(s->import->report))
			return STELE_E_INPUT;
		if (s->failed || owner->rrs[0].is_sig)
			continue;
		s->stats->owner_cnt++;
		s->stats->rr_cnt += owner->rr_cnt;
		ret_item->key = s->hash;
		ret_item->key_len = sizeof(s->hash);
		if (stele_nodes_write(&s->nodes, &ret_item->node, &ret_item->node_sz) < 0)
			return no_memory(reterr);
		return 1;
	}
	if (got < 0)
		return no_memory(reterr);
	stele_check_nsec3_end(&s->check);
	return s->failed ? STELE_E_INPUT : 0;
}

/* The NSEC3 stream begins when the store first asks for it. */
struct nsec3_stream {
	struct stream *stream;
	bool begun;
};

static int give_nsec3_after_nodes(void *user, struct stele_store_item *ret_item,
				  struct stele_error *reterr)
{
	struct nsec3_stream *n = user;
	if (!n->begun) {
		stele_nodes_begin(&n->stream->nodes, &n->stream->import->nsec3);
		n->begun = true;
	}
	return give_nsec3(n->stream, ret_item, reterr);
}

/* Hashes of all NSEC3 owners, in order, for the search for owners that have none. */
static int collect_hashes(struct stele_import *import, struct stele_check *check)
{
	free(import->hashes);
	import->hashes = NULL;
	check->hash_cnt = 0;
	check->opt_out = false;
	if (import->nsec3.group_cnt == 0)
		return 0;
	import->hashes = malloc(import->nsec3.group_cnt * sizeof(*import->hashes));
	if (import->hashes == NULL)
		return STELE_E_SYSTEM;
	check->hashes = import->hashes;
	struct stele_records_group group;
	struct stele_record record;
	for (uint64_t at = 0; stele_records_next_group(&import->nsec3, &at, &group);) {
		uint8_t hash[STELE_NSEC3_HASH_SZ];
		if (group.key_len <= STELE_NSEC3_LABEL_SZ ||
		    !stele_base32hex_decode(group.key + group.key_len - STELE_NSEC3_LABEL_SZ - 1,
					    hash))
			continue;
		bool has_nsec3 = false;
		while (stele_records_next(&group, &record)) {
			if (record.type != STELE_TYPE_NSEC3)
				continue;
			has_nsec3 = true;
			check->opt_out |= (record.rdata[1] & 1) != 0;
		}
		if (has_nsec3)
			import->hashes[check->hash_cnt++] = stele_get_be64(hash);
	}
	return 0;
}

/* RFC 1982: a serial that does not rise keeps secondaries from fetching the zone. */
static void check_serial(struct stele_import *import, uint32_t old)
{
	uint32_t rise = import->serial - old;
	if (rise != 0 && rise < UINT32_C(0x80000000))
		return;
	stele_report_warning(import->report, STELE_WARN_SERIAL, soa_place(import),
			     "serial %" PRIu32 " does not increase (expected more than the %" PRIu32
			     " of the store)",
			     import->serial, old);
}

/* The streams are ready to give nodes. `stats` gets what they give. */
static int begin_stream(struct stele_import *import, uint32_t now, struct stream *stream,
			struct stele_import_stats *stats)
{
	*stats =
		(struct stele_import_stats){.serial = import->serial, .apex_len = import->apex_len};
	memcpy(stats->apex, import->apex, import->apex_len);
	*stream = (struct stream){
		.import = import,
		.stats = stats,
		.check =
			{
				.report = import->report,
				.scan = import->scan,
				.apex = import->apex,
				.apex_len = import->apex_len,
				.cnames = &import->cnames,
				.now = now,
			},
	};
	if (collect_hashes(import, &stream->check) < 0)
		return STELE_E_SYSTEM;
	stele_check_begin(&stream->check);
	stele_nodes_begin(&stream->nodes, &import->records);
	return 0;
}

/* `status` is what came of the walk; what the report has outranks it. */
static int end_stream(struct stream *stream, int status, struct stele_error *reterr)
{
	if (stream->failed || stele_report_full(stream->import->report)) {
		status = STELE_E_INPUT;
		if (reterr != NULL)
			reterr->text[0] = '\0';
	}
	stele_nodes_free(&stream->nodes);
	stele_check_free(&stream->check);
	return status;
}

int stele_import_walk(struct stele_import *import, uint32_t now,
		      int (*each)(void *user, enum stele_store_table table,
				  const struct stele_store_item *item),
		      void *user, struct stele_import_stats *ret_stats, struct stele_error *reterr)
{
	struct stele_import_stats stats;
	struct stream stream;
	struct stele_store_item item;
	if (begin_stream(import, now, &stream, &stats) < 0)
		return no_memory(reterr);
	int got, status = 0;
	while (status == 0 && (got = give_node(&stream, &item, reterr)) != 0)
		status = got < 0 ? got : each(user, STELE_STORE_NODES, &item);
	if (status == 0)
		stele_nodes_begin(&stream.nodes, &import->nsec3);
	while (status == 0 && (got = give_nsec3(&stream, &item, reterr)) != 0)
		status = got < 0 ? got : each(user, STELE_STORE_NSEC3, &item);
	status = end_stream(&stream, status, reterr);
	if (status == 0)
		*ret_stats = stats;
	return status;
}

int stele_import_write(struct stele_import *import, struct stele_store_read *before,
		       struct stele_store_write *write, uint32_t now,
		       struct stele_import_stats *ret_stats, struct stele_error *reterr)
{
	struct stele_zone_info old = {0}, info;
	int found = STELE_E_NOTFOUND;
	if (before != NULL) {
		found = stele_store_zone_find(before, import->apex, &old, reterr);
		if (found < 0 && found != STELE_E_NOTFOUND)
			return found;
	}
	if (reterr != NULL)
		reterr->text[0] = '\0';

	struct stele_import_stats stats;
	struct stream stream;
	if (begin_stream(import, now, &stream, &stats) < 0)
		return no_memory(reterr);
	struct nsec3_stream nsec3 = {.stream = &stream};
	int status = stele_store_zone_replace(write, import->apex, give_node, &stream,
					      give_nsec3_after_nodes, &nsec3, &info, reterr);
	status = end_stream(&stream, status, reterr);
	if (status < 0)
		return status;
	stats.changed = found == STELE_E_NOTFOUND || info.generation != old.generation;
	*ret_stats = stats;
	if (found == 0 && stats.changed)
		check_serial(import, old.serial);
	return 0;
}
