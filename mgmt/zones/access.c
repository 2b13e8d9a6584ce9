/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what. */
#include "mgmt/zones/internal.h"

#include <string.h>
#include <strings.h>

static bool has_prefix(const struct stele_config_address *address,
		       const struct stele_config_prefix *prefix)
{
	unsigned whole = prefix->len / 8, rest = prefix->len % 8;
	return address->family == prefix->family &&
	       memcmp(address->addr, prefix->addr, whole) == 0 &&
	       (rest == 0 || (address->addr[whole] ^ prefix->addr[whole]) >> (8 - rest) == 0);
}

/* The last dot of a name may be there or not. */
static bool is_same_text(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	a_len -= a_len > 0 && a[a_len - 1] == '.';
	b_len -= b_len > 0 && b[b_len - 1] == '.';
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

static bool fits_prefixes(const struct stele_acl_config *acl, const struct stele_peer *peer)
{
	for (size_t i = 0; i < acl->prefixes.cnt; i++)
		if (has_prefix(&peer->address, &acl->prefixes.items[i]))
			return true;
	return acl->prefixes.cnt == 0;
}

static bool fits_keys(const struct stele_acl_config *acl, const struct stele_peer *peer)
{
	size_t len = peer->key != NULL ? stele_name_length(peer->key, STELE_NAME_MAX) : 0;
	for (size_t i = 0; i < acl->key_names.cnt && len > 0; i++) {
		const uint8_t *name = acl->key_names.items[i];
		if (stele_name_length(name, STELE_NAME_MAX) == len &&
		    stele_name_equal_nocase(name, peer->key, len))
			return true;
	}
	return acl->keys.cnt == 0;
}

static bool fits_tls_names(const struct stele_acl_config *acl, const struct stele_peer *peer)
{
	for (size_t i = 0; i < acl->tls_names.cnt; i++)
		for (size_t j = 0; j < peer->tls_name_cnt; j++)
			if (is_same_text(acl->tls_names.items[i], peer->tls_names[j]))
				return true;
	return acl->tls_names.cnt == 0;
}

static bool is_primary(const struct stele_template_config *options, const struct stele_peer *peer)
{
	for (size_t i = 0; i < options->primary_remotes.cnt; i++) {
		const struct stele_remote_config *remote = options->primary_remotes.items[i];
		for (size_t j = 0; j < remote->addresses.cnt; j++)
			if (memcmp(&remote->addresses.items[j], &peer->address,
				   sizeof(peer->address)) == 0)
				return true;
	}
	return false;
}

static enum stele_access_verdict judge(const struct stele_template_config *options,
				       enum stele_access access, const struct stele_peer *peer)
{
	for (size_t i = 0; i < options->acls[access].cnt; i++) {
		const struct stele_acl_config *acl = options->acls[access].items[i];
		if (fits_prefixes(acl, peer) && fits_keys(acl, peer) && fits_tls_names(acl, peer))
			return acl->deny ? STELE_ACCESS_REFUSED : STELE_ACCESS_GRANTED;
	}
	return access == STELE_ACCESS_NOTIFY && is_primary(options, peer) ? STELE_ACCESS_GRANTED :
									    STELE_ACCESS_REFUSED;
}

enum stele_access_verdict stele_zones_access(const struct stele_zones *zones, const uint8_t *apex,
					     enum stele_access access,
					     const struct stele_peer *peer)
{
	/* Known to be there only under the lock; the lock is not part of what is const. */
	pthread_rwlock_t *lock = (pthread_rwlock_t *)&zones->lock;
	pthread_rwlock_rdlock(lock);
	const struct zone_entry *entry = zones_find(zones, apex);
	enum stele_access_verdict verdict =
		entry != NULL ? judge(entry->zone.options, access, peer) : STELE_ACCESS_NO_ZONE;
	pthread_rwlock_unlock(lock);
	return verdict;
}

bool stele_zones_options(const struct stele_zones *zones, const uint8_t *apex,
			 const struct stele_template_config **ret_options,
			 const struct stele_mgmtd_config **ret_config)
{
	pthread_rwlock_t *lock = (pthread_rwlock_t *)&zones->lock;
	pthread_rwlock_rdlock(lock);
	const struct zone_entry *entry = zones_find(zones, apex);
	if (entry != NULL) {
		*ret_options = entry->zone.options;
		*ret_config = entry->zone.config;
		stele_mgmtd_config_hold(entry->zone.config);
	}
	pthread_rwlock_unlock(lock);
	return entry != NULL;
}

time_t stele_zones_expires_at(const struct stele_zones *zones, const uint8_t *apex)
{
	pthread_rwlock_t *lock = (pthread_rwlock_t *)&zones->lock;
	pthread_rwlock_rdlock(lock);
	const struct zone_entry *entry = zones_find(zones, apex);
	time_t at = entry != NULL ? entry->zone.expires_at : 0;
	pthread_rwlock_unlock(lock);
	return at;
}
