/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits over simulated time: rates, bursts, prefixes, classes, slip, who is never limited. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/answer/rrl_internal.h"

#include "lib/base/cpu.h"

#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000000 };

static struct stele_rrl *rrl;
static void *memory;

static void make(struct stele_rrl_settings *settings)
{
	struct stele_error err = {""};
	settings->seed[0] = 0x0123456789abcdef;
	settings->seed[1] = 0xfedcba9876543210;
	free(memory);
	memory = aligned_alloc(64, (stele_rrl_sz(settings) + 63) / 64 * 64);
	assert_non_null(memory);
	if (stele_rrl_init(memory, settings, &rrl, &err) != 0)
		fail_msg("%s", err.text);
}

static int end(void **state)
{
	(void)state;
	free(memory);
	memory = NULL;
	return 0;
}

/* All classes alike. */
static struct stele_rrl_settings settings_of(uint32_t narrow, uint32_t wide)
{
	struct stele_rrl_settings settings;
	stele_rrl_settings_default(&settings);
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		settings.rates[i].narrow = narrow;
		settings.rates[i].wide = wide;
	}
	settings.slip = 0;
	return settings;
}

static struct stele_client client4(uint32_t address)
{
	struct stele_client client = {.family = 4};
	stele_put_be32(client.addr, address);
	return client;
}

static struct stele_client client6(uint64_t high, uint64_t low)
{
	struct stele_client client = {.family = 6};
	stele_put_be64(client.addr, high);
	stele_put_be64(client.addr + 8, low);
	return client;
}

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

/* ---- Against a model ---- */

/* What a prefix has paid for, for each class: one place for each, however many there are. */
struct account {
	struct stele_client prefix;
	uint64_t paid_at[STELE_REPLY_CLASS_CNT];
};
enum { ACCOUNTS_MAX = 512 };
static struct account narrow_accounts[ACCOUNTS_MAX], wide_accounts[ACCOUNTS_MAX];
static unsigned narrow_cnt, wide_cnt;
static uint32_t limited_of_wide[ACCOUNTS_MAX];

static struct account *account_of(struct account *accounts, unsigned *cnt,
				  const struct stele_client *client, unsigned len)
{
	struct stele_client prefix = {.family = client->family};
	for (unsigned bit = 0; bit < len; bit++)
		prefix.addr[bit / 8] |= (uint8_t)(client->addr[bit / 8] & 0x80 >> bit % 8);
	for (unsigned i = 0; i < *cnt; i++)
		if (memcmp(&accounts[i].prefix, &prefix, sizeof(prefix)) == 0)
			return &accounts[i];
	assert_true(*cnt < ACCOUNTS_MAX);
	accounts[*cnt] = (struct account){.prefix = prefix};
	return &accounts[(*cnt)++];
}

/* When `paid_at` will be if one more passes; 0 if it does not. `rate` is a divisor of a million. */
static uint64_t one_more(uint64_t paid_at, uint64_t now, uint32_t rate, uint64_t burst_us)
{
	uint64_t from = paid_at > now ? paid_at : now;
	return from + SECOND / rate - now > burst_us ? 0 : from + SECOND / rate;
}

static enum stele_policy_verdict model(const struct stele_rrl_settings *settings,
				       const struct stele_client *client,
				       enum stele_reply_class reply_class, uint64_t now)
{
	bool is_v4 = client->family == 4;
	const struct stele_rrl_rate *rate = &settings->rates[reply_class];
	struct account *narrow = account_of(narrow_accounts, &narrow_cnt, client,
					    is_v4 ? settings->narrow4 : settings->narrow6);
	struct account *wide = account_of(wide_accounts, &wide_cnt, client,
					  is_v4 ? settings->wide4 : settings->wide6);
	uint64_t *narrow_at = &narrow->paid_at[reply_class], *wide_at = &wide->paid_at[reply_class];
	uint64_t burst_us = 1000 * settings->burst_ms, narrow_next = 1, wide_next = 1;
	if (rate->narrow > 0)
		narrow_next = one_more(*narrow_at, now, rate->narrow, burst_us);
	if (rate->wide > 0)
		wide_next = one_more(*wide_at, now, rate->wide, burst_us);
	if (narrow_next == 0 || wide_next == 0) {
		uint32_t *limited = &limited_of_wide[wide - wide_accounts];
		return ++*limited % settings->slip == 0 ? STELE_POLICY_TRUNCATE : STELE_POLICY_DROP;
	}
	*narrow_at = narrow_next;
	*wide_at = wide_next;
	return STELE_POLICY_PASS;
}

typedef bool (*policy_function)(void *, const struct stele_query *, const struct stele_reply *,
				unsigned, enum stele_policy_verdict *);
static const policy_function policies[] = {
	stele_rrl_policy_portable,
#if defined(__x86_64__)
	stele_rrl_policy_avx2,
#endif
};

static unsigned policy_cnt(void)
{
	return stele_cpu_has_avx2() ? 2 : 1;
}

/* One of few networks far apart, so that each has a line, and of few hosts, so that none has to make room. */
static struct stele_client some_client(void)
{
	uint32_t network = (uint32_t)rand() % 12, host = (uint32_t)rand() % 2;
	return network % 2 ? client4(network << 24 | network * 7919 << 8 | host) :
			     client6((uint64_t)network << 48 | host, (uint64_t)rand());
}

