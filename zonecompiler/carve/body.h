/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_CARVE_BODY_H
#define STELE_ZONECOMPILER_CARVE_BODY_H

/*
 * From an RRset of the store to its body as struct stele_rrset (lib/image/format.h) describes it:
 * records in wire format with compressed names, the sums, the patch list, the references.
 */

#include "zonecompiler/carve/buffer.h"
#include "zonecompiler/carve/compress.h"
#include "zonecompiler/carve/zone.h"

#include "lib/image/format.h"
#include "lib/store/node.h"

#include <stdbool.h>

/* Memory that is used again from body to body. Zeroed by its owner; one thread at a time. */
struct stele_carver {
	struct stele_compress compress;
	struct stele_buffer patches; /* le16 each */
	struct stele_buffer refs;    /* struct stele_ref each */
	const struct stele_carve_zone *zone;
	const uint8_t *owner; /* whole, lower case */
	uint8_t owner_len;
	bool owner_is_wildcard;
	bool owner_is_cut;
};

void stele_carver_free(struct stele_carver *carver);

/*
 * Says whose RRsets come. The bytes of `owner` (whole, lower case) and `zone` must stay until the
 * next call.
 */
void stele_carve_owner(struct stele_carver *carver, const struct stele_carve_zone *zone,
		       const uint8_t *owner, unsigned owner_len, bool is_wildcard, bool is_cut);

struct stele_body_options {
	bool with_sigs;
	bool with_refs;
	uint32_t ttl_max; /* TTLs above it are lowered to it */
};

/*
 * Appends the body of `set`, with all that stands behind it, to `out`, and fills `*ret_rrset`.
 * STELE_E_INPUT: longer than a message can be, or more than 255
 * signatures; then `out` may have grown.
 */
int stele_carve_body(struct stele_carver *carver, const struct stele_node_rrset *set,
		     const struct stele_body_options *options, struct stele_buffer *out,
		     struct stele_rrset *ret_rrset, struct stele_error *reterr);

/* The one's-complement sum of `len` bytes as big-endian 16-bit words, folded (RFC 1071). */
uint16_t stele_carve_sum(const uint8_t *bytes, size_t len);

#endif
