/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_MESSAGE_H
#define STELE_LIB_TEXT_MESSAGE_H

/*
 * Reading a whole message, strictly: what a careful client would refuse is refused here. For
 * printing and for checking replies; nothing of the query path uses it.
 */

#include "lib/base/error.h"
#include "lib/dns/message.h"
#include "lib/dns/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stele_message_section {
	STELE_MESSAGE_ANSWER,
	STELE_MESSAGE_AUTHORITY,
	STELE_MESSAGE_ADDITIONAL,
	STELE_MESSAGE_SECTION_CNT,
};

struct stele_message_rr {
	uint8_t owner[STELE_NAME_MAX]; /* expanded, in the case that the message has */
	uint8_t owner_len;
	uint16_t type, class;
	uint32_t ttl;
	size_t off; /* of the record in the message */
	size_t rdata_off;
	uint16_t rdata_len; /* as it stands there, names maybe compressed */
};

struct stele_message {
	const uint8_t *bytes; /* the caller's */
	size_t len;
	uint16_t id, flags;
	uint16_t question_cnt; /* 0 or 1 */
	uint8_t qname[STELE_NAME_MAX];
	uint8_t qname_len;
	uint16_t qtype, qclass;
	struct stele_message_rr *rrs; /* all sections, one behind another, without the OPT */
	size_t cnt[STELE_MESSAGE_SECTION_CNT];
	bool has_opt;
	struct stele_message_rr opt;
};

/*
 * Parses `len` bytes. STELE_E_INPUT: anything that does not fit; names that loop, point forward or
 * into the header; more than one question; an OPT that is not alone or not at the root; bytes
 * behind the end. `ret_message` is to be freed.
 */
int stele_message_parse(const uint8_t *bytes, size_t len, struct stele_message *ret_message,
			struct stele_error *reterr);
void stele_message_free(struct stele_message *message);

/*
 * The record's rdata with its names expanded, the case kept, into `rdata` (room for `max` bytes, at
 * least STELE_MESSAGE_MAX). Returns the length, -1 if a name in it is invalid.
 */
long stele_message_rdata(const struct stele_message *message, const struct stele_message_rr *rr,
			 uint8_t *rdata, size_t max);

#endif
