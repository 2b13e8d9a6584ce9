/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/compiler/carve_node.h"

#include <stdlib.h>
#include <string.h>

struct stele_error err;

size_t wire(const char *text, uint8_t name[STELE_NAME_MAX])
{
	int len = stele_name_from_text(text, strlen(text), name);
	assert_true(len > 0);
	return (size_t)len;
}

void add_set(struct node *node, uint16_t type, uint32_t ttl)
{
	uint8_t head[STELE_NODE_RRSET_HEAD_SZ] = {0};
	stele_put_le16(head, type);
	stele_put_le32(head + 4, ttl);
	node->head = node->bytes.len;
	if (stele_buffer_add(&node->bytes, head, sizeof(head), &err) != 0)
		abort();
}

static void raise(uint8_t *p)
{
	stele_put_le16(p, (uint16_t)(stele_get_le16(p) + 1));
}

static void add_bytes(struct node *node, size_t count_at, const void *rdata, size_t len)
{
	uint8_t le[2];
	stele_put_le16(le, (uint16_t)len);
	stele_buffer_add(&node->bytes, le, 2, &err);
	stele_buffer_add(&node->bytes, rdata, len, &err);
	if (node->bytes.data == NULL)
		abort();
	uint8_t *head = node->bytes.data + node->head;
	raise(head + count_at);
	stele_put_le32(head + 12, (uint32_t)(node->bytes.len - node->head - sizeof(uint64_t) * 2));
}

void add_rr(struct node *node, const void *rdata, size_t len)
{
	add_bytes(node, 2, rdata, len);
}

void add_sig(struct node *node)
{
	add_bytes(node, 8, "a signature of 24 bytes.", 24);
}

void add_name(struct node *node, const char *prefix, size_t prefix_len, const char *text)
{
	uint8_t rdata[8 + STELE_NAME_MAX];
	memcpy(rdata, prefix, prefix_len);
	size_t len = wire(text, rdata + prefix_len);
	add_rr(node, rdata, prefix_len + len);
}

struct stele_carve_zone zone_of(const char *apex, enum stele_chain chain)
{
	struct stele_carve_zone zone = {.id = 1, .chain = chain, .seed = stele_hash_seed(11, 22)};
	zone.apex_len = (uint8_t)wire(apex, zone.apex);
	zone.apex_labels = (uint8_t)stele_name_label_cnt(zone.apex);
	zone.apex_hash = stele_carve_hash(zone.seed, zone.apex);
	return zone;
}
