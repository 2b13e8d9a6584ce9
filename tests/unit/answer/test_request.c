/* SPDX-License-Identifier: Apache-2.0 */
/* Queries in: what is dropped, punted, refused and echoed. */
#include "tests/unit/answer/request_case.h"

#include <string.h>

static void test_header(void **state)
{
	(void)state;
	for (size_t len = 0; len < 12; len++) {
		struct msg *m = plain("www.example.com.", 1, 1);
		m->len = len;
		assert_dropped(m, STELE_DROP_SHORT);
	}
	struct msg *m = plain("www.example.com.", 1, 1);
	m->bytes[2] |= 0x80;
	assert_dropped(m, STELE_DROP_RESPONSE);

	/* AA, TC, RA, Z, AD and the rcode are no business of a query. */
	m = plain("www.example.com.", 1, 1);
	stele_put_be16(m->bytes + 2, 0x07ff);
	assert_true(ask(m));
	assert_int_equal(word(1), 0x8100);
	m = plain("www.example.com.", 1, 1);
	stele_put_be16(m->bytes + 2, 0);
	assert_true(ask(m));
	assert_int_equal(word(1), 0x8000);
}

static void test_opcodes(void **state)
{
	(void)state;
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		unsigned flags = 0x0100 | opcode << 11;
		struct msg *m = begin(flags, 1, 0, 0, 0);
		put_question(m, "www.example.com.", 6, 1);
		if (opcode == STELE_OPCODE_NOTIFY || opcode == STELE_OPCODE_UPDATE) {
			assert_punted(m);
			continue;
		}
		assert_error(m, NOTIMP, true, false);
		assert_error(begin(flags, 0, 0, 0, 0), NOTIMP, false, false);
		assert_error(begin(flags, 9, 9, 9, 9), NOTIMP, false, false);
		m = begin(flags, 1, 0, 0, 0);
		put(m, "\300\014\0\1\0\1", 6);
		assert_error(m, NOTIMP, false, false);
		m = begin(flags, 1, 0, 0, 1);
		put_question(m, "www.example.com.", 6, 1);
		put_opt(m, 1232, 0, 0, "", 0, 0);
		assert_error(m, NOTIMP, true, true);
		m = begin(flags, 1, 0, 0, 1);
		put_question(m, "www.example.com.", 6, 1);
		put_rr(m, "key.example.", STELE_TYPE_TSIG, "", 0);
		assert_punted(m);
	}
}

static void test_question(void **state)
{
	(void)state;
	assert_error(begin(0x0100, 0, 0, 0, 0), FORMERR, false, false);
	assert_error(begin(0x0100, 1, 0, 0, 0), FORMERR, false, false);
	struct msg *m = plain("www.example.com.", 1, 1);
	stele_put_be16(m->bytes + 4, 2);
	put_question(m, "www.example.com.", 1, 1);
	assert_error(m, FORMERR, false, false);
	m = plain("www.example.com.", 1, 1);
	stele_put_be16(m->bytes + 4, 65535);
	assert_error(m, FORMERR, false, false);

	static const char *const wrong[] = {"\300\014\0\1\0\1", "\3www\300\014\0\1\0\1",
					    "\101xx\0\0\1\0\1", "\201xx\0\0\1\0\1",
					    "\377\0\0\1\0\1\0\0"};
	static const size_t wrong_len[] = {6, 10, 8, 8, 8};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		m = begin(0x0100, 1, 0, 0, 0);
		put(m, wrong[i], wrong_len[i]);
		assert_error(m, FORMERR, false, false);
	}
	/* Cut at every byte. */
	for (size_t cut = 1; cut <= 21; cut++) {
		m = plain("www.example.com.", 1, 1);
		m->len -= cut;
		assert_error(m, FORMERR, false, false);
	}
	/* Without a root label as far as the message goes. */
	m = begin(0x0100, 1, 0, 0, 0);
	for (unsigned i = 0; i < 100; i++)
		put(m, "\2aa", 3);
	assert_error(m, FORMERR, false, false);
}

