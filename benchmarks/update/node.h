/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_UPDATE_NODE_H
#define STELE_BENCHMARKS_UPDATE_NODE_H

/*
 * What all kinds of changes are made of: nodes of a zone that are copied into the change and written
 * to, walks that find them, and new records behind what a node has. Signatures are random bytes of the
 * right length.
 */

#include "benchmarks/update/edit.h"
#include "lib/store/node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANGE_SIGNATURE_SZ 64

/* The change's edit of this key; a new one has no node yet, and room for any. */
struct change_edit *change_edit_of(struct change *change, enum stele_store_table table,
				   const uint8_t *key, size_t key_len);

/* The same, which becomes a copy of what the zone has. */
struct change_edit *change_edit_item(struct change *change, enum stele_store_table table,
				     const struct stele_store_item *item);
struct change_edit *change_edit_node(struct change *change, const uint8_t *key, size_t key_len);

/* The last record of an RRset, to be written to; the RRset is signed. */
uint8_t *change_last_rdata(struct change *change, struct change_edit *edit, uint16_t type,
			   size_t *ret_len);

void change_set_subject(struct change *change, const uint8_t *key, size_t key_len);

/* A walk that begins at a random place of the zone; the caller closes it. */
struct stele_store_cursor *change_walk(struct change *change);

/* The next item, which must be there. */
struct stele_store_item change_next(struct stele_store_cursor *cursor);

/* A name with one address and no other name's records to look after. */
bool change_is_host(const struct stele_store_item *item);

/* Adds bytes to the end of a node. */
void change_put(struct change_edit *edit, const void *bytes, size_t sz);

/* Adds an RRset of one record to the end of a node, with a signature if there are `labels`. */
void change_put_rrset(struct change *change, struct change_edit *edit, uint16_t type,
		      const void *rdata, size_t rdata_len, unsigned labels);

#endif
