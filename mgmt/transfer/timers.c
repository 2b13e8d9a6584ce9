/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/timers.h"

#define NS_PER_S UINT64_C(1000000000)

static uint64_t clamp(uint64_t value, uint64_t min_ns, uint64_t max_ns)
{
	uint64_t min = min_ns / NS_PER_S, max = max_ns / NS_PER_S;
	if (max > 0 && value > max)
		value = max;
	return value < min ? min : value;
}

/* Up to a tenth less, and at least a second. */
static uint32_t jitter(uint64_t wait, uint32_t random)
{
	uint64_t shorter = wait - random % (wait / 10 + 1);
	if (shorter == 0)
		shorter = 1;
	return shorter > INT32_MAX ? INT32_MAX : (uint32_t)shorter;
}

uint32_t stele_timers_refresh(const struct stele_soa_timers *soa,
			      const struct stele_template_config *options, uint32_t expire_s,
			      uint32_t random)
{
	uint64_t wait = clamp(soa->refresh, options->refresh_min_ns, options->refresh_max_ns);
	if (wait > expire_s / 2)
		wait = expire_s / 2;
	return jitter(wait, random);
}

uint32_t stele_timers_retry(const struct stele_soa_timers *soa,
			    const struct stele_template_config *options, bool loaded,
			    unsigned failure_cnt, uint32_t random)
{
	uint64_t wait = soa->retry;
	if (!loaded) {
		wait = STELE_BOOTSTRAP_RETRY_S;
		for (unsigned i = 1; i < failure_cnt && wait < STELE_BOOTSTRAP_RETRY_MAX_S; i++)
			wait *= 2;
		if (wait > STELE_BOOTSTRAP_RETRY_MAX_S)
			wait = STELE_BOOTSTRAP_RETRY_MAX_S;
	}
	return jitter(clamp(wait, options->retry_min_ns, options->retry_max_ns), random);
}

uint32_t stele_timers_expire(const struct stele_soa_timers *soa,
			     const struct stele_template_config *options)
{
	uint64_t least = clamp(soa->refresh, options->refresh_min_ns, options->refresh_max_ns) +
			 clamp(soa->retry, options->retry_min_ns, options->retry_max_ns);
	if (least > INT32_MAX)
		least = INT32_MAX;
	return soa->expire < least ? (uint32_t)least : soa->expire;
}

time_t stele_timers_expiry(time_t now, uint32_t expire, bool has_option, uint32_t option, bool sent,
			   time_t in_force)
{
	uint32_t left = has_option && option < expire ? option : expire;
	time_t at = now + (time_t)left;
	/* RFC 7314 section 4: the larger of the two. A clock that went back must not keep it alive. */
	if (!sent && has_option && in_force > at && in_force <= now + (time_t)expire)
		return in_force;
	return at;
}
