/* SPDX-License-Identifier: Apache-2.0 */
/* Rate limits against a model, and all ways to limit against one another. */
#include "tests/unit/answer/rrl_case.h"

#include "lib/base/cpu.h"

#include <stdlib.h>
#include <string.h>

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

int test_rrl_model(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_ways_agree),
	};
	return cmocka_run_group_tests_name("rrl against a model", tests, NULL, end);
}
