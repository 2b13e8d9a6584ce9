/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/staging.h"

#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST ((size_t)1 << 14)

/* Copied in and out: records stand at any address. The owner and the data follow. */
struct op_head {
	uint32_t ttl;
	uint16_t type, rdata_len;
	uint8_t flags;
	uint8_t owner_len;
};

enum { OP_BEGINS = 1, OP_REMOVED = 2 };

static int no_memory(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the records of a transfer");
}

static int on_whole(void *user, struct stele_error *reterr)
{
	(void)reterr;
	struct stele_staging *staging = user;
	staging->is_deltas = false;
	return 0;
}

static int on_delta(void *user, uint32_t from, struct stele_error *reterr)
{
	(void)from;
	(void)reterr;
	struct stele_staging *staging = user;
	staging->is_deltas = true;
	staging->delta_cnt++;
	return 0;
}

static int add_op(struct stele_staging *staging, const struct stele_incoming_record *record)
{
	size_t need = sizeof(struct op_head) + record->owner_len + record->rdata_len;
	if (staging->ops_room - staging->ops_sz < need) {
		size_t room = staging->ops_room == 0 ? ROOM_FIRST : staging->ops_room;
		while (room - staging->ops_sz < need)
			room *= 2;
		uint8_t *ops = realloc(staging->ops, room);
		if (ops == NULL)
			return STELE_E_SYSTEM;
		staging->ops = ops;
		staging->ops_room = room;
	}
	bool begins = record->type == STELE_TYPE_SOA && record->removed;
	struct op_head head = {
		.ttl = record->ttl,
		.type = record->type,
		.rdata_len = record->rdata_len,
		.flags = (uint8_t)((begins ? OP_BEGINS : 0) | (record->removed ? OP_REMOVED : 0)),
		.owner_len = record->owner_len,
	};
	uint8_t *p = staging->ops + staging->ops_sz;
	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), record->owner, record->owner_len);
	if (record->rdata_len > 0)
		memcpy(p + sizeof(head) + record->owner_len, record->rdata, record->rdata_len);
	staging->ops_sz += need;
	return 0;
}

bool stele_staging_next(const struct stele_staging *staging, size_t *at,
			struct stele_staged *ret_staged)
{
	if (*at == staging->ops_sz)
		return false;
	struct op_head head;
	const uint8_t *p = staging->ops + *at;
	memcpy(&head, p, sizeof(head));
	*ret_staged = (struct stele_staged){
		.begins = (head.flags & OP_BEGINS) != 0,
		.removed = (head.flags & OP_REMOVED) != 0,
		.type = head.type,
		.rdata_len = head.rdata_len,
		.ttl = head.ttl,
		.owner = p + sizeof(head),
		.owner_len = head.owner_len,
		.rdata = p + sizeof(head) + head.owner_len,
	};
	*at += sizeof(head) + head.owner_len + head.rdata_len;
	return true;
}

static int on_record(void *user, const struct stele_incoming_record *record,
		     struct stele_error *reterr)
{
	struct stele_staging *staging = user;
	if (!stele_rdata_valid(record->type, record->rdata, record->rdata_len)) {
		char owner[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX];
		stele_name_to_text(record->owner, owner);
		return stele_fail(reterr, STELE_E_INPUT, "the data of %s %s are not valid", owner,
				  stele_rrtype_to_text(record->type, type));
	}
	staging->rr_cnt++;
	if (staging->is_deltas)
		return add_op(staging, record) < 0 ? no_memory(reterr) : 0;
	if (!record->same_owner)
		staging->key_len =
			stele_sort_key(record->owner, record->owner_len - 1u, staging->key);
	struct stele_record data = {
		.type = record->type,
		.rdata_len = record->rdata_len,
		.ttl = record->ttl,
		.rdata = record->rdata,
	};
	return stele_zone_data_add(&staging->data, staging->key, staging->key_len,
				   record->same_owner, 0, &data) < 0 ?
		       no_memory(reterr) :
		       0;
}

struct stele_incoming_sink stele_staging_sink(struct stele_staging *staging)
{
	return (struct stele_incoming_sink){on_whole, on_delta, on_record, staging};
}

void stele_staging_clear(struct stele_staging *staging)
{
	stele_zone_data_free(&staging->data);
	free(staging->ops);
	staging->ops = NULL;
	staging->ops_sz = staging->ops_room = 0;
}
