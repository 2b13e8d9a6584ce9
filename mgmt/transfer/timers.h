/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_TIMERS_H
#define STELE_MGMT_TRANSFER_TIMERS_H

/*
 * When a secondary asks again, and how long what it has is good (RFC 1034 section 4.3.5, RFC 7314).
 *
 * Waits are shortened by a random part of up to a tenth, so that zones which were asked for together
 * drift apart; never lengthened, so that nobody waits longer than the zone's owner wants. All
 * functions are pure; seconds.
 */

#include "mgmt/zones/zones.h"

/* First wait of a zone that was never loaded; each failure doubles it. Less asks a primary that is not
 * set up yet in vain, more keeps a new zone dark. */
#define STELE_BOOTSTRAP_RETRY_S 5
#define STELE_BOOTSTRAP_RETRY_MAX_S 3600

/*
 * After the zone was confirmed: REFRESH within the bounds of `options`, but not more than half of
 * `expire_s`, what is in force: a zone must not expire while its primary is well.
 */
uint32_t stele_timers_refresh(const struct stele_soa_timers *soa,
			      const struct stele_template_config *options, uint32_t expire_s,
			      uint32_t random);

/* After the `failure_cnt`th failure in a row (from 1): RETRY within bounds; or as above if the zone was
 * never loaded. */
uint32_t stele_timers_retry(const struct stele_soa_timers *soa,
			    const struct stele_template_config *options, bool loaded,
			    unsigned failure_cnt, uint32_t random);

/*
 * EXPIRE of the SOA, but no less than one refresh and one retry take: with less, a zone would be gone before
 * anybody has asked twice. (BIND has the same bound.)
 */
uint32_t stele_timers_expire(const struct stele_soa_timers *soa,
			     const struct stele_template_config *options);

/*
 * When the zone expires, after a primary sent it or said that it is up to date at `now`. `expire` is as above;
 * `option`: what its option EXPIRE said, where `has_option`; never beyond `expire`. Where nothing was `sent`, an
 * option does not shorten what is in force, since another primary may have known better.
 */
time_t stele_timers_expiry(time_t now, uint32_t expire, bool has_option, uint32_t option, bool sent,
			   time_t in_force);

#endif
