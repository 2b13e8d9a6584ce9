/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/hash_set.h"

#include "lib/base/error.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a with a final mix. A collision costs a warning that is wrong, once in 2^64. */
uint64_t stele_hash_key(const uint8_t *key, size_t key_len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < key_len; i++)
		hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	hash ^= hash >> 29;
	return hash | 1;
}

static void put(uint64_t *slots, size_t room, uint64_t hash)
{
	size_t at = (hash >> 8) & (room - 1);
	while (slots[at] != 0 && slots[at] != hash)
		at = (at + 1) & (room - 1);
	slots[at] = hash;
}

int stele_hash_set_add(struct stele_hash_set *set, uint64_t hash)
{
	if (2 * (set->cnt + 1) > set->room) {
		size_t room = set->room == 0 ? 64 : 2 * set->room;
		uint64_t *slots = calloc(room, sizeof(*slots));
		if (slots == NULL)
			return STELE_E_SYSTEM;
		for (size_t i = 0; i < set->room; i++)
			if (set->slots[i] != 0)
				put(slots, room, set->slots[i]);
		free(set->slots);
		set->slots = slots;
		set->room = room;
	}
	put(set->slots, set->room, hash);
	set->cnt++;
	return 0;
}

bool stele_hash_set_has(const struct stele_hash_set *set, uint64_t hash)
{
	if (set->room == 0)
		return false;
	size_t at = (hash >> 8) & (set->room - 1);
	while (set->slots[at] != 0 && set->slots[at] != hash)
		at = (at + 1) & (set->room - 1);
	return set->slots[at] == hash;
}

void stele_hash_set_free(struct stele_hash_set *set)
{
	free(set->slots);
	*set = (struct stele_hash_set){0};
}
