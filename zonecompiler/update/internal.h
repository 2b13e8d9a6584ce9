/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_UPDATE_INTERNAL_H
#define STELE_ZONECOMPILER_UPDATE_INTERNAL_H

/* What the steps of an update share. */

#include "zonecompiler/carve/nsec3_run.h"
#include "zonecompiler/image/file.h"
#include "zonecompiler/pack/hash_shard.h"
#include "zonecompiler/pack/zone_record.h"
#include "zonecompiler/update/id_map.h"
#include "zonecompiler/update/update.h"

#include "lib/image/view.h"

#include <stdbool.h>

/* Not an error: the rest of the work is building the image anew; why is in the error's text. */
enum { UPDATE_REBUILD = 1 };

/* What has grown to so many times its target, a shard or a chain in its zone's record, is too slow to
 * make again each time: the image is built anew. */
#define GROWN_MAX 4

/* A record that differs from the image's. Positive record_sz: in update->records at record_off. */
struct update_edit {
	uint64_t key;
	size_t record_off;
	uint32_t record_sz; /* 0: goes away */
	uint32_t turn;      /* of two edits of one key the later one counts */
};

struct update_edits {
	struct update_edit *items;
	size_t cnt, cap;
};

/* An owner of the NSEC chain that comes or goes; its sort key is in update->keys. */
struct update_member {
	size_t key_off;
	uint64_t name_key;
	uint16_t key_len;
	bool comes;
};

struct update_zone {
	uint32_t id;
	bool in_store, is_whole; /* whole: all of it comes anew or goes */
	struct stele_zone_info info;
	struct stele_carve_zone facts;
	const struct stele_zone *old; /* the record in the image, or NULL */

	struct stele_buffer changed;  /* sort keys: le16 length and bytes */
	struct stele_buffer changed3; /* NSEC3 hashes, 20 bytes each */
	struct update_member *members;
	size_t member_cnt, member_cap;

	int64_t name_delta, rr_delta;
	unsigned label_max;
};

struct update {
	struct stele_store *store;
	struct stele_store_read *read;
	struct stele_view view; /* of the directory: see update_shard() */
	char *path;             /* of the image itself, not of a link to it */
	int fd;                 /* open on it, with its lock */
	struct stele_hash_seed seed;
	bool is_partial;
	bool no_sync; /* of `file` */
	struct stele_image_file file;
	struct stele_update_stats *stats;
	struct stele_error *reterr;

	struct update_zone *zones;
	size_t zone_cnt, zone_cap;
	struct stele_id_map zone_index; /* id → position in `zones` */

	struct stele_id_map apexes; /* all zones of the image: id → hash of the apex */
	uint32_t depth_cnts[STELE_LABELS_MAX + 1]; /* apexes with so many labels */

	struct update_edits names, zone_edits;
	struct stele_buffer records, keys;
	struct stele_id_map visited; /* keys of names that are done */
	int64_t zone_delta;
	struct stele_image_size size; /* of the image when done */

	struct stele_carver carver;
	struct stele_walk walk;
	struct stele_buffer scratch, shard;
	struct stele_packer packer;
	struct stele_pack_item *items;
	size_t item_cap;
};

/* Adds a record to a list of edits; `record_sz` 0: it goes away. */
int update_edit_add(struct update *update, struct update_edits *edits, uint64_t key,
		    const uint8_t *record, size_t record_sz);

/* Why the image has to be built anew: sets the text, returns UPDATE_REBUILD. */
int update_rebuild(struct update *update, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A shard of the image. When it is first asked for, its checksum is compared: what follows offsets and lengths in it
 * may trust them. STELE_E_INPUT: it is damaged.
 */
int update_shard(struct update *update, uint32_t index, const struct stele_view_shard **ret_shard);

/*
 * Compares the digest of a shard, if anything of it was read. Before bytes of it get into a new shard, whose digest
 * would make good whatever is wrong with them.
 */
int update_check_digest(struct update *update, uint32_t index);

/* The record of the name with this key, or NULL. */
int update_find(struct update *update, uint32_t zone_id, uint64_t key, const uint8_t *rel,
		size_t rel_len, const struct stele_name **ret_name);

/* Records in an RRset table, signatures included; whether one is NSEC. */
uint64_t update_count_rrs(const uint8_t *record, bool *ret_has_nsec);

/* How long the record of a name is. */
size_t update_record_sz(const uint8_t *record);

/* zones.c: which zones changed and how; the map of apexes. */
int update_find_zones(struct update *update);
/* UPDATE_REBUILD if that is the shorter way with so many names to look at, else 0. */
int update_much_changed(struct update *update, uint64_t name_cnt);

/* whole.c: a zone that comes, goes, or comes anew. */
int update_whole_zone(struct update *update, struct update_zone *zone);
/*
 * Behind all zones: the names that went with those that were done as a whole. An image has no list of a zone's
 * names, so all records are looked at, once, 15 ns each.
 */
int update_remove_names(struct update *update);

/* names.c: the changed owners of a zone and what depends on them. */
int update_names(struct update *update, struct update_zone *zone);

/* chain.c: the denial chain; makes the zone's record. chain_shards.c: its shards. */
int update_chain(struct update *update, struct update_zone *zone);
/* A chain that is new as a whole. */
int update_new_chain(struct update *update, struct update_zone *zone,
		     struct stele_zone_record *record);

/* shards.c: shards with their edits. */
int update_hash_shards(struct update *update);
/* Key and size of a record in the image. */
struct update_facts {
	uint64_t key;
	size_t size;
};
int update_record_facts(struct update *update, const uint8_t *record, bool is_zone,
			struct update_facts *facts);

/* The shard in the place of the one with this index, whose records may be among its own. */
int update_put_shard(struct update *update, uint32_t shard, enum stele_shard_kind kind,
		     uint32_t item_cnt, const uint8_t *bytes, uint64_t size);

/*
 * replace.c: a shard with other records of the same keys. `edits` ascend by key and turn. Sets
 * `*ret_done` to false, and does nothing, if it takes more than that.
 */
int update_replace(struct update *update, uint32_t shard, const struct update_edit *edits,
		   size_t edit_cnt, bool is_zones, bool *ret_done);

#endif
