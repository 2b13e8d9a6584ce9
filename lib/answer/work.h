/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_ANSWER_WORK_H
#define STELE_LIB_ANSWER_WORK_H

/*
 * One query under way, and how the files of this folder share it:
 *
 *   batch.c     drives a batch: parse all, look all names up, answer; then rounds of fetches and
 *               steps until none is left
 *   plain.h     what nearly all queries are: read, and answered where the name is there
 *   question.h  the question of a query, plain or not
 *   lookup.h    where a name is looked for, and zones met lately
 *   absent.h    types and names that are not there, in the cases that floods consist of
 *   cut.c       referrals of a zone of delegations
 *   probe.h     the stages of a lookup, for these
 *   request.c   any other message: stele_request_parse()
 *   resolve.c   the algorithm of RFC 1034 section 4.3.2 as a state machine: stele_resolve_step()
 *   alias.h/.c  CNAME and DNAME
 *   tail.h/.c   the authority section, and what comes behind it
 *   hosts.h/.c  the additional section: addresses of hosts
 *   denial.c    chooses the proofs that something is not there
 *   memo.h/.c   what proofs have in common
 *   packet_cache.h/.c  whole replies, for queries that come again
 *   chain.h/.c  covering searches in NSEC3 and NSEC blocks
 *   compose.h/.c  writes RRsets into the reply
 *   reply.h     the OPT of a reply, and the header of those that the short ways make
 *   finish.c    header, OPT, errors: stele_reply_finish()
 *   cookie.h/.c server cookies, four at a time in cookie_lanes.c; chaos.c: version.bind and its like
 *   rrl.h       limits of rates, as a policy: nothing else here knows of them
 *
 * Inside, names are lower case. `depth` of a name is its number of labels.
 */

#include "lib/answer/answer.h"
#include "lib/answer/equal.h"
#include "lib/answer/memo.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"
#include "lib/dns/rrtype.h"

/* Names that are hashed or compared stand in buffers that go on so far. */
#define NAME_SLACK STELE_VIEW_SLACK
_Static_assert(NAME_SLACK >= STELE_HASH_SLACK, "lib/image/hash.h");

/* A name being looked for: the qname at first, later the target of a CNAME. */
struct search_name {
	uint16_t at; /* where its relative labels stand in the reply, for pointers */
	uint8_t len;
	uint8_t depth;
	uint8_t wire[STELE_NAME_MAX + NAME_SLACK];
	uint8_t starts[STELE_LABELS_MAX + 1]; /* starts[i]: offset of the i-th label from the left;
					       * starts[depth] is the root's */
};

/*
 * Something that has to come from memory before the next step. A step asks for several at once;
 * batch.c takes those of all queries through their stages together.
 */
enum fetch_kind {
	FETCH_NAME,  /* key -> record of a name shard */
	FETCH_ZONE,  /* key -> record of a zone shard */
	FETCH_NSEC3, /* hash -> entry of the zone's chain */
};
/* What the result is for. */
enum fetch_role {
	ROLE_NAME,      /* the record that the state waits for */
	ROLE_ZONE,      /* the zone record that the state waits for */
	ROLE_HOST,      /* the next of the hosts */
	ROLE_NSEC,      /* owner of an NSEC RRset that goes into the authority section */
	ROLE_NSEC_STAR, /* the same, of the one that covers the wildcard of the encloser */
	ROLE_COVER,     /* an NSEC3 RRset that goes into the authority section as it is */
	ROLE_OWN,       /* NSEC3 of a name that exists; with opt-out it may not be there */
	ROLE_ENCLOSER,  /* NSEC3 of the closest provable encloser; the same */
	ROLE_NEXT,      /* covers the next closer name; counts only if ROLE_ENCLOSER matched */
	ROLE_STAR,      /* matches or covers the wildcard; the same */
};
struct fetch {
	uint8_t kind;
	uint8_t role;
	bool matched;          /* FETCH_NSEC3: the entry has exactly this hash; else it covers it */
	uint8_t host;          /* ROLE_HOST: which */
	uint32_t lo, hi;       /* stages: block; or the range of entries */
	uint64_t key;          /* or the tag of the hash in its line */
	const void *at;        /* stages: shard or block */
	const uint8_t *result; /* record or entry; NULL: not there. Its name is not yet compared. */

