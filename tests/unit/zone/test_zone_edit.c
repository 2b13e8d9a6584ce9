/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edit sessions. Their oracle is the zone as a whole: a plain list of records lives through the same changes
 * and is written to a second store with stele_zone_write(). Both stores must tell the same, byte for byte, and
 * what is refused here must be refused there.
 */
#include "tests/unit/store/store_dump.h"
#include "tests/unit/store/two_stores.h"
#include "tests/unit/zone/record_list.h"

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- records ---- */

static struct rr make(const char *owner, uint16_t type, uint32_t ttl, const void *rdata, size_t len)
{
	struct rr rr = {.type = type, .ttl = ttl, .len = len};
	int owner_len = stele_name_from_text(owner, strlen(owner), rr.owner);
	assert_true(owner_len > 0 && len <= sizeof(rr.rdata));
	rr.owner_len = (size_t)owner_len;
	stele_name_lower(rr.owner, rr.owner, rr.owner_len);
	memcpy(rr.rdata, rdata, len);
	return rr;
}

#define BYTES(text) text, sizeof(text) - 1

static struct rr make_soa(uint32_t serial)
{
	uint8_t rdata[22] = {0};
	stele_put_be32(rdata + 2, serial);
	return make("example.", STELE_TYPE_SOA, 60, rdata, sizeof(rdata));
}

static struct rr make_sig(const char *owner, uint16_t covered, uint32_t ttl, char last)
{
	uint8_t rdata[20] = {0};
	stele_put_be16(rdata, covered);
	rdata[19] = (uint8_t)last;
	return make(owner, STELE_TYPE_RRSIG, ttl, rdata, sizeof(rdata));
}

static struct rr make_nsec3(const char *owner, uint32_t ttl, char last)
{
	uint8_t rdata[26] = {1, 0, 0, 0, 0, 20};
	rdata[25] = (uint8_t)last;
	return make(owner, STELE_TYPE_NSEC3, ttl, rdata, sizeof(rdata));
}

static const char *const owners[] = {
	"example.",
	"example.",
	"a.example.",
	"B.example.",
	"a.b.example.",
	"*.b.example.",
	"x.a.b.example.",
	"d.example.",
	"x.d.example.",
	"2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.",
	"gjeqe526plbf1g8mklp59enfd789njgi.example.",
	"x.gjeqe526plbf1g8mklp59enfd789njgi.example.",
	"other.",
	"xexample.",
};

static struct rr random_rr(void)
{
	static const uint16_t covered[] = {STELE_TYPE_A,     STELE_TYPE_TXT, STELE_TYPE_SOA,
					   STELE_TYPE_NSEC3, STELE_TYPE_NS,  STELE_TYPE_CNAME};
	const char *owner = owners[draw(sizeof(owners) / sizeof(owners[0]))];
	uint32_t ttl = 60 + draw(3);
	char c = (char)draw(4);
	char address[] = {1, 2, 3, c}, text[] = {1, c};
	switch (draw(20)) {
	case 0:
		return make(owner, STELE_TYPE_CNAME, ttl, BYTES("\1x\0"));
	case 1:
		return draw(4) > 0 ? make(owner, STELE_TYPE_TXT, ttl, text, sizeof(text)) :
				     make(owner, STELE_TYPE_DNAME, ttl, BYTES("\1y\0"));
	case 2:
	case 3:
	case 4:
		return make(owner, STELE_TYPE_TXT, ttl, text, sizeof(text));
	case 5:
	case 6:
		return draw(2) > 0 ? make(owner, STELE_TYPE_NS, ttl, BYTES("\1N\0")) :
				     make(owner, STELE_TYPE_NS, ttl, BYTES("\1n\0"));
	case 7:
		return make(owner, STELE_TYPE_NS, ttl, BYTES("\1m\0"));
	case 8:
	case 9:
	case 10:
		return make_sig(owner, covered[draw(6)], ttl, c);
	case 11:
	case 12:
		return make_nsec3(draw(8) > 0 ? owners[9 + draw(2)] : owner, ttl, c);
	case 13:
		return make_sig(owners[9 + draw(2)], STELE_TYPE_NSEC3, ttl, c);
	case 14:
		return draw(20) > 0 ? make(owner, 65280, ttl, &c, 1) : make_soa(draw(9));
	default:
		return make(owner, STELE_TYPE_A, ttl, address, sizeof(address));
	}
}

