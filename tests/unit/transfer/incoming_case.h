/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_TRANSFER_INCOMING_CASE_H
#define STELE_TESTS_UNIT_TRANSFER_INCOMING_CASE_H

/*
 * What the parts of test_mgmt_incoming share: one transfer at a time of the zone zone.test, its
 * messages, and what the parser tells of them. Functions fail the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/transfer/incoming.h"

#define ID 4711
#define APEX_LEN 11
extern const uint8_t apex[APEX_LEN];

/* What was told, as text: "+www.zone.test. A" or "-…", "whole", "delta 7"; in lines. */
struct told {
	char text[1 << 16];
	size_t len;
	int refuse_at; /* the record that is refused; 0: none */
	int cnt;
};

/* Of the test under way. */
extern struct stele_incoming incoming;
extern struct told told;
extern struct stele_error err;

struct stele_incoming_settings settings(void);
void begin(const struct stele_incoming_settings *s);
void begin_axfr(void);
void begin_ixfr(uint32_t serial);

/* The message that is put together. */
extern struct stele_writer writer;
extern uint8_t message[STELE_MESSAGE_MAX];

/* Without a question if `type` is 0. */
void open_message(uint16_t type);
void put(const char *owner, uint16_t type, const void *rdata, size_t len);
void put_soa(uint32_t serial);
void put_a(const char *owner, uint8_t last);
/* All of a zone of serial 7, and the way to it from serial 5. */
void put_zone(void);
void put_deltas(void);
/* Gives the message to the parser; what that returned. */
int close_message(void);
/* The parser refuses the message, in words of which `part` is one. */
void refused(enum stele_incoming_fault fault, const char *part);

/* The groups of the other files; 0 if nothing failed. */
int test_incoming_refused(void);
int test_transfer_query(void);

#endif
