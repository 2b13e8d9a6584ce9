/* SPDX-License-Identifier: Apache-2.0 */
/* Members of catalogs become zones (RFC 9432 section 5). */
#include "mgmt/catalog/internal.h"

#include "lib/daemon/log.h"
#include "mgmt/catalog/contents.h"

#include <stdlib.h>
#include <string.h>

static bool is_same_name(const uint8_t *a, const uint8_t *b)
{
	size_t len = stele_name_length(a, STELE_NAME_MAX);
	return len == stele_name_length(b, STELE_NAME_MAX) && memcmp(a, b, len) == 0;
}

/* Of two nodes of members: the first label says whether it is still the same zone (section 5.4). */
static bool is_same_label(const uint8_t *a, const uint8_t *b)
{
	return a[0] == b[0] && memcmp(a, b, a[0] + 1u) == 0;
}

/* ---- state ---- */

struct stele_catalog *catalog_state(struct stele_managed_zone *zone)
{
	if (zone->catalog_state == NULL)
		zone->catalog_state = calloc(1, sizeof(*zone->catalog_state));
	return zone->catalog_state;
}

static void forget_problems(struct stele_catalog *state)
{
	for (size_t i = 0; i < state->problem_cnt; i++) {
		free(state->problems[i].member);
		free(state->problems[i].reason);
	}
	free(state->problems);
	state->problems = NULL;
	state->problem_cnt = state->problem_cap = 0;
	state->gave_away = false;
}

static void keep_problem(struct stele_catalog *state, const char *member, const char *reason)
{
	if (state->problem_cnt == state->problem_cap) {
		size_t cap = state->problem_cap > 0 ? 2 * state->problem_cap : 16;
		struct catalog_problem *problems =
			reallocarray(state->problems, cap, sizeof(*problems));
		if (problems == NULL)
			return;
		state->problems = problems;
		state->problem_cap = cap;
	}
	struct catalog_problem *problem = &state->problems[state->problem_cnt];
	*problem = (struct catalog_problem){strdup(member), strdup(reason)};
	if (problem->member != NULL && problem->reason != NULL) {
		state->problem_cnt++;
	} else {
		free(problem->member);
		free(problem->reason);
	}
}

static void add_problem(struct stele_managed_zone *catalog,
			const struct stele_catalog_member *member, const char *reason)
{
	char name[STELE_NAME_TEXT_MAX];
	stele_name_to_text(member->apex, name);
	stele_log_some(STELE_LOG_WARNING, "catalog-member-refused", STELE_LOG_ZONE(name),
		       STELE_LOG_TEXT("catalog", catalog->name), STELE_LOG_REASON(reason));
	keep_problem(catalog->catalog_state, name, reason);
}

void stele_catalog_free(struct stele_managed_zone *zone)
{
	if (zone->catalog_state == NULL)
		return;
	forget_problems(zone->catalog_state);
	free(zone->catalog_state);
	zone->catalog_state = NULL;
}

void stele_catalog_problems(const struct stele_managed_zone *zone,
			    void (*each)(void *user, const char *member, const char *reason),
			    void *user)
{
	const struct stele_catalog *state = zone->catalog_state;
	for (size_t i = 0; state != NULL && i < state->problem_cnt; i++)
		each(user, state->problems[i].member, state->problems[i].reason);
}

/* ---- other catalogs ---- */

static bool is_consumer(const struct stele_managed_zone *zone)
{
	return zone != NULL && zone->options->catalog == STELE_CATALOG_CONSUMER;
}

static void make_due(struct stele_daemon *daemon, struct stele_managed_zone *catalog)
{
	if (!is_consumer(catalog) || !catalog->loaded)
		return;
	catalog->catalog_due = true;
	daemon->catalogs_due = true;
}

void stele_catalog_look_again(struct stele_daemon *daemon)
{
	for (size_t i = 0; i < stele_zones_cnt(daemon->zones); i++) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (is_consumer(zone) && zone->catalog_state != NULL &&
		    (zone->catalog_state->problem_cnt > 0 || zone->catalog_state->gave_away))
			make_due(daemon, zone);
	}
}

/* The other catalog that was last asked about: members that clash mostly do with the same one, which is read once. */
struct other {
	uint8_t apex[STELE_NAME_MAX];
	bool is_asked; /* `apex` is set */
	bool is_read;  /* and `contents`: it could be read */
	struct stele_catalog_contents contents;
};

