/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_TRANSFER_OUTGOING_CASE_H
#define STELE_TESTS_UNIT_TRANSFER_OUTGOING_CASE_H

/*
 * What the parts of test_outgoing share: versions of one zone in a store, and a client as plain
 * as possible that reads the messages: what it holds afterwards must be what the store held.
 * Functions fail the test.
 */
#include "tests/unit/store/store_fixture.h"
#include "tests/unit/store/store_model.h"

#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "mgmt/transfer/outgoing.h"

extern const uint8_t apex[13]; /* example.com. */

/* Put the apex, with a signature beside it, or an owner that is a hash, with its signature. */
void put_soa(struct model *model, uint32_t serial);
void put_nsec3(struct model *model, uint8_t first, const char *text);
struct model small_zone(uint32_t serial);
/* Replaces the zone in the store. */
void store_model(struct fixture *f, const struct model *model);

struct client {
	struct records received; /* in the order in which they came */
	unsigned message_cnt;
	bool has_opt, has_expire;
	uint32_t expire_s;
	struct stele_outgoing_stats stats;
};

void client_free(struct client *client);
/* One message of a transfer of `type`. */
void receive(struct client *client, const uint8_t *msg, size_t len, uint16_t type);

struct stele_transfer_request request_of(uint16_t type, uint32_t serial);
struct stele_outgoing *begin(struct fixture *f, const struct stele_transfer_request *request,
			     const struct stele_outgoing_options *options);
/* All that is left of a transfer, in messages of at most `cap` bytes. */
void take(struct fixture *f, struct stele_outgoing *out, size_t cap, uint16_t type,
	  struct client *client);
/* A transfer from its beginning to its end; the caller frees the client. */
struct client transfer_with(struct fixture *f, const struct stele_transfer_request *request,
			    const struct stele_outgoing_options *options, size_t cap);
struct client transfer(struct fixture *f, uint16_t type, uint32_t serial, size_t cap);

/* The client has got the whole zone, which is this one. */
void expect_whole(const struct client *client, const struct model *model);
/* It has got an SOA record and nothing else. */
void expect_soa(const struct client *client);
/*
 * Goes from one version to another by what came: RFC 1995 section 4. Each step must lead from the version
 * in `versions` of which it names the serial to the next one.
 */
void expect_steps(const struct client *client, const struct model *versions, unsigned from,
		  unsigned to);

/* The groups of the other files; 0 if nothing failed. */
int test_outgoing_ixfr(void);
int test_transfer_request(void);

#endif
