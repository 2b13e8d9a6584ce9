/* SPDX-License-Identifier: Apache-2.0 */
#include "benchmarks/generate/zone.h"

#include <string.h>

#include "benchmarks/generate/fail.h"

#define SIGNATURE_SZ 64
/* The file says one TTL for all, so that every RRSIG's original TTL is right. */
#define TTL "3600"

static uint32_t count_labels(const char *name, size_t len)
{
	uint32_t labels_cnt = 0;
	size_t begin = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i == len || name[i] == '.') {
			bool wildcard = i - begin == 1 && name[begin] == '*';

			/* The wildcard's asterisk does not count (RFC 4034 section 3.1.3). */
			labels_cnt += i > begin && !wildcard;
			begin = i + 1;
		}
	}
	return labels_cnt;
}

static void write_signature(struct gen_zone *zone, const char *type, uint32_t labels_cnt)
{
	uint8_t signature[SIGNATURE_SZ];

	gen_out_text(&zone->out, type);
	gen_out_text(&zone->out, " 13 ");
	gen_out_number(&zone->out, labels_cnt);
	gen_out_text(&zone->out, " " TTL " 20371231000000 20240101000000 ");
	gen_out_number(&zone->out, zone->key_tag);
	gen_out_text(&zone->out, " ");
	gen_out_text(&zone->out, zone->origin);
	gen_out_text(&zone->out, " ");
	gen_rng_fill(&zone->rng, signature, sizeof(signature));
	gen_out_base64(&zone->out, signature, sizeof(signature));
	gen_out_text(&zone->out, "\n");
}

static void write_types(struct gen_out *out, uint32_t types)
{
	for (uint32_t i = 0; i < GEN_TYPES_CNT; i++) {
		if (types & (1U << i)) {
			gen_out_text(out, " ");
			gen_out_text(out, gen_type_names[i]);
		}
	}
}

/* RFC 4034 appendix B, over flags 257, protocol 3, algorithm 13 and the key. */
static uint16_t key_tag_of(const uint8_t *key, size_t key_sz)
{
	uint32_t sum = 257 + ((3 << 8) | 13);

	for (size_t i = 0; i < key_sz; i++)
		sum += (i & 1) ? key[i] : (uint32_t)key[i] << 8;
	return (uint16_t)(sum + (sum >> 16));
}

void gen_zone_begin(struct gen_zone *zone, const char *origin, enum gen_denial denial,
		    const char *nameservers, uint32_t apex_types)
{
	uint32_t types = apex_types | GEN_SOA | GEN_NS;
	size_t first_len = strcspn(nameservers, " ");
	size_t origin_len = strlen(origin);

	if (origin_len >= sizeof(zone->origin))
		gen_fail("origin '%s' is too long", origin);
	memcpy(zone->origin, origin, origin_len + 1);
	zone->origin_labels_cnt = count_labels(origin, origin_len);
	gen_chain_reset(&zone->chain, denial);

	gen_out_text(&zone->out, "$ORIGIN ");
	gen_out_text(&zone->out, origin);
	gen_out_text(&zone->out, "\n$TTL " TTL "\n");
	gen_zone_begin_record(zone, "@", 1, "SOA");
	gen_out_bytes(&zone->out, nameservers, first_len);
	gen_out_text(&zone->out, " hostmaster 1 7200 900 1209600 " TTL "\n");
	for (const char *at = nameservers; *at != '\0';) {
		size_t len = strcspn(at, " ");

		gen_zone_begin_record(zone, "@", 1, "NS");
		gen_out_bytes(&zone->out, at, len);
		gen_out_text(&zone->out, "\n");
		at += len + (at[len] == ' ');
	}
	if (denial != GEN_DENIAL_NONE) {
		uint8_t key[SIGNATURE_SZ];

		gen_rng_fill(&zone->rng, key, sizeof(key));
		zone->key_tag = key_tag_of(key, sizeof(key));
		types |= GEN_DNSKEY;
		gen_zone_begin_record(zone, "@", 1, "DNSKEY");
		gen_out_text(&zone->out, "257 3 13 ");
		gen_out_base64(&zone->out, key, sizeof(key));
		gen_out_text(&zone->out, "\n");
	}
	if (denial == GEN_DENIAL_NSEC3 || denial == GEN_DENIAL_NSEC3_OPTOUT) {
		types |= GEN_NSEC3PARAM;
		gen_zone_record(zone, "@", 1, "NSEC3PARAM", "1 0 0 -");
	}
	gen_zone_name(zone, "@", 1, types);
}

void gen_zone_begin_record(struct gen_zone *zone, const char *owner, size_t owner_len,
			   const char *type)
{
	gen_out_bytes(&zone->out, owner, owner_len);
	gen_out_text(&zone->out, "\t");
	gen_out_text(&zone->out, type);
	gen_out_text(&zone->out, "\t");
	zone->records_cnt++;
}

void gen_zone_record(struct gen_zone *zone, const char *owner, size_t owner_len, const char *type,
		     const char *data)
{
	gen_zone_begin_record(zone, owner, owner_len, type);
	gen_out_text(&zone->out, data);
	gen_out_text(&zone->out, "\n");
}

