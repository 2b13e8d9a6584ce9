/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a zone refused, and what is only warned of; and the nodes that come of a good one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/zone/check.h"
#include "zonecompiler/import/cursor.h"
#include "zonecompiler/import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1700000000u /* 2023-11-14 22:13:20 */

static char told[1 << 16];  /* what was reported, line by line */
static char nodes[1 << 20]; /* what came out: "key TYPE ttl records+signatures" by owner */

static void note_text(void *user, const char *text)
{
	(void)user;
	size_t len = strlen(told);
	assert_true(len + strlen(text) + 2 < sizeof(told));
	sprintf(told + len, "%s\n", text);
}

static int note_node(void *user, enum stele_store_table table, const struct stele_store_item *item)
{
	(void)user;
	uint8_t name[STELE_NAME_MAX + 1];
	char text[STELE_NAME_TEXT_MAX] = "NSEC3", type[STELE_RRTYPE_TEXT_MAX];
	assert_true(stele_node_check(item->node, item->node_sz));
	if (table == STELE_STORE_NODES) {
		int len = stele_sort_key_to_name(item->key, item->key_len, name);
		assert_true(len >= 0);
		name[len] = 0;
		stele_name_to_text(name, text);
	}
	size_t at = 0, len = strlen(nodes);
	struct stele_node_rrset rrset;
	len += (size_t)sprintf(nodes + len, "%s", text);
	while (stele_node_next(item->node, item->node_sz, &at, &rrset))
		len += (size_t)sprintf(nodes + len, " %s/%u/%u+%u",
				       stele_rrtype_to_text(rrset.type, type), rrset.ttl,
				       rrset.rr_cnt, rrset.sig_cnt);
	sprintf(nodes + len, "\n");
	return 0;
}

static const char *no_name(const void *user, uint16_t file)
{
	(void)user;
	(void)file;
	return "f";
}

static int import_text(const char *text, bool named)
{
	static const uint8_t apex[] = "\1e";
	struct stele_report report = {.emit = note_text};
	struct stele_import *import;
	struct stele_zone_stats stats;
	struct stele_error err;
	size_t len = strlen(text);
	uint8_t *copy = calloc(1, len + STELE_CURSOR_SLACK);
	assert_non_null(copy);
	memcpy(copy, text, len);
	told[0] = nodes[0] = '\0';
	assert_int_equal(stele_import_new(&report, &import), 0);
	int status = stele_import_read_text(import, "f", copy, len, apex, named ? sizeof(apex) : 0,
					    &err);
	if (status == 0)
		status = stele_import_walk(import, NOW, note_node, NULL, &stats, &err);
	assert_int_equal(status<0, report.error_cnt> 0);
	stele_report_close(&report);
	stele_import_free(import);
	free(copy);
	return status;
}

#define HEAD "$ORIGIN e.\n$TTL 9\n@ SOA n h 1 2 3 4 5\n@ NS n.x.\n" /* 4 lines */

