/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/rdata.h"

#include "lib/dns/name.h"
#include "lib/dns/rdata.h"

#include <string.h>

/*
 * Where the names stand that count in lower case (RFC 4034 section 6.2; NSEC is off that list since
 * RFC 6840 section 5.1): [start, end) of a run of bytes in which every letter may be lowered, which
 * holds whole names and nothing else. 0 long for all other types.
 */
struct names_run {
	size_t start, end;
};

static size_t name_end(const uint8_t *rdata, size_t len, size_t at)
{
	return at < len ? at + stele_name_length(rdata + at, len - at) : len;
}

static struct names_run names_of(uint16_t type, const uint8_t *rdata, size_t len)
{
	struct stele_rdata_shape shape = stele_rdata_shape_of(type);
	if (shape.name_cnt == 0)
		return (struct names_run){0, 0};
	size_t at = shape.fixed_sz;
	for (unsigned i = 0; i < shape.string_cnt && at < len; i++)
		at += 1u + rdata[at];
	struct names_run run = {at, at};
	for (unsigned i = 0; i < shape.name_cnt; i++)
		run.end = name_end(rdata, len, run.end);
	return run;
}

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? (uint8_t)(c | 0x20) : c;
}

int stele_rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
			size_t b_len)
{
	size_t len = a_len < b_len ? a_len : b_len, i = 0;
	while (i < len && a[i] == b[i])
		i++;
	if (i == len)
		return (a_len > b_len) - (a_len < b_len);
	struct names_run in_a = names_of(type, a, a_len), in_b = names_of(type, b, b_len);
	if (in_a.end == 0)
		return a[i] < b[i] ? -1 : 1;
	for (; i < len; i++) {
		uint8_t x = a[i], y = b[i];
		if (i >= in_a.start && i < in_a.end)
			x = lower(x);
		if (i >= in_b.start && i < in_b.end)
			y = lower(y);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a_len > b_len) - (a_len < b_len);
}
