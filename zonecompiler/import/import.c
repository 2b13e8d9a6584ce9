/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/import.h"

#include "zonecompiler/import/scan.h"

#include <stdlib.h>
#include <string.h>

struct stele_import {
	struct stele_report *report;
	struct stele_scan *scan;
	struct stele_zone_data data;
	uint8_t apex[STELE_NAME_MAX];
	size_t apex_len;
};

/* The scanner's sink. */
static int take_record(void *user, const struct stele_scan_owner *owner,
		       const struct stele_record *record)
{
	struct stele_import *import = user;
	return stele_zone_data_add(&import->data, owner->key, owner->key_len, owner->same,
				   owner->file, record);
}

int stele_import_new(struct stele_report *report, struct stele_import **ret_import)
{
	struct stele_import *import = calloc(1, sizeof(*import));
	if (import == NULL)
		return STELE_E_SYSTEM;
	import->report = report;
	if (stele_scan_new(report, take_record, import, &import->scan) < 0) {
		free(import);
		return STELE_E_SYSTEM;
	}
	*ret_import = import;
	return 0;
}

void stele_import_free(struct stele_import *import)
{
	if (import == NULL)
		return;
	stele_scan_free(import->scan);
	stele_zone_data_free(&import->data);
	free(import);
}

void stele_import_progress(struct stele_import *import, void (*progress)(void *user, uint64_t done),
			   void *user)
{
	stele_scan_progress(import->scan, progress, user);
}

static int no_memory(struct stele_error *reterr)
{
	return stele_fail(reterr, STELE_E_SYSTEM, "no memory for the records of the zone");
}

static struct stele_place soa_place(const struct stele_import *import)
{
	return (struct stele_place){stele_scan_file_name(import->scan, import->data.soa_file),
				    import->data.soa_line, import->data.soa_column};
}

/* The zone's name, if it was not given: that of the first SOA. */
static int settle_apex(struct stele_import *import, const char *path)
{
	struct stele_place start = {path, 1, 1};
	if (!import->data.has_soa)
		return stele_report_error(import->report, start,
					  "no SOA record (expected one at the zone's apex)");
	uint8_t name[STELE_NAME_MAX];
	int len = stele_sort_key_to_name(import->data.soa_key, import->data.soa_key_len, name);
	if (len < 0 || len >= STELE_NAME_MAX)
		return stele_report_error(import->report, start, "bad name of the zone");
	name[len++] = 0;
	if (import->apex_len == 0) {
		memcpy(import->apex, name, (size_t)len);
		import->apex_len = (size_t)len;
		return 0;
	}
	if ((size_t)len == import->apex_len && memcmp(name, import->apex, import->apex_len) == 0)
		return 0;
	char soa_text[STELE_NAME_TEXT_MAX], apex_text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(name, soa_text);
	stele_name_to_text(import->apex, apex_text);
	return stele_report_error(import->report, soa_place(import),
				  "SOA at %s (expected it at %s, the name of the zone)", soa_text,
				  apex_text);
}

static void begin_read(struct stele_import *import, const uint8_t *apex, size_t apex_len,
		       struct stele_error *reterr)
{
	stele_zone_data_clear(&import->data);
	import->apex_len = apex_len;
	if (apex_len > 0)
		memcpy(import->apex, apex, apex_len);
	stele_scan_reset(import->scan, import->apex, apex_len);
	if (reterr != NULL)
		reterr->text[0] = '\0';
}

/* Memory is what a scan runs out of without a word. */
static int end_scan(int status, struct stele_error *reterr)
{
	return status < 0 && reterr != NULL && reterr->text[0] == '\0' ? no_memory(reterr) : status;
}

static int end_read(struct stele_import *import, uint64_t errors_before, const char *path,
		    struct stele_error *reterr)
{
	if (import->report->error_cnt != errors_before)
		return STELE_E_INPUT;
	int status = settle_apex(import, path);
	if (status < 0)
		return status;
	if (stele_zone_data_sort(&import->data, import->apex, import->apex_len) < 0)
		return no_memory(reterr);
	return 0;
}

int stele_import_read(struct stele_import *import, const char *const *paths, size_t path_cnt,
		      const uint8_t *apex, size_t apex_len, struct stele_error *reterr)
{
	uint64_t errors = import->report->error_cnt;
	begin_read(import, apex, apex_len, reterr);
	for (size_t i = 0; i < path_cnt; i++) {
		/* Each file begins at the zone's name. */
		stele_scan_set_origin(import->scan, import->apex, apex_len);
		int status = end_scan(stele_scan_file(import->scan, paths[i], reterr), reterr);
		if (status < 0)
			return status;
	}
	return end_read(import, errors, paths[0], reterr);
}

int stele_import_read_text(struct stele_import *import, const char *name, const uint8_t *text,
			   size_t len, const uint8_t *apex, size_t apex_len,
			   struct stele_error *reterr)
{
	uint64_t errors = import->report->error_cnt;
	begin_read(import, apex, apex_len, reterr);
	stele_scan_restrict(import->scan);
	int status = end_scan(stele_scan_text(import->scan, name, text, len, reterr), reterr);
	return status < 0 ? status : end_read(import, errors, name, reterr);
}

/* ---- into the store ---- */

static const char *file_name(const void *user, uint16_t file)
{
	return stele_scan_file_name(user, file);
}

static struct stele_zone_input input_of(struct stele_import *import, uint32_t now)
{
	return (struct stele_zone_input){
		.data = &import->data,
		.apex = import->apex,
		.apex_len = import->apex_len,
		.now = now,
		.report = import->report,
		.file_name = file_name,
		.user = import->scan,
	};
}

int stele_import_walk(struct stele_import *import, uint32_t now,
		      int (*each)(void *user, enum stele_store_table table,
				  const struct stele_store_item *item),
		      void *user, struct stele_zone_stats *ret_stats, struct stele_error *reterr)
{
	struct stele_zone_input input = input_of(import, now);
	return stele_zone_walk(&input, each, user, ret_stats, reterr);
}

int stele_import_write(struct stele_import *import, struct stele_store_read *before,
		       struct stele_store_write *write, uint32_t now,
		       struct stele_zone_stats *ret_stats, struct stele_error *reterr)
{
	struct stele_zone_input input = input_of(import, now);
	int status = stele_zone_write(&input, before, write, ret_stats, reterr);
	/* What a primary sent is not to be had from one any more. */
	return status != 0 ? status :
			     stele_store_zone_set_transferred(write, import->apex, false, reterr);
}
