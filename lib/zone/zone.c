/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/zone.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "lib/zone/check.h"
#include "lib/zone/nodes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the records of the zone");
}

/* ---- collecting ---- */

void stele_zone_data_free(struct stele_zone_data *data)
{
	stele_records_free(&data->nodes);
	stele_records_free(&data->nsec3);
	stele_hash_set_free(&data->cnames);
	free(data->hashes);
	*data = (struct stele_zone_data){0};
}

void stele_zone_data_clear(struct stele_zone_data *data)
{
	stele_records_clear(&data->nodes);
	stele_records_clear(&data->nsec3);
	stele_hash_set_free(&data->cnames);
	data->has_soa = false;
	data->last_was_nsec3 = false;
}

int stele_zone_data_add(struct stele_zone_data *data, const uint8_t *key, size_t key_len,
			bool same_owner, uint16_t file, const struct stele_record *record)
{
	bool is_nsec3 = record->type == STELE_TYPE_NSEC3;
	if (record->type == STELE_TYPE_RRSIG)
		is_nsec3 = stele_get_be16(record->rdata) == STELE_TYPE_NSEC3;
	/* "As before" holds for a set only if the record before went there too. */
	bool same = same_owner && is_nsec3 == data->last_was_nsec3;
	data->last_was_nsec3 = is_nsec3;

	if (record->type == STELE_TYPE_SOA && !data->has_soa) {
		data->has_soa = true;
		data->soa_file = file;
		data->soa_line = record->line;
		data->soa_column = record->column;
		data->serial = stele_get_be32(record->rdata + record->rdata_len - 20);
		memcpy(data->soa_key, key, key_len);
		data->soa_key_len = key_len;
	}
	if (record->type == STELE_TYPE_CNAME &&
	    stele_hash_set_add(&data->cnames, stele_hash_key(key, key_len)) < 0)
		return STELE_E_SYSTEM;
	return stele_records_add(is_nsec3 ? &data->nsec3 : &data->nodes, key, key_len, same, file,
				 record);
}

int stele_zone_data_sort(struct stele_zone_data *data, const uint8_t *apex, size_t apex_len)
{
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = stele_sort_key(apex, apex_len - 1, key);
	int status = stele_records_sort(&data->nodes, key_len);
	return status < 0 ? status : stele_records_sort(&data->nsec3, key_len);
}

/* ---- into the store ---- */

struct stream {
	const struct stele_zone_input *input;
	struct stele_nodes nodes;
	struct stele_check check;
	struct stele_zone_stats *stats;
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
		if (stele_report_full(s->input->report))
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
		if (stele_report_full(s->input->report))
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
		stele_nodes_begin(&n->stream->nodes, &n->stream->input->data->nsec3);
		n->begun = true;
	}
	return give_nsec3(n->stream, ret_item, reterr);
}

/* Hashes of all NSEC3 owners, in order, for the search for owners that have none. */
static int collect_hashes(struct stele_zone_data *data, struct stele_check *check)
{
	free(data->hashes);
	data->hashes = NULL;
	check->hash_cnt = 0;
	check->opt_out = false;
	if (data->nsec3.group_cnt == 0)
		return 0;
	data->hashes = malloc(data->nsec3.group_cnt * sizeof(*data->hashes));
	if (data->hashes == NULL)
		return STELE_E_SYSTEM;
	check->hashes = data->hashes;
	struct stele_records_group group;
	struct stele_record record;
	for (uint64_t at = 0; stele_records_next_group(&data->nsec3, &at, &group);) {
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
			data->hashes[check->hash_cnt++] = stele_get_be64(hash);
	}
	return 0;
}

