/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: are they in time, and does each algorithm of the zone's keys sign its keys. */
#include "lib/zone/check.h"

#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"

#include <stdio.h>

#define SOON                                                                                       \
	(7 *                                                                                       \
	 86400) /* too long warns of every zone that is signed anew weekly, too short too late */

/* YYYYMMDDHHmmSS (RFC 4034 section 3.2). Returns `text`. */
static const char *time_text(uint32_t time, char text[16])
{
	int64_t days = time / 86400 + 719468, era = days / 146097;
	unsigned of_era = (unsigned)(days - era * 146097);
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted = (5 * of_year + 2) / 153;
	unsigned day = of_year - (153 * shifted + 2) / 5 + 1;
	unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
	unsigned year = (unsigned)(era * 400) + year_of_era + (month <= 2);
	unsigned second = time % 86400;
	snprintf(text, 16, "%04u%02u%02u%02u%02u%02u", year % 10000, month % 100, day % 100,
		 second / 3600, second / 60 % 60, second % 60);
	return text;
}

void stele_check_signatures(struct stele_check *check, const struct stele_owner *owner)
{
	char name[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX], time[16];
	for (const struct stele_owner_rr *rr = owner->rrs; rr < owner->rrs + owner->rr_cnt; rr++) {
		if (!rr->is_sig)
			continue;
		uint32_t expiration = stele_get_be32(rr->rdata + 8);
		uint32_t inception = stele_get_be32(rr->rdata + 12);
		int32_t left = (int32_t)(expiration - check->now); /* RFC 1982 */
		if (left >= SOON && (int32_t)(check->now - inception) >= 0)
			continue;
		struct stele_place place = stele_check_place(check, rr);
		stele_key_to_text(owner->key, owner->key_len, name);
		stele_rrtype_to_text(rr->type, type);
		if (left < SOON)
			stele_report_warning(check->report,
					     left < 0 ? STELE_WARN_SIGNATURE_EXPIRED :
							STELE_WARN_SIGNATURE_EXPIRING,
					     place,
					     "signature over %s %s expire%s %s (expected at least "
					     "7 days from now)",
					     name, type, left < 0 ? "d" : "s",
					     time_text(expiration, time));
		else
			stele_report_warning(check->report, STELE_WARN_SIGNATURE_FUTURE, place,
					     "signature over %s %s is valid from %s (expected a "
					     "time that is past)",
					     name, type, time_text(inception, time));
	}
}

/* True if a key of this algorithm signs the RRset of `type` at the apex. */
static bool algorithm_signs(const struct stele_owner *apex, uint8_t algorithm, uint16_t type)
{
	const struct stele_owner_rr *end = apex->rrs + apex->rr_cnt;
	for (const struct stele_owner_rr *sig = apex->rrs; sig < end; sig++) {
		if (!sig->is_sig || sig->type != type || sig->rdata[2] != algorithm)
			continue;
		for (const struct stele_owner_rr *key = apex->rrs; key < end; key++)
			if (key->type == STELE_TYPE_DNSKEY && !key->is_sig &&
			    key->rdata[3] == algorithm &&
			    stele_rdata_key_tag(key->rdata, key->rdata_len) ==
				    stele_get_be16(sig->rdata + 16))
				return true;
	}
	return false;
}

/* RFC 4035 section 2.2: each algorithm among the keys signs the whole zone. */
void stele_check_keys(struct stele_check *check, const struct stele_owner *apex)
{
	static const uint16_t types[] = {STELE_TYPE_DNSKEY, STELE_TYPE_SOA};
	bool told[256] = {false};
	char type[STELE_RRTYPE_TEXT_MAX];
	for (size_t i = 0; i < apex->rr_cnt; i++) {
		const struct stele_owner_rr *rr = &apex->rrs[i];
		if (rr->type != STELE_TYPE_DNSKEY || rr->is_sig || told[rr->rdata[3]])
			continue;
		told[rr->rdata[3]] = true;
		check->is_signed = true;
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
			if (!algorithm_signs(apex, rr->rdata[3], types[t]))
				stele_report_warning(
					check->report, STELE_WARN_KEY_UNUSED,
					stele_check_place(check, rr),
					"no DNSKEY of algorithm %u signs the RRset %s (expected a "
					"signature at the apex)",
					rr->rdata[3], stele_rrtype_to_text(types[t], type));
	}
}
