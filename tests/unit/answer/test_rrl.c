/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits over simulated time: rates, bursts, prefixes, classes, slip, who is never limited. */
#include "tests/unit/answer/rrl_case.h"

static bool passes(const struct stele_client *client, enum stele_reply_class reply_class)
{
	return stele_rrl_check(rrl, client, reply_class) == STELE_POLICY_PASS;
}

/* Replies that pass of one every `step_us`, for `duration_us` from `start_us` on. */
static uint32_t send(const struct stele_client *client, uint64_t start_us, uint64_t duration_us,
		     uint64_t step_us)
{
	uint32_t passed = 0;
	for (uint64_t t = start_us; t < start_us + duration_us; t += step_us) {
		stele_rrl_tick(rrl, t);
		passed += passes(client, STELE_CLASS_ANSWER);
	}
	return passed;
}

static void test_rates_hold(void **state)
{
	(void)state;
	static const uint32_t rates[] = {1, 10, 333, 2000, 7000, 30000, 90000};
	struct stele_client client = client4(0xc6336407);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct stele_rrl_settings settings = settings_of(rates[i], 0);
		make(&settings);
		/* A burst of one second, then ten seconds' worth. */
		uint32_t passed = send(&client, 12345, 10 * SECOND, 5);
		uint32_t margin = 1 + rates[i] / 5;
		assert_in_range(passed, 11 * rates[i] - margin, 11 * rates[i] + margin);
	}
}

static void test_below_the_rate_nothing_is_lost(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(1000, 1000);
	make(&settings);
	struct stele_client client = client4(0xc6336407);
	assert_int_equal(send(&client, 0, 60 * SECOND, 1000), 60000);
	/* Nor in a burst after a pause. */
	stele_rrl_tick(rrl, 70 * SECOND);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(passes(&client, STELE_CLASS_ANSWER));
	assert_false(passes(&client, STELE_CLASS_ANSWER));
}

/* A clock that moves once a burst of packets is fine enough. */
static void test_coarse_time(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(1000, 0);
	make(&settings);
	struct stele_client client = client4(0xc6336407);
	uint32_t passed = 0;
	for (uint64_t t = 0; t < 10 * SECOND; t += 4000) {
		stele_rrl_tick(rrl, t);
		for (unsigned i = 0; i < 32; i++)
			passed += passes(&client, STELE_CLASS_ANSWER);
	}
	assert_in_range(passed, 10900, 11100);
}

static void test_time_wraps(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(1000, 0);
	make(&settings);
	struct stele_client client = client4(0xc6336407);
	uint64_t before = (UINT64_C(1) << 32) - 5 * SECOND;
	assert_in_range(send(&client, before, 10 * SECOND, 100), 10900, 11100);
	/* Long after, the counter is past. */
	assert_in_range(send(&client, before + 600 * (uint64_t)SECOND, SECOND, 100), 1950, 2050);
}

static void test_prefixes(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(100, 300);
	make(&settings);
	stele_rrl_tick(rrl, 1);
	/* One host gets its hundred, the network three times that, another network its own. */
	for (unsigned network = 0; network < 2; network++) {
		uint32_t passed = 0;
		for (uint32_t host = 1; host < 7; host++) {
			struct stele_client client = client4(0xc6336400 + (network << 8) + host);
			uint32_t of_host = 0;
			for (unsigned i = 0; i < 500; i++)
				of_host += passes(&client, STELE_CLASS_ANSWER);
			assert_true(host > 3 ? of_host == 0 : of_host == 100);
			passed += of_host;
		}
		assert_int_equal(passed, 300);
	}
	/* IPv6: 64 and 48 bits. */
	uint32_t passed = 0;
	for (uint64_t network = 0; network < 4; network++) {
		uint32_t of_network = 0;
		for (uint64_t host = 0; host < 50; host++) {
			struct stele_client client =
				client6(UINT64_C(0x20010db800070000) + network, host << 40 | 5);
			for (unsigned i = 0; i < 10; i++)
				of_network += passes(&client, STELE_CLASS_ANSWER);
		}
		assert_true(network > 2 ? of_network == 0 : of_network == 100);
		passed += of_network;
	}
	assert_int_equal(passed, 300);
	struct stele_client elsewhere = client6(UINT64_C(0x20010db800080000), 1);
	assert_true(passes(&elsewhere, STELE_CLASS_ANSWER));
}

/* A whole network asks from all of its hosts: more than fit into a line. */
static void test_all_hosts_of_a_network(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(1000, 2000);
	make(&settings);
	uint32_t passed = 0;
	for (uint64_t t = 0; t < 10 * SECOND; t += 20) {
		stele_rrl_tick(rrl, t);
		struct stele_client client = client4(0xc6336400 + (uint32_t)(t / 20 * 37 % 256));
		passed += passes(&client, STELE_CLASS_ANSWER);
	}
	assert_in_range(passed, 21500, 22500);
}

