/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a thread's rate limits: where it is, and that all of it goes. */
#include "lib/base/numa.h"
#include "lib/serving/rates.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define HUGE_PAGE_SZ ((size_t)2 << 20)

static struct stele_rates *rates_on(int node, uint32_t line_cnt)
{
	struct stele_rrl_settings settings;
	struct stele_rates *rates;
	struct stele_error error;

	stele_rrl_settings_default(&settings);
	settings.line_cnt = line_cnt;
	assert_int_equal(stele_rates_new(&settings, node, &rates, &error), 0);
	assert_true(rates->size >= stele_rrl_sz(&settings));
	return rates;
}

/* What the kernel has noted for this address: MPOL_DEFAULT, or MPOL_PREFERRED with the nodes that it prefers. */
static int policy_of(const void *at, unsigned long *ret_nodes)
{
	unsigned long nodes[1024 / (8 * sizeof(unsigned long))] = {0};
	int mode = -1;

	assert_int_equal(syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, at, MPOL_F_ADDR), 0);
	*ret_nodes = nodes[0];
	return mode;
}

static void test_a_table_is_where_its_thread_is(void **state)
{
	(void)state;
	unsigned long nodes;

	if (syscall(SYS_get_mempolicy, NULL, NULL, 0UL, NULL, 0UL) != 0 && errno == ENOSYS)
		skip(); /* a kernel without nodes */
	for (uint32_t line_cnt = STELE_RRL_LINES_MIN; line_cnt <= 1 << 17; line_cnt *= 2) {
		struct stele_rates *rates = rates_on(0, line_cnt);
		const uint8_t *memory = rates->memory;
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(policy_of(memory + i * (rates->size - 1), &nodes),
					 MPOL_PREFERRED);
			assert_int_equal(nodes, 1);
		}
		stele_rates_free(rates);
	}
	struct stele_rates *rates = rates_on(STELE_NUMA_ANY, STELE_RRL_LINES_MIN);
	assert_int_equal(policy_of(rates->memory, &nodes), MPOL_DEFAULT);
	stele_rates_free(rates);
}

/* Nothing of it stays mapped, and nothing beside it goes. */
static void test_all_of_a_table_goes(void **state)
{
	(void)state;
	unsigned char there;

	for (uint32_t line_cnt = STELE_RRL_LINES_MIN; line_cnt <= 1 << 17; line_cnt *= 2) {
		struct stele_rates *rates = rates_on(0, line_cnt);
		uint8_t *memory = rates->memory;
		size_t page_sz = (size_t)sysconf(_SC_PAGESIZE), size = rates->size;
		assert_int_equal((uintptr_t)memory % HUGE_PAGE_SZ, 0);
		assert_int_equal(size % page_sz, 0);
		stele_rates_free(rates);
		for (size_t off = 0; off < size; off += page_sz) {
			assert_int_equal(mincore(memory + off, page_sz, &there), -1);
			assert_int_equal(errno, ENOMEM);
		}
	}
}

/* A table that a setting is wrong of is not there, and no memory of it either. */
static void test_wrong_settings(void **state)
{
	(void)state;
	struct stele_rrl_settings settings;
	struct stele_rates *rates = NULL;
	struct stele_error error;

	stele_rrl_settings_default(&settings);
	settings.line_cnt = STELE_RRL_LINES_MIN - 1;
	assert_int_equal(stele_rates_new(&settings, 0, &rates, &error), STELE_E_INPUT);
	assert_null(rates);
	stele_rates_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_table_is_where_its_thread_is),
		cmocka_unit_test(test_all_of_a_table_goes),
		cmocka_unit_test(test_wrong_settings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
