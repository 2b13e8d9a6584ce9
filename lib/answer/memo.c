/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/memo.h"

#include "lib/answer/work.h"

void stele_memo_clear(struct memos *memos)
{
	for (unsigned i = 0; i < MEMO_CNT; i++)
		memos->keys[i] = NULL;
}

bool stele_memo_replay(struct work *w, const struct memo *memo)
{
	if (memo->body_len == 0 || w->pos + memo->body_len > w->limit)
		return false;
	stele_memo_put(memo, w->reply->buf + w->pos, w->qname_len);
	w->pos += memo->body_len;
	w->authority_cnt = (uint16_t)(w->authority_cnt + memo->rr_cnt);
	return true;
}

/* The offset behind the name at `at`, whose pointer, if it ends in one, is noted. */
static uint32_t note_name(struct memo *memo, uint32_t at)
{
	while (memo->body[at] != 0 && memo->body[at] < 0xc0)
		at += memo->body[at] + 1u;
	if (memo->body[at] == 0)
		return at + 1;
	if (memo->pointer_cnt < MEMO_POINTER_MAX)
		memo->pointers[memo->pointer_cnt] = (uint16_t)at;
	memo->pointer_cnt++;
	return at + 2;
}

void stele_memo_capture(const struct work *w, struct memo *memo)
{
	uint32_t begin = work_question_end(w), len = w->pos - begin;
	if (len > MEMO_BODY_MAX || w->authority_cnt > UINT8_MAX)
		return;
	memcpy(memo->body, w->reply->buf + begin, len);
	memo->pointer_cnt = 0;
	for (uint32_t at = 0; at < len;) {
		at = note_name(memo, at);
		uint16_t type = stele_get_be16(memo->body + at);
		uint32_t rdata = at + STELE_RR_FIXED_SZ;
		/* Of SOA, NSEC, NSEC3 and RRSIG only SOA has names that are compressed (RFC 3597). */
		if (type == STELE_TYPE_SOA)
			note_name(memo, note_name(memo, rdata));
		at = rdata + stele_get_be16(memo->body + at + 8);
	}
	if (memo->pointer_cnt > MEMO_POINTER_MAX)
		return;
	memo->qname_len = w->qname_len;
	memo->rr_cnt = (uint8_t)w->authority_cnt;
	memo->body_len = (uint16_t)len;
}
