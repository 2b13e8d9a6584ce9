/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_LOOP_EAL_H
#define STELE_BENCHMARKS_LOOP_EAL_H

/* What the programs here need of DPDK before they can measure. A failure ends the program: they are of no
 * use without. */

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

/* `lcores` as for --lcores. `device`: a virtual one, or NULL. Leaves no files behind with huge pages. */
void loop_eal_start(const char *program, const char *lcores, const char *device, bool huge);

/* Buffers for all that can be in flight, with a cache for each lcore. */
struct rte_mempool *loop_pool_new(void);

/* One queue each way, of `descriptors`; started. */
void loop_port_start(uint16_t port_id, uint16_t descriptors, struct rte_mempool *pool);

_Noreturn void loop_fail(int status, const char *what, const char *detail);

#endif
