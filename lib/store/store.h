/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STORE_STORE_H
#define STELE_LIB_STORE_STORE_H

/*
 * The store: every zone, record by record, on disk (LMDB). The compiler carves images from it and
 * the daemon commits changes to it.
 *
 * A zone has an id that never changes and is never used again. Its nodes stand in canonical order
 * of owner name under the key (zone id, sort key of the owner relative to the apex), so the apex is
 * first. NSEC3 RRsets with their signatures do not stand among them but in a table of their own,
 * under (zone id, hash): nobody can ask for them by name, and in this order they are the chain.
 *
 * A commit raises the store's generation by one. For each commit the store remembers which owners
 * changed, so that an image of an earlier generation can be brought up to date by carving only
 * those, and per zone a journal of removed and added records between two serials (for IXFR).
 *
 * One process writes at a time (LMDB's lock); up to 2046 reads at a time, each seeing one generation.
 * What a read gives out points into the memory map and lives until that read ends. A thread may have
 * any number of reads under way, beside a write too; a read may go from thread to thread, but one thread
 * at a time uses it. A write belongs to the thread that began it. A read that stays open for long keeps
 * the pages of its generation, and of all later ones, from being used again.
 */

#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stele_store;
struct stele_store_read;
struct stele_store_write;
struct stele_store_cursor;

enum stele_store_mode {
	STELE_STORE_READ,   /* the store must exist */
	STELE_STORE_CREATE, /* made if it is not there; needed to write */
};

/*
 * STELE_E_NOTFOUND if there is no store to read, STELE_E_INPUT if what is there is none or one of
 * a format that this program does not know, STELE_E_USAGE if this process has it open already (LMDB
 * allows it once; after a fork the child opens its own), STELE_E_SYSTEM.
 */
int stele_store_open(const char *dir, enum stele_store_mode mode, struct stele_store **ret_store,
		     struct stele_error *reterr);
void stele_store_close(struct stele_store *store); /* NULL is fine. After all reads and writes. */

/* The same after a failure: a store that this open made goes again, if nobody committed and nobody else has it open. */
void stele_store_discard(struct stele_store *store);

/*
 * Random bytes that a store got when it was made. Generations of two stores with different
 * identities say nothing about each other. Lives as long as `store`.
 */
#define STELE_STORE_IDENTITY_SZ 16
const uint8_t *stele_store_identity(const struct stele_store *store);

/* Whether a file of the store stands at `path`: nothing else may take its place. Links are not followed. */
bool stele_store_has_file(const struct stele_store *store, const char *path);

/*
 * A zone that is expired or a stub is not served but answered with SERVFAIL. Expired: its contents are too old. A
 * stub was never loaded and is expired too: a made-up SOA, serial 0, and NS are at its apex. Transferred: its contents
 * came from a primary, and can come again; no image has that.
 */
enum stele_store_zone_flag {
	STELE_STORE_ZONE_EXPIRED = 1,
	STELE_STORE_ZONE_STUB = 2,
	STELE_STORE_ZONE_TRANSFERRED = 4,
};

/* What the store knows of a zone. */
struct stele_zone_info {
	uint32_t id;
	uint8_t apex[STELE_NAME_MAX]; /* lower case */
	uint8_t apex_len;
	uint8_t label_max;   /* labels of the deepest owner, the apex's included; never lowered */
	uint8_t flags;       /* enum stele_store_zone_flag */
	uint32_t serial;     /* of the SOA */
	uint64_t node_cnt;   /* owner names, NSEC3 owners not counted */
	uint64_t nsec3_cnt;  /* NSEC3 owners */
	uint64_t rr_cnt;     /* records, signatures included */
	uint64_t data_sz;    /* bytes of keys and nodes */
	uint64_t generation; /* of the commit that last changed the zone */
};

/* ---- reading ---- */

/*
 * Begins a read of the last commit. STELE_E_SYSTEM: too many reads under way, or the store cannot be read. To
 * end NULL is fine.
 */
