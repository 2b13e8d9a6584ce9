/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_HASH_SET_H
#define STELE_LIB_ZONE_HASH_SET_H

/* Names as 64-bit hashes, where a collision costs only a warning that is wrong. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of names by 64-bit hash of their key. All zeros is empty. */
struct stele_hash_set {
	uint64_t *slots; /* 0 is free */
	size_t room, cnt;
};

uint64_t stele_hash_key(const uint8_t *key, size_t key_len);
int stele_hash_set_add(struct stele_hash_set *set, uint64_t hash); /* 0 or STELE_E_SYSTEM */
bool stele_hash_set_has(const struct stele_hash_set *set, uint64_t hash);
void stele_hash_set_free(struct stele_hash_set *set);

#endif
