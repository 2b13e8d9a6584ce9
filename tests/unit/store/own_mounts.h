/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_OWN_MOUNTS_H
#define STELE_TESTS_UNIT_STORE_OWN_MOUNTS_H

/*
 * Runs `test` in a process of its own, where what it mounts is seen by nobody else and gone at its end; it
 * exits with another status than 0 if it fails. Skips the case, and says why, where the system does not allow
 * that.
 */
void own_mounts_run(void (*test)(void));

#endif
