/* SPDX-License-Identifier: Apache-2.0 */
/* Replies to requests that we signed, one message or many (RFC 8945 sections 5.3.1 and 5.4). */
#include "lib/base/bytes.h"
#include "lib/tsig/internal.h"

#include <string.h>

static int refuse(struct stele_tsig *tsig, uint16_t error, struct stele_error *reterr,
		  const char *text)
{
	tsig->error = error;
	return stele_fail(reterr, STELE_E_INPUT, "TSIG: %s", text);
}

/* A MAC over what came since the last signature: begun with that, or a copy of what is under way. */
static EVP_MAC_CTX *begin_or_copy(const struct stele_tsig *tsig)
{
	return tsig->running != NULL ? EVP_MAC_CTX_dup(tsig->running) :
				       tsig_mac_begin(tsig->key, tsig->mac, tsig->mac_len);
}

static int take_unsigned(struct stele_tsig *tsig, const uint8_t *msg, size_t len,
			 struct stele_error *reterr)
{
	if (tsig->signed_cnt == 0)
		return refuse(tsig, STELE_TSIG_BADSIG, reterr,
			      "the reply is not signed (expected a signature, as of the request)");
	if (tsig->unsigned_cnt == STELE_TSIG_UNSIGNED_MAX)
		return refuse(tsig, STELE_TSIG_BADSIG, reterr,
			      "too many messages without a signature (expected at most 99)");
	EVP_MAC_CTX *ctx = begin_or_copy(tsig);
	if (ctx == NULL ||
	    !tsig_mac_message(ctx, msg, len, stele_get_be16(msg), stele_get_be16(msg + 10))) {
		EVP_MAC_CTX_free(ctx);
		return stele_fail(reterr, STELE_E_SYSTEM, "TSIG: out of memory");
	}
	EVP_MAC_CTX_free(tsig->running);
	tsig->running = ctx;
	tsig->is_open = true;
	tsig->unsigned_cnt++;
	return 0;
}

/* What the peer says of the request; nobody has proved that it was the peer, if `proved` is false. */
static int refuse_as_told(struct stele_tsig *tsig, const struct tsig_record *record, bool proved,
			  struct stele_error *reterr)
{
	tsig->error = record->error;
	if (record->error == STELE_TSIG_BADTIME && record->other_len == 6) {
		tsig->peer_time = (uint64_t)stele_get_be16(record->other) << 32 |
				  stele_get_be32(record->other + 2);
		return stele_fail(reterr, STELE_E_INPUT,
				  "TSIG: the server refused the request with BADTIME: its clock "
				  "says %llu, that of the request %llu",
				  (unsigned long long)tsig->peer_time,
				  (unsigned long long)tsig->request_time);
	}
	return stele_fail(reterr, STELE_E_INPUT, "TSIG: the server refused the request with %s%s",
			  stele_tsig_error_text(record->error),
			  proved ? "" : ", if it was the server: that is not signed");
}

static int take_signed(struct stele_tsig *tsig, const struct tsig_record *record,
		       const uint8_t *msg, uint64_t now, struct stele_error *reterr)
{
	const struct stele_tsig_key *key = tsig->key;
	if (!tsig_record_names(record, key))
		return refuse(tsig, STELE_TSIG_BADKEY, reterr,
			      "the reply has another key or algorithm than the request");
	if (record->mac_len == 0 && record->error != 0)
		return refuse_as_told(tsig, record, false, reterr);
	if (!tsig_record_mac_possible(record, key))
		return refuse(tsig, STELE_TSIG_BADSIG, reterr,
			      "the signature of the reply has an impossible length");
	EVP_MAC_CTX *ctx = begin_or_copy(tsig);
	int status = ctx != NULL ? tsig_mac_check(ctx, msg, record, tsig->signed_cnt > 0) :
				   STELE_E_SYSTEM;
	if (status < 0)
		return stele_fail(reterr, status, "TSIG: out of memory");
	if (status == 0)
		return refuse(tsig, STELE_TSIG_BADSIG, reterr,
			      "the signature of the reply is wrong");
	if ((record->time > now ? record->time - now : now - record->time) > record->fudge)
		return refuse(tsig, STELE_TSIG_BADTIME, reterr,
			      "the reply was signed at another time than now (expected clocks that "
			      "agree)");
	if (record->error != 0)
		return refuse_as_told(tsig, record, true, reterr);
	if (record->mac_len < key->mac_least)
		return refuse(tsig, STELE_TSIG_BADTRUNC, reterr,
			      "the signature of the reply is shorter than mac_size of its key");
	return 1;
}

int stele_tsig_verify_reply(struct stele_tsig *tsig, uint8_t *msg, size_t *len, uint64_t now,
			    struct stele_error *reterr)
{
	struct tsig_record record;
	tsig->error = STELE_TSIG_NOERROR;
	int status = tsig_record_find(msg, *len, &record);
	if (status < 0)
		return refuse(tsig, STELE_TSIG_BADSIG, reterr,
			      "the reply cannot be read, or its TSIG is not the last record");
	if (status == 0)
		return take_unsigned(tsig, msg, *len, reterr);
	status = take_signed(tsig, &record, msg, now, reterr);
	if (status < 0)
		return status;
	tsig->mac_len = (uint8_t)record.mac_len;
	memcpy(tsig->mac, record.mac, record.mac_len);
	tsig->peer_time = record.time;
	tsig->signed_cnt++;
	tsig->unsigned_cnt = 0;
	tsig->is_open = false;
	EVP_MAC_CTX_free(tsig->running);
	tsig->running = NULL;
	tsig_record_strip(&record, msg, len);
	return 1;
}
