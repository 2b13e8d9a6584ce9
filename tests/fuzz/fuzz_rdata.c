/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records out of messages: what comes out is valid data of its type, written without compression it comes out
 * the same again, and a name is one that the plainest reader finds too.
 *
 * The input: type (2 bytes), place of the data (1), its length (1), then the message.
 */
#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/reader.h"
#include "lib/zone/rdata.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* One label after the other, each place looked up from the start; at most as many steps as there can be. */
static int plain_name(const uint8_t *msg, size_t len, size_t off, uint8_t name[STELE_NAME_MAX])
{
	size_t used = 0, below = off;
	for (unsigned steps = 0; steps < 2 * 16384 + 128; steps++) {
		if (off >= len)
			return -1;
		unsigned c = msg[off];
		if (c >> 6 == 3) {
			if (off + 1 >= len)
				return -1;
			off = (c & 63) * 256 + msg[off + 1];
			if (off >= below || off < STELE_HEADER_SZ)
				return -1;
			below = off;
		} else if (c >> 6 != 0 || off + c >= len || used + c + 1 > STELE_NAME_MAX) {
			return -1;
		} else {
			memcpy(name + used, msg + off, c + 1);
			used += c + 1;
			off += c + 1;
			if (c == 0)
				return (int)used;
		}
	}
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[STELE_RDATA_MAX], again[STELE_RDATA_MAX];
	static uint8_t plain[STELE_HEADER_SZ + STELE_RDATA_MAX];
	if (size < 4 || size > 4096)
		return 0;
	uint16_t type = stele_get_be16(data);
	size_t off = data[2], rdlen = data[3];
	const uint8_t *msg = data + 4;
	size_t len = size - 4;

	uint8_t name[STELE_NAME_MAX], expected[STELE_NAME_MAX];
	size_t next = 0;
	int name_len = stele_reader_name(msg, len, off, name, &next);
	require(name_len == (name_len < 0 ? STELE_E_INPUT : plain_name(msg, len, off, expected)));
	require((name_len < 0) == (plain_name(msg, len, off, expected) < 0));
	if (name_len > 0) {
		require(stele_name_length(name, (size_t)name_len) == (size_t)name_len);
		require(memcmp(name, expected, (size_t)name_len) == 0);
		require(next > off && next <= len);
	}

	int out_len = stele_rdata_from_message(type, msg, len, off, rdlen, out);
	if (out_len < 0)
		return 0;
	require(stele_rdata_type_is_data(type) && off + rdlen <= len);
	require(stele_rdata_valid(type, out, (size_t)out_len));
	memcpy(plain + STELE_HEADER_SZ, out, (size_t)out_len);
	int again_len = stele_rdata_from_message(type, plain, STELE_HEADER_SZ + (size_t)out_len,
						 STELE_HEADER_SZ, (size_t)out_len, again);
	require(again_len == out_len && memcmp(out, again, (size_t)out_len) == 0);
	require(stele_rdata_compare(type, out, (size_t)out_len, again, (size_t)again_len) == 0);
	return 0;
}
