/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_ZONE_RECORD_LIST_H
#define STELE_TESTS_UNIT_ZONE_RECORD_LIST_H

/*
 * A zone as a plain list of records, in any order: what edit sessions are compared with. `lenient`
 * is what stele_zone_edit calls so.
 */
#include "lib/dns/name.h"
#include "lib/store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint8_t apex[9]; /* example. */
extern const char source[7];  /* what reports call the zone */

struct rr {
	uint8_t owner[STELE_NAME_MAX]; /* lower case */
	size_t owner_len;
	uint16_t type;
	uint32_t ttl;
	uint8_t rdata[80];
	size_t len;
};

struct list {
	struct rr *rrs;
	size_t cnt;
};

/* The caller frees `rrs`. */
struct list list_clone(const struct list *list);
/* Where a record of these data stands; SIZE_MAX: nowhere. */
size_t list_find(const struct list *list, const struct rr *rr);
void list_add(struct list *list, const struct rr *rr, bool lenient);
void list_delete(struct list *list, const struct rr *rr, bool lenient);
/* Removes what has this owner and, of an RRset, this type; signatures over it too. */
void list_remove_set(struct list *list, const struct rr *like, bool whole);
void list_remove(struct list *list, size_t at);
/* The records of this owner and type. */
unsigned list_count(const struct list *list, const struct rr *like);
bool same_owner(const struct rr *a, const struct rr *b);
/* The type of the RRset that the record is part of, or that it signs. */
uint16_t set_of(const struct rr *rr);

/* The store has one TTL for an RRset and its signatures: the lowest of the records'. */
void level_ttls(struct list *list);
/* Import leaves out signatures over an NSEC3 that is not there. */
void drop_lost_signatures(struct list *list);
/* Writes the list as a whole zone; 0 or what stele_zone_write() says. */
int write_list(struct stele_store_write *write, const struct list *list,
	       struct stele_zone_info *ret_info);

#endif
