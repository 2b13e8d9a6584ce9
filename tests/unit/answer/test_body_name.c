/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in carved bodies, with pointers of every kind: what they are, and whether they are another one. Labels are
 * of few bytes, some of which look like pointers, so that names are often nearly the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/compose.h"

#include <string.h>

enum { ROUNDS = 3000, NAMES = 12, BODY_SZ = 2048, BASE_GAP = 4 };

struct text {
	uint8_t bytes[STELE_NAME_MAX + NAME_SLACK];
	size_t len;
};

static struct {
	union {
		struct stele_zone zone;
		uint8_t bytes[sizeof(struct stele_zone) + STELE_NAME_MAX + NAME_SLACK];
	} zone;
	struct text apex, owner; /* the owner without the apex */
	uint8_t body[BODY_SZ];
	size_t len;
	struct text names[NAMES]; /* whole, lower case */
	size_t offs[NAMES];
	unsigned cnt;
} c;

static uint64_t state_now;

static unsigned roll(unsigned n)
{
	state_now = state_now * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state_now >> 33) % n;
}

static void add(struct text *text, const void *bytes, size_t len)
{
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

/* One label. */
static void add_label(struct text *text)
{
	static const uint8_t alphabet[] = {'a', 'b', 1, 0xc0, 12};
	static const uint8_t sizes[] = {1, 1, 2, 3, 15, 16, 20};
	uint8_t label[64] = {sizes[roll(sizeof(sizes))]};
	for (unsigned i = 1; i <= label[0]; i++)
		label[i] = i + 1 < label[0] ? 'a' : alphabet[roll(sizeof(alphabet))];
	add(text, label, label[0] + 1u);
}

static void write_label(const uint8_t *label)
{
	uint8_t *out = c.body + c.len;
	memcpy(out, label, *label + 1u);
	for (unsigned i = 1; i <= *label; i++)
		if (out[i] >= 'a' && out[i] <= 'b' && roll(2) == 0)
			out[i] = (uint8_t)(out[i] - 'a' + 'A');
	c.len += *label + 1u;
}

/* The offset of a label of a name, not the root's. */
static size_t some_label(const uint8_t *name, size_t len)
{
	size_t starts[STELE_LABELS_MAX];
	unsigned cnt = 0;
	for (size_t at = 0; at < len && name[at] != 0; at += name[at] + 1u)
		starts[cnt++] = at;
	return cnt == 0 ? SIZE_MAX : starts[roll(cnt)];
}

static void write_pointer(size_t v)
{
	stele_put_be16(c.body + c.len, (uint16_t)(POINTER_TAG | v));
	c.len += 2;
}

/* A name at the end of the body: some labels, and then one of what may follow. */
static void add_name(void)
{
	struct text *name = &c.names[c.cnt];
	struct text whole_owner = c.owner;
	add(&whole_owner, c.apex.bytes, c.apex.len);
	name->len = 0;
	c.offs[c.cnt] = c.len;
	for (unsigned n = roll(3); n > 0; n--) {
		size_t at = name->len;
		add_label(name);
		write_label(name->bytes + at);
	}
	size_t at = some_label(whole_owner.bytes, whole_owner.len);
	unsigned before = c.cnt > 0 ? roll(c.cnt) : 0;
	switch (roll(4)) {
	case 0: /* a suffix of the owner */
		if (at != SIZE_MAX) {
			add(name, whole_owner.bytes + at, whole_owner.len - at);
			write_pointer(STELE_HEADER_SZ + at);
			break;
		}
		/* fall through */
	case 1: /* another name, which has to begin with a label */
		if (c.cnt > 0 && name->len + c.names[before].len <= STELE_NAME_MAX &&
		    c.body[c.offs[before]] != 0 && c.body[c.offs[before]] < POINTER_TAG >> 8) {
			add(name, c.names[before].bytes, c.names[before].len);
			write_pointer(STELE_HEADER_SZ + whole_owner.len + BASE_GAP +
				      c.offs[before]);
			break;
		}
		/* fall through */
	case 2: /* the apex in full */
		for (at = 0; c.apex.bytes[at] != 0; at += c.apex.bytes[at] + 1u)
			write_label(c.apex.bytes + at);
		add(name, c.apex.bytes, c.apex.len);
		c.body[c.len++] = 0;
		break;
	default: /* another zone */
		add(name, "\1q", 3);
		memcpy(c.body + c.len, "\1q", 3);
		c.len += 3;
		break;
	}
	c.cnt++;
}

static void begin(unsigned round)
{
	static const struct text apexes[] = {{{0}, 1}, {{1, 'a', 0}, 3}, {{1, 'b', 1, 'a', 0}, 5}};
	memset(&c, 0, sizeof(c));
	state_now = round;
	c.apex = apexes[round % 3];
	c.zone.zone.apex_len = (uint8_t)c.apex.len;
	memcpy(&c.zone.zone + 1, c.apex.bytes, c.apex.len);
	for (unsigned n = roll(4); n > 0; n--)
		add_label(&c.owner);
	while (c.cnt < NAMES)
		add_name();
}

/* Whether name `i` of the body is `rel` and then the apex. */
static bool is(unsigned i, const struct text *rel)
{
	return stele_body_name_is(&c.zone.zone, c.body, (unsigned)c.offs[i], c.owner.bytes,
				  c.owner.len, rel->bytes, rel->len);
}

static void check(unsigned i, const struct text *rel)
{
	struct text whole = *rel;
	add(&whole, c.apex.bytes, c.apex.len);
	bool same = whole.len == c.names[i].len &&
		    memcmp(whole.bytes, c.names[i].bytes, whole.len) == 0;
	assert_int_equal(is(i, rel), same);
}

static void test_names(void **state)
{
	(void)state;
	unsigned same_cnt = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		begin(round);
		for (unsigned i = 0; i < c.cnt; i++) {
			uint8_t name[STELE_NAME_MAX + NAME_SLACK];
			size_t len = stele_body_name(&c.zone.zone, c.body, (unsigned)c.offs[i],
						     c.owner.bytes, c.owner.len, name);
			assert_int_equal(len, c.names[i].len);
			assert_memory_equal(name, c.names[i].bytes, len);
		}
		for (unsigned i = 0; i < c.cnt; i++) {
			for (unsigned k = 0; k < c.cnt; k++) {
				/* As much as there is below an apex, whether it is this one or not. */
				struct text rel = c.names[k];
				if (rel.len < c.apex.len)
					continue;
				rel.len -= c.apex.len;
				if (stele_name_length(c.names[k].bytes, rel.len) != 0 ||
				    memcmp(rel.bytes + rel.len, c.apex.bytes, c.apex.len) != 0)
					continue;
				check(i, &rel);
				same_cnt += is(i, &rel);
				if (rel.len == 0)
					continue;
				/* One byte other than it is, or a label more. */
				struct text other = rel;
				size_t at = some_label(rel.bytes, rel.len);
				at += 1 + roll(rel.bytes[at]);
				other.bytes[at] = other.bytes[at] == 'b' ? 'a' : 'b';
				check(i, &other);
				other = (struct text){{1, 'a'}, 2};
				add(&other, rel.bytes, rel.len);
				if (other.len + c.apex.len <= STELE_NAME_MAX)
					check(i, &other);
			}
		}
	}
	assert_true(same_cnt > ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
