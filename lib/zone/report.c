/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/report.h"

#include "lib/base/error.h"

#include <inttypes.h>
#include <stdio.h>

/* What is counted, for the line that closes a kind. */
static const char *const kind_texts[STELE_WARN_KIND_CNT] = {
	[STELE_WARN_TTL_MIXED] = "RRsets with several TTLs",
	[STELE_WARN_GLUE_MISSING] = "name servers without address",
	[STELE_WARN_TARGET_IS_CNAME] = "NS or MX records that point to a CNAME",
	[STELE_WARN_NSEC3_ITERATIONS] = "NSEC3 records with iterations",
	[STELE_WARN_SIGNATURE_EXPIRED] = "expired signatures",
	[STELE_WARN_SIGNATURE_EXPIRING] = "signatures that expire soon",
	[STELE_WARN_SIGNATURE_FUTURE] = "signatures that are not yet valid",
	[STELE_WARN_DENIAL_CHAIN] = "faults in the denial chain",
	[STELE_WARN_KEY_UNUSED] = "keys without signatures",
	[STELE_WARN_SERIAL] = "serials that do not increase",
	[STELE_WARN_RRSET_LARGE] = "RRsets that leave no room for EDNS or their signatures",
};

__attribute__((format(printf, 4, 0))) static void emit(struct stele_report *report,
						       const char *prefix,
						       const struct stele_place *place,
						       const char *format, va_list args)
{
	char text[STELE_ERROR_MAX];
	int head;
	if (place->line == 0)
		head = snprintf(text, sizeof(text), "%s%s: ", prefix, place->file);
	else
		head = snprintf(text, sizeof(text), "%s%s:%" PRIu32 ":%" PRIu32 ": ", prefix,
				place->file, place->line, place->column);
	if (head < 0 || (size_t)head >= sizeof(text))
		head = 0;
	vsnprintf(text + head, sizeof(text) - (size_t)head, format, args);
	if (report->emit != NULL)
		report->emit(report->user, text);
}

int stele_report_error_v(struct stele_report *report, struct stele_place place, const char *format,
			 va_list args)
{
	if (!stele_report_full(report))
		emit(report, "", &place, format, args);
	report->error_cnt++;
	return STELE_E_INPUT;
}

int stele_report_error(struct stele_report *report, struct stele_place place, const char *format,
		       ...)
{
	va_list args;
	va_start(args, format);
	int status = stele_report_error_v(report, place, format, args);
	va_end(args);
	return status;
}

void stele_report_warning(struct stele_report *report, enum stele_warning kind,
			  struct stele_place place, const char *format, ...)
{
	if (report->warning_cnts[kind]++ >= STELE_REPORT_SHOWN)
		return;
	va_list args;
	va_start(args, format);
	emit(report, "warning: ", &place, format, args);
	va_end(args);
}

void stele_report_close(struct stele_report *report)
{
	for (unsigned kind = 0; kind < STELE_WARN_KIND_CNT; kind++) {
		if (report->warning_cnts[kind] <= STELE_REPORT_SHOWN)
			continue;
		char number[32], text[160];
		snprintf(text, sizeof(text), "warning: … and %s more %s",
			 stele_report_number(report->warning_cnts[kind] - STELE_REPORT_SHOWN,
					     number),
			 kind_texts[kind]);
		if (report->emit != NULL)
			report->emit(report->user, text);
	}
}

uint64_t stele_report_warning_cnt(const struct stele_report *report)
{
	uint64_t sum = 0;
	for (unsigned kind = 0; kind < STELE_WARN_KIND_CNT; kind++)
		sum += report->warning_cnts[kind];
	return sum;
}

const char *stele_report_number(uint64_t number, char text[32])
{
	char plain[24];
	int len = snprintf(plain, sizeof(plain), "%" PRIu64, number);
	int at = 0;
	for (int i = 0; i < len; i++) {
		text[at++] = plain[i];
		if ((len - i - 1) % 3 == 0 && i + 1 < len)
			text[at++] = ',';
	}
	text[at] = '\0';
	return text;
}
