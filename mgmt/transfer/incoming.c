/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/incoming.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/serial.h"
#include "mgmt/transfer/query.h"

#include <inttypes.h>
#include <string.h>

enum state {
	WANT_FIRST,  /* the SOA that all begins with */
	WANT_SECOND, /* after an IXFR was asked for: it tells what comes */
	WHOLE,
	REMOVING, /* of a delta, behind its first SOA */
	ADDING,   /* of a delta, behind its second SOA */
	ENDED,
};

/* What a record told costs beside its names, roughly: head and bookkeeping of who keeps it. */
#define TOLD_FIXED_SZ 16
#define SOA_FIXED_SZ STELE_INCOMING_SOA_FIXED_SZ

void stele_incoming_begin(struct stele_incoming *incoming,
			  const struct stele_incoming_settings *settings)
{
	memset(incoming, 0, offsetof(struct stele_incoming, rdata));
	incoming->settings = *settings;
	incoming->settings.only_newer |= settings->ixfr;
	incoming->state = WANT_FIRST;
}

/* Notes the kind of fault; for `return fault(incoming, …, stele_fail(…))`. */
static int fault(struct stele_incoming *incoming, enum stele_incoming_fault kind, int status)
{
	incoming->fault = kind;
	return status;
}

#define MALFORMED(incoming, reterr, ...)                                                           \
	fault(incoming, STELE_INCOMING_MALFORMED, stele_fail(reterr, STELE_E_INPUT, __VA_ARGS__))

/* A record for messages: "www.example. A". */
struct record_text {
	char text[STELE_NAME_TEXT_MAX + STELE_RRTYPE_TEXT_MAX + 1];
};

static const char *record_text(const struct stele_rr *rr, struct record_text *text)
{
	size_t len = stele_name_to_text(rr->owner, text->text);
	text->text[len++] = ' ';
	stele_rrtype_to_text(rr->type, text->text + len);
	return text->text;
}

static int check_header(struct stele_incoming *incoming, const struct stele_reader *reader,
			struct stele_error *reterr)
{
	if (reader->id != incoming->settings.id)
		return MALFORMED(incoming, reterr, "message with id %u (expected %u)", reader->id,
				 incoming->settings.id);
	if (!(reader->flags & STELE_FLAG_QR) || (reader->flags & STELE_FLAG_OPCODE) != 0)
		return MALFORMED(incoming, reterr, "message that is no response to a query");
	char text[16];
	incoming->rcode = reader->flags & STELE_FLAG_RCODE;
	if (incoming->rcode != STELE_RCODE_NOERROR)
		return fault(incoming, STELE_INCOMING_RCODE,
			     stele_fail(reterr, STELE_E_INPUT, "primary answers %s",
					stele_transfer_rcode(incoming->rcode, text)));
	if (reader->flags & STELE_FLAG_TC)
		return MALFORMED(incoming, reterr, "truncated message in a transfer");
	/* RFC 5936 section 2.2.2: the first must have the question, the others may. */
	uint16_t questions = reader->cnt[STELE_RR_QUESTION];
	if (questions > 1 || (questions == 0 && incoming->message_cnt == 0))
		return MALFORMED(incoming, reterr, "message with %u questions (expected 1)",
				 questions);
	if (reader->cnt[STELE_RR_AUTHORITY] > 0)
		return MALFORMED(incoming, reterr, "records in the authority section");
	return 0;
}

static int check_question(struct stele_incoming *incoming, const struct stele_rr *rr,
			  struct stele_error *reterr)
{
	const struct stele_incoming_settings *settings = &incoming->settings;
	uint16_t type = settings->ixfr ? STELE_TYPE_IXFR : STELE_TYPE_AXFR;
	if (rr->owner_len == settings->apex_len &&
	    stele_name_equal_nocase(rr->owner, settings->apex, rr->owner_len) && rr->type == type &&
	    rr->class_ == STELE_CLASS_IN)
		return 0;
	struct record_text text;
	return MALFORMED(incoming, reterr, "message for another question: %s (expected %s)",
			 record_text(rr, &text), settings->ixfr ? "IXFR" : "AXFR");
}

