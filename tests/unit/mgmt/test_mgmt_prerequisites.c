/* SPDX-License-Identifier: Apache-2.0 */
/* Prerequisites of UPDATEs, against what RFC 2136 section 3.2 says as plainly as possible; and how much work they are,
 * counted by the calls that they make. */
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"
#include "mgmt/update/perform.h"
#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t apex[] = "\4test";

/* ---- counted ---- */

static size_t comparison_cnt, lookup_cnt;

int __real_stele_rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
			       size_t b_len);
int __wrap_stele_rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
			       size_t b_len);
int __wrap_stele_rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
			       size_t b_len)
{
	comparison_cnt++;
	return __real_stele_rdata_compare(type, a, a_len, b, b_len);
}

int __real_stele_zone_edit_node(struct stele_zone_edit *edit, const uint8_t *owner,
				const uint8_t **ret_node, size_t *ret_node_sz,
				struct stele_error *reterr);
int __wrap_stele_zone_edit_node(struct stele_zone_edit *edit, const uint8_t *owner,
				const uint8_t **ret_node, size_t *ret_node_sz,
				struct stele_error *reterr);
int __wrap_stele_zone_edit_node(struct stele_zone_edit *edit, const uint8_t *owner,
				const uint8_t **ret_node, size_t *ret_node_sz,
				struct stele_error *reterr)
{
	lookup_cnt++;
	return __real_stele_zone_edit_node(edit, owner, ret_node, ret_node_sz, reterr);
}

int __real_stele_zone_edit_find(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
				struct stele_node_rrset *ret_rrset, struct stele_error *reterr);
int __wrap_stele_zone_edit_find(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
				struct stele_node_rrset *ret_rrset, struct stele_error *reterr);
int __wrap_stele_zone_edit_find(struct stele_zone_edit *edit, const uint8_t *owner, uint16_t type,
				struct stele_node_rrset *ret_rrset, struct stele_error *reterr)
{
	lookup_cnt++;
	return __real_stele_zone_edit_find(edit, owner, type, ret_rrset, reterr);
}

/* ---- asking ---- */

#define ASKED_MAX 8192
static struct stele_update_rr asked[ASKED_MAX];
static size_t asked_cnt;

static void ask(const char *owner, uint16_t type, uint16_t class_, const char *rdata)
{
	struct stele_update_rr rr = {
		.owner = (const uint8_t *)owner,
		.lower = (const uint8_t *)owner,
		.owner_len = strlen(owner) + 1,
		.type = type,
		.class_ = class_,
		.rdata = (const uint8_t *)rdata,
		.rdlen = strlen(rdata),
	};
	assert_true(asked_cnt < ASKED_MAX);
	asked[asked_cnt++] = rr;
}

/* Of all that was asked, which is forgotten. */
static uint16_t answer(struct fixture *f, const struct model *zone)
{
	struct stele_update update = {
		.class_ = STELE_CLASS_IN, .prerequisites = asked, .prerequisite_cnt = asked_cnt};
	struct stele_store_write *write;
	struct stele_zone_edit *edit;
	uint16_t rcode = 0xffff;
	ok(f, stele_store_write_begin(f->store, &write, &f->err));
	ok(f, model_replace(write, apex, zone, NULL, &f->err));
	ok(f, stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_LENIENT, "test", &edit, &f->err));
	comparison_cnt = lookup_cnt = 0;
	ok(f, stele_update_prerequisites(&update, edit, &rcode, &f->err));
	stele_zone_edit_end(edit);
	stele_store_abort(write);
	asked_cnt = 0;
	return rcode;
}

/* ---- random zones ---- */

enum { OWNER_CNT = 4, TYPE_CNT = 5, DATA_CNT = 3 };
/* The last name is that of an NSEC3; of the last but one there is nothing. */
static const char *const owners[OWNER_CNT] = {"\1a\4test", "\1b\1a\4test", "\1z\4test",
					      "\040"
					      "040g40o0000000000000000000000000"
					      "\4test"};
static const uint16_t types[TYPE_CNT] = {STELE_TYPE_TXT, STELE_TYPE_RRSIG, 65280, STELE_TYPE_NSEC3,
					 STELE_TYPE_ANY};
