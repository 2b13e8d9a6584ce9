/* SPDX-License-Identifier: Apache-2.0 */
/* What a server does: verifies requests, signs replies; and what clients share with it. */
#include "lib/base/bytes.h"
#include "lib/tsig/internal.h"

#include <string.h>

#include <openssl/crypto.h>

static int refuse(struct stele_tsig *tsig, uint16_t rcode, uint16_t error)
{
	tsig->rcode = rcode;
	tsig->error = error;
	return STELE_E_INPUT;
}

static bool is_fresh(uint64_t time, uint16_t fudge, uint64_t now)
{
	return (time > now ? time - now : now - time) <= fudge;
}

/* Moves the latest time of a key on; false if `time` is behind it by more than the fudge. */
static bool note_time(const struct stele_tsig_key *key, uint64_t time, uint16_t fudge)
{
	uint64_t last = atomic_load_explicit(key->last_at, memory_order_relaxed);
	do {
		if (time + fudge < last)
			return false;
		if (time <= last)
			return true;
	} while (!atomic_compare_exchange_weak_explicit(
		key->last_at, &last, time, memory_order_relaxed, memory_order_relaxed));
	return true;
}

int stele_tsig_verify_request(const struct stele_tsig_keys *keys, uint8_t *msg, size_t *len,
			      uint64_t now, struct stele_tsig *ret_tsig)
{
	struct tsig_record record;
	struct stele_tsig *tsig = ret_tsig;
	memset(tsig, 0, sizeof(*tsig));
	int status = tsig_record_find(msg, *len, &record);
	if (status < 0)
		return refuse(tsig, STELE_RCODE_FORMERR, 0);
	if (status == 0)
		return 0;
	const struct stele_tsig_key *key = stele_tsig_keys_find(keys, record.name, record.name_len);
	if (key != NULL && !tsig_record_names(&record, key))
		key = NULL;
	if (record.algorithm_len > sizeof(tsig->algorithm) ||
	    (key != NULL && !tsig_record_mac_possible(&record, key)))
		return refuse(tsig, STELE_RCODE_FORMERR, 0);
	status = 0;
	if (key != NULL) {
		EVP_MAC_CTX *ctx = tsig_mac_begin(key, NULL, 0);
		status = ctx != NULL ? tsig_mac_check(ctx, msg, &record, false) : STELE_E_SYSTEM;
		if (status < 0) {
			tsig->rcode = STELE_RCODE_SERVFAIL;
			return status;
		}
	}

	tsig->has_tsig = true;
	tsig->peer_time = tsig->request_time = record.time;
	tsig->fudge = record.fudge;
	tsig->name_len = record.name_len;
	memcpy(tsig->name, record.name, record.name_len);
	tsig->algorithm_len = record.algorithm_len;
	memcpy(tsig->algorithm, record.algorithm, record.algorithm_len);
	tsig_record_strip(&record, msg, len);
	if (key == NULL)
		return refuse(tsig, STELE_RCODE_NOTAUTH, STELE_TSIG_BADKEY);
	if (status == 0)
		return refuse(tsig, STELE_RCODE_NOTAUTH, STELE_TSIG_BADSIG);

	/* From here on the request is genuine: what is wrong with it is told with a signature. */
	tsig->key = key;
	tsig->mac_len = (uint8_t)record.mac_len;
	memcpy(tsig->mac, record.mac, record.mac_len);
	if (!is_fresh(record.time, record.fudge, now) || !note_time(key, record.time, record.fudge))
		return refuse(tsig, STELE_RCODE_NOTAUTH, STELE_TSIG_BADTIME);
	if (record.mac_len < key->mac_least)
		return refuse(tsig, STELE_RCODE_NOTAUTH, STELE_TSIG_BADTRUNC);
	return 1;
}

/* Bytes of MAC in what we send: as many as the request had, unless those are too few. */
static size_t reply_mac_len(const struct stele_tsig *tsig)
{
	if (tsig->key == NULL)
		return 0;
	return tsig->mac_len > tsig->key->mac_least ? tsig->mac_len : tsig->key->mac_least;
}

size_t stele_tsig_room(const struct stele_tsig *tsig)
{
	if (!tsig->has_tsig)
		return 0;
	return tsig_record_size(tsig->name_len, tsig->algorithm_len, reply_mac_len(tsig),
				tsig->error == STELE_TSIG_BADTIME ? 6 : 0);
}

