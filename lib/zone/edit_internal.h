/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_EDIT_INTERNAL_H
#define STELE_LIB_ZONE_EDIT_INTERNAL_H

#include "lib/zone/check.h"
#include "lib/zone/edit.h"
#include "lib/zone/nodes.h"

/* An owner that the session has touched, with what it holds now. */
struct edit_owner {
	enum stele_store_table table;
	const uint8_t *key; /* as the store has it: relative to the apex, or a hash */
	size_t key_len;
	uint8_t *old; /* the node as the store holds it; records may point into it */
	size_t old_sz;
	struct stele_owner_rr *rrs; /* in the order of a node */
	size_t rr_cnt, rrs_room;
};

struct edit_chunk {
	struct edit_chunk *next;
	size_t sz, room;
	uint8_t bytes[];
};

struct stele_zone_edit {
	struct stele_store_write *write;
	enum stele_zone_edit_mode mode;
	const char *source;
	struct stele_zone_info zone;
	uint8_t apex_key[STELE_SORT_KEY_MAX];
	size_t apex_key_len;

	void *owners; /* of tsearch(), ordered by table and key: a balanced tree, so that no choice of
			 names makes it slow */
	size_t owner_cnt;
	struct edit_owner *last;   /* most records of a message have the owner of the one before */
	struct edit_chunk *chunks; /* data of records that were added */

	bool checked, applied;
	uint8_t *node; /* what stele_zone_edit_node() gives out */
	size_t node_room;
};

/* ---- edit_owner.c ---- */

/* Where the records of a type at a name stand. */
struct edit_place {
	enum stele_store_table table;
	size_t key_len;
	uint8_t key[STELE_SORT_KEY_MAX];
};

/* The place in the table of names: false if the name is none, or out of the zone. */
bool edit_place_of(const struct stele_zone_edit *edit, const uint8_t *name,
		   struct edit_place *ret_place);

/* The place in the table of NSEC3 owners: false if the name is not a hash right below the apex. */
bool edit_place_of_hash(const struct stele_zone_edit *edit, const uint8_t *name,
			struct edit_place *ret_place);

/* The owner as it was touched, or NULL. */
struct edit_owner *edit_owner_find(const struct stele_zone_edit *edit, enum stele_store_table table,
				   const uint8_t *key, size_t key_len);

/* The owner at a place, touched from now on. 0 or STELE_E_SYSTEM. */
int edit_owner_touch(struct stele_zone_edit *edit, const struct edit_place *place,
		     struct edit_owner **ret_owner, struct stele_error *reterr);

/*
 * A node with what an owner holds now of a type (ANY: of all), touched or not: 0 bytes if nothing. One of an owner that
 * is not touched may hold more. Lives until the next call.
 */
int edit_owner_node(struct stele_zone_edit *edit, const struct edit_place *place, uint16_t type,
		    const uint8_t **ret_node, size_t *ret_node_sz, struct stele_error *reterr);

/* The node that an owner becomes, malloc'ed or NULL; size 0: the owner goes. */
int edit_owner_write(const struct edit_owner *owner, uint8_t **ret_node, size_t *ret_node_sz,
		     struct stele_error *reterr);

/* Calls `each` for all touched owners in order, while it returns 0. */
int edit_owners_walk(struct stele_zone_edit *edit,
		     int (*each)(void *user, struct edit_owner *owner), void *user);

void edit_owners_free(struct stele_zone_edit *edit);

/* The place of a record among those of an owner; false: it would stand there, but does not. */
bool edit_rr_find(const struct edit_owner *owner, const struct stele_owner_rr *rr, size_t *ret_at);

/* Puts a record in at `at`. Its data is copied. */
int edit_rr_insert(struct stele_zone_edit *edit, struct edit_owner *owner, size_t at,
		   const struct stele_owner_rr *rr, struct stele_error *reterr);

/* Takes `cnt` records out. */
void edit_rr_remove(struct edit_owner *owner, size_t at, size_t cnt);

/* Records of a type, and behind them its signatures: [*ret_at, *ret_sigs_at) and up to *ret_end. */
void edit_rrset_find(const struct edit_owner *owner, uint16_t type, size_t *ret_at,
		     size_t *ret_sigs_at, size_t *ret_end);

/* The first type from `from` on of which there are records, and how many; signatures alone are none. */
bool edit_rrset_next(const struct edit_owner *owner, uint16_t from, uint16_t *ret_type,
		     size_t *ret_rr_cnt);

int edit_no_memory(struct stele_error *reterr);

#endif
