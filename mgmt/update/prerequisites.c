/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 2136 section 3.2.
 *
 * A message has room for some five thousand prerequisites, and so has an RRset for records. So what a name has is
 * looked at once for all that a message asks of it, in the order of names, types and data; which of the prerequisites
 * is the first that does not hold is seen afterwards.
 */
#include "mgmt/update/perform.h"

#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/zone/rdata.h"

#include <stdlib.h>

struct look {
	const struct stele_update *update;
	size_t cnt;                            /* of the prerequisites that are looked at */
	const struct stele_update_rr **sorted; /* these */
	bool *exists;                          /* of each: its name, or its RRset */
	bool match; /* the RRsets that are asked for with data are in the zone with just that */
	struct stele_zone_edit *edit;
	struct stele_error *reterr;
};

/* ---- their order ---- */

/* NSEC3 stands apart from all else that has its name. */
static uint32_t rank(uint16_t type)
{
	return type == STELE_TYPE_NSEC3 ? 0 : type + 1u;
}

static int compare_rrset(const struct stele_update_rr *a, const struct stele_update_rr *b)
{
	int order = stele_update_compare_owner(a, b);
	if (order == 0 && a->type != b->type)
		order = rank(a->type) < rank(b->type) ? -1 : 1;
	return order;
}

static bool has_data(const struct stele_update_rr *rr)
{
	return rr->class_ != STELE_CLASS_ANY && rr->class_ != STELE_CLASS_NONE;
}

static int compare(const void *a, const void *b)
{
	const struct stele_update_rr *x = *(const struct stele_update_rr *const *)a;
	const struct stele_update_rr *y = *(const struct stele_update_rr *const *)b;
	int order = compare_rrset(x, y);
	if (order != 0 || has_data(x) != has_data(y))
		return order != 0 ? order : has_data(x) - has_data(y);
	/* Of what is no type of data, there is none in any zone. */
	return has_data(x) && stele_rdata_type_is_data(x->type) ?
		       stele_rdata_compare(x->type, x->rdata, x->rdlen, y->rdata, y->rdlen) :
		       0;
}

/* ---- an RRset ---- */

/* What a message asks of one RRset, or of a name: [at, data_at) whether it is there, and up to `end` for its data. */
struct question {
	size_t at, data_at, end;
	size_t found_cnt;  /* records of the zone that are asked for */
	bool exists, more; /* the zone has a record; and one that is not asked for */
};

static struct question next_question(const struct look *l, size_t at)
{
	struct question q = {.at = at, .end = at};
	while (q.end < l->cnt && compare_rrset(l->sorted[at], l->sorted[q.end]) == 0)
		q.end++;
	q.data_at = at;
	while (q.data_at < q.end && !has_data(l->sorted[q.data_at]))
		q.data_at++;
	return q;
}

/* Records of an RRset, or the signatures over it. */
static void meet(const struct look *l, struct question *q, const struct stele_node_rrset *rrset,
		 bool sigs)
{
	const uint8_t *p = rrset->data;
	size_t first = sigs ? rrset->rr_cnt : 0, cnt = sigs ? rrset->sig_cnt : rrset->rr_cnt;
	q->exists = q->exists || cnt > 0;
	if (q->data_at == q->end)
		return;
	for (size_t i = 0; i < first + cnt && !q->more; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		if (i < first)
			continue;
		struct stele_update_rr key = *l->sorted[q->data_at];
		const struct stele_update_rr *probe = &key;
		key.rdata = rr.rdata;
		key.rdlen = rr.rdata_len;
		if (bsearch(&probe, l->sorted + q->data_at, q->end - q->data_at, sizeof(probe),
			    compare) != NULL)
			q->found_cnt++;
		else
			q->more = true;
	}
}

/* How many different records are asked for. */
static size_t count_different(const struct look *l, const struct question *q)
{
	size_t cnt = q->data_at < q->end;
	for (size_t i = q->data_at + 1; i < q->end; i++)
		cnt += compare(&l->sorted[i - 1], &l->sorted[i]) != 0;
	return cnt;
}

static void conclude(struct look *l, const struct question *q)
{
	for (size_t i = q->at; i < q->data_at; i++)
		l->exists[l->sorted[i] - l->update->prerequisites] = q->exists;
	if (q->data_at < q->end && (q->more || q->found_cnt < count_different(l, q)))
		l->match = false;
}

/* ---- a name ---- */

/* What the zone has at a name but for NSEC3, with the place of the walk over its RRsets. */
struct place {
	const uint8_t *node;
	size_t sz, at;
	struct stele_node_rrset rrset;
	bool is_rrset; /* `rrset` is the first one that was not passed */
};

static void step(struct place *place)
{
	place->is_rrset = stele_node_next(place->node, place->sz, &place->at, &place->rrset);
}