/*
 * Batches of all sizes, with whatever is not to be limited in between: each verdict is the model's. Classes with both
 * limits, with one of them, and with none.
 */
static void test_model(void **state)
{
	(void)state;
	struct stele_rrl_settings settings = settings_of(100, 250);
	settings.rates[STELE_CLASS_REFERRAL] = (struct stele_rrl_rate){50, 0};
	settings.rates[STELE_CLASS_NODATA] = (struct stele_rrl_rate){0, 200};
	settings.rates[STELE_CLASS_ERROR] = (struct stele_rrl_rate){0, 0};
	settings.slip = 3;
	unsigned seen[4] = {0};
	for (unsigned round = 0; round < 8 * policy_cnt(); round++) {
		make(&settings);
		srand(round);
		narrow_cnt = wide_cnt = 0;
		memset(limited_of_wide, 0, sizeof(limited_of_wide));
		uint64_t now = (UINT64_C(1) << 32) * round;
		uint64_t origin = now;
		for (unsigned batch = 0; batch < 1500; batch++) {
			struct stele_query queries[STELE_BATCH_MAX];
			struct stele_reply replies[STELE_BATCH_MAX];
			enum stele_policy_verdict verdicts[STELE_BATCH_MAX], expected;
			unsigned cnt = 1 + batch % STELE_BATCH_MAX;
			bool any = false;
			/* Far above the rates, with pauses. */
			now += (uint64_t)rand() % (rand() % 200 == 0 ? SECOND : 400);
			stele_rrl_tick(rrl, now);
			for (unsigned i = 0; i < cnt; i++) {
				queries[i] = (struct stele_query){.client = some_client()};
				replies[i] = (struct stele_reply){
					.reply_class = rand() % STELE_REPLY_CLASS_CNT};
				unsigned way = (unsigned)rand() % 32;
				queries[i].tcp = way == 0;
				replies[i].cookie_valid = way == 1;
				replies[i].verdict = way == 2 ? STELE_VERDICT_DROP :
								STELE_VERDICT_REPLY;
				verdicts[i] = STELE_POLICY_PASS;
			}
			bool told = policies[round / 8](rrl, queries, replies, cnt, verdicts);
			for (unsigned i = 0; i < cnt; i++) {
				enum stele_reply_class class = replies[i].reply_class;
				expected = STELE_POLICY_PASS;
				if (!queries[i].tcp && !replies[i].cookie_valid &&
				    replies[i].verdict == STELE_VERDICT_REPLY)
					expected = model(&settings, &queries[i].client, class,
							 now - origin);
				assert_int_equal(verdicts[i], expected);
				any |= expected != STELE_POLICY_PASS;
				seen[expected]++;
			}
			assert_int_equal(told, any);
		}
	}
	assert_true(seen[STELE_POLICY_PASS] > 1000 && seen[STELE_POLICY_DROP] > 1000 &&
		    seen[STELE_POLICY_TRUNCATE] > 1000);
}

/* Lines that run over: a batch, one by one, and the code for any processor all come to the same. */
static void test_ways_agree(void **state)
{
	(void)state;
	enum { ROUNDS = 3, BATCHES = 4000 };
	struct stele_rrl_settings settings = settings_of(200, 900);
	settings.rates[STELE_CLASS_NODATA].narrow = 0;
	settings.rates[STELE_CLASS_REFERRAL].wide = 0;
	settings.line_cnt = 64;
	settings.slip = 2;
	static uint8_t verdicts[BATCHES][STELE_BATCH_MAX];
	unsigned held_back = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (round == 2 && policy_cnt() < 2)
			continue;
		make(&settings);
		srand(5);
		for (unsigned batch = 0; batch < BATCHES; batch++) {
			struct stele_query queries[STELE_BATCH_MAX];
			struct stele_reply replies[STELE_BATCH_MAX];
			enum stele_policy_verdict all[STELE_BATCH_MAX] = {STELE_POLICY_PASS};
			unsigned cnt = 1 + batch % STELE_BATCH_MAX;
			stele_rrl_tick(rrl, 1000000 + 100 * batch);
			for (unsigned i = 0; i < cnt; i++) {
				uint32_t r = (uint32_t)rand();
				queries[i] = (struct stele_query){
					.client = r % 2 ? client4(0xc6336400 + r / 2 % 600) :
							  client6(0x20010db800000000 + r / 2 % 300,
								  (uint64_t)rand())};
				replies[i] = (struct stele_reply){
					.reply_class = rand() % STELE_REPLY_CLASS_CNT};
			}
			if (round > 0)
				policies[round - 1](rrl, queries, replies, cnt, all);
			for (unsigned i = 0; i < cnt; i++) {
				if (round == 0)
					verdicts[batch][i] = (uint8_t)stele_rrl_check(
						rrl, &queries[i].client, replies[i].reply_class);
				else
					assert_int_equal(all[i], verdicts[batch][i]);
				held_back += verdicts[batch][i] != STELE_POLICY_PASS;
			}
		}
	}
	assert_true(held_back > 1000);
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
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_ways_agree),
		cmocka_unit_test(test_settings),
	};
	return cmocka_run_group_tests_name("rrl", tests, NULL, end);
}