/* ---- random sessions ---- */

struct session {
	struct two_stores *f;
	struct stele_zone_edit *edit;
	struct list list;
	bool lenient;
};

/* What a session tells of an RRset is what the list has. */
static void expect_rrset(struct session *s, const struct rr *rr)
{
	struct stele_node_rrset rrset = {0};
	int status = stele_zone_edit_find(s->edit, rr->owner, rr->type, &rrset, &s->f->err);
	unsigned cnt = rr->type == STELE_TYPE_RRSIG ? 0 : list_count(&s->list, rr);
	assert_int_equal(status, cnt > 0 ? 0 : STELE_E_NOTFOUND);
	assert_int_equal(rrset.rr_cnt, cnt);
}

static void random_change(struct session *s)
{
	struct rr rr = random_rr();
	if (draw(3) == 0 && s->list.cnt > 0) /* one that is there */
		rr = s->list.rrs[draw((uint32_t)s->list.cnt)];
	uint8_t owner[STELE_NAME_MAX];
	for (size_t i = 0; i < rr.owner_len; i++) /* any case, lengths are below 64 */
		owner[i] = rr.owner[i] >= 'a' && rr.owner[i] <= 'z' && draw(3) == 0 ?
				   (uint8_t)(rr.owner[i] - 32) :
				   rr.owner[i];
	bool is_there = list_find(&s->list, &rr) != SIZE_MAX;
	bool in_zone = stele_name_is_below(rr.owner, rr.owner_len, apex, sizeof(apex));
	bool is_nsec3 = set_of(&rr) == STELE_TYPE_NSEC3;
	bool fits = in_zone && (!is_nsec3 || (rr.owner[0] == 32 && rr.owner[33] == 7));
	struct stele_error *err = &s->f->err;
	int status;
	uint32_t kind = draw(s->lenient ? 8 : 6);
	if (kind < 3) {
		status =
			stele_zone_edit_add(s->edit, owner, rr.type, rr.ttl, rr.rdata, rr.len, err);
		assert_int_equal(status, !fits || (is_there && !s->lenient) ? STELE_E_INPUT : 0);
		if (status == 0)
			list_add(&s->list, &rr, s->lenient);
	} else if (kind < 6) {
		status = stele_zone_edit_delete(s->edit, owner, rr.type, rr.rdata, rr.len, err);
		bool refused = s->lenient ? !in_zone : !fits || !is_there;
		assert_int_equal(status, refused ? STELE_E_INPUT : 0);
		if (status == 0)
			list_delete(&s->list, &rr, s->lenient);
	} else if (kind == 6) {
		status = stele_zone_edit_delete_rrset(s->edit, owner, rr.type, err);
		assert_int_equal(status, in_zone ? 0 : STELE_E_INPUT);
		list_remove_set(&s->list, &rr, false);
	} else {
		status = stele_zone_edit_delete_name(s->edit, owner, err);
		assert_int_equal(status, in_zone ? 0 : STELE_E_INPUT);
		if (in_zone)
			list_remove_set(&s->list, &rr, true);
	}
	if (status < 0)
		assert_true(strncmp(err->text, source, strlen(source)) == 0);
	expect_rrset(s, &rr);
	rr = random_rr();
	expect_rrset(s, &rr);
}

static void set_serial(struct session *s, uint32_t serial)
{
	struct rr soa = make_soa(serial);
	for (size_t i = s->list.cnt; i-- > 0;)
		if (same_owner(&s->list.rrs[i], &soa) && set_of(&s->list.rrs[i]) == STELE_TYPE_SOA)
			list_remove(&s->list, i);
	list_add(&s->list, &soa, true);
	two_stores_ok(s->f, stele_zone_edit_set_serial(s->edit, serial, &s->f->err));
}

