/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits one change of a zone to a store, as a daemon does that is told so: the owner with its new
 * records and signatures, what follows from it in the denial chain, and a SOA with the next serial.
 * Zones are those of benchmarks/generate; signatures are random bytes. See usage below.
 *
 * The store takes a zone as a whole, so the zone is read from it and given back with the change: that
 * takes seconds for millions of names, but what is listed as changed is the change alone.
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

/* ---- the zone with its edits, in order ---- */

struct stream {
	struct stele_store_cursor *cursor;
	struct stele_store_item old;
	int have_old;
	const struct change_edit *edits;
	size_t edit_cnt, next;
};

static int next_node(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	struct stream *stream = user;
	for (;;) {
		if (stream->have_old < 0)
			return stream->have_old;
		const struct change_edit *edit =
			stream->next < stream->edit_cnt ? stream->edits + stream->next : NULL;
		int c = edit == NULL ? -1 : 1;
		if (edit != NULL && stream->have_old == 1)
			c = stele_sort_key_compare(stream->old.key, stream->old.key_len, edit->key,
						   edit->key_len);
		if (stream->have_old == 0 && edit == NULL)
			return 0;
		if (c < 0)
			*ret_item = stream->old;
		else
			*ret_item = (struct stele_store_item){edit->key, edit->key_len, edit->node,
							      edit->node_sz};
		stream->next += c >= 0;
		if (c <= 0)
			stream->have_old =
				stele_store_cursor_next(stream->cursor, &stream->old, reterr);
		if (ret_item->node_sz > 0)
			return 1;
	}
}

static int compare_edits(const void *a, const void *b)
{
	const struct change_edit *x = a, *y = b;
	return stele_sort_key_compare(x->key, x->key_len, y->key, y->key_len);
}

static void open_stream(struct change *change, enum stele_store_table table, struct stream *stream)
{
	struct stele_error err;
	struct change_edits *edits = change->edits + table;
	qsort(edits->items, edits->cnt, sizeof(*edits->items), compare_edits);
	*stream = (struct stream){.edits = edits->items, .edit_cnt = edits->cnt};
	if (stele_store_cursor_open(change->read, table, change->info.id, NULL, 0, NULL, 0,
				    &stream->cursor, &err) < 0)
		change_fail(err.text);
	stream->have_old = stele_store_cursor_next(stream->cursor, &stream->old, &err);
}

static uint64_t commit(struct change *change, struct stele_store *store)
{
	struct stele_error err;
	struct stele_store_write *write;
	struct stream nodes, nsec3;
	uint64_t generation = 0;
	if (stele_store_write_begin(store, &write, &err) < 0)
		change_fail(err.text);
	open_stream(change, STELE_STORE_NODES, &nodes);
	open_stream(change, STELE_STORE_NSEC3, &nsec3);
	if (stele_store_zone_replace(write, change->info.apex, next_node, &nodes, next_node, &nsec3,
				     NULL, &err) < 0)
		change_fail(err.text);
	stele_store_cursor_close(nodes.cursor);
	stele_store_cursor_close(nsec3.cursor);
	if (stele_store_commit(write, &generation, &err) < 0)
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
