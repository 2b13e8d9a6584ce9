/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_STORE_DIR_H
#define STELE_TESTS_UNIT_STORE_STORE_DIR_H

/* Removes the files of a store that nobody has open, and its directory if that is empty then. */
void store_dir_remove(const char *dir);

#endif
