/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of transfers that come in: what it tells, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/transfer/incoming.h"
#include "mgmt/transfer/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID 4711
static const uint8_t apex[] = "\4zone\4test";
#define APEX_LEN 11

/* What was told, as text: "+www.zone.test. A" or "-…", "whole", "delta 7"; in lines. */
struct told {
	char text[1 << 16];
	size_t len;
	int refuse_at; /* the record that is refused; 0: none */
	int cnt;
};

static int on_whole(void *user, struct stele_error *reterr)
{
	(void)reterr;
	struct told *told = user;
	told->len += (size_t)sprintf(told->text + told->len, "whole\n");
	return 0;
}

static int on_delta(void *user, uint32_t from, struct stele_error *reterr)
{
	(void)reterr;
	struct told *told = user;
	told->len += (size_t)sprintf(told->text + told->len, "delta %u\n", from);
	return 0;
}

static int on_record(void *user, const struct stele_incoming_record *record,
		     struct stele_error *reterr)
{
	struct told *told = user;
	if (++told->cnt == told->refuse_at)
		return stele_fail(reterr, STELE_E_SYSTEM, "refused here");
	char owner[STELE_NAME_TEXT_MAX], type[STELE_RRTYPE_TEXT_MAX];
	stele_name_to_text(record->owner, owner);
	stele_rrtype_to_text(record->type, type);
	if (told->len + 300 > sizeof(told->text))
		return 0;
	told->len += (size_t)sprintf(told->text + told->len, "%c%s %s", record->removed ? '-' : '+',
				     owner, type);
	if (record->type == STELE_TYPE_SOA)
		told->len += (size_t)sprintf(told->text + told->len, " %u",
					     stele_incoming_soa_serial(record));
	told->text[told->len++] = '\n';
	told->text[told->len] = '\0';
	return 0;
}

static struct stele_incoming incoming;
static struct told told;
static struct stele_error err;

static struct stele_incoming_settings settings(void)
{
	return (struct stele_incoming_settings){
		.apex = apex,
		.apex_len = APEX_LEN,
		.id = ID,
		.sink = {on_whole, on_delta, on_record, &told},
	};
}

static void begin(const struct stele_incoming_settings *s)
{
	memset(&told, 0, sizeof(told));
	memset(&err, 0, sizeof(err));
	stele_incoming_begin(&incoming, s);
}

static void begin_axfr(void)
{
	struct stele_incoming_settings s = settings();
	begin(&s);
}

static void begin_ixfr(uint32_t serial)
{
	struct stele_incoming_settings s = settings();
	s.ixfr = true;
	s.serial = serial;
	begin(&s);
}

/* ---- messages ---- */

static struct stele_writer writer;
static uint8_t message[STELE_MESSAGE_MAX];

static void open_message(uint16_t type)
{
	stele_writer_init(&writer, message, sizeof(message));
	stele_writer_begin(&writer, ID, STELE_FLAG_QR | STELE_FLAG_AA);
	if (type != 0)
		assert_int_equal(stele_writer_question(&writer, apex, APEX_LEN, type, 1), 1);
}

static void put(const char *owner, uint16_t type, const void *rdata, size_t len)
{
	uint8_t name[STELE_NAME_MAX];
	int name_len = stele_name_from_text(owner, strlen(owner), name);
	assert_true(name_len > 0);
	assert_int_equal(stele_writer_record(&writer, STELE_RR_ANSWER, name, (size_t)name_len, type,
					     STELE_CLASS_IN, 300, rdata, len),
			 1);
}

static void put_soa(uint32_t serial)
{
	uint8_t rdata[80] = "\2ns\4zone\4test\0\1h\4Zone\4test";
	size_t len = 14 + 13;
	memset(rdata + len, 0, 20);
	stele_put_be32(rdata + len, serial);
	rdata[len + 19] = 60;
	put("zone.test.", STELE_TYPE_SOA, rdata, len + 20);
}

static void put_a(const char *owner, uint8_t last)
{
	put(owner, STELE_TYPE_A, (uint8_t[]){192, 0, 2, last}, 4);
}

static int close_message(void)
{
	size_t len = stele_writer_end(&writer);
	/* Exactly the bytes, so that ASan sees reads behind them. */
	uint8_t *copy = malloc(len);
	memcpy(copy, message, len);
	int status = stele_incoming_message(&incoming, copy, len, &err);
	free(copy);
	return status;
}