/* Makes the MAC of a record that has all but that, and keeps it for the next message. */
static int sign(struct stele_tsig *tsig, struct tsig_record *record, const uint8_t *msg, size_t len,
		bool only_timers)
{
	uint8_t mac[STELE_TSIG_MAC_MAX];
	EVP_MAC_CTX *ctx = tsig_mac_begin(tsig->key, tsig->mac, tsig->mac_len);
	if (ctx == NULL)
		return STELE_E_SYSTEM;
	if (!tsig_mac_message(ctx, msg, len, record->original_id, stele_get_be16(msg + 10)) ||
	    !tsig_mac_variables(ctx, record, only_timers)) {
		EVP_MAC_CTX_free(ctx);
		return STELE_E_SYSTEM;
	}
	if (!tsig_mac_end(ctx, mac))
		return STELE_E_SYSTEM;
	tsig->mac_len = (uint8_t)record->mac_len;
	memcpy(tsig->mac, mac, record->mac_len);
	record->mac = tsig->mac;
	return 0;
}

static bool has_room(const uint8_t *msg, size_t len, size_t max, size_t room)
{
	return len >= STELE_HEADER_SZ && len <= max && room <= max - len &&
	       len + room <= STELE_MESSAGE_MAX && stele_get_be16(msg + 10) != UINT16_MAX;
}

int stele_tsig_sign_reply(struct stele_tsig *tsig, uint8_t *msg, size_t *len, size_t max,
			  uint64_t now)
{
	if (!tsig->has_tsig)
		return 0;
	if (!has_room(msg, *len, max, stele_tsig_room(tsig)))
		return STELE_E_USAGE;
	struct tsig_record record = {
		.name_len = tsig->name_len,
		.algorithm_len = tsig->algorithm_len,
		.time = now,
		.fudge = STELE_TSIG_FUDGE,
		.original_id = stele_get_be16(msg),
		.error = tsig->error,
		.mac_len = (uint16_t)reply_mac_len(tsig),
	};
	memcpy(record.name, tsig->name, tsig->name_len);
	memcpy(record.algorithm, tsig->algorithm, tsig->algorithm_len);
	if (tsig->key == NULL || tsig->error == STELE_TSIG_BADTIME) {
		/* The client's own time: else its check of that would hide what is wrong. */
		record.time = tsig->request_time;
		record.fudge = tsig->fudge;
	}
	uint8_t server_time[6];
	if (tsig->error == STELE_TSIG_BADTIME) {
		stele_put_be16(server_time, (uint16_t)(now >> 32));
		stele_put_be32(server_time + 2, (uint32_t)now);
		record.other = server_time;
		record.other_len = sizeof(server_time);
	}
	if (tsig->key != NULL) {
		int status = sign(tsig, &record, msg, *len, tsig->signed_cnt > 0);
		if (status < 0)
			return status;
		tsig->signed_cnt++;
	}
	tsig_record_append(&record, msg, len);
	return 0;
}

/* ---- for clients ---- */

int stele_tsig_sign_request(const struct stele_tsig_key *key, uint8_t *msg, size_t *len, size_t max,
			    uint64_t now, struct stele_tsig *ret_tsig)
{
	const char *algorithm = tsig_algorithms[key->algorithm].text;
	size_t label_len = strlen(algorithm);
	struct stele_tsig tsig = {.key = key, .has_tsig = true, .request_time = now};
	struct tsig_record record = {
		.name_len = key->name_len,
		.algorithm_len = (uint8_t)(label_len + 2),
		.time = now,
		.fudge = STELE_TSIG_FUDGE,
		.mac_len = key->mac_least,
	};
	memcpy(record.name, key->name, key->name_len);
	record.algorithm[0] = (uint8_t)label_len;
	memcpy(record.algorithm + 1, algorithm, label_len + 1); /* its NUL is the root */
	size_t room = tsig_record_size(key->name_len, label_len + 2, key->mac_least, 0);
	if (!has_room(msg, *len, max, room))
		return STELE_E_USAGE;
	record.original_id = stele_get_be16(msg);
	int status = sign(&tsig, &record, msg, *len, false);
	if (status < 0)
		return status;
	tsig_record_append(&record, msg, len);
	*ret_tsig = tsig;
	return 0;
}

void stele_tsig_end(struct stele_tsig *tsig)
{
	EVP_MAC_CTX_free(tsig->running);
	OPENSSL_cleanse(tsig, sizeof(*tsig));
}

bool stele_tsig_is_closed(const struct stele_tsig *tsig)
{
	return !tsig->is_open;
}

const char *stele_tsig_error_text(uint16_t error)
{
	switch (error) {
	case STELE_TSIG_NOERROR:
		return "NOERROR";
	case STELE_TSIG_BADSIG:
		return "BADSIG";
	case STELE_TSIG_BADKEY:
		return "BADKEY";
	case STELE_TSIG_BADTIME:
		return "BADTIME";
	case STELE_TSIG_BADTRUNC:
		return "BADTRUNC";
	default:
		return "an unknown error";
	}
}