	/* ---- FETCH_NSEC3 ---- */
	const uint8_t *hash;                 /* 20 bytes */
	const struct stele_nsec3_line *line; /* stages: of the hash, in its block */
	bool tie;                            /* stages: hashes have to be compared */
};
#define FETCH_MAX 16

/* A part of the authority section. All are written when the last has come. */
struct part {
	const uint8_t *body;
	const struct stele_rrset *rrset;
	const uint8_t *rel; /* relative owner, for when it is written out */
	uint8_t rel_len;
	const struct stele_nsec3_entry *nsec3; /* the owner is its hash's label; or NULL */
	bool referral_ns; /* the NS RRset of a referral: never with signatures, hosts follow */
	uint16_t at;      /* where the owner stands in the message; 0: write it out */
};
#define PART_MAX 24

/* A host whose addresses go into the additional section. */
struct host {
	const struct stele_ref *ref;
	const uint8_t *source; /* record that has the reference */
	const struct stele_rrset *source_rrset;
	const uint8_t *record;   /* NULL: not there */
	uint16_t source_body_at; /* where the body with the name begins in the message; 0: unknown */
};
#define HOST_MAX 255 /* looked up together; what a referral has more, one by one */

/* CNAMEs and DNAMEs followed in one reply. Long enough for any zone that means to be found: resolvers
 * give up at about this many too. */
#define CHAIN_MAX 16
_Static_assert(PART_MAX >= CHAIN_MAX + 5,
	       "a proof for each wildcard on the way, SOA, three at its end, and one more");

enum work_state {
	WORK_ZONE,      /* zone and name, for one candidate depth of the apex */
	WORK_DS_PARENT, /* the same for the zone above, for a DS query at an apex */
	WORK_ENCLOSER,  /* binary search of the closest encloser */
	WORK_CUT,       /* the cut above an occluded name */
	WORK_WILDCARD,
	WORK_TARGET, /* CNAME target by its reference */
	WORK_TAIL,   /* the answer section stands; proofs and hosts are on their way */
	WORK_DONE,
};

/* How NSEC3 proves what is not there (RFC 5155 section 7.2). */
enum proof {
	PROOF_NONE,
	PROOF_OWN,      /* NODATA: the NSEC3 of the name; without one, as PROOF_ENCLOSER */
	PROOF_ENCLOSER, /* closest encloser and next closer: no DS, with opt-out */
	PROOF_STAR,     /* these and the wildcard: NXDOMAIN, wildcard NODATA */
};

/* What EDNS brought (RFC 6891). */
struct edns {
	bool present;
	bool dnssec_ok;
	bool want_nsid;
	bool want_keepalive;
	bool want_padding;
	bool has_cookie;
	uint8_t cookie;    /* enum cookie_state; the rest is in struct cookie */
	uint16_t udp_size; /* clamped to 512 … */
};

/* What is to be done about the cookie of a query. Unless it is nothing, the reply has one. */
enum cookie_state {
	COOKIE_NONE,
	COOKIE_MAKE,    /* the client has none of ours yet */
	COOKIE_REPLACE, /* its server cookie is none of ours, or too old: seen by its first half */
	COOKIE_CHECK,   /* goes back as it is if it is valid */
	COOKIE_CHECK_OLD, /* is to be replaced anyway */
};

/* Two cookies, in words of little-endian. */
struct cookie {
	uint64_t client;
	uint64_t head,
		mac; /* the halves of the server cookie: until it is settled, of the one that came */
	uint8_t *at; /* where it goes in the reply; NULL: nowhere */
};

/*
 * Zones that answered lately, in pairs by the low bits of their apex's hash, the later one in front. Most queries are
 * for few zones, and one lookup less is a fifth of a query; of two zones with one place between them, each would
 * take it from the other. The zone's name is compared all the same.
 */
#define ZONE_MEMO_CNT 64
struct zone_memo {
	uint64_t apex_hash;
	const uint8_t *record; /* NULL: none yet */
	const uint8_t *apex;   /* record of the name; NULL: not looked up yet */
	bool is_shallow; /* the label below the apex decided about the last name that had more */
};

struct packet_cache;

