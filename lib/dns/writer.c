/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/dns/writer.h"

#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"

#include <stdbool.h>
#include <string.h>

#define QUESTION_FIXED_SZ 4 /* type and class */

_Static_assert((STELE_WRITER_SLOTS_CNT & (STELE_WRITER_SLOTS_CNT - 1)) == 0,
	       "a mask is made of it");
_Static_assert(STELE_WRITER_SLOTS_CNT <= 65536, "slots are counted in 16 bits");
_Static_assert(STELE_WRITER_LABELS_MAX < STELE_WRITER_SLOTS_CNT, "a probe must end");

void stele_writer_init(struct stele_writer *writer, uint8_t *buffer, size_t max)
{
	memset(writer, 0, sizeof(*writer));
	writer->msg = buffer;
	writer->max = max < STELE_MESSAGE_MAX ? max : STELE_MESSAGE_MAX;
	stele_writer_begin(writer, 0, 0);
}

static void forget_labels(struct stele_writer *writer, uint32_t label_cnt)
{
	while (writer->label_cnt > label_cnt)
		writer->slots[writer->labels[--writer->label_cnt]].off = 0;
}

void stele_writer_begin(struct stele_writer *writer, uint16_t id, uint16_t flags)
{
	forget_labels(writer, 0);
	memset(writer->cnt, 0, sizeof(writer->cnt));
	writer->section = STELE_RR_QUESTION;
	writer->limit = writer->max;
	writer->len = STELE_HEADER_SZ;
	memset(writer->msg, 0, STELE_HEADER_SZ);
	stele_put_be16(writer->msg, id);
	stele_put_be16(writer->msg + 2, flags);
}

void stele_writer_limit(struct stele_writer *writer, size_t max, size_t reserve)
{
	size_t limit = max < writer->max ? max : writer->max;
	writer->limit = limit > reserve ? limit - reserve : 0;
}

size_t stele_writer_end(struct stele_writer *writer)
{
	for (unsigned i = 0; i < STELE_RR_SECTION_CNT; i++)
		stele_put_be16(writer->msg + 4 + 2 * i, writer->cnt[i]);
	return writer->len;
}

struct stele_writer_mark stele_writer_mark(const struct stele_writer *writer)
{
	struct stele_writer_mark mark = {writer->len, writer->section, writer->label_cnt, {0}};
	memcpy(mark.cnt, writer->cnt, sizeof(mark.cnt));
	return mark;
}

void stele_writer_rollback(struct stele_writer *writer, const struct stele_writer_mark *mark)
{
	forget_labels(writer, mark->label_cnt);
	writer->len = mark->len;
	writer->section = mark->section;
	memcpy(writer->cnt, mark->cnt, sizeof(writer->cnt));
}

/* Of a label with its length byte, below the name at `parent`. */
static uint32_t hash_label(const uint8_t *label, uint16_t parent)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	size_t len = label[0] + 1u;
	uint64_t h = parent, word;
	for (; len >= 8; len -= 8, label += 8) {
		memcpy(&word, label, 8);
		h = (h ^ word) * factor;
		h ^= h >> 32;
	}
	if (len >= 4) {
		uint32_t first, last;
		memcpy(&first, label, 4);
		memcpy(&last, label + len - 4, 4);
		word = (uint64_t)first << 32 | last;
	} else {
		word = 0;
		for (size_t i = 0; i < len; i++)
			word = word << 8 | label[i];
	}
	h = (h ^ word) * factor;
	return (uint32_t)(h >> 32);
}

/* The slot where the label is, or the free one where it would go. */
static struct stele_writer_slot *find_slot(struct stele_writer *writer, const uint8_t *label,
					   uint16_t parent, uint32_t hash)
{
	uint32_t i = hash & (STELE_WRITER_SLOTS_CNT - 1);
	for (;; i = (i + 1) & (STELE_WRITER_SLOTS_CNT - 1)) {
		struct stele_writer_slot *slot = &writer->slots[i];
		if (slot->off == 0)
			return slot;
		if (slot->hash == hash && slot->parent == parent &&
		    memcmp(writer->msg + slot->off, label, label[0] + 1u) == 0)
			return slot;
	}
}

