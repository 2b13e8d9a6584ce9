/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/rdata_text.h"

#include "lib/base/hex.h"
#include "lib/dns/name.h"
#include "lib/dns/rdata_fields.h"
#include "lib/dns/svcb.h"
#include "lib/text/rdata_layout.h"
#include "lib/text/rdata_ldns.h"

#include <stdbool.h>
#include <stdio.h>

static bool is_bad_svcb(const uint8_t *rdata, size_t rdata_len)
{
	size_t name_len = rdata_len > 2 ? stele_name_length(rdata + 2, rdata_len - 2) : 0;
	return name_len == 0 ||
	       stele_svc_fault(rdata + 2 + name_len, rdata_len - 2 - name_len) != NULL;
}

/* More bits than an address has. */
static bool is_bad_apl(const uint8_t *rdata, size_t rdata_len)
{
	for (size_t at = 0; at + 4 <= rdata_len; at += 4u + (rdata[at + 3] & 0x7f))
		if (rdata[at + 2] > (rdata[at + 1] == 1 ? 32 : 128))
			return true;
	return false;
}

/* Whether ldns writes and reads it in words that import does not read. */
static bool has_no_words(uint16_t type, const uint8_t *rdata, size_t rdata_len)
{
	switch (type) {
	case 11: /* WKS, whose words are those of /etc/services */
	case 30: /* NXT */
	case 31: /* EID */
	case 32: /* NIMLOC */
	case 34: /* ATMA */
	case 38: /* A6 */
	case 40: /* SINK */
		return true;
	case 42:
		return is_bad_apl(rdata, rdata_len);
	case 64:
	case 65:
		return is_bad_svcb(rdata, rdata_len);
	default:
		return false;
	}
}

size_t stele_rdata_to_text(uint16_t type, const uint8_t *rdata, size_t rdata_len, char *text)
{
	const char *fields = stele_rdata_fields(type, STELE_RDATA_WRITTEN);
	size_t len = 0;
	if (fields != NULL)
		len = rdata_layout_put(fields, rdata, rdata_len, text);
	else if (!has_no_words(type, rdata, rdata_len))
		len = rdata_ldns_put(type, rdata, rdata_len, text);
	bool is_own = fields != NULL && stele_rdata_fields(type, STELE_RDATA_READ) != NULL;
	if (len > 0 && (is_own || rdata_ldns_reads(type, rdata, rdata_len, text, len)))
		return len;
	len = (size_t)sprintf(text, "\\# %zu%s", rdata_len, rdata_len > 0 ? " " : "");
	stele_hex_encode(rdata, rdata_len, text + len);
	return len + 2 * rdata_len;
}