/* What all queries of a thread share. */
struct stele_answerer {
	const struct stele_view *view;
	const struct stele_answer_settings *settings;
	uint32_t now;
	uint64_t view_serial; /* of the view that the memos are about */
	struct zone_memo zones[ZONE_MEMO_CNT];
	struct memos memos;
	struct packet_cache *packets;
	unsigned cached;      /* replies of the last batch that came from there */
	uint8_t *works;       /* STELE_BATCH_MAX struct work, see batch.c */
	bool cookies;         /* are answered */
	uint64_t cookie_head; /* the first half of a server cookie that is made now, as little-endian */
	struct stele_cookie_counts cookie_counts;
	void (*cookie_macs)(struct work *const *works, unsigned cnt, uint64_t *ret_macs);
	void (*run)(struct stele_answerer *answerer, const struct stele_query *queries,
		    struct stele_reply *replies, unsigned cnt, uint32_t cached);
};

struct work {
	struct stele_answerer *shared; /* set once */
	const struct stele_query *query;
	struct stele_reply *reply;

	/* ---- request: set by stele_request_parse() ---- */
	uint16_t id;
	uint16_t flags_in; /* the 16 bits behind the id */
	uint16_t qtype;
	uint16_t qclass;
	struct edns edns;
	struct cookie cookie; /* only if edns.cookie says so */
	uint32_t limit;       /* bytes the reply may have without its OPT */
	uint16_t opt_len;     /* of the OPT in the reply, EDE not counted */
	bool has_question;    /* the question is echoed */
	uint8_t qname_len;

	/* ---- lookup: set by batch.c ---- */
	uint8_t apex_depth; /* candidate depth of the zone's apex */
	uint64_t apex_hash;
	const uint8_t *zone_record; /* at the candidate depth; its name is not yet compared */
	bool zone_known;            /* zone_record is one that a zone_memo had */
	uint8_t probe_depth;        /* of the suffix of sname that is looked for first */
	uint64_t name_key;          /* of that suffix in that zone */

	/* ---- reply ---- */
	uint32_t pos;   /* bytes written so far: header and question are counted */
	uint16_t rcode; /* with the upper bits of EDNS */
	bool aa;
	bool tc;
	int ede; /* info code or STELE_EDE_NONE */
	uint16_t answer_cnt, authority_cnt, additional_cnt;

	/* ---- resolution: set by stele_resolve_start() ---- */
	uint8_t state;
	uint8_t fetch_cnt;
	uint8_t part_cnt;
	uint8_t host_cnt;
	uint8_t host_fetched;
	uint16_t rest_cnt;   /* references of the referral behind those that hosts[] has room for */
	uint8_t chain_cnt;   /* CNAMEs and DNAMEs followed */
	bool glue_missing;   /* a host of a referral had addresses that did not fit */
	uint8_t proof;       /* enum proof */
	uint8_t proof_depth; /* of the encloser that is tried */
	uint8_t memo_part_cnt; /* parts that the memo's body stands for */
	const void *memo_key;  /* of the encloser that is tried; NULL: it has no memo */
	const struct stele_nsec3_entry *cover; /* of the next closer name, if it is known already */
	uint8_t lo, hi;    /* of the search for the encloser: lo exists, hi does not */
	bool suffix_valid; /* suffix[] belongs to sname */
	uint16_t apex_at;  /* where the apex stands in the question */
	const struct stele_zone *zone;
	const uint8_t *record;   /* of sname, or of the wildcard that stands for it; NULL: none */
	const uint8_t *encloser; /* record of the closest encloser, once `lo` is final */
	const struct stele_zone *child_zone; /* WORK_DS_PARENT: what to go back to */
	const uint8_t *child_record;
	struct search_name sname;
	uint64_t suffix[STELE_LABELS_MAX + 1]; /* suffix[d]: hash of the last d labels of sname */
	struct fetch fetches[FETCH_MAX];
	uint8_t hashes[4][STELE_NSEC3_HASH_SZ]; /* computed for fetches */
	uint8_t hash_cnt;
	struct part parts[PART_MAX];
	struct host hosts[HOST_MAX];
	const struct stele_ref *rest; /* `rest_cnt` of the RRset that the last of hosts[] is of */
	uint64_t chain_keys[CHAIN_MAX + 1]; /* of the names that answered so far: finds loops */
	const struct stele_rrset *dnames[CHAIN_MAX]; /* that stand in the answer section */
	uint8_t dname_cnt;
};

