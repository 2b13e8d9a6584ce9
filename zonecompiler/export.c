/* SPDX-License-Identifier: Apache-2.0 */
#include "zonecompiler/export.h"

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/text/rdata_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Owners between two calls of progress; pages of the store are given back this often too. */
#define REPORT_EVERY 65536

struct exporter {
	const struct stele_zone_info *zone;
	FILE *file;
	char *rdata_text;
};

static void write_record(struct exporter *e, const char *owner, size_t owner_len, uint32_t ttl,
			 uint16_t type, struct stele_node_rr rr)
{
	char middle[64], type_text[STELE_RRTYPE_TEXT_MAX];
	int middle_len = snprintf(middle, sizeof(middle), "\t%u\tIN\t%s\t", ttl,
				  stele_rrtype_to_text(type, type_text));
	size_t len = stele_rdata_to_text(type, rr.rdata, rr.rdata_len, e->rdata_text);
	e->rdata_text[len++] = '\n';
	fwrite(owner, 1, owner_len, e->file);
	fwrite(middle, 1, (size_t)middle_len, e->file);
	fwrite(e->rdata_text, 1, len, e->file);
}

static void write_rrset(struct exporter *e, const char *owner, size_t owner_len,
			const struct stele_node_rrset *rrset)
{
	const uint8_t *p = rrset->data;
	for (unsigned i = 0; i < rrset->rr_cnt; i++)
		write_record(e, owner, owner_len, rrset->ttl, rrset->type, stele_node_rr_next(&p));
	for (unsigned i = 0; i < rrset->sig_cnt; i++)
		write_record(e, owner, owner_len, rrset->ttl, STELE_TYPE_RRSIG,
			     stele_node_rr_next(&p));
}

/* `key` is the sort key of the owner. */
static void write_node(struct exporter *e, const uint8_t *key, size_t key_len, const uint8_t *node,
		       size_t node_sz)
{
	uint8_t owner[2 * STELE_NAME_MAX];
	char text[STELE_NAME_TEXT_MAX];
	int rel_len = stele_sort_key_to_name(key, key_len, owner);
	if (rel_len < 0 || rel_len + e->zone->apex_len > STELE_NAME_MAX)
		return;
	memcpy(owner + rel_len, e->zone->apex, e->zone->apex_len);
	size_t text_len = stele_name_to_text(owner, text);
	struct stele_node_rrset rrset;
	bool soa_first = key_len == 0 && stele_node_find(node, node_sz, STELE_TYPE_SOA, &rrset);
	if (soa_first)
		write_rrset(e, text, text_len, &rrset);
	for (size_t at = 0; stele_node_next(node, node_sz, &at, &rrset);)
		if (!soa_first || rrset.type != STELE_TYPE_SOA)
			write_rrset(e, text, text_len, &rrset);
}

/* An NSEC3 owner as a sort key: one label, which needs no escape. */
static size_t nsec3_sort_key(const uint8_t *hash, uint8_t key[STELE_NSEC3_LABEL_SZ + 1])
{
	stele_base32hex_encode(hash, key);
	key[STELE_NSEC3_LABEL_SZ] = 0;
	return STELE_NSEC3_LABEL_SZ + 1;
}

int stele_export_zone(struct stele_store *store, struct stele_store_read *read,
		      const struct stele_zone_info *zone, FILE *file,
		      void (*progress)(void *user, uint64_t owner_cnt), void *user,
		      struct stele_error *reterr)
{
	struct exporter e = {zone, file, malloc(STELE_RDATA_TEXT_MAX + 1)};
	struct stele_store_cursor *nodes = NULL, *nsec3s = NULL;
	if (e.rdata_text == NULL)
		return stele_fail_errno(reterr, ENOMEM, "cannot export");
	int status = stele_store_cursor_open(read, STELE_STORE_NODES, zone->id, NULL, 0, NULL, 0,
					     &nodes, reterr);
	if (status == 0)
		status = stele_store_cursor_open(read, STELE_STORE_NSEC3, zone->id, NULL, 0, NULL,
						 0, &nsec3s, reterr);
	struct stele_store_item node = {0}, nsec3 = {0};
	uint8_t key[STELE_NSEC3_LABEL_SZ + 1];
	size_t key_len = 0;
	int have_node = 0, have_nsec3 = 0;
	bool take_node = true, take_nsec3 = true;
	for (uint64_t cnt = 1; status == 0; cnt++) {
		if (take_node)
			have_node = stele_store_cursor_next(nodes, &node, reterr);
		if (take_nsec3 && have_node >= 0) {
			have_nsec3 = stele_store_cursor_next(nsec3s, &nsec3, reterr);
			if (have_nsec3 > 0)
				key_len = nsec3_sort_key(nsec3.key, key);
		}
		status = have_node < 0 ? have_node : have_nsec3 < 0 ? have_nsec3 : 0;
		if (status != 0 || (have_node == 0 && have_nsec3 == 0))
			break;
		take_node = have_node > 0 &&
			    (have_nsec3 == 0 ||
			     stele_sort_key_compare(node.key, node.key_len, key, key_len) <= 0);
		take_nsec3 = !take_node;
		if (take_node)
			write_node(&e, node.key, node.key_len, node.node, node.node_sz);
		else
			write_node(&e, key, key_len, nsec3.node, nsec3.node_sz);
		if (cnt % REPORT_EVERY == 0) {
			stele_store_release_pages(store);
			if (progress != NULL)
				progress(user, cnt);
		}
		if (ferror(file))
			break;
	}
	stele_store_cursor_close(nsec3s);
	stele_store_cursor_close(nodes);
	free(e.rdata_text);
	return status;
}
