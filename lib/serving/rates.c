/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/serving/rates.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE_SZ ((size_t)2 << 20)

static int make_table(struct stele_rates *rates, const struct stele_rrl_settings *settings,
		      struct stele_error *reterr)
{
	int rc = stele_rrl_settings_check(settings, reterr);

	if (rc)
		return rc;
	size_t size = stele_rrl_sz(settings), align = size < HUGE_PAGE_SZ ? 64 : HUGE_PAGE_SZ;
	size = (size + align - 1) / align * align;
	rates->memory = aligned_alloc(align, size);
	if (!rates->memory)
		return stele_fail(reterr, STELE_E_SYSTEM,
				  "no memory for a table of rates (%zu bytes for each thread)",
				  size);
	/* Each reply goes to another place: of small pages, the processor would know too few. As well as the
	 * kernel can: it is not needed. */
	if (align == HUGE_PAGE_SZ)
		madvise(rates->memory, size, MADV_HUGEPAGE);
	return stele_rrl_init(rates->memory, settings, &rates->rrl, reterr);
}

int stele_rates_new(const struct stele_rrl_settings *settings, struct stele_rates **ret_rates,
		    struct stele_error *reterr)
{
	struct stele_rates *rates = calloc(1, sizeof(*rates));

	if (!rates)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for rate limits");
	int rc = make_table(rates, settings, reterr);
	if (rc) {
		stele_rates_free(rates);
		return rc;
	}
	*ret_rates = rates;
	return 0;
}

void stele_rates_free(struct stele_rates *rates)
{
	if (!rates)
		return;
	free(rates->memory);
	free(rates);
}

struct stele_rates_counts stele_rates_count(struct stele_rates *rates)
{
	const struct stele_rrl_counters *counters = stele_rrl_counters(rates->rrl);
	struct stele_rates_counts now = {0}, before = rates->counted;

	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++) {
		now.dropped += counters->dropped[i];
		now.slipped += counters->truncated[i];
	}
	rates->counted = now;
	return (struct stele_rates_counts){.dropped = now.dropped - before.dropped,
					   .slipped = now.slipped - before.slipped};
}
