/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_COMPILER_CARVE_NODE_H
#define STELE_TESTS_UNIT_COMPILER_CARVE_NODE_H

/* Nodes of the store made by hand, and the zone that they are of. Functions fail the test, or end it where memory is
 * out. */
#include "zonecompiler/carve/buffer.h"
#include "zonecompiler/carve/zone.h"

#include "lib/store/node.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Of whatever failed last. */
extern struct stele_error err;

/* The name in wire format; its length. */
size_t wire(const char *text, uint8_t name[STELE_NAME_MAX]);

struct node {
	struct stele_buffer bytes; /* freed by whoever made it */
	size_t head;               /* of the RRset under way */
};

/* Begins an RRset; call it in ascending order of type. */
void add_set(struct node *node, uint16_t type, uint32_t ttl);
/* Each adds to that: a record, a signature, a record that is `prefix` and a name. */
void add_rr(struct node *node, const void *rdata, size_t len);
void add_sig(struct node *node);
void add_name(struct node *node, const char *prefix, size_t prefix_len, const char *text);

struct stele_carve_zone zone_of(const char *apex, enum stele_chain chain);

#endif