/* HEAD and `text`; `expected` is the beginning of a line that is told, or "" for nothing. */
static void expect(const char *text, bool refused, const char *expected)
{
	char *all;
	assert_true(asprintf(&all, "%s%s", HEAD, text) > 0);
	int status = import_text(all, true);
	const char *found = strstr(told, expected);
	bool same = *expected == '\0' ? *told == '\0' :
					found != NULL && (found == told || found[-1] == '\n');
	if (!same || (status < 0) != refused)
		print_error("%s: expected '%s', got '%s'\n", text, expected, told);
	assert_true(same);
	assert_int_equal(status < 0, refused);
	free(all);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a CNAME b\na A 1.1.1.1\n", "f:6:3: CNAME beside A at a.e."},
		{"a TXT x\na CNAME b\n", "f:6:3: CNAME beside TXT at a.e."},
		{"a CNAME b\na KEY 0 1 8 AA==\n", "f:6:3: CNAME beside KEY at a.e."},
		{"a CNAME b\na CNAME c\n", "f:6:3: second CNAME at a.e."},
		{"a DNAME b\na DNAME c\n", "f:6:3: second DNAME at a.e."},
		{"x.a A 1.1.1.1\na DNAME b\n", "f:5:1: x.a.e. is below the DNAME at a.e."},
		{"@ DNAME b.\na.b A 1.1.1.1\n", "f:6:1: a.b.e. is below the DNAME at e."},
		{"a.x. A 1.1.1.1\n", "f:5:1: a.x. is outside the zone"},
		{"xe. A 1.1.1.1\n", "f:5:1: xe. is outside the zone"},
		{"@ SOA n h 2 2 3 4 5\n", "f:5:3: second SOA"},
		{"a SOA n h 2 2 3 4 5\n", "f:5:3: SOA at a.e."},
		{"a NSEC3 1 0 0 - 2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S\n",
		 "f:5:1: owner a.e. of an NSEC3 record is no hash"},
		{"2wptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 0 0 - "
		 "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S\n",
		 "f:5:1: owner 2wptu5timamqttgl4luu9kg21e0aor3s.e. of an NSEC3 record is no hash"},
		{"a.2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 0 0 - "
		 "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S\n",
		 "f:5:1: owner a.2vptu5timamqttgl4luu9kg21e0aor3s.e. of an NSEC3 record is no"},
		{"2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 0 501 - "
		 "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S\n",
		 "f:5:34: NSEC3 with iterations 501"},
		{"2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 2 0 0 - "
		 "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S\n",
		 "f:5:34: NSEC3 hash algorithm 2"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].text, true, cases[i].expected);
	/* Several errors, in the order of owners. */
	expect("b CNAME x\nb A 1.1.1.1\na CNAME x\na A 1.1.1.1\n", true,
	       "f:8:3: CNAME beside A at a.e. (expected no other data there)\n"
	       "f:6:3: CNAME beside A at b.e. (expected no other data there)\n");
}

/* Where a fault is told: at the type of the record, or where the owner stands first. */
static void test_places(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a CNAME b\n\t7 IN  A 1.1.1.1\n", "f:6:8: CNAME beside A"},
		{"a 7 CNAME b\na A 1.1.1.1\n", "f:6:3: CNAME beside A"},
		{"a A 1.1.1.1\na 7 CNAME b\n", "f:6:5: CNAME beside A"},
		{"a CNAME b\na 7 ( A\n1.1.1.1 )\n", "f:6:7: CNAME beside A"},
		{"a CNAME b\na (\n7 A 1.1.1.1 )\n", "f:6:1: CNAME beside A"},
		{"$GENERATE 1-2 a CNAME b$\n", "f:5:1: second CNAME"},
		{"a CNAME c\na CNAME b\n", "f:6:3: second CNAME"},
		{"a DNAME c\n 7 DNAME b\n", "f:6:4: second DNAME"},
		{"a.x. TXT x\n A 1.1.1.1\n", "f:5:1: a.x. is outside"},
		{"@ DNAME b.\na TXT x\n A 1.1.1.1\n", "f:6:1: a.e. is below the DNAME"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].text, true, cases[i].expected);
	/* A column that fits no 16 bits. */
	static char far[70100];
	snprintf(far, sizeof(far), "a CNAME b\na%70000sA 1.1.1.1\n", "");
	expect(far, true, "f:6:1: CNAME beside A");
}

