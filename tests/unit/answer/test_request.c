/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries in, headers and OPT out: what is dropped, punted, refused and echoed. Every message is
 * parsed twice, into a buffer of its own and in place, from memory that ends with the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/plain.h"
#include "lib/base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FORMERR = STELE_RCODE_FORMERR, NOTIMP = STELE_RCODE_NOTIMP, REFUSED = STELE_RCODE_REFUSED };

struct msg {
	uint8_t bytes[70000];
	size_t len;
};

static struct msg the_msg;

static struct msg *begin(unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
	struct msg *m = &the_msg;
	const unsigned words[] = {0xbeef, flags, qd, an, ns, ar};
	for (size_t i = 0; i < 6; i++)
		stele_put_be16(m->bytes + 2 * i, (uint16_t)words[i]);
	m->len = 12;
	return m;
}

static void put(struct msg *m, const void *bytes, size_t len)
{
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static void put16(struct msg *m, unsigned v)
{
	stele_put_be16(m->bytes + m->len, (uint16_t)v);
	m->len += 2;
}

static void put_name(struct msg *m, const char *text)
{
	uint8_t name[STELE_NAME_MAX];
	int len = stele_name_from_text(text, strlen(text), name);
	assert_true(len > 0);
	put(m, name, (size_t)len);
}

static void put_question(struct msg *m, const char *name, unsigned type, unsigned class)
{
	put_name(m, name);
	put16(m, type);
	put16(m, class);
}

static void put_rr(struct msg *m, const char *name, unsigned type, const void *rdata, size_t len)
{
	put_name(m, name);
	put16(m, type);
	put16(m, 1);
	put16(m, 0);
	put16(m, 0);
	put16(m, (unsigned)len);
	put(m, rdata, len);
}

/* `data` are the options; `lie` is added to their length. */
static void put_opt(struct msg *m, unsigned size, unsigned version, unsigned flags,
		    const void *data, size_t len, int lie)
{
	put(m, "", 1);
	put16(m, STELE_TYPE_OPT);
	put16(m, size);
	put16(m, version);
	put16(m, flags);
	put16(m, (unsigned)((int)len + lie));
	put(m, data, len);
}

static struct msg *plain(const char *name, unsigned type, unsigned class)
{
	struct msg *m = begin(0x0100, 1, 0, 0, 0);
	put_question(m, name, type, class);
	return m;
}

static struct msg *with_opt(unsigned size, unsigned version, unsigned flags, const void *data,
			    size_t len)
{
	struct msg *m = begin(0x0100, 1, 0, 0, 1);
	put_question(m, "www.example.com.", 1, 1);
	put_opt(m, size, version, flags, data, len, 0);
	return m;
}

/* ---- one query ---- */

static struct stele_answer_settings settings;
static struct stele_answerer shared;
static uint32_t now = 5000;
static unsigned plain_cnt; /* messages that the short way could read */
static struct work *w;
static struct stele_query query;
static struct stele_reply reply;
static uint8_t reply_buf[65535];

static int setup(void **state)
{
	(void)state;
	memset(&settings, 0, sizeof(settings));
	settings.udp_max = 1232;
	query = (struct stele_query){.client = {.family = 4, .addr = {192, 0, 2, 1}}};
	w = malloc(sizeof(*w));
	return w == NULL;
}

static int teardown(void **state)
{
	(void)state;
	free(w);
	return 0;
}

/* The short way reads what the general way has read, or leaves it alone. */
static void assert_plain_agrees(bool ours)
{
	static struct work plain; /* too large for a stack */
	static struct stele_reply other;
	other = reply;
	memset(&plain, 0x5a, sizeof(plain));
	plain.shared = &shared;
	plain.query = &query;
	plain.reply = &other;
	if (!plain_parse(&plain))
		return;
	assert_true(ours);
	assert_int_equal(plain.id, w->id);
	assert_int_equal(plain.flags_in, w->flags_in);
	assert_int_equal(plain.qtype, w->qtype);
	assert_int_equal(plain.qclass, w->qclass);
	assert_int_equal(plain.limit, w->limit);
	assert_int_equal(plain.opt_len, w->opt_len);
	assert_int_equal(plain.pos, w->pos);
	assert_int_equal(plain.has_question, w->has_question);
	assert_int_equal(plain.qname_len, w->qname_len);
	assert_int_equal(plain.edns.present, w->edns.present);
	assert_int_equal(plain.edns.dnssec_ok, w->edns.dnssec_ok);
	assert_int_equal(plain.edns.want_nsid, w->edns.want_nsid);
	assert_int_equal(plain.edns.want_keepalive, w->edns.want_keepalive);
	assert_int_equal(plain.edns.want_padding, w->edns.want_padding);
	assert_int_equal(plain.edns.has_cookie, w->edns.has_cookie);
	assert_int_equal(plain.edns.cookie, w->edns.cookie);
	if (w->edns.cookie != COOKIE_NONE) {
		assert_true(plain.cookie.client == w->cookie.client);
		assert_true(plain.cookie.head == w->cookie.head);
		if (w->edns.cookie == COOKIE_CHECK || w->edns.cookie == COOKIE_CHECK_OLD)
			assert_true(plain.cookie.mac == w->cookie.mac);
	}
	assert_int_equal(plain.sname.len, w->sname.len);
	assert_int_equal(plain.sname.depth, w->sname.depth);
	assert_memory_equal(plain.sname.wire, w->sname.wire, w->sname.len);
	assert_memory_equal(plain.sname.starts, w->sname.starts, w->sname.depth + 1u);
	plain_cnt++;
}

/* As the end of a batch of one. */
static void settle(void)
{
	struct work *cookies[COOKIE_LANES] = {w};
	enum stele_policy_verdict verdict = STELE_POLICY_PASS;
	if (w->edns.cookie != COOKIE_NONE)
		stele_cookie_settle(cookies, 1);
	if (settings.policy != NULL &&
	    settings.policy(settings.policy_user, &query, &reply, 1, &verdict))
		stele_reply_apply_policy(w, verdict);
}

static bool ask_into(const uint8_t *msg, size_t len, uint8_t *buf, size_t cap)
{
	memset(w, 0xa5, sizeof(*w));
	memset(&reply, 0xa5, sizeof(reply));
	query.msg = msg;
	query.len = (uint32_t)len;
	reply.buf = buf;
	reply.cap = (uint32_t)cap;
	shared.settings = &settings;
	shared.now = now;
	shared.cookie_macs = stele_cookie_macs_portable;
	stele_cookie_begin(&shared);
	w->shared = &shared;
	w->query = &query;
	w->reply = &reply;
	bool ours = stele_request_parse(w);
	assert_plain_agrees(ours);
	if (ours || reply.verdict == STELE_VERDICT_REPLY)
		stele_reply_finish(w);
	settle();
	return ours;
}

/* The reply ends up in reply_buf. True if the query is one for the resolver. */
static bool ask(const struct msg *m)
{
	uint8_t *in_place = malloc(m->len > 512 ? m->len : 512);
	uint8_t *exact = malloc(m->len > 0 ? m->len : 1);
	assert_non_null(in_place);
	assert_non_null(exact);
	memcpy(in_place, m->bytes, m->len);
	memcpy(exact, m->bytes, m->len);
	bool first = ask_into(in_place, m->len, in_place, m->len > 512 ? m->len : 512);
	struct stele_reply before = reply;
	bool second = ask_into(exact, m->len, reply_buf, sizeof(reply_buf));
	assert_int_equal(first, second);
	assert_int_equal(before.verdict, reply.verdict);
	assert_int_equal(before.drop_reason, reply.drop_reason);
	if (reply.verdict == STELE_VERDICT_REPLY) {
		assert_int_equal(before.rcode, reply.rcode);
		assert_int_equal(before.len, reply.len);
		assert_memory_equal(in_place, reply_buf, reply.len);
	} else {
		/* What is handed on is as it came. */
		assert_memory_equal(in_place, m->bytes, m->len);
	}
	free(in_place);
	free(exact);
	return second;
}

static unsigned word(unsigned i)
{
	return stele_get_be16(reply_buf + 2 * i);
}

/* The query was decided: this rcode, the question echoed or not, an OPT or not, nothing else. */
static void assert_error(const struct msg *m, unsigned rcode, bool question, bool opt)
{
	assert_false(ask(m));
	assert_int_equal(reply.verdict, STELE_VERDICT_REPLY);
	assert_int_equal(reply.rcode, rcode);
	assert_int_equal(word(0), 0xbeef);
	assert_int_equal(word(1) & 0x87ff,
			 0x8000 | (rcode & 15) | (stele_get_be16(m->bytes + 2) & 0x100));
	assert_int_equal(word(1) & 0x7800, stele_get_be16(m->bytes + 2) & 0x7800);
	assert_int_equal(word(2), question);
	assert_int_equal(word(3), 0);
	assert_int_equal(word(4), 0);
	assert_int_equal(word(5), opt);
	size_t question_len = question ? stele_name_length(m->bytes + 12, 255) + 4 : 0;
	assert_memory_equal(reply_buf + 12, m->bytes + 12, question_len);
	assert_true(reply.len >= 12 + question_len + (opt ? 11u : 0u));
	if (!opt)
		assert_int_equal(reply.len, 12 + question_len);
}

static void assert_punted(const struct msg *m)
{
	assert_false(ask(m));
	assert_int_equal(reply.verdict, STELE_VERDICT_PUNT);
}

static void assert_dropped(const struct msg *m, enum stele_drop_reason reason)
{
	assert_false(ask(m));
	assert_int_equal(reply.verdict, STELE_VERDICT_DROP);
	assert_int_equal(reply.drop_reason, reason);
}

/* ---- tests ---- */

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
}

