/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_WORKER_BUCKET_H
#define STELE_RESPONDER_WORKER_BUCKET_H

/*
 * A rate limit of one thread: so many a second, and a burst of so many at once. Kept as the time at
 * which all that was taken is paid for, in cycles of the time stamp counter, so that nothing has to
 * be filled up.
 */

#include <stdbool.h>
#include <stdint.h>

struct stele_bucket {
	uint64_t paid_at;
	uint64_t interval; /* cycles for each; 0: no limit */
	uint64_t ahead;    /* how far `paid_at` may be ahead of now */
};

/* `rate` a second, 0 for no limit; `burst` at once, at least 1; `hz` cycles a second. */
static inline void stele_bucket_init(struct stele_bucket *bucket, uint64_t rate, uint64_t burst,
				     uint64_t hz)
{
	bucket->paid_at = 0;
	bucket->interval = rate ? hz / rate : 0;
	bucket->ahead = bucket->interval * (burst - 1);
}

static inline bool stele_bucket_take(struct stele_bucket *bucket, uint64_t now)
{
	uint64_t from = bucket->paid_at > now ? bucket->paid_at : now;

	if (from - now > bucket->ahead) {
		/* Twice of what can be ahead, and the counter has gone back: after a sleep of the machine, or a
		 * move of a virtual one. Else nothing would be let through until it is where it was. */
		if (from - now <= 2 * (bucket->ahead + bucket->interval))
			return false;
		from = now;
	}
	bucket->paid_at = from + bucket->interval;
	return true;
}

#endif
