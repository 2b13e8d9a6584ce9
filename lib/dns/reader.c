/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/reader.h"

#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"

#include <string.h>

#define QUESTION_FIXED_SZ 4 /* type and class */

int stele_reader_init(struct stele_reader *reader, const uint8_t *msg, size_t len)
{
	if (len < STELE_HEADER_SZ || len > STELE_MESSAGE_MAX)
		return STELE_E_INPUT;
	*reader = (struct stele_reader){
		.msg = msg,
		.len = len,
		.id = stele_get_be16(msg),
		.flags = stele_get_be16(msg + 2),
		.at = STELE_HEADER_SZ,
	};
	for (unsigned i = 0; i < STELE_RR_SECTION_CNT; i++)
		reader->cnt[i] = stele_get_be16(msg + 4 + 2 * i);
	return 0;
}

int stele_reader_name(const uint8_t *msg, size_t len, size_t at, uint8_t ret_name[STELE_NAME_MAX],
		      size_t *ret_end)
{
	uint8_t name[STELE_NAME_MAX];
	size_t name_len = 0, end = 0;
	size_t run = at; /* where the run of labels under way began */
	for (;;) {
		if (at >= len)
			return STELE_E_INPUT;
		uint8_t c = msg[at];
		if (c > STELE_LABEL_MAX) {
			if (c < 0xc0 || len - at < 2)
				return STELE_E_INPUT;
			size_t target = stele_get_be16(msg + at) & STELE_POINTER_MAX;
			if (target >= run || target < STELE_HEADER_SZ)
				return STELE_E_INPUT;
			if (end == 0)
				end = at + 2;
			at = run = target;
			continue;
		}
		/* A label needs room for the root's byte behind it. */
		if (c >= len - at || name_len + c + 1u + (c != 0) > STELE_NAME_MAX)
			return STELE_E_INPUT;
		memcpy(name + name_len, msg + at, c + 1u);
		name_len += c + 1u;
		at += c + 1u;
		if (c == 0)
			break;
	}
	memcpy(ret_name, name, name_len);
	*ret_end = end != 0 ? end : at;
	return (int)name_len;
}

int stele_reader_next(struct stele_reader *reader, struct stele_rr *ret_rr)
{
	uint32_t section = reader->section, told_cnt = reader->told_cnt;
	while (section < STELE_RR_SECTION_CNT && told_cnt == reader->cnt[section]) {
		section++;
		told_cnt = 0;
	}
	reader->section = section;
	reader->told_cnt = told_cnt;
	if (section == STELE_RR_SECTION_CNT)
		return 0;

	const uint8_t *msg = reader->msg;
	size_t at;
	uint8_t owner[STELE_NAME_MAX];
	int owner_len = stele_reader_name(msg, reader->len, reader->at, owner, &at);
	if (owner_len < 0)
		return owner_len;
	size_t fixed_sz = section == STELE_RR_QUESTION ? QUESTION_FIXED_SZ : STELE_RR_FIXED_SZ;
	if (reader->len - at < fixed_sz)
		return STELE_E_INPUT;
	uint32_t ttl = 0;
	uint16_t rdlen = 0;
	if (section != STELE_RR_QUESTION) {
		ttl = stele_get_be32(msg + at + 4);
		rdlen = stele_get_be16(msg + at + 8);
		if (reader->len - at - fixed_sz < rdlen)
			return STELE_E_INPUT;
	}
	ret_rr->section = (uint8_t)section;
	ret_rr->owner_len = (uint8_t)owner_len;
	memcpy(ret_rr->owner, owner, (size_t)owner_len);
	ret_rr->type = stele_get_be16(msg + at);
	ret_rr->class_ = stele_get_be16(msg + at + 2);
	ret_rr->ttl = ttl;
	ret_rr->rdata_off = (uint16_t)(at + fixed_sz);
	ret_rr->rdlen = rdlen;
	ret_rr->at_off = (uint16_t)reader->at;
	reader->at = at + fixed_sz + rdlen;
	reader->told_cnt = told_cnt + 1;
	return 1;
}

size_t stele_reader_left(const struct stele_reader *reader)
{
	return reader->len - reader->at;
}

/* Copies `sz` bytes at `*at`, if they are there and have room; moves both places behind them. */
static bool copy(const uint8_t *msg, size_t *at, size_t end, size_t sz, uint8_t *out,
		 size_t *out_len, size_t max)
{
	if (end - *at < sz || max - *out_len < sz)
		return false;
	if (sz > 0)
		memcpy(out + *out_len, msg + *at, sz);
	*at += sz;
	*out_len += sz;
	return true;
}

int stele_rdata_expand(uint16_t type, const uint8_t *msg, size_t at, size_t rdlen,
		       uint8_t *ret_rdata, size_t max)
{
	struct stele_rdata_shape shape = stele_rdata_shape_of(type);
	size_t end = at + rdlen, len = 0;
	if (!copy(msg, &at, end, shape.fixed_sz, ret_rdata, &len, max))
		return STELE_E_INPUT;
	for (unsigned i = 0; i < shape.string_cnt; i++)
		if (at >= end || !copy(msg, &at, end, 1u + msg[at], ret_rdata, &len, max))
			return STELE_E_INPUT;
	for (unsigned i = 0; i < shape.name_cnt; i++) {
		uint8_t name[STELE_NAME_MAX];
		/* Its own bytes end with the rdata; what it points to lies before. */
		int name_len = stele_reader_name(msg, end, at, name, &at);
		if (name_len < 0 || max - len < (size_t)name_len)
			return STELE_E_INPUT;
		memcpy(ret_rdata + len, name, (size_t)name_len);
		len += (size_t)name_len;
	}
	if ((shape.tail_sz != STELE_RDATA_TAIL_ANY && end - at != shape.tail_sz) ||
	    !copy(msg, &at, end, end - at, ret_rdata, &len, max))
		return STELE_E_INPUT;
	return (int)len;
}

int stele_reader_rdata(const struct stele_reader *reader, const struct stele_rr *rr,
		       uint8_t *ret_rdata, size_t max)
{
	if (rr->rdlen == 0 && (rr->class_ == STELE_CLASS_ANY || rr->class_ == STELE_CLASS_NONE))
		return 0;
	return stele_rdata_expand(rr->type, reader->msg, rr->rdata_off, rr->rdlen, ret_rdata, max);
}
