/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/carve/chain.h"

#include "lib/dns/rrtype.h"

#define NSEC3_OPT_OUT 1

int stele_carve_negative_soa(struct stele_carver *carver, const struct stele_carve_zone *zone,
			     const uint8_t *node, size_t node_sz, struct stele_buffer *out,
			     struct stele_rrset *ret_rrset, uint32_t *ret_serial,
			     struct stele_error *reterr)
{
	struct stele_node_rrset set;
	if (!stele_node_find(node, node_sz, STELE_TYPE_SOA, &set) || set.rr_cnt != 1) {
		char text[STELE_NAME_TEXT_MAX];
		stele_name_to_text(zone->apex, text);
		return stele_fail(reterr, STELE_E_INPUT, "zone %s: not one SOA", text);
	}
	const uint8_t *p = set.data;
	struct stele_node_rr soa = stele_node_rr_next(&p);
	const uint8_t *numbers = soa.rdata + soa.rdata_len - 20;
	struct stele_body_options options = {
		.with_sigs = true,
		.ttl_max = stele_get_be32(numbers + 16),
	};
	stele_carve_owner(carver, zone, zone->apex, zone->apex_len, false, false);
	int rc = stele_carve_body(carver, &set, &options, out, ret_rrset, reterr);
	if (rc == 0)
		*ret_serial = stele_get_be32(numbers);
	return rc;
}

int stele_carve_nsec3(struct stele_carver *carver, const struct stele_carve_zone *zone,
		      const uint8_t hash[STELE_NSEC3_HASH_SZ], const uint8_t *node, size_t node_sz,
		      struct stele_buffer *out, struct stele_carve_nsec3_result *ret_result,
		      struct stele_error *reterr)
{
	struct stele_carve_nsec3_result result = {0};
	struct stele_node_rrset set;
	*ret_result = result;
	if (!stele_carve_find_nsec3(zone, node, node_sz, &set))
		return 0;
	const uint8_t *p = set.data;
	for (unsigned i = 0; i < set.rr_cnt; i++) {
		struct stele_node_rr rr = stele_node_rr_next(&p);
		result.opt_out |= (rr.rdata[1] & NSEC3_OPT_OUT) != 0;
	}

	uint8_t owner[1 + STELE_NSEC3_LABEL_SZ + STELE_NAME_MAX + STELE_HASH_SLACK] = {
		STELE_NSEC3_LABEL_SZ};
	stele_base32hex_encode(hash, owner + 1);
	memcpy(owner + 1 + STELE_NSEC3_LABEL_SZ, zone->apex, zone->apex_len);
	unsigned owner_len = 1u + STELE_NSEC3_LABEL_SZ + zone->apex_len;
	stele_carve_owner(carver, zone, owner, owner_len, false, false);

	struct stele_nsec3_entry entry;
	memcpy(entry.hash, hash, sizeof(entry.hash));
	size_t begin = out->len;
	int rc = stele_buffer_add(out, &entry, sizeof(entry), reterr);
	if (rc < 0)
		return rc;
	struct stele_body_options options = {.with_sigs = true, .ttl_max = UINT32_MAX};
	rc = stele_carve_body(carver, &set, &options, out, &entry.rrset, reterr);
	if (rc < 0)
		return rc;
	memcpy(out->data + begin, &entry, sizeof(entry));
	result.rr_cnt = (uint32_t)set.rr_cnt + entry.rrset.sig_cnt;
	*ret_result = result;
	return 0;
}