static void test_apex(void **state)
{
	(void)state;
	assert_true(import_text("@ 5 NS x.\n", true) < 0);
	assert_memory_equal(told, "f:1:1: no SOA record", 20);
	assert_true(import_text("@ 5 SOA n h 1 2 3 4 5\n", true) < 0);
	assert_memory_equal(told, "f:1:1: no NS record at e.", 25);
	assert_true(import_text("a 5 SOA n h 1 2 3 4 5\na NS x.\n", true) < 0);
	assert_memory_equal(told, "f:1:5: SOA at a.e. (expected it at e.", 36);
	/* Without a name the SOA's owner is it, wherever it stands. */
	assert_int_equal(import_text("a.Q. 5 A 1.1.1.1\nq. SOA n. h. 1 2 3 4 5\nq. NS x.\n", false),
			 0);
	assert_string_equal(nodes, ". NS/5/1+0 SOA/5/1+0\na. A/5/1+0\n");
	assert_true(import_text("", true) < 0);
	/* The SOA twice, as a transfer ends, is one. */
	expect("@ SOA N h 1 2 3 4 5\n", false, "");
}

static void test_rrset_size(void **state)
{
	(void)state;
	char *text = malloc(1 << 20), string[256];
	assert_non_null(text);
	memset(string, 'x', 250);
	string[250] = '\0';
	for (unsigned cnt = 244; cnt <= 248; cnt += 4) {
		size_t len = 0;
		for (unsigned i = 0; i < cnt; i++)
			len += (size_t)sprintf(text + len, "a TXT %03u%s\n", i, string);
		/* 266 bytes a record: 12, a length byte and 253 characters. */
		bool refused = cnt * 266 > 65535;
		expect(text, refused, refused ? "f:5:3: RRset a.e. TXT has 65968 bytes" : "");
	}
	free(text);
}

/* Behind header and question, which has at least the name of 5 bytes, a reply has 65,514 bytes. */
static void test_rrset_without_room(void **state)
{
	(void)state;
	static char text[1 << 17], large[2 * 65535 + 64];
	static const char rrsig[] = "a RRSIG A 8 2 9 20241114221319 20221114221319 1 @ AA==\n";
	for (unsigned cnt = 4093; cnt <= 4095; cnt++) {
		size_t len = 0;
		for (unsigned i = 0; i < cnt; i++)
			len += (size_t)sprintf(text + len, "a A 10.0.%u.%u\n", i / 256, i % 256);
		bool refused = cnt == 4095;
		static const char *const expected[] = {
			"",
			"warning: f:5:3: RRset a.e. A has 65504 bytes (expected at most 65503:",
			"f:5:3: RRset a.e. A has 65520 bytes (expected at most 65514,",
		};
		expect(text, refused, expected[cnt - 4093]);
		if (refused)
			continue;
		memcpy(text + len, rrsig, sizeof(rrsig));
		expect(text, 0,
		       cnt == 4093 ? "warning: f:5:3: RRset a.e. A has 65522 bytes with its" :
				     "warning: f:5:3: RRset a.e. A has 65538 bytes with its");
	}
	for (unsigned sz = 65502; sz <= 65503; sz++) {
		size_t len = (size_t)sprintf(large, "a TYPE65280 \\# %u ", sz);
		memset(large + len, '0', 2 * sz);
		memcpy(large + len + 2 * sz, "\n", 2);
		expect(large, sz > 65502,
		       sz > 65502 ? "f:5:3: RRset a.e. TYPE65280 has 65515" :
				    "warning: f:5:3: RRset a.e. TYPE65280 has 65514");
	}
	/* 22 bytes each, but what names shrink to is not known here. */
	size_t len = 0;
	for (unsigned i = 0; i < 2978; i++)
		len += (size_t)sprintf(text + len, "a MX %u n%03u.e.\n", i, i % 1000);
	expect(text, 0, "");
}

