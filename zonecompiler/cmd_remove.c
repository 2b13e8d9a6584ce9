/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile remove: zones out of the store, all of them or none. */
#include "zonecompiler/command.h"

#include "lib/dns/name.h"
#include "lib/store/store.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct stele_cmd_option options[] = {
	{"store", 's', "DIR", "the store"},
	{"json", 'j', NULL, "print a summary as JSON"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "remove",
	.synopsis = "--store DIR [--json] ZONE...",
	.about =
		"Removes zones from the store with all that belongs to them, in one commit: all, or none if\n"
		"one is not there. A daemon stops serving them, but for what its configuration names: that\n"
		"stays its own, and is answered with SERVFAIL until there is data again.",
	.options = options,
};

static int remove_zone(struct stele_store_write *write, const char *text, struct stele_error *err)
{
	uint8_t apex[STELE_NAME_MAX];
	int len = stele_name_from_text(text, strlen(text), apex);
	if (len < 0)
		return stele_fail(err, STELE_E_USAGE, "'%s' is not a name", text);
	stele_name_lower(apex, apex, (size_t)len);
	return stele_store_zone_remove(write, apex, err);
}

/* Why zone `i` is not there: an earlier one of the list may be the same. */
static int fail_twice(char **names, int i, struct stele_error *err)
{
	uint8_t apex[STELE_NAME_MAX], earlier[STELE_NAME_MAX];
	char text[STELE_NAME_TEXT_MAX];
	int len = stele_name_from_text(names[i], strlen(names[i]), apex);
	stele_name_lower(apex, apex, (size_t)len);
	stele_name_to_text(apex, text);
	for (int k = 0; k < i; k++) {
		int earlier_len = stele_name_from_text(names[k], strlen(names[k]), earlier);
		stele_name_lower(earlier, earlier, (size_t)earlier_len);
		if (len == earlier_len && memcmp(apex, earlier, (size_t)len) == 0)
			return stele_fail(err, STELE_E_INPUT, "zone %s is named twice", text);
	}
	return STELE_E_NOTFOUND;
}

static int remove_zones(const char *dir, char **names, int cnt, uint64_t *ret_generation,
			struct stele_error *err)
{
	struct stele_store *store;
	struct stele_store_write *write;
	int status = stele_store_open(dir, STELE_STORE_READ, &store, err);
	if (status != 0)
		return status;
	/* It is there: opened again to be written to. */
	stele_store_close(store);
	status = stele_store_open(dir, STELE_STORE_CREATE, &store, err);
	if (status != 0)
		return status;
	status = stele_store_write_begin(store, &write, err);
	if (status != 0) {
		stele_store_close(store);
		return status;
	}
	for (int i = 0; i < cnt && status == 0; i++) {
		status = remove_zone(write, names[i], err);
		if (status == STELE_E_NOTFOUND)
			status = fail_twice(names, i, err);
	}
	if (status == 0)
		status = stele_store_commit(write, ret_generation, err);
	else
		stele_store_abort(write);
	stele_store_close(store);
	return status;
}

static void print_json(char **names, int cnt, uint64_t generation)
{
	json_t *zones = json_array();
	for (int i = 0; i < cnt; i++) {
		uint8_t apex[STELE_NAME_MAX];
		char text[STELE_NAME_TEXT_MAX];
		int len = stele_name_from_text(names[i], strlen(names[i]), apex);
		stele_name_lower(apex, apex, (size_t)len);
		stele_name_to_text(apex, text);
		json_array_append_new(zones, json_string(text));
	}
	json_t *json =
		json_pack("{s:o, s:I}", "zones", zones, "generation", (json_int_t)generation);
	json_dumpf(json, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(json);
}

int stele_cmd_remove(int argc, char **argv)
{
	const char *dir = NULL, *value;
	uint64_t generation = 0;
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
	if (argc == optind)
		return stele_cmd_usage(spec.name, "at least one zone is needed");
	struct stele_error err;
	int status = remove_zones(dir, argv + optind, argc - optind, &generation, &err);
	if (status != 0)
		return stele_cmd_fail(status, &err);
	if (json)
		print_json(argv + optind, argc - optind, generation);
	else
		printf("removed %d zone%s\n", argc - optind, argc - optind == 1 ? "" : "s");
	return stele_cmd_close_output(0);
}