int stele_store_read_begin(struct stele_store *store, struct stele_store_read **ret_read,
			   struct stele_error *reterr);
void stele_store_read_end(struct stele_store_read *read);

/* Nothing can be written, or read anew, before all reads of this process have ended: a long one gives up then. */
bool stele_store_read_is_in_the_way(const struct stele_store_read *read);

/* The generation that the read sees; 0: nothing was committed yet. */
uint64_t stele_store_generation(const struct stele_store_read *read);

/* The zone whose apex is `apex` (lower case): 0, STELE_E_NOTFOUND or STELE_E_SYSTEM. */
int stele_store_zone_find(struct stele_store_read *read, const uint8_t *apex,
			  struct stele_zone_info *ret_info, struct stele_error *reterr);

/* All zones in canonical order of their apex. `*ret_infos` is malloc'ed, the caller frees it. */
int stele_store_zones(struct stele_store_read *read, struct stele_zone_info **ret_infos,
		      size_t *ret_cnt, struct stele_error *reterr);

/* The node at `key`, the sort key of the owner: 0, STELE_E_NOTFOUND or STELE_E_SYSTEM. */
int stele_store_node(struct stele_store_read *read, uint32_t zone_id, const uint8_t *key,
		     size_t key_len, const uint8_t **ret_node, size_t *ret_node_sz,
		     struct stele_error *reterr);

enum stele_store_table {
	STELE_STORE_NODES, /* keys are sort keys */
	STELE_STORE_NSEC3, /* keys are hashes of 20 bytes; nodes hold just the NSEC3 RRset */
};

/* The same in one of the tables: in that of the NSEC3 owners the key is the hash. */
int stele_store_find(struct stele_store_read *read, enum stele_store_table table, uint32_t zone_id,
		     const uint8_t *key, size_t key_len, const uint8_t **ret_node,
		     size_t *ret_node_sz, struct stele_error *reterr);

/*
 * Walks the nodes of one zone in order of key, from the first key that is not less than `from`
 * (empty: the first of all) and before `to` (NULL: to the end of the zone).
 */
int stele_store_cursor_open(struct stele_store_read *read, enum stele_store_table table,
			    uint32_t zone_id, const uint8_t *from, size_t from_len,
			    const uint8_t *to, size_t to_len,
			    struct stele_store_cursor **ret_cursor, struct stele_error *reterr);
void stele_store_cursor_close(struct stele_store_cursor *cursor);

struct stele_store_item {
	const uint8_t *key;
	size_t key_len;
	const uint8_t *node;
	size_t node_sz;
};

/* 1 with the next node, 0 at the end, negative on failure. */
int stele_store_cursor_next(struct stele_store_cursor *cursor, struct stele_store_item *ret_item,
			    struct stele_error *reterr);

/*
 * Gives the pages of the memory map back to the system (they stay in its cache). A long walk calls
 * this now and then, so that what it has passed does not count as its own memory. Any thread.
 */
void stele_store_release_pages(struct stele_store *store);

/* ---- what changed ---- */

enum stele_change_kind {
	STELE_CHANGE_NODE,  /* the node at `key` was added, changed or removed; the apex also where
				      nothing but a flag of the zone changed */
	STELE_CHANGE_NSEC3, /* the same in the NSEC3 table */
	STELE_CHANGE_ZONE,  /* the zone came anew as a whole, be it as a new one or because too much
				      of it changed; no list of its owners, key_len 0 */
	STELE_CHANGE_ZONE_REMOVED, /* key_len 0 */
};

struct stele_change {
	enum stele_change_kind kind;
	uint32_t zone_id;
	const uint8_t *key;
	size_t key_len;
};

/*
 * The mark of a generation: a number that its commit drew, so that a store which was put back from a copy, and
 * whose generations count on from there, does not pass for the one that it was. 0 if the list of changes does not
 * have that generation.
 */
