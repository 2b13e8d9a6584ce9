/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_STORE_STORE_MODEL_H
#define STELE_TESTS_UNIT_STORE_STORE_MODEL_H

/*
 * What a zone in the store ought to be, as plainly as possible: a sorted array in memory. Functions
 * end the program where memory is out; they are for tests.
 */

#include "lib/store/node.h"
#include "lib/store/store.h"

struct model_entry {
	enum stele_store_table table;
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len;
	uint8_t *node;
	size_t node_sz;
};

struct model {
	struct model_entry *entries; /* ordered by table, then by key */
	size_t cnt;
};

void model_free(struct model *model);
struct model model_clone(const struct model *model);

/* Adds or replaces. Takes ownership of `node`. */
void model_put(struct model *model, enum stele_store_table table, const uint8_t *key,
	       size_t key_len, uint8_t *node, size_t node_sz);
void model_remove(struct model *model, size_t index);
const struct model_entry *model_find(const struct model *model, enum stele_store_table table,
				     const uint8_t *key, size_t key_len);

/* Puts a node with one RRset, of what node_add() takes. `rel` is the owner relative to the apex, in wire format
 * without a root label. */
void model_put_rrset(struct model *model, const char *rel, size_t rel_len, uint16_t type,
		     uint32_t ttl, const char *const *rdatas, unsigned cnt, unsigned sig_cnt);
/* A TXT; `rel` ends at its first NUL. */
void model_put_text(struct model *model, const char *rel, const char *text);
/* The apex, with nothing else. */
void model_put_soa(struct model *model, uint32_t serial);
/* The hash is `first`, then 1, 2, 3 and zeros. */
void model_put_nsec3(struct model *model, uint8_t first, const char *text);

/* Replaces the zone by the model within `write`. */
int model_replace(struct stele_store_write *write, const uint8_t *apex, const struct model *model,
		  struct stele_zone_info *ret_info, struct stele_error *reterr);

/* The same by a zone with `cnt` owners beside the apex, which all hold the serial as text; with `long_names`
 * their sort keys have 387 bytes. */
int bulk_replace(struct stele_store_write *write, const uint8_t *apex, uint32_t serial,
		 uint32_t cnt, bool long_names, struct stele_zone_info *ret_info,
		 struct stele_error *reterr);

/* Appends an RRset to a node that is being made: `cnt` texts as rdata, the last `sig_cnt` of them as
 * signatures. Call it in ascending order of type. */
void node_add(uint8_t **node, size_t *node_sz, uint16_t type, uint32_t ttl,
	      const char *const *rdatas, unsigned cnt, unsigned sig_cnt);
/* The same with a SOA. */
void node_add_soa(uint8_t **node, size_t *node_sz, uint32_t serial);

/*
 * The records of a model, each as one allocated text, sorted: a set to compare and to apply
 * journals to.
 */
struct records {
	char **texts;
	size_t cnt;
};
struct records records_of(const struct model *model, const uint8_t *apex);
void records_free(struct records *records);
/* Applies a step; false if it removes what is not there or adds what is. */
bool records_apply(struct records *records, const struct stele_journal_step *step);
bool records_equal(const struct records *a, const struct records *b);

#endif
