/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UPDATE messages against a small zone: whatever comes, the zone stays one. What is accepted can be
 * applied, leaves a SOA and an NS at the apex, and a serial that is newer if anything changed.
 *
 * The first byte of the input says whether a policy holds; the rest is the message.
 */
#include "lib/base/bytes.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "lib/store/node.h"
#include "lib/store/store.h"
#include "mgmt/update/perform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t apex[] = "\7example\3org";

static char dir[] = "/tmp/stele-fuzz-update-XXXXXX";
static struct stele_store *store;
static struct stele_store_write *write_;

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the zone ---- */

/* In canonical order. */
static const struct {
	const char *rel;
	uint16_t type;
	const char *rdata;
	size_t rdlen;
} owners[] = {
	{"\1a", STELE_TYPE_A, "\xc0\0\2\1", 4}, {"\1c", STELE_TYPE_CNAME, "\1a\7example\3org", 15},
	{"\1d", STELE_TYPE_DNAME, "\3net", 5},  {"\2ns", STELE_TYPE_A, "\xc0\0\2\2", 4},
	{"\1*\1w", STELE_TYPE_TXT, "\3abc", 4}, {"\1a\1w", STELE_TYPE_TXT, "\3abc", 4},
};

struct source {
	size_t at;
	uint8_t node[256], key[STELE_SORT_KEY_MAX];
};

static int next_node(void *user, struct stele_store_item *ret_item, struct stele_error *reterr)
{
	static const uint8_t soa[] =
		"\2ns\0\2hm\0\0\0\0\x64\0\0\x0e\x10\0\0\2\x58\0\1\x51\x80\0\0\1\x2c";
	struct source *source = user;
	size_t i = source->at++, node_sz, key_len = 0;
	(void)reterr;
	if (i > sizeof(owners) / sizeof(owners[0]))
		return 0;
	if (i == 0) {
		node_sz = stele_node_put_rr(source->node, STELE_TYPE_NS, 300, "\2ns\7example\3org",
					    16);
		node_sz += stele_node_put_rr(source->node + node_sz, STELE_TYPE_SOA, 300, soa,
					     sizeof(soa) - 1);
	} else {
		const char *rel = owners[i - 1].rel;
		node_sz = stele_node_put_rr(source->node, owners[i - 1].type, 300,
					    owners[i - 1].rdata, owners[i - 1].rdlen);
		key_len = stele_sort_key((const uint8_t *)rel, strlen(rel), source->key);
	}
	*ret_item = (struct stele_store_item){source->key, key_len, source->node, node_sz};
	return 1;
}

static void remove_store(void)
{
	char path[128];
	stele_store_abort(write_);
	stele_store_close(store);
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	unlink(path);
	rmdir(dir);
}

/* One write for all inputs; each is undone. */
static void begin(void)
{
	static struct source source;
	require(mkdtemp(dir) != NULL);
	require(stele_store_open(dir, STELE_STORE_CREATE, &store, NULL) == 0);
	require(stele_store_write_begin(store, &write_, NULL) == 0);
	require(stele_store_zone_replace(write_, apex, next_node, &source, NULL, NULL, NULL,
					 NULL) == 0);
	atexit(remove_store);
}

/* ---- what must hold ---- */

static void check_zone(uint32_t serial_before)
{
	struct stele_zone_edit *edit;
	struct stele_node_rrset rrset;
	struct stele_error err;
	require(stele_zone_edit_begin(write_, apex, STELE_ZONE_EDIT_LENIENT, "fuzz", &edit, &err) ==
		0);
	uint32_t serial = stele_zone_edit_zone(edit)->serial;
	require(serial != serial_before && (uint32_t)(serial - serial_before) < 0x80000000u);
	require(stele_zone_edit_find(edit, apex, STELE_TYPE_SOA, &rrset, &err) == 0 &&
		rrset.rr_cnt == 1);
	require(stele_zone_edit_find(edit, apex, STELE_TYPE_NS, &rrset, &err) == 0);
	stele_zone_edit_end(edit);
}

static void perform(const struct stele_update *update, bool has_policy)
{
	static uint8_t below_w[] = "\1w\7example\3org";
	static struct stele_update_rule_config rule = {
		.match = STELE_MATCH_SUBDOMAIN,
		.match_name = below_w,
	};
	static const struct stele_update_policy_config policy = {.rules = {&rule, 1}};
	const struct stele_update_grant grant = {.policy = has_policy ? &policy : NULL};
	struct stele_zone_edit *edit;
	struct stele_error err;
	const char *reason;
	uint16_t rcode;
	bool changed;
	require(stele_zone_edit_begin(write_, apex, STELE_ZONE_EDIT_LENIENT, "fuzz", &edit, &err) ==
		0);
	uint32_t serial = stele_zone_edit_zone(edit)->serial;
	int status = stele_update_perform(update, &grant, edit, &rcode, &changed, &reason, &err);
	require(status == 0);
	require(!changed || rcode == STELE_RCODE_NOERROR);
	require(rcode <= STELE_RCODE_NOTZONE);
	if (changed)
		require(stele_zone_edit_apply(edit, NULL, &err) == 0);
	stele_zone_edit_end(edit);
	if (changed)
		check_zone(serial);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stele_update update;
	struct stele_error err;
	uint16_t rcode;
	if (store == NULL)
		begin();
	if (size == 0)
		return 0;
	require(stele_update_parse(data + 1, size - 1, &update, &rcode, &err) == 0);
	if (rcode != STELE_RCODE_NOERROR)
		return 0;
	if (update.name_len == sizeof(apex) && memcmp(update.apex, apex, sizeof(apex)) == 0 &&
	    update.class_ == STELE_CLASS_IN) {
		require(stele_store_write_nest(write_, &err) == 0);
		perform(&update, (data[0] & 1) != 0);
		stele_store_nest_abort(write_);
	}
	stele_update_free(&update);
	return 0;
}