/* `labels` of `label_len` bytes and one of `last_len`: the lower-cased name, its starts, the echo. */
static void check_name(unsigned labels, unsigned label_len, unsigned last_len)
{
	struct msg *m = begin(0, 1, 0, 0, 0);
	uint8_t expected[300];
	unsigned at = 0, depth = 0;
	for (unsigned i = 0; i <= labels; i++) {
		unsigned len = i < labels ? label_len : last_len;
		if (len == 0)
			break;
		expected[at] = (uint8_t)len;
		for (unsigned k = 1; k <= len; k++)
			expected[at + k] = (uint8_t)(i * 31 + k * 7 + last_len);
		at += len + 1;
		depth++;
	}
	expected[at++] = 0;
	put(m, expected, at);
	put16(m, 16);
	put16(m, 1);
	for (unsigned i = 0; i < at; i++)
		if (expected[i] >= 'A' && expected[i] <= 'Z')
			expected[i] |= 0x20;
	/* Length bytes are below 64 and so no letters. */
	if (at > STELE_NAME_MAX) {
		assert_error(m, FORMERR, false, false);
		return;
	}
	assert_true(ask(m));
	assert_int_equal(w->sname.len, at);
	assert_int_equal(w->qname_len, at);
	assert_int_equal(w->sname.depth, depth);
	assert_int_equal(w->sname.at, 12);
	assert_int_equal(w->pos, 12 + at + 4);
	assert_int_equal(w->qtype, 16);
	assert_memory_equal(w->sname.wire, expected, at);
	for (unsigned i = 0, p = 0; i <= depth; p += expected[p] + 1u, i++)
		assert_int_equal(w->sname.starts[i], p);
	assert_memory_equal(reply_buf + 12, m->bytes + 12, at + 4);
	assert_int_equal(reply.len, m->len);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned last = 0; last <= 63; last++)
		for (unsigned labels = 0; labels < 4; labels++)
			for (unsigned len = 1; len <= 63; len += labels == 0 ? 63 : 1)
				check_name(labels, len, last);
	check_name(127, 1, 0); /* 255 bytes, 127 labels */
	check_name(126, 1, 2); /* 256 bytes */
	check_name(3, 63, 61); /* 255 bytes */
	check_name(3, 63, 62); /* 256 bytes */
}

static void test_records(void **state)
{
	(void)state;
	/* Records that a query has no use for: ignored when whole, refused when not. */
	struct msg *m = begin(0x0100, 1, 1, 1, 3);
	put_question(m, "www.example.com.", 1, 1);
	for (unsigned i = 0; i < 4; i++)
		put_rr(m, "other.example.", 1, "\1\2\3\4", 4);
	put_opt(m, 1232, 0, STELE_EDNS_FLAG_DO, "", 0, 0);
	size_t whole = m->len;
	assert_true(ask(m));
	assert_true(w->edns.dnssec_ok);
	assert_int_equal(word(5), 1);
	for (size_t len = 12 + 21; len < whole; len++) {
		m->len = len;
		assert_error(m, FORMERR, true, false);
	}
	m->len = whole;
	put(m, "x", 1);
	assert_error(m, FORMERR, true, false);

	m = plain("www.example.com.", 1, 1);
	put(m, "x", 1);
	assert_error(m, FORMERR, true, false);
	m = plain("www.example.com.", 1, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0); /* not counted */
	assert_error(m, FORMERR, true, false);
	m = begin(0, 1, 65535, 65535, 65535);
	put_question(m, "www.example.com.", 1, 1);
	assert_error(m, FORMERR, true, false);

	/* A name that ends in a pointer is skipped, never followed. */
	m = begin(0x0100, 1, 0, 0, 2);
	put_question(m, "www.example.com.", 1, 1);
	put(m, "\377\377\0\1\0\1\0\0\0\0\0\0", 12);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_true(ask(m));
	assert_true(w->edns.present);
}

static void test_signed(void **state)
{
	(void)state;
	static const uint8_t sig[20] = {0};
	static const uint16_t types[] = {STELE_TYPE_TSIG, STELE_TYPE_SIG};
	for (unsigned i = 0; i < 2; i++) {
		const char *owner = i == 0 ? "key.example." : ".";
		struct msg *m = begin(0, 1, 0, 0, 1);
		put_question(m, "www.example.com.", 1, 1);
		put_rr(m, owner, types[i], sig, sizeof(sig));
		assert_punted(m);
		m = begin(0, 1, 0, 0, 2);
		put_question(m, "www.example.com.", 1, 1);
		put_opt(m, 1232, 0, 0, "", 0, 0);
		put_rr(m, owner, types[i], sig, sizeof(sig));
		assert_punted(m);
	}
	struct msg *m = begin(0, 1, 0, 0, 2);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, "key.example.", STELE_TYPE_TSIG, sig, sizeof(sig));
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, true, false);
	m = begin(0, 1, 1, 0, 0);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, "key.example.", STELE_TYPE_TSIG, sig, sizeof(sig));
	assert_error(m, FORMERR, true, false);
	/* SIG(0) is the last of the additional section (RFC 2931 section 3.1), others sign nothing. */
	m = begin(0, 1, 0, 0, 2);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, ".", STELE_TYPE_SIG, sig, sizeof(sig));
	put_rr(m, ".", STELE_TYPE_A, sig, 4);
	assert_true(ask(m));
	m = begin(0, 1, 1, 0, 0);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, ".", STELE_TYPE_SIG, sig, sizeof(sig));
	assert_true(ask(m));
	/* One without rdata covers nothing, whatever stands behind the message. */
	m = begin(0, 1, 0, 0, 1);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, ".", STELE_TYPE_SIG, sig, 0);
	memset(m->bytes + m->len, 0, 2);
	assert_true(ask_into(m->bytes, m->len, reply_buf, sizeof(reply_buf)));
}

