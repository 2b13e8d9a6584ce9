/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_FRAME_FRAME_MODEL_H
#define STELE_TESTS_UNIT_FRAME_FRAME_MODEL_H

/*
 * Frames made by hand, and a second, slow and obvious reading of them, straight from the contract of
 * responder/frame/frame.h and the RFCs, sharing no code with it.
 */

#include "responder/frame/frame.h"

#include <stddef.h>

#define FRAME_MODEL_MAX 10240

extern const uint8_t frame_model_mac[6];  /* the port's */
extern const uint8_t frame_model_peer[6]; /* a router's */

/* One address of each family and more; ports 53 and 5353; the usual reflectors. No VLAN. MTU 1500. */
extern const struct stele_frame_settings frame_model_settings;

/* What a datagram is made of. frame_model_udp() fills in lengths and checksums. */
struct frame_model_query {
	unsigned family; /* 4, 6 */
	int tag;         /* TCI of a tag in the frame; -1: none */
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	const uint8_t *payload;
	uint32_t payload_len;
};

/* An ordinary query of that family to the port's first address, with a payload of 29 bytes. */
struct frame_model_query frame_model_query(unsigned family);

/* Writes the frame, FRAME_MODEL_MAX bytes at most. Returns its length. */
uint32_t frame_model_udp(uint8_t *frame, const struct frame_model_query *q);

/* As frame_model_udp() with any protocol; `payload` is what IP carries. Only IP's own checksum. */
uint32_t frame_model_ip(uint8_t *frame, const struct frame_model_query *q, unsigned proto,
			const uint8_t *payload, uint32_t len);

uint32_t frame_model_arp(uint8_t *frame, unsigned operation, const uint8_t *sender_mac,
			 const uint8_t sender[4], const uint8_t target[4]);

/* A neighbour solicitation to the solicited-node group of `target`, with a source option unless the
 * source is unspecified. */
uint32_t frame_model_solicitation(uint8_t *frame, const uint8_t source[16],
				  const uint8_t target[16]);

/* An echo request with `len` bytes of data. */
uint32_t frame_model_echo(uint8_t *frame, unsigned family, uint32_t len);

/* Byte by byte, big-endian: RFC 1071 as it is written, not complemented. */
uint32_t frame_model_sum(uint32_t sum, const uint8_t *p, size_t len);

/* Computes the checksums of the frame anew where there are any: IPv4 header, UDP, ICMP. */
void frame_model_seal(uint8_t *frame, uint32_t l3_off);

/* The slow reading. Sets what stele_frame_parse() sets. */
void frame_model_parse(const struct stele_frame_settings *settings, const uint8_t *frame,
		       uint32_t len, uint32_t cap, uint32_t offload, struct stele_frame *ret);

/*
 * Is this a sound frame to send from a port of these settings: own source MAC, lengths that agree, right
 * checksums, no fragment? Else what is wrong with it.
 */
const char *frame_model_fault(const struct stele_frame_settings *settings, const uint8_t *frame,
			      uint32_t len);

#endif
