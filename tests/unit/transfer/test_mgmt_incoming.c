/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of transfers that come in: what it tells of good ones. */
#include "tests/unit/transfer/incoming_case.h"

#define WHOLE_TEXT                                                                                 \
	"whole\n+zone.test. SOA 7\n+zone.test. NS\n+www.zone.test. A\n+www.zone.test. A\n"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_in_one_message), cmocka_unit_test(whole_record_by_record),
		cmocka_unit_test(whole_for_ixfr),       cmocka_unit_test(deltas),
		cmocka_unit_test(delta_across_zero),    cmocka_unit_test(nothing_newer),
		cmocka_unit_test(serial_going_back),    cmocka_unit_test(expire_option),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed |= test_incoming_refused();
	failed |= test_transfer_query();
	return failed;
}
