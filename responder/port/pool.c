/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

struct rte_mempool *stele_pool_new(const char *name, unsigned cnt, unsigned cache, uint32_t room,
				   int socket, bool dense)
{
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = (uint16_t)room};
	struct rte_mempool *pool = rte_mempool_create_empty(
		name, cnt, (unsigned)sizeof(struct rte_mbuf) + room, cache, sizeof(private), socket,
		dense ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);

	if (!pool)
		return NULL;
	int rc = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	if (rc == 0) {
		rte_pktmbuf_pool_init(pool, &private);
		rc = rte_mempool_populate_default(pool);
	}
	if (rc < 0) {
		rte_mempool_free(pool);
		rte_errno = -rc;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}