static void test_random_sessions(void **state)
{
	struct two_stores *f = *state;
	const char *seed = getenv("STELE_SEED");
	draw_seed(seed != NULL ? (uint32_t)strtoul(seed, NULL, 10) : 20501);
	struct list list = {0};
	struct rr soa = make_soa(1), ns = make("example.", STELE_TYPE_NS, 60, BYTES("\1n\0"));
	list_add(&list, &soa, false);
	list_add(&list, &ns, false);
	struct stele_store_write *a, *b;
	two_stores_ok(f, stele_store_write_begin(f->store, &a, &f->err));
	two_stores_ok(f, stele_store_write_begin(f->twin, &b, &f->err));
	two_stores_ok(f, write_list(a, &list, NULL));
	two_stores_ok(f, write_list(b, &list, NULL));
	two_stores_ok(f, stele_store_commit(a, NULL, &f->err));
	two_stores_ok(f, stele_store_commit(b, NULL, &f->err));
	unsigned refused = 0, applied = 0;
	uint32_t serial = 1;
	for (unsigned round = 0; round < 600; round++) {
		two_stores_ok(f, stele_store_write_begin(f->store, &a, &f->err));
		two_stores_ok(f, stele_store_write_begin(f->twin, &b, &f->err));
		for (uint32_t n = 1 + draw(9); n > 0; n--) {
			struct session s = {
				.f = f, .list = list_clone(&list), .lenient = draw(2) == 0};
			two_stores_ok(f, stele_zone_edit_begin(a, apex,
							       s.lenient ? STELE_ZONE_EDIT_LENIENT :
									   STELE_ZONE_EDIT_STRICT,
							       source, &s.edit, &f->err));
			for (uint32_t k = draw(8); k > 0; k--)
				random_change(&s);
			struct rr any_soa = make_soa(0);
			if (draw(8) > 0 && list_count(&s.list, &any_soa) > 0)
				set_serial(&s, serial + 1);

			two_stores_ok(f, stele_store_write_nest(b, &f->err));
			struct stele_zone_info info_a = {0}, info_b = {0};
			int expected = write_list(b, &s.list, &info_b);
			int changes = stele_zone_edit_changes(s.edit, &f->err);
			struct stele_zone_info before = *stele_zone_edit_zone(s.edit);
			int status = stele_zone_edit_apply(s.edit, &info_a, &f->err);
			if (status != expected)
				fail_msg("round %u: %d, not %d: %s", round, status, expected,
					 f->err.text);
			stele_zone_edit_end(s.edit);
			if (status == 0) {
				two_stores_ok(f, stele_store_nest_commit(b, &f->err));
				assert_memory_equal(&info_a, &info_b, sizeof(info_a));
				if (n == 1 && before.generation < info_a.generation)
					assert_int_equal(changes, 1);
				if (changes == 0)
					assert_int_equal(info_a.generation, before.generation);
				drop_lost_signatures(&s.list);
				level_ttls(&s.list);
				free(list.rrs);
				list = s.list;
				serial = info_a.serial;
				applied++;
			} else {
				stele_store_nest_abort(b);
				free(s.list.rrs);
				refused++;
			}
		}
		two_stores_ok(f, stele_store_commit(a, NULL, &f->err));
		two_stores_ok(f, stele_store_commit(b, NULL, &f->err));
		if (round % 4 != 0)
			continue;
		struct stele_store_read *read_a, *read_b;
		two_stores_ok(f, stele_store_read_begin(f->store, &read_a, &f->err));
		two_stores_ok(f, stele_store_read_begin(f->twin, &read_b, &f->err));
		uint32_t from = serial - draw(20);
		struct dump x = dump_read(read_a, 0, from), y = dump_read(read_b, 0, from);
		assert_int_equal(x.sz, y.sz);
		assert_memory_equal(x.bytes, y.bytes, x.sz);
		free(x.bytes);
		free(y.bytes);
		stele_store_read_end(read_a);
		stele_store_read_end(read_b);
	}
	assert_true(applied > 500);
	assert_true(refused > 200);
	free(list.rrs);
}

/* ---- by hand ---- */

static void load(struct two_stores *f, const struct rr *rrs, size_t cnt)
{
	struct list list = {0};
	struct rr soa = make_soa(1), ns = make("example.", STELE_TYPE_NS, 60, BYTES("\1n\0"));
	list_add(&list, &soa, false);
	list_add(&list, &ns, false);
	for (size_t i = 0; i < cnt; i++)
		list_add(&list, &rrs[i], false);
	struct stele_store_write *write;
	two_stores_ok(f, stele_store_write_begin(f->store, &write, &f->err));
	two_stores_ok(f, write_list(write, &list, NULL));
	two_stores_ok(f, stele_store_commit(write, NULL, &f->err));
	free(list.rrs);
}

