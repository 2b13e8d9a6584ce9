/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_LOOP_BURST_CASE_H
#define STELE_TESTS_UNIT_LOOP_BURST_CASE_H

/*
 * A worker that is given bursts by hand, on a port of two rings, of which the one that leads out is small. One for a
 * program.
 */

#include "benchmarks/loop/server.h"
#include "responder/worker/internal.h"

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdint.h>

/* What leaves, at once. */
enum { BURST_CASE_ROOM = 7 };

extern struct rte_ring *burst_case_out;
extern struct loop_server burst_case_server;

/* Of all tests. The EAL runs. */
void burst_case_start(const char *image);
void burst_case_end(void);

/* Of a test: for cmocka. Its first state may be a struct loop_server_settings, of which `rrl`, `cookies` and
 * `frame_flags` are taken. The end looks whether each buffer has been given back. */
int burst_case_open(void **state);
int burst_case_close(void **state);

/* A frame for the worker, of `len` bytes: zeros behind the Ethernet header. Returns its bytes. */
uint8_t *burst_case_frame(struct rte_mbuf **ret_mbuf, uint16_t ethertype, uint32_t len);

/* IPv4 to the worker's address. Of protocol 17 (UDP, without a checksum) a query. */
struct rte_mbuf *burst_case_packet(uint8_t protocol);
struct rte_mbuf *burst_case_query(const uint8_t *query, uint16_t len);
/* With a checksum. */
struct rte_mbuf *burst_case_query6(void);
struct rte_mbuf *burst_case_arp_request(void);
/* For the worker's IPv6 address. */
struct rte_mbuf *burst_case_solicitation(void);

/* Has the worker take a burst; the frames are its own then. */
void burst_case_process(struct rte_mbuf **mbufs, unsigned cnt);

uint64_t burst_case_value(enum stele_stat stat);

#endif