static void forget_other(struct other *other)
{
	if (other->is_read)
		stele_catalog_contents_free(&other->contents);
	other->is_asked = other->is_read = false;
}

/* True if the catalog that has the zone now says that it moves to `catalog` (section 4.4.1). */
static bool is_handed_over(struct stele_store_read *read, struct other *other,
			   const struct stele_managed_zone *zone,
			   const struct stele_managed_zone *catalog)
{
	if (!other->is_asked || !is_same_name(other->apex, zone->catalog)) {
		forget_other(other);
		memcpy(other->apex, zone->catalog,
		       stele_name_length(zone->catalog, STELE_NAME_MAX));
		other->is_asked = true;
		other->is_read = stele_catalog_read(read, zone->catalog, &other->contents, NULL) ==
				 0;
	}
	const struct stele_catalog_member *member =
		other->is_read ? stele_catalog_find(&other->contents, zone->apex) : NULL;
	return member != NULL && member->has_coo && is_same_name(member->coo, catalog->apex);
}

/* ---- members ---- */

/* The first of its groups that the configuration knows. */
static const char *group_of(const struct stele_managed_zone *catalog,
			    const struct stele_catalog_member *member)
{
	for (unsigned i = 0; i < member->group_cnt; i++)
		for (size_t k = 0; k < catalog->options->catalog_groups.cnt; k++)
			if (strcmp(catalog->options->catalog_groups.items[k].key,
				   member->groups[i]) == 0)
				return member->groups[i];
	return NULL;
}

/* Writes down to whom the zone belongs, and gives it the options of its group. */
static void own(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		const struct stele_managed_zone *catalog, const struct stele_catalog_member *member)
{
	const char *group = group_of(catalog, member);
	zone->from_catalog = true;
	memcpy(zone->catalog, catalog->apex, catalog->apex_len);
	memcpy(zone->catalog_unique, member->node, sizeof(zone->catalog_unique));
	free(zone->catalog_group);
	zone->catalog_group = group != NULL ? strdup(group) : NULL;
	stele_daemon_zone_set_options(daemon, zone, catalog->config,
				      stele_mgmtd_member_options(catalog->options, group));
	stele_zone_states_note(daemon->states, zone);
}

static void add(struct stele_daemon *daemon, struct stele_managed_zone *catalog,
		const struct stele_catalog_member *member)
{
	struct stele_managed_zone *zone;
	struct stele_error err;
	if (stele_daemon_zone_add(daemon, member->apex, catalog->config,
				  stele_mgmtd_member_options(catalog->options,
							     group_of(catalog, member)),
				  &zone, &err) != 0) {
		add_problem(catalog, member, err.text);
		return;
	}
	own(daemon, zone, catalog, member);
	stele_log_event(STELE_LOG_INFO, "catalog-member-added", STELE_LOG_ZONE(zone->name),
			STELE_LOG_TEXT("catalog", catalog->name),
			STELE_LOG_TEXT("group", zone->catalog_group));
}

static void remove_member(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			  const struct stele_managed_zone *catalog, const char *event)
{
	stele_log_event(STELE_LOG_INFO, event, STELE_LOG_ZONE(zone->name),
			STELE_LOG_TEXT("catalog", catalog->name));
	stele_daemon_zone_remove(daemon, zone, true);
}

/* Its data came from a primary, but of the zone nothing is remembered: the data was stored before the row was, and we
 * died between; or somebody has taken `state_dir` away. */
static void adopt(struct stele_daemon *daemon, struct stele_managed_zone *zone,
		  const struct stele_managed_zone *catalog,
		  const struct stele_catalog_member *member)
{
	own(daemon, zone, catalog, member);
	stele_log_event(STELE_LOG_NOTICE, "catalog-member-adopted", STELE_LOG_ZONE(zone->name),
			STELE_LOG_TEXT("catalog", catalog->name),
			STELE_LOG_TEXT("group", zone->catalog_group));
}

