/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile dump: what an image serves, as text. */
#include "zonecompiler/command.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "zonecompiler/inspect/walk.h"
#include "lib/text/rdata_text.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct stele_cmd_option options[] = {
	{"zone", 'z', "NAME", "only this zone"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "dump",
	.synopsis = "IMAGE [--zone NAME]",
	.about =
		"Verifies an image and prints what it serves: zones in canonical order, in each the names in\n"
		"canonical order, then the NSEC3 records. A line that begins with ';; ' says what comes; each\n"
		"record stands on a line of its own, in the form of zone files.",
	.options = options,
};

/* Names between two looks at the clock. */
#define SHOW_EACH 1024

/* A name to print. Most comparisons are decided by the first 8 bytes of the sort key. */
struct listed {
	uint32_t rank; /* of its zone */
	uint64_t prefix;
	struct stele_name_parts name;
};

struct dump {
	struct stele_progress progress;
	const struct stele_view *view;
	struct stele_inspect_zones zones;
	const struct stele_inspect_zone *only; /* NULL: all */
	struct listed *listed;
	size_t listed_cnt;
	char *rdata_text; /* STELE_RDATA_TEXT_MAX */
	uint8_t rdata[STELE_MESSAGE_MAX];
};

/* ---- records ---- */

static void print_record(struct dump *dump, const char *owner_text, const uint8_t *owner,
			 size_t owner_len, const uint8_t *body, const uint8_t *rr)
{
	char type_text[STELE_RRTYPE_TEXT_MAX];
	uint16_t type = stele_get_be16(rr + 2);
	size_t len = stele_inspect_rdata(body, rr + 2 + STELE_RR_FIXED_SZ, owner, owner_len, type,
					 dump->rdata);
	size_t text_len = stele_rdata_to_text(type, dump->rdata, len, dump->rdata_text);
	printf("%s\t%" PRIu32 "\tIN\t%s\t", owner_text, stele_get_be32(rr + 6),
	       stele_rrtype_to_text(type, type_text));
	fwrite(dump->rdata_text, 1, text_len, stdout);
	putchar('\n');
}

static void print_rrset(struct dump *dump, const uint8_t *owner, size_t owner_len,
			const uint8_t *body, const struct stele_rrset *rrset)
{
	char owner_text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(owner, owner_text);
	const uint8_t *rr = body;
	for (unsigned i = stele_le16(rrset->rr_cnt) + rrset->sig_cnt; i > 0; i--) {
		print_record(dump, owner_text, owner, owner_len, body, rr);
		rr += 2 + STELE_RR_FIXED_SZ + stele_get_be16(rr + 10);
	}
}

/* ---- names ---- */

static const char *kind_text(uint8_t kind)
{
	switch (kind) {
	case STELE_NAME_AUTHORITATIVE:
		return "authoritative";
	case STELE_NAME_CUT:
		return "delegation";
	case STELE_NAME_OCCLUDED:
		return "occluded";
	case STELE_NAME_EMPTY:
		return "empty non-terminal";
	default:
		return "unknown";
	}
}

static void print_name(struct dump *dump, const struct stele_inspect_zone *zone,
		       const struct stele_name_parts *name)
{
	uint8_t owner[STELE_NAME_MAX];
	char text[STELE_NAME_TEXT_MAX];
	size_t rel_len = name->head->rel_len;
	memcpy(owner, name->rel, rel_len);
	memcpy(owner + rel_len, zone->apex, zone->head->apex_len);
	stele_name_to_text(owner, text);
	printf(";; %s %s%s\n", text, kind_text(name->head->kind),
	       name->head->flags & STELE_NAME_HAS_WILDCARD ? ", has a wildcard" : "");
	for (unsigned i = 0; i < name->rrset_cnt; i++)
		print_rrset(dump, owner, rel_len + zone->head->apex_len,
			    stele_name_body(name, name->rrsets + i), name->rrsets + i);
}

/* ---- zones ---- */

static const char *chain_text(const struct stele_zone *zone)
{
	switch (zone->chain_kind) {
	case STELE_CHAIN_NSEC3_INLINE:
	case STELE_CHAIN_NSEC3_SHARDS:
		return zone->flags & STELE_ZONE_OPT_OUT ? "NSEC3 with opt-out" : "NSEC3";
	case STELE_CHAIN_NSEC_INLINE:
	case STELE_CHAIN_NSEC_SHARDS:
		return "NSEC";
	default:
		return "unsigned";
	}
}

static void print_zone_head(const struct stele_inspect_zone *zone)
{
	char text[STELE_NAME_TEXT_MAX];
	const struct stele_zone *head = zone->head;
	stele_name_to_text(zone->apex, text);
	printf(";; zone %s serial %" PRIu32 ", %" PRIu64 " names, %" PRIu64 " RRs, %s%s\n", text,
	       stele_le32(head->serial), stele_le64(head->node_cnt), stele_le64(head->rr_cnt),
	       chain_text(head), head->flags & STELE_ZONE_EXPIRED ? ", expired" : "");
	const uint8_t *soa = stele_zone_soa_body(head);
	printf(";; TTL of the SOA in negative answers: %" PRIu32 "\n", stele_get_be32(soa + 6));
}