static void test_opt(void **state)
{
	(void)state;
	struct msg *m = begin(0, 1, 0, 0, 2);
	put_question(m, "www.example.com.", 1, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, true, false);
	m = begin(0, 1, 1, 0, 0);
	put_question(m, "www.example.com.", 1, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, true, false);
	m = begin(0, 1, 0, 0, 1);
	put_question(m, "www.example.com.", 1, 1);
	put_rr(m, "x.", STELE_TYPE_OPT, "", 0);
	assert_error(m, FORMERR, true, false);
	for (int lie = -3; lie <= 9; lie++) {
		m = begin(0, 1, 0, 0, 1);
		put_question(m, "www.example.com.", 1, 1);
		put_opt(m, 1232, 0, 0, "\0\3\0\0", 4, lie);
		if (lie == 0)
			assert_true(ask(m));
		else
			assert_error(m, FORMERR, true, false);
	}
	assert_error(with_opt(1232, 0, 0, "\0\3\0", 3), FORMERR, true, false);
	assert_error(with_opt(1232, 0, 0, "\0\3\0\1", 4), FORMERR, true, false);
	assert_error(with_opt(1232, 0, 0, "\0\3\377\377", 4), FORMERR, true, false);

	/* Unknown options and flags are ignored; only DO comes back. */
	assert_true(ask(with_opt(1232, 0, 0xffff, "\375\351\0\3abc", 7)));
	static const uint8_t expected[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 0, 0, 0x80, 0, 0, 0};
	assert_int_equal(reply.len, 12 + 21 + sizeof(expected));
	assert_memory_equal(reply_buf + 12 + 21, expected, sizeof(expected));
}

