/* SPDX-License-Identifier: Apache-2.0 */
/* The update section of an UPDATE: what stands beside a CNAME, and how much work its records are. That of each must not
 * grow with what its owner has; the records that the session writes to nodes are counted. */
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/nodes.h"
#include "mgmt/update/perform.h"
#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/store_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char apex[] = "\4test", owner[] = "\1a\4test";

/* ---- counted ---- */

static size_t written_cnt, comparison_cnt;

int __real_stele_owner_write(const struct stele_owner *form, uint8_t **node, size_t *node_room,
			     size_t *ret_node_sz);
int __wrap_stele_owner_write(const struct stele_owner *form, uint8_t **node, size_t *node_room,
			     size_t *ret_node_sz);
int __wrap_stele_owner_write(const struct stele_owner *form, uint8_t **node, size_t *node_room,
			     size_t *ret_node_sz)
{
	written_cnt += form->rr_cnt;
	return __real_stele_owner_write(form, node, node_room, ret_node_sz);
}

int __real_stele_update_compare_owner(const struct stele_update_rr *a,
				      const struct stele_update_rr *b);
int __wrap_stele_update_compare_owner(const struct stele_update_rr *a,
				      const struct stele_update_rr *b);
int __wrap_stele_update_compare_owner(const struct stele_update_rr *a,
				      const struct stele_update_rr *b)
{
	comparison_cnt++;
	return __real_stele_update_compare_owner(a, b);
}

/* ---- the zone ---- */

struct world {
	struct fixture *f;
	struct stele_store_write *write;
	struct stele_zone_edit *edit;
};

static void begin_session(struct world *w)
{
	ok(w->f, stele_zone_edit_begin(w->write, (const uint8_t *)apex, STELE_ZONE_EDIT_LENIENT,
				       "test", &w->edit, &w->f->err));
}

static void hold(struct world *w, const char *name, uint16_t type, const char *rdata, size_t rdlen)
{
	ok(w->f, stele_zone_edit_add(w->edit, (const uint8_t *)name, type, 300,
				     (const uint8_t *)rdata, rdlen, &w->f->err));
}

/* A zone with SOA and NS. What else it holds is put into the session. */
static struct world begin(void **state)
{
	struct world w = {.f = *state};
	struct model zone = {0};
	model_put_soa(&zone, 1);
	ok(w.f, stele_store_write_begin(w.f->store, &w.write, &w.f->err));
	ok(w.f, model_replace(w.write, (const uint8_t *)apex, &zone, NULL, &w.f->err));
	model_free(&zone);
	begin_session(&w);
	hold(&w, apex, STELE_TYPE_NS, "\2ns", 4);
	return w;
}

/* What was put into the session becomes the zone of the store, of which the next one has touched nothing. */
static void settle(struct world *w)
{
	ok(w->f, stele_zone_edit_apply(w->edit, NULL, &w->f->err));
	stele_zone_edit_end(w->edit);
	begin_session(w);
}

static void end(struct world *w)
{
	stele_zone_edit_end(w->edit);
	stele_store_abort(w->write);
}

/* ---- the message ---- */

/* About as many as a message has room for, and as an RRset. */
enum { MANY = 3600 };

static struct stele_update_rr asked[2 * MANY];
static size_t asked_cnt;

static void ask(const char *name, uint16_t type, uint16_t class_, const char *rdata, size_t rdlen)
{
	assert_true(asked_cnt < sizeof(asked) / sizeof(asked[0]));
	asked[asked_cnt++] = (struct stele_update_rr){
		.owner = (const uint8_t *)name,
		.lower = (const uint8_t *)name,
		.owner_len = strlen(name) + 1,
		.type = type,
		.class_ = class_,
		.ttl = class_ == STELE_CLASS_IN ? 300 : 0,
		.rdata = (const uint8_t *)rdata,
		.rdlen = rdlen,
	};
}

