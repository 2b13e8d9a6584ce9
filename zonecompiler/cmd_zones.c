/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile zones: what zones a store holds. */
#include "zonecompiler/command.h"

#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/store/store.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NSEC3 records that are looked at to see whether a zone is opt-out: some of it may not be. */
#define OPT_OUT_LOOK 64

static const struct stele_cmd_option options[] = {
	{"store", 's', "DIR", "the store"},
	{"json", 'j', NULL, "print JSON: an array with one object for each zone"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "zones",
	.synopsis = "--store DIR [--json]",
	.about =
		"Lists the zones of a store in canonical order: serial, records, names (NSEC3 owners not\n"
		"counted), how a zone is signed, the generation of the store that last changed it, whether\n"
		"it is served (expired: SERVFAIL; stub: the same, it was never loaded), and its keys (key\n"
		"tag/algorithm, * for a key signing key).",
	.options = options,
};

struct inventory {
	struct stele_store *store;
	struct stele_store_read *read;
	struct stele_zone_info *zones;
	size_t zone_cnt;
};

static const char *algorithm_text(unsigned algorithm)
{
	switch (algorithm) {
	case 5:
		return "RSASHA1";
	case 7:
		return "RSASHA1-NSEC3-SHA1";
	case 8:
		return "RSASHA256";
	case 10:
		return "RSASHA512";
	case 13:
		return "ECDSAP256SHA256";
	case 14:
		return "ECDSAP384SHA384";
	case 15:
		return "ED25519";
	case 16:
		return "ED448";
	default:
		return "unknown";
	}
}

/* Whether some of the first NSEC3 records have the opt-out flag: 0, 1 or negative. */
static int is_opt_out(const struct inventory *inv, const struct stele_zone_info *zone,
		      struct stele_error *err)
{
	struct stele_store_cursor *cursor;
	int status = stele_store_cursor_open(inv->read, STELE_STORE_NSEC3, zone->id, NULL, 0, NULL,
					     0, &cursor, err);
	if (status != 0)
		return status;
	struct stele_store_item item;
	bool opt_out = false;
	for (unsigned i = 0; i < OPT_OUT_LOOK && !opt_out; i++) {
		status = stele_store_cursor_next(cursor, &item, err);
		if (status <= 0)
			break;
		struct stele_node_rrset rrset;
		if (stele_node_find(item.node, item.node_sz, STELE_TYPE_NSEC3, &rrset) &&
		    rrset.rr_cnt > 0) {
			const uint8_t *p = rrset.data;
			struct stele_node_rr rr = stele_node_rr_next(&p);
			opt_out = rr.rdata_len > 1 && (rr.rdata[1] & 1) != 0;
		}
	}
	stele_store_cursor_close(cursor);
	return status < 0 ? status : opt_out;
}

/* What a zone's apex tells: "none", "nsec", "nsec3", "nsec3-opt-out", or "incomplete". */
static int describe_signing(const struct inventory *inv, const struct stele_zone_info *zone,
			    const uint8_t *node, size_t node_sz, const char **ret_text,
			    struct stele_error *err)
{
	struct stele_node_rrset rrset;
	bool is_signed = stele_node_find(node, node_sz, STELE_TYPE_SOA, &rrset) &&
			 rrset.sig_cnt > 0;
	bool has_nsec = stele_node_find(node, node_sz, STELE_TYPE_NSEC, &rrset);
	*ret_text = "none";
	if (!is_signed)
		return 0;
	if (zone->nsec3_cnt > 0 && stele_node_find(node, node_sz, STELE_TYPE_NSEC3PARAM, &rrset)) {
		int opt_out = is_opt_out(inv, zone, err);
		if (opt_out < 0)
			return opt_out;
		*ret_text = opt_out ? "nsec3-opt-out" : "nsec3";
	} else {
		*ret_text = has_nsec ? "nsec" : "incomplete";
	}
	return 0;
}

static const char *state_of(const struct stele_zone_info *zone)
{
	return (zone->flags & STELE_STORE_ZONE_STUB) != 0    ? "stub" :
	       (zone->flags & STELE_STORE_ZONE_EXPIRED) != 0 ? "expired" :
							       "ok";
}

/* One zone, as the object that --json prints; the table is made from it too. */
static int describe(const struct inventory *inv, const struct stele_zone_info *zone,
		    json_t **ret_object, struct stele_error *err)
{
	const uint8_t *node;
	size_t node_sz;
	const char *signing;
	int status = stele_store_node(inv->read, zone->id, NULL, 0, &node, &node_sz, err);
	if (status == 0)
		status = describe_signing(inv, zone, node, node_sz, &signing, err);
	if (status != 0)
		return status;
	char name[STELE_NAME_TEXT_MAX];
	stele_name_to_text(zone->apex, name);
	json_t *keys = json_array();
	struct stele_node_rrset rrset = {0};
	const uint8_t *p = NULL;
	if (stele_node_find(node, node_sz, STELE_TYPE_DNSKEY, &rrset))
		p = rrset.data;
	for (unsigned i = 0; p != NULL && i < rrset.rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (rr.rdata_len < 4)
			continue;
		unsigned flags = stele_get_be16(rr.rdata), algorithm = rr.rdata[3];
		json_array_append_new(keys, json_pack("{s:i, s:i, s:s, s:b, s:b}", "tag",
						      stele_rdata_key_tag(rr.rdata, rr.rdata_len),
						      "algorithm", algorithm, "algorithm_name",
						      algorithm_text(algorithm), "key_signing",
						      flags & 1, "revoked", (flags >> 7) & 1));
	}
	json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:o, s:I}", "zone", name,
				   "state", state_of(zone), "serial", (json_int_t)zone->serial,
				   "records", (json_int_t)zone->rr_cnt, "names",
				   (json_int_t)zone->node_cnt, "nsec3_names",
				   (json_int_t)zone->nsec3_cnt, "signed", signing, "keys", keys,
				   "generation", (json_int_t)zone->generation);
	if (object == NULL)
		return stele_fail_errno(err, ENOMEM, "cannot list the zones");
	*ret_object = object;
	return 0;
}

