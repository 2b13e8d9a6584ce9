/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what no single value can tell. */
#include "mgmt/config/internal.h"

#include <string.h>

/* ---- listen, tls ---- */

static void check_listen(struct stele_config *config, struct stele_mgmtd_config *root)
{
	struct stele_listen_config *listen = (struct stele_listen_config *)root->listen.items;
	bool tls = false;
	for (size_t i = 0; i < root->listen.cnt; i++) {
		if (listen[i].port == 0)
			listen[i].port = listen[i].tls ? 853 : 53;
		tls |= listen[i].tls;
		if (listen[i].tls && root->tls.certificate == NULL)
			stele_config_fault(config, &listen[i].tls,
					   "tls is on, but there is no certificate (expected "
					   "tls.certificate and tls.key)");
		for (size_t j = 0; j < i; j++)
			if (listen[i].port == listen[j].port &&
			    memcmp(&listen[i].address, &listen[j].address,
				   sizeof(listen[i].address)) == 0)
				stele_config_fault(config, &listen[i],
						   "the same address and port as on line %u "
						   "(expected others)",
						   stele_config_line(config, &listen[j]));
	}
	if (root->tls.client_ca != NULL && !tls)
		stele_config_fault(config, &root->tls.client_ca,
				   "client_ca is given, but nothing listens with TLS (expected "
				   "tls: true in one of listen)");
}

static void check_pair_of_files(struct stele_config *config, const char *const *certificate,
				const char *const *key)
{
	if ((*certificate == NULL) != (*key == NULL))
		stele_config_fault(config, *certificate != NULL ? certificate : key,
				   "%s is given alone (expected certificate and key)",
				   *certificate != NULL ? "certificate" : "key");
}

/* ---- remotes ---- */

/* What is set where it cannot have an effect was meant to have one. */
static void check_remote_tls(struct stele_config *config, const struct stele_remote_config *remote)
{
	const struct stele_remote_tls_config *tls = &remote->tls;
	const void *given = tls->name != NULL        ? (const void *)&tls->name :
			    tls->ca != NULL          ? (const void *)&tls->ca :
			    tls->pins.cnt > 0        ? (const void *)tls->pins.items :
			    tls->certificate != NULL ? (const void *)&tls->certificate :
						       NULL;
	check_pair_of_files(config, &tls->certificate, &tls->key);
	if (!tls->enabled && given != NULL)
		stele_config_fault(config, given,
				   "TLS with '%s' is not enabled (expected enabled: true)",
				   remote->id);
	if (tls->pins.cnt > 0 && (tls->ca != NULL || tls->name != NULL))
		stele_config_fault(config, tls->ca != NULL ? &tls->ca : &tls->name,
				   "%s stands beside pins (expected one or the other)",
				   tls->ca != NULL ? "ca" : "name");
}

static void check_remote(struct stele_config *config, const struct stele_remote_config *remote)
{
	bool usable = remote->source.family == 0;
	for (size_t i = 0; i < remote->addresses.cnt; i++)
		usable |= remote->addresses.items[i].family == remote->source.family;
	if (!usable)
		stele_config_fault(config, &remote->source,
				   "source is an IPv%u address, and addresses has none (expected "
				   "one of the same family)",
				   remote->source.family);
	check_remote_tls(config, remote);
}

/* ---- keys ---- */

static void check_keys_file(struct stele_config *config, const struct stele_mgmtd_config *root)
{
	const char *const *first = NULL;
	for (size_t i = 0; i < root->remotes.cnt && first == NULL; i++)
		if (root->remotes.items[i].key != NULL)
			first = &root->remotes.items[i].key;
	for (size_t i = 0; i < root->acls.cnt && first == NULL; i++)
		if (root->acls.items[i].keys.cnt > 0)
			first = &root->acls.items[i].keys.items[0];
	for (size_t i = 0; i < root->update_policies.cnt; i++) {
		const struct stele_update_policy_config *policy = &root->update_policies.items[i];
		for (size_t j = 0; j < policy->rules.cnt && first == NULL; j++)
			if (policy->rules.items[j].keys.cnt > 0)
				first = &policy->rules.items[j].keys.items[0];
	}
	if (first != NULL && root->keys == NULL)
		stele_config_fault(config, first,
				   "key '%.255s' is named, but there is no file of keys (expected "
				   "keys: FILE)",
				   *first);
}

/* ---- update policies ---- */

static void check_rule(struct stele_config *config, const struct stele_update_rule_config *rule)
{
	bool needs_name = rule->match == STELE_MATCH_NAME || rule->match == STELE_MATCH_SUBDOMAIN ||
			  rule->match == STELE_MATCH_WILDCARD;
	if (needs_name && rule->name == NULL)
		stele_config_fault(config, &rule->match,
				   "this match has no name (expected name: …)");
	else if (!needs_name && rule->name != NULL)
		stele_config_fault(config, &rule->name,
				   "name is given for a match that has no use for it (expected "
				   "match: name, subdomain or wildcard)");
	else if (rule->match == STELE_MATCH_WILDCARD && rule->match_name != NULL &&
		 (rule->match_name[0] != 1 || rule->match_name[1] != '*'))
		stele_config_fault(config, &rule->name,
				   "name is '%.255s' (expected one that begins with '*.')",
				   rule->name);
}

