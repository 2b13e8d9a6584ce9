/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 2136 section 3.3: the policy of a template, record by record. */
#include "mgmt/update/perform.h"

#include "lib/dns/rrtype.h"
#include "lib/store/node.h"

#include <string.h>

/* What a rule without types leaves out: the zone itself, and what signs it. */
static bool is_for_owners_of_zones(uint16_t type)
{
	switch (type) {
	case STELE_TYPE_SOA:
	case STELE_TYPE_NS:
	case STELE_TYPE_DNSKEY:
	case STELE_TYPE_RRSIG:
	case STELE_TYPE_NSEC:
	case STELE_TYPE_NSEC3:
	case STELE_TYPE_NSEC3PARAM:
		return true;
	default:
		return false;
	}
}

static bool fits_type(const struct stele_update_rule_config *rule, uint16_t type)
{
	for (size_t i = 0; i < rule->type_codes.cnt; i++)
		if (rule->type_codes.items[i] == type ||
		    rule->type_codes.items[i] == STELE_TYPE_ANY)
			return true;
	return rule->types.cnt == 0 && !is_for_owners_of_zones(type);
}

static bool is_same(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool fits_key(const struct stele_update_rule_config *rule, const uint8_t *key,
		     size_t key_len)
{
	for (size_t i = 0; i < rule->key_names.cnt && key != NULL; i++) {
		const uint8_t *name = rule->key_names.items[i];
		if (is_same(name, stele_name_length(name, STELE_NAME_MAX), key, key_len))
			return true;
	}
	return rule->keys.cnt == 0;
}

static bool fits_name(const struct stele_update_rule_config *rule, const uint8_t *owner,
		      size_t owner_len, const uint8_t *key, size_t key_len)
{
	const uint8_t *name = rule->match_name;
	size_t name_len = name != NULL ? stele_name_length(name, STELE_NAME_MAX) : 0;
	switch (rule->match) {
	case STELE_MATCH_NAME:
		return name != NULL && is_same(owner, owner_len, name, name_len);
	case STELE_MATCH_SUBDOMAIN:
		return name != NULL && stele_name_is_below(owner, owner_len, name, name_len);
	case STELE_MATCH_WILDCARD: /* below the name behind the asterisk */
		return name != NULL &&
		       stele_name_is_below(owner, owner_len, name + 2, name_len - 2) &&
		       owner_len > name_len - 2;
	case STELE_MATCH_SELF:
		return key != NULL && is_same(owner, owner_len, key, key_len);
	case STELE_MATCH_SELFSUB:
		return key != NULL && stele_name_is_below(owner, owner_len, key, key_len);
	case STELE_MATCH_ZONE:
		return true;
	}
	return false;
}

/* Whether an owner (lower case) and a type are granted, whatever the zone holds. */
static bool covers(const struct stele_update_grant *grant, const uint8_t *owner, size_t owner_len,
		   uint16_t type)
{
	if (grant->policy == NULL)
		return true;
	const uint8_t *key = grant->key;
	size_t key_len = key != NULL ? stele_name_length(key, STELE_NAME_MAX) : 0;
	for (size_t i = 0; i < grant->policy->rules.cnt; i++) {
		const struct stele_update_rule_config *rule = &grant->policy->rules.items[i];
		if (fits_key(rule, key, key_len) && fits_type(rule, type) &&
		    fits_name(rule, owner, owner_len, key, key_len))
			return !rule->deny;
	}
	return false;
}

/*
 * "All RRsets of a name" needs a permission for each that would go. Signatures and NSEC go with what
 * they belong to. NSEC3 does not: it says something of another name, or of many.
 */
static int covers_all(const struct stele_update *update, const struct stele_update_grant *grant,
		      struct stele_zone_edit *edit, const struct stele_update_rr *rr,
		      struct stele_error *reterr)
{
	const uint8_t *node;
	size_t node_sz, at = 0;
	bool is_apex = rr->owner_len == update->name_len;
	struct stele_node_rrset rrset;
	/* It stands apart from what else has this name. */
	int status = stele_zone_edit_find(edit, rr->lower, STELE_TYPE_NSEC3, &rrset, reterr);
	if (status != 0 && status != STELE_E_NOTFOUND)
		return status;
	bool is_link = status == 0;
	if (is_link && !covers(grant, rr->lower, rr->owner_len, STELE_TYPE_NSEC3))
		return 0;
	status = stele_zone_edit_node(edit, rr->lower, &node, &node_sz, reterr);
	if (status == STELE_E_NOTFOUND)
		return is_link || covers(grant, rr->lower, rr->owner_len, STELE_TYPE_TXT);
	if (status != 0)
		return status;
	while (stele_node_next(node, node_sz, &at, &rrset)) {
		if (rrset.type == STELE_TYPE_NSEC || rrset.rr_cnt == 0 ||
		    (is_apex && (rrset.type == STELE_TYPE_SOA || rrset.type == STELE_TYPE_NS)))
			continue;
		if (!covers(grant, rr->lower, rr->owner_len, rrset.type))
			return 0;
	}
	return 1;
}

int stele_update_permitted(const struct stele_update *update,
			   const struct stele_update_grant *grant, struct stele_zone_edit *edit,
			   struct stele_error *reterr)
{
	if (grant->policy == NULL)
		return 1;
	for (size_t i = 0; i < update->update_cnt; i++) {
		const struct stele_update_rr *rr = &update->updates[i];
		int permitted = rr->type == STELE_TYPE_ANY ?
					covers_all(update, grant, edit, rr, reterr) :
					covers(grant, rr->lower, rr->owner_len, rr->type);
		if (permitted != 1)
			return permitted;
	}
	return 1;
}