/* Lowers the owner, or finds that it is that of the record before, and that it is in the zone. */
static int take_owner(struct stele_incoming *incoming, const struct stele_rr *rr, bool *ret_same,
		      struct stele_error *reterr)
{
	const struct stele_incoming_settings *settings = &incoming->settings;
	*ret_same = rr->owner_len == incoming->raw_len &&
		    memcmp(rr->owner, incoming->raw, rr->owner_len) == 0;
	if (*ret_same)
		return 0;
	uint8_t owner[STELE_NAME_MAX];
	stele_name_lower(owner, rr->owner, rr->owner_len);
	if (!stele_name_is_below(owner, rr->owner_len, settings->apex, settings->apex_len)) {
		struct record_text text;
		return MALFORMED(incoming, reterr, "%s is out of the zone", record_text(rr, &text));
	}
	/* Other case, same owner. */
	*ret_same = rr->owner_len == incoming->owner_len &&
		    memcmp(owner, incoming->owner, rr->owner_len) == 0;
	memcpy(incoming->raw, rr->owner, rr->owner_len);
	incoming->raw_len = rr->owner_len;
	memcpy(incoming->owner, owner, rr->owner_len);
	incoming->owner_len = rr->owner_len;
	return 0;
}

/* Types that stand for no data: OPT, and those of questions and of the messages themselves. */
static bool is_meta(uint16_t type)
{
	return type == 0 || type == STELE_TYPE_OPT || (type >= 128 && type <= 255);
}

static int tell(struct stele_incoming *incoming, const struct stele_incoming_record *record,
		struct stele_error *reterr)
{
	const struct stele_incoming_settings *settings = &incoming->settings;
	incoming->told_sz += TOLD_FIXED_SZ + record->rdata_len;
	if (!record->same_owner)
		incoming->told_sz += record->owner_len;
	if (settings->sz_max > 0 &&
	    incoming->told_sz / STELE_INCOMING_UNPACK_MAX > settings->sz_max)
		return fault(incoming, STELE_INCOMING_TOO_LARGE,
			     stele_fail(reterr, STELE_E_INPUT,
					"transfer unpacks to more than %u times %" PRIu64 " bytes",
					STELE_INCOMING_UNPACK_MAX, settings->sz_max));
	int status = settings->sink.record(settings->sink.user, record, reterr);
	return status < 0 ? fault(incoming, STELE_INCOMING_SINK, status) : 0;
}

/* The first SOA: what the primary has, and whether we want it. */
static int take_first(struct stele_incoming *incoming, const struct stele_incoming_record *soa)
{
	const struct stele_incoming_settings *settings = &incoming->settings;
	memcpy(incoming->soa, soa->rdata, soa->rdata_len);
	incoming->soa_len = soa->rdata_len;
	incoming->serial = stele_incoming_soa_serial(soa);
	if (settings->only_newer && !stele_serial_older(settings->serial, incoming->serial)) {
		incoming->kind = incoming->serial == settings->serial ? STELE_INCOMING_UP_TO_DATE :
									STELE_INCOMING_OLDER;
		incoming->state = ENDED;
		return 0;
	}
	incoming->state = WANT_SECOND;
	return 0;
}

static int begin_whole(struct stele_incoming *incoming, struct stele_error *reterr)
{
	const struct stele_incoming_settings *settings = &incoming->settings;
	incoming->kind = STELE_INCOMING_WHOLE;
	incoming->state = WHOLE;
	int status = settings->sink.whole(settings->sink.user, reterr);
	if (status < 0)
		return fault(incoming, STELE_INCOMING_SINK, status);
	struct stele_incoming_record soa = {
		.owner = settings->apex,
		.owner_len = settings->apex_len,
		.type = STELE_TYPE_SOA,
		.rdata_len = incoming->soa_len,
		.ttl = incoming->soa_ttl,
		.rdata = incoming->soa,
	};
	return tell(incoming, &soa, reterr);
}

