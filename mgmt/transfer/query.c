/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/query.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

#include <stdio.h>
#include <string.h>

#define OPTION_HEAD_SZ 4
#define SOA_TIMERS_SZ 20
#define SOA_ROOT_SZ (2 + SOA_TIMERS_SZ) /* with the root for both names */

/* Type, class, TTL, rdata length. */
static uint8_t *put_fixed(uint8_t *p, uint16_t type, uint16_t class_, uint32_t ttl, uint16_t rdlen)
{
	stele_put_be16(p, type);
	stele_put_be16(p + 2, class_);
	stele_put_be32(p + 4, ttl);
	stele_put_be16(p + 8, rdlen);
	return p + STELE_RR_FIXED_SZ;
}

size_t stele_transfer_query(uint16_t id, const uint8_t *apex, size_t apex_len, uint16_t type,
			    uint32_t serial, bool edns, uint8_t ret_msg[STELE_TRANSFER_QUERY_MAX])
{
	uint8_t *p = ret_msg;
	memset(p, 0, STELE_HEADER_SZ);
	stele_put_be16(p, id);
	stele_put_be16(p + 4, 1);
	stele_put_be16(p + 8, type == STELE_TYPE_IXFR);
	stele_put_be16(p + 10, edns);
	p += STELE_HEADER_SZ;
	memcpy(p, apex, apex_len);
	stele_put_be16(p + apex_len, type);
	stele_put_be16(p + apex_len + 2, STELE_CLASS_IN);
	p += apex_len + 4;
	if (type == STELE_TYPE_IXFR) {
		/* RFC 1995 section 3: of this SOA only the serial counts. */
		stele_put_be16(p, 0xc000 | STELE_HEADER_SZ);
		p = put_fixed(p + 2, STELE_TYPE_SOA, STELE_CLASS_IN, 0, SOA_ROOT_SZ);
		memset(p, 0, SOA_ROOT_SZ);
		stele_put_be32(p + 2, serial);
		p += SOA_ROOT_SZ;
	}
	if (edns) {
		*p++ = 0;
		p = put_fixed(p, STELE_TYPE_OPT, STELE_TRANSFER_UDP_SZ, 0, OPTION_HEAD_SZ);
		stele_put_be16(p, STELE_EDNS_EXPIRE);
		stele_put_be16(p + 2, 0);
		p += OPTION_HEAD_SZ;
	}
	return (size_t)(p - ret_msg);
}

bool stele_transfer_expire(const uint8_t *options, size_t len, uint32_t *ret_expire)
{
	for (size_t at = 0; len - at >= OPTION_HEAD_SZ;) {
		uint16_t code = stele_get_be16(options + at);
		uint16_t sz = stele_get_be16(options + at + 2);
		at += OPTION_HEAD_SZ;
		if (len - at < sz)
			return false;
		if (code == STELE_EDNS_EXPIRE && sz == sizeof(*ret_expire)) {
			*ret_expire = stele_get_be32(options + at);
			return true;
		}
		at += sz;
	}
	return false;
}

/* The records behind the question. Of several SOAs the first counts. */
static int read_records(struct stele_reader *reader, const uint8_t *apex, size_t apex_len,
			struct stele_soa_reply *reply)
{
	struct stele_rr rr;
	uint8_t rdata[2 * STELE_NAME_MAX + SOA_TIMERS_SZ];
	int got;
	while ((got = stele_reader_next(reader, &rr)) > 0) {
		if (rr.section == STELE_RR_ADDITIONAL && rr.type == STELE_TYPE_OPT)
			reply->has_expire |= stele_transfer_expire(reader->msg + rr.rdata_off,
								   rr.rdlen, &reply->expire);
		if (rr.section != STELE_RR_ANSWER || rr.type != STELE_TYPE_SOA ||
		    rr.class_ != STELE_CLASS_IN || reply->has_soa || rr.owner_len != apex_len ||
		    !stele_name_equal_nocase(rr.owner, apex, apex_len))
			continue;
		int len = stele_reader_rdata(reader, &rr, rdata, sizeof(rdata));
		if (len < 0)
			return len;
		reply->has_soa = true;
		reply->serial = stele_get_be32(rdata + len - SOA_TIMERS_SZ);
	}
	return got;
}

int stele_transfer_soa_reply(const uint8_t *msg, size_t len, uint16_t id, const uint8_t *apex,
			     size_t apex_len, struct stele_soa_reply *ret_reply,
			     struct stele_error *reterr)
{
	struct stele_reader reader;
	struct stele_rr question;
	if (stele_reader_init(&reader, msg, len) < 0 || !(reader.flags & STELE_FLAG_QR) ||
	    (reader.flags & STELE_FLAG_OPCODE) != 0)
		return stele_fail(reterr, STELE_E_INPUT, "message that is no response to a query");
	if (reader.id != id)
		return stele_fail(reterr, STELE_E_INPUT, "response with id %u (expected %u)",
				  reader.id, id);
	struct stele_soa_reply reply = {
		.rcode = reader.flags & STELE_FLAG_RCODE,
		.truncated = (reader.flags & STELE_FLAG_TC) != 0,
		.authoritative = (reader.flags & STELE_FLAG_AA) != 0,
	};
	/* Who answers FORMERR may leave out the question that it did not understand. */
	if (reader.cnt[STELE_RR_QUESTION] != 1) {
		if (reply.rcode == STELE_RCODE_NOERROR || reader.cnt[STELE_RR_QUESTION] > 1)
			return stele_fail(reterr, STELE_E_INPUT,
					  "response with %u questions (expected 1)",
					  reader.cnt[STELE_RR_QUESTION]);
	} else if (stele_reader_next(&reader, &question) <= 0 || question.owner_len != apex_len ||
		   !stele_name_equal_nocase(question.owner, apex, apex_len) ||
		   question.type != STELE_TYPE_SOA || question.class_ != STELE_CLASS_IN) {
		return stele_fail(reterr, STELE_E_INPUT, "response to another question");
	}
	if (!reply.truncated && read_records(&reader, apex, apex_len, &reply) < 0)
		return stele_fail(reterr, STELE_E_INPUT, "broken response");
	*ret_reply = reply;
	return 0;
}

const char *stele_transfer_rcode(uint16_t rcode, char text[16])
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
					    "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
					    "NXRRSET", "NOTAUTH", "NOTZONE"};
	if (rcode < sizeof(names) / sizeof(names[0]))
		return names[rcode];
	snprintf(text, 16, "RCODE%u", rcode);
	return text;
}