static void test_version(void **state)
{
	(void)state;
	static const uint8_t expected[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 1, 0, 0x80, 0, 0, 0};
	static const unsigned versions[] = {1, 2, 255};
	for (size_t i = 0; i < 3; i++) {
		struct msg *m = with_opt(4096, versions[i], STELE_EDNS_FLAG_DO, "\0\3\0\77", 4);
		assert_error(m, STELE_RCODE_BADVERS, true, true);
		assert_memory_equal(reply_buf + 12 + 21, expected, sizeof(expected));
	}
}

static void test_limits(void **state)
{
	(void)state;
	static const struct {
		unsigned size;
		uint32_t limit;
	} cases[] = {{0, 501},     {511, 501},   {512, 501},   {513, 502},
		     {1232, 1221}, {1233, 1221}, {65535, 1221}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(ask(with_opt(cases[i].size, 0, 0, "", 0)));
		assert_int_equal(w->limit, cases[i].limit);
		assert_int_equal(w->opt_len, 11);
	}
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 512);
	query.tcp = true;
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 65535);
	assert_true(ask(with_opt(512, 0, 0, "", 0)));
	assert_int_equal(w->limit, 65535 - 11);
	uint8_t small[600];
	const struct msg *m = plain("www.example.com.", 1, 1);
	assert_true(ask_into(m->bytes, m->len, small, sizeof(small)));
	assert_int_equal(w->limit, 600);
}

