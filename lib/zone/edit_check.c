/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the zone is still one after an edit session, and the way of the session into the store. */
#include "lib/zone/edit_internal.h"

#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

struct checker {
	struct stele_zone_edit *edit;
	struct stele_report report;
	struct stele_check check;
	struct stele_error *reterr;
};

/* The first text is the error. */
static void note_text(void *user, const char *text)
{
	struct checker *c = user;
	if (c->report.error_cnt == 0)
		stele_fail(c->reterr, STELE_E_INPUT, "%s", text);
}

static const char *source_name(const void *user, uint16_t file)
{
	(void)file;
	return user;
}

/* The sort key of the whole name, for messages. */
static size_t whole_key(const struct stele_zone_edit *edit, const struct edit_owner *owner,
			uint8_t key[STELE_SORT_KEY_MAX])
{
	memcpy(key, edit->apex_key, edit->apex_key_len);
	uint8_t *rest = key + edit->apex_key_len;
	if (owner->table == STELE_STORE_NODES) {
		memcpy(rest, owner->key, owner->key_len);
		return edit->apex_key_len + owner->key_len;
	}
	stele_base32hex_encode(owner->key, rest);
	rest[STELE_NSEC3_LABEL_SZ] = 0;
	return edit->apex_key_len + STELE_NSEC3_LABEL_SZ + 1;
}

static int fail_below(const struct checker *c, const uint8_t *below, size_t below_len,
		      const uint8_t *above, size_t above_len)
{
	const struct stele_zone_edit *edit = c->edit;
	char below_text[STELE_NAME_TEXT_MAX], above_text[STELE_NAME_TEXT_MAX];
	struct edit_owner owner = {.key = below, .key_len = below_len};
	uint8_t key[STELE_SORT_KEY_MAX];
	size_t key_len = whole_key(edit, &owner, key);
	stele_key_to_text(key, key_len, below_text);
	owner = (struct edit_owner){.key = above, .key_len = above_len};
	key_len = whole_key(edit, &owner, key);
	stele_key_to_text(key, key_len, above_text);
	return stele_fail(c->reterr, STELE_E_INPUT,
			  "%s: %s is below the DNAME at %s (expected no data there)", edit->source,
			  below_text, above_text);
}

static int has_dname(struct checker *c, const uint8_t *key, size_t key_len)
{
	const struct edit_owner *owner = edit_owner_find(c->edit, STELE_STORE_NODES, key, key_len);
	if (owner != NULL) {
		size_t first, sigs, end;
		edit_rrset_find(owner, STELE_TYPE_DNAME, &first, &sigs, &end);
		return first < sigs;
	}
	const uint8_t *node;
	size_t node_sz;
	struct stele_node_rrset dname;
	int status = stele_store_write_node(c->edit->write, c->edit->zone.id, STELE_STORE_NODES,
					    key, key_len, &node, &node_sz, c->reterr);
	if (status == STELE_E_NOTFOUND)
		return 0;
	if (status < 0)
		return status;
	return stele_node_find(node, node_sz, STELE_TYPE_DNAME, &dname) && dname.rr_cnt > 0;
}

/* No ancestor may be a DNAME. A key without its last labels is the key of an ancestor. */
static int check_above(struct checker *c, const struct edit_owner *owner)
{
	for (size_t len = 0; len < owner->key_len; len++) {
		if (len > 0 && owner->key[len - 1] != 0)
			continue;
		int has = has_dname(c, owner->key, len);
		if (has < 0)
			return has;
		if (has > 0)
			return fail_below(c, owner->key, owner->key_len, owner->key, len);
	}
	return 0;
}

/* Below a DNAME nothing of the store may be left. What the session put there is checked by itself. */
static int check_below(struct checker *c, const struct edit_owner *owner)
{
	struct stele_store_cursor *cursor;
	struct stele_store_item item;
	int status = stele_store_cursor_open(stele_store_write_view(c->edit->write),
					     STELE_STORE_NODES, c->edit->zone.id, owner->key,
					     owner->key_len, NULL, 0, &cursor, c->reterr);
	if (status < 0)
		return status;
	while ((status = stele_store_cursor_next(cursor, &item, c->reterr)) > 0) {
		if (!stele_key_is_below(item.key, item.key_len, owner->key, owner->key_len)) {
			status = 0;
			break;
		}
		if (item.key_len == owner->key_len ||
		    edit_owner_find(c->edit, STELE_STORE_NODES, item.key, item.key_len) != NULL)
			continue;
		status = fail_below(c, item.key, item.key_len, owner->key, owner->key_len);
		break;
	}
	stele_store_cursor_close(cursor);
	return status;
}