/* The image counts signatures of an RRset in one byte. */
static void test_signature_cnt(void **state)
{
	(void)state;
	static const struct {
		const char *owner, *type, *place, *record;
	} cases[] = {
		{"@", "SOA", "f:6:3", "; the SOA is there"},
		{"a", "A", "f:6:3", "a A 1.1.1.1"},
		{"2vptu5timamqttgl4luu9kg21e0aor3s", "NSEC3", "f:6:34",
		 "2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 0 0 - "
		 "2vptu5timamqttgl4luu9kg21e0aor3s A"},
	};
	enum { TEXT_SZ = 1 << 20 };
	char *text = malloc(TEXT_SZ);
	if (!text)
		fail_msg("no memory");
	for (unsigned k = 0; k < 3; k++)
		for (unsigned cnt = 255; cnt <= 256; cnt++) {
			size_t len = (size_t)snprintf(text, TEXT_SZ, "%s\n", cases[k].record);
			for (unsigned i = 0; i < cnt; i++)
				len += (size_t)snprintf(text + len, TEXT_SZ - len,
							"%s RRSIG %s 8 2 9 20241114221319 "
							"20230101000000 %u e. AA==\n",
							cases[k].owner, cases[k].type, i);
			char expected[128];
			snprintf(expected, sizeof(expected), "%s: RRset ", cases[k].place);
			expect(text, cnt > 255, cnt > 255 ? expected : k == 2 ? "warning: " : "");
			assert_int_equal(
				strstr(told, "has 256 signatures (expected at most 255)") != NULL,
				cnt > 255);
		}
	free(text);
}

/* All RRsets of an owner together: few enough bytes for the record of a name. */
static void test_owner_size(void **state)
{
	(void)state;
	enum { CNT = 20000, SZ = 65000 };
	static const uint8_t rdata[SZ];
	static const uint8_t apex[] = "\1e";
	struct stele_owner_rr *rrs = calloc(CNT, sizeof(*rrs));
	assert_non_null(rrs);
	for (unsigned i = 0; i < CNT; i++)
		rrs[i] = (struct stele_owner_rr){
			.type = (uint16_t)(1000 + i), .rdata = rdata, .rdata_len = SZ};
	struct stele_report report = {.emit = note_text};
	struct stele_check check = {
		.report = &report, .file_name = no_name, .apex = apex, .apex_len = sizeof(apex)};
	stele_check_begin(&check);
	const size_t most = (UINT32_C(1) << 30) / (SZ + 12);
	uint8_t key[] = "e\0a"; /* and a 0 */
	for (size_t cnt = most; cnt <= most + 1; cnt++) {
		struct stele_owner owner = {key, sizeof(key), rrs, cnt};
		told[0] = '\0';
		assert_int_equal(stele_check_owner_alone(&check, &owner, false),
				 cnt > most ? STELE_E_INPUT : 0);
		assert_string_equal(told, cnt > most ? "f: a.e. has 1073803204 bytes of data "
						       "(expected at most 1073741824)\n" :
						       "");
	}
	stele_check_free(&check);
	free(rrs);
}

static void test_warned(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"a 5 A 1.1.1.1\na 4 A 1.1.1.2\n",
		 "warning: f:6:5: RRset a.e. A has TTLs 5 and 4 (expected one; 4 is taken)"},
		{"a NS n.a\n", "warning: f:5:3: no glue of name server n.a.e."},
		{"a NS a\n", "warning: f:5:3: no glue of name server a.e."},
		{"@ NS b\n", "warning: f:5:3: no address of name server b.e."},
		{"a NS c\nc CNAME x.\n", "warning: f:5:3: NS points to c.e., which is a CNAME"},
		{"@ MX 1 c\nc CNAME x.\n", "warning: f:5:3: MX points to c.e., which is a CNAME"},
		{"2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 0 1 - "
		 "2VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S\n",
		 "warning: f:3:3: NSEC3 records, but no NSEC3PARAM"},
		{"@ NSEC3PARAM 1 0 0 -\n", "warning: f:5:3: NSEC3PARAM, but no NSEC3"},
		{"a A 1.1.1.1\na RRSIG A 8 2 9 20231114221319 20230101000000 1 e. AA==\n",
		 "warning: f:6:3: signature over a.e. A expired 20231114221319"},
		{"a A 1.1.1.1\na RRSIG A 8 2 9 20231114221321 20230101000000 1 e. AA==\n",
		 "warning: f:6:3: signature over a.e. A expires 20231114221321"},
		{"a A 1.1.1.1\na RRSIG A 8 2 9 20241114221321 20231114221321 1 e. AA==\n",
		 "warning: f:6:3: signature over a.e. A is valid from 20231114221321"},
		{"@ DNSKEY 256 3 13 AAEC\n",
		 "warning: f:5:3: no DNSKEY of algorithm 13 signs the RRset DNSKEY"},
		{"@ NSEC a NS SOA NSEC\nb A 1.1.1.1\nb NSEC @ A NSEC\n",
		 "warning: f:5:3: NSEC points to a.e. (expected b.e., the next owner)"},
		{"@ NSEC a NS SOA NSEC\na A 1.1.1.1\n", "warning: f:6:1: no NSEC at a.e."},
		{"@ NSEC a NS SOA NSEC\na A 1.1.1.1\na NSEC b A NSEC\n",
		 "warning: f:7:3: NSEC points to b.e. (expected e., the next owner)"},
		{"@ NSEC @ NS NSEC\n", "warning: f:5:3: NSEC at e. names other types"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].text, false, cases[i].expected);
}