static const char *const data[DATA_CNT] = {"\1x", "\1y", "\1z"};

/* Whether a record is in the zone. */
static bool zone_has[OWNER_CNT][TYPE_CNT][DATA_CNT];

static bool draw(unsigned one_of)
{
	return (unsigned)rand() % one_of == 0;
}

static void put_type(uint8_t **node, size_t *node_sz, unsigned owner, unsigned type, bool sigs)
{
	const char *texts[2 * DATA_CNT];
	unsigned cnt = 0, sig_cnt = 0;
	for (unsigned i = 0; i < DATA_CNT; i++)
		if (zone_has[owner][type][i])
			texts[cnt++] = data[i];
	for (unsigned i = 0; sigs && i < DATA_CNT; i++)
		if (zone_has[owner][1][i]) {
			texts[cnt++] = data[i];
			sig_cnt++;
		}
	if (cnt > 0)
		node_add(node, node_sz, types[type], 300, texts, cnt, sig_cnt);
}

static void make_zone(struct model *zone)
{
	memset(zone_has, 0, sizeof(zone_has));
	model_put_soa(zone, 1);
	for (unsigned owner = 0; owner < 2; owner++) {
		uint8_t *node = NULL, key[STELE_SORT_KEY_MAX];
		size_t node_sz = 0, len = strlen(owners[owner]) + 1;
		for (unsigned type = 0; type < 3; type++)
			for (unsigned i = 0; i < DATA_CNT; i++)
				zone_has[owner][type][i] = draw(2);
		put_type(&node, &node_sz, owner, 0, true);
		put_type(&node, &node_sz, owner, 2, false);
		if (node_sz > 0)
			model_put(zone, STELE_STORE_NODES, key,
				  stele_sort_key((const uint8_t *)owners[owner], len - sizeof(apex),
						 key),
				  node, node_sz);
	}
	zone_has[3][3][1] = true;
	model_put_nsec3(zone, 1, data[1]);
}

static bool rrset_exists(unsigned owner, unsigned type)
{
	for (unsigned i = 0; i < DATA_CNT; i++)
		if (zone_has[owner][type][i])
			return true;
	return false;
}

static bool name_exists(unsigned owner)
{
	bool exists = false;
	for (unsigned type = 0; type < TYPE_CNT; type++)
		exists = exists || rrset_exists(owner, type);
	return exists;
}

/* What the last block of questions is to be answered with. */
static uint16_t expected;
static bool data_differ;

static void ask_existence(unsigned owner, unsigned type)
{
	bool wanted = draw(2);
	bool is_name = types[type] == STELE_TYPE_ANY;
	bool exists = is_name ? name_exists(owner) : rrset_exists(owner, type);
	/* Mostly what holds, or few messages would get far. */
	if (!draw(8))
		wanted = exists;
	ask(owners[owner], types[type], wanted ? STELE_CLASS_ANY : STELE_CLASS_NONE, "");
	if (expected != STELE_RCODE_NOERROR || wanted == exists)
		return;
	if (wanted)
		expected = is_name ? STELE_RCODE_NXDOMAIN : STELE_RCODE_NXRRSET;
	else
		expected = is_name ? STELE_RCODE_YXDOMAIN : STELE_RCODE_YXRRSET;
}

/* Of an RRset, once a message: all that it has, some of it twice, or something else. */
static void ask_data(unsigned owner, unsigned type)
{
	bool faulty = draw(8), asked_any = false, same = true;
	unsigned from = (unsigned)rand() % DATA_CNT;
	for (unsigned i = 0; i < DATA_CNT; i++) {
		unsigned k = (from + i) % DATA_CNT;
		bool asks = zone_has[owner][type][k] != (faulty && draw(2));
		for (unsigned times = draw(2) ? 2 : 1; asks && times > 0; times--)
			ask(owners[owner], types[type], STELE_CLASS_IN, data[k]);
		asked_any = asked_any || asks;
		same = same && asks == zone_has[owner][type][k];
	}
	data_differ = data_differ || (asked_any && !same);
}

