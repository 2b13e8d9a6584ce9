/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile export: a zone of the store as a zone file. */
#include "zonecompiler/command.h"

#include "zonecompiler/export.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct stele_cmd_option options[] = {
	{"store", 's', "DIR", "the store"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "export",
	.synopsis = "--store DIR ZONE",
	.about =
		"Prints a zone of the store as a zone file: the SOA first, then in canonical order, one\n"
		"record a line. Import makes the same zone of it again. A zone that was never loaded is an\n"
		"error; one that has expired is exported, and a comment at its head says so.",
	.options = options,
};

static void show_progress(void *user, uint64_t owner_cnt)
{
	stele_progress_show(user, owner_cnt);
}

static int export_zone(const char *dir, const uint8_t *apex, struct stele_error *err)
{
	struct stele_store *store;
	struct stele_store_read *read;
	struct stele_zone_info zone;
	int status = stele_store_open(dir, STELE_STORE_READ, &store, err);
	if (status != 0)
		return status;
	status = stele_store_read_begin(store, &read, err);
	if (status != 0)
		goto close_store;
	status = stele_store_zone_find(read, apex, &zone, err);
	if (status != 0)
		goto end_read;
	if ((zone.flags & STELE_STORE_ZONE_STUB) != 0) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(apex, text);
		status = stele_fail(err, STELE_E_INPUT, "zone %s has never been loaded", text);
		goto end_read;
	}
	if ((zone.flags & STELE_STORE_ZONE_EXPIRED) != 0)
		puts("; expired: the zone is answered with SERVFAIL");
	struct stele_progress progress;
	stele_progress_begin(&progress, "exporting", "owners", zone.node_cnt + zone.nsec3_cnt);
	stele_progress_beside_output(&progress);
	status = stele_export_zone(store, read, &zone, stdout, show_progress, &progress, err);
	stele_progress_end(&progress);
end_read:
	stele_store_read_end(read);
close_store:
	stele_store_close(store);
	return status;
}

int stele_cmd_export(int argc, char **argv)
{
	const char *dir = NULL, *value;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		dir = value;
	}
	if (dir == NULL)
		return stele_cmd_usage(spec.name, "--store is missing");
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "one zone is needed");
	uint8_t apex[STELE_NAME_MAX];
	int apex_len = stele_name_from_text(argv[optind], strlen(argv[optind]), apex);
	if (apex_len < 0)
		return stele_cmd_usage(spec.name, "'%s' is not a name", argv[optind]);
	stele_name_lower(apex, apex, (size_t)apex_len);
	struct stele_error err;
	int status = export_zone(dir, apex, &err);
	if (status != 0)
		return stele_cmd_fail(status, &err);
	return stele_cmd_close_output(0);
}
