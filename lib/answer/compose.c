/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answer/compose.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif
#include <string.h>

static const uint8_t *zone_apex(const struct stele_zone *zone)
{
	return (const uint8_t *)(zone + 1);
}

/* What a pointer in a carved body means. */
enum pointer_kind { TO_OWNER, TO_SUFFIX, TO_APEX, TO_BODY };
struct pointer {
	enum pointer_kind kind;
	unsigned off; /* into the owner, into the apex, into the body */
};

static struct pointer read_pointer(const uint8_t *p, size_t rel_len, size_t apex_len)
{
	unsigned v = stele_get_be16(p) & STELE_POINTER_MAX;
	unsigned x = v - STELE_HEADER_SZ;
	if (x == 0)
		return (struct pointer){TO_OWNER, 0};
	if (x < rel_len)
		return (struct pointer){TO_SUFFIX, x};
	if (x < rel_len + apex_len)
		return (struct pointer){TO_APEX, x - (unsigned)rel_len};
	return (struct pointer){TO_BODY, x - (unsigned)(rel_len + apex_len) - 4};
}

size_t stele_body_name(const struct stele_zone *zone, const uint8_t *body, unsigned name_off,
		       const uint8_t *rel, size_t rel_len,
		       uint8_t name[STELE_NAME_MAX + NAME_SLACK])
{
	const uint8_t *apex = zone_apex(zone);
	size_t len = 0;
	const uint8_t *p = body + name_off;
	for (;;) {
		if (*p < POINTER_TAG >> 8) {
			size_t n = *p + 1u;
			stele_name_lower(name + len, p, n);
			len += n;
			if (n == 1)
				return len;
			p += n;
			continue;
		}
		struct pointer to = read_pointer(p, rel_len, zone->apex_len);
		if (to.kind == TO_BODY) {
			p = body + to.off;
			continue;
		}
		/* The rest is a suffix of the owner, which is stored in lower case. */
		if (to.kind != TO_APEX) {
			memcpy(name + len, rel + to.off, rel_len - to.off);
			len += rel_len - to.off;
			to.off = 0;
		}
		memcpy(name + len, apex + to.off, zone->apex_len - to.off);
		return len + zone->apex_len - to.off;
	}
}

enum { VECTOR_SZ = sizeof(stele_vector) };

/* How many of the first VECTOR_SZ bytes are the same, up to the first that is not, once A-Z is a-z at `p`. */
static inline unsigned same_bytes(const uint8_t *p, const uint8_t *name)
{
	stele_vector lower = stele_vector_lower(stele_vector_load(p));
#if defined(__x86_64__)
	__m128i same = _mm_cmpeq_epi8((__m128i)lower, (__m128i)stele_vector_load(name));
	unsigned is_other = ~(unsigned)_mm_movemask_epi8(same);
	return (unsigned)__builtin_ctz(is_other);
#else
	unsigned cnt = 0;
	while (cnt < VECTOR_SZ && lower[cnt] == name[cnt])
		cnt++;
	return cnt;
#endif
}

/* How many bytes of `name`, whole labels of `len` bytes in all, are the same at `p` once A-Z is a-z there. Reads
 * up to VECTOR_SZ bytes more of both. */
static inline unsigned same_labels(const uint8_t *p, const uint8_t *name, unsigned len)
{
	unsigned same = 0, cnt = VECTOR_SZ;
	for (; same < len && cnt == VECTOR_SZ; same += cnt)
		cnt = same_bytes(p + same, name + same);
	if (same >= len)
		return len;
	unsigned at = 0;
	while (at + name[at] + 1u <= same)
		at += name[at] + 1u;
	return at;
}