/* A SOA in a transfer of the zone as a whole can only be its end. */
static int end_whole(struct stele_incoming *incoming, const struct stele_incoming_record *soa,
		     struct stele_error *reterr)
{
	if (soa->rdata_len != incoming->soa_len ||
	    !stele_name_equal_nocase(soa->rdata, incoming->soa, soa->rdata_len - SOA_FIXED_SZ) ||
	    memcmp(soa->rdata + soa->rdata_len - SOA_FIXED_SZ,
		   incoming->soa + soa->rdata_len - SOA_FIXED_SZ, SOA_FIXED_SZ) != 0)
		return MALFORMED(incoming, reterr,
				 "another SOA in the middle (serial %" PRIu32
				 ", the transfer began with %" PRIu32 ")",
				 stele_incoming_soa_serial(soa), incoming->serial);
	incoming->state = ENDED;
	return 0;
}

static int begin_delta(struct stele_incoming *incoming, struct stele_incoming_record *soa,
		       struct stele_error *reterr)
{
	const struct stele_incoming_sink *sink = &incoming->settings.sink;
	/* The SOA before was not told, if this is the first delta. */
	soa->same_owner &= incoming->state != WANT_SECOND;
	incoming->kind = STELE_INCOMING_DELTAS;
	incoming->state = REMOVING;
	incoming->from = stele_incoming_soa_serial(soa);
	int status = sink->delta(sink->user, incoming->from, reterr);
	if (status < 0)
		return fault(incoming, STELE_INCOMING_SINK, status);
	soa->removed = true;
	return tell(incoming, soa, reterr);
}

/* Behind what a delta removes comes the SOA that it leads to. */
static int turn_delta(struct stele_incoming *incoming, const struct stele_incoming_record *soa,
		      struct stele_error *reterr)
{
	uint32_t to = stele_incoming_soa_serial(soa);
	if (!stele_serial_older(incoming->from, to) || stele_serial_older(incoming->serial, to))
		return MALFORMED(incoming, reterr,
				 "delta from serial %" PRIu32 " to %" PRIu32
				 " on the way to %" PRIu32,
				 incoming->from, to, incoming->serial);
	incoming->to = to;
	incoming->state = ADDING;
	return tell(incoming, soa, reterr);
}

/* Behind what it adds comes the next delta, or the end. */
static int end_delta(struct stele_incoming *incoming, struct stele_incoming_record *soa,
		     struct stele_error *reterr)
{
	uint32_t serial = stele_incoming_soa_serial(soa);
	if (serial != incoming->to)
		return MALFORMED(incoming, reterr,
				 "delta from serial %" PRIu32 " (expected one from %" PRIu32 ")",
				 serial, incoming->to);
	return serial == incoming->serial ? end_whole(incoming, soa, reterr) :
					    begin_delta(incoming, soa, reterr);
}

static int take_soa(struct stele_incoming *incoming, struct stele_incoming_record *soa,
		    struct stele_error *reterr)
{
	int status;
	switch (incoming->state) {
	case WANT_FIRST:
		return take_first(incoming, soa);
	case WANT_SECOND:
		if (incoming->settings.ixfr &&
		    stele_incoming_soa_serial(soa) == incoming->settings.serial)
			return begin_delta(incoming, soa, reterr);
		status = begin_whole(incoming, reterr);
		return status < 0 ? status : end_whole(incoming, soa, reterr);
	case WHOLE:
		return end_whole(incoming, soa, reterr);
	case REMOVING:
		return turn_delta(incoming, soa, reterr);
	default:
		return end_delta(incoming, soa, reterr);
	}
}

static int take_other(struct stele_incoming *incoming, struct stele_incoming_record *record,
		      struct stele_error *reterr)
{
	if (incoming->state == WANT_SECOND) {
		int status = begin_whole(incoming, reterr);
		if (status < 0)
			return status;
		record->same_owner = record->owner_len == incoming->settings.apex_len;
	}
	record->removed = incoming->state == REMOVING;
	return tell(incoming, record, reterr);
}

