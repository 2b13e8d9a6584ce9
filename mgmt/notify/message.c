/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/notify/message.h"

#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"

#include <string.h>

#define OPCODE(flags) (((flags)&STELE_FLAG_OPCODE) >> STELE_OPCODE_SHIFT)
#define OPT_UDP_SIZE 1232 /* what we take ourselves */
#define NOTIFY_FLAGS ((uint16_t)(STELE_OPCODE_NOTIFY << STELE_OPCODE_SHIFT | STELE_FLAG_AA))

uint16_t stele_notify_parse(const uint8_t *msg, size_t len,
			    struct stele_notify_request *ret_request)
{
	struct stele_reader reader;
	struct stele_rr rr, question = {.owner_len = 0};
	bool has_opt = false;
	uint16_t edns_flags = 0;
	int status = stele_reader_init(&reader, msg, len);
	if (status != 0 || reader.cnt[STELE_RR_QUESTION] != 1 ||
	    (reader.flags & STELE_FLAG_QR) != 0 || OPCODE(reader.flags) != STELE_OPCODE_NOTIFY)
		return STELE_RCODE_FORMERR;
	while ((status = stele_reader_next(&reader, &rr)) == 1) {
		if (rr.section == STELE_RR_QUESTION)
			question = rr;
		if (rr.section == STELE_RR_ADDITIONAL && rr.type == STELE_TYPE_OPT) {
			has_opt = true;
			edns_flags = (uint16_t)rr.ttl;
		}
	}
	if (status != 0 || stele_reader_left(&reader) != 0)
		return STELE_RCODE_FORMERR;
	if (question.type != STELE_TYPE_SOA || question.class_ != STELE_CLASS_IN)
		return STELE_RCODE_NOTIMP;
	ret_request->id = reader.id;
	ret_request->flags = reader.flags;
	ret_request->has_opt = has_opt;
	ret_request->edns_flags = edns_flags;
	ret_request->name_len = question.owner_len;
	memcpy(ret_request->name, question.owner, question.owner_len);
	stele_name_lower(ret_request->apex, question.owner, question.owner_len);
	return STELE_RCODE_NOERROR;
}

size_t stele_notify_reply(const struct stele_notify_request *request, uint8_t *buf, size_t max)
{
	static const uint8_t root = 0;
	struct stele_writer writer;
	stele_writer_init(&writer, buf, max);
	stele_writer_begin(&writer, request->id,
			   (uint16_t)(STELE_FLAG_QR | NOTIFY_FLAGS |
				      (request->flags & STELE_FLAG_RD)));
	stele_writer_question(&writer, request->name, request->name_len, STELE_TYPE_SOA,
			      STELE_CLASS_IN);
	/* RFC 3225 section 3: DO comes back. */
	if (request->has_opt)
		(void)stele_writer_record(&writer, STELE_RR_ADDITIONAL, &root, 1, STELE_TYPE_OPT,
					  OPT_UDP_SIZE, request->edns_flags & STELE_EDNS_FLAG_DO,
					  NULL, 0);
	return stele_writer_end(&writer);
}

size_t stele_notify_make(uint8_t *buf, size_t max, uint16_t id, const uint8_t *apex,
			 size_t apex_len, uint32_t soa_ttl, const uint8_t *soa, size_t soa_len)
{
	struct stele_writer writer;
	stele_writer_init(&writer, buf, max);
	stele_writer_begin(&writer, id, NOTIFY_FLAGS);
	if (stele_writer_question(&writer, apex, apex_len, STELE_TYPE_SOA, STELE_CLASS_IN) != 1)
		return 0;
	/* One that does not fit is left out: who is notified asks for it anyway. */
	(void)stele_writer_record(&writer, STELE_RR_ANSWER, apex, apex_len, STELE_TYPE_SOA,
				  STELE_CLASS_IN, soa_ttl, soa, soa_len);
	return stele_writer_end(&writer);
}

int stele_notify_answer(const uint8_t *msg, size_t len, uint16_t id, const uint8_t *apex,
			size_t apex_len)
{
	struct stele_reader reader;
	struct stele_rr rr;
	if (stele_reader_init(&reader, msg, len) != 0 || reader.id != id ||
	    (reader.flags & STELE_FLAG_QR) == 0 || OPCODE(reader.flags) != STELE_OPCODE_NOTIFY ||
	    reader.cnt[STELE_RR_QUESTION] != 1 || stele_reader_next(&reader, &rr) != 1 ||
	    rr.type != STELE_TYPE_SOA || rr.class_ != STELE_CLASS_IN || rr.owner_len != apex_len ||
	    !stele_name_equal_nocase(rr.owner, apex, apex_len))
		return STELE_E_INPUT;
	return reader.flags & STELE_FLAG_RCODE;
}
