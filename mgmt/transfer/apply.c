/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/fetch.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/edit.h"
#include "lib/zone/rdata.h"
#include "lib/zonemd/stored.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* In front of what is wrong; who sent it is added where that is told. */
static const char source[] = "transfer";

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
	(void)user;
	(void)file;
	return source;
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
	};
	if (stele_zone_data_sort(data, fetch->apex, fetch->apex_len) < 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory to sort a transfer");
	int status = stele_zone_write(&input, stele_store_write_view(write), write, &fetch->stats,
				      reterr);
	fetch->warning_cnt = stele_report_warning_cnt(&report);
	return status;
}

/* ---- deltas ---- */

/* Whether the very record is there, with its TTL; signatures stand with what they sign. */
static bool is_there(struct stele_zone_edit *edit, const struct stele_staged *staged)
{
	bool is_sig = staged->type == STELE_TYPE_RRSIG;
	struct stele_node_rrset rrset;
	if (stele_zone_edit_find(edit, staged->owner,
				 is_sig ? stele_get_be16(staged->rdata) : staged->type, &rrset,
				 NULL) < 0 ||
	    rrset.ttl != staged->ttl)
		return false;
	const uint8_t *p = rrset.data;
	for (uint32_t i = 0; i < (uint32_t)rrset.rr_cnt + rrset.sig_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if ((i >= rrset.rr_cnt) == is_sig &&
		    stele_rdata_compare(staged->type, rr.rdata, rr.rdata_len, staged->rdata,
					staged->rdata_len) == 0)
			return true;
	}
	return false;
}

/*
 * What is to go must be there, or the zones differ. What is to come may be there already: NSD up to 4.6
 * lists records of an owner that stay as they are among those that were added.
 */
static int apply_record(struct refresh_fetch *fetch, struct stele_zone_edit *edit,
			const struct stele_staged *staged, struct stele_error *reterr)
{
	if (staged->removed)
		return stele_zone_edit_delete(edit, staged->owner, staged->type, staged->rdata,
					      staged->rdata_len, reterr);
	int status = stele_zone_edit_add(edit, staged->owner, staged->type, staged->ttl,
					 staged->rdata, staged->rdata_len, reterr);
	if (status != STELE_E_INPUT || !is_there(edit, staged))
		return status;
	if (fetch->warning_cnt++ == 0)
		copy_text(fetch->warning, sizeof(fetch->warning),
			  reterr != NULL ? reterr->text : "");
	return 0;
}

/* One delta, from the record at `*at` on, is one step of the journal. */
static int apply_delta(struct refresh_fetch *fetch, struct stele_store_write *write, size_t *at,
		       struct stele_error *reterr)
{
	struct stele_zone_edit *edit;
	int status = stele_zone_edit_begin(write, fetch->apex, STELE_ZONE_EDIT_STRICT, source,
					   &edit, reterr);
	if (status < 0)
		return status;
	struct stele_staged staged;
	size_t next = *at;
	for (bool first = true; status == 0 && stele_staging_next(&fetch->staging, &next, &staged);
	     first = false) {
		if (staged.begins && !first)
			break;
		status = apply_record(fetch, edit, &staged, reterr);
		*at = next;
	}
	if (status == 0)
		status = stele_zone_edit_apply(edit, NULL, reterr);
	stele_zone_edit_end(edit);
	return status;
}

static int apply_deltas(struct refresh_fetch *fetch, struct stele_store_write *write,
			struct stele_error *reterr)
{
	struct stele_zone_info info;
	int status =
		stele_store_zone_find(stele_store_write_view(write), fetch->apex, &info, reterr);
	if (status < 0)
		return status;
	if (info.serial != fetch->serial)
		return stele_fail(reterr, STELE_E_STALE,
				  "the zone has changed to serial %" PRIu32
				  " while deltas came from %" PRIu32,
				  info.serial, fetch->serial);
	for (size_t at = 0; status == 0 && at < fetch->staging.ops_sz;)
		status = apply_delta(fetch, write, &at, reterr);
	return status;
}

/* ---- digests ---- */

/*
 * Whether the zone, as the write left it, has the digest that it says. One that cannot be verified (of another
 * serial, say) is not right, so it is refused as a wrong one is; a scheme that nobody knows yet
 * can be passed over by configuration.
 */
static int check_zonemd(const struct refresh_fetch *fetch, struct stele_store_write *write,
			struct stele_error *reterr)
{
	struct stele_store_read *read = stele_store_write_view(write);
	struct stele_zone_info info;
	enum stele_zonemd_verdict verdict;
	struct stele_error reason = {.text = ""};
	if (fetch->zonemd == STELE_ZONEMD_IGNORE)
		return 0;
	int status = stele_store_zone_find(read, fetch->apex, &info, reterr);
	if (status == 0)
		status = stele_zonemd_check(read, &info, &verdict, &reason);
	if (status != 0)
		return stele_fail(reterr, status, "ZONEMD: %s", reason.text);
	switch (verdict) {
	case STELE_ZONEMD_RIGHT:
		return 0;
	case STELE_ZONEMD_ABSENT:
		return fetch->zonemd == STELE_ZONEMD_IF_PRESENT ?
			       0 :
			       stele_fail(reterr, STELE_E_INPUT, "the zone has no ZONEMD");
	default:
		return stele_fail(reterr, STELE_E_INPUT, "ZONEMD: %s",
				  reason.text[0] != '\0' ? reason.text :
							   "the zone has another digest");
	}
}

int refresh_apply(struct refresh_fetch *fetch, struct stele_store_write *write,
		  struct stele_error *reterr)
{
	int status = fetch->staging.is_deltas ? apply_deltas(fetch, write, reterr) :
						apply_whole(fetch, write, reterr);
	if (status == 0)
		status = check_zonemd(fetch, write, reterr);
	if (status == 0)
		status = stele_store_zone_set_transferred(write, fetch->apex, true, reterr);
	/* Here, since to give back the memory of a large zone takes a while too. */
	stele_staging_clear(&fetch->staging);
	return status;
}
