/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/rdata.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"

#include <ldns/ldns.h>

#include <stdlib.h>
#include <string.h>

static bool known_by_ldns(uint16_t type)
{
	/* Of a SINK it drops bytes. */
	if (type == LDNS_RR_TYPE_NULL || type == LDNS_RR_TYPE_OPT || type == LDNS_RR_TYPE_SINK)
		return false;
	const ldns_rr_descriptor *descriptor = ldns_rr_descript(type);
	return descriptor != NULL && descriptor->_name != NULL &&
	       strncmp(descriptor->_name, "TYPE", 4) != 0;
}

/* Valid is what ldns reads as this type and writes back as the same bytes. */
bool stele_rdata_valid_by_ldns(uint16_t type, const uint8_t *bytes, size_t len)
{
	if (!known_by_ldns(type))
		return true;
	size_t head = 1 + STELE_RR_FIXED_SZ;
	uint8_t *record = malloc(head + len);
	ldns_buffer *wire = ldns_buffer_new(len + 64);
	ldns_rr *rr = NULL;
	bool valid = false;
	if (record == NULL || wire == NULL)
		goto out;
	memset(record, 0, head);
	stele_put_be16(record + 1, type);
	stele_put_be16(record + 3, STELE_CLASS_IN);
	stele_put_be16(record + 9, (uint16_t)len);
	memcpy(record + head, bytes, len);
	size_t at = 0;
	valid = ldns_wire2rr(&rr, record, head + len, &at, LDNS_SECTION_ANSWER) == LDNS_STATUS_OK &&
		at == head + len && ldns_rr_rdata2buffer_wire(wire, rr) == LDNS_STATUS_OK &&
		ldns_buffer_position(wire) == len &&
		memcmp(ldns_buffer_begin(wire), bytes, len) == 0;
out:
	ldns_rr_free(rr);
	ldns_buffer_free(wire);
	free(record);
	return valid;
}