/* A serial that does not rise keeps secondaries from fetching the zone. */
static void check_serial(const struct stele_zone_input *input, uint32_t old)
{
	const struct stele_zone_data *data = input->data;

	if (stele_serial_older(old, data->serial))
		return;
	struct stele_place place = {input->file_name(input->user, data->soa_file), data->soa_line,
				    data->soa_column};
	stele_report_warning(input->report, STELE_WARN_SERIAL, place,
			     "serial %" PRIu32 " does not increase (expected more than the %" PRIu32
			     " of the store)",
			     data->serial, old);
}

/* The streams are ready to give nodes. `stats` gets what they give. */
static int begin_stream(const struct stele_zone_input *input, struct stream *stream,
			struct stele_zone_stats *stats)
{
	*stats = (struct stele_zone_stats){.serial = input->data->serial,
					   .apex_len = input->apex_len};
	memcpy(stats->apex, input->apex, input->apex_len);
	*stream = (struct stream){
		.input = input,
		.stats = stats,
		.check =
			{
				.report = input->report,
				.file_name = input->file_name,
				.user = input->user,
				.apex = input->apex,
				.apex_len = input->apex_len,
				.cnames = &input->data->cnames,
				.now = input->now,
			},
	};
	if (collect_hashes(input->data, &stream->check) < 0)
		return STELE_E_SYSTEM;
	stele_check_begin(&stream->check);
	stele_nodes_begin(&stream->nodes, &input->data->nodes);
	return 0;
}

/* `status` is what came of the walk; what the report has outranks it. */
static int end_stream(struct stream *stream, int status, struct stele_error *reterr)
{
	if (stream->failed || stele_report_full(stream->input->report)) {
		status = STELE_E_INPUT;
		if (reterr != NULL)
			reterr->text[0] = '\0';
	}
	stele_nodes_free(&stream->nodes);
	stele_check_free(&stream->check);
	return status;
}

int stele_zone_walk(const struct stele_zone_input *input,
		    int (*each)(void *user, enum stele_store_table table,
				const struct stele_store_item *item),
		    void *user, struct stele_zone_stats *ret_stats, struct stele_error *reterr)
{
	struct stele_zone_stats stats;
	struct stream stream;
	struct stele_store_item item;
	if (begin_stream(input, &stream, &stats) < 0)
		return no_memory(reterr);
	int got, status = 0;
	while (status == 0 && (got = give_node(&stream, &item, reterr)) != 0)
		status = got < 0 ? got : each(user, STELE_STORE_NODES, &item);
	if (status == 0)
		stele_nodes_begin(&stream.nodes, &input->data->nsec3);
	while (status == 0 && (got = give_nsec3(&stream, &item, reterr)) != 0)
		status = got < 0 ? got : each(user, STELE_STORE_NSEC3, &item);
	status = end_stream(&stream, status, reterr);
	if (status == 0)
		*ret_stats = stats;
	return status;
}

int stele_zone_write(const struct stele_zone_input *input, struct stele_store_read *before,
		     struct stele_store_write *write, struct stele_zone_stats *ret_stats,
		     struct stele_error *reterr)
{
	struct stele_zone_info old = {0}, info;
	int found = STELE_E_NOTFOUND;
	if (before != NULL) {
		found = stele_store_zone_find(before, input->apex, &old, reterr);
		if (found < 0 && found != STELE_E_NOTFOUND)
			return found;
	}
	if (reterr != NULL)
		reterr->text[0] = '\0';

	struct stele_zone_stats stats;
	struct stream stream;
	if (begin_stream(input, &stream, &stats) < 0)
		return no_memory(reterr);
	struct nsec3_stream nsec3 = {.stream = &stream};
	int status = stele_store_zone_replace(write, input->apex, give_node, &stream,
					      give_nsec3_after_nodes, &nsec3, &info, reterr);
	status = end_stream(&stream, status, reterr);
	if (status < 0)
		return status;
	stats.changed = found == STELE_E_NOTFOUND || info.generation != old.generation;
	*ret_stats = stats;
	if (found == 0 && stats.changed)
		check_serial(input, old.serial);
	return 0;
}
