/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/fetch.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void copy_text(char *to, size_t sz, const char *from)
{
	size_t len = strnlen(from, sz - 1);
	memcpy(to, from, len);
	to[len] = '\0';
}

/* The report's lines: the first of each kind is kept, they have many zones to share a log with. */
static void take_line(void *user, const char *text)
{
	struct refresh_fetch *fetch = user;
	static const char warning[] = "warning: ";
	if (strncmp(text, warning, sizeof(warning) - 1) != 0) {
		if (fetch->fault[0] == '\0')
			copy_text(fetch->fault, sizeof(fetch->fault), text);
	} else if (fetch->warning[0] == '\0') {
		copy_text(fetch->warning, sizeof(fetch->warning), text + sizeof(warning) - 1);
	}
}

static const char *source_name(const void *user, uint16_t file)
{
	(void)file;
	const struct refresh_fetch *fetch = user;
	return fetch->source;
}

static int apply_whole(struct refresh_fetch *fetch, struct stele_store_write *write,
		       struct stele_error *reterr)
{
	struct stele_zone_data *data = &fetch->staging.data;
	struct stele_report report = {.emit = take_line, .user = fetch};
	struct stele_zone_input input = {
		.data = data,
		.apex = fetch->apex,
		.apex_len = fetch->apex_len,
		.now = (uint32_t)time(NULL),
		.report = &report,
		.file_name = source_name,
		.user = fetch,
	};
	if (stele_zone_data_sort(data, fetch->apex, fetch->apex_len) < 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory to sort a transfer");
	int status = stele_zone_write(&input, stele_store_write_view(write), write, &fetch->stats,
				      reterr);
	fetch->warning_cnt = stele_report_warning_cnt(&report);
	return status;
}

int refresh_apply(struct refresh_fetch *fetch, struct stele_store_write *write,
		  struct stele_error *reterr)
{
	if (fetch->staging.is_deltas)
		return stele_fail(reterr, STELE_E_STALE, "deltas are not applied");
	return apply_whole(fetch, write, reterr);
}
