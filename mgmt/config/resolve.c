/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers for ids, and wire format for names. */
#include "mgmt/config/internal.h"

#include "lib/dns/rrtype.h"

#include <stdlib.h>
#include <string.h>

/* Lists are const to all who read a configuration, not to those who fill it. */
#define FILL(list, i) ((void *)&(list)->items[i])

/* ---- names ---- */

/* `text` as a name in wire format, lower case; NULL if memory is out. It has passed mgmtd_check_name. */
static const uint8_t *wire(struct stele_config *config, const char *text)
{
	uint8_t name[STELE_NAME_MAX];
	int len = stele_name_from_text(text, strlen(text), name);
	uint8_t *wire = len > 0 ? stele_config_alloc(config, (size_t)len) : NULL;
	if (wire != NULL)
		stele_name_lower(wire, name, (size_t)len);
	return wire;
}

static const uint8_t *const *wires(struct stele_config *config, const char *const *texts,
				   size_t cnt)
{
	const uint8_t **names = stele_config_alloc(config, cnt * sizeof(*names));
	for (size_t i = 0; names != NULL && i < cnt; i++)
		names[i] = wire(config, texts[i]);
	return names;
}

static void resolve_rule(struct stele_config *config, struct stele_update_rule_config *rule)
{
	rule->key_names.items = wires(config, rule->keys.items, rule->keys.cnt);
	rule->key_names.cnt = rule->keys.cnt;
	if (rule->name != NULL)
		rule->match_name = wire(config, rule->name);
	uint16_t *codes = stele_config_alloc(config, rule->types.cnt * sizeof(*codes));
	for (size_t i = 0; codes != NULL && i < rule->types.cnt; i++)
		codes[i] = (uint16_t)stele_rrtype_from_text(rule->types.items[i],
							    strlen(rule->types.items[i]));
	rule->type_codes.items = codes;
	rule->type_codes.cnt = rule->types.cnt;
}

/* ---- ids ---- */

/* The first member of everything with an id is the id. */
struct any_with_id {
	const char *id;
};

struct any_list {
	const uint8_t *items;
	size_t cnt, sz;
	const char *what; /* "remote" */
};

#define ANY(list, name)                                                                            \
	(struct any_list)                                                                          \
	{                                                                                          \
		(const uint8_t *)(list)->items, (list)->cnt, sizeof(*(list)->items), name          \
	}

static const struct any_with_id *at(const struct any_list *list, size_t i)
{
	return (const struct any_with_id *)(const void *)(list->items + i * list->sz);
}

static const void *find(const struct any_list *list, const char *id)
{
	for (size_t i = 0; i < list->cnt; i++)
		if (strcmp(at(list, i)->id, id) == 0)
			return at(list, i);
	return NULL;
}

static void check_ids(struct stele_config *config, struct any_list list)
{
	for (size_t i = 0; i < list.cnt; i++)
		for (size_t j = 0; j < i; j++) {
			if (strcmp(at(&list, i)->id, at(&list, j)->id) != 0)
				continue;
			stele_config_fault(config, &at(&list, i)->id,
					   "the id '%s' is that of the %s on line %u (expected "
					   "another one)",
					   at(&list, i)->id, list.what,
					   stele_config_line(config, &at(&list, j)->id));
			break;
		}
}

/* What `*id` is the id of; NULL and told if it is nobody's. */
static const void *refer(struct stele_config *config, const struct any_list *list,
			 const char *const *id)
{
	const void *found = find(list, *id);
	if (found == NULL)
		stele_config_fault(config, id, "there is no %s '%.64s' (expected the id of one)",
				   list->what, *id);
	return found;
}

/* The same of a list, in its order. */
static void refer_all(struct stele_config *config, const struct any_list *list,
		      const char *const *ids, size_t cnt, void *ret_list)
{
	STELE_CONFIG_LIST(const void *) found;
	const void **items = stele_config_alloc(config, cnt * sizeof(*items));
	for (size_t i = 0; items != NULL && i < cnt; i++)
		items[i] = refer(config, list, &ids[i]);
	found.items = items;
	found.cnt = cnt;
	memcpy(ret_list, &found, sizeof(found));
}

/* ---- templates ---- */

/* "default" is there even if the file does not have it. */
static const struct stele_template_config *refer_template(struct stele_config *config,
							  const struct stele_mgmtd_config *root,
							  const char *const *id)
{
	const struct any_list templates = ANY(&root->templates, "template");
	if (strcmp(*id, root->default_template->id) == 0)
		return root->default_template;
	return refer(config, &templates, id);
}