static void shuffle(void)
{
	for (size_t i = asked_cnt; i > 1; i--) {
		size_t k = (size_t)rand() % i;
		struct stele_update_rr rr = asked[i - 1];
		asked[i - 1] = asked[k];
		asked[k] = rr;
	}
}

static void test_as_the_rfc_says(void **state)
{
	struct fixture *f = *state;
	unsigned cnt[16] = {0};
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct model zone = {0};
		make_zone(&zone);
		expected = STELE_RCODE_NOERROR;
		data_differ = false;
		for (unsigned owner = 0; owner < OWNER_CNT; owner++)
			for (unsigned type = 0; type < TYPE_CNT; type++)
				if (draw(4))
					ask_data(owner, type);
		shuffle();
		for (unsigned k = (unsigned)rand() % 5; k > 0; k--)
			ask_existence((unsigned)rand() % OWNER_CNT, (unsigned)rand() % TYPE_CNT);
		if (draw(16)) {
			ask(owners[0], STELE_TYPE_ANY, STELE_CLASS_ANY, "");
			asked[asked_cnt - 1].rcode = STELE_RCODE_FORMERR;
			expected = expected != STELE_RCODE_NOERROR ? expected : STELE_RCODE_FORMERR;
			/* It is not looked at any more. */
			ask(owners[2], STELE_TYPE_ANY, STELE_CLASS_ANY, "");
		}
		if (expected == STELE_RCODE_NOERROR && data_differ)
			expected = STELE_RCODE_NXRRSET;
		cnt[expected]++;
		assert_int_equal(answer(f, &zone), expected);
		model_free(&zone);
	}
	static const uint16_t rcodes[] = {STELE_RCODE_NOERROR,  STELE_RCODE_FORMERR,
					  STELE_RCODE_NXDOMAIN, STELE_RCODE_YXDOMAIN,
					  STELE_RCODE_NXRRSET,  STELE_RCODE_YXRRSET};
	for (unsigned i = 0; i < sizeof(rcodes) / sizeof(rcodes[0]); i++)
		assert_true(cnt[rcodes[i]] > 100);
}

/* ---- the work ---- */

/* As many as a message has room for, and as an RRset. */
enum { MANY = 5000 };

static void put_many(struct model *zone, char (*texts)[8])
{
	static const char *rdatas[MANY];
	model_put_soa(zone, 1);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(texts[i], sizeof(texts[i]), "\4%04u", i);
		rdatas[i] = texts[i];
	}
	model_put_rrset(zone, "\1a", 2, STELE_TYPE_TXT, 300, rdatas, MANY, 0);
}

static void test_work_of_data(void **state)
{
	struct fixture *f = *state;
	static char texts[MANY][8];
	struct model zone = {0};
	put_many(&zone, texts);
	for (unsigned i = MANY; i-- > 0;)
		ask(owners[0], STELE_TYPE_TXT, STELE_CLASS_IN, texts[i]);
	assert_int_equal(answer(f, &zone), STELE_RCODE_NOERROR);
	/* Sorted, looked for, and compared with the one before; 2^13 is more than there are. */
	assert_in_range(comparison_cnt, MANY, (13 + 13 + 1) * MANY);
	assert_int_equal(lookup_cnt, 1);
	model_free(&zone);
}

/* Of names in turns, so that none has to do with the one before. */
static void test_work_of_existence(void **state)
{
	struct fixture *f = *state;
	static char texts[MANY][8];
	struct model zone = {0};
	put_many(&zone, texts);
	for (unsigned i = 0; i < MANY; i++) {
		ask(owners[0], STELE_TYPE_TXT, STELE_CLASS_ANY, "");
		ask(owners[2], (uint16_t)(i < STELE_TYPE_ANY ? STELE_TYPE_TXT : 256 + i),
		    STELE_CLASS_NONE, "");
		if (asked_cnt + 2 > MANY)
			break;
	}
	assert_int_equal(answer(f, &zone), STELE_RCODE_NOERROR);
	assert_int_equal(lookup_cnt, 2);
	model_free(&zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_as_the_rfc_says),
		TEST(test_work_of_data),
		TEST(test_work_of_existence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
