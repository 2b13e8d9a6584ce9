/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/zone/check.h"

#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/nsec3.h"
#include "lib/dns/rdata.h"
#include "lib/dns/rrtype.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Beside an RRset a reply has at least the question, for who asks with EDNS an OPT too. */
#define QUESTION_FIXED_SZ 4u /* type and class */
#define OPT_SZ 11u
#define RR_MIN_SZ 12u /* owner as a pointer, type, class, TTL, length */

/* The image has one byte for the number. Keys whose signatures stand side by side are a few. */
#define RRSET_SIGS_MAX 255u

/* Of all RRsets at an owner. Carved they take about twice as much at most (heads), and sizes of the
 * records of an image are numbers of 32 bits, as are those of values of the store. */
#define OWNER_SZ_MAX (UINT32_C(1) << 30)

struct stele_place stele_check_place(const struct stele_check *check,
				     const struct stele_owner_rr *rr)
{
	return (struct stele_place){check->file_name(check->user, rr->file), rr->line, rr->column};
}

static bool is_before(const struct stele_owner_rr *a, const struct stele_owner_rr *b)
{
	return a->file != b->file ? a->file < b->file : a->line < b->line;
}

/* Of two records of which one is too many, the one that comes later is where the file goes wrong. */
static struct stele_place later_place(const struct stele_check *check,
				      const struct stele_owner_rr *a,
				      const struct stele_owner_rr *b)
{
	return stele_check_place(check, is_before(a, b) ? b : a);
}

struct stele_place stele_check_owner_place(const struct stele_check *check,
					   const struct stele_owner *owner)
{
	const struct stele_owner_rr *first = owner->rrs;
	for (size_t i = 1; i < owner->rr_cnt; i++)
		if (is_before(&owner->rrs[i], first))
			first = &owner->rrs[i];
	return (struct stele_place){check->file_name(check->user, first->file), first->line, 1};
}

const struct stele_owner_rr *stele_owner_find(const struct stele_owner *owner, uint16_t type)
{
	for (size_t i = 0; i < owner->rr_cnt && owner->rrs[i].type <= type; i++)
		if (owner->rrs[i].type == type)
			return owner->rrs[i].is_sig ? NULL : &owner->rrs[i];
	return NULL;
}

const char *stele_key_to_text(const uint8_t *key, size_t key_len, char text[STELE_NAME_TEXT_MAX])
{
	uint8_t name[STELE_NAME_MAX + 1];
	int len = stele_sort_key_to_name(key, key_len, name);
	name[len < 0 ? 0 : len] = 0;
	stele_name_to_text(name, text);
	return text;
}

size_t stele_rdata_name_key(const uint8_t *rdata, size_t len, uint8_t key[STELE_SORT_KEY_MAX])
{
	uint8_t lower[STELE_NAME_MAX];
	size_t name_len = stele_name_length(rdata, len);
	if (name_len == 0)
		return 0;
	stele_name_lower(lower, rdata, name_len);
	return stele_sort_key(lower, name_len - 1, key);
}

static void set_last(struct stele_last_name *last, const uint8_t *key, size_t key_len)
{
	memcpy(last->key, key, key_len);
	last->key_len = key_len;
	last->is_set = true;
}

void stele_check_begin(struct stele_check *check)
{
	check->apex_key_len = stele_sort_key(check->apex, check->apex_len - 1, check->apex_key);
	check->cut.is_set = check->dname.is_set = false;
	check->apex_wants.cnt = check->cut_wants.cnt = 0;
	check->has_nsec = check->has_nsec3param = check->is_signed = false;
	check->told_nsec_apart = check->told_iterations = false;
	check->nsec_next.is_set = check->last_owner.is_set = false;
	check->has_nsec3_next = false;
}

void stele_check_free(struct stele_check *check)
{
	free(check->apex_wants.list);
	free(check->cut_wants.list);
	check->apex_wants = check->cut_wants = (struct stele_wants){0};
}

/* ---- addresses of name servers ---- */

static void add_want(struct stele_wants *wants, const uint8_t *key, size_t key_len,
		     struct stele_place place)
{
	if (wants->cnt == wants->room) {
		size_t room = wants->room == 0 ? 16 : 2 * wants->room;
		struct stele_want *list = realloc(wants->list, room * sizeof(*list));
		if (list == NULL)
			return; /* a warning less */
		wants->list = list;
		wants->room = room;
	}
	struct stele_want *want = &wants->list[wants->cnt++];
	memcpy(want->key, key, key_len);
	want->key_len = (uint16_t)key_len;
	want->found = false;
	want->place = place;
}