static void test_classes_are_apart(void **state)
{
	(void)state;
	struct stele_rrl_settings settings;
	stele_rrl_settings_default(&settings);
	settings.slip = 0;
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++)
		settings.rates[i] = (struct stele_rrl_rate){100 * (i + 1), 0};
	settings.rates[STELE_CLASS_REFERRAL].narrow = 0; /* no limit */
	make(&settings);
	stele_rrl_tick(rrl, 1);
	struct stele_client client = client4(0xc6336407);
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		uint32_t passed = 0;
		for (unsigned n = 0; n < 3000; n++)
			passed += passes(&client, (enum stele_reply_class)i);
		assert_int_equal(passed, i == STELE_CLASS_REFERRAL ? 3000 : 100 * (i + 1));
		assert_int_equal(stele_rrl_counters(rrl)->dropped[i], 3000 - passed);
		assert_int_equal(stele_rrl_counters(rrl)->truncated[i], 0);
	}
}

static void test_workers_share_rates(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(1000, 0);
	settings.worker_cnt = 8;
	make(&settings);
	struct stele_client client = client4(0xc6336407);
	assert_in_range(send(&client, 0, 10 * SECOND, 100), 1300, 1450);
	/* So small a share that a burst holds no reply: one still passes now and then. */
	settings = settings_of(1, 0);
	settings.worker_cnt = 8;
	make(&settings);
	assert_in_range(send(&client, 0, 80 * SECOND, 1000), 9, 11);
}

static void test_slip(void **state)
{
	(void)state;
	static const uint32_t slips[] = {0, 1, 2, 3, 10};
	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
		struct stele_rrl_settings settings = settings_of(10, 0);
		settings.slip = slips[i];
		make(&settings);
		stele_rrl_tick(rrl, 1);
		/* Two victims in turn: each gets its share. */
		uint32_t truncated[2] = {0, 0}, dropped[2] = {0, 0};
		for (unsigned n = 0; n < 2 * 3010; n++) {
			struct stele_client client = client4(n % 2 == 0 ? 0xc6336407 : 0x01020304);
			switch (stele_rrl_check(rrl, &client, STELE_CLASS_ANSWER)) {
			case STELE_POLICY_TRUNCATE:
				truncated[n % 2]++;
				break;
			case STELE_POLICY_DROP:
				dropped[n % 2]++;
				break;
			default:
				assert_true(n < 20);
			}
		}
		for (unsigned victim = 0; victim < 2; victim++) {
			uint32_t expected = slips[i] == 0 ? 0 : 3000 / slips[i];
			assert_int_equal(truncated[victim], expected);
			assert_int_equal(dropped[victim], 3000 - expected);
		}
		assert_int_equal(stele_rrl_counters(rrl)->truncated[STELE_CLASS_ANSWER],
				 truncated[0] + truncated[1]);
	}
}

/*
 * A million sources pass through a table with far fewer counters. Nobody who asks once is limited,
 * and a victim in the middle of it stays limited.
 */
static void test_a_million_sources(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(100, 200);
	settings.line_cnt = 1 << 12;
	make(&settings);
	struct stele_client victim = client4(0xc6336407);
	uint32_t victim_passed = 0, limited = 0;
	for (uint32_t i = 0; i < 1000000; i++) {
		stele_rrl_tick(rrl, (uint64_t)i * 10);
		/* Spread over all of the address space. */
		struct stele_client client = client4(i * 2654435761u);
		limited += !passes(&client, STELE_CLASS_ANSWER);
		victim_passed += passes(&victim, STELE_CLASS_ANSWER);
	}
	assert_int_equal(limited, 0);
	assert_in_range(victim_passed, 1050, 1155);
}