/* ---- printing ---- */

static int print_json(const struct inventory *inv, struct stele_error *err)
{
	/* Written zone by zone: a store may hold millions. */
	putchar('[');
	for (size_t i = 0; i < inv->zone_cnt; i++) {
		json_t *object = NULL;
		int status = describe(inv, &inv->zones[i], &object, err);
		if (status != 0)
			return status;
		fputs(i == 0 ? "\n" : ",\n", stdout);
		json_dumpf(object, stdout, JSON_PRESERVE_ORDER);
		json_decref(object);
	}
	puts("\n]");
	return 0;
}

static void print_row(int name_width, const json_t *object)
{
	printf("%-*s %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT " %10" JSON_INTEGER_FORMAT
	       " %-13s %10" JSON_INTEGER_FORMAT " %-7s ",
	       name_width, json_string_value(json_object_get(object, "zone")),
	       json_integer_value(json_object_get(object, "serial")),
	       json_integer_value(json_object_get(object, "records")),
	       json_integer_value(json_object_get(object, "names")),
	       json_string_value(json_object_get(object, "signed")),
	       json_integer_value(json_object_get(object, "generation")),
	       json_string_value(json_object_get(object, "state")));
	const json_t *keys = json_object_get(object, "keys");
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *key = json_array_get(keys, i);
		printf(" %" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT "%s",
		       json_integer_value(json_object_get(key, "tag")),
		       json_integer_value(json_object_get(key, "algorithm")),
		       json_is_true(json_object_get(key, "key_signing")) ? "*" : "");
	}
	if (json_array_size(keys) == 0)
		fputs(" -", stdout);
	putchar('\n');
}

static int print_table(const struct inventory *inv, struct stele_error *err)
{
	int width = (int)strlen("ZONE");
	for (size_t i = 0; i < inv->zone_cnt; i++) {
		char name[STELE_NAME_TEXT_MAX];
		int len = (int)stele_name_to_text(inv->zones[i].apex, name);
		if (len > width)
			width = len;
	}
	printf("%-*s %10s %10s %10s %-13s %10s %-7s  %s\n", width, "ZONE", "SERIAL", "RECORDS",
	       "NAMES", "SIGNED", "GENERATION", "STATE", "KEYS");
	for (size_t i = 0; i < inv->zone_cnt; i++) {
		json_t *object = NULL;
		int status = describe(inv, &inv->zones[i], &object, err);
		if (status != 0)
			return status;
		print_row(width, object);
		json_decref(object);
	}
	return 0;
}

static int list_zones(const char *dir, bool json, struct stele_error *err)
{
	struct inventory inv = {0};
	int status = stele_store_open(dir, STELE_STORE_READ, &inv.store, err);
	if (status != 0)
		return status;
	status = stele_store_read_begin(inv.store, &inv.read, err);
	if (status != 0)
		goto close_store;
	status = stele_store_zones(inv.read, &inv.zones, &inv.zone_cnt, err);
	if (status != 0)
		goto end_read;
	status = json ? print_json(&inv, err) : print_table(&inv, err);
	free(inv.zones);
end_read:
	stele_store_read_end(inv.read);
close_store:
	stele_store_close(inv.store);
	return status;
}

int stele_cmd_zones(int argc, char **argv)
{
	const char *dir = NULL, *value;
	bool json = false;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		if (id == 's')
			dir = value;
		else
			json = true;
	}
	if (dir == NULL)
		return stele_cmd_usage(spec.name, "--store is missing");
	if (argc != optind)
		return stele_cmd_usage(spec.name, "'%s' is too much", argv[optind]);
	struct stele_error err;
	int status = list_zones(dir, json, &err);
	if (status != 0)
		return stele_cmd_fail(status, &err);
	return stele_cmd_close_output(0);
}
