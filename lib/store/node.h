/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_STORE_NODE_H
#define STELE_LIB_STORE_NODE_H

/*
 * A node: all that a zone holds at one owner name, as one run of bytes. It is the value of a key in
 * the store and what the parser makes, the carver reads and the journal compares. Little-endian:
 *
 *   RRset: le16 type | le16 rr_cnt | le32 ttl | le16 sig_cnt | le16 flags (0) | le32 data_sz
 *          then rr_cnt + sig_cnt times: le16 rdata_len | rdata       (data_sz bytes in all)
 *   RRsets follow one another in ascending order of type.
 *
 * Records of an RRset are in canonical order of their rdata (RFC 4034 section 6.3) without
 * duplicates. RRSIG records stand with the RRset that they cover, never as an RRset of their own;
 * signatures over an RRset that is not there make an RRset with rr_cnt 0. Names inside rdata keep
 * the case of the zone file and are never compressed. All signatures have the TTL of their RRset.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STELE_NODE_RRSET_HEAD_SZ 16

struct stele_node_rrset {
	uint16_t type;
	uint16_t rr_cnt;
	uint16_t sig_cnt;
	uint32_t ttl;
	uint32_t data_sz;
	const uint8_t *data; /* the first le16 rdata_len; points into the node */
};

/* One record of an RRset, while walking. */
struct stele_node_rr {
	uint16_t rdata_len;
	const uint8_t *rdata;
};

/*
 * Reads the RRset at `*at` (start with 0) and moves `*at` behind it. Returns false at the end of the
 * node. The node must be one that stele_node_check() accepted or the store wrote.
 */
bool stele_node_next(const uint8_t *node, size_t node_sz, size_t *at,
		     struct stele_node_rrset *ret_rrset);

/* The RRset of `type`, or false. */
bool stele_node_find(const uint8_t *node, size_t node_sz, uint16_t type,
		     struct stele_node_rrset *ret_rrset);

/* Reads the record at `*p` (start with rrset.data) and moves `*p` behind it. First the rr_cnt
 * records, then the sig_cnt signatures. The caller counts. */
static inline struct stele_node_rr stele_node_rr_next(const uint8_t **p)
{
	struct stele_node_rr rr = {(uint16_t)((*p)[0] | (*p)[1] << 8), *p + 2};
	*p += 2 + rr.rdata_len;
	return rr;
}

/*
 * Writes an RRset of one record, without signatures, to `to`: STELE_NODE_RRSET_HEAD_SZ + 2 + `rdata_len` bytes, which
 * it returns. `rdata_len` is at most 65,535. Who writes several begins with the lowest type.
 */
size_t stele_node_put_rr(uint8_t *to, uint16_t type, uint32_t ttl, const void *rdata,
			 size_t rdata_len);

/* True if the bytes are a well-formed node: every length inside, types ascending. */
bool stele_node_check(const uint8_t *node, size_t node_sz);

#endif
