/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/generate/fail.h"
#include "benchmarks/generate/modes.h"
#include "benchmarks/generate/words.h"

/* "nsN." before a label, and the label of a provider with its own top-level domain behind it. */
#define SERVER_MAX (GEN_LABEL_MAX + 16)

struct provider {
	char domain[SERVER_MAX];
	uint8_t len;
};

struct registry {
	struct gen_zone *zone;
	const struct gen_options *options;
	struct provider *elsewhere; /* names outside the zone, absolute */
	uint32_t elsewhere_cnt;
	struct provider *inside; /* delegations of this zone whose hosts serve others too */
	uint32_t inside_cnt;
};

static struct provider *alloc_providers(uint32_t cnt)
{
	struct provider *providers = calloc(cnt, sizeof(*providers));

	if (providers == NULL)
		gen_fail("no memory for %u providers", cnt);
	return providers;
}

/* True when `name` is `origin` or ends in "." and `origin`; both absolute. */
static bool is_below(const char *name, const char *origin)
{
	size_t name_len = strlen(name);
	size_t origin_len = strlen(origin);

	if (name_len < origin_len || strcmp(name + name_len - origin_len, origin) != 0)
		return false;
	return name_len == origin_len || name[name_len - origin_len - 1] == '.';
}

static void make_elsewhere(struct registry *registry)
{
	static const char *const suffixes[] = {"net.", "com.", "org.", "info.", "co.uk.", "de."};
	struct gen_rng *rng = &registry->zone->rng;

	for (uint32_t i = 0; i < registry->elsewhere_cnt; i++) {
		struct provider *provider = &registry->elsewhere[i];
		const char *suffix = suffixes[gen_rng_skewed(rng, 6)];

		while (is_below(suffix, registry->options->origin))
			suffix = suffixes[gen_rng_below(rng, 6)];
		provider->len = (uint8_t)gen_words_label(rng, provider->domain);
		provider->domain[provider->len++] = '.';
		memcpy(provider->domain + provider->len, suffix, strlen(suffix));
		provider->len = (uint8_t)(provider->len + strlen(suffix));
	}
}

/* Two name servers of one provider. */
static void write_servers(struct registry *registry, const char *owner, size_t owner_len,
			  const struct provider *provider)
{
	struct gen_zone *zone = registry->zone;
	/* Providers number their servers in pairs; the first pair is the common one. */
	uint32_t pair = gen_rng_chance(&zone->rng, 300000) ? 3 : 1;

	for (uint32_t i = pair; i < pair + 2; i++) {
		gen_zone_begin_record(zone, owner, owner_len, "NS");
		gen_out_text(&zone->out, "ns");
		gen_out_number(&zone->out, i);
		gen_out_text(&zone->out, ".");
		gen_out_bytes(&zone->out, provider->domain, provider->len);
		gen_out_text(&zone->out, "\n");
	}
}

/* Name servers whose addresses very many delegations share. */
static void write_servers_of_shared(struct registry *registry, const char *owner, size_t owner_len)
{
	gen_zone_record(registry->zone, owner, owner_len, "NS", "ns1.shared");
	gen_zone_record(registry->zone, owner, owner_len, "NS", "ns2.shared");
}

/* The addresses of hosts ns1 to nsN below a delegation: glue, which is neither signed nor chained. */
static void write_glue(struct registry *registry, const struct provider *provider, uint32_t cnt)
{
	struct gen_zone *zone = registry->zone;

	for (uint32_t i = 1; i <= cnt; i++) {
		char host[SERVER_MAX + 4];
		size_t len = (size_t)snprintf(host, sizeof(host), "ns%u.%.*s", i, provider->len,
					      provider->domain);

		gen_zone_a(zone, host, len);
		if (gen_rng_chance(&zone->rng, 600000))
			gen_zone_aaaa(zone, host, len);
	}
}

static void write_delegation(struct registry *registry, uint64_t at, const char *owner, size_t len)
{
	struct gen_zone *zone = registry->zone;
	uint32_t types = GEN_NS;
	struct provider own;

	memcpy(own.domain, owner, len);
	own.len = (uint8_t)len;
	if (at < registry->inside_cnt) {
		/* The first delegations are the providers inside; ns1 to ns4 are theirs. */
		registry->inside[at] = own;
		write_servers(registry, owner, len, &own);
		write_glue(registry, &own, 4);
	} else if (at - registry->inside_cnt < registry->options->shared_cnt) {
		write_servers_of_shared(registry, owner, len);
	} else if (!gen_rng_chance(&zone->rng, registry->options->in_zone_ppm)) {
		write_servers(
			registry, owner, len,
			&registry->elsewhere[gen_rng_skewed(&zone->rng, registry->elsewhere_cnt)]);
	} else if (gen_rng_chance(&zone->rng, 150000)) {
		/* Servers below the delegation itself: in-domain glue. */
		write_servers(registry, owner, len, &own);
		write_glue(registry, &own, 4);
	} else {
		write_servers(registry, owner, len,
			      &registry->inside[gen_rng_skewed(&zone->rng, registry->inside_cnt)]);
	}
	if (gen_rng_chance(&zone->rng, registry->options->ds_ppm)) {
		gen_zone_ds(zone, owner, len);
		types |= GEN_DS;
	}
	gen_zone_name(zone, owner, len, types);
}

void gen_tld(struct gen_zone *zone, const struct gen_options *options)
{
	static const char *const registry_hosts[] = {"a.nic", "b.nic", "c.nic", "d.nic"};
	uint64_t names_cnt = options->names_cnt;
	struct registry registry = {
		.zone = zone,
		.options = options,
		.elsewhere_cnt = (uint32_t)(names_cnt / 1000 + 8),
		.inside_cnt = (uint32_t)(names_cnt / 1000 + 1),
	};
	struct gen_set seen;

	registry.elsewhere = alloc_providers(registry.elsewhere_cnt);
	registry.inside = alloc_providers(registry.inside_cnt);
	make_elsewhere(&registry);
	gen_set_init(&seen, names_cnt + 8);
	gen_set_add(&seen, "nic", 3);

	gen_zone_begin(zone, options->origin, options->denial, "a.nic b.nic c.nic d.nic", 0);
	for (size_t i = 0; i < 4; i++) {
		gen_zone_a(zone, registry_hosts[i], 5);
		gen_zone_aaaa(zone, registry_hosts[i], 5);
		gen_zone_name(zone, registry_hosts[i], 5, GEN_A | GEN_AAAA);
	}
	gen_zone_name(zone, "nic", 3, 0);

	if (options->shared_cnt > 0) {
		struct provider shared = {.domain = "shared", .len = 6};

		gen_set_add(&seen, "shared", 6);
		write_servers_of_shared(&registry, "shared", 6);
		write_glue(&registry, &shared, 2);
		gen_zone_name(zone, "shared", 6, GEN_NS);
	}
	for (uint64_t at = 0; at < names_cnt;) {
		char label[GEN_LABEL_MAX];
		size_t len = gen_words_label(&zone->rng, label);

		if (!gen_set_add(&seen, label, len))
			continue;
		write_delegation(&registry, at, label, len);
		at++;
	}
	gen_zone_end(zone);

	gen_set_free(&seen);
	free(registry.elsewhere);
	free(registry.inside);
}