static int check_owner(void *user, struct edit_owner *owner)
{
	struct checker *c = user;
	uint8_t key[STELE_SORT_KEY_MAX];
	struct stele_owner form = {
		.key = key,
		.key_len = whole_key(c->edit, owner, key),
		.rrs = owner->rrs,
		.rr_cnt = owner->rr_cnt,
	};
	bool is_apex = owner->table == STELE_STORE_NODES && owner->key_len == 0;
	if (is_apex && stele_owner_find(&form, STELE_TYPE_SOA) == NULL)
		return stele_fail(c->reterr, STELE_E_INPUT,
				  "%s: no SOA record (expected one at the zone's apex)",
				  c->edit->source);
	if (owner->rr_cnt == 0)
		return 0;
	if (owner->table == STELE_STORE_NSEC3)
		return stele_check_nsec3_alone(&c->check, &form);
	int status = stele_check_owner_alone(&c->check, &form, is_apex);
	if (status == 0)
		status = check_above(c, owner);
	if (status == 0 && stele_owner_find(&form, STELE_TYPE_DNAME) != NULL)
		status = check_below(c, owner);
	return status;
}

int stele_zone_edit_check(struct stele_zone_edit *edit, struct stele_error *reterr)
{
	struct checker c = {.edit = edit, .reterr = reterr};
	c.report = (struct stele_report){.emit = note_text, .user = &c};
	/* Warnings are for people who sign; here nobody reads them. */
	for (unsigned i = 0; i < STELE_WARN_KIND_CNT; i++)
		c.report.warning_cnts[i] = STELE_REPORT_SHOWN;
	c.check = (struct stele_check){
		.report = &c.report,
		.file_name = source_name,
		.user = edit->source,
		.apex = edit->zone.apex,
		.apex_len = edit->zone.apex_len,
	};
	stele_check_begin(&c.check);
	int status = edit_owners_walk(edit, check_owner, &c);
	stele_check_free(&c.check);
	edit->checked = status == 0;
	return status;
}

/* ---- into the store ---- */

struct collector {
	struct stele_store_edit *edits;
	size_t cnt;
	struct stele_error *reterr;
};

static int collect(void *user, struct edit_owner *owner)
{
	struct collector *c = user;
	uint8_t *node;
	struct stele_store_edit *edit = &c->edits[c->cnt];
	edit->table = owner->table;
	edit->key = owner->key;
	edit->key_len = owner->key_len;
	int status = edit_owner_write(owner, &node, &edit->node_sz, c->reterr);
	if (status < 0)
		return status;
	edit->node = node;
	c->cnt++;
	return 0;
}

int stele_zone_edit_apply(struct stele_zone_edit *edit, struct stele_zone_info *ret_info,
			  struct stele_error *reterr)
{
	if (edit->applied)
		return stele_fail(reterr, STELE_E_USAGE, "%s: applied already", edit->source);
	int status = edit->checked ? 0 : stele_zone_edit_check(edit, reterr);
	if (status < 0)
		return status;
	struct collector c = {calloc(edit->owner_cnt + 1, sizeof(*c.edits)), 0, reterr};
	if (c.edits == NULL)
		return edit_no_memory(reterr);
	status = edit_owners_walk(edit, collect, &c);
	if (status == 0) {
		edit->applied = true;
		status = stele_store_zone_edit(edit->write, edit->zone.apex, c.edits, c.cnt,
					       ret_info, reterr);
	}
	for (size_t i = 0; i < c.cnt; i++)
		free((void *)(uintptr_t)c.edits[i].node);
	free(c.edits);
	return status;
}

static int compare_node(void *user, struct edit_owner *owner)
{
	uint8_t *node;
	size_t node_sz;
	int status = edit_owner_write(owner, &node, &node_sz, user);
	if (status < 0)
		return status;
	bool same = node_sz == owner->old_sz &&
		    (node_sz == 0 || memcmp(node, owner->old, node_sz) == 0);
	free(node);
	return same ? 0 : 1;
}

int stele_zone_edit_changes(struct stele_zone_edit *edit, struct stele_error *reterr)
{
	struct stele_error err;
	return edit_owners_walk(edit, compare_node, reterr != NULL ? reterr : &err);
}
