/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STORE_INTERNAL_H
#define STELE_LIB_STORE_INTERNAL_H

/*
 * The store's databases inside one LMDB environment. Numbers in keys are big-endian, so that the
 * order of keys is theirs; numbers in values are little-endian.
 *
 *   meta     name                                     → number or bytes, see enum store_meta
 *   zones    0 | sort key of the apex                 → struct store_zone_record
 *   nodes    be32 zone | sort key of the owner        → node
 *   nsec3    be32 zone | hash                         → node
 *   changes  be64 generation | be32 chunk             → le32 zone | kind | le16 key_len | key, repeated;
 *                                                       the first entry of a generation is its mark
 *   journal  be32 zone | be64 step | be32 chunk       → struct store_step_head | removed | added
 *
 * A zone key has its leading 0 because LMDB knows no empty key and the root's sort key is empty.
 * Changes and journal steps are cut into chunks: LMDB wants contiguous pages for one value, and a
 * long search for them in a file that has been in use for long.
 */

#include "lib/base/bytes.h"
#include "lib/store/buffer.h"
#include "lib/store/store.h"

#include <lmdb.h>
#include <pthread.h>
#include <sys/types.h>

enum {
	STORE_VERSION = 1,
	STORE_IDENTITY_SZ = STELE_STORE_IDENTITY_SZ,

	STORE_ZONE_PREFIX_SZ = 4,
	STORE_KEY_MAX = 511, /* LMDB's own limit */
	STORE_CHANGE_KEY_SZ = 12,
	STORE_STEP_KEY_SZ = 16,
	STORE_CHANGE_HEAD_SZ = 7,

	/* 16 pages with LMDB's page header. */
	STORE_CHUNK_SZ = 65536 - 16,
};
_Static_assert(STORE_ZONE_PREFIX_SZ + STELE_SORT_KEY_MAX <= STORE_KEY_MAX, "LMDB takes the key");

enum store_db {
	STORE_DB_META,
	STORE_DB_ZONES,
	STORE_DB_NODES,
	STORE_DB_NSEC3,
	STORE_DB_CHANGES,
	STORE_DB_JOURNAL,
	STORE_DB_CNT,
};

/* Rows of the database "meta". */
enum store_meta {
	STORE_META_VERSION,      /* STORE_VERSION */
	STORE_META_GENERATION,   /* of the last commit */
	STORE_META_NEXT_ZONE_ID, /* ids below are used or were once */
	STORE_META_CHANGES_FROM, /* changes of this generation and before are forgotten */
	STORE_META_CHANGES_SZ,   /* bytes in "changes" */
	STORE_META_CNT,
};

struct store_zone_record {
	struct stele_le32 id;
	struct stele_le32 serial;
	struct stele_le64 node_cnt;
	struct stele_le64 nsec3_cnt;
	struct stele_le64 rr_cnt;
	struct stele_le64 data_sz; /* keys and nodes */
	struct stele_le64 generation;
	struct stele_le64 journal_sz;
	struct stele_le64 next_step;
	uint8_t label_max;
	uint8_t flags; /* enum stele_store_zone_flag */
	uint8_t reserved[6];
};
_Static_assert(sizeof(struct store_zone_record) == 72, "on disk");

struct store_step_head {
	struct stele_le32 from_serial;
	struct stele_le32 to_serial;
	struct stele_le32 removed_sz;
	struct stele_le32 added_sz;
};
_Static_assert(sizeof(struct store_step_head) == 16, "on disk");

struct stele_store {
	MDB_env *env; /* NULL: it could not be opened again */
	MDB_dbi dbs[STORE_DB_CNT];
	char *dir;
	enum stele_store_mode mode;
	uint8_t identity[STORE_IDENTITY_SZ];

	/* Guards the four below, and `env` where no transaction is under way. */
	pthread_mutex_t lock;
	unsigned txn_cnt; /* under way in this process: the map must not move while there are any */
	bool unmapped;    /* moving the map failed */
	const void *map;  /* where it is; NULL if that is not known */
	bool wants_opening; /* again, when no transaction is under way; read without the lock */

	/* Of the lock file, 0 if there is none; whether this made the store, its files, and its directory. */
	dev_t lock_dev;
	ino_t lock_ino;
	bool made, made_files, made_dir;

	/* One process must not open the same store twice, see env.c. */
	struct stele_store *next_open;
	dev_t dir_dev;
	ino_t dir_ino;
	pid_t pid;
};

struct stele_store_read {
	struct stele_store *store;
	MDB_txn *txn;
	uint64_t generation;
};