static void test_accepted(void **state)
{
	(void)state;
	/* Each of these is next to something that is warned of or refused. */
	static const char *const cases[] = {
		"a CNAME b\na RRSIG CNAME 8 2 9 20241114221319 20230101000000 1 e. AA==\n",
		"a NS n.a\nn.a A 1.1.1.1\n",
		"a NS n.a\nn.a AAAA ::1\nx.n.a TXT below\n",
		"a NS n.b\n",
		"@ NS b\nb A 1.1.1.1\n",
		"a DNAME b\na A 1.1.1.1\naa A 1.1.1.1\n",
		"a NS x.\nb.a CNAME c\nc.b.a DNAME x.\n",
		/* A cut, an occluded name and an empty non-terminal have no part in an NSEC chain. */
		"@ NSEC c.b NS SOA NSEC\nc.b NS n.c.b\nc.b NSEC d NS NSEC\nn.c.b A 1.1.1.1\nd NSEC @ NSEC\n",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i], false, "");
}

static void test_caps(void **state)
{
	(void)state;
	char text[4096] = "";
	for (unsigned i = 0; i < 30; i++)
		sprintf(text + strlen(text), "a%02u NS n.a%02u\n", i, i);
	expect(text, false, "warning: f:5:5: no glue");
	const char *last = strstr(told, "warning: …");
	assert_non_null(last);
	assert_string_equal(last, "warning: … and 20 more name servers without address\n");
}

static void test_nodes(void **state)
{
	(void)state;
	/* Out of order, in several pieces, with duplicates that differ in case only. */
	expect("b MX 1 Q.\na.b A 1.1.1.1\nb TXT x\nB MX 1 q.\n"
	       "b RRSIG MX 8 2 3 20241114221319 20230101000000 1 e. AA==\n*.b A 1.1.1.1\n"
	       "\\000.b A 1.1.1.1\nb MX 0 z.\nb RRSIG LOC 8 2 3 20241114221319 20230101000000 1 e. "
	       "AA==\n",
	       false, "");
	assert_string_equal(nodes, ". NS/9/1+0 SOA/9/1+0\n"
				   "b. MX/9/2+1 TXT/9/1+0 LOC/9/0+1\n"
				   "\\000.b. A/9/1+0\n"
				   "*.b. A/9/1+0\n"
				   "a.b. A/9/1+0\n");
}

