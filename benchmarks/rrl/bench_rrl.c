/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rate limiting costs a reply, by number of sources: bursts of 32 clients drawn at random, as
 * lib/answer has them judged. Making the clients is outside of the measured time. A round's figure is that of its
 * median burst; cases take turns.
 *
 *   bench_rrl [--rounds N] [--bursts N] [--only SOURCES]
 */
#include "benchmarks/measure.h"
#include "lib/answer/rrl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	BURST = 32,
	ROUNDS_MAX = 31,
};

static struct bench_case {
	uint32_t source_cnt;
	unsigned family;
	bool alone; /* one reply after the other: what it costs if no line is fetched before it is needed */
	bool flood; /* far above the rate: all is held back */
	struct stele_rrl *rrl;
	uint64_t now_us;
	uint64_t held_back;
	double ns[ROUNDS_MAX];
} cases[] = {
	{.source_cnt = 1000, .family = 4},
	{.source_cnt = 1000, .family = 6},
	{.source_cnt = 1000000, .family = 4},
	{.source_cnt = 1000000, .family = 6},
	{.source_cnt = 1000000, .family = 4, .alone = true},
	{.source_cnt = 1000, .family = 4, .flood = true},
};
#define CASE_CNT (sizeof(cases) / sizeof(cases[0]))

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * bound >> 32);
}

/* Sources lie anywhere in the address space, each in a network of its own. */
static void make_client(const struct bench_case *c, struct stele_client *client)
{
	uint64_t address = (random_below(c->source_cnt) + 1) * UINT64_C(0x9e3779b97f4a7c15);
	client->family = (uint8_t)c->family;
	stele_put_be64(client->addr, address);
	stele_put_be64(client->addr + 8, address * 31);
}

static void make_table(struct bench_case *c)
{
	struct stele_rrl_settings settings;
	stele_rrl_settings_default(&settings);
	settings.seed[0] = 0x0123456789abcdef;
	settings.seed[1] = 0xfedcba9876543210;
	settings.line_cnt = 1 << 18;
	uint32_t rate = c->flood ? 1 : STELE_RRL_RATE_MAX;
	settings.rates[STELE_CLASS_ANSWER] = (struct stele_rrl_rate){rate, rate};
	void *memory =
		aligned_alloc(2 << 20, (stele_rrl_sz(&settings) / (2 << 20) + 1) * (2 << 20));
	/* As the responder's memory. */
	if (memory == NULL || madvise(memory, stele_rrl_sz(&settings), MADV_HUGEPAGE) != 0 ||
	    stele_rrl_init(memory, &settings, &c->rrl, NULL) != 0)
		exit(3);
}

static void run(struct bench_case *c, unsigned round, unsigned burst_cnt, double *ticks,
		double ns_per_tick)
{
	struct stele_query queries[BURST];
	struct stele_reply replies[BURST];
	memset(queries, 0, sizeof(queries));
	memset(replies, 0, sizeof(replies));
	for (unsigned i = 0; i < BURST; i++)
		replies[i].reply_class = STELE_CLASS_ANSWER;
	for (unsigned burst = 0; burst < burst_cnt; burst++) {
		for (unsigned i = 0; i < BURST; i++)
			make_client(c, &queries[i].client);
		c->now_us += 5;
		uint64_t t0 = measure_ticks();
		stele_rrl_tick(c->rrl, c->now_us);
		enum stele_policy_verdict verdicts[BURST] = {STELE_POLICY_PASS};
		bool any = false;
		for (unsigned i = 0; c->alone && i < BURST; i++)
			any |= stele_rrl_policy(c->rrl, queries + i, replies + i, 1, verdicts + i);
		if (!c->alone)
			any = stele_rrl_policy(c->rrl, queries, replies, BURST, verdicts);
		if (any)
			for (unsigned i = 0; i < BURST; i++)
				c->held_back += verdicts[i] != STELE_POLICY_PASS;
		ticks[burst] = (double)(measure_ticks() - t0);
	}
	c->ns[round] = measure_median(ticks, burst_cnt) / BURST * ns_per_tick;
}

/* Status of a program that was asked for its usage, or used wrongly. */
static int usage(bool asked)
{
	fputs("usage: bench_rrl [--rounds N] [--bursts N] [--only SOURCES]\n",
	      asked ? stdout : stderr);
	return asked ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"bursts", required_argument, NULL, 'b'},
						{"only", required_argument, NULL, 'o'},
						{"help", no_argument, NULL, 'h'},
						{0}};
	unsigned rounds = 9, burst_cnt = 20000;
	uint32_t only = 0;
	for (int opt; (opt = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (opt == 'r')
			rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'b')
			burst_cnt = (unsigned)strtoul(optarg, NULL, 10);
		else if (opt == 'o')
			only = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return usage(opt == 'h');
	}
	if (rounds == 0 || rounds > ROUNDS_MAX || burst_cnt == 0)
		return usage(false);
	double *ticks = malloc(burst_cnt * sizeof(double));
	if (ticks == NULL)
		return 3;
	double ns_per_tick = measure_ns_per_tick();
	for (size_t i = 0; i < CASE_CNT; i++)
		make_table(&cases[i]);
	for (unsigned round = 0; round < rounds; round++)
		for (size_t i = 0; i < CASE_CNT; i++)
			if (only == 0 || only == cases[i].source_cnt)
				run(&cases[i], round, burst_cnt, ticks, ns_per_tick);
	printf("| sources | family | replies at once | ns a reply | held back |\n|--:|---|---|--:|--:|\n");
	for (size_t i = 0; i < CASE_CNT; i++) {
		struct bench_case *c = &cases[i];
		if (only == 0 || only == c->source_cnt)
			printf("| %u | IPv%u | %d | %.1f | %.2f %% |\n", c->source_cnt, c->family,
			       c->alone ? 1 : BURST, measure_median(c->ns, rounds),
			       100.0 * (double)c->held_back / BURST / burst_cnt / rounds);
		free(c->rrl);
	}
	free(ticks);
	return 0;
}