int stele_store_mark(struct stele_store_read *read, uint64_t generation, uint64_t *ret_mark,
		     struct stele_error *reterr);

/*
 * Calls `each` for what changed in generations after `since`, in the order of generations; the same
 * owner may come several times. `each` returns 0 to go on; another value ends the walk and is
 * returned. STELE_E_STALE if the list no longer reaches back to `since`, or if `since` is a generation
 * that the store has not reached. The key lives until `each` returns.
 *
 * The list is bounded: a zone of which more than 32 MiB of owners changed in one commit is listed as
 * STELE_CHANGE_ZONE, and the oldest generations are forgotten while the list is larger than 64 MiB
 * (a million changed owners, or some hundred thousand small commits).
 */
int stele_store_changes(struct stele_store_read *read, uint64_t since,
			int (*each)(void *user, const struct stele_change *change), void *user,
			struct stele_error *reterr);

/*
 * The journal of a zone between two serials, oldest first: for each step the serials and a run of
 * removed and one of added records. The format of a run is: le16 owner_len | owner (whole name) |
 * le32 node_sz | node, repeated. NSEC3 owners included.
 *
 * Only a change that raises the serial (RFC 1982) makes a step; any other breaks the chain, so that
 * nobody is told a difference that leads elsewhere. The journal is bounded by the size of the zone, at
 * least 1 MiB and at most 256 MiB: a longer one is worth less than the zone as a whole. The oldest
 * steps go first; a step that is larger by itself breaks the chain.
 */
struct stele_journal_step {
	uint32_t from_serial, to_serial;
	const uint8_t *removed, *added;
	size_t removed_sz, added_sz;
};

/*
 * Step by step as the caller asks for them, since it may hand them to a client as fast as that takes them.
 * STELE_E_NOTFOUND if no unbroken chain of steps leads from `from_serial` to the zone's serial; no step at all if that
 * is `from_serial`. `ret_sz` (may be NULL) gets the bytes of all runs, which say whether the zone as a whole
 * would be shorter (`data_sz`). Must be closed before the read ends.
 */
struct stele_store_steps;
int stele_store_steps_open(struct stele_store_read *read, uint32_t zone_id, uint32_t from_serial,
			   struct stele_store_steps **ret_steps, uint64_t *ret_sz,
			   struct stele_error *reterr);
/* 1 with the next step, which lives until the next call; 0 at the end, negative on failure. */
int stele_store_steps_next(struct stele_store_steps *steps, struct stele_journal_step *ret_step,
			   struct stele_error *reterr);
void stele_store_steps_close(struct stele_store_steps *steps); /* NULL is fine */

/* ---- writing ---- */

/* Waits while another process or thread writes. */
int stele_store_write_begin(struct stele_store *store, struct stele_store_write **ret_write,
			    struct stele_error *reterr);

/* Makes all of it durable as one generation, or nothing. Ends `write` either way. A write that
 * changed nothing makes no generation. `ret_generation` may be NULL. */
int stele_store_commit(struct stele_store_write *write, uint64_t *ret_generation,
		       struct stele_error *reterr);
void stele_store_abort(struct stele_store_write *write); /* NULL is fine */

/*
 * The state inside a write, with what it changed so far, to be read like any other: zones, nodes, cursors,
 * journals. It belongs to the write and is not to be ended. What it gives out lives until the next
 * change of the write; a cursor over it must be closed before that. Lists of changes reach up to the
 * generation before the write.
 */
struct stele_store_read *stele_store_write_view(struct stele_store_write *write);

/* The node at `key` as the write left it: stele_store_find() in stele_store_write_view(). */
int stele_store_write_node(struct stele_store_write *write, uint32_t zone_id,
			   enum stele_store_table table, const uint8_t *key, size_t key_len,
			   const uint8_t **ret_node, size_t *ret_node_sz,
			   struct stele_error *reterr);

/*
 * A nest: changes within a write that can be undone without the rest of it. Of several requests in one
 * write one may fail, or be refused, and the others stay. Begins one; nests may stand in one another.
 * A failure inside one ends with its abort, after which the write is sound again.
 */