static void test_nsid(void **state)
{
	(void)state;
	assert_true(ask(with_opt(1232, 0, 0, "\0\3\0\0", 4)));
	assert_int_equal(w->opt_len, 11); /* none is configured */
	memcpy(settings.nsid, "edge7", 5);
	settings.nsid_len = 5;
	assert_true(ask(with_opt(1232, 0, 0, "", 0)));
	assert_int_equal(w->opt_len, 11); /* nobody asked */
	assert_true(ask(with_opt(1232, 0, 0, "\0\3\0\0\0\3\0\0", 8)));
	assert_int_equal(w->opt_len, 20);
	assert_int_equal(w->limit, 1212);
	assert_int_equal(reply.len, 12 + 21 + 20);
	assert_memory_equal(reply_buf + 12 + 21 + 9, "\0\11\0\3\0\5edge7", 11);
}

static void test_keepalive(void **state)
{
	(void)state;
	/* Some clients send a time too (RFC 7828 section 3.2.1: they should not). */
	static const char options[] = "\0\13\0\0\0\13\0\2\0\1";
	settings.keepalive = 300;
	assert_true(ask(with_opt(1232, 0, 0, options, 4)));
	assert_int_equal(w->opt_len, 11); /* not over UDP */
	query.tcp = true;
	assert_true(ask(with_opt(1232, 0, 0, "", 0)));
	assert_int_equal(w->opt_len, 11); /* nobody asked */
	assert_true(ask(with_opt(1232, 0, 0, options, 10)));
	assert_int_equal(w->opt_len, 17);
	assert_int_equal(reply.len, 12 + 21 + 17);
	assert_memory_equal(reply_buf + 12 + 21 + 9, "\0\6\0\13\0\2\1\54", 8);
	settings.keepalive = 0;
	assert_true(ask(with_opt(1232, 0, 0, options, 4)));
	assert_int_equal(w->opt_len, 11);
}

static void test_padding(void **state)
{
	(void)state;
	/* What the padding of a query is does not matter. */
	static const char options[] = "\0\3\0\0\0\14\0\3abc";
	query.tcp = true;
	memcpy(settings.nsid, "edge7", 5);
	settings.nsid_len = 5;
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(reply.len, 12 + 21 + 20); /* not on this transport */
	settings.pad_block = 468;
	assert_true(ask(with_opt(1232, 0, 0, options, 4)));
	assert_int_equal(reply.len, 12 + 21 + 20); /* nobody asked */
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(w->opt_len, 24);
	assert_int_equal(reply.len, 468);
	const uint8_t *opt = reply_buf + 12 + 21;
	assert_int_equal(stele_get_be16(opt + 9), 468 - 12 - 21 - 11);
	assert_memory_equal(opt + 11 + 9, "\0\14", 2);
	assert_int_equal(stele_get_be16(opt + 11 + 11), 468 - 12 - 21 - 24);
	for (unsigned i = 12 + 21 + 24; i < 468; i++)
		assert_int_equal(reply_buf[i], 0);

	/* With what the caller appends, it is a block. */
	query.reserve = 61;
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(reply.len, 468 - 61);
	query.reserve = 468 - 12 - 21 - 24;
	assert_true(ask(with_opt(1232, 0, 0, options, 11)));
	assert_int_equal(reply.len, 12 + 21 + 24);
	query.reserve++;
	uint8_t buf[1000];
	const struct msg *m = with_opt(1232, 0, 0, options, 11);
	assert_true(ask_into(m->bytes, m->len, buf, sizeof(buf)));
	assert_int_equal(reply.len + query.reserve, 2 * 468);

	/* No more than there is room for. */
	query.reserve = 0;
	query.tcp = false;
	settings.pad_block = 1000;
	assert_true(ask(with_opt(512, 0, 0, options, 11)));
	assert_int_equal(reply.len, 512);
}

static void test_reserve(void **state)
{
	(void)state;
	query.reserve = 100;
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 412);
	assert_true(ask(with_opt(512, 0, 0, "", 0)));
	assert_int_equal(w->limit, 512 - 100 - 11);
	/* Header, question and OPT are always written. */
	query.reserve = 65535;
	assert_true(ask(plain("www.example.com.", 1, 1)));
	assert_int_equal(w->limit, 12 + 21);
	assert_true(ask(with_opt(1232, 0, 0, "", 0)));
	assert_int_equal(w->limit, 12 + 21);
	assert_int_equal(reply.len, 12 + 21 + 11);
}

