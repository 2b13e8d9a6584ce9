/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of replies over UDP (lib/answer/rrl.h). Where no responder stands in front, anybody may send queries with the
 * address of somebody else. Each worker has a table of its own; the kernel spreads clients over them.
 */
#include "mgmt/service/internal.h"

#include "lib/base/clock.h"

#include <stdlib.h>
#include <string.h>

struct rate_limit {
	struct stele_rrl *rrl;
	void *memory;
	uint64_t dropped, slipped; /* as counted */
};

/* But for the seed, of which each is as good. */
static bool is_same(const struct stele_rrl_settings *a, const struct stele_rrl_settings *b)
{
	struct stele_rrl_settings copy;

	memcpy(&copy, b, sizeof(copy));
	memcpy(copy.seed, a->seed, sizeof(copy.seed));
	return memcmp(a, &copy, sizeof(copy)) == 0;
}

void limit_free(struct rate_limit *limit)
{
	if (!limit)
		return;
	free(limit->memory);
	free(limit);
}

/* STELE_E_INPUT: a setting is out of its range. STELE_E_SYSTEM: no memory. */
static int make_limit(const struct stele_rrl_settings *settings, struct rate_limit *limit,
		      struct stele_error *reterr)
{
	int status = stele_rrl_settings_check(settings, reterr);

	if (status != 0)
		return status;
	size_t sz = (stele_rrl_sz(settings) + 63) / 64 * 64;
	limit->memory = aligned_alloc(64, sz);
	if (!limit->memory)
		return stele_fail(reterr, STELE_E_SYSTEM,
				  "no memory for a table of rates (%zu bytes for each thread)", sz);
	return stele_rrl_init(limit->memory, settings, &limit->rrl, reterr);
}

int limit_new(const struct service_settings *before, const struct service_settings *settings,
	      struct rate_limit **ret_limit, struct stele_error *reterr)
{
	*ret_limit = NULL;
	if (!settings->is_rate_limited)
		return 0;
	/* Who is over a rate stays so, whatever else is new. */
	if (before && before->is_rate_limited && is_same(&before->rrl, &settings->rrl))
		return 0;
	struct rate_limit *limit = calloc(1, sizeof(*limit));
	if (!limit)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	int status = make_limit(&settings->rrl, limit, reterr);
	if (status != 0) {
		limit_free(limit);
		return status;
	}
	*ret_limit = limit;
	return 0;
}

void worker_set(struct worker *worker, struct service_settings *settings, struct rate_limit *limit)
{
	service_settings_release(worker->settings);
	worker->settings = settings;
	if (limit || !settings->is_rate_limited) {
		limit_free(worker->limit);
		worker->limit = limit;
	}
	worker->udp_answers = settings->answers[STELE_UDP];
	worker->udp_answers.policy = worker->limit ? stele_rrl_policy : NULL;
	worker->udp_answers.policy_user = worker->limit ? worker->limit->rrl : NULL;
}

void worker_unset(struct worker *worker)
{
	limit_free(worker->limit);
	worker->limit = NULL;
	service_settings_release(worker->settings);
	worker->settings = NULL;
}

void limit_begin(struct worker *worker)
{
	if (worker->limit)
		stele_rrl_tick(worker->limit->rrl, stele_clock_ns() / 1000);
}

void limit_end(struct worker *worker)
{
	struct rate_limit *limit = worker->limit;
	uint64_t dropped = 0, slipped = 0;

	if (!limit)
		return;
	const struct stele_rrl_counters *counters = stele_rrl_counters(limit->rrl);
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		dropped += counters->dropped[i];
		slipped += counters->truncated[i];
	}
	count_many(worker, COUNT_rrl_dropped, dropped - limit->dropped);
	count_many(worker, COUNT_rrl_slipped, slipped - limit->slipped);
	limit->dropped = dropped;
	limit->slipped = slipped;
}

bool limit_passes_error(struct worker *worker, const struct stele_client *client)
{
	if (!worker->limit)
		return true;
	limit_begin(worker);
	/* No larger than what it answers: to make it empty would save nothing. */
	bool passes = stele_rrl_check(worker->limit->rrl, client, STELE_CLASS_ERROR) !=
		      STELE_POLICY_DROP;
	limit_end(worker);
	if (!passes)
		count(worker, COUNT_dropped);
	return passes;
}