static void find_wants(struct stele_wants *wants, const struct stele_owner *owner)
{
	for (size_t i = 0; i < wants->cnt; i++) {
		struct stele_want *want = &wants->list[i];
		if (want->key_len == owner->key_len &&
		    memcmp(want->key, owner->key, owner->key_len) == 0)
			want->found = true;
	}
}

static void close_wants(struct stele_check *check, struct stele_wants *wants, const char *what)
{
	char text[STELE_NAME_TEXT_MAX];
	for (size_t i = 0; i < wants->cnt; i++) {
		const struct stele_want *want = &wants->list[i];
		if (!want->found)
			stele_report_warning(
				check->report, STELE_WARN_GLUE_MISSING, want->place,
				"no %s of name server %s (expected A or AAAA in the zone)", what,
				stele_key_to_text(want->key, want->key_len, text));
	}
	wants->cnt = 0;
}

/* Names in the zone that NS and MX point to: no CNAME, and glue where nobody else can have it. */
static void check_targets(struct stele_check *check, const struct stele_owner *owner,
			  const struct stele_owner_rr *rr, bool is_apex, bool is_cut)
{
	for (; rr < owner->rrs + owner->rr_cnt && !rr->is_sig; rr++) {
		if (rr->type != STELE_TYPE_NS && rr->type != STELE_TYPE_MX)
			break;
		size_t at = (size_t)stele_rdata_additional_name(rr->type);
		size_t len = rr->rdata_len - at;
		if (len < check->apex_len ||
		    !stele_name_equal_nocase(rr->rdata + at + len - check->apex_len, check->apex,
					     check->apex_len))
			continue;
		uint8_t key[STELE_SORT_KEY_MAX];
		size_t key_len = stele_rdata_name_key(rr->rdata + at, len, key);
		if (!stele_key_is_below(key, key_len, check->apex_key, check->apex_key_len))
			continue;
		char text[STELE_NAME_TEXT_MAX];
		if (check->cnames->cnt > 0 &&
		    stele_hash_set_has(check->cnames, stele_hash_key(key, key_len)))
			stele_report_warning(
				check->report, STELE_WARN_TARGET_IS_CNAME,
				stele_check_place(check, rr),
				"%s points to %s, which is a CNAME (expected a name with addresses)",
				rr->type == STELE_TYPE_NS ? "NS" : "MX",
				stele_key_to_text(key, key_len, text));
		else if (rr->type == STELE_TYPE_NS && is_apex)
			add_want(&check->apex_wants, key, key_len, stele_check_place(check, rr));
		else if (rr->type == STELE_TYPE_NS && is_cut &&
			 stele_key_is_below(key, key_len, owner->key, owner->key_len))
			add_want(&check->cut_wants, key, key_len, stele_check_place(check, rr));
	}
}

/* ---- one owner ---- */

/* CNAME with its signatures and NSEC, and nothing else; one CNAME, one DNAME (RFC 2181, 6672). */
static int check_alone(struct stele_check *check, const struct stele_owner *owner)
{
	const struct stele_owner_rr *cname = stele_owner_find(owner, STELE_TYPE_CNAME);
	const struct stele_owner_rr *dname = stele_owner_find(owner, STELE_TYPE_DNAME);
	const struct stele_owner_rr *end = owner->rrs + owner->rr_cnt;
	char text[STELE_NAME_TEXT_MAX], type_text[STELE_RRTYPE_TEXT_MAX];
	if (cname != NULL && cname + 1 < end && cname[1].type == STELE_TYPE_CNAME &&
	    !cname[1].is_sig)
		return stele_report_error(check->report, later_place(check, cname, cname + 1),
					  "second CNAME at %s (expected one at most)",
					  stele_key_to_text(owner->key, owner->key_len, text));
	if (dname != NULL && dname + 1 < end && dname[1].type == STELE_TYPE_DNAME &&
	    !dname[1].is_sig)
		return stele_report_error(check->report, later_place(check, dname, dname + 1),
					  "second DNAME at %s (expected one at most)",
					  stele_key_to_text(owner->key, owner->key_len, text));
	if (cname == NULL)
		return 0;
	for (const struct stele_owner_rr *rr = owner->rrs; rr < end; rr++) {
		if (rr->is_sig || rr->type == STELE_TYPE_CNAME || rr->type == STELE_TYPE_NSEC)
			continue;
		return stele_report_error(check->report, later_place(check, cname, rr),
					  "CNAME beside %s at %s (expected no other data there)",
					  stele_rrtype_to_text(rr->type, type_text),
					  stele_key_to_text(owner->key, owner->key_len, text));
	}
	return 0;
}