static void refused(enum stele_incoming_fault fault, const char *part)
{
	assert_int_equal(close_message(), STELE_E_INPUT);
	assert_int_equal(incoming.fault, fault);
	if (strstr(err.text, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, err.text);
}

/* ---- what is good ---- */

#define WHOLE_TEXT                                                                                 \
	"whole\n+zone.test. SOA 7\n+zone.test. NS\n+www.zone.test. A\n+www.zone.test. A\n"

static void put_zone(void)
{
	put_soa(7);
	put("zone.test.", STELE_TYPE_NS, "\2ns\4zone\4test", 14);
	put_a("WWW.zone.test.", 1);
	put_a("www.zone.test.", 2);
	put_soa(7);
}

static void whole_in_one_message(void **state)
{
	(void)state;
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_zone();
	assert_int_equal(close_message(), 0);
	assert_string_equal(told.text, WHOLE_TEXT);
	assert_int_equal(incoming.kind, STELE_INCOMING_WHOLE);
	assert_int_equal(incoming.serial, 7);
}

static void whole_record_by_record(void **state)
{
	(void)state;
	for (int question = 0; question < 2; question++) {
		begin_axfr();
		open_message(STELE_TYPE_AXFR);
		put_soa(7);
		assert_int_equal(close_message(), 1);
		open_message(question ? STELE_TYPE_AXFR : 0);
		put("zone.test.", STELE_TYPE_NS, "\2ns\4zone\4test", 14);
		assert_int_equal(close_message(), 1);
		for (uint8_t i = 1; i < 3; i++) {
			open_message(0);
			put_a("www.zone.test.", i);
			assert_int_equal(close_message(), 1);
		}
		open_message(0);
		put_soa(7);
		assert_int_equal(close_message(), 0);
		assert_string_equal(told.text, WHOLE_TEXT);
	}
}

static void whole_for_ixfr(void **state)
{
	(void)state;
	begin_ixfr(5);
	open_message(STELE_TYPE_IXFR);
	put_zone();
	assert_int_equal(close_message(), 0);
	assert_string_equal(told.text, WHOLE_TEXT);
	assert_int_equal(incoming.kind, STELE_INCOMING_WHOLE);
}

static void put_deltas(void)
{
	put_soa(7);
	put_soa(5);
	put_a("a.zone.test.", 1);
	put_soa(6);
	put_soa(6);
	put_soa(7);
	put_a("b.zone.test.", 1);
	put_soa(7);
}

static void deltas(void **state)
{
	(void)state;
	begin_ixfr(5);
	open_message(STELE_TYPE_IXFR);
	put_deltas();
	assert_int_equal(close_message(), 0);
	assert_int_equal(incoming.kind, STELE_INCOMING_DELTAS);
	assert_string_equal(told.text, "delta 5\n-zone.test. SOA 5\n-a.zone.test. A\n"
				       "+zone.test. SOA 6\ndelta 6\n-zone.test. SOA 6\n"
				       "+zone.test. SOA 7\n+b.zone.test. A\n");
}

static void delta_across_zero(void **state)
{
	(void)state;
	begin_ixfr(UINT32_MAX);
	open_message(STELE_TYPE_IXFR);
	put_soa(1);
	put_soa(UINT32_MAX);
	put_soa(1);
	put_soa(1);
	assert_int_equal(close_message(), 0);
	assert_string_equal(told.text,
			    "delta 4294967295\n-zone.test. SOA 4294967295\n+zone.test. SOA 1\n");
}

static void nothing_newer(void **state)
{
	(void)state;
	begin_ixfr(7);
	open_message(STELE_TYPE_IXFR);
	put_soa(7);
	assert_int_equal(close_message(), 0);
	assert_int_equal(incoming.kind, STELE_INCOMING_UP_TO_DATE);
	/* Some send the zone all the same. */
	begin_ixfr(7);
	open_message(STELE_TYPE_IXFR);
	put_zone();
	assert_int_equal(close_message(), 0);
	assert_int_equal(incoming.kind, STELE_INCOMING_UP_TO_DATE);
	assert_int_equal(told.cnt, 0);
}

static void serial_going_back(void **state)
{
	(void)state;
	begin_ixfr(8);
	open_message(STELE_TYPE_IXFR);
	put_soa(7);
	assert_int_equal(close_message(), 0);
	assert_int_equal(incoming.kind, STELE_INCOMING_OLDER);

	struct stele_incoming_settings s = settings();
	s.serial = 8;
	s.only_newer = true;
	begin(&s);
	open_message(STELE_TYPE_AXFR);
	put_zone();
	assert_int_equal(close_message(), 0);
	assert_int_equal(incoming.kind, STELE_INCOMING_OLDER);
	/* By force. */
	s.only_newer = false;
	begin(&s);
	open_message(STELE_TYPE_AXFR);
	put_zone();
	assert_int_equal(close_message(), 0);
	assert_int_equal(incoming.kind, STELE_INCOMING_WHOLE);
}

static void expire_option(void **state)
{
	(void)state;
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_zone();
	assert_int_equal(stele_writer_record(&writer, STELE_RR_ADDITIONAL, (const uint8_t *)"", 1,
					     STELE_TYPE_OPT, 1232, 0,
					     (const uint8_t *)"\0\3\0\1x\0\11\0\4\0\0\1\0", 13),
			 1);
	assert_int_equal(close_message(), 0);
	assert_true(incoming.has_expire);
	assert_int_equal(incoming.expire, 256);
}

/* ---- what is not ---- */

static void wrong_headers(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t bits;
		enum stele_incoming_fault fault;
		const char *part;
	} cases[] = {
		{0, 0x01, STELE_INCOMING_MALFORMED, "with id"},
		{2, 0x80, STELE_INCOMING_MALFORMED, "no response"},
		{2, 0x20, STELE_INCOMING_MALFORMED, "no response"},
		{2, 0x02, STELE_INCOMING_MALFORMED, "truncated"},
		{3, 0x05, STELE_INCOMING_RCODE, "REFUSED"},
		{5, 0x01, STELE_INCOMING_MALFORMED, "with 0 questions"},
		{5, 0x03, STELE_INCOMING_MALFORMED, "with 2 questions"},
		{7, 0x05, STELE_INCOMING_MALFORMED, "is broken"},
		{9, 0x01, STELE_INCOMING_MALFORMED, "authority"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_axfr();
		open_message(STELE_TYPE_AXFR);
		put_zone();
		size_t len = stele_writer_end(&writer);
		message[cases[i].at] ^= cases[i].bits;
		assert_int_equal(stele_incoming_message(&incoming, message, len, &err),
				 STELE_E_INPUT);
		assert_int_equal(incoming.fault, cases[i].fault);
		if (strstr(err.text, cases[i].part) == NULL)
			fail_msg("case %zu: %s", i, err.text);
	}
	assert_int_equal(stele_incoming_message(&incoming, message, 11, &err), STELE_E_INPUT);
}

static void message_for_another_zone(void **state)
{
	(void)state;
	begin_axfr();
	open_message(0);
	const uint8_t other[] = "\5other\4test";
	stele_writer_question(&writer, other, sizeof(other), STELE_TYPE_AXFR, 1);
	put_zone();
	refused(STELE_INCOMING_MALFORMED, "another question");
	begin_axfr();
	open_message(STELE_TYPE_IXFR);
	put_zone();
	refused(STELE_INCOMING_MALFORMED, "another question");
}

static void soa_in_the_middle(void **state)
{
	(void)state;
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	put_a("www.zone.test.", 1);
	put_soa(8);
	refused(STELE_INCOMING_MALFORMED, "another SOA in the middle (serial 8");
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	put("www.zone.test.", STELE_TYPE_SOA, "\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
	refused(STELE_INCOMING_MALFORMED, "SOA in the middle of the zone");
	/* What stands behind the end. */
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_zone();
	put_a("www.zone.test.", 3);
	refused(STELE_INCOMING_MALFORMED, "behind the last SOA");
}

static void no_soa_first(void **state)
{
	(void)state;
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_a("www.zone.test.", 1);
	refused(STELE_INCOMING_MALFORMED, "begins with");
}

static void end_is_missing(void **state)
{
	(void)state;
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	put_a("www.zone.test.", 1);
	assert_int_equal(close_message(), 1);
	open_message(0);
	refused(STELE_INCOMING_MALFORMED, "without records");
}

static void record_out_of_zone(void **state)
{
	(void)state;
	static const char *const owners[] = {"test.", ".", "azone.test.", "www.zone.test.com."};
	for (size_t i = 0; i < 4; i++) {
		begin_axfr();
		open_message(STELE_TYPE_AXFR);
		put_soa(7);
		put_a(owners[i], 1);
		refused(STELE_INCOMING_MALFORMED, "is out of the zone");
	}
}

static void records_of_no_zone(void **state)
{
	(void)state;
	static const uint16_t types[] = {0, 41, 128, 249, 250, 251, 252, 255};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		begin_axfr();
		open_message(STELE_TYPE_AXFR);
		put_soa(7);
		put("www.zone.test.", types[i], "abcd", 4);
		refused(STELE_INCOMING_MALFORMED, "in a transfer");
	}
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	stele_writer_record(&writer, STELE_RR_ANSWER, apex, APEX_LEN, STELE_TYPE_A, STELE_CLASS_CH,
			    0, (const uint8_t *)"abcd", 4);
	refused(STELE_INCOMING_MALFORMED, "of class 3");
	/* Names in the data that end too late. */
	begin_axfr();
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	put("www.zone.test.", STELE_TYPE_SRV, "\0\0\0\0\0\0\3abc", 10);
	refused(STELE_INCOMING_MALFORMED, "are broken");
}

static void deltas_that_lead_elsewhere(void **state)
{
	(void)state;
	static const struct {
		uint32_t soas[6];
		const char *part;
	} cases[] = {
		{{7, 5, 5}, "delta from serial 5 to 5"},
		{{7, 5, 4}, "delta from serial 5 to 4"},
		{{7, 5, 8}, "delta from serial 5 to 8"},
		{{7, 5, 6, 5}, "delta from serial 5 (expected one from 6)"},
		{{7, 5, 6, 7}, "delta from serial 7 (expected one from 6)"},
		{{7, 6}, "another SOA in the middle (serial 6"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_ixfr(5);
		open_message(STELE_TYPE_IXFR);
		for (size_t j = 0; j < 6 && cases[i].soas[j] != 0; j++)
			put_soa(cases[i].soas[j]);
		refused(STELE_INCOMING_MALFORMED, cases[i].part);
	}
}

static void size_limits(void **state)
{
	(void)state;
	struct stele_incoming_settings s = settings();
	s.sz_max = 200;
	begin(&s);
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	assert_int_equal(close_message(), 1);
	/* It would never end. */
	for (int i = 0;; i++) {
		open_message(0);
		put_a("www.zone.test.", (uint8_t)i);
		if (incoming.sz + writer.len > s.sz_max)
			break;
		assert_int_equal(close_message(), 1);
	}
	refused(STELE_INCOMING_TOO_LARGE, "more than 200 bytes");

	/* Names of 255 bytes, for two bytes each. */
	char name[256] = "";
	for (size_t i = 0; i < 122; i++)
		memcpy(name + 2 * i, "a.", 2);
	memcpy(name + 244, "zone.test.", 10);
	uint8_t wire[STELE_NAME_MAX];
	int wire_len = stele_name_from_text(name, strlen(name), wire);
	s.sz_max = 3000;
	begin(&s);
	open_message(STELE_TYPE_AXFR);
	put_soa(7);
	for (int i = 0; i < 150; i++)
		put(i % 2 ? name : "zone.test.", STELE_TYPE_NS, wire, (size_t)wire_len);
	assert_true(writer.len < s.sz_max);
	refused(STELE_INCOMING_TOO_LARGE, "unpacks to more");
}

static void sink_refuses(void **state)
{
	(void)state;
	for (int at = 1; at <= 4; at++) {
		begin_axfr();
		told.refuse_at = at;
		open_message(STELE_TYPE_AXFR);
		put_zone();
		assert_int_equal(close_message(), STELE_E_SYSTEM);
		assert_int_equal(incoming.fault, STELE_INCOMING_SINK);
		assert_string_equal(err.text, "refused here");
	}
}

/* A message that was cut anywhere, or has a byte too much, is refused. */
static void cut_at_every_byte(void **state)
{
	(void)state;
	for (int ixfr = 0; ixfr < 2; ixfr++) {
		open_message(ixfr ? STELE_TYPE_IXFR : STELE_TYPE_AXFR);
		ixfr ? put_deltas() : put_zone();
		size_t len = stele_writer_end(&writer);
		for (size_t cut = 0; cut <= len + 1; cut++) {
			if (cut == len)
				continue;
			uint8_t *copy = calloc(1, cut > 0 ? cut : 1);
			memcpy(copy, message, cut < len ? cut : len);
			ixfr ? begin_ixfr(5) : begin_axfr();
			assert_int_equal(stele_incoming_message(&incoming, copy, cut, &err),
					 STELE_E_INPUT);
			free(copy);
		}
	}
}

/* ---- questions and the reply to one for the SOA ---- */

static void questions(void **state)
{
	(void)state;
	uint8_t msg[STELE_TRANSFER_QUERY_MAX];
	for (int edns = 0; edns < 2; edns++) {
		size_t len =
			stele_transfer_query(ID, apex, APEX_LEN, STELE_TYPE_IXFR, 77, edns, msg);
		struct stele_reader reader;
		struct stele_rr rr;
		assert_int_equal(stele_reader_init(&reader, msg, len), 0);
		assert_int_equal(reader.id, ID);
		assert_int_equal(stele_reader_next(&reader, &rr), 1);
		assert_int_equal(rr.type, STELE_TYPE_IXFR);
		assert_int_equal(stele_reader_next(&reader, &rr), 1);
		assert_int_equal(rr.section, STELE_RR_AUTHORITY);
		uint8_t rdata[64];
		assert_int_equal(stele_reader_rdata(&reader, &rr, rdata, sizeof(rdata)), 22);
		assert_int_equal(stele_get_be32(rdata + 2), 77);
		if (edns) {
			assert_int_equal(stele_reader_next(&reader, &rr), 1);
			assert_int_equal(rr.type, STELE_TYPE_OPT);
			assert_memory_equal(msg + rr.rdata_off, "\0\11\0\0", 4);
		}
		assert_int_equal(stele_reader_next(&reader, &rr), 0);
		assert_int_equal(stele_reader_left(&reader), 0);
	}
}

static int read_reply(struct stele_soa_reply *ret_reply)
{
	size_t len = stele_writer_end(&writer);
	return stele_transfer_soa_reply(message, len, ID, apex, APEX_LEN, ret_reply, &err);
}

static void soa_replies(void **state)
{
	(void)state;
	struct stele_soa_reply reply;
	open_message(STELE_TYPE_SOA);
	put_soa(12);
	stele_writer_record(&writer, STELE_RR_ADDITIONAL, (const uint8_t *)"", 1, STELE_TYPE_OPT,
			    1232, 0, (const uint8_t *)"\0\11\0\4\0\0\1\0", 8);
	assert_int_equal(read_reply(&reply), 0);
	assert_true(reply.has_soa && reply.authoritative && !reply.truncated && reply.has_expire);
	assert_int_equal(reply.serial, 12);
	assert_int_equal(reply.expire, 256);

	size_t len = stele_writer_end(&writer);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(stele_transfer_soa_reply(message, cut, ID, apex, APEX_LEN, &reply,
							  &err),
				 STELE_E_INPUT);
	assert_int_equal(stele_transfer_soa_reply(message, len, ID + 1, apex, APEX_LEN, &reply,
						  &err),
			 STELE_E_INPUT);

	open_message(STELE_TYPE_A);
	put_soa(12);
	assert_int_equal(read_reply(&reply), STELE_E_INPUT);
	/* The SOA of a parent, as in a referral's or negative answer. */
	open_message(STELE_TYPE_SOA);
	put_a("zone.test.", 1);
	assert_int_equal(read_reply(&reply), 0);
	assert_false(reply.has_soa);
	/* A FORMERR without the question. */
	open_message(0);
	stele_put_be16(message + 2, STELE_FLAG_QR | STELE_RCODE_FORMERR);
	assert_int_equal(read_reply(&reply), 0);
	assert_int_equal(reply.rcode, STELE_RCODE_FORMERR);
	open_message(0);
	assert_int_equal(read_reply(&reply), STELE_E_INPUT);
}

static void serial_arithmetic(void **state)
{
	(void)state;
	assert_true(stele_serial_older(1, 2));
	assert_false(stele_serial_older(2, 2));
	assert_true(stele_serial_older(UINT32_MAX, 0));
	assert_false(stele_serial_older(0, UINT32_MAX));
	assert_true(stele_serial_older(0, INT32_MAX));
	assert_false(stele_serial_older(0, UINT32_C(0x80000000)));
	assert_false(stele_serial_older(UINT32_C(0x80000000), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_in_one_message),
		cmocka_unit_test(whole_record_by_record),
		cmocka_unit_test(whole_for_ixfr),
		cmocka_unit_test(deltas),
		cmocka_unit_test(delta_across_zero),
		cmocka_unit_test(nothing_newer),
		cmocka_unit_test(serial_going_back),
		cmocka_unit_test(expire_option),
		cmocka_unit_test(wrong_headers),
		cmocka_unit_test(message_for_another_zone),
		cmocka_unit_test(soa_in_the_middle),
		cmocka_unit_test(no_soa_first),
		cmocka_unit_test(end_is_missing),
		cmocka_unit_test(record_out_of_zone),
		cmocka_unit_test(records_of_no_zone),
		cmocka_unit_test(deltas_that_lead_elsewhere),
		cmocka_unit_test(size_limits),
		cmocka_unit_test(sink_refuses),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(questions),
		cmocka_unit_test(soa_replies),
		cmocka_unit_test(serial_arithmetic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
