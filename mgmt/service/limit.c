/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates of replies over UDP (lib/answer/rrl.h). Where no responder stands in front, anybody may send queries with the
 * address of somebody else. Each worker has a table of its own; the kernel spreads clients over them.
 */
#include "mgmt/service/internal.h"

#include "lib/base/clock.h"
#include "lib/base/numa.h"

int limit_new(const struct service_settings *before, const struct service_settings *settings,
	      struct stele_rates **ret_limit, struct stele_error *reterr)
{
	*ret_limit = NULL;
	if (!settings->is_rate_limited)
		return 0;
	/* Who is over a rate stays so, whatever else is new. */
	if (before && before->is_rate_limited &&
	    stele_rrl_settings_equal(&before->rrl, &settings->rrl))
		return 0;
	return stele_rates_new(&settings->rrl, STELE_NUMA_ANY, ret_limit, reterr);
}

void worker_set(struct worker *worker, struct service_settings *settings, struct stele_rates *limit)
{
	service_settings_release(worker->settings);
	worker->settings = settings;
	if (limit || !settings->is_rate_limited) {
		stele_rates_free(worker->limit);
		worker->limit = limit;
	}
	worker->udp_answers = settings->answers[STELE_UDP];
	worker->udp_answers.policy = worker->limit ? stele_rrl_policy : NULL;
	worker->udp_answers.policy_user = worker->limit ? worker->limit->rrl : NULL;
}

void worker_unset(struct worker *worker)
{
	stele_rates_free(worker->limit);
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
	if (!worker->limit)
		return;
	struct stele_rates_counts counts = stele_rates_count(worker->limit);
	count_many(worker, COUNT_rrl_dropped, counts.dropped);
	count_many(worker, COUNT_rrl_slipped, counts.slipped);
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