static void resolve_groups(struct stele_config *config, const struct stele_mgmtd_config *root,
			   struct stele_template_config *template)
{
	const struct stele_template_config **items =
		stele_config_alloc(config, template->catalog_groups.cnt * sizeof(*items));
	for (size_t i = 0; items != NULL && i < template->catalog_groups.cnt; i++)
		items[i] = refer_template(config, root, &template->catalog_groups.items[i].value);
	template->group_options.items = items;
	template->group_options.cnt = template->catalog_groups.cnt;
}

static void resolve_template(struct stele_config *config, const struct stele_mgmtd_config *root,
			     struct stele_template_config *template)
{
	const struct any_list remotes = ANY(&root->remotes, "remote");
	const struct any_list acls = ANY(&root->acls, "acl");
	const struct any_list policies = ANY(&root->update_policies, "update policy");

	refer_all(config, &remotes, template->primaries.items, template->primaries.cnt,
		  &template->primary_remotes);
	refer_all(config, &remotes, template->notify.items, template->notify.cnt,
		  &template->notify_remotes);
	refer_all(config, &acls, template->allow_transfer.items, template->allow_transfer.cnt,
		  &template->acls[STELE_ACCESS_TRANSFER]);
	refer_all(config, &acls, template->allow_notify.items, template->allow_notify.cnt,
		  &template->acls[STELE_ACCESS_NOTIFY]);
	refer_all(config, &acls, template->allow_update.items, template->allow_update.cnt,
		  &template->acls[STELE_ACCESS_UPDATE]);
	template->has_primaries = template->primaries.cnt > 0;
	if (template->update_policy != NULL)
		template->policy = refer(config, &policies, &template->update_policy);
	if (template->catalog_template != NULL)
		template->member_options =
			refer_template(config, root, &template->catalog_template);
	resolve_groups(config, root, template);
}

static const struct stele_template_config *default_template(struct stele_config *config,
							    const struct stele_mgmtd_config *root)
{
	const struct any_list templates = ANY(&root->templates, "template");
	struct stele_template_config *made;
	const void *given = find(&templates, "default");
	if (given != NULL)
		return given;
	made = stele_config_alloc(config, sizeof(*made));
	if (made != NULL)
		stele_config_defaults(config, mgmtd_template_options, made, sizeof(*made));
	return made;
}

void mgmtd_resolve(struct stele_config *config, struct stele_mgmtd_config *root)
{
	check_ids(config, ANY(&root->remotes, "remote"));
	check_ids(config, ANY(&root->acls, "acl"));
	check_ids(config, ANY(&root->update_policies, "update policy"));
	check_ids(config, ANY(&root->templates, "template"));
	for (size_t i = 0; i < root->remotes.cnt; i++) {
		struct stele_remote_config *remote = FILL(&root->remotes, i);
		if (remote->key != NULL)
			remote->key_name = wire(config, remote->key);
		remote->connect_port = remote->port != 0   ? remote->port :
				       remote->tls.enabled ? 853 :
							     53;
		remote->is_told_by_tls = remote->tls.enabled && remote->notify_port == 0;
		remote->told_port = remote->notify_port != 0 ? remote->notify_port :
							       remote->connect_port;
	}
	for (size_t i = 0; i < root->acls.cnt; i++) {
		struct stele_acl_config *acl = FILL(&root->acls, i);
		acl->key_names.items = wires(config, acl->keys.items, acl->keys.cnt);
		acl->key_names.cnt = acl->keys.cnt;
	}
	for (size_t i = 0; i < root->update_policies.cnt; i++)
		for (size_t j = 0; j < root->update_policies.items[i].rules.cnt; j++)
			resolve_rule(config, FILL(&root->update_policies.items[i].rules, j));
	root->default_template = default_template(config, root);
	for (size_t i = 0; root->default_template != NULL && i < root->templates.cnt; i++)
		resolve_template(config, root, FILL(&root->templates, i));
}

const struct stele_template_config *mgmtd_stray_template(struct stele_config *config,
							 const struct stele_template_config *given)
{
	if (!given->has_primaries && given->catalog == STELE_CATALOG_NONE)
		return given;
	struct stele_template_config *stray = stele_config_alloc(config, sizeof(*stray));
	if (stray == NULL)
		return NULL;
	*stray = *given;
	stray->primaries.cnt = 0;
	stray->primary_remotes.cnt = 0;
	stray->has_primaries = false;
	stray->forward_updates = false;
	stray->catalog = STELE_CATALOG_NONE;
	if (given->has_primaries) {
		stray->allow_update.cnt = 0;
		stray->acls[STELE_ACCESS_UPDATE].cnt = 0;
	}
	return stray;
}

/* ---- zones ---- */

static int compare_apexes(const void *a, const void *b)
{
	const struct stele_zone_config *x = *(const struct stele_zone_config *const *)a;
	const struct stele_zone_config *y = *(const struct stele_zone_config *const *)b;
	int order = memcmp(x->apex, y->apex, x->apex_len < y->apex_len ? x->apex_len : y->apex_len);
	if (order != 0 || x->apex_len != y->apex_len)
		return order != 0 ? order : (int)x->apex_len - (int)y->apex_len;
	/* Those of the same name in the order of the file. */
	return x < y ? -1 : x > y;
}

