/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/numa.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Nodes that a mask can name here. */
#define NODE_MAX 1023

void stele_numa_prefer(void *base, size_t size, int node)
{
	unsigned long mask[(NODE_MAX + 1) / (8 * sizeof(unsigned long))] = {0};
	if (node < 0 || node >= NODE_MAX)
		return;
	const unsigned bits = 8 * sizeof(mask[0]);
	mask[(unsigned)node / bits] |= 1UL << ((unsigned)node % bits);
	syscall(SYS_mbind, base, size, MPOL_PREFERRED, mask, (unsigned long)NODE_MAX, 0UL);
}
