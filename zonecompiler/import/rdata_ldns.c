/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/import/rdata.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"

#include <ldns/ldns.h>

#include <stdlib.h>
#include <string.h>

/* More than the text of any record needs whose data fits into 65,535 bytes. */
#define TEXT_MAX (5 * STELE_RDATA_MAX)

/*
 * Copies the rest of the entry without comments, parentheses and line feeds. Strings are kept with
 * their quotes, which may also open inside a word (SVCB).
 */
static int gather(struct stele_cursor *c, char *text, size_t room, size_t *ret_len)
{
	size_t len = 0;
	int status;
	while ((status = stele_cursor_next(c)) > 0) {
		const uint8_t *start = c->p, *p = start;
		bool quoted = false;
		for (;; p++) {
			if (*p == '"') {
				quoted = !quoted;
			} else if (*p == '\\') {
				p++;
			} else if (!quoted && stele_char_kinds[*p] >= STELE_CHAR_BLANK) {
				break;
			}
			if (*p == '\n' || *p == 0)
				return stele_cursor_fail(
					c, p,
					"the string or escape is not closed (expected it in "
					"the same line)");
		}
		size_t word_len = (size_t)(p - start);
		if (len + word_len + 2 > room)
			return stele_cursor_fail(c, start, "the data is too long");
		if (len > 0)
			text[len++] = ' ';
		memcpy(text + len, start, word_len);
		len += word_len;
		c->p = p;
	}
	if (status < 0)
		return status;
	text[len] = '\0';
	*ret_len = len;
	return 0;
}

/* ldns takes any number of bits of an address (RFC 3123 section 4). */
static bool prefixes_fit(uint16_t type, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; type == LDNS_RR_TYPE_APL && at + 4 <= len;
	     at += 4u + (bytes[at + 3] & 0x7f))
		if (bytes[at + 2] > (bytes[at + 1] == 1 ? 32 : 128))
			return false;
	return true;
}

int stele_rdata_parse_by_ldns(struct stele_cursor *c, uint16_t type, struct stele_rdata *rdata)
{
	char type_text[STELE_RRTYPE_TEXT_MAX];
	stele_rrtype_to_text(type, type_text);
	const uint8_t *start = c->p;
	struct stele_place place = stele_cursor_place(c, start);
	if (!stele_rdata_known_by_ldns(type))
		return stele_cursor_fail(c, start,
					 "the data of type %s is not known in words (expected "
					 "\\# LENGTH HEX)",
					 type_text);
	char *text = malloc(TEXT_MAX);
	ldns_buffer *wire = ldns_buffer_new(STELE_MESSAGE_MAX + 64);
	ldns_rdf *origin = NULL;
	ldns_rr *rr = NULL;
	int status = STELE_E_SYSTEM;
	if (text == NULL || wire == NULL)
		goto out;
	/* By number: not every build of ldns has every mnemonic. */
	int head = snprintf(text, TEXT_MAX, ". 0 IN TYPE%u ", type);
	size_t len = 0;
	status = gather(c, text + head, TEXT_MAX - (size_t)head, &len);
	if (status < 0)
		goto out;
	if (rdata->origin_len > 0)
		origin = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, rdata->origin_len,
					       rdata->origin);
	ldns_status answer = ldns_rr_new_frm_str(&rr, text, 0, origin, NULL);
	if (answer == LDNS_STATUS_OK && ldns_rr_get_type(rr) == type)
		answer = ldns_rr_rdata2buffer_wire(wire, rr);
	if (answer != LDNS_STATUS_OK || ldns_rr_get_type(rr) != type ||
	    ldns_buffer_position(wire) > STELE_RDATA_MAX ||
	    !prefixes_fit(type, ldns_buffer_begin(wire), ldns_buffer_position(wire)) ||
	    !stele_rdata_valid_by_ldns(type, ldns_buffer_begin(wire), ldns_buffer_position(wire))) {
		struct stele_token token = {(uint8_t *)text + head, len, false};
		char shown[STELE_SHOW_MAX];
		status = stele_report_error(c->report, place,
					    "bad data '%s' (expected what type %s holds)",
					    stele_cursor_show(&token, shown), type_text);
		goto out;
	}
	rdata->len = ldns_buffer_position(wire);
	memcpy(rdata->bytes, ldns_buffer_begin(wire), rdata->len);
	status = 0;
out:
	ldns_rr_free(rr);
	ldns_rdf_deep_free(origin);
	ldns_buffer_free(wire);
	free(text);
	return status;
}