bool stele_body_name_is(const struct stele_zone *zone, const uint8_t *body, unsigned name_off,
			const uint8_t *rel, size_t rel_len, const uint8_t *name, size_t name_len)
{
	const uint8_t *p = body + name_off;
	const uint8_t *expected = name; /* goes on with the apex */
	unsigned left = (unsigned)name_len;
	bool in_apex = false;
	for (;;) {
		unsigned same = same_labels(p, expected, left);
		p += same;
		expected += same;
		left -= same;
		if (left == 0) {
			if (in_apex) /* only that ends in the root */
				return true;
			expected = zone_apex(zone);
			left = zone->apex_len;
			in_apex = true;
			continue;
		}
		if (*p < POINTER_TAG >> 8)
			return false;
		struct pointer to = read_pointer(p, rel_len, zone->apex_len);
		if (to.kind == TO_BODY) {
			p = body + to.off;
			continue;
		}
		/* The rest is a suffix of the owner: of its apex, or of its labels before that. */
		if (to.kind == TO_APEX)
			return in_apex && left == zone->apex_len - to.off;
		size_t rest = rel_len - to.off;
		if (in_apex)
			return rest == 0 && left == zone->apex_len;
		return rest == left && memcmp(rel + to.off, expected, rest) == 0;
	}
}

struct owner stele_compose_owner(const struct work *w, const struct stele_name_parts *name)
{
	uint16_t at = sname_suffix_at(w, w->sname.depth);
	struct owner owner = {
		.at = at, .suffix_at = at, .rel = name->rel, .rel_len = name->head->rel_len};
	if (w->lo != 0xff) {
		/* Made from a wildcard: its suffix begins behind "*", as the encloser's name does. */
		uint16_t encloser_at = sname_suffix_at(w, w->lo);
		owner.suffix_at = (uint16_t)(encloser_at - 2);
		owner.made = w->sname.wire;
		owner.made_len = (uint8_t)sname_suffix_rel_len(w, w->sname.depth);
		if (encloser_at == 0)
			owner.at = 0;
	}
	return owner;
}

static size_t written_len(const struct owner *owner)
{
	return owner->made != NULL ? owner->made_len : owner->rel_len;
}

/* An owner written out: its labels and a pointer to the apex in the question. */
static uint8_t *write_owner(const struct work *w, uint8_t *p, const struct owner *owner)
{
	unsigned tail_at = owner->tail_at != 0 ? owner->tail_at : w->apex_at;
	size_t len = written_len(owner);
	memcpy(p, owner->made != NULL ? owner->made : owner->rel, len);
	stele_put_be16(p + len, (uint16_t)(POINTER_TAG | tail_at));
	return p + len + 2;
}

/*
 * The way for bodies that pointers cannot serve: each record with its owner and the names of its
 * rdata written out.
 */
static bool compose_expanded(struct work *w, const uint8_t *body, size_t from, unsigned rr_cnt,
			     const struct stele_rrset_trailer *trailer, const struct owner *owner)
{
	uint8_t *out = w->reply->buf + w->pos;
	const uint8_t *end = w->reply->buf + w->limit;
	const uint8_t *p = body + from;
	unsigned patch = 0;
	for (; rr_cnt > 0; rr_cnt--) {
		size_t rdata_len = stele_get_be16(p + RDLENGTH_AT);
		const uint8_t *rdata_end = p + RDATA_AT + rdata_len;
		if ((size_t)(end - out) < written_len(owner) + 2u + STELE_RR_FIXED_SZ)
			return false;
		out = write_owner(w, out, owner);
		memcpy(out, p + OWNER_PTR_SZ, STELE_RR_FIXED_SZ);
		uint8_t *rdlength = out + 8;
		out += STELE_RR_FIXED_SZ;
		uint8_t *rdata = out;
		p += RDATA_AT;
		for (;;) {
			/* Up to the next pointer of this record, or its end. */
			while (patch < trailer->patch_cnt &&
			       body + stele_get_le16(trailer->patches + 2 * patch) < p)
				patch++;
			const uint8_t *stop = rdata_end;
			if (patch < trailer->patch_cnt) {
				const uint8_t *at =
					body + stele_get_le16(trailer->patches + 2 * patch);
				if (at < rdata_end)
					stop = at;
			}
			size_t n = (size_t)(stop - p);
			if ((size_t)(end - out) < n)
				return false;
			memcpy(out, p, n);
			out += n;
			if (stop == rdata_end)
				break;
			uint8_t name[STELE_NAME_MAX + NAME_SLACK];
			n = stele_body_name(w->zone, body, (unsigned)(stop - body), owner->rel,
					    owner->rel_len, name);
			if ((size_t)(end - out) < n)
				return false;
			memcpy(out, name, n);
			out += n;
			p = stop + 2;
		}
		p = rdata_end;
		stele_put_be16(rdlength, (uint16_t)(out - rdata));
	}
	w->pos = (uint32_t)(out - w->reply->buf);
	return true;
}

