/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_SERVING_OPTIONS_H
#define STELE_LIB_SERVING_OPTIONS_H

/*
 * Options that every program that serves has, worded once: the sections `answers`, `cookies` and `rrl` of a
 * configuration. A program puts the tables into its own; settings.h makes of the values what lib/answer is
 * told.
 */

#include "lib/config/config.h"

#include <stdbool.h>
#include <stdint.h>

struct stele_chaos_config {
	const char *version; /* version.bind, version.server; NULL: refused */
	const char *id;      /* id.server, hostname.bind; NULL: refused */
};

struct stele_answers_config {
	uint16_t udp_size;
	bool any_minimal;
	const char *nsid; /* NULL: none */
	struct stele_chaos_config chaos;
};

struct stele_cookies_config {
	bool enabled;
	const char *secret_file; /* see lib/config/secrets.h; NULL: random secret, made at start */
};

/* Rates are replies per second to one prefix; 0: no limit. */
struct stele_rrl_config {
	bool enabled;
	uint32_t answers_per_second; /* NODATA counts as an answer */
	uint32_t referrals_per_second;
	uint32_t nxdomains_per_second;
	uint32_t errors_per_second;
	uint64_t window; /* ns: this much time's worth of replies may come at once */
	uint8_t slip;    /* every slip-th reply over the limit is sent truncated; 0: none */
	STELE_CONFIG_LIST(uint8_t) ipv4_prefixes; /* one or two lengths, the shorter first */
	STELE_CONFIG_LIST(uint8_t) ipv6_prefixes;
	uint64_t table_size; /* bytes for each core; a power of two */
	STELE_CONFIG_LIST(struct stele_config_prefix) exempt;
};

/* Rows for a table over struct stele_answers_config, or over a struct that begins with one. */
#define STELE_ANSWERS_OPTIONS                                                                                 \
	{                                                                                                     \
		.name = "udp_size",                                                                           \
		.type = STELE_CONFIG_INTEGER,                                                                 \
		STELE_CONFIG_AT(stele_answers_config, udp_size),                                              \
		.min = 512,                                                                                   \
		.max = 9552,                                                                                  \
		.unit = "bytes",                                                                              \
		.def = "1232",                                                                                \
		.help = "Largest reply, however much the client allows (RFC 9715). Above the path's "         \
			"MTU replies get lost, below 1232 more clients have to come by TCP.",                 \
	},                                                                                                    \
		{                                                                                             \
			.name = "any_minimal",                                                                \
			.type = STELE_CONFIG_BOOL,                                                            \
			STELE_CONFIG_AT(stele_answers_config, any_minimal),                                   \
			.def = "true",                                                                        \
			.help = "A query for ANY over UDP gets one RRset (RFC 8482) instead of all.",         \
		},                                                                                            \
		{                                                                                             \
			.name = "nsid",                                                                       \
			.type = STELE_CONFIG_STRING,                                                          \
			STELE_CONFIG_AT(stele_answers_config, nsid),                                          \
			.word = "none",                                                                       \
			.min = 1,                                                                             \
			.max = 128,                                                                           \
			.def = "none",                                                                        \
			.help = "Identifier of this node for clients that ask (RFC 5001). `none`: not told.", \
		},                                                                                            \
	{                                                                                                     \
		.name = "chaos", .type = STELE_CONFIG_MAP,                                                    \
		STELE_CONFIG_AT(stele_answers_config, chaos), .options = stele_chaos_options,                 \
		.help = "What the server tells of itself in class CH (RFC 4892).",                            \
	}

/* Over struct stele_chaos_config, stele_cookies_config and stele_rrl_config. */
extern const struct stele_config_option stele_chaos_options[];
extern const struct stele_config_option stele_cookies_options[];
extern const struct stele_config_option stele_rrl_options[];

/*
 * What single values do not tell: the order of the lengths of prefixes, and whether rates are not above
 * what `worker_cnt` workers may share, which `worker` is the word for ("queue"). For the check of the whole.
 */
void stele_rrl_config_check(struct stele_config *config, const struct stele_rrl_config *rrl,
			    unsigned worker_cnt, const char *worker);

#endif