static int add_rr(struct stele_zone_edit *edit, const struct rr *rr, struct stele_error *err)
{
	return stele_zone_edit_add(edit, rr->owner, rr->type, rr->ttl, rr->rdata, rr->len, err);
}

/* Each fault by its text; afterwards the write still works. */
static void test_refused(void **state)
{
	struct two_stores *f = *state;
	const struct rr old[] = {
		make("a.b.example.", STELE_TYPE_A, 60, BYTES("\1\2\3\4")),
		make("d.example.", STELE_TYPE_DNAME, 60, BYTES("\1y\0")),
		make("c.example.", STELE_TYPE_CNAME, 60, BYTES("\1x\0")),
	};
	load(f, old, sizeof(old) / sizeof(old[0]));
	const char hash[] = "gjeqe526plbf1g8mklp59enfd789njgi.example.";
	struct rr sha2 = make_nsec3(hash, 60, 1), often = make_nsec3(hash, 60, 1);
	sha2.rdata[0] = 2;
	often.rdata[2] = 9;
	const struct {
		struct rr rr;
		const char *text;
	} cases[] = {
		{make("www.other.", STELE_TYPE_A, 60, BYTES("\1\2\3\4")), "outside the zone"},
		{make("a.example.", STELE_TYPE_A, 60, BYTES("\1\2\3")), "the data is not"},
		{make("a.example.", STELE_TYPE_ANY, 60, BYTES("")), "no record of a zone"},
		{make_nsec3("a.example.", 60, 1), "the owner is no hash"},
		{make_sig("a.example.", STELE_TYPE_NSEC3, 60, 1), "the owner is no hash"},
		{make_soa(2), "second SOA"},
		{make("c.example.", STELE_TYPE_A, 60, BYTES("\1\2\3\4")), "CNAME beside A"},
		{make("c.example.", STELE_TYPE_CNAME, 60, BYTES("\1z\0")), "second CNAME"},
		{make("d.example.", STELE_TYPE_DNAME, 60, BYTES("\1z\0")), "second DNAME"},
		{make("x.y.d.example.", STELE_TYPE_A, 60, BYTES("\1\2\3\4")),
		 "x.y.d.example. is below the DNAME at d.example."},
		{make("b.example.", STELE_TYPE_DNAME, 60, BYTES("\1z\0")),
		 "a.b.example. is below the DNAME at b.example."},
		{make("example.", STELE_TYPE_DNAME, 60, BYTES("\1z\0")),
		 "is below the DNAME at example."},
		{make("sub.example.", STELE_TYPE_SOA, 60, make_soa(1).rdata, 22),
		 "SOA at sub.example."},
		{sha2, "hash algorithm 2"},
		{often, "iterations 2304"},
	};
	struct stele_store_write *write;
	two_stores_ok(f, stele_store_write_begin(f->store, &write, &f->err));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stele_zone_edit *edit;
		two_stores_ok(f, stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_LENIENT, source,
						       &edit, &f->err));
		int status = add_rr(edit, &cases[i].rr, &f->err);
		if (status == 0)
			status = stele_zone_edit_apply(edit, NULL, &f->err);
		assert_int_equal(status, STELE_E_INPUT);
		if (strncmp(f->err.text, "a test: ", 8) != 0 ||
		    strstr(f->err.text, cases[i].text) == NULL)
			fail_msg("case %zu: %s", i, f->err.text);
		stele_zone_edit_end(edit);
	}
	/* An RRset of 65,536 bytes and more: few large records, or very many small ones. */
	static uint8_t large[40000];
	for (size_t i = 0; i < sizeof(large); i += 250)
		large[i] = 249;
	struct stele_zone_edit *edit;
	two_stores_ok(f, stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_LENIENT, source, &edit,
					       &f->err));
	for (uint8_t i = 0; i < 2; i++) {
		large[1] = i;
		two_stores_ok(f, stele_zone_edit_add(edit, old[0].owner, STELE_TYPE_TXT, 1, large,
						     sizeof(large), &f->err));
	}
	assert_int_equal(stele_zone_edit_check(edit, &f->err), STELE_E_INPUT);
	assert_non_null(strstr(f->err.text, "has 80024 bytes"));
	two_stores_ok(f, stele_zone_edit_delete_rrset(edit, old[0].owner, STELE_TYPE_TXT, &f->err));
	two_stores_ok(f, stele_zone_edit_check(edit, &f->err));
	int status = 0;
	uint32_t cnt = 0;
	for (; status == 0 && cnt < 10000; cnt++) {
		uint8_t address[4];
		stele_put_be32(address, cnt);
		status = stele_zone_edit_add(edit, old[0].owner, STELE_TYPE_A, 1, address, 4,
					     &f->err);
	}
	assert_int_equal(status, STELE_E_INPUT);
	assert_non_null(strstr(f->err.text, "too many records"));
	assert_true(cnt < 6000);
	stele_zone_edit_end(edit);

	/* The 256th signature, one at a time, and then one that is gone again. */
	two_stores_ok(f, stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_LENIENT, source, &edit,
					       &f->err));
	for (unsigned i = 0; i < 256; i++) {
		two_stores_ok(f, stele_zone_edit_check(edit, &f->err));
		struct rr sig = make_sig("a.b.example.", STELE_TYPE_A, 60, (char)i);
		two_stores_ok(f, add_rr(edit, &sig, &f->err));
	}
	assert_int_equal(stele_zone_edit_check(edit, &f->err), STELE_E_INPUT);
	assert_non_null(strstr(f->err.text, "a.b.example. A has 256 signatures"));
	assert_int_equal(stele_zone_edit_apply(edit, NULL, &f->err), STELE_E_INPUT);
	stele_zone_edit_end(edit);

	/* No SOA, no NS at the apex. */
	for (unsigned i = 0; i < 2; i++) {
		two_stores_ok(f, stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_STRICT, source,
						       &edit, &f->err));
		two_stores_ok(f, stele_zone_edit_delete_rrset(
					 edit, apex, i == 0 ? STELE_TYPE_SOA : STELE_TYPE_NS,
					 &f->err));
		assert_int_equal(stele_zone_edit_apply(edit, NULL, &f->err), STELE_E_INPUT);
		assert_non_null(strstr(f->err.text, i == 0 ? "no SOA" : "no NS"));
		stele_zone_edit_end(edit);
	}
	/* A zone that is not there, and one that was never loaded. */
	assert_int_equal(stele_zone_edit_begin(write, (const uint8_t *)"\5other",
					       STELE_ZONE_EDIT_STRICT, source, &edit, &f->err),
			 STELE_E_NOTFOUND);
	two_stores_ok(f, stele_store_zone_stub(write, (const uint8_t *)"\5other", &f->err));
	assert_int_equal(stele_zone_edit_begin(write, (const uint8_t *)"\5other",
					       STELE_ZONE_EDIT_STRICT, source, &edit, &f->err),
			 STELE_E_NOTFOUND);

	/* What made a fault may go in the same session. */
	two_stores_ok(f, stele_zone_edit_begin(write, apex, STELE_ZONE_EDIT_STRICT, source, &edit,
					       &f->err));
	two_stores_ok(f, add_rr(edit, &cases[10].rr, &f->err));
	assert_int_equal(stele_zone_edit_check(edit, &f->err), STELE_E_INPUT);
	two_stores_ok(f, stele_zone_edit_delete_name(edit, old[0].owner, &f->err));
	struct stele_zone_info info;
	two_stores_ok(f, stele_zone_edit_apply(edit, &info, &f->err));
	assert_int_equal(info.rr_cnt, 5);
	assert_int_equal(stele_zone_edit_apply(edit, &info, &f->err), STELE_E_USAGE);
	stele_zone_edit_end(edit);
	two_stores_ok(f, stele_store_commit(write, NULL, &f->err));
}

#define TEST(function)                                                                             \
	cmocka_unit_test_setup_teardown(function, two_stores_setup, two_stores_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_sessions),
		TEST(test_refused),
	};
	return cmocka_run_group_tests_name("zone-edit", tests, NULL, NULL);
}
