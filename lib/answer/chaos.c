/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/work.h"

#include "lib/base/bytes.h"

#include <string.h>

/* Names with their closing root label, as they stand in a lower-case search name. */
static const struct {
	uint8_t len;
	const char *name;
	bool is_version;
} texts[] = {
	{14, "\7version\4bind", true},
	{16, "\7version\6server", true},
	{11, "\2id\6server", false},
	{15, "\10hostname\4bind", false},
};

void stele_chaos_answer(struct work *w)
{
	const char *text = "";
	if (w->qtype == STELE_TYPE_TXT || w->qtype == STELE_TYPE_ANY)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			if (w->qname_len == texts[i].len &&
			    memcmp(w->sname.wire, texts[i].name, texts[i].len) == 0)
				text = texts[i].is_version ? w->shared->settings->chaos_version :
							     w->shared->settings->chaos_id;
	size_t text_len = strnlen(text, STELE_CHAOS_TEXT_MAX);
	if (text_len == 0) {
		w->rcode = STELE_RCODE_REFUSED;
		return;
	}
	uint32_t end = w->pos + 2 + STELE_RR_FIXED_SZ + 1 + (uint32_t)text_len;
	if (end > w->limit) {
		w->tc = true;
		return;
	}
	uint8_t *p = w->reply->buf + w->pos;
	stele_put_be16(p, 0xc000 | STELE_HEADER_SZ); /* the owner is the question's name */
	stele_put_be16(p + 2, STELE_TYPE_TXT);
	stele_put_be16(p + 4, STELE_CLASS_CH);
	stele_put_be32(p + 6, 0); /* TTL: it is about this server now */
	stele_put_be16(p + 10, (uint16_t)(text_len + 1));
	p[12] = (uint8_t)text_len;
	memcpy(p + 13, text, text_len);
	w->pos = end;
	w->answer_cnt = 1;
}