/* What an RRset takes, records and signatures apart. */
struct rrset_sums {
	size_t sz, sig_sz, sig_cnt;
	const struct stele_owner_rr *first_sig;
};

/* Bytes of a message that are left behind the shortest question to which records at an owner are the answer. */
static size_t room_behind_question(const struct stele_owner *owner)
{
	uint8_t name[STELE_NAME_MAX + 1];
	int len = stele_sort_key_to_name(owner->key, owner->key_len, name);
	return STELE_MESSAGE_MAX - STELE_HEADER_SZ - (size_t)(len < 0 ? 0 : len) - 1 -
	       QUESTION_FIXED_SZ;
}

/* An RRset that fits no message would never be answered. */
static int check_sums(struct stele_check *check, const struct stele_owner *owner,
		      const struct stele_owner_rr *first, const struct rrset_sums *sums)
{
	char text[STELE_NAME_TEXT_MAX], type_text[STELE_RRTYPE_TEXT_MAX];
	size_t room = room_behind_question(owner);
	/* Names in its data may be pointers in a reply, and so take less than is counted here. */
	bool shrinks = stele_rdata_compressible_cnt(first->type) > 0;
	size_t sz_max = shrinks ? STELE_MESSAGE_MAX : room;
	bool is_large = sums->sz > sz_max;
	if (is_large || sums->sig_sz > room)
		return stele_report_error(
			check->report, stele_check_place(check, first),
			"RRset %s %s%s has %zu bytes (expected at most %zu, what a reply has room for)",
			stele_key_to_text(owner->key, owner->key_len, text),
			is_large ? "" : "RRSIG over ", stele_rrtype_to_text(first->type, type_text),
			is_large ? sums->sz : sums->sig_sz, is_large ? sz_max : room);
	if (!shrinks && sums->sz + sums->sig_sz + OPT_SZ > room)
		stele_report_warning(
			check->report, STELE_WARN_RRSET_LARGE, stele_check_place(check, first),
			"RRset %s %s has %zu bytes%s (expected at most %zu: who asks%s never gets it)",
			stele_key_to_text(owner->key, owner->key_len, text),
			stele_rrtype_to_text(first->type, type_text), sums->sz + sums->sig_sz,
			sums->sig_cnt > 0 ? " with its signatures" : "", room - OPT_SZ,
			sums->sz + OPT_SZ > room ? " with EDNS" : " for signatures");
	if (sums->sig_cnt > RRSET_SIGS_MAX)
		return stele_report_error(check->report, stele_check_place(check, sums->first_sig),
					  "RRset %s %s has %zu signatures (expected at most %u)",
					  stele_key_to_text(owner->key, owner->key_len, text),
					  stele_rrtype_to_text(first->type, type_text),
					  sums->sig_cnt, RRSET_SIGS_MAX);
	return 0;
}

/* TTLs and sizes, RRset by RRset, and the size of them all. */
static int check_rrsets(struct stele_check *check, const struct stele_owner *owner)
{
	const struct stele_owner_rr *rr = owner->rrs, *end = rr + owner->rr_cnt;
	char text[STELE_NAME_TEXT_MAX], type_text[STELE_RRTYPE_TEXT_MAX];
	size_t owner_sz = 0;
	while (rr < end) {
		const struct stele_owner_rr *first = rr, *odd = NULL;
		struct rrset_sums sums = {0};
		uint32_t lowest = first->ttl;
		for (; rr < end && rr->type == first->type; rr++) {
			if (rr->is_sig) {
				if (sums.sig_cnt++ == 0)
					sums.first_sig = rr;
				sums.sig_sz += RR_MIN_SZ + rr->rdata_len;
				continue;
			}
			sums.sz += RR_MIN_SZ + rr->rdata_len;
			if (rr->ttl != first->ttl && odd == NULL)
				odd = rr;
			if (rr->ttl < lowest)
				lowest = rr->ttl;
		}
		int status = check_sums(check, owner, first, &sums);
		if (status < 0)
			return status;
		owner_sz += sums.sz + sums.sig_sz;
		if (odd != NULL)
			stele_report_warning(check->report, STELE_WARN_TTL_MIXED,
					     stele_check_place(check, odd),
					     "RRset %s %s has TTLs %" PRIu32 " and %" PRIu32
					     " (expected one; %" PRIu32 " is taken)",
					     stele_key_to_text(owner->key, owner->key_len, text),
					     stele_rrtype_to_text(first->type, type_text),
					     first->ttl, odd->ttl, lowest);
	}
	if (owner_sz > OWNER_SZ_MAX)
		return stele_report_error(check->report, stele_check_owner_place(check, owner),
					  "%s has %zu bytes of data (expected at most %u)",
					  stele_key_to_text(owner->key, owner->key_len, text),
					  owner_sz, OWNER_SZ_MAX);
	return 0;
}

