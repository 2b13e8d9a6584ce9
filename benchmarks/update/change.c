/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits one change of a zone to a store, as a daemon does that is told so: the owner with its new
 * records and signatures, what follows from it in the denial chain, and a SOA with the next serial.
 * Zones are those of benchmarks/generate; signatures are random bytes. See usage below.
 */
#include "benchmarks/update/edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: change STORE ZONE KIND SEED\n"
	"\n"
	"  leaf      the address of a host\n"
	"  add       a new signed name with its place in the denial chain: a delegation with DS where the\n"
	"            chain is NSEC3, else a host\n"
	"  remove    the same backwards, with a name that is there\n"
	"  soa, ns, dnskey  a record of the apex\n"
	"  NAME.     the address of this host\n";

_Noreturn void change_fail(const char *what)
{
	fprintf(stderr, "change: %s\n", what);
	exit(3);
}

static int compare_edits(const void *a, const void *b)
{
	const struct change_edit *x = a, *y = b;
	return stele_sort_key_compare(x->key, x->key_len, y->key, y->key_len);
}

/* Appends the edits of one table in order. */
static void append(struct change *change, enum stele_store_table table,
		   struct stele_store_edit *edits, size_t *cnt)
{
	struct change_edits *own = change->edits + table;
	qsort(own->items, own->cnt, sizeof(*own->items), compare_edits);
	for (size_t i = 0; i < own->cnt; i++)
		edits[(*cnt)++] =
			(struct stele_store_edit){table, own->items[i].key, own->items[i].key_len,
						  own->items[i].node, own->items[i].node_sz};
}

static uint64_t commit(struct change *change, struct stele_store *store)
{
	struct stele_error err;
	struct stele_store_write *write;
	struct stele_store_edit
		edits[2 * (sizeof(change->edits[0].items) / sizeof(change->edits[0].items[0]))];
	size_t cnt = 0;
	uint64_t generation = 0;
	append(change, STELE_STORE_NODES, edits, &cnt);
	append(change, STELE_STORE_NSEC3, edits, &cnt);
	if (stele_store_write_begin(store, &write, &err) < 0 ||
	    stele_store_zone_edit(write, change->info.apex, edits, cnt, NULL, &err) < 0 ||
	    stele_store_commit(write, &generation, &err) < 0)
		change_fail(err.text);
	return generation;
}

/* ---- the command ---- */

static void make_edits(struct change *change, const char *kind)
{
	size_t len = strlen(kind);
	change_soa(change);
	if (strcmp(kind, "leaf") == 0)
		change_leaf(change);
	else if (strcmp(kind, "add") == 0)
		change_add(change);
	else if (strcmp(kind, "remove") == 0)
		change_remove(change);
	else if (strcmp(kind, "ns") == 0)
		change_ns(change);
	else if (strcmp(kind, "dnskey") == 0)
		change_dnskey(change);
	else if (len > 0 && kind[len - 1] == '.')
		change_address(change, kind);
	else if (strcmp(kind, "soa") != 0)
		change_fail("unknown kind");
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 5) {
		fputs(usage, stderr);
		return 2;
	}
	static struct change change;
	struct stele_error err;
	struct stele_store *store;
	uint8_t name[STELE_NAME_MAX], apex[STELE_NAME_MAX];
	int apex_len = stele_name_from_text(argv[2], strlen(argv[2]), name);
	if (apex_len < 0)
		change_fail("ZONE is not a name");
	stele_name_lower(apex, name, (size_t)apex_len);
	gen_rng_seed(&change.rng, strtoull(argv[4], NULL, 0));
	if (stele_store_open(argv[1], STELE_STORE_CREATE, &store, &err) < 0 ||
	    stele_store_read_begin(store, &change.read, &err) < 0 ||
	    stele_store_zone_find(change.read, apex, &change.info, &err) < 0)
		change_fail(err.text);
	make_edits(&change, argv[3]);
	uint64_t generation = commit(&change, store);

	char text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(change.subject, text);
	printf("{\"generation\": %" PRIu64 ", \"owner\": \"%s\", \"edits\": %zu}\n", generation,
	       text, change.edits[STELE_STORE_NODES].cnt + change.edits[STELE_STORE_NSEC3].cnt);
	change_free(&change);
	stele_store_read_end(change.read);
	stele_store_close(store);
	return 0;
}
