/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/answer/request_case.h"

#include <stdlib.h>
#include <string.h>

static struct msg the_msg;

struct msg *begin(unsigned flags, unsigned qd, unsigned an, unsigned ns, unsigned ar)
{
	struct msg *m = &the_msg;
	const unsigned words[] = {0xbeef, flags, qd, an, ns, ar};
	for (size_t i = 0; i < 6; i++)
		stele_put_be16(m->bytes + 2 * i, (uint16_t)words[i]);
	m->len = 12;
	return m;
}

void put(struct msg *m, const void *bytes, size_t len)
{
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

void put16(struct msg *m, unsigned v)
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

void put_question(struct msg *m, const char *name, unsigned type, unsigned class)
{
	put_name(m, name);
	put16(m, type);
	put16(m, class);
}

void put_rr(struct msg *m, const char *name, unsigned type, const void *rdata, size_t len)
{
	put_name(m, name);
	put16(m, type);
	put16(m, 1);
	put16(m, 0);
	put16(m, 0);
	put16(m, (unsigned)len);
	put(m, rdata, len);
}

void put_opt(struct msg *m, unsigned size, unsigned version, unsigned flags, const void *data,
	     size_t len, int lie)
{
	put(m, "", 1);
	put16(m, STELE_TYPE_OPT);
	put16(m, size);
	put16(m, version);
	put16(m, flags);
	put16(m, (unsigned)((int)len + lie));
	put(m, data, len);
}

struct msg *plain(const char *name, unsigned type, unsigned class)
{
	struct msg *m = begin(0x0100, 1, 0, 0, 0);
	put_question(m, name, type, class);
	return m;
}

struct msg *with_opt(unsigned size, unsigned version, unsigned flags, const void *data, size_t len)
{
	struct msg *m = begin(0x0100, 1, 0, 0, 1);
	put_question(m, "www.example.com.", 1, 1);
	put_opt(m, size, version, flags, data, len, 0);
	return m;
}

/* ---- one query ---- */

struct stele_answer_settings settings;
static struct stele_answerer shared;
uint32_t now = 5000;
unsigned plain_cnt;
struct work *w;
struct stele_query query;
struct stele_reply reply;
uint8_t reply_buf[65535];

int setup(void **state)
{
	(void)state;
	memset(&settings, 0, sizeof(settings));
	settings.udp_max = 1232;
	query = (struct stele_query){.client = {.family = 4, .addr = {192, 0, 2, 1}}};
	w = malloc(sizeof(*w));
	return w == NULL;
}

int teardown(void **state)
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

bool ask_into(const uint8_t *msg, size_t len, uint8_t *buf, size_t cap)
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

bool ask(const struct msg *m)
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

unsigned word(unsigned i)
{
	return stele_get_be16(reply_buf + 2 * i);
}

void assert_error(const struct msg *m, unsigned rcode, bool question, bool opt)
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

void assert_punted(const struct msg *m)
{
	assert_false(ask(m));
	assert_int_equal(reply.verdict, STELE_VERDICT_PUNT);
}

void assert_dropped(const struct msg *m, enum stele_drop_reason reason)
{
	assert_false(ask(m));
	assert_int_equal(reply.verdict, STELE_VERDICT_DROP);
	assert_int_equal(reply.drop_reason, reason);
}