/* The reply and its state as they are before anything is known. */
static inline void stele_work_begin_reply(struct work *w)
{
	w->rcode = STELE_RCODE_NOERROR;
	w->ede = STELE_EDE_NONE;
	w->aa = false;
	w->tc = false;
	w->answer_cnt = 0;
	w->authority_cnt = 0;
	w->additional_cnt = 0;

	struct stele_reply *reply = w->reply;
	reply->len = 0;
	reply->verdict = STELE_VERDICT_REPLY;
	reply->drop_reason = STELE_DROP_NONE;
	reply->reply_class = STELE_CLASS_ERROR;
	reply->rcode = STELE_RCODE_NOERROR;
	reply->cookie_valid = false;
	reply->cookie_invalid = false;
	reply->zone_id = UINT32_MAX;
	reply->body_off = 0;
	reply->body_len = 0;
	reply->body_sum = 0;
}

/* No host is wanted yet. */
static inline void work_begin_hosts(struct work *w)
{
	w->host_cnt = 0;
	w->host_fetched = 0;
	w->rest_cnt = 0;
}

/* Where the question of the reply ends, and what answers it begins; only if it has one. */
static inline uint32_t work_question_end(const struct work *w)
{
	return STELE_HEADER_SZ + w->qname_len + 4u;
}

/* No more goes into the reply: it ends here, with TC. */
static inline void stele_work_truncate(struct work *w)
{
	w->tc = true;
	w->state = WORK_DONE;
}

/* Asks for something; NULL if there is no room (then it is left out). */
static inline struct fetch *work_fetch(struct work *w, enum fetch_kind kind, enum fetch_role role,
				       uint64_t key)
{
	if (w->fetch_cnt >= FETCH_MAX)
		return NULL;
	struct fetch *f = &w->fetches[w->fetch_cnt++];
	f->kind = (uint8_t)kind;
	f->role = (uint8_t)role;
	f->key = key;
	f->result = NULL;
	f->matched = false;
	return f;
}

/* The part of sname that begins `depth` labels from the right. */
static inline const uint8_t *sname_suffix(const struct work *w, unsigned depth)
{
	return w->sname.wire + w->sname.starts[w->sname.depth - depth];
}

/* Length of that suffix without the apex. */
static inline unsigned sname_suffix_rel_len(const struct work *w, unsigned depth)
{
	return w->sname.len - w->sname.starts[w->sname.depth - depth] - w->zone->apex_len;
}

/* Where that suffix stands in the message; 0 if a pointer does not reach it. */
static inline uint16_t sname_suffix_at(const struct work *w, unsigned depth)
{
	if (depth == w->apex_depth)
		return w->apex_at;
	if (w->sname.at == 0)
		return 0;
	unsigned at = w->sname.at + w->sname.starts[w->sname.depth - depth];
	return at <= STELE_POINTER_MAX ? (uint16_t)at : 0;
}

/*
 * Reads the query into `w` (shared, query and reply are set already; the rest is unset). Everything that the
 * reply needs of the query is copied, since the reply may overwrite it: header and question are already in
 * place in reply->buf when this returns true, and w->pos stands behind them.
 *
 * True: the query is to be looked up. False: it is decided: either reply->verdict says drop or punt, or
 * w->rcode (FORMERR, NOTIMP, BADVERS, REFUSED …, or a CHAOS answer written in place) is to be sent
 * by stele_reply_finish().
 */
bool stele_request_parse(struct work *w);

/*
 * The options of the OPT of a plain query, whose fixed part is in w->edns already. Sets what they bring,
 * and w->opt_len. False if they are for stele_request_parse() to refuse.
 */
bool stele_request_read_options(struct work *w, const uint8_t *data, size_t len);

/* Answers a CHAOS question into the reply (RFC 4892), or sets REFUSED. */
void stele_chaos_answer(struct work *w);

/* Header, counts and OPT; fills reply->len, class and rcode. */
void stele_reply_finish(struct work *w);

/* The options of the OPT that stands at `opt`, behind w->pos. Returns their length. */
uint32_t stele_reply_put_options(struct work *w, uint8_t *opt, int ede);

/* Does as the policy says with a reply that is finished, its cookie included. */
void stele_reply_apply_policy(struct work *w, enum stele_policy_verdict verdict);

/*
 * The query was looked up at the candidate depth: w->zone_record and `record` (NULL: there is no such
 * name) are what was found, their names not yet compared. Begins with that.
 */
void stele_resolve_start(struct work *w, const uint8_t *record);

/* The question is for no zone of the image. */
void stele_resolve_refuse(struct work *w);

/* The fetches are there: goes on, until more are wanted (fetch_cnt > 0) or state is WORK_DONE. */
void stele_resolve_step(struct work *w);

#endif