/*
 * Moves the pointers in the rdata of a body whose first `body_len` bytes stand at `body_at` now. False
 * if one would not reach.
 */
static bool move_pointers(const struct work *w, uint8_t *body_at, size_t body_len,
			  const uint8_t *body, const struct stele_rrset_trailer *trailer,
			  const struct owner *owner, unsigned owner_at, unsigned suffix_at)
{
	if (owner_at == suffix_at && owner_at + owner->rel_len == w->apex_at) {
		/* The whole owner stands in one piece, as a cut in the question: two distances do. */
		unsigned base = STELE_HEADER_SZ + owner->rel_len + w->zone->apex_len + 4u;
		unsigned new_base = (unsigned)(body_at - w->reply->buf);
		for (unsigned i = 0; i < trailer->patch_cnt; i++) {
			unsigned off = stele_get_le16(trailer->patches + 2 * i);
			if (off >= body_len)
				break;
			unsigned v = stele_get_be16(body + off) & STELE_POINTER_MAX;
			v += v < base ? owner_at - STELE_HEADER_SZ : new_base - base;
			if (v > STELE_POINTER_MAX)
				return false;
			stele_put_be16(body_at + off, (uint16_t)(POINTER_TAG | v));
		}
		return true;
	}
	for (unsigned i = 0; i < trailer->patch_cnt; i++) {
		unsigned off = stele_get_le16(trailer->patches + 2 * i);
		if (off >= body_len)
			break;
		struct pointer to = read_pointer(body + off, owner->rel_len, w->zone->apex_len);
		size_t v = owner_at;
		if (to.kind == TO_SUFFIX)
			v = suffix_at + to.off;
		else if (to.kind == TO_APEX)
			v = w->apex_at + to.off;
		else if (to.kind == TO_BODY)
			v = (size_t)(body_at - w->reply->buf) + to.off;
		if (v > STELE_POINTER_MAX)
			return false;
		stele_put_be16(body_at + off, (uint16_t)(POINTER_TAG | v));
	}
	return true;
}

/* True if the pointers in the rdata mean what they say: the owner and its suffixes stand where they were
 * carved for, and so does the body, if it is pointed to. */
static bool is_carved_for(const struct stele_rrset *rrset, const struct owner *owner,
			  bool carved_place)
{
	if ((rrset->flags & STELE_RRSET_HAS_PATCHES) == 0)
		return true;
	return owner->at == STELE_HEADER_SZ && owner->suffix_at == STELE_HEADER_SZ &&
	       (carved_place || (rrset->flags & STELE_RRSET_SELF_POINTERS) == 0);
}

bool stele_compose_rrset(struct work *w, const uint8_t *body, const struct stele_rrset *rrset,
			 enum compose_what what, const struct owner *owner, uint16_t *section_cnt,
			 struct composed *ret)
{
	size_t plain_len = stele_le16(rrset->plain_len);
	size_t from = what == COMPOSE_SIGS_ONLY ? plain_len : 0;
	size_t to = what == COMPOSE_RECORDS ? plain_len : plain_len + stele_le16(rrset->sig_len);
	size_t len = to - from;
	unsigned rr_cnt = (what == COMPOSE_SIGS_ONLY ? 0u : stele_le16(rrset->rr_cnt)) +
			  (what == COMPOSE_RECORDS ? 0u : rrset->sig_cnt);
	uint32_t pos = w->pos;
	uint8_t *out = w->reply->buf + pos;
	bool carved_place = pos == work_question_end(w) && from == 0;

