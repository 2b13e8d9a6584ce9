/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and OPT out: what a policy makes of a reply, classes of replies, extended errors. */
#include "tests/unit/answer/request_case.h"

#include <string.h>

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
	if (policy_verdict != STELE_POLICY_PASS) {
		/* As if there had been all that a reply may have. */
		w->aa = w->tc = true;
		w->answer_cnt = w->authority_cnt = w->additional_cnt = 7;
		w->ede = STELE_EDE_NOT_AUTHORITATIVE;
		reply.body_off = reply.body_len = reply.body_sum = 77;
	}
	return policy_verdict != STELE_POLICY_PASS;
}

/* Nothing is left of what was answered. */
static void assert_emptied(void)
{
	assert_int_equal(word(3), 0);
	assert_int_equal(word(4), 0);
	assert_int_equal(word(5), 1);
	assert_int_equal(reply.body_len, 0);
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
	assert_emptied();

	policy_verdict = STELE_POLICY_REFUSE;
	assert_true(ask(m));
	assert_int_equal(word(1), 0x8105);
	assert_int_equal(reply.len, 12 + 21 + 11 + 6);
	assert_memory_equal(reply_buf + 12 + 21 + 11, "\0\17\0\2\0\22", 6);
	assert_int_equal(reply.reply_class, STELE_CLASS_ERROR);
	assert_emptied();

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

int test_request_reply(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_policy),
		TEST(test_finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
