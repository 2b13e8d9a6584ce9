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

/* Parameters that ldns writes and reads, but import does not read. */
static bool is_bad_svcb(uint16_t type, const uint8_t *rdata, size_t rdata_len)
{
	if (type != 64 && type != 65)
		return false;
	size_t name_len = rdata_len > 2 ? stele_name_length(rdata + 2, rdata_len - 2) : 0;
	return name_len == 0 ||
	       stele_svc_fault(rdata + 2 + name_len, rdata_len - 2 - name_len) != NULL;
}

size_t stele_rdata_to_text(uint16_t type, const uint8_t *rdata, size_t rdata_len, char *text)
{
	const char *fields = stele_rdata_fields(type, STELE_RDATA_WRITTEN);
	size_t len = 0;
	if (fields != NULL)
		len = rdata_layout_put(fields, rdata, rdata_len, text);
	else if (!is_bad_svcb(type, rdata, rdata_len))
		len = rdata_ldns_put(type, rdata, rdata_len, text);
	bool is_own = fields != NULL && stele_rdata_fields(type, STELE_RDATA_READ) != NULL;
	if (len > 0 && (is_own || rdata_ldns_reads(type, rdata, rdata_len, text, len)))
		return len;
	len = (size_t)sprintf(text, "\\# %zu%s", rdata_len, rdata_len > 0 ? " " : "");
	stele_hex_encode(rdata, rdata_len, text + len);
	return len + 2 * rdata_len;
}