static int check_soa(struct stele_check *check, const struct stele_owner *owner, bool is_apex)
{
	const struct stele_owner_rr *soa = stele_owner_find(owner, STELE_TYPE_SOA);
	char text[STELE_NAME_TEXT_MAX];
	if (soa == NULL)
		return 0;
	if (!is_apex)
		return stele_report_error(check->report, stele_check_place(check, soa),
					  "SOA at %s (expected it at the apex only)",
					  stele_key_to_text(owner->key, owner->key_len, text));
	const struct stele_owner_rr *next = soa + 1;
	if (next < owner->rrs + owner->rr_cnt && next->type == STELE_TYPE_SOA && !next->is_sig)
		return stele_report_error(check->report, later_place(check, soa, next),
					  "second SOA (expected one)");
	return 0;
}

int stele_check_owner_alone(struct stele_check *check, const struct stele_owner *owner,
			    bool is_apex)
{
	int status = check_soa(check, owner, is_apex);
	if (status == 0)
		status = check_alone(check, owner);
	if (status == 0)
		status = check_rrsets(check, owner);
	if (status < 0 || !is_apex || stele_owner_find(owner, STELE_TYPE_NS) != NULL)
		return status;
	char text[STELE_NAME_TEXT_MAX];
	return stele_report_error(check->report, stele_check_owner_place(check, owner),
				  "no NS record at %s (expected one at the zone's apex)",
				  stele_key_to_text(owner->key, owner->key_len, text));
}

int stele_check_owner(struct stele_check *check, const struct stele_owner *owner)
{
	char text[STELE_NAME_TEXT_MAX], above[STELE_NAME_TEXT_MAX];
	const uint8_t *key = owner->key;
	size_t key_len = owner->key_len;
	if (!stele_key_is_below(key, key_len, check->apex_key, check->apex_key_len))
		return stele_report_error(check->report, stele_check_owner_place(check, owner),
					  "%s is outside the zone (expected names at or below %s)",
					  stele_key_to_text(key, key_len, text),
					  stele_key_to_text(check->apex_key, check->apex_key_len,
							    above));
	bool is_apex = key_len == check->apex_key_len;

	if (check->dname.is_set) {
		if (stele_key_is_below(key, key_len, check->dname.key, check->dname.key_len))
			return stele_report_error(
				check->report, stele_check_owner_place(check, owner),
				"%s is below the DNAME at %s (expected no data there)",
				stele_key_to_text(key, key_len, text),
				stele_key_to_text(check->dname.key, check->dname.key_len, above));
		check->dname.is_set = false;
	}
	bool is_occluded = false;
	if (check->cut.is_set) {
		is_occluded = stele_key_is_below(key, key_len, check->cut.key, check->cut.key_len);
		if (!is_occluded) {
			close_wants(check, &check->cut_wants, "glue");
			check->cut.is_set = false;
		}
	}

	int status = stele_check_owner_alone(check, owner, is_apex);
	if (status < 0)
		return status;

	const struct stele_owner_rr *ns = stele_owner_find(owner, STELE_TYPE_NS);
	const struct stele_owner_rr *mx = stele_owner_find(owner, STELE_TYPE_MX);
	bool is_cut = ns != NULL && !is_apex && !is_occluded;
	if (is_cut)
		set_last(&check->cut, key, key_len);
	if (stele_owner_find(owner, STELE_TYPE_DNAME) != NULL)
		set_last(&check->dname, key, key_len);
	if (!is_occluded) {
		if (ns != NULL)
			check_targets(check, owner, ns, is_apex, is_cut);
		if (mx != NULL && !is_cut)
			check_targets(check, owner, mx, is_apex, is_cut);
	}
	if ((check->apex_wants.cnt > 0 || check->cut_wants.cnt > 0) &&
	    (stele_owner_find(owner, STELE_TYPE_A) != NULL ||
	     stele_owner_find(owner, STELE_TYPE_AAAA) != NULL)) {
		find_wants(&check->apex_wants, owner);
		find_wants(&check->cut_wants, owner);
	}
	if (is_apex)
		stele_check_keys(check, owner);
	stele_check_signatures(check, owner);
	if (!is_occluded)
		stele_check_denial(check, owner, is_apex, is_cut);
	return 0;
}

