/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of transfers that come in: what it refuses, and with which words. */
#include "tests/unit/transfer/incoming_case.h"

#include <stdlib.h>
#include <string.h>

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

int test_incoming_refused(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_headers),      cmocka_unit_test(message_for_another_zone),
		cmocka_unit_test(soa_in_the_middle),  cmocka_unit_test(no_soa_first),
		cmocka_unit_test(end_is_missing),     cmocka_unit_test(record_out_of_zone),
		cmocka_unit_test(records_of_no_zone), cmocka_unit_test(deltas_that_lead_elsewhere),
		cmocka_unit_test(size_limits),        cmocka_unit_test(sink_refuses),
		cmocka_unit_test(cut_at_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
