/* SPDX-License-Identifier: Apache-2.0 */
/* What of the service needs no loop: the table of clients, and replies without an image. */
#include "lib/base/bytes.h"
#include "mgmt/service/internal.h"
#include "tests/unit/mgmt/service_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- clients ---- */

static void test_clients(void **state)
{
	(void)state;
	struct clients *clients = clients_new();
	assert_non_null(clients);
	struct stele_config_address one = make_address(4, 0xc0000201, 0);
	struct client *first = clients_enter(clients, &one, 2);
	assert_non_null(first);
	assert_ptr_equal(clients_enter(clients, &one, 2), first);
	assert_null(clients_enter(clients, &one, 2));
	clients_leave(clients, first);
	assert_ptr_equal(clients_enter(clients, &one, 2), first);
	assert_null(clients_enter(clients, &one, 0));

	/* A /64 is one client, and nobody in IPv4 is the same. */
	struct stele_config_address a = make_address(6, 0xc0000201, 1),
				    b = make_address(6, 0xc0000201, 2);
	struct client *six = clients_enter(clients, &a, 1);
	assert_non_null(six);
	assert_ptr_not_equal(six, first);
	assert_null(clients_enter(clients, &b, 1));
	clients_leave(clients, six);
	clients_leave(clients, first);
	clients_leave(clients, first);

	/* More than there are buckets. */
	enum { MANY = 20000 };
	struct client **all = calloc(MANY, sizeof(struct client *));
	assert_non_null(all);
	for (uint32_t i = 0; i < MANY; i++) {
		struct stele_config_address each = make_address(4, i, 0);
		all[i] = clients_enter(clients, &each, 1);
		assert_non_null(all[i]);
	}
	for (uint32_t i = 0; i < MANY; i++) {
		struct stele_config_address each = make_address(4, i, 0);
		assert_null(clients_enter(clients, &each, 1));
	}
	for (uint32_t i = 0; i < MANY; i++)
		clients_leave(clients, all[i]);
	free(all);
	clients_free(clients);
	clients_free(NULL);
}

/* ---- replies without an image ---- */

/* "a.test. SOA" with opcode UPDATE, RD, and an OPT of 4,096 bytes with DO. */
static const uint8_t query[] = {0x12, 0x34, 0x29, 0x10, 0, 1, 0, 0, 0, 0, 0, 1,
				/* question */
				1, 'A', 4, 't', 'e', 's', 't', 0, 0, 6, 0, 1,
				/* OPT */
				0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0};
enum { QUESTION_END = 24 };

static void test_refuse(void **state)
{
	(void)state;
	uint8_t buf[512];
	/* BADVERS has upper bits. */
	size_t len = refuse(query, sizeof(query), 16 + 7, STELE_FLAG_TC, 1232, buf);
	static const uint8_t expected[] = {0x12, 0x34, 0xab, 0x07, 0,    1,   0,   0,    0, 0, 0, 1,
					   1,    'A',  4,    't',  'e',  's', 't', 0,    0, 6, 0, 1,
					   0,    0,    41,   0x04, 0xd0, 1,   0,   0x80, 0, 0, 0};
	assert_int_equal(len, sizeof(expected));
	assert_memory_equal(buf, expected, len);
	assert_int_equal(refuse_udp_size(query, sizeof(query)), 4096);
	assert_int_equal(refuse_udp_size(query, QUESTION_END), 512);

	/* In its own buffer, and cut at every byte. */
	for (size_t cut = 0; cut <= sizeof(query); cut++) {
		uint8_t *exact = malloc(cut > 0 ? cut : 1);
		assert_non_null(exact);
		memcpy(exact, query, cut);
		len = refuse(exact, cut, STELE_RCODE_SERVFAIL, 0, 1232, buf);
		if (cut < STELE_HEADER_SZ) {
			assert_int_equal(len, 0);
		} else {
			bool has_question = cut >= QUESTION_END;
			size_t wanted = has_question ? QUESTION_END : STELE_HEADER_SZ;
			wanted += cut == sizeof(query) ? 11 : 0;
			assert_int_equal(len, wanted);
			assert_int_equal(stele_get_be16(buf + 4), has_question);
			assert_int_equal(buf[3] & STELE_FLAG_RCODE, STELE_RCODE_SERVFAIL);
		}
		free(exact);
		memcpy(buf, query, cut);
		assert_int_equal(refuse(buf, cut, STELE_RCODE_SERVFAIL, 0, 1232, buf), len);
	}

	/* The longest question there is. */
	uint8_t longest[STELE_HEADER_SZ + STELE_NAME_MAX + 4] = {0, 1, 0, 0, 0, 1};
	uint8_t *p = longest + STELE_HEADER_SZ;
	static const uint8_t labels[] = {63, 63, 63, 61};
	for (unsigned i = 0; i < 4; i++) {
		*p = labels[i];
		memset(p + 1, 'x', labels[i]);
		p += labels[i] + 1;
	}
	assert_int_equal(refuse(longest, sizeof(longest), 5, 0, 1232, buf), sizeof(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_refuse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