void stele_check_end(struct stele_check *check)
{
	close_wants(check, &check->cut_wants, "glue");
	close_wants(check, &check->apex_wants, "address");
	stele_check_denial_end(check);
}

/* ---- NSEC3 ---- */

/* Behind algorithm and flags. */
static bool same_nsec3_params(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a + 2, b + 2, 3) == 0 && memcmp(a + 5, b + 5, a[4]) == 0;
}

int stele_check_nsec3_alone(struct stele_check *check, const struct stele_owner *owner)
{
	for (size_t i = 0; i < owner->rr_cnt && !owner->rrs[i].is_sig; i++) {
		const uint8_t *rdata = owner->rrs[i].rdata;
		unsigned iterations = stele_get_be16(rdata + 2);
		struct stele_place place = stele_check_place(check, &owner->rrs[i]);
		if (rdata[0] != 1 || rdata[5 + rdata[4]] != STELE_NSEC3_HASH_SZ)
			return stele_report_error(check->report, place,
						  "NSEC3 hash algorithm %u with a hash of %u bytes "
						  "(expected 1 with 20, SHA-1)",
						  rdata[0], rdata[5 + rdata[4]]);
		if (iterations > STELE_NSEC3_ITERATIONS_MAX)
			return stele_report_error(check->report, place,
						  "NSEC3 with iterations %u (expected 0, at most "
						  "%d are accepted)",
						  iterations, STELE_NSEC3_ITERATIONS_MAX);
		/* Two salts do not give one hash. And signatures cover the RRset as a whole, so nobody could
		 * be told the records of one chain alone. */
		if (!same_nsec3_params(owner->rrs[0].rdata, rdata)) {
			char text[STELE_NAME_TEXT_MAX];
			return stele_report_error(
				check->report, later_place(check, &owner->rrs[0], &owner->rrs[i]),
				"NSEC3 records of two chains at %s (expected one "
				"salt and one number of iterations)",
				stele_key_to_text(owner->key, owner->key_len, text));
		}
		if (iterations > 0 && !check->told_iterations)
			stele_report_warning(check->report, STELE_WARN_NSEC3_ITERATIONS, place,
					     "NSEC3 with iterations %u (expected 0, RFC 9276)",
					     iterations);
		check->told_iterations |= iterations > 0; /* one signer made them all */
	}
	return check_rrsets(check, owner);
}

int stele_check_nsec3_owner(struct stele_check *check, const struct stele_owner *owner,
			    uint8_t hash[STELE_NSEC3_HASH_SZ])
{
	char text[STELE_NAME_TEXT_MAX];
	const struct stele_owner_rr *first = owner->rrs;
	if (!stele_key_is_below(owner->key, owner->key_len, check->apex_key, check->apex_key_len))
		return stele_report_error(check->report, stele_check_owner_place(check, owner),
					  "%s is outside the zone (expected a hash and the apex)",
					  stele_key_to_text(owner->key, owner->key_len, text));
	const uint8_t *label = owner->key + check->apex_key_len;
	size_t label_len = owner->key_len - check->apex_key_len;
	if (label_len != STELE_NSEC3_LABEL_SZ + 1 || !stele_base32hex_decode(label, hash))
		return stele_report_error(
			check->report, stele_check_owner_place(check, owner),
			"owner %s of an NSEC3 record is no hash (expected 32 base32hex digits and "
			"the apex)",
			stele_key_to_text(owner->key, owner->key_len, text));
	if (first->is_sig)
		stele_report_warning(check->report, STELE_WARN_DENIAL_CHAIN,
				     stele_check_place(check, first),
				     "signature over an NSEC3 that is not there (expected both; it "
				     "is left out)");
	int status = stele_check_nsec3_alone(check, owner);
	if (status < 0)
		return status;
	stele_check_signatures(check, owner);
	stele_check_nsec3_chain(check, owner, hash);
	return 0;
}
