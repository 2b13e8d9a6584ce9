/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STORE_DIFF_H
#define STELE_LIB_STORE_DIFF_H

#include "lib/store/buffer.h"

/*
 * What differs between two nodes, as two nodes: appends to `removed` the records that only `old`
 * has and to `added` those that only `new` has. Either may be empty (size 0), and so may be what is
 * appended. Where the TTL of an RRset differs, all its records are removed and added. Two RRsets
 * that differ in the order of their records alone do not differ. False when memory is out.
 */
bool store_diff(const uint8_t *old, size_t old_sz, const uint8_t *new, size_t new_sz,
		struct store_buffer *removed, struct store_buffer *added);

#endif