static bool has_apex(const struct stele_zone_config *zone, const uint8_t *apex, size_t apex_len)
{
	return zone->apex_len == apex_len && memcmp(zone->apex, apex, apex_len) == 0;
}

/* Finding a fault's place takes time in a large file, and nobody reads more of them. */
static bool tell_doubles(struct stele_config *config, const struct stele_zone_config *const *sorted,
			 size_t cnt)
{
	unsigned told = 0;
	for (size_t i = 1; i < cnt && told < STELE_CONFIG_FAULTS_MAX; i++) {
		if (!has_apex(sorted[i], sorted[i - 1]->apex, sorted[i - 1]->apex_len))
			continue;
		stele_config_fault(config, &sorted[i]->name,
				   "zone '%.255s' stands on line %u too (expected it once)",
				   sorted[i]->name,
				   stele_config_line(config, &sorted[i - 1]->name));
		told++;
	}
	return told == 0;
}

static const struct stele_zone_config *find_zone(const struct stele_zone_config *const *sorted,
						 size_t cnt, const uint8_t *apex)
{
	size_t apex_len = stele_name_length(apex, STELE_NAME_MAX);
	size_t low = 0, high = cnt;
	struct stele_zone_config wanted = {.apex_len = (uint8_t)apex_len};
	const struct stele_zone_config *key = &wanted;
	memcpy(wanted.apex, apex, apex_len);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (has_apex(sorted[middle], apex, apex_len))
			return sorted[middle];
		if (compare_apexes(&sorted[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void resolve_producers(struct stele_config *config, struct stele_mgmtd_config *root,
			      const struct stele_zone_config *const *sorted)
{
	for (size_t i = 0; i < root->templates.cnt; i++) {
		struct stele_template_config *template = FILL(&root->templates, i);
		const uint8_t *apex = template->catalog_zone != NULL ?
					      wire(config, template->catalog_zone) :
					      NULL;
		if (apex == NULL)
			continue;
		template->producer = find_zone(sorted, root->zones.cnt, apex);
		if (template->producer == NULL ||
		    template->producer->options->catalog != STELE_CATALOG_PRODUCER)
			stele_config_fault(config, &template->catalog_zone,
					   "catalog_zone is '%.255s' (expected one of zones, whose "
					   "template is a producer)",
					   template->catalog_zone);
	}
}

static bool is_room_for_catalog(struct stele_config *config, const struct stele_zone_config *zone)
{
	unsigned len = zone->apex_len;
	if (zone->options->catalog == STELE_CATALOG_CONSUMER && len > STELE_CATALOG_CONSUMED_MAX)
		stele_config_fault(config, &zone->name,
				   "a consumer's name has %u bytes, which leaves no room for "
				   "'version' below it (expected at most %u)",
				   len, STELE_CATALOG_CONSUMED_MAX);
	else if (zone->options->catalog == STELE_CATALOG_PRODUCER &&
		 len > STELE_CATALOG_PRODUCED_MAX)
		stele_config_fault(config, &zone->name,
				   "a producer's name has %u bytes, which leaves no room for "
				   "groups of members below it (expected at most %u)",
				   len, STELE_CATALOG_PRODUCED_MAX);
	else
		return true;
	return false;
}

void mgmtd_resolve_zones(struct stele_config *config, struct stele_mgmtd_config *root)
{
	const struct stele_template_config *last = root->default_template;
	const struct stele_zone_config **sorted =
		stele_config_alloc(config, root->zones.cnt * sizeof(*sorted));
	unsigned faulty = 0;
	if (sorted == NULL)
		return;
	for (size_t i = 0; i < root->zones.cnt && faulty < STELE_CONFIG_FAULTS_MAX; i++) {
		struct stele_zone_config *zone = FILL(&root->zones, i);
		int len = stele_name_from_text(zone->name, strlen(zone->name), zone->apex);
		zone->apex_len = (uint8_t)len;
		stele_name_lower(zone->apex, zone->apex, (size_t)len);
		sorted[i] = zone;
		/* Most have the one before's. */
		zone->options = strcmp(zone->template, last->id) == 0 ?
					last :
					refer_template(config, root, &zone->template);
		if (zone->options != NULL)
			last = zone->options;
		if (zone->options == NULL || !is_room_for_catalog(config, zone))
			faulty++;
	}
	if (faulty > 0)
		return;
	qsort(sorted, root->zones.cnt, sizeof(*sorted), compare_apexes);
	if (tell_doubles(config, sorted, root->zones.cnt))
		resolve_producers(config, root, sorted);
}
