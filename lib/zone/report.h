/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ZONE_REPORT_H
#define STELE_LIB_ZONE_REPORT_H

/*
 * What is wrong with a zone, collected while it is read: errors, after which nothing is stored, and
 * warnings, after which it is stored all the same. Each has one of the forms
 *
 *   FILE:LINE:COLUMN: what is wrong (what was expected)
 *   transfer of example. from 192.0.2.1: what is wrong (what was expected)
 *
 * and goes out through a callback at once. A person can use the first few of a kind and the number
 * of the rest, so each kind of warning is shown STELE_REPORT_SHOWN times and then only counted;
 * after STELE_REPORT_ERROR_MAX errors the reading stops.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	STELE_REPORT_ERROR_MAX = 20,
	STELE_REPORT_SHOWN = 10,
};

enum stele_warning {
	STELE_WARN_TTL_MIXED,
	STELE_WARN_GLUE_MISSING,
	STELE_WARN_TARGET_IS_CNAME,
	STELE_WARN_NSEC3_ITERATIONS,
	STELE_WARN_SIGNATURE_EXPIRED,
	STELE_WARN_SIGNATURE_EXPIRING,
	STELE_WARN_SIGNATURE_FUTURE,
	STELE_WARN_DENIAL_CHAIN,
	STELE_WARN_KEY_UNUSED,
	STELE_WARN_SERIAL,
	STELE_WARN_RRSET_LARGE,
	STELE_WARN_KIND_CNT,
};

/*
 * A place in a zone file. Lines and columns count from 1; a column counts bytes. Records that do not
 * come from a file have line 0, and in place of its name what they came with.
 */
struct stele_place {
	const char *file;
	uint32_t line, column;
};

struct stele_report {
	/* Gets one line without its line feed: "FILE:1:2: text", or "warning: FILE:1:2: text". */
	void (*emit)(void *user, const char *text);
	void *user;
	uint64_t error_cnt;
	uint64_t warning_cnts[STELE_WARN_KIND_CNT];
};

/* True when so many errors were seen that reading on is of no use. */
static inline bool stele_report_full(const struct stele_report *report)
{
	return report->error_cnt >= STELE_REPORT_ERROR_MAX;
}

/* Reports an error. Returns STELE_E_INPUT. */
int stele_report_error(struct stele_report *report, struct stele_place place, const char *format,
		       ...) __attribute__((format(printf, 3, 4)));
int stele_report_error_v(struct stele_report *report, struct stele_place place, const char *format,
			 va_list args) __attribute__((format(printf, 3, 0)));

/* Reports a warning, or only counts it. */
void stele_report_warning(struct stele_report *report, enum stele_warning kind,
			  struct stele_place place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Tells how many warnings of each kind were not shown. Call once, at the end. */
void stele_report_close(struct stele_report *report);

/* All warnings, shown or not. */
uint64_t stele_report_warning_cnt(const struct stele_report *report);

/* Writes `number` with commas: 12,345. Returns `text`. */
const char *stele_report_number(uint64_t number, char text[32]);

#endif