/* ---- templates ---- */

static void check_bounds(struct stele_config *config, const uint64_t *min, const uint64_t *max,
			 const char *what)
{
	if (*min > *max)
		stele_config_fault(config, min, "%s_min is above %s_max (expected at most that)",
				   what, what);
}

static void check_updates(struct stele_config *config, const struct stele_template_config *template)
{
	bool updated = template->allow_update.cnt > 0;
	if (template->update_policy != NULL && !updated)
		stele_config_fault(config, &template->update_policy,
				   "update_policy is given, but nobody may update (expected "
				   "allow_update: […])");
	if (template->forward_updates && !template->has_primaries)
		stele_config_fault(config, &template->forward_updates,
				   "forward_updates is on, but there is nobody to hand updates to "
				   "(expected primaries: […])");
	if (updated && template->has_primaries && !template->forward_updates)
		stele_config_fault(config, template->allow_update.items,
				   "updates cannot be applied to what comes from primaries "
				   "(expected forward_updates: true)");
}

/* A member that is a catalog itself could make zones without end. */
static void check_member_template(struct stele_config *config, const void *field,
				  const struct stele_template_config *options)
{
	if (options != NULL && options->catalog != STELE_CATALOG_NONE)
		stele_config_fault(config, field,
				   "template '%s' is one of catalogs (expected one of ordinary "
				   "zones)",
				   options->id);
}

static void check_consumer(struct stele_config *config,
			   const struct stele_template_config *template)
{
	bool consumer = template->catalog == STELE_CATALOG_CONSUMER;
	if (consumer && template->catalog_template == NULL)
		stele_config_fault(config, &template->catalog,
				   "a consumer has no template for members (expected "
				   "catalog_template: …)");
	if (!consumer && template->catalog_template != NULL)
		stele_config_fault(config, &template->catalog_template,
				   "catalog_template is given, but this is no catalog (expected "
				   "catalog: consumer)");
	if (!consumer && template->catalog_groups.cnt > 0)
		stele_config_fault(config, &template->catalog_groups,
				   "catalog_groups is given, but this is no catalog (expected "
				   "catalog: consumer)");
	if (!consumer)
		return;
	check_member_template(config, &template->catalog_template, template->member_options);
	for (size_t i = 0; i < template->group_options.cnt; i++)
		check_member_template(config, &template->catalog_groups.items[i].value,
				      template->group_options.items[i]);
}

static void check_producer(struct stele_config *config,
			   const struct stele_template_config *template)
{
	bool producer = template->catalog == STELE_CATALOG_PRODUCER;
	if (producer && template->has_primaries)
		stele_config_fault(config, &template->catalog,
				   "a producer has primaries (expected none: it is written here)");
	if (producer && template->allow_update.cnt > 0)
		stele_config_fault(config, template->allow_update.items,
				   "a producer can be updated (expected no allow_update: it is "
				   "written here)");
	if (template->catalog != STELE_CATALOG_NONE && template->catalog_zone != NULL)
		stele_config_fault(config, &template->catalog_zone,
				   "a catalog is listed in a catalog (expected ordinary zones)");
	if (template->catalog_group != NULL && template->catalog_zone == NULL)
		stele_config_fault(config, &template->catalog_group,
				   "catalog_group is given without a catalog (expected "
				   "catalog_zone: …)");
}

static void check_template(struct stele_config *config,
			   const struct stele_template_config *template)
{
	check_bounds(config, &template->refresh_min_ns, &template->refresh_max_ns, "refresh");
	check_bounds(config, &template->retry_min_ns, &template->retry_max_ns, "retry");
	check_updates(config, template);
	check_consumer(config, template);
	check_producer(config, template);
}

/* ---- all of it ---- */

void mgmtd_check_whole(struct stele_config *config, void *config_root)
{
	struct stele_mgmtd_config *root = config_root;
	root->owner = config;
	root->holder_cnt = stele_config_alloc(config, sizeof(*root->holder_cnt));
	if (root->holder_cnt == NULL)
		return;
	atomic_init(root->holder_cnt, 1);
	mgmtd_resolve(config, root);
	if (root->default_template == NULL)
		return;
	/* How many cores there are is known only where the daemon starts; one there is. */
	stele_rrl_config_check(config, &root->rrl, root->threads == 0 ? 1 : root->threads,
			       root->threads == 0 ? "thread, as which auto counts" :
			       root->threads == 1 ? "thread" :
						    "threads");
	check_listen(config, root);
	check_pair_of_files(config, &root->tls.certificate, &root->tls.key);
	check_keys_file(config, root);
	for (size_t i = 0; i < root->remotes.cnt; i++)
		check_remote(config, &root->remotes.items[i]);
	for (size_t i = 0; i < root->update_policies.cnt; i++)
		for (size_t j = 0; j < root->update_policies.items[i].rules.cnt; j++)
			check_rule(config, &root->update_policies.items[i].rules.items[j]);
	for (size_t i = 0; i < root->templates.cnt; i++)
		check_template(config, &root->templates.items[i]);
	mgmtd_resolve_zones(config, root);
	/* Last: it is a copy of what the others have filled in. */
	root->stray_template = mgmtd_stray_template(config, root->default_template);
}