/* All that was asked, which is forgotten. */
static void perform(struct world *w)
{
	struct stele_update update = {.name_len = sizeof(apex),
				      .class_ = STELE_CLASS_IN,
				      .updates = asked,
				      .update_cnt = asked_cnt};
	struct stele_update_grant grant = {.policy = NULL};
	const char *reason;
	uint16_t rcode = 0xffff;
	bool changed;
	memcpy(update.name, apex, sizeof(apex));
	memcpy(update.apex, apex, sizeof(apex));
	written_cnt = comparison_cnt = 0;
	ok(w->f,
	   stele_update_perform(&update, &grant, w->edit, &rcode, &changed, &reason, &w->f->err));
	if (rcode != STELE_RCODE_NOERROR)
		fail_msg("%u: %s", rcode, reason != NULL ? reason : w->f->err.text);
	asked_cnt = 0;
}

/* ---- beside a CNAME ---- */

enum { TEXT, ALIAS, LINK, SIGNATURE, KIND_CNT };

static const struct {
	uint16_t type;
	const char *rdata;
	size_t rdlen;
} kinds[KIND_CNT] = {
	[TEXT] = {STELE_TYPE_TXT, "\1x", 2},
	[ALIAS] = {STELE_TYPE_CNAME, "\1x", 3},
	[LINK] = {STELE_TYPE_NSEC, "\1x\0\0\1\x40", 6},
	/* Over the TXT, which may not be there. */
	[SIGNATURE] = {STELE_TYPE_RRSIG, "\0\20\15\2\0\0\1\54\0\0\0\2\0\0\0\1\0\1\4test\0signature",
		       33},
};

/* The kinds that are there, as bits. */
static unsigned kinds_at(struct world *w, const char *name)
{
	const uint8_t *node;
	size_t node_sz, at = 0;
	struct stele_node_rrset rrset;
	unsigned has = 0;
	int status =
		stele_zone_edit_node(w->edit, (const uint8_t *)name, &node, &node_sz, &w->f->err);
	if (status == STELE_E_NOTFOUND)
		return 0;
	ok(w->f, status);
	while (stele_node_next(node, node_sz, &at, &rrset)) {
		for (unsigned i = 0; i < KIND_CNT; i++)
			if (rrset.type == kinds[i].type && rrset.rr_cnt > 0)
				has |= 1u << i;
		if (rrset.sig_cnt > 0)
			has |= 1u << SIGNATURE;
	}
	return has;
}

/* RFC 2136 section 3.4.2.2, with what RFC 4034 lets stand beside a CNAME. */
static void test_beside_an_alias(void **state)
{
	const unsigned both = 1u << TEXT | 1u << ALIAS;
	for (unsigned has = 0; has < 1u << KIND_CNT; has++)
		for (unsigned add = 0; add < 2 * KIND_CNT; add++) {
			unsigned kind = add / 2, expected = has | 1u << kind;
			if ((has & both) == both)
				continue;
			struct world w = begin(state);
			for (unsigned i = 0; i < KIND_CNT; i++)
				if ((has >> i & 1) != 0)
					hold(&w, owner, kinds[i].type, kinds[i].rdata,
					     kinds[i].rdlen);
			if (add % 2 == 0)
				settle(&w);
			ask(owner, kinds[kind].type, STELE_CLASS_IN, kinds[kind].rdata,
			    kinds[kind].rdlen);
			perform(&w);
			assert_int_equal(kinds_at(&w, owner),
					 (expected & both) == both ? has : expected);
			end(&w);
		}
}

/* ---- the work ---- */

static char names[MANY][8];

/* Names below the root, in order; without their last byte they are texts, too. */
static void make_names(void)
{
	for (unsigned i = 0; i < MANY; i++)
		snprintf(names[i], sizeof(names[i]), "\4%04u", i);
}

static void test_work_of_adding(void **state)
{
	struct world w = begin(state);
	make_names();
	for (unsigned i = 0; i < MANY; i++)
		ask(owner, STELE_TYPE_TXT, STELE_CLASS_IN, names[i], 5);
	perform(&w);
	/* Once, for whether anything is another. */
	assert_in_range(written_cnt, 1, MANY + 2);
	end(&w);
}

/* They are passed over, since there are other records. */
static void test_work_of_aliases(void **state)
{
	struct world w = begin(state);
	make_names();
	for (unsigned i = 0; i < MANY; i++)
		hold(&w, owner, STELE_TYPE_TXT, names[i], 5);
	for (unsigned i = 0; i < MANY; i++)
		ask(owner, STELE_TYPE_CNAME, STELE_CLASS_IN, "", 1);
	perform(&w);
	assert_in_range(written_cnt, 1, MANY + 2);
	end(&w);
}

