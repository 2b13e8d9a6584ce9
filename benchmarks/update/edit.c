/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/update/edit.h"

#include "benchmarks/update/node.h"
#include "lib/base/bytes.h"
#include "lib/dns/rrtype.h"

#include <string.h>

/* ---- the apex ---- */

static const uint8_t apex_key[1]; /* of 0 bytes, but not nowhere */

void change_soa(struct change *change)
{
	size_t len;
	uint8_t *soa = change_last_rdata(change, change_edit_node(change, apex_key, 0),
					 STELE_TYPE_SOA, &len);
	stele_put_be32(soa + len - 20, stele_get_be32(soa + len - 20) + 1);
	change_set_subject(change, apex_key, 0);
}

void change_ns(struct change *change)
{
	size_t len;
	uint8_t *ns = change_last_rdata(change,
					change_edit_of(change, STELE_STORE_NODES, apex_key, 0),
					STELE_TYPE_NS, &len);
	/* The last letter of the first label: the last record of its RRset, and it stays that. */
	uint8_t letter = ns[ns[0]];
	ns[ns[0]] = (uint8_t)(letter >= 'e' && letter < 'z' ? letter + 1 : 'e');
}

void change_dnskey(struct change *change)
{
	size_t len;
	uint8_t *key = change_last_rdata(change,
					 change_edit_of(change, STELE_STORE_NODES, apex_key, 0),
					 STELE_TYPE_DNSKEY, &len);
	gen_rng_fill(&change->rng, key + len - CHANGE_SIGNATURE_SZ, CHANGE_SIGNATURE_SZ);
}

/* ---- hosts ---- */

static void change_host(struct change *change, struct change_edit *edit)
{
	size_t len;
	uint8_t *address = change_last_rdata(change, edit, STELE_TYPE_A, &len);
	address[len - 1] ^= (uint8_t)(1 + gen_rng_below(&change->rng, 255));
	change_set_subject(change, edit->key, edit->key_len);
}

void change_address(struct change *change, const char *name)
{
	uint8_t wire[STELE_NAME_MAX], key[STELE_SORT_KEY_MAX];
	int len = stele_name_from_text(name, strlen(name), wire);
	if (len < change->info.apex_len)
		change_fail("the host is not in the zone");
	size_t key_len = stele_sort_key(wire, (size_t)len - change->info.apex_len, key);
	change_host(change, change_edit_node(change, key, key_len));
}

void change_leaf(struct change *change)
{
	struct stele_store_cursor *cursor = change_walk(change);
	struct stele_store_item item = change_next(cursor);
	while (!change_is_host(&item))
		item = change_next(cursor);
	change_host(change, change_edit_item(change, STELE_STORE_NODES, &item));
	stele_store_cursor_close(cursor);
}
