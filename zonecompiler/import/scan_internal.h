/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_IMPORT_SCAN_INTERNAL_H
#define STELE_ZONECOMPILER_IMPORT_SCAN_INTERNAL_H

/* What the parts of the scanner share: entries (scan.c), directives (directive.c), $GENERATE. */

#include "zonecompiler/import/scan.h"

#include <sys/types.h>

enum { STELE_INCLUDE_DEPTH_MAX = 32 };

struct stele_scan {
	struct stele_cursor cursor;
	struct stele_report *report;
	stele_scan_sink sink;
	void *user;
	void (*progress)(void *user, uint64_t done);
	void *progress_user;
	bool is_restricted;

	/* The origin, with its case for names in rdata, lowered for owners, and as a sort key. */
	uint8_t origin[STELE_NAME_MAX], origin_lower[STELE_NAME_MAX];
	uint8_t origin_key[STELE_SORT_KEY_MAX];
	size_t origin_len, origin_key_len;

	/* The owner of the last entry, and its text while that is still in the same buffer. */
	uint8_t owner_key[STELE_SORT_KEY_MAX];
	size_t owner_key_len;
	bool has_owner;
	bool owner_added; /* the record added last had this owner */
	const uint8_t *owner_text;
	size_t owner_text_len;

	bool has_default_ttl; /* $TTL */
	bool has_last_ttl;    /* the TTL of an earlier record, RFC 1035's default */
	uint32_t default_ttl, last_ttl;

	/* Files that are open, outermost first: their identities, to see loops. */
	struct {
		dev_t device;
		ino_t inode;
	} open[STELE_INCLUDE_DEPTH_MAX];
	unsigned open_cnt;
	bool text_is_mapped; /* that of the cursor */

	char **files;
	size_t file_cnt;

	struct stele_error *reterr; /* of the call under way */
	struct stele_rdata rdata;
};

/* Parses entries up to the end of the cursor's text. Negative ends the scan. */
int stele_scan_entries(struct stele_scan *scan);

/* Parses one entry that is not a directive. STELE_E_INPUT: reported, the scan can go on. */
int stele_scan_entry(struct stele_scan *scan);

/*
 * The text from `from` to `to` was scanned: if it is of a mapped file, its pages no longer count as
 * memory of this process. They can still be read.
 */
void stele_scan_passed(const struct stele_scan *scan, const uint8_t *from, const uint8_t *to);

/* As stele_scan_file() for a file that is named in another; the place is that of its name. */
int stele_scan_include(struct stele_scan *scan, const char *path, struct stele_place place);

/* Parses the directive at the cursor. STELE_E_INPUT: reported, the scan can go on. */
int stele_scan_directive(struct stele_scan *scan);

/* Parses the rest of a $GENERATE and scans what it makes. */
int stele_scan_generate(struct stele_scan *scan, struct stele_place place);

#endif
