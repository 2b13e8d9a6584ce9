/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_FAILING_HEAD_H
#define STELE_TESTS_UNIT_STORE_FAILING_HEAD_H

/*
 * A program that is linked with this has a disk that is full once, at will, for LMDB's last write of a commit: that
 * of its root, to one of its first two pages. LMDB wants to be opened again then.
 */

#include <stdbool.h>

/* The next such write of any thread fails, with ENOSPC. */
void failing_head_arm(void);

/* None has been since. */
bool failing_head_is_armed(void);

#endif
