/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/compress.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"

#include <string.h>

/* What stands in front of a body at most: any query name can have taken the owner's place. */
#define IN_FRONT_MAX (STELE_HEADER_SZ + STELE_NAME_MAX + 4)

static uint32_t label_hash(unsigned parent, const uint8_t *label)
{
	uint32_t h = (parent + 1) * 0x9e3779b1u;
	for (unsigned i = 0; i <= label[0]; i++) {
		uint8_t c = label[i];
		c = (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
		h = (h ^ c) * 0x01000193u;
	}
	return h ^ h >> 15;
}

static bool same_label(const uint8_t *a, const uint8_t *b)
{
	return a[0] == b[0] && stele_name_equal_nocase(a + 1, b + 1, a[0]);
}

/* The suffix, or 0; then `*ret_slot` is where it would go. */
static unsigned find(const struct stele_compress *compress, unsigned parent, const uint8_t *label,
		     unsigned *ret_slot)
{
	unsigned slot = label_hash(parent, label) % STELE_COMPRESS_SLOTS;
	for (; compress->slots[slot] != 0; slot = (slot + 1) % STELE_COMPRESS_SLOTS) {
		const struct stele_suffix *suffix = compress->suffixes + compress->slots[slot];
		if (suffix->parent == parent && same_label(suffix->label, label))
			return compress->slots[slot];
	}
	*ret_slot = slot;
	return 0;
}

static unsigned add(struct stele_compress *compress, unsigned parent, const uint8_t *label,
		    unsigned slot, uint16_t pointer)
{
	unsigned suffix = compress->cnt++;
	compress->suffixes[suffix] =
		(struct stele_suffix){label, (uint16_t)parent, pointer, (uint16_t)slot};
	compress->slots[slot] = (uint16_t)suffix;
	return suffix;
}

/* Takes the last suffixes out again, down to `cnt`. Last in, first out: probing stays intact. */
static void shrink(struct stele_compress *compress, unsigned cnt)
{
	while (compress->cnt > cnt)
		compress->slots[compress->suffixes[--compress->cnt].slot] = 0;
}

static unsigned label_starts(const uint8_t *name, uint8_t starts[STELE_LABELS_MAX])
{
	unsigned cnt = 0;
	for (unsigned at = 0; name[at] != 0; at += name[at] + 1u)
		starts[cnt++] = (uint8_t)at;
	return cnt;
}

void stele_compress_owner(struct stele_compress *compress, const uint8_t *owner, unsigned owner_len,
			  unsigned apex_labels, bool is_wildcard)
{
	if (compress->cnt == 0)
		compress->cnt = 1; /* the root */
	shrink(compress, 1);
	uint8_t starts[STELE_LABELS_MAX];
	unsigned label_cnt = label_starts(owner, starts);
	unsigned parent = 0;
	for (unsigned i = label_cnt; i > (is_wildcard ? 1u : 0u); i--) {
		unsigned slot = 0;
		find(compress, parent, owner + starts[i - 1], &slot);
		parent = add(compress, parent, owner + starts[i - 1], slot,
			     (uint16_t)(STELE_HEADER_SZ + starts[i - 1]));
	}
	compress->owner_cnt = compress->cnt;
	compress->apex_cnt = (uint16_t)(1 + apex_labels);
	compress->body_base = (uint16_t)(STELE_HEADER_SZ + owner_len + 4);
}

void stele_compress_reset(struct stele_compress *compress)
{
	shrink(compress, compress->owner_cnt);
}

unsigned stele_compress_name(struct stele_compress *compress, const uint8_t *name, uint8_t *to,
			     uint32_t body_off, bool apex_only, uint16_t *ret_pointer)
{
	uint8_t starts[STELE_LABELS_MAX];
	unsigned left = label_starts(name, starts); /* labels that are to be written out */
	unsigned name_len = left > 0 ? starts[left - 1] + name[starts[left - 1]] + 2u : 1;
	unsigned suffix = 0, slot = 0;
	while (left > 0) {
		unsigned longer = find(compress, suffix, name + starts[left - 1], &slot);
		if (longer == 0 || (apex_only && longer >= compress->apex_cnt))
			break;
		suffix = longer;
		left--;
	}
	unsigned written = left > 0 ? starts[left - 1] + name[starts[left - 1]] + 1u : 0;
	uint16_t pointer = compress->suffixes[suffix].pointer;
	*ret_pointer = suffix != 0 ? pointer : 0;
	if (suffix == 0) {
		memcpy(to, name, name_len);
		written = name_len;
	} else {
		memcpy(to, name, written);
		stele_put_be16(to + written, (uint16_t)(0xc000 | pointer));
		written += 2;
	}
	if (apex_only)
		return written;
	while (left > 0 && compress->cnt < STELE_COMPRESS_MAX) {
		uint32_t off = body_off + starts[--left];
		/* Out of reach; the longer suffixes could only be found through this one. */
		if (off + IN_FRONT_MAX > STELE_POINTER_MAX)
			break;
		suffix = add(compress, suffix, name + starts[left], slot,
			     (uint16_t)(compress->body_base + off));
		if (left > 0)
			find(compress, suffix, name + starts[left - 1], &slot);
	}
	return written;
}
