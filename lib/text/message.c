/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/message.h"

#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

/*
 * Expands the name at `at`. Pointers must point backwards. Returns its length, 0 if it is invalid;
 * `*ret_end` gets the offset behind it.
 */
static size_t expand_name(const uint8_t *bytes, size_t len, size_t at, uint8_t name[STELE_NAME_MAX],
			  size_t *ret_end)
{
	size_t name_len = 0, end = 0;
	size_t before = at; /* a pointer must go further back than where its part began */
	for (;;) {
		if (at >= len)
			return 0;
		uint8_t label = bytes[at];
		if (label >= 0xc0) {
			if (at + 1 >= len)
				return 0;
			size_t to = stele_get_be16(bytes + at) & STELE_POINTER_MAX;
			if (to >= before || to < STELE_HEADER_SZ)
				return 0;
			if (end == 0)
				end = at + 2;
			before = at = to;
			continue;
		}
		if (label > STELE_LABEL_MAX || label + 1u > len - at ||
		    name_len + label + 1u > STELE_NAME_MAX)
			return 0;
		memcpy(name + name_len, bytes + at, label + 1u);
		name_len += label + 1u;
		at += label + 1u;
		if (label == 0)
			break;
	}
	*ret_end = end != 0 ? end : at;
	return name_len;
}

/* The record at `*at`, which is moved behind it. */
static bool read_rr(const uint8_t *bytes, size_t len, size_t *at, struct stele_message_rr *rr)
{
	size_t p;
	*rr = (struct stele_message_rr){.off = *at};
	size_t owner_len = expand_name(bytes, len, *at, rr->owner, &p);
	if (owner_len == 0 || len - p < STELE_RR_FIXED_SZ)
		return false;
	rr->owner_len = (uint8_t)owner_len;
	rr->type = stele_get_be16(bytes + p);
	rr->class = stele_get_be16(bytes + p + 2);
	rr->ttl = stele_get_be32(bytes + p + 4);
	rr->rdata_len = stele_get_be16(bytes + p + 8);
	rr->rdata_off = p + STELE_RR_FIXED_SZ;
	if (len - rr->rdata_off < rr->rdata_len)
		return false;
	*at = rr->rdata_off + rr->rdata_len;
	return true;
}

static int read_records(struct stele_message *m, size_t at, struct stele_error *reterr)
{
	size_t total = 0, stored = 0;
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT; s++) {
		m->cnt[s] = stele_get_be16(m->bytes + 6 + 2 * (size_t)s);
		total += m->cnt[s];
	}
	/* A count that the length cannot hold must not decide how much memory is taken. */
	if (total > m->len / (1 + STELE_RR_FIXED_SZ) + 1)
		return stele_fail(reterr, STELE_E_INPUT, "%zu records do not fit", total);
	m->rrs = calloc(total + 1, sizeof(*m->rrs));
	if (m->rrs == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	for (unsigned s = 0; s < STELE_MESSAGE_SECTION_CNT; s++) {
		size_t cnt = m->cnt[s];
		for (size_t i = 0; i < cnt; i++) {
			struct stele_message_rr *rr = &m->rrs[stored];
			if (!read_rr(m->bytes, m->len, &at, rr))
				return stele_fail(reterr, STELE_E_INPUT,
						  "record %zu of section %u is not whole", i + 1,
						  s);
			if (rr->type != STELE_TYPE_OPT) {
				stored++;
				continue;
			}
			if (s != STELE_MESSAGE_ADDITIONAL || m->has_opt || rr->owner_len != 1)
				return stele_fail(reterr, STELE_E_INPUT, "a misplaced OPT");
			m->has_opt = true;
			m->opt = *rr;
			m->cnt[s]--;
		}
	}
	if (at != m->len)
		return stele_fail(reterr, STELE_E_INPUT, "%zu bytes behind the last record",
				  m->len - at);
	return 0;
}

int stele_message_parse(const uint8_t *bytes, size_t len, struct stele_message *ret_message,
			struct stele_error *reterr)
{
	struct stele_message m = {.bytes = bytes, .len = len};
	if (len < STELE_HEADER_SZ)
		return stele_fail(reterr, STELE_E_INPUT, "shorter than a header");
	m.id = stele_get_be16(bytes);
	m.flags = stele_get_be16(bytes + 2);
	m.question_cnt = stele_get_be16(bytes + 4);
	size_t at = STELE_HEADER_SZ;
	if (m.question_cnt > 1)
		return stele_fail(reterr, STELE_E_INPUT, "%u questions", m.question_cnt);
	if (m.question_cnt == 1) {
		size_t qname_len = expand_name(bytes, len, at, m.qname, &at);
		if (qname_len == 0 || len - at < 4)
			return stele_fail(reterr, STELE_E_INPUT, "the question is not whole");
		m.qname_len = (uint8_t)qname_len;
		m.qtype = stele_get_be16(bytes + at);
		m.qclass = stele_get_be16(bytes + at + 2);
		at += 4;
	}
	int status = read_records(&m, at, reterr);
	if (status != 0) {
		stele_message_free(&m);
		return status;
	}
	*ret_message = m;
	return 0;
}

void stele_message_free(struct stele_message *message)
{
	free(message->rrs);
	message->rrs = NULL;
}

long stele_message_rdata(const struct stele_message *message, const struct stele_message_rr *rr,
			 uint8_t *rdata, size_t max)
{
	size_t end = rr->rdata_off + rr->rdata_len, at = rr->rdata_off;
	unsigned name_cnt = stele_rdata_compressible_cnt(rr->type);
	size_t before = stele_rdata_shape_of(rr->type).fixed_sz;
	size_t out = 0;
	if (name_cnt > 0) {
		if (rr->rdata_len < before)
			return -1;
		memcpy(rdata, message->bytes + at, before);
		out = before;
		at += before;
	}
	for (unsigned i = 0; i < name_cnt; i++) {
		uint8_t name[STELE_NAME_MAX];
		size_t len = expand_name(message->bytes, end, at, name, &at);
		if (len == 0 || len > max - out)
			return -1;
		memcpy(rdata + out, name, len);
		out += len;
	}
	if (end - at > max - out)
		return -1;
	memcpy(rdata + out, message->bytes + at, end - at);
	return (long)(out + end - at);
}
