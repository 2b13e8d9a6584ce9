/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/serving/rates.h"

#include "lib/base/numa.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE_SZ ((size_t)2 << 20)

/* NULL, or pages of which the first begins where a huge page may. */
static void *map(size_t size)
{
	uint8_t *base = mmap(NULL, size + HUGE_PAGE_SZ, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)base % HUGE_PAGE_SZ;
	if (before > 0)
		munmap(base, before);
	munmap(base + before + size, HUGE_PAGE_SZ - before);
	return base + before;
}

static int make_table(struct stele_rates *rates, const struct stele_rrl_settings *settings,
		      int node, struct stele_error *reterr)
{
	const size_t page_sz = (size_t)sysconf(_SC_PAGESIZE);
	int rc = stele_rrl_settings_check(settings, reterr);

	if (rc)
		return rc;
	rates->size = (stele_rrl_sz(settings) + page_sz - 1) / page_sz * page_sz;
	rates->memory = map(rates->size);
	if (!rates->memory)
		return stele_fail(reterr, STELE_E_SYSTEM,
				  "no memory for a table of rates (%zu bytes for each thread)",
				  rates->size);
	/* It is made by who does not use it. */
	stele_numa_prefer(rates->memory, rates->size, node);
	/* Each reply goes to another place: of small pages, the processor would know too few. As well as the
	 * kernel can: it is not needed. */
	madvise(rates->memory, rates->size, MADV_HUGEPAGE);
	return stele_rrl_init(rates->memory, settings, &rates->rrl, reterr);
}

int stele_rates_new(const struct stele_rrl_settings *settings, int node,
		    struct stele_rates **ret_rates, struct stele_error *reterr)
{
	struct stele_rates *rates = calloc(1, sizeof(*rates));

	if (!rates)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for rate limits");
	int rc = make_table(rates, settings, node, reterr);
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
	if (rates->memory)
		munmap(rates->memory, rates->size);
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
