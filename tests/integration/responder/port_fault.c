/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a responder (test_responder_faults.py): no device starts, and the memory of packet buffers that are
 * given back goes at once, as huge pages do.
 */
#include <errno.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <sys/mman.h>
#include <unistd.h>

int rte_eth_dev_start(uint16_t id)
{
	(void)id;
	return -EIO;
}

static void take_away(struct rte_mempool *pool, void *user, struct rte_mempool_memhdr *piece,
		      unsigned index)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)piece->addr;
	uintptr_t first = (begin + page - 1) / page * page, end = (begin + piece->len) / page * page;

	(void)pool;
	(void)user;
	(void)index;
	if (first < end)
		mprotect((void *)first, end - first, PROT_NONE);
}

void rte_mempool_free(struct rte_mempool *pool)
{
	if (pool)
		rte_mempool_mem_iter(pool, take_away, NULL);
}