void gen_zone_a(struct gen_zone *zone, const char *owner, size_t owner_len)
{
	uint64_t r = gen_rng_next(&zone->rng);

	gen_zone_begin_record(zone, owner, owner_len, "A");
	gen_out_text(&zone->out, "10.");
	gen_out_number(&zone->out, r & 255);
	gen_out_text(&zone->out, ".");
	gen_out_number(&zone->out, (r >> 8) & 255);
	gen_out_text(&zone->out, ".");
	gen_out_number(&zone->out, (r >> 16) & 255);
	gen_out_text(&zone->out, "\n");
}

void gen_zone_aaaa(struct gen_zone *zone, const char *owner, size_t owner_len)
{
	uint8_t group[2];

	gen_zone_begin_record(zone, owner, owner_len, "AAAA");
	gen_out_text(&zone->out, "2001:db8");
	for (int i = 0; i < 6; i++) {
		gen_rng_fill(&zone->rng, group, sizeof(group));
		gen_out_text(&zone->out, ":");
		gen_out_hex(&zone->out, group, sizeof(group));
	}
	gen_out_text(&zone->out, "\n");
}

void gen_zone_ds(struct gen_zone *zone, const char *owner, size_t owner_len)
{
	uint8_t digest[32];

	gen_zone_begin_record(zone, owner, owner_len, "DS");
	gen_out_number(&zone->out, gen_rng_below(&zone->rng, 65536));
	gen_out_text(&zone->out, " 13 2 ");
	gen_rng_fill(&zone->rng, digest, sizeof(digest));
	gen_out_hex(&zone->out, digest, sizeof(digest));
	gen_out_text(&zone->out, "\n");
}

void gen_zone_name(struct gen_zone *zone, const char *owner, size_t owner_len, uint32_t types)
{
	enum gen_denial denial = zone->chain.denial;
	bool apex = (types & GEN_SOA) != 0;
	bool cut = (types & GEN_NS) && !apex;
	uint32_t signed_types = cut ? types & GEN_DS : types;
	uint32_t labels_cnt = zone->origin_labels_cnt + (apex ? 0 : count_labels(owner, owner_len));

	zone->names_cnt += types != 0;
	if (denial == GEN_DENIAL_NONE)
		return;
	for (uint32_t i = 0; i < GEN_TYPES_CNT; i++) {
		if (signed_types & (1U << i)) {
			gen_zone_begin_record(zone, owner, owner_len, "RRSIG");
			write_signature(zone, gen_type_names[i], labels_cnt);
		}
	}
	if (signed_types != 0)
		types |= GEN_RRSIG;
	if (denial == GEN_DENIAL_NSEC) {
		if (types == 0)
			return; /* empty non-terminals own no NSEC */
		types |= GEN_NSEC | GEN_RRSIG;
	}
	if (denial == GEN_DENIAL_NSEC3_OPTOUT && cut && signed_types == 0)
		return;
	gen_chain_add(&zone->chain, owner, apex ? 0 : owner_len, zone->origin, types);
}

static void write_nsec(struct gen_zone *zone)
{
	struct gen_chain *chain = &zone->chain;
	char owner[GEN_NAME_MAX];
	char next[GEN_NAME_MAX];

	for (size_t i = 0; i < chain->used; i++) {
		size_t owner_len = gen_chain_owner(chain, i, owner);
		size_t next_len = gen_chain_owner(chain, (i + 1) % chain->used, next);
		uint32_t labels_cnt = zone->origin_labels_cnt + count_labels(owner, owner_len);

		/* The apex stands as "@" in the file. */
		if (owner_len == 0)
			owner[owner_len++] = '@';
		if (next_len == 0)
			next[next_len++] = '@';
		gen_zone_begin_record(zone, owner, owner_len, "NSEC");
		gen_out_bytes(&zone->out, next, next_len);
		write_types(&zone->out, chain->named[i].types);
		gen_out_text(&zone->out, "\n");
		gen_zone_begin_record(zone, owner, owner_len, "RRSIG");
		write_signature(zone, "NSEC", labels_cnt);
	}
}

static void write_nsec3(struct gen_zone *zone)
{
	const struct gen_chain *chain = &zone->chain;

	for (size_t i = 0; i < chain->used; i++) {
		const struct gen_hashed *here = &chain->hashed[i];
		const struct gen_hashed *next = &chain->hashed[(i + 1) % chain->used];

		gen_out_base32hex(&zone->out, here->hash, GEN_HASH_SZ);
		gen_zone_begin_record(zone, "", 0, "NSEC3");
		gen_out_text(&zone->out,
			     chain->denial == GEN_DENIAL_NSEC3 ? "1 0 0 - " : "1 1 0 - ");
		gen_out_base32hex(&zone->out, next->hash, GEN_HASH_SZ);
		write_types(&zone->out, here->types);
		gen_out_text(&zone->out, "\n");
		gen_out_base32hex(&zone->out, here->hash, GEN_HASH_SZ);
		gen_zone_begin_record(zone, "", 0, "RRSIG");
		write_signature(zone, "NSEC3", zone->origin_labels_cnt + 1);
	}
}

void gen_zone_end(struct gen_zone *zone)
{
	if (zone->chain.denial == GEN_DENIAL_NONE)
		return;
	gen_chain_sort(&zone->chain);
	if (zone->chain.denial == GEN_DENIAL_NSEC)
		write_nsec(zone);
	else
		write_nsec3(zone);
	zone->chain.used = 0;
	zone->chain.keys_used = 0;
}