static void meet_signatures(const struct look *l, struct question *q, struct place place)
{
	for (place.at = 0, step(&place); place.is_rrset; step(&place))
		meet(l, q, &place.rrset, true);
}

static void meet_type(const struct look *l, struct question *q, struct place *place, uint16_t type)
{
	while (place->is_rrset && place->rrset.type < type)
		step(place);
	if (place->is_rrset && place->rrset.type == type)
		meet(l, q, &place->rrset, false);
}

/* `ret_rrset` stays as it is if there is none. */
static int find_nsec3(const struct look *l, const struct stele_update_rr *rr,
		      struct stele_node_rrset *ret_rrset)
{
	int status =
		stele_zone_edit_find(l->edit, rr->lower, STELE_TYPE_NSEC3, ret_rrset, l->reterr);
	return status == STELE_E_NOTFOUND ? 0 : status;
}

/* All that is asked of the name of the prerequisite at `*at`, which moves on to the next name. */
static int look_at_name(struct look *l, size_t *at)
{
	const struct stele_update_rr *first = l->sorted[*at];
	struct place place = {.node = NULL};
	struct stele_node_rrset nsec3 = {.rr_cnt = 0};
	int status = 0;
	if (first->type == STELE_TYPE_NSEC3) {
		struct question q = next_question(l, *at);
		status = find_nsec3(l, first, &nsec3);
		meet(l, &q, &nsec3, false);
		conclude(l, &q);
		*at = q.end;
	}
	if (status == 0)
		status = stele_zone_edit_node(l->edit, first->lower, &place.node, &place.sz,
					      l->reterr);
	if (status == 0)
		step(&place);
	bool is_there = status == 0;
	if (status == STELE_E_NOTFOUND)
		status = 0;
	while (status == 0 && *at < l->cnt &&
	       stele_update_compare_owner(first, l->sorted[*at]) == 0) {
		struct question q = next_question(l, *at);
		uint16_t type = l->sorted[*at]->type;
		if (type == STELE_TYPE_RRSIG)
			meet_signatures(l, &q, place);
		else if (type != STELE_TYPE_ANY)
			meet_type(l, &q, &place, type);
		else if (!is_there)
			status = find_nsec3(l, first, &nsec3);
		/* A name is in use if it has a record; what only stands above others has none (2.4.4). */
		if (type == STELE_TYPE_ANY)
			q.exists = is_there || nsec3.rr_cnt > 0;
		conclude(l, &q);
		*at = q.end;
	}
	return status;
}

static int look_at_all(struct look *l)
{
	int status = 0;
	for (size_t i = 0; i < l->cnt; i++)
		l->sorted[i] = &l->update->prerequisites[i];
	qsort(l->sorted, l->cnt, sizeof(*l->sorted), compare);
	for (size_t at = 0; status == 0 && at < l->cnt;)
		status = look_at_name(l, &at);
	return status;
}

/* ---- all of them ---- */

/* Of the first that does not hold; those with data come after all others. */
static uint16_t judge(const struct look *l)
{
	const struct stele_update *update = l->update;
	for (size_t i = 0; i < l->cnt; i++) {
		const struct stele_update_rr *rr = &update->prerequisites[i];
		bool is_name = rr->type == STELE_TYPE_ANY, wanted = rr->class_ == STELE_CLASS_ANY;
		if (has_data(rr) || l->exists[i] == wanted)
			continue;
		if (wanted)
			return is_name ? STELE_RCODE_NXDOMAIN : STELE_RCODE_NXRRSET;
		return is_name ? STELE_RCODE_YXDOMAIN : STELE_RCODE_YXRRSET;
	}
	if (l->cnt < update->prerequisite_cnt)
		return update->prerequisites[l->cnt].rcode;
	return l->match ? STELE_RCODE_NOERROR : STELE_RCODE_NXRRSET;
}

int stele_update_prerequisites(const struct stele_update *update, struct stele_zone_edit *edit,
			       uint16_t *ret_rcode, struct stele_error *reterr)
{
	struct look l = {.update = update, .edit = edit, .reterr = reterr, .match = true};
	/* What comes behind one that is malformed does not count. */
	while (l.cnt < update->prerequisite_cnt &&
	       update->prerequisites[l.cnt].rcode == STELE_RCODE_NOERROR)
		l.cnt++;
	l.sorted = calloc(l.cnt + 1, sizeof(*l.sorted));
	l.exists = calloc(l.cnt + 1, sizeof(*l.exists));
	int status = l.sorted != NULL && l.exists != NULL ?
			     look_at_all(&l) :
			     stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	if (status == 0)
		*ret_rcode = judge(&l);
	free(l.sorted);
	free(l.exists);
	return status;
}