/* Writes a name, compressed; false if it does not fit: it may then be there in part. */
static bool put_name(struct stele_writer *writer, const uint8_t *name, size_t name_len)
{
	uint8_t starts[STELE_LABELS_MAX + 1];
	unsigned cnt = 0;
	for (size_t at = 0; name[at] != 0; at += name[at] + 1u)
		starts[cnt++] = (uint8_t)at;
	starts[cnt] = (uint8_t)(name_len - 1);

	/* From the root on, as far as the message has it. */
	struct stele_writer_slot *slot = NULL;
	uint32_t hash = 0;
	uint16_t parent = 0;
	for (; cnt > 0; cnt--) {
		const uint8_t *label = name + starts[cnt - 1];
		hash = hash_label(label, parent);
		slot = find_slot(writer, label, parent, hash);
		if (slot->off == 0)
			break;
		parent = slot->off;
	}
	size_t own_len = starts[cnt], at = writer->len, sz = own_len + (parent != 0 ? 2 : 1);
	if (at > writer->limit || writer->limit - at < sz)
		return false;
	memcpy(writer->msg + at, name, own_len);
	if (parent != 0)
		stele_put_be16(writer->msg + at + own_len, (uint16_t)(0xc000 | parent));
	else
		writer->msg[at + own_len] = 0;
	writer->len = at + sz;

	/* The rest of its labels are new. One that cannot be known hides those before it. */
	while (cnt > 0 && at + starts[cnt - 1] <= STELE_POINTER_MAX &&
	       writer->label_cnt < STELE_WRITER_LABELS_MAX) {
		const uint8_t *label = name + starts[--cnt];
		if (slot == NULL) {
			hash = hash_label(label, parent);
			slot = find_slot(writer, label, parent, hash);
		}
		slot->hash = hash;
		slot->parent = parent;
		slot->off = parent = (uint16_t)(at + (size_t)(label - name));
		writer->labels[writer->label_cnt++] = (uint16_t)(slot - writer->slots);
		slot = NULL;
	}
	return true;
}

static bool put_bytes(struct stele_writer *writer, const uint8_t *bytes, size_t sz)
{
	if (writer->limit - writer->len < sz)
		return false;
	if (sz > 0)
		memcpy(writer->msg + writer->len, bytes, sz);
	writer->len += sz;
	return true;
}

/* 1, 0 if it does not fit, STELE_E_INPUT. */
static int put_rdata(struct stele_writer *writer, uint16_t type, const uint8_t *rdata, size_t rdlen)
{
	uint16_t pos[2] = {0, 0};
	unsigned cnt = rdlen > 0 ? stele_rdata_compressible_names(type, rdata, rdlen, pos) : 0;
	size_t done = 0;
	for (unsigned i = 0; i < cnt; i++) {
		size_t len = pos[i] < rdlen ? stele_name_length(rdata + pos[i], rdlen - pos[i]) : 0;
		if (len == 0)
			return STELE_E_INPUT;
		if (!put_bytes(writer, rdata + done, pos[i] - done) ||
		    !put_name(writer, rdata + pos[i], len))
			return 0;
		done = pos[i] + len;
	}
	return put_bytes(writer, rdata + done, rdlen - done);
}

int stele_writer_question(struct stele_writer *writer, const uint8_t *name, size_t name_len,
			  uint16_t type, uint16_t class_)
{
	if (writer->section > STELE_RR_QUESTION)
		return STELE_E_USAGE;
	struct stele_writer_mark mark = stele_writer_mark(writer);
	uint8_t fixed[QUESTION_FIXED_SZ];
	stele_put_be16(fixed, type);
	stele_put_be16(fixed + 2, class_);
	if (!put_name(writer, name, name_len) || !put_bytes(writer, fixed, sizeof(fixed))) {
		stele_writer_rollback(writer, &mark);
		return 0;
	}
	writer->cnt[STELE_RR_QUESTION]++;
	return 1;
}

int stele_writer_record(struct stele_writer *writer, enum stele_rr_section section,
			const uint8_t *owner, size_t owner_len, uint16_t type, uint16_t class_,
			uint32_t ttl, const uint8_t *rdata, size_t rdlen)
{
	if (section < writer->section || section <= STELE_RR_QUESTION ||
	    section >= STELE_RR_SECTION_CNT)
		return STELE_E_USAGE;
	size_t len = writer->len;
	uint32_t label_cnt = writer->label_cnt;
	uint8_t fixed[STELE_RR_FIXED_SZ];
	stele_put_be16(fixed, type);
	stele_put_be16(fixed + 2, class_);
	stele_put_be32(fixed + 4, ttl);
	stele_put_be16(fixed + 8, 0);
	int done = put_name(writer, owner, owner_len) && put_bytes(writer, fixed, sizeof(fixed));
	size_t rdata_off = writer->len;
	if (done > 0)
		done = put_rdata(writer, type, rdata, rdlen);
	if (done <= 0) {
		forget_labels(writer, label_cnt);
		writer->len = len;
		return done;
	}
	stele_put_be16(writer->msg + rdata_off - 2, (uint16_t)(writer->len - rdata_off));
	writer->section = section;
	writer->cnt[section]++;
	return 1;
}