	if (owner->at != 0 && is_carved_for(rrset, owner, carved_place)) {
		if (pos + len > w->limit)
			return false;
		stele_copy(out, body + from, len);
		w->pos = pos + (uint32_t)len;
		*section_cnt = (uint16_t)(*section_cnt + rr_cnt);
		if (owner->at != STELE_HEADER_SZ) {
			stele_compose_point_owners(out, rr_cnt, owner->at);
		} else if (carved_place) {
			w->reply->body_off = (uint16_t)pos;
			w->reply->body_len = (uint16_t)len;
			w->reply->body_sum = what == COMPOSE_RECORDS ?
						     stele_le16(rrset->sum_plain) :
						     stele_rrset_trailer(body, rrset).sum_full;
		}
		if (ret != NULL) {
			ret->body_at = (uint16_t)(pos - from);
			ret->rdata_at = pos + RDATA_AT <= STELE_POINTER_MAX ?
						(uint16_t)(pos + RDATA_AT) :
						0;
		}
		return true;
	}

	struct stele_rrset_trailer trailer = stele_rrset_trailer(body, rrset);
	if (what == COMPOSE_SIGS_ONLY)
		trailer.patch_cnt = 0; /* signatures have no compressed names */
	struct composed place = {0, 0};
	bool written_out = owner->at == 0;
	size_t grown = written_out ? written_len(owner) : 0u;
	bool done = false;
	if (pos + grown + len <= w->limit && (!written_out || pos <= STELE_POINTER_MAX) &&
	    len > 0) {
		/* Where body offset 0 is, if the first owner grows by its labels. */
		uint8_t *body_at = out + grown - from;
		unsigned owner_at = written_out ? pos : owner->at;
		/* A wildcard's suffixes are behind what stands for its "*". */
		unsigned suffix_at = written_out ? pos + (unsigned)grown - owner->rel_len :
						   owner->suffix_at;
		memcpy(body_at + from, body + from, len);
		stele_compose_point_owners(body_at + from, rr_cnt, owner_at);
		done = move_pointers(w, body_at, to, body, &trailer, owner, owner_at, suffix_at);
		if (done && written_out)
			write_owner(w, out, owner);
		if (done) {
			w->pos = pos + (uint32_t)(grown + len);
			uint32_t at = (uint32_t)(body_at - w->reply->buf);
			place.body_at = at <= STELE_MESSAGE_MAX ? (uint16_t)at : 0;
			at = pos + (uint32_t)grown + RDATA_AT;
			place.rdata_at = at <= STELE_POINTER_MAX ? (uint16_t)at : 0;
		}
	}
	if (!done && !compose_expanded(w, body, from, rr_cnt, &trailer, owner))
		return false;
	*section_cnt = (uint16_t)(*section_cnt + rr_cnt);
	if (ret != NULL)
		*ret = place;
	return true;
}

bool stele_compose_nsec3(struct work *w, const struct stele_nsec3_entry *entry)
{
	uint32_t pos = w->pos, sz = stele_compose_nsec3_sz(entry);
	if (pos + sz > w->limit || pos > STELE_POINTER_MAX)
		return false;
	w->authority_cnt =
		(uint16_t)(w->authority_cnt +
			   stele_compose_put_nsec3(w->reply->buf, pos, entry, w->apex_at));
	w->pos = pos + sz;
	return true;
}

bool stele_compose_cname(struct work *w, uint16_t owner_at, uint32_t ttl, const uint8_t *target,
			 size_t target_len, struct composed *ret)
{
	uint8_t *p = w->reply->buf + w->pos;
	size_t owner_len = owner_at != 0 ? OWNER_PTR_SZ : w->sname.len;
	if (w->pos + owner_len + STELE_RR_FIXED_SZ + target_len > w->limit)
		return false;
	if (owner_at != 0)
		stele_put_be16(p, (uint16_t)(POINTER_TAG | owner_at));
	else
		memcpy(p, w->sname.wire, owner_len);
	p += owner_len;
	stele_put_be16(p, STELE_TYPE_CNAME);
	stele_put_be16(p + 2, STELE_CLASS_IN);
	stele_put_be32(p + 4, ttl);
	stele_put_be16(p + 8, (uint16_t)target_len);
	p += STELE_RR_FIXED_SZ;
	memcpy(p, target, target_len);
	size_t at = (size_t)(p - w->reply->buf);
	ret->body_at = 0;
	ret->rdata_at = at <= STELE_POINTER_MAX ? (uint16_t)at : 0;
	w->pos = (uint32_t)(at + target_len);
	w->answer_cnt++;
	return true;
}