static void test_exempt(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(10, 10);
	settings.exempt[0] = (struct stele_rrl_prefix){client4(0xc6336400), 23};
	settings.exempt[1] =
		(struct stele_rrl_prefix){client6(UINT64_C(0x20010db800070000), 0x80), 121};
	settings.exempt_cnt = 2;
	make(&settings);
	stele_rrl_tick(rrl, 1);
	const struct {
		struct stele_client client;
		bool exempt;
	} cases[] = {
		{client4(0xc6336407), true},
		{client4(0xc6336507), true},
		{client4(0xc6336607), false},
		{client6(UINT64_C(0x20010db800070000), 0x80), true},
		{client6(UINT64_C(0x20010db800070000), 0xff), true},
		{client6(UINT64_C(0x20010db800070000), 0x100), false},
		{client6(UINT64_C(0xc633640700000000), 0), false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t passed = 0;
		for (unsigned n = 0; n < 100; n++)
			passed += passes(&cases[i].client, STELE_CLASS_ERROR);
		assert_int_equal(passed == 100, cases[i].exempt);
	}
	/* Everybody. */
	settings.exempt[0].len = 0;
	make(&settings);
	for (unsigned n = 0; n < 100; n++)
		assert_true(passes(&cases[2].client, STELE_CLASS_ERROR));
}

static enum stele_policy_verdict verdict_of(const struct stele_query *query,
					    const struct stele_reply *reply)
{
	enum stele_policy_verdict verdict = STELE_POLICY_PASS;
	bool any = stele_rrl_policy(rrl, query, reply, 1, &verdict);
	assert_int_equal(any, verdict != STELE_POLICY_PASS);
	return verdict;
}

static void test_who_is_never_limited(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(1, 1);
	settings.slip = 1;
	make(&settings);
	stele_rrl_tick(rrl, 1);
	struct stele_query query = {.client = client4(0xc6336407)};
	struct stele_reply reply = {.reply_class = STELE_CLASS_NXDOMAIN};
	assert_int_equal(verdict_of(&query, &reply), STELE_POLICY_PASS);
	for (unsigned n = 0; n < 100; n++) {
		assert_int_equal(verdict_of(&query, &reply), STELE_POLICY_TRUNCATE);
		query.tcp = true;
		assert_int_equal(verdict_of(&query, &reply), STELE_POLICY_PASS);
		query.tcp = false;
		reply.cookie_valid = true;
		assert_int_equal(verdict_of(&query, &reply), STELE_POLICY_PASS);
		reply.cookie_valid = false;
		reply.verdict = STELE_VERDICT_PUNT;
		assert_int_equal(verdict_of(&query, &reply), STELE_POLICY_PASS);
		reply.verdict = STELE_VERDICT_REPLY;
		query.client.family = 0;
		assert_int_equal(verdict_of(&query, &reply), STELE_POLICY_PASS);
		query.client.family = 4;
	}
}

static void test_settings(void **state)
{
	(void)state;
	struct stele_rrl_settings s, fine = settings_of(100, 100);
	static uint8_t room[1 << 16] __attribute__((aligned(64)));
	struct stele_rrl *ret = NULL;
#define REFUSED(...)                                                                               \
	do {                                                                                       \
		struct stele_error err = {""};                                                     \
		s = fine;                                                                          \
		s.line_cnt = 64;                                                                   \
		__VA_ARGS__;                                                                       \
		assert_int_equal(stele_rrl_init(room, &s, &ret, &err), STELE_E_INPUT);             \
		assert_int_not_equal(err.text[0], '\0');                                           \
		assert_null(ret);                                                                  \
	} while (0)
	REFUSED(s.worker_cnt = 0);
	REFUSED(s.rates[4].narrow = STELE_RRL_RATE_MAX + 1);
	REFUSED(s.rates[0].wide = STELE_RRL_RATE_MAX + 1);
	REFUSED(s.wide4 = 0);
	REFUSED(s.narrow4 = 33);
	REFUSED(s.narrow4 = 23);
	REFUSED(s.wide6 = 0);
	REFUSED(s.narrow6 = 129);
	REFUSED(s.narrow6 = 47);
	REFUSED(s.burst_ms = 9);
	REFUSED(s.burst_ms = 60001);
	REFUSED(s.line_cnt = 63);
	REFUSED(s.line_cnt = (1 << 24) + 1);
	REFUSED(s.exempt_cnt = STELE_RRL_EXEMPT_MAX + 1);
	REFUSED(s.exempt_cnt = 1);
	REFUSED(s.exempt_cnt = 1; s.exempt[0] = (struct stele_rrl_prefix){client4(1), 33});
	REFUSED(s.exempt_cnt = 1; s.exempt[0] = (struct stele_rrl_prefix){client6(1, 1), 129});
	/* What each worker gets is what counts. */
	fine.rates[0].narrow = 10 * STELE_RRL_RATE_MAX;
	fine.worker_cnt = 10;
	fine.line_cnt = 65;
	assert_in_range(stele_rrl_sz(&fine), 128 * 64, 192 * 64);
	assert_int_equal(stele_rrl_init(room, &fine, &ret, NULL), 0);
	assert_non_null(ret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates_hold),
		cmocka_unit_test(test_below_the_rate_nothing_is_lost),
		cmocka_unit_test(test_coarse_time),
		cmocka_unit_test(test_time_wraps),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_all_hosts_of_a_network),
		cmocka_unit_test(test_classes_are_apart),
		cmocka_unit_test(test_workers_share_rates),
		cmocka_unit_test(test_slip),
		cmocka_unit_test(test_a_million_sources),
		cmocka_unit_test(test_exempt),
		cmocka_unit_test(test_who_is_never_limited),
		cmocka_unit_test(test_settings),
	};
	int failed = cmocka_run_group_tests_name("rrl", tests, NULL, end);
	failed |= test_rrl_model();
	return failed;
}