/* A member that is a zone already. */
static void meet(struct stele_daemon *daemon, struct stele_store_read *read, struct other *other,
		 struct stele_managed_zone *catalog, struct stele_managed_zone *zone,
		 const struct stele_catalog_member *member)
{
	if (!zone->configured && !zone->from_catalog && zone->transferred) {
		adopt(daemon, zone, catalog, member);
		return;
	}
	if (zone->configured || !zone->from_catalog) {
		add_problem(catalog, member,
			    zone->configured ? "a zone of this name is in the configuration" :
					       "a zone of this name is there already");
		return;
	}
	bool is_ours = is_same_name(zone->catalog, catalog->apex);
	/* It has gone where this catalog gave it, which lists it until all who read it have followed. */
	if (!is_ours && member->has_coo && is_same_name(zone->catalog, member->coo)) {
		catalog->catalog_state->gave_away = true;
		return;
	}
	if (!is_ours && !is_handed_over(read, other, zone, catalog)) {
		add_problem(catalog, member, "it is a member of another catalog");
		return;
	}
	if (!is_same_label(zone->catalog_unique, member->node)) {
		remove_member(daemon, zone, catalog, "catalog-member-reset");
		add(daemon, catalog, member);
		return;
	}
	if (!is_ours)
		stele_log_event(STELE_LOG_INFO, "catalog-member-moved", STELE_LOG_ZONE(zone->name),
				STELE_LOG_TEXT("catalog", catalog->name));
	const char *group = group_of(catalog, member);
	bool same_group = group == NULL || zone->catalog_group == NULL ?
				  group == zone->catalog_group :
				  strcmp(group, zone->catalog_group) == 0;
	if (!is_ours || !same_group)
		own(daemon, zone, catalog, member);
}

/* False for NULL. */
static bool is_member(const struct stele_managed_zone *zone,
		      const struct stele_managed_zone *catalog)
{
	return zone != NULL && zone->from_catalog && is_same_name(zone->catalog, catalog->apex);
}

/* Those of the catalog that it does not list any more. */
static bool remove_others(struct stele_daemon *daemon, const struct stele_managed_zone *catalog,
			  const struct stele_catalog_contents *contents)
{
	bool removed = false;
	for (size_t i = stele_zones_cnt(daemon->zones); i-- > 0;) {
		struct stele_managed_zone *zone = stele_zones_at(daemon->zones, i);
		if (!is_member(zone, catalog) ||
		    (contents != NULL && stele_catalog_find(contents, zone->apex) != NULL))
			continue;
		remove_member(daemon, zone, catalog, "catalog-member-removed");
		removed = true;
	}
	return removed;
}

/* `is_news`: the catalog says something else than when it was read last, or may. */
static void consume(struct stele_daemon *daemon, struct stele_store_read *read,
		    struct stele_managed_zone *catalog,
		    const struct stele_catalog_contents *contents, bool is_news)
{
	bool removed = remove_others(daemon, catalog, contents);
	struct other other = {.is_asked = false};
	for (size_t i = 0; i < contents->member_cnt; i++) {
		const struct stele_catalog_member *member = &contents->members[i];
		struct stele_managed_zone *zone = stele_zones_find(daemon->zones, member->apex);
		bool had_it = is_member(zone, catalog);
		if (zone == NULL)
			add(daemon, catalog, member);
		else
			meet(daemon, read, &other, catalog, zone, member);
		/* Whoever gets what is still this catalog's may have listed it before this one let it go. Said once:
		 * two that give each other members would be read in turns for ever. */
		if (member->has_coo && zone != NULL && (is_news || !had_it) &&
		    is_member(stele_zones_find(daemon->zones, member->apex), catalog))
			make_due(daemon, stele_zones_find(daemon->zones, member->coo));
	}
	forget_other(&other);
	if (removed)
		stele_catalog_look_again(daemon);
}

int stele_catalog_changed(struct stele_daemon *daemon, struct stele_managed_zone *zone,
			  struct stele_error *reterr)
{
	struct stele_store_read *read;
	struct stele_catalog_contents contents;
	if (catalog_state(zone) == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	int status = stele_store_read_begin(daemon->store, &read, reterr);
	if (status != 0)
		return status;
	status = stele_catalog_read(read, zone->apex, &contents, reterr);
	if (status == 0) {
		struct stele_catalog *state = zone->catalog_state;
		bool is_news = state->generation != zone->generation;
		state->generation = zone->generation;
		forget_problems(state);
		consume(daemon, read, zone, &contents, is_news);
		stele_catalog_contents_free(&contents);
	} else if (status == STELE_E_INPUT && reterr != NULL) {
		/* A transfer that goes well is no reason to forget it, unlike the zone's last error. */
		forget_problems(zone->catalog_state);
		keep_problem(zone->catalog_state, zone->name, reterr->text);
	}
	stele_store_read_end(read);
	return status;
}

void stele_catalog_end(struct stele_daemon *daemon, struct stele_managed_zone *zone)
{
	if (remove_others(daemon, zone, NULL))
		stele_catalog_look_again(daemon);
	stele_catalog_free(zone);
}
