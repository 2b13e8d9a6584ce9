/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_REFERENCE_INTERNAL_H
#define STELE_ZONECOMPILER_REFERENCE_INTERNAL_H

/* Shared by the files of this folder: zone.c reads, denial.c proves, answer.c decides. */

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "zonecompiler/reference/reference.h"

/* A whole name in lower case. */
struct ref_name {
	uint8_t wire[STELE_NAME_MAX];
	size_t len;
};

struct ref_node {
	struct ref_name owner;
	const uint8_t *bytes;
	size_t sz;
};

enum ref_chain { REF_CHAIN_NONE, REF_CHAIN_NSEC, REF_CHAIN_NSEC3 };

struct ref {
	struct stele_store_read *read;
	const struct reference_question *question;
	struct reference_reply *reply;
	struct stele_error *err;
	int status; /* of the first failure; then nothing more is read or written */

	struct stele_zone_info zone;
	enum ref_chain chain;
	uint8_t nsec3_params[4 + 1 + 255]; /* algorithm 1, flags, iterations, salt: as in rdata */
	size_t nsec3_params_len;

	struct ref_name name; /* the name being looked for */
	unsigned followed;    /* CNAMEs and DNAMEs so far */
};

/* ---- zone.c ---- */

/* The zone that answers for the question; false: none does. */
bool ref_find_zone(struct ref *r);

bool ref_is_below(const struct ref_name *name, const uint8_t *ancestor, size_t ancestor_len);

/* The last `labels` labels of a name. */
struct ref_name ref_suffix(const struct ref_name *name, unsigned labels);
unsigned ref_labels(const struct ref_name *name);

/* "*" in front of a name. False if that is too long. */
bool ref_star(const struct ref_name *name, struct ref_name *ret_star);

/* The node with this owner, if it has records. */
bool ref_node(struct ref *r, const struct ref_name *name, struct ref_node *ret_node);

/* True if the name or any name below it has records: so empty non-terminals exist too. */
bool ref_exists(struct ref *r, const struct ref_name *name);

/* True if the name is at or below a zone cut. */
bool ref_is_occluded(struct ref *r, const struct ref_name *name);

/* An RRset of the node that has records. */
bool ref_rrset(const struct ref_node *node, uint16_t type, struct stele_node_rrset *ret_rrset);

enum ref_what { REF_RECORDS = 1, REF_SIGS = 2 };

/* Puts an RRset into a section, under `owner`, unless it is there. */
void ref_add(struct ref *r, enum stele_message_section section, const struct ref_name *owner,
	     const struct stele_node_rrset *rrset, unsigned what, uint32_t ttl, bool required);

/* One record. */
void ref_add_rr(struct ref *r, enum stele_message_section section, const struct ref_name *owner,
		uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t rdata_len, bool required);

/* Records, and signatures if the client wants them. */
unsigned ref_wanted(const struct ref *r);

/* ---- denial.c: each adds what proves its point to the authority section, with DNSSEC only ---- */

/* The name exists, the type does not. `node` may be without records (empty non-terminal). */
void ref_prove_no_type(struct ref *r, const struct ref_name *name);

/* The name does not exist, nor a wildcard that would stand for it. */
void ref_prove_no_name(struct ref *r, const struct ref_name *name, const struct ref_name *encloser);

/* The wildcard below the encloser stands for the name, but has no such type. */
void ref_prove_no_wildcard_type(struct ref *r, const struct ref_name *name,
				const struct ref_name *encloser);

/* The name itself does not exist, so the wildcard below the encloser stands for it. */
void ref_prove_wildcard(struct ref *r, const struct ref_name *name,
			const struct ref_name *encloser);

/* The cut has no DS. */
void ref_prove_no_ds(struct ref *r, const struct ref_name *cut);

#endif