int stele_store_write_nest(struct stele_store_write *write, struct stele_error *reterr);

/* Ends the innermost nest: its changes become those of the write around it. After a failure inside
 * it, or of the call itself, its changes are undone and STELE_E_USAGE or STELE_E_SYSTEM is returned. */
int stele_store_nest_commit(struct stele_store_write *write, struct stele_error *reterr);

/* Ends the innermost nest and undoes its changes. Without a nest it does nothing. */
void stele_store_nest_abort(struct stele_store_write *write);

/*
 * Where the new contents of a zone come from: called until it returns 0; returns 1 with the next
 * node, in ascending order of key, or a negative stele_status, which ends the replacement. The
 * item's bytes need to live only until the next call.
 */
typedef int (*stele_node_source)(void *user, struct stele_store_item *ret_item,
				 struct stele_error *reterr);

/*
 * Makes the zone with this apex hold exactly what the sources give (`nsec3` may be NULL: none). A new zone is
 * appended in one run. An existing one is compared node by node: only differences are written, listed as
 * changes, and journalled from the old serial to the new one. A node with no record, a malformed one, and an
 * apex without SOA are STELE_E_INPUT. A zone that was expired or a stub no longer is; one that was
 * transferred still is. On failure the write, or the nest, must be aborted; a commit of it fails. Until then
 * other zones can be replaced, to see what is wrong with them. `ret_info` (may be NULL) gets the zone's new
 * state.
 */
int stele_store_zone_replace(struct stele_store_write *write, const uint8_t *apex,
			     stele_node_source nodes, void *nodes_user, stele_node_source nsec3,
			     void *nsec3_user, struct stele_zone_info *ret_info,
			     struct stele_error *reterr);

/* One owner of an edit: what it is to hold. */
struct stele_store_edit {
	enum stele_store_table table;
	const uint8_t *key;
	size_t key_len;
	const uint8_t *node;
	size_t node_sz; /* 0: the owner goes; fine if it is not there */
};

/*
 * Changes some owners of a zone and leaves all others as they are. `edits` stand in ascending order of table
 * and key, each owner once; the key of the apex may be NULL. Everything else is as in
 * stele_store_zone_replace(), with the same result: owners that already hold what they are to hold do not
 * count, changes are listed and journalled from the old serial to the new one. Each edit makes a step of its
 * own, several of them within one write too. Costs as much as the edits, whatever the size of the zone.
 *
 * STELE_E_NOTFOUND if there is no such zone (the write stays sound), STELE_E_INPUT, STELE_E_SYSTEM.
 */
int stele_store_zone_edit(struct stele_store_write *write, const uint8_t *apex,
			  const struct stele_store_edit *edits, size_t cnt,
			  struct stele_zone_info *ret_info, struct stele_error *reterr);

/*
 * Sets or clears STELE_STORE_ZONE_EXPIRED; contents, serial and journal stay. A stub stays expired. What
 * changes is listed as a change of the apex. STELE_E_NOTFOUND if there is no such zone.
 */
int stele_store_zone_set_expired(struct stele_store_write *write, const uint8_t *apex, bool expired,
				 struct stele_error *reterr);

/* The same with STELE_STORE_ZONE_TRANSFERRED. */
int stele_store_zone_set_transferred(struct stele_store_write *write, const uint8_t *apex,
				     bool transferred, struct stele_error *reterr);

/*
 * Makes a stub if the zone is not there, so that it is answered with SERVFAIL and not as a stranger's;
 * does nothing if it is.
 */
int stele_store_zone_stub(struct stele_store_write *write, const uint8_t *apex,
			  struct stele_error *reterr);

/* Removes a zone with all that belongs to it. STELE_E_NOTFOUND if there is none. */
int stele_store_zone_remove(struct stele_store_write *write, const uint8_t *apex,
			    struct stele_error *reterr);

#endif
