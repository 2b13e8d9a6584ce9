/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_QUESTION_H
#define STELE_LIB_TEXT_QUESTION_H

/* A question as an operator types it, after the manner of dig, and the query that asks it. */

#include "lib/base/error.h"
#include "lib/dns/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer than any server takes, so that wrong ones can be tried. */
#define STELE_QUESTION_COOKIE_MAX 64
#define STELE_QUESTION_QUERY_MAX 512

struct stele_question {
	uint8_t qname[STELE_NAME_MAX];
	uint8_t qname_len; /* 0: none yet */
	uint16_t qtype, qclass;
	bool has_type, has_class; /* they were given */
	bool dnssec, tcp, nsid, recursion, checking_disabled, edns, cookie;
	uint8_t opcode, edns_version;
	uint16_t bufsize;
	uint8_t cookie_bytes[STELE_QUESTION_COOKIE_MAX];
	size_t cookie_len;
	uint8_t subnet_family; /* 4, 6, 0: no subnet */
	uint8_t subnet_addr[16];
	uint8_t subnet_bits;
};

/* Type A, class IN, RD, EDNS with 1232 bytes, no name. */
extern const struct stele_question stele_question_default;

/* What a question may leave out, and what the flags are, for --help. */
#define STELE_QUESTION_HELP                                                                        \
	"QTYPE is A and CLASS is IN where they are not given.\n\n"                                 \
	"  +dnssec          ask for signatures\n"                                                  \
	"  +bufsize=N       longest reply over UDP, in bytes (1232)\n"                             \
	"  +tcp             ask as over TCP\n"                                                     \
	"  +subnet=PREFIX   client subnet, as 192.0.2.0/24\n"                                      \
	"  +nsid            ask for the server's identity\n"                                       \
	"  +cookie[=HEX]    send a cookie\n"                                                       \
	"  +edns=N          EDNS version (0)\n"                                                    \
	"  +noedns          without EDNS\n"                                                        \
	"  +norec, +cd      RD clear, CD set\n"                                                    \
	"  +opcode=N        another opcode than QUERY (0)"

/*
 * Takes one word: the name comes first, then type and class in any order, each once, and +flags anywhere.
 * STELE_E_USAGE with a text that says what is wrong with the word.
 */
int stele_question_word(struct stele_question *q, const char *word, struct stele_error *reterr);

/* The query, with message id 0; there must be a name. Returns its length. */
size_t stele_question_query(const struct stele_question *q, uint8_t msg[STELE_QUESTION_QUERY_MAX]);

#endif