/* Each may be the last one, which stays. */
static void test_work_of_name_servers(void **state)
{
	struct world w = begin(state);
	make_names();
	for (unsigned i = 0; i < MANY; i++)
		hold(&w, apex, STELE_TYPE_NS, names[i], 6);
	settle(&w);
	for (unsigned i = 0; i < MANY; i++)
		ask(apex, STELE_TYPE_NS, STELE_CLASS_NONE, names[i], 6);
	perform(&w);
	assert_in_range(written_cnt, 1, MANY + 2);
	end(&w);
}

/* Each is compared with the one that is there, beside which there is more. */
static void test_work_of_soas(void **state)
{
	static const char soa[22] = {[5] = 2};
	struct world w = begin(state);
	make_names();
	for (unsigned i = 0; i < MANY; i++)
		hold(&w, apex, STELE_TYPE_NS, names[i], 6);
	for (unsigned i = 0; i < MANY; i++)
		ask(apex, STELE_TYPE_SOA, STELE_CLASS_IN, soa, sizeof(soa));
	perform(&w);
	/* The SOA alone twice for each, for its serial and its data. */
	assert_in_range(written_cnt, 1, 2 * MANY + MANY + 5);
	end(&w);
}

/* A signature is added at each name, and all of the name is deleted: first or afterwards, in turns. */
static void test_work_of_signatures(void **state)
{
	static char below[MANY][12];
	struct world w = begin(state);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(below[i], sizeof(below[i]), "\4%04u\4test", i);
		if (i % 2 == 0)
			ask(below[i], STELE_TYPE_ANY, STELE_CLASS_ANY, "", 0);
	}
	for (unsigned i = 0; i < MANY; i++)
		ask(below[i], STELE_TYPE_RRSIG, STELE_CLASS_IN, kinds[SIGNATURE].rdata,
		    kinds[SIGNATURE].rdlen);
	for (unsigned i = 1; i < MANY; i += 2)
		ask(below[i], STELE_TYPE_ANY, STELE_CLASS_ANY, "", 0);
	perform(&w);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(kinds_at(&w, below[i]), i % 2 == 0 ? 1u << SIGNATURE : 0);
	/* Deletions are sorted, and looked for; 2^12 is more than there are. */
	assert_in_range(comparison_cnt, MANY, (12 + 12) * MANY);
	end(&w);
}

/* What takes signatures away, or all but SOA and NS, and mostly finds nothing to take. */
static void test_deletions_in_vain(void **state)
{
	struct world w = begin(state);
	make_names();
	for (unsigned i = 0; i < MANY; i++)
		hold(&w, apex, STELE_TYPE_NS, names[i], 6);
	hold(&w, apex, kinds[TEXT].type, kinds[TEXT].rdata, kinds[TEXT].rdlen);
	hold(&w, apex, kinds[SIGNATURE].type, kinds[SIGNATURE].rdata, kinds[SIGNATURE].rdlen);
	assert_int_equal(kinds_at(&w, apex), 1u << TEXT | 1u << SIGNATURE);
	for (unsigned i = 0; i < MANY; i++)
		ask(apex, STELE_TYPE_RRSIG, STELE_CLASS_ANY, "", 0);
	perform(&w);
	assert_int_equal(kinds_at(&w, apex), 1u << TEXT);
	for (unsigned i = 0; i < MANY; i++)
		ask(apex, STELE_TYPE_ANY, STELE_CLASS_ANY, "", 0);
	perform(&w);
	assert_int_equal(kinds_at(&w, apex), 0);
	uint16_t type;
	size_t cnt;
	ok(w.f,
	   stele_zone_edit_next_type(w.edit, (const uint8_t *)apex, 0, &type, &cnt, &w.f->err));
	assert_int_equal(type, STELE_TYPE_NS);
	assert_int_equal(cnt, MANY + 1);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_beside_an_alias),   TEST(test_work_of_adding),
		TEST(test_work_of_aliases),   TEST(test_work_of_name_servers),
		TEST(test_work_of_soas),      TEST(test_work_of_signatures),
		TEST(test_deletions_in_vain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
