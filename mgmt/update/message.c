/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/update/message.h"

#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"

#include <stdlib.h>
#include <string.h>

/* Memory of names and data, given back together. A block is never moved. */
struct block {
	struct block *next;
	size_t used, sz;
	uint8_t bytes[];
};

#define BLOCK_SZ ((size_t)16 << 10)

static uint8_t *take(struct stele_update *update, size_t sz)
{
	struct block *block = update->blocks;
	if (block == NULL || block->sz - block->used < sz) {
		size_t block_sz = sz > BLOCK_SZ ? sz : BLOCK_SZ;
		struct block *more = malloc(sizeof(*more) + block_sz);
		if (more == NULL)
			return NULL;
		*more = (struct block){.next = block, .sz = block_sz};
		update->blocks = block = more;
	}
	uint8_t *p = block->bytes + block->used;
	block->used += sz;
	return p;
}

void stele_update_free(struct stele_update *update)
{
	for (struct block *block = update->blocks, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(update->rrs);
	*update = (struct stele_update){0};
}

/* ---- the form of single records ---- */

/* Types that stand for something else than data of a zone (section 3.4.1.2); ANY among them. */
static bool is_data(uint16_t type)
{
	return stele_rdata_type_is_data(type);
}

/* RFC 2136 sections 2.4 and 3.2. Types that are none of data are not looked for here: there is no such
 * RRset in any zone. */
static bool is_prerequisite(const struct stele_update *update, const struct stele_update_rr *rr)
{
	if (rr->class_ == STELE_CLASS_ANY || rr->class_ == STELE_CLASS_NONE)
		return rr->rdlen == 0;
	return rr->class_ == update->class_;
}

/* RFC 2136 sections 2.5 and 3.4.1.3. */
static bool is_update(const struct stele_update *update, const struct stele_update_rr *rr)
{
	if (rr->class_ == STELE_CLASS_ANY)
		return rr->ttl == 0 && rr->rdlen == 0 &&
		       (rr->type == STELE_TYPE_ANY || is_data(rr->type));
	if (rr->class_ == STELE_CLASS_NONE)
		return rr->ttl == 0 && is_data(rr->type);
	return rr->class_ == update->class_ && is_data(rr->type);
}

/*
 * The data, with its names expanded. Empty data is fine where it stands for all (class ANY) or for none;
 * elsewhere it must be what its type allows, or the message is none.
 */
static int read_rdata(struct stele_update *update, const struct stele_reader *reader,
		      const struct stele_rr *rr, struct stele_update_rr *to)
{
	static const uint8_t nothing[1];
	to->rdata = nothing;
	to->rdlen = rr->rdlen;
	bool must_be_empty = rr->class_ == STELE_CLASS_ANY ||
			     (rr->class_ == STELE_CLASS_NONE && rr->section == STELE_RR_ANSWER);
	if (must_be_empty || !is_data(rr->type))
		return 0;
	uint8_t *rdata = malloc(STELE_RDATA_MAX);
	if (rdata == NULL)
		return STELE_E_SYSTEM;
	int len = stele_rdata_from_message(rr->type, reader->msg, reader->len, rr->rdata_off,
					   rr->rdlen, rdata);
	uint8_t *kept = len < 0 ? NULL : take(update, (size_t)len);
	if (kept != NULL) {
		memcpy(kept, rdata, (size_t)len);
		to->rdata = kept;
		to->rdlen = (size_t)len;
	}
	free(rdata);
	if (len < 0)
		return STELE_E_INPUT;
	return kept != NULL ? 0 : STELE_E_SYSTEM;
}

/* In this order: sections 3.2.5 and 3.4.1.3. */
static uint8_t judge(const struct stele_update *update, const struct stele_rr *rr,
		     const struct stele_update_rr *record)
{
	bool asks = rr->section == STELE_RR_ANSWER;
	if (asks && rr->ttl != 0)
		return STELE_RCODE_FORMERR;
	if (!stele_name_is_below(record->lower, record->owner_len, update->apex, update->name_len))
		return STELE_RCODE_NOTZONE;
	return (asks ? is_prerequisite(update, record) : is_update(update, record)) ?
		       STELE_RCODE_NOERROR :
		       STELE_RCODE_FORMERR;
}

static int read_record(struct stele_update *update, const struct stele_reader *reader,
		       const struct stele_rr *rr, struct stele_update_rr *to)
{
	uint8_t *names = take(update, 2u * rr->owner_len);
	if (names == NULL)
		return STELE_E_SYSTEM;
	memcpy(names, rr->owner, rr->owner_len);
	stele_name_lower(names + rr->owner_len, rr->owner, rr->owner_len);
	*to = (struct stele_update_rr){
		.owner = names,
		.lower = names + rr->owner_len,
		.owner_len = rr->owner_len,
		.type = rr->type,
		.class_ = rr->class_,
		.ttl = rr->ttl,
		.rcode = STELE_RCODE_NOERROR,
	};
	int status = read_rdata(update, reader, rr, to);
	if (status != 0)
		return status;
	to->rcode = judge(update, rr, to);
	return 0;
}

/* ---- the message ---- */

static bool read_zone(struct stele_update *update, const struct stele_rr *rr)
{
	if (rr->type != STELE_TYPE_SOA)
		return false;
	update->class_ = rr->class_;
	update->name_len = rr->owner_len;
	memcpy(update->name, rr->owner, rr->owner_len);
	stele_name_lower(update->apex, rr->owner, rr->owner_len);
	return true;
}

/* 1 if all of it could be read, 0 if it is malformed. */
static int read_all(struct stele_update *update, struct stele_reader *reader)
{
	struct stele_rr rr;
	size_t cnt = 0,
	       max = (size_t)reader->cnt[STELE_RR_ANSWER] + (size_t)reader->cnt[STELE_RR_AUTHORITY];
	int status;
	/* A record takes eleven bytes: counts that lie cost nothing. */
	if (max > reader->len / 11)
		return 0;
	update->rrs = calloc(max + 1, sizeof(*update->rrs));
	if (update->rrs == NULL)
		return STELE_E_SYSTEM;
	while ((status = stele_reader_next(reader, &rr)) == 1) {
		if (rr.section == STELE_RR_QUESTION) {
			if (!read_zone(update, &rr))
				return 0;
		} else if (rr.section != STELE_RR_ADDITIONAL) {
			status = read_record(update, reader, &rr, &update->rrs[cnt++]);
			if (status < 0)
				return status == STELE_E_INPUT ? 0 : status;
		}
	}
	return status == 0 && stele_reader_left(reader) == 0;
}

int stele_update_parse(const uint8_t *msg, size_t len, struct stele_update *ret_update,
		       uint16_t *ret_rcode, struct stele_error *reterr)
{
	struct stele_reader reader;
	struct stele_update update = {0};
	*ret_rcode = STELE_RCODE_FORMERR;
	if (stele_reader_init(&reader, msg, len) != 0 || (reader.flags & STELE_FLAG_QR) != 0 ||
	    reader.cnt[STELE_RR_QUESTION] != 1)
		return 0;
	update.id = reader.id;
	update.flags = reader.flags;
	int status = read_all(&update, &reader);
	if (status != 1) {
		stele_update_free(&update);
		return status == 0 ? 0 : stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	}
	update.prerequisites = update.rrs;
	update.prerequisite_cnt = reader.cnt[STELE_RR_ANSWER];
	update.updates = update.rrs + update.prerequisite_cnt;
	update.update_cnt = reader.cnt[STELE_RR_AUTHORITY];
	*ret_update = update;
	*ret_rcode = STELE_RCODE_NOERROR;
	return 0;
}

int stele_update_compare_owner(const struct stele_update_rr *a, const struct stele_update_rr *b)
{
	if (a->owner_len != b->owner_len)
		return a->owner_len < b->owner_len ? -1 : 1;
	return memcmp(a->lower, b->lower, a->owner_len);
}
