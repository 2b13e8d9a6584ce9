/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of a secondary, the reply to one for the SOA, and which serial is older. */
#include "tests/unit/transfer/incoming_case.h"

#include "mgmt/transfer/query.h"

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

int test_transfer_query(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions),
		cmocka_unit_test(soa_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
