/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/probe.h"

#include "zonecompiler/carve/name.h"

int stele_probe_first(struct stele_store_read *read, uint32_t zone_id, const uint8_t *from,
		      size_t from_len, const uint8_t *to, size_t to_len, uint8_t *found,
		      size_t *found_len, struct stele_error *reterr)
{
	struct stele_store_cursor *cursor;
	int rc = stele_store_cursor_open(read, STELE_STORE_NODES, zone_id, from, from_len, to,
					 to_len, &cursor, reterr);
	if (rc < 0)
		return rc;
	struct stele_store_item item;
	while ((rc = stele_store_cursor_next(cursor, &item, reterr)) == 1) {
		if (!stele_carve_exists(item.node, item.node_sz))
			continue;
		memcpy(found, item.key, item.key_len);
		*found_len = item.key_len;
		break;
	}
	stele_store_cursor_close(cursor);
	return rc;
}

/*
 * Sort keys that begin with `key` are those from `key` on and before `key` with its last byte, the 0
 * that closes a label, raised to 1. (Only the apex has an empty key: all begin with it.)
 */
static int probe_range(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
		       size_t key_len, bool itself, struct stele_error *reterr)
{
	uint8_t from[STELE_SORT_KEY_MAX + 1], to[STELE_SORT_KEY_MAX], found[STELE_SORT_KEY_MAX];
	size_t found_len;
	if (key_len > 0) {
		memcpy(from, key, key_len);
		memcpy(to, key, key_len);
		to[key_len - 1] = 1;
	}
	/* Behind a whole key the next byte is at least 1: no sort key has an empty label. */
	from[key_len] = 1;
	return stele_probe_first(read, zone_id, from, key_len + (itself ? 0 : 1),
				 key_len > 0 ? to : NULL, key_len, found, &found_len, reterr);
}

int stele_probe_children(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
			 size_t key_len, struct stele_error *reterr)
{
	if (key_len + 2 > STELE_SORT_KEY_MAX)
		return 0;
	return probe_range(read, zone_id, key, key_len, false, reterr);
}

int stele_probe_wildcard(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
			 size_t key_len, struct stele_error *reterr)
{
	uint8_t child[STELE_SORT_KEY_MAX + 2];
	if (key_len + 2 > STELE_SORT_KEY_MAX)
		return 0;
	if (key_len > 0)
		memcpy(child, key, key_len);
	child[key_len] = '*';
	child[key_len + 1] = 0;
	return probe_range(read, zone_id, child, key_len + 2, true, reterr);
}
