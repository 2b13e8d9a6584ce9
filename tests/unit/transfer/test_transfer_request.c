/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for transfers out: what they may have, and what makes them malformed. */
#include "tests/unit/transfer/outgoing_case.h"

#include "lib/dns/writer.h"

enum wrong {
	WRONG_NOTHING,
	WRONG_TWO_QUESTIONS,
	WRONG_TYPE,
	WRONG_ANSWER,
	WRONG_NO_SOA,
	WRONG_TWO_SOAS,
	WRONG_NO_SOA_TYPE,
	WRONG_OWNER,
	WRONG_SHORT_SOA,
	WRONG_TWO_OPTS,
	WRONG_OPT_OWNER,
	WRONG_OPT_PLACE,
	WRONG_OPT_LENGTH,
	WRONG_OPT_VERSION,
	WRONG_QR,
	WRONG_GARBAGE,
	WRONG_CNT,
};

static size_t make_request(uint8_t *buf, size_t max, uint16_t type, enum wrong wrong)
{
	static const uint8_t soa[22] = {0, 0, 0, 0, 0, 77};
	static const uint8_t expire[] = {0, 9, 0, 0}, bad[] = {0, 9, 0, 1}, root[] = "";
	static struct stele_writer w;
	stele_writer_init(&w, buf, max);
	stele_writer_begin(&w, 7, wrong == WRONG_QR ? STELE_FLAG_QR : 0);
	stele_writer_question(&w, apex, sizeof(apex), wrong == WRONG_TYPE ? STELE_TYPE_A : type,
			      STELE_CLASS_IN);
	if (wrong == WRONG_TWO_QUESTIONS)
		stele_writer_question(&w, apex, sizeof(apex), type, STELE_CLASS_IN);
	if (wrong == WRONG_ANSWER)
		stele_writer_record(&w, STELE_RR_ANSWER, apex, sizeof(apex), STELE_TYPE_SOA,
				    STELE_CLASS_IN, 0, soa, sizeof(soa));
	unsigned soa_cnt = wrong == WRONG_NO_SOA ? 0 : wrong == WRONG_TWO_SOAS ? 2 : 1;
	for (; type == STELE_TYPE_IXFR && soa_cnt > 0; soa_cnt--)
		stele_writer_record(&w, STELE_RR_AUTHORITY, wrong == WRONG_OWNER ? apex + 8 : apex,
				    wrong == WRONG_OWNER ? 5 : sizeof(apex),
				    wrong == WRONG_NO_SOA_TYPE ? STELE_TYPE_TXT : STELE_TYPE_SOA,
				    STELE_CLASS_IN, 0, soa, sizeof(soa));
	unsigned opt_cnt = wrong == WRONG_TWO_OPTS ? 2 : 1;
	for (; opt_cnt > 0; opt_cnt--)
		stele_writer_record(
			&w, wrong == WRONG_OPT_PLACE ? STELE_RR_AUTHORITY : STELE_RR_ADDITIONAL,
			wrong == WRONG_OPT_OWNER ? apex : root,
			wrong == WRONG_OPT_OWNER ? sizeof(apex) : 1, STELE_TYPE_OPT, 4096,
			wrong == WRONG_OPT_VERSION ? 0x10000 : 0,
			wrong == WRONG_OPT_LENGTH ? bad : expire, 4);
	size_t len = stele_writer_end(&w);
	if (wrong == WRONG_SHORT_SOA)
		buf[len - 15 - 21 - 1]--; /* the length of its rdata */
	if (wrong == WRONG_GARBAGE)
		buf[len++] = 0;
	return len;
}

static void test_requests(void **state)
{
	(void)state;
	uint8_t buf[512];
	struct stele_transfer_request request;
	for (enum wrong wrong = 0; wrong < WRONG_CNT; wrong++) {
		size_t len = make_request(buf, sizeof(buf), STELE_TYPE_IXFR, wrong);
		uint16_t expected = wrong == WRONG_NOTHING     ? STELE_RCODE_NOERROR :
				    wrong == WRONG_OPT_VERSION ? STELE_RCODE_BADVERS :
								 STELE_RCODE_FORMERR;
		assert_int_equal(stele_transfer_request_parse(buf, len, &request), expected);
		if (wrong != WRONG_NOTHING)
			continue;
		assert_int_equal(request.id, 7);
		assert_int_equal(request.serial, 77);
		assert_int_equal(request.udp_size, 4096);
		assert_true(request.has_opt && request.wants_expire);
		assert_int_equal(request.name_len, sizeof(apex));
		/* Cut anywhere it is malformed. */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(stele_transfer_request_parse(buf, cut, &request),
					 STELE_RCODE_FORMERR);
	}
	size_t len = make_request(buf, sizeof(buf), STELE_TYPE_AXFR, WRONG_NOTHING);
	assert_int_equal(stele_transfer_request_parse(buf, len, &request), STELE_RCODE_NOERROR);
	assert_int_equal(request.type, STELE_TYPE_AXFR);
}

int test_transfer_request(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