static void print_nsec3(struct dump *dump, const struct stele_inspect_zone *zone)
{
	if (zone->head->chain_kind != STELE_CHAIN_NSEC3_INLINE &&
	    zone->head->chain_kind != STELE_CHAIN_NSEC3_SHARDS)
		return;
	printf(";; NSEC3 records: %u iterations, %u bytes of salt\n",
	       stele_le16(zone->head->iterations), zone->head->salt_len);
	uint64_t size;
	const uint8_t *block;
	uint8_t owner[STELE_NAME_MAX] = {STELE_NSEC3_LABEL_SZ};
	memcpy(owner + 1 + STELE_NSEC3_LABEL_SZ, zone->apex, zone->head->apex_len);
	for (uint32_t b = 0;
	     (block = stele_inspect_chain_block(dump->view, zone->head, b, &size)) != NULL; b++) {
		uint32_t entry_cnt =
			stele_get_le32(block + offsetof(struct stele_nsec3_block, entry_cnt));
		const struct stele_nsec3_entry *entry = stele_nsec3_entry_at(block, 0);
		for (uint32_t i = 1; i < entry_cnt; i++) {
			entry = stele_nsec3_next(entry);
			stele_base32hex_encode(entry->hash, owner + 1);
			print_rrset(dump, owner, 1u + STELE_NSEC3_LABEL_SZ + zone->head->apex_len,
				    stele_nsec3_body(entry), &entry->rrset);
		}
	}
}

/* ---- order ---- */

static void list_name(void *user, const struct stele_name_parts *name)
{
	struct dump *dump = user;
	uint8_t key[STELE_SORT_KEY_MAX] = {0};
	const struct stele_inspect_zone *zone =
		stele_inspect_zone_by_id(&dump->zones, stele_le32(name->head->zone_id));
	if (dump->only != NULL && dump->only != zone)
		return;
	stele_sort_key(name->rel, name->head->rel_len, key);
	dump->listed[dump->listed_cnt++] = (struct listed){
		.rank = zone->rank,
		.prefix = stele_get_be64(key),
		.name = *name,
	};
}

static int compare_listed(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	uint8_t x_key[STELE_SORT_KEY_MAX], y_key[STELE_SORT_KEY_MAX];
	size_t x_len = stele_sort_key(x->name.rel, x->name.head->rel_len, x_key);
	size_t y_len = stele_sort_key(y->name.rel, y->name.head->rel_len, y_key);
	return stele_sort_key_compare(x_key, x_len, y_key, y_len);
}

static int print_all(struct dump *dump, struct stele_error *err)
{
	const struct stele_inspect_zone *only = dump->only;
	uint64_t name_cnt = only != NULL ? stele_le64(only->head->node_cnt) : dump->view->name_cnt;
	dump->listed = malloc((name_cnt + 1) * sizeof(*dump->listed));
	dump->rdata_text = malloc(STELE_RDATA_TEXT_MAX);
	if (dump->listed == NULL || dump->rdata_text == NULL)
		return stele_fail_errno(err, ENOMEM, "list of %" PRIu64 " names", name_cnt);
	stele_inspect_names(dump->view, &dump->progress, "listing", list_name, dump);
	qsort(dump->listed, dump->listed_cnt, sizeof(*dump->listed), compare_listed);

	dump->progress.unit = "names";
	stele_progress_beside_output(&dump->progress);
	size_t at = 0;
	for (uint32_t rank = 0; rank < dump->zones.cnt; rank++) {
		const struct stele_inspect_zone *zone = dump->zones.by_rank + rank;
		if (only != NULL && only != zone)
			continue;
		print_zone_head(zone);
		for (; at < dump->listed_cnt && dump->listed[at].rank == rank; at++) {
			if (at % SHOW_EACH == 0)
				stele_progress_part(&dump->progress, "printing", at,
						    dump->listed_cnt);
			print_name(dump, zone, &dump->listed[at].name);
		}
		print_nsec3(dump, zone);
	}
	return 0;
}

/* ---- command ---- */

static int find_zone(struct dump *dump, const char *text, struct stele_error *err)
{
	uint8_t apex[STELE_NAME_MAX];
	int apex_len = stele_name_from_text(text, strlen(text), apex);
	if (apex_len < 0)
		return stele_fail(err, STELE_E_USAGE, "'%s' is not a name", text);
	stele_name_lower(apex, apex, (size_t)apex_len);
	for (uint32_t i = 0; i < dump->zones.cnt; i++) {
		const struct stele_inspect_zone *zone = dump->zones.by_rank + i;
		if (zone->head->apex_len == apex_len &&
		    memcmp(zone->apex, apex, (size_t)apex_len) == 0) {
			dump->only = zone;
			return 0;
		}
	}
	return stele_fail(err, STELE_E_INPUT, "the image has no zone %s", text);
}

static int dump_image(const char *path, const char *zone_text, struct stele_error *err)
{
	struct stele_view view;
	struct dump *dump = calloc(1, sizeof(*dump));
	if (dump == NULL)
		return stele_fail_errno(err, ENOMEM, "dump");
	stele_progress_begin(&dump->progress, "verifying", "shards", 0);
	int status = stele_inspect_open(path, &dump->progress, &view, err);
	if (status != 0)
		goto free_dump;
	dump->view = &view;
	status = stele_inspect_zones_load(&view, &dump->zones, err);
	if (status == 0 && zone_text != NULL)
		status = find_zone(dump, zone_text, err);
	if (status == 0)
		status = print_all(dump, err);
	stele_inspect_zones_free(&dump->zones);
	free(dump->listed);
	free(dump->rdata_text);
	stele_view_close(&view);
free_dump:
	stele_progress_end(&dump->progress);
	free(dump);
	return status;
}

int stele_cmd_dump(int argc, char **argv)
{
	const char *zone_text = NULL, *value;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		zone_text = value;
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "one image is needed");
	struct stele_error err;
	int status = dump_image(argv[optind], zone_text, &err);
	if (status != 0)
		return stele_cmd_fail(status, &err);
	return stele_cmd_close_output(0);
}
