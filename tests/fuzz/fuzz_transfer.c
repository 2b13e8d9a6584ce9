/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer that comes in. The first byte says what was asked for, the next four are our serial; then
 * come the messages, each behind two bytes of length, for the zone zone.test. with the id of the first.
 *
 * Whatever comes, what is told is of the zone and in lower case, begins with the zone as a whole or a
 * delta, and a transfer that is complete is one: the zone from its SOA on, or deltas that lead from our
 * serial to the primary's, each from where the one before ended.
 */
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "mgmt/transfer/incoming.h"
#include "mgmt/transfer/query.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t apex[] = "\4zone\4test";
#define APEX_LEN 11

/* NDEBUG must not take these away. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

struct seen {
	bool whole, deltas;
	bool at_begin; /* of the zone or of a delta: a SOA must come */
	bool adding;
	uint32_t serial; /* where the deltas so far lead to */
	uint64_t told_sz;
	uint8_t owner[STELE_NAME_MAX];
	uint8_t owner_len;
};

static int on_whole(void *user, struct stele_error *reterr)
{
	(void)reterr;
	struct seen *seen = user;
	require(!seen->whole && !seen->deltas);
	seen->whole = seen->at_begin = true;
	return 0;
}

static int on_delta(void *user, uint32_t from, struct stele_error *reterr)
{
	(void)reterr;
	struct seen *seen = user;
	require(!seen->whole && !seen->at_begin && (!seen->deltas || seen->adding));
	require(from == seen->serial);
	seen->deltas = seen->at_begin = true;
	seen->adding = false;
	return 0;
}

static void check_soa(struct seen *seen, const struct stele_incoming_record *soa)
{
	require(soa->owner_len == APEX_LEN);
	if (seen->whole) {
		require(seen->at_begin && !soa->removed);
	} else if (seen->at_begin) {
		require(soa->removed && stele_incoming_soa_serial(soa) == seen->serial);
	} else {
		require(!soa->removed && !seen->adding);
		require(stele_serial_older(seen->serial, stele_incoming_soa_serial(soa)));
		seen->serial = stele_incoming_soa_serial(soa);
		seen->adding = true;
	}
	seen->at_begin = false;
}

static int on_record(void *user, const struct stele_incoming_record *record,
		     struct stele_error *reterr)
{
	struct seen *seen = user;
	uint8_t lower[STELE_NAME_MAX];
	require(seen->whole || seen->deltas);
	require(stele_name_length(record->owner, record->owner_len) == record->owner_len);
	stele_name_lower(lower, record->owner, record->owner_len);
	require(memcmp(lower, record->owner, record->owner_len) == 0);
	require(stele_name_is_below(record->owner, record->owner_len, apex, APEX_LEN));
	require(record->same_owner == (record->owner_len == seen->owner_len &&
				       memcmp(lower, seen->owner, seen->owner_len) == 0) ||
		!record->same_owner);
	memcpy(seen->owner, lower, record->owner_len);
	seen->owner_len = record->owner_len;
	seen->told_sz += record->rdata_len;
	for (uint16_t i = 0; i < record->rdata_len; i++)
		lower[i % sizeof(lower)] ^= record->rdata[i]; /* ASan looks */
	if (record->type == STELE_TYPE_SOA)
		check_soa(seen, record);
	require(!seen->at_begin);
	require(record->removed == (seen->deltas && !seen->adding));
	if (record->rdata_len == 13)
		return stele_fail(reterr, STELE_E_INPUT, "the sink does not like it");
	return 0;
}

static void check_end(const struct stele_incoming *incoming, const struct seen *seen)
{
	require(!seen->at_begin && incoming->rr_cnt > 0);
	switch (incoming->kind) {
	case STELE_INCOMING_WHOLE:
		require(seen->whole && incoming->rr_cnt >= 2);
		break;
	case STELE_INCOMING_DELTAS:
		require(seen->deltas && seen->adding && seen->serial == incoming->serial);
		break;
	default:
		require(incoming->kind != STELE_INCOMING_UNKNOWN && !seen->whole && !seen->deltas);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stele_incoming incoming;
	if (size < 9)
		return 0;
	struct seen seen = {.serial = stele_get_be32(data + 1)};
	struct stele_incoming_settings settings = {
		.apex = apex,
		.apex_len = APEX_LEN,
		.ixfr = data[0] & 1,
		.only_newer = data[0] & 2,
		.serial = seen.serial,
		.id = stele_get_be16(data + 7),
		.sz_max = data[0] & 4 ? 300 : 0,
		.sink = {on_whole, on_delta, on_record, &seen},
	};
	stele_incoming_begin(&incoming, &settings);
	int status = 1;
	for (size_t at = 5; status == 1 && size - at >= 2;) {
		size_t len = stele_get_be16(data + at);
		at += 2;
		len = len < size - at ? len : size - at;
		/* Exactly the bytes: a read behind them is seen by ASan. */
		uint8_t *msg = malloc(len > 0 ? len : 1);
		require(msg != NULL);
		memcpy(msg, data + at, len);
		at += len;
		struct stele_error err = {.text = ""};
		struct stele_soa_reply reply;
		stele_transfer_soa_reply(msg, len, settings.id, apex, APEX_LEN, &reply, &err);
		status = stele_incoming_message(&incoming, msg, len, &err);
		free(msg);
		require(status == 1 || status == 0 || status == STELE_E_INPUT);
		require((status == STELE_E_INPUT) == (incoming.fault != STELE_INCOMING_FINE));
		require(status >= 0 || err.text[0] != '\0');
	}
	if (status == 0)
		check_end(&incoming, &seen);
	return 0;
}