static void test_cookies(void **state)
{
	(void)state;
	uint8_t option[4 + 64] = {0, 10};
	memset(option + 4, '1', 64);
	settings.cookie_secret_cnt = 1;
	for (unsigned on = 0; on < 2; on++) {
		settings.cookies = on == 1;
		for (uint8_t len = 0; len <= 45; len++) {
			option[3] = len;
			const struct msg *m = with_opt(1232, 0, 0, option, 4u + len);
			if (len != 8 && (len < 16 || len > 40)) {
				assert_error(m, FORMERR, true, true);
				continue;
			}
			assert_true(ask(m));
			assert_int_equal(w->opt_len, on ? 11 + 4 + 24 : 11);
			assert_false(reply.cookie_valid);
			assert_int_equal(reply.cookie_invalid, on && len > 8);
		}
	}
	/* A new cookie, which is then good. */
	option[3] = 8;
	assert_true(ask(with_opt(1232, 0, 0, option, 12)));
	assert_false(reply.cookie_invalid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	assert_memory_equal(reply_buf + 12 + 21 + 11,
			    "\0\12\0\30"
			    "11111111",
			    12);
	memcpy(option, reply_buf + 12 + 21 + 11, 28);
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(reply.cookie_valid && !reply.cookie_invalid);
	/* It comes back as it is while it is fresh; later another one does. */
	assert_memory_equal(reply_buf + 12 + 21 + 11, option, 28);
	now = 5000 + 1801;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(reply.cookie_valid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	assert_memory_not_equal(reply_buf + 12 + 21 + 11, option, 28);
	now = 5000;
	/* Only the first one counts. */
	uint8_t two[28 + 5];
	memcpy(two, option, 28);
	memcpy(two + 28, "\0\12\0\1x", 5);
	assert_true(ask(with_opt(1232, 0, 0, two, sizeof(two))));
	assert_true(reply.cookie_valid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	/* An error carries one too (RFC 7873 section 5.2). */
	query.client.addr[0]++;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(!reply.cookie_valid && reply.cookie_invalid);
	query.client.family = 0;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_int_equal(w->opt_len, 11);
	/* A cookie without a question (RFC 7873 section 5.4). */
	query.client.family = 4;
	struct msg *m = begin(0, 0, 0, 0, 1);
	put_opt(m, 1232, 0, 0, option, 28, 0);
	assert_error(m, STELE_RCODE_NOERROR, false, true);
	assert_int_equal(reply.len, 12 + 11 + 28);
	m = begin(0, 0, 0, 0, 1);
	put_opt(m, 1232, 0, 0, "", 0, 0);
	assert_error(m, FORMERR, false, true);
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
}

/* ---- policy ---- */

static enum stele_policy_verdict policy_verdict;
static struct stele_reply policy_saw;

static bool policy(void *user, const struct stele_query *q, const struct stele_reply *r,
		   unsigned cnt, enum stele_policy_verdict *ret_verdicts)
{
	assert_ptr_equal(user, &policy_verdict);
	assert_ptr_equal(q, &query);
	assert_int_equal(cnt, 1);
	assert_int_equal(*ret_verdicts, STELE_POLICY_PASS);
	policy_saw = *r;
	*ret_verdicts = policy_verdict;
	return policy_verdict != STELE_POLICY_PASS;
}

static void test_policy(void **state)
{
	(void)state;
	settings.policy = policy;
	settings.policy_user = &policy_verdict;
	const struct msg *m = with_opt(1232, 0, 0, "", 0);

	policy_verdict = STELE_POLICY_PASS;
	assert_true(ask(m));
	assert_int_equal(reply.verdict, STELE_VERDICT_REPLY);
	assert_int_equal(policy_saw.len, reply.len);
	assert_int_equal(policy_saw.reply_class, STELE_CLASS_NODATA);

	policy_verdict = STELE_POLICY_DROP;
	assert_true(ask_into(m->bytes, m->len, reply_buf, sizeof(reply_buf)));
	assert_int_equal(reply.verdict, STELE_VERDICT_DROP);
	assert_int_equal(reply.drop_reason, STELE_DROP_POLICY);
	assert_int_equal(reply.len, 0);

	policy_verdict = STELE_POLICY_TRUNCATE;
	assert_true(ask(m));
	assert_int_equal(word(1), 0x8300);
	assert_int_equal(reply.len, 12 + 21 + 11);

	policy_verdict = STELE_POLICY_REFUSE;
	assert_true(ask(m));
	assert_int_equal(word(1), 0x8105);
	assert_int_equal(reply.len, 12 + 21 + 11 + 6);
	assert_memory_equal(reply_buf + 12 + 21 + 11, "\0\17\0\2\0\22", 6);
	assert_int_equal(reply.reply_class, STELE_CLASS_ERROR);

	/* The cookie is the same, wherever it goes. */
	settings.cookies = true;
	settings.cookie_secret_cnt = 1;
	uint8_t option[28] = "\0\12\0\10cccccccc";
	policy_verdict = STELE_POLICY_PASS;
	assert_true(ask(with_opt(1232, 0, 0, option, 12)));
	memcpy(option, reply_buf + 12 + 21 + 11, 28);
	policy_verdict = STELE_POLICY_TRUNCATE;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_true(policy_saw.cookie_valid);
	assert_int_equal(reply.len, 12 + 21 + 11 + 28);
	assert_memory_equal(reply_buf + 12 + 21 + 11, option, 28);
	policy_verdict = STELE_POLICY_REFUSE;
	assert_true(ask(with_opt(1232, 0, 0, option, 28)));
	assert_int_equal(reply.len, 12 + 21 + 11 + 28 + 6);
	assert_memory_equal(reply_buf + 12 + 21 + 11, option, 28);
}

static void test_finish(void **state)
{
	(void)state;
	/* An EDE stands where there is room, and only with EDNS. */
	const struct msg *m = with_opt(512, 0, 0, "", 0);
	assert_true(ask(m));
	w->rcode = REFUSED;
	w->ede = STELE_EDE_NOT_AUTHORITATIVE;
	w->pos = w->limit - 6;
	stele_reply_finish(w);
	assert_int_equal(reply.len, 512);
	assert_memory_equal(reply_buf + 506, "\0\17\0\2\0\24", 6);
	w->pos = w->limit - 5;
	stele_reply_finish(w);
	assert_int_equal(reply.len, 507);
	assert_true(ask(plain("www.example.com.", 1, 1)));
	w->ede = STELE_EDE_NOT_AUTHORITATIVE;
	stele_reply_finish(w);
	assert_int_equal(reply.len, 12 + 21);

	static const struct {
		uint16_t rcode;
		bool aa, tc;
		uint16_t answer_cnt, authority_cnt;
		enum stele_reply_class reply_class;
	} cases[] = {
		{0, true, false, 1, 0, STELE_CLASS_ANSWER},
		{0, false, false, 0, 2, STELE_CLASS_REFERRAL},
		{0, true, false, 0, 1, STELE_CLASS_NODATA},
		{3, true, false, 0, 1, STELE_CLASS_NXDOMAIN},
		{3, true, false, 1, 1, STELE_CLASS_NXDOMAIN},
		{5, false, false, 0, 0, STELE_CLASS_ERROR},
		{0, true, true, 0, 0, STELE_CLASS_ANSWER},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(ask(plain("www.example.com.", 1, 1)));
		w->rcode = cases[i].rcode;
		w->aa = cases[i].aa;
		w->tc = cases[i].tc;
		w->answer_cnt = cases[i].answer_cnt;
		w->authority_cnt = cases[i].authority_cnt;
		w->additional_cnt = 7;
		stele_reply_finish(w);
		assert_int_equal(reply.reply_class, cases[i].reply_class);
		assert_int_equal(word(1), 0x8100 | cases[i].rcode | (cases[i].aa ? 0x400 : 0) |
						  (cases[i].tc ? 0x200 : 0));
		assert_int_equal(word(3), cases[i].answer_cnt);
		assert_int_equal(word(4), cases[i].authority_cnt);
		assert_int_equal(word(5), 7);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_header),  TEST(test_opcodes),   TEST(test_question),
		TEST(test_names),   TEST(test_records),   TEST(test_signed),
		TEST(test_opt),     TEST(test_version),   TEST(test_limits),
		TEST(test_nsid),    TEST(test_keepalive), TEST(test_padding),
		TEST(test_reserve), TEST(test_cookies),   TEST(test_types_and_classes),
		TEST(test_chaos),   TEST(test_policy),    TEST(test_finish),
		TEST(test_longest),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	/* Or else the two ways were never compared. */
	return failed != 0 ? failed : plain_cnt < 10;
}
