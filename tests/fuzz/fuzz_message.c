/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: what is read from hostile bytes, written with compressed names and read again is the same,
 * entry by entry; and what does not fit leaves no trace.
 *
 * The first two bytes are the size of the buffer that is written to, the rest is the message.
 */
#include "lib/base/bytes.h"
#include "lib/dns/rdata.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stele_writer writer;
static uint8_t rdata[STELE_MESSAGE_MAX], rdata_again[STELE_MESSAGE_MAX];

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_entry(const struct stele_reader *reader, const struct stele_rr *rr)
{
	require(rr->owner_len > 0 && stele_name_length(rr->owner, rr->owner_len) == rr->owner_len);
	require(rr->section < STELE_RR_SECTION_CNT);
	require(rr->at_off >= STELE_HEADER_SZ && rr->at_off < rr->rdata_off);
	require((size_t)rr->rdata_off + rr->rdlen <= reader->len);
	require(rr->section != STELE_RR_QUESTION || (rr->rdlen == 0 && rr->ttl == 0));
}

/* 1, 0 or negative as the writer has it. */
static int write_entry(const struct stele_rr *rr, int rdlen)
{
	if (rr->section == STELE_RR_QUESTION)
		return stele_writer_question(&writer, rr->owner, rr->owner_len, rr->type,
					     rr->class_);
	return stele_writer_record(&writer, rr->section, rr->owner, rr->owner_len, rr->type,
				   rr->class_, rr->ttl, rdata, (size_t)rdlen);
}

/* Writes all entries that fit, and marks them in `written` (by their number, as far as it goes). */
static void copy_message(const uint8_t *msg, size_t len, uint8_t *out, size_t max)
{
	static bool written[STELE_MESSAGE_MAX];
	struct stele_reader reader, again;
	struct stele_rr rr, rr_again;
	unsigned cnt = 0;
	if (stele_reader_init(&reader, msg, len) != 0)
		return;
	stele_writer_init(&writer, out, max);
	stele_writer_begin(&writer, reader.id, reader.flags);
	while (stele_reader_next(&reader, &rr) == 1) {
		check_entry(&reader, &rr);
		int rdlen = stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata));
		written[cnt] = false;
		if (rr.section == STELE_RR_QUESTION)
			rdlen = 0;
		if (rdlen >= 0) {
			size_t before = writer.len;
			int status = write_entry(&rr, rdlen);
			require(status == 0 || status == 1);
			require(status == 1 ? writer.len > before : writer.len == before);
			written[cnt] = status == 1;
		}
		cnt++;
	}
	size_t out_len = stele_writer_end(&writer);
	require(out_len <= max);

	require(stele_reader_init(&again, out, out_len) == 0);
	require(again.id == stele_get_be16(msg) && again.flags == stele_get_be16(msg + 2));
	stele_reader_init(&reader, msg, len);
	for (unsigned i = 0; i < cnt; i++) {
		require(stele_reader_next(&reader, &rr) == 1);
		if (!written[i])
			continue;
		require(stele_reader_next(&again, &rr_again) == 1);
		require(rr.section == rr_again.section && rr.type == rr_again.type &&
			rr.class_ == rr_again.class_ && rr.ttl == rr_again.ttl);
		require(rr.owner_len == rr_again.owner_len &&
			memcmp(rr.owner, rr_again.owner, rr.owner_len) == 0);
		if (rr.section == STELE_RR_QUESTION)
			continue;
		int rdlen = stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata));
		int rdlen_again =
			stele_reader_rdata(&again, &rr_again, rdata_again, sizeof(rdata_again));
		require(rdlen >= 0 && rdlen == rdlen_again &&
			memcmp(rdata, rdata_again, (size_t)rdlen) == 0);
		if (stele_rdata_canonical(rr.type, rdata, (size_t)rdlen, rdata_again))
			require(stele_name_equal_nocase(rdata, rdata_again, (size_t)rdlen));
	}
	require(stele_reader_next(&again, &rr_again) == 0 && stele_reader_left(&again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	size_t max = stele_get_be16(data);
	if (max < STELE_HEADER_SZ)
		max = STELE_HEADER_SZ;
	uint8_t *out = malloc(max);
	if (out == NULL)
		abort();
	copy_message(data + 2, size - 2, out, max);
	free(out);
	return 0;
}