struct stele_store_write {
	struct stele_store *store;
	MDB_txn *txn;                 /* the innermost one */
	struct store_nest *nest;      /* what the innermost nest goes back to, or NULL */
	struct stele_store_read view; /* what stele_store_write_view() gives out */
	uint64_t generation;          /* the one that a commit makes */
	uint32_t next_zone_id;
	uint64_t changes_from, changes_sz;
	struct store_buffer changes; /* not yet written: less than a chunk */
	uint32_t chunk_cnt;
	bool changed; /* there is something to commit */
	bool failed;  /* only an abort makes sense */
};

/* ---- env.c ---- */

/* Turns what LMDB returned into STELE_E_SYSTEM and a text: "DIR: what: why". */
int store_fail(const struct stele_store *store, struct stele_error *err, int rc, const char *what);
#ifdef stele_fail /* lib/base/error.h tells analysers what comes back */
#define store_fail(...) stele_error_status(store_fail(__VA_ARGS__), STELE_E_SYSTEM)
#endif

/* A number of "meta": 0, or what LMDB returned. */
int store_meta_get(const struct stele_store *store, MDB_txn *txn, enum store_meta row,
		   uint64_t *ret_value);
int store_meta_put(const struct stele_store *store, MDB_txn *txn, enum store_meta row,
		   uint64_t value);

/* Opens the environment again; if that fails there is none, and it is STELE_E_SYSTEM. With the lock held and no
 * transaction under way. */
int store_open_again(struct stele_store *store, struct stele_error *reterr);

/* ---- map.c ---- */

/* Bytes of address space to begin with, and those below which it is not worth a try. */
size_t store_map_largest(void);
#define STORE_MAP_SZ_MIN ((size_t)1 << 24)

/* Where the map begins, which LMDB does not tell, from a value in it; NULL if that cannot be found out. */
const void *store_map_find(const MDB_val *value, size_t page_sz);

/* Begins a transaction, following the map where another process has made it larger. */
int store_txn_begin(struct stele_store *store, unsigned flags, MDB_txn **ret_txn,
		    struct stele_error *reterr);
/* After its end. */
void store_txn_ended(struct stele_store *store);

/* ---- read.c ---- */

/* Writes a zone's key, returns its size. */
size_t store_zone_key(const uint8_t *apex, size_t apex_len, uint8_t key[STORE_KEY_MAX]);

/* The record of a zone, apex in lower case: 0, STELE_E_NOTFOUND or STELE_E_SYSTEM. */
int store_zone_get(const struct stele_store *store, MDB_txn *txn, const uint8_t *apex,
		   struct store_zone_record *ret_record, struct stele_error *reterr);

/* What the record says, for callers of the store. */
void store_zone_info(const struct store_zone_record *record, const uint8_t *apex, size_t apex_len,
		     struct stele_zone_info *ret_info);

/* ---- changes.c ---- */

/* Lists a run of changes that are already in the form of "changes" (whole entries). */
int store_changes_add(struct stele_store_write *write, const struct store_buffer *run,
		      struct stele_error *reterr);
bool store_change_put(struct store_buffer *run, enum stele_change_kind kind, uint32_t zone_id,
		      const uint8_t *key, size_t key_len);

/* Marks the generation that is to be. */
int store_changes_begin(struct stele_store_write *write, struct stele_error *reterr);

/* Writes what is left and forgets the oldest generations. At commit. */
int store_changes_finish(struct stele_store_write *write, struct stele_error *reterr);

/* ---- journal.c ---- */

/* The largest step that is kept of a zone of so many bytes. */
size_t store_journal_max(uint64_t zone_data_sz);

/* Appends a step and forgets the oldest ones where the journal has become too large. */
int store_journal_add(struct stele_store_write *write, struct store_zone_record *record,
		      uint32_t from_serial, uint32_t to_serial, const struct store_buffer *removed,
		      const struct store_buffer *added, struct stele_error *reterr);

/* Forgets all steps. */
int store_journal_clear(struct stele_store_write *write, struct store_zone_record *record,
			struct stele_error *reterr);

/* ---- zone_change.c ---- */

/* The serial of the SOA in an apex node; false if there is no sound SOA. */
bool store_soa_serial(const uint8_t *node, size_t node_sz, uint32_t *ret_serial);

/* ---- nest.c ---- */

/* Ends all nests without their changes. */
void store_nests_abort(struct stele_store_write *write);

/* ---- write.c ---- */

/* Deletes every key with this prefix; `ret_sz` (may be NULL) gets the bytes of their values. */
int store_delete_prefix(struct stele_store_write *write, enum store_db db, const uint8_t *prefix,
			size_t prefix_sz, uint64_t *ret_sz, struct stele_error *reterr);

/* True if `key` begins with `prefix`. */
static inline bool store_has_prefix(const MDB_val *key, const uint8_t *prefix, size_t prefix_sz)
{
	return key->mv_size >= prefix_sz && memcmp(key->mv_data, prefix, prefix_sz) == 0;
}

#endif