/* One record of the answer section. */
static int take_record(struct stele_incoming *incoming, const struct stele_reader *reader,
		       const struct stele_rr *rr, struct stele_error *reterr)
{
	struct record_text text;
	if (incoming->state == ENDED)
		/* What stands behind the SOA of a primary that is not ahead is of no use. */
		return incoming->kind >= STELE_INCOMING_WHOLE ?
			       MALFORMED(incoming, reterr, "%s behind the last SOA",
					 record_text(rr, &text)) :
			       0;
	if (rr->class_ != STELE_CLASS_IN || is_meta(rr->type))
		return MALFORMED(incoming, reterr, "%s of class %u in a transfer",
				 record_text(rr, &text), rr->class_);
	if (incoming->state == WANT_FIRST && rr->type != STELE_TYPE_SOA)
		return MALFORMED(incoming, reterr, "transfer begins with %s (expected the SOA)",
				 record_text(rr, &text));
	struct stele_incoming_record record = {.type = rr->type};
	int status = take_owner(incoming, rr, &record.same_owner, reterr);
	if (status < 0)
		return status;
	int rdata_len = stele_reader_rdata(reader, rr, incoming->rdata, sizeof(incoming->rdata));
	if (rdata_len < 0)
		return MALFORMED(incoming, reterr, "the data of %s are broken",
				 record_text(rr, &text));
	record.owner = incoming->owner;
	record.owner_len = incoming->owner_len;
	record.rdata_len = (uint16_t)rdata_len;
	record.rdata = incoming->rdata;
	/* RFC 2181 section 8. */
	record.ttl = rr->ttl > INT32_MAX ? 0 : rr->ttl;
	incoming->rr_cnt++;
	if (rr->type != STELE_TYPE_SOA)
		return take_other(incoming, &record, reterr);
	if (record.owner_len != incoming->settings.apex_len)
		return MALFORMED(incoming, reterr, "%s in the middle of the zone",
				 record_text(rr, &text));
	if (incoming->state == WANT_FIRST)
		incoming->soa_ttl = record.ttl;
	return take_soa(incoming, &record, reterr);
}

int stele_incoming_message(struct stele_incoming *incoming, const uint8_t *msg, size_t len,
			   struct stele_error *reterr)
{
	struct stele_reader reader;
	incoming->sz += len;
	if (incoming->settings.sz_max > 0 && incoming->sz > incoming->settings.sz_max)
		return fault(incoming, STELE_INCOMING_TOO_LARGE,
			     stele_fail(reterr, STELE_E_INPUT,
					"transfer has more than %" PRIu64 " bytes",
					incoming->settings.sz_max));
	if (stele_reader_init(&reader, msg, len) < 0)
		return MALFORMED(incoming, reterr, "message of %zu bytes", len);
	int status = check_header(incoming, &reader, reterr);
	if (status < 0)
		return status;
	struct stele_rr rr;
	int got;
	while ((got = stele_reader_next(&reader, &rr)) > 0) {
		status = 0;
		if (rr.section == STELE_RR_QUESTION)
			status = check_question(incoming, &rr, reterr);
		else if (rr.section == STELE_RR_ANSWER)
			status = take_record(incoming, &reader, &rr, reterr);
		else if (rr.type == STELE_TYPE_OPT)
			incoming->has_expire |= stele_transfer_expire(msg + rr.rdata_off, rr.rdlen,
								      &incoming->expire);
		if (status < 0)
			return status;
	}
	if (got < 0 || stele_reader_left(&reader) > 0)
		return MALFORMED(incoming, reterr, "message %" PRIu64 " is broken",
				 incoming->message_cnt + 1);
	incoming->message_cnt++;
	/* Nothing forbids a message without records, but nobody sends one, and some never end. */
	if (reader.cnt[STELE_RR_ANSWER] == 0)
		return MALFORMED(incoming, reterr, "message without records in a transfer");
	return incoming->state == ENDED ? 0 : 1;
}
