/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_BENCHMARKS_UPDATE_EDIT_H
#define STELE_BENCHMARKS_UPDATE_EDIT_H

/*
 * Kinds of changes to a zone of benchmarks/generate, as new nodes of the owners concerned. Whatever
 * goes wrong ends the program.
 */

#include "benchmarks/generate/rng.h"
#include "lib/dns/name.h"
#include "lib/store/store.h"

#include <stddef.h>
#include <stdint.h>

struct change_edit {
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len;
	uint8_t *node;  /* malloc'ed */
	size_t node_sz; /* 0: the node goes away */
};

struct change_edits {
	struct change_edit items[8];
	size_t cnt;
};

struct change {
	struct stele_store_read *read;
	struct stele_zone_info info;
	struct gen_rng rng;
	struct change_edits edits[2];    /* by enum stele_store_table */
	uint8_t subject[STELE_NAME_MAX]; /* whose records change */
};

/* The SOA gets the next serial. Comes first. */
void change_soa(struct change *change);

/* One record of the apex is another one. */
void change_ns(struct change *change);
void change_dnskey(struct change *change);

/* A host with one address gets another one: some host, or that of this name. */
void change_leaf(struct change *change);
void change_address(struct change *change, const char *name);

/* A signed name comes or goes, with its place in the denial chain. */
void change_add(struct change *change);
void change_remove(struct change *change);

void change_free(struct change *change);

_Noreturn void change_fail(const char *what);

#endif