/* A chain of one: the apex alone, with its hash as RFC 5155 computes it. */
static void test_nsec3(void **state)
{
	(void)state;
	static const char good[] = "@ NSEC3PARAM 1 0 0 -\n"
				   "%s NSEC3 1 0 0 - %s NS SOA NSEC3PARAM\n";
	char text[400];
	snprintf(text, sizeof(text), good, "2vptu5timamqttgl4luu9kg21e0aor3s",
		 "2vptu5timamqttgl4luu9kg21e0aor3s");
	expect(text, false, "warning: f:3:1: no NSEC3 for e. (expected one at ");
	char hash[33];
	snprintf(hash, sizeof(hash), "%.32s", strstr(told, "one at ") + 7);
	snprintf(text, sizeof(text), good, hash, hash);
	expect(text, false, "");
	snprintf(text, sizeof(text), good, hash, "2vptu5timamqttgl4luu9kg21e0aor3s");
	expect(text, false, "warning: f:6:34: NSEC3 points to 2vptu5timamqttgl4luu9kg21e0aor3s");
	assert_non_null(strstr(nodes, "\nNSEC3 NSEC3/9/1+0\n"));
}

/* Owners have records of one chain each, though a zone may have several chains. */
static void test_nsec3_of_two_chains(void **state)
{
	(void)state;
#define A_HASH "2vptu5timamqttgl4luu9kg21e0aor3s"
#define B_HASH "3vptu5timamqttgl4luu9kg21e0aor3s"
	static const struct {
		const char *first, *second;
		bool refused;
	} cases[] = {
		{"1 0 0 -", "1 0 0 AB", true},   {"1 0 0 AC", "1 0 0 AB", true},
		{"1 0 0 AB", "1 0 1 AB", true},  {"1 0 0 AB", "1 0 0 ABAB", true},
		{"1 0 0 AB", "1 1 0 AB", false}, /* opt-out is no parameter of the hash */
	};
	char text[400];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned turn = 0; turn < 2; turn++) {
			snprintf(text, sizeof(text),
				 A_HASH " NSEC3 %s " A_HASH " A\n" A_HASH " NSEC3 %s " B_HASH
					" A\n",
				 turn == 0 ? cases[i].first : cases[i].second,
				 turn == 0 ? cases[i].second : cases[i].first);
			expect(text, cases[i].refused,
			       cases[i].refused ?
				       "f:6:34: NSEC3 records of two chains at " A_HASH
				       ".e. (expected one salt and one number of iterations)" :
				       "warning: ");
		}
	expect(A_HASH " NSEC3 1 0 0 AB " A_HASH " A\n" B_HASH " NSEC3 1 0 0 - " B_HASH " A\n",
	       false, "warning: ");
}

/* Shuffled owners come out as sorted ones do. */
static void test_order(void **state)
{
	(void)state;
	static char sorted[100000], shuffled[100000], first[sizeof(nodes)];
	unsigned numbers[3000];
	for (unsigned i = 0; i < 3000; i++)
		numbers[i] = i;
	for (unsigned round = 0; round < 2; round++) {
		size_t len = 0;
		char *text = round == 0 ? sorted : shuffled;
		for (unsigned i = 0; i < 3000; i++)
			len += (size_t)sprintf(text + len, "n%04u.%u A 1.1.1.1\n", numbers[i],
					       numbers[i] % 7);
		expect(text, false, "");
		if (round == 0)
			memcpy(first, nodes, strlen(nodes) + 1);
		uint64_t x = 88172645463325252u;
		for (unsigned i = 2999; i > 0; i--) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			unsigned other = (unsigned)(x % (i + 1)), swap = numbers[i];
			numbers[i] = numbers[other];
			numbers[other] = swap;
		}
	}
	assert_string_equal(nodes, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_apex),
		cmocka_unit_test(test_rrset_size),
		cmocka_unit_test(test_rrset_without_room),
		cmocka_unit_test(test_warned),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_nsec3),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nsec3_of_two_chains),
		cmocka_unit_test(test_signature_cnt),
		cmocka_unit_test(test_owner_size),
	};
	return cmocka_run_group_tests_name("import-rules", tests, NULL, NULL);
}
