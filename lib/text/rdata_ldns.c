/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/text/rdata_ldns.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/text/rdata_text.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

static bool is_same(const ldns_rr *rr, const uint8_t *rdata, size_t rdata_len)
{
	ldns_buffer *wire = ldns_buffer_new(rdata_len + 16);
	if (wire == NULL)
		return false;
	bool same = ldns_rr_rdata2buffer_wire(wire, rr) == LDNS_STATUS_OK &&
		    ldns_buffer_position(wire) == rdata_len &&
		    memcmp(ldns_buffer_begin(wire), rdata, rdata_len) == 0;
	ldns_buffer_free(wire);
	return same;
}

bool rdata_ldns_reads(uint16_t type, const uint8_t *rdata, size_t rdata_len, const char *text,
		      size_t text_len)
{
	char type_text[STELE_RRTYPE_TEXT_MAX];
	char *line = malloc(text_len + 64);
	if (line == NULL)
		return false;
	int head_len = sprintf(line, ". 0 IN %s ", stele_rrtype_to_text(type, type_text));
	memcpy(line + head_len, text, text_len);
	line[(size_t)head_len + text_len] = '\0';
	ldns_rr *rr = NULL;
	bool same = ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) == LDNS_STATUS_OK &&
		    is_same(rr, rdata, rdata_len);
	ldns_rr_free(rr);
	free(line);
	return same;
}

size_t rdata_ldns_put(uint16_t type, const uint8_t *rdata, size_t rdata_len, char *text)
{
	/* A record of the root, as ldns reads it from a message. */
	static uint8_t wire[11 + 65535];
	size_t at = 0, len = 0;
	memset(wire, 0, 11);
	stele_put_be16(wire + 1, type);
	stele_put_be16(wire + 3, STELE_CLASS_IN);
	stele_put_be16(wire + 9, (uint16_t)rdata_len);
	memcpy(wire + 11, rdata, rdata_len);

	ldns_rr *rr = NULL;
	if (ldns_wire2rr(&rr, wire, 11 + rdata_len, &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
		return 0;
	char *line = ldns_rr2str_fmt(ldns_output_format_nocomments, rr);
	/* ".\t0\tIN\tTYPE\tRDATA\n" */
	const char *begin = line;
	for (int tabs = 0; tabs < 4 && begin != NULL; tabs++) {
		begin = strchr(begin, '\t');
		begin += begin != NULL;
	}
	if (begin != NULL) {
		static const char usual[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					    "abcdefghijklmnopqrstuvwxyz .,:/+-_=!?*";
		size_t usual_len = strspn(begin, usual);
		bool is_usual = strcmp(begin + usual_len, "\n") == 0;
		len = is_usual && usual_len < STELE_RDATA_TEXT_MAX ? usual_len : 0;
		while (len > 0 && begin[len - 1] == ' ')
			len--;
		memcpy(text, begin, len);
	}
	free(line);
	ldns_rr_free(rr);
	return len;
}