static void test_types_and_classes(void **state)
{
	(void)state;
	static const uint16_t ordinary[] = {0, 1, 41, 46, 128, 249, 250, 253, 254, 255, 65535};
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++)
		assert_true(ask(plain("www.example.com.", ordinary[i], 1)));
	assert_punted(plain("example.com.", STELE_TYPE_AXFR, 1));
	assert_punted(plain("example.com.", STELE_TYPE_IXFR, 1));
	static const uint16_t classes[] = {0, 2, 3, 4, 254, 256, 65535};
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		assert_error(plain("www.example.com.", 1, classes[i]), REFUSED, true, false);
	/* Any class is ours, but never authoritative. */
	const struct msg *m = plain("www.example.com.", 1, 255);
	assert_true(ask(m));
	w->aa = true;
	stele_reply_finish(w);
	assert_int_equal(word(1) & STELE_FLAG_AA, 0);
}

static void test_chaos(void **state)
{
	(void)state;
	static const char *const names[] = {"version.bind.", "VERSION.Server.", "id.server.",
					    "hostname.BIND."};
	for (unsigned i = 0; i < 4; i++)
		assert_error(plain(names[i], 16, 3), REFUSED, true, false);
	strcpy(settings.chaos_version, "seven");
	strcpy(settings.chaos_id, "place");
	for (unsigned i = 0; i < 4; i++) {
		assert_false(ask(plain(names[i], 16, 3)));
		assert_int_equal(reply.rcode, 0);
		assert_int_equal(word(1), 0x8100);
		assert_int_equal(word(3), 1);
		assert_int_equal(reply.reply_class, STELE_CLASS_ANSWER);
		const uint8_t *rr = reply_buf + 12 + strlen(names[i]) + 1 + 4;
		assert_memory_equal(rr, "\300\014\0\20\0\3\0\0\0\0\0\6\5", 13);
		assert_memory_equal(rr + 13, i < 2 ? "seven" : "place", 5);
		assert_int_equal(rr + 18 - reply_buf, reply.len);
	}
	assert_error(plain("id.server.", 1, 3), REFUSED, true, false);
	assert_error(plain("other.server.", 16, 3), REFUSED, true, false);
	memset(settings.chaos_id, 'x', 255);
	settings.nsid_len = STELE_NSID_MAX;
	assert_false(ask(plain("hostname.bind.", 255, 3)));
	assert_int_equal(word(3), 1);
	assert_int_equal(word(1) & STELE_FLAG_TC, 0);
	/* It stands where it just fits, and else not at all. */
	uint16_t len = 12 + 19 + 12 + 1 + 255;
	for (unsigned more = 0; more < 2; more++) {
		query.reserve = (uint16_t)(512 - len + more);
		assert_false(ask(plain("hostname.bind.", 16, 3)));
		assert_int_equal(word(3), !more);
		assert_int_equal(word(1) & STELE_FLAG_TC, more ? STELE_FLAG_TC : 0);
		assert_int_equal(reply.len, more ? 12 + 19 : len);
	}
}

/* The longest TCP message, full of records and full of options. */
static void test_longest(void **state)
{
	(void)state;
	query.tcp = true;
	struct msg *m = begin(0, 1, 0, 0, 5957);
	put_question(m, "a.", 1, 1);
	while (m->len + 11 <= 65535)
		put(m, "\0\0\1\0\1\0\0\0\0\0\0", 11);
	stele_put_be16(m->bytes + 10, (uint16_t)((m->len - 19) / 11));
	assert_true(ask(m));
	m = begin(0, 1, 0, 0, 1);
	put_question(m, "a.", 1, 1);
	put_opt(m, 1232, 0, 0, "", 0, 65535 - 19 - 11);
	while (m->len < 65535)
		put(m, m->len + 4 <= 65535 ? "\0\3\0\0" : "\0\0\0", m->len + 4 <= 65535 ? 4 : 1);
	ask(m);
	assert_int_equal(reply.verdict, STELE_VERDICT_REPLY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_header),
		TEST(test_opcodes),
		TEST(test_question),
		TEST(test_names),
		TEST(test_records),
		TEST(test_signed),
		TEST(test_types_and_classes),
		TEST(test_chaos),
		TEST(test_longest),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed |= test_request_edns();
	failed |= test_request_reply();
	/* Or else the two ways were never compared. */
	return failed != 0 ? failed : plain_cnt < 10;
}
