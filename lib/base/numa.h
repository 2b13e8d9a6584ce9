/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_BASE_NUMA_H
#define STELE_LIB_BASE_NUMA_H

/* On which node of a machine with several memories is. */

#include <stddef.h>

enum { STELE_NUMA_ANY = -1 };

/*
 * Pages of [base, base + size) that nobody has touched yet come from `node` where it has any, else from another. `base`
 * is at the begin of a page. A wish: where the kernel knows no nodes, or not this one, or for STELE_NUMA_ANY,
 * memory comes from where the thread that touches it runs. mbind(2).
 */
void stele_numa_prefer(void *base, size_t size, int node);

#endif
