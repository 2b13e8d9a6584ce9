/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tsig/internal.h"

#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"

#include <string.h>

/* time, fudge, MAC size; original id, error, other length */
#define HEAD_SZ (6 + 2 + 2)
#define TAIL_SZ (2 + 2 + 2)

static uint64_t get_be48(const uint8_t *p)
{
	return (uint64_t)stele_get_be16(p) << 32 | stele_get_be32(p + 2);
}

static bool parse_rdata(const uint8_t *p, size_t len, struct tsig_record *record)
{
	size_t name_len = stele_name_length(p, len);
	if (name_len == 0 || len - name_len < HEAD_SZ)
		return false;
	stele_name_lower(record->algorithm, p, name_len);
	record->algorithm_len = (uint8_t)name_len;
	p += name_len;
	len -= name_len;
	record->time = get_be48(p);
	record->fudge = stele_get_be16(p + 6);
	record->mac_len = stele_get_be16(p + 8);
	record->mac = p += HEAD_SZ;
	len -= HEAD_SZ;
	if (len < (size_t)record->mac_len + TAIL_SZ)
		return false;
	p += record->mac_len;
	len -= record->mac_len;
	record->original_id = stele_get_be16(p);
	record->error = stele_get_be16(p + 2);
	record->other_len = stele_get_be16(p + 4);
	record->other = p + TAIL_SZ;
	return len - TAIL_SZ == record->other_len;
}

int tsig_record_find(const uint8_t *msg, size_t len, struct tsig_record *ret_record)
{
	struct stele_reader reader;
	struct stele_rr rr = {.type = 0};
	bool found = false;
	int status = stele_reader_init(&reader, msg, len);
	if (status < 0)
		return status;
	while ((status = stele_reader_next(&reader, &rr)) == 1) {
		if (found)
			return STELE_E_INPUT; /* not the last one */
		if (rr.type != STELE_TYPE_TSIG || rr.section == STELE_RR_QUESTION)
			continue;
		if (rr.section != STELE_RR_ADDITIONAL)
			return STELE_E_INPUT;
		found = true;
	}
	if (status < 0 || !found)
		return status;
	if (stele_reader_left(&reader) != 0 || rr.class_ != STELE_CLASS_ANY || rr.ttl != 0)
		return STELE_E_INPUT;
	ret_record->off = rr.at_off;
	ret_record->name_len = rr.owner_len;
	stele_name_lower(ret_record->name, rr.owner, rr.owner_len);
	return parse_rdata(msg + rr.rdata_off, rr.rdlen, ret_record) ? 1 : STELE_E_INPUT;
}

bool tsig_record_mac_possible(const struct tsig_record *record, const struct stele_tsig_key *key)
{
	unsigned half = (key->mac_sz + 1u) / 2;
	unsigned least = half > STELE_TSIG_MAC_MIN ? half : STELE_TSIG_MAC_MIN;
	return record->mac_len >= least && record->mac_len <= key->mac_sz;
}

bool tsig_record_names(const struct tsig_record *record, const struct stele_tsig_key *key)
{
	const char *algorithm = tsig_algorithms[key->algorithm].text;
	size_t label_len = strlen(algorithm);
	return record->name_len == key->name_len &&
	       memcmp(record->name, key->name, key->name_len) == 0 &&
	       record->algorithm_len == label_len + 2 && record->algorithm[0] == label_len &&
	       memcmp(record->algorithm + 1, algorithm, label_len) == 0;
}

void tsig_record_strip(const struct tsig_record *record, uint8_t *msg, size_t *len)
{
	stele_put_be16(msg + 10, (uint16_t)(stele_get_be16(msg + 10) - 1));
	*len = record->off;
}

size_t tsig_record_size(size_t name_len, size_t algorithm_len, size_t mac_len, size_t other_len)
{
	return name_len + STELE_RR_FIXED_SZ + algorithm_len + HEAD_SZ + mac_len + TAIL_SZ +
	       other_len;
}

static uint8_t *put(uint8_t *to, const uint8_t *from, size_t len)
{
	if (len > 0)
		memcpy(to, from, len);
	return to + len;
}

void tsig_record_append(const struct tsig_record *record, uint8_t *msg, size_t *len)
{
	size_t rdlen =
		tsig_record_size(0, record->algorithm_len, record->mac_len, record->other_len) -
		STELE_RR_FIXED_SZ;
	uint8_t *p = put(msg + *len, record->name, record->name_len);
	stele_put_be16(p, STELE_TYPE_TSIG);
	stele_put_be16(p + 2, STELE_CLASS_ANY);
	stele_put_be32(p + 4, 0);
	stele_put_be16(p + 8, (uint16_t)rdlen);
	p = put(p + STELE_RR_FIXED_SZ, record->algorithm, record->algorithm_len);
	stele_put_be16(p, (uint16_t)(record->time >> 32));
	stele_put_be32(p + 2, (uint32_t)record->time);
	stele_put_be16(p + 6, record->fudge);
	stele_put_be16(p + 8, record->mac_len);
	p = put(p + HEAD_SZ, record->mac, record->mac_len);
	stele_put_be16(p, record->original_id);
	stele_put_be16(p + 2, record->error);
	stele_put_be16(p + 4, record->other_len);
	p = put(p + TAIL_SZ, record->other, record->other_len);
	*len = (size_t)(p - msg);
	stele_put_be16(msg + 10, (uint16_t)(stele_get_be16(msg + 10) + 1));
}
