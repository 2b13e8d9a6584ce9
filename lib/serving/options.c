/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/serving/options.h"

#include "lib/answer/rrl.h"

#include <stddef.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define KIB (UINT64_C(1) << 10)

#define AT(type, field) STELE_CONFIG_AT(stele_##type##_config, field)
#define LIST_AT(type, field, flags) STELE_CONFIG_LIST_AT(stele_##type##_config, field, flags)

static int check_power_of_two(const void *option, struct stele_error *reterr)
{
	uint64_t value = *(const uint64_t *)option;
	if (value > 0 && (value & (value - 1)) == 0)
		return 0;
	return stele_fail(reterr, STELE_E_INPUT, "is %llu (expected a power of two)",
			  (unsigned long long)value);
}

const struct stele_config_option stele_chaos_options[] = {
	{
		.name = "version",
		.type = STELE_CONFIG_STRING,
		AT(chaos, version),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.help = "Reply to `version.bind` and `version.server` (CH TXT). `none`: refused.",
	},
	{
		.name = "id",
		.type = STELE_CONFIG_STRING,
		AT(chaos, id),
		.word = "none",
		.min = 1,
		.max = 255,
		.def = "none",
		.help = "Reply to `id.server` and `hostname.bind` (CH TXT). `none`: refused.",
	},
	{0},
};

const struct stele_config_option stele_cookies_options[] = {
	{
		.name = "enabled",
		.type = STELE_CONFIG_BOOL,
		AT(cookies, enabled),
		.def = "true",
		.help = "Answer DNS cookies (RFC 7873, RFC 9018). A client with a valid one is not "
			"limited in its rate, since its address is not forged.",
	},
	{
		.name = "secret_file",
		.type = STELE_CONFIG_PATH,
		AT(cookies, secret_file),
		.word = "none",
		.def = "none",
		.help = "File with one or two secrets, a line of 32 hexadecimal digits each: the "
			"first makes cookies, both check them. The same on all nodes of an "
			"address. Only its owner, the `user`, may have access (mode 0600). Read "
			"again on reload. `none`: a secret is made at start and known to nobody "
			"else.",
	},
	{0},
};

/* Cores that a responder can have; threads of the daemon are fewer. */
#define WORKERS_MAX 1024

#define RATE(field, what, rate)                                                                    \
	{                                                                                          \
		.name = #field, .type = STELE_CONFIG_INTEGER, AT(rrl, field), .word = "unlimited", \
		.min = 1, .max = WORKERS_MAX * STELE_RRL_RATE_MAX, .unit = "replies/s",            \
		.def = rate, .help = what,                                                         \
	}

const struct stele_config_option stele_rrl_options[] = {
	{
		.name = "enabled",
		.type = STELE_CONFIG_BOOL,
		AT(rrl, enabled),
		.def = "false",
		.help = "Limit replies. Off, since the right limits depend on who asks: large "
			"resolvers send many thousand queries a second from one prefix.",
	},
	RATE(answers_per_second, "Limit of positive answers and of those without data.", "1000"),
	RATE(referrals_per_second, "Limit of referrals.", "1000"),
	RATE(nxdomains_per_second, "Limit of replies that a name does not exist.", "500"),
	RATE(errors_per_second, "Limit of REFUSED, FORMERR, SERVFAIL and the like.", "100"),
	{
		.name = "window",
		.type = STELE_CONFIG_DURATION,
		AT(rrl, window),
		.min = 100 * MS,
		.max = STELE_RRL_BURST_MS_MAX * MS,
		.def = "2s",
		.help = "This much time's worth of replies may go at once to a prefix that was "
			"silent before. Too short punishes honest bursts, too long lets short "
			"attacks through.",
	},
	{
		.name = "slip",
		.type = STELE_CONFIG_INTEGER,
		AT(rrl, slip),
		.max = 100,
		.def = "2",
		.help = "Of the replies over the limit, every so many-th is sent empty with TC, so "
			"that an honest client comes by TCP; the others are dropped. 1: all; "
			"0: none.",
	},
	{
		.name = "ipv4_prefixes",
		.type = STELE_CONFIG_INTEGER,
		LIST_AT(rrl, ipv4_prefixes, 0),
		.list_min = 1,
		.list_max = 2,
		.min = 8,
		.max = 32,
		.unit = "bits",
		.def = "[24, 32]",
		.help = "Lengths of the prefixes that are counted, the shorter first. With two, "
			"both limits hold.",
	},
	{
		.name = "ipv6_prefixes",
		.type = STELE_CONFIG_INTEGER,
		LIST_AT(rrl, ipv6_prefixes, 0),
		.list_min = 1,
		.list_max = 2,
		.min = 16,
		.max = 128,
		.unit = "bits",
		.def = "[48, 64]",
		.help = "The same for IPv6.",
	},
	{
		.name = "table_size",
		.type = STELE_CONFIG_SIZE,
		AT(rrl, table_size),
		.min = 64 * KIB,
		.max = (uint64_t)STELE_RRL_LINES_MAX * STELE_RRL_LINE_SZ,
		.def = "4M",
		.check = check_power_of_two,
		.help = "Memory of each core to remember prefixes in, a power of two; 64 bytes "
			"hold ten. Too small, and prefixes push one another out; too large, and "
			"each look costs a cache miss.",
	},
	{
		.name = "exempt",
		.type = STELE_CONFIG_PREFIX,
		LIST_AT(rrl, exempt, STELE_CONFIG_UNIQUE),
		.list_max = STELE_RRL_EXEMPT_MAX,
		.help = "Prefixes of clients that are never limited.",
	},
	{0},
};

static void check_lengths(struct stele_config *config, const uint8_t *lengths, size_t cnt)
{
	if (cnt == 2 && lengths[0] >= lengths[1])
		stele_config_fault(config, &lengths[1],
				   "length %u behind %u (expected the shorter prefix first)",
				   lengths[1], lengths[0]);
}

static void check_rate(struct stele_config *config, const uint32_t *rate, const char *name,
		       unsigned worker_cnt, const char *worker)
{
	uint64_t max = stele_rrl_rate_max(worker_cnt);
	if (*rate > max)
		stele_config_fault(config, rate, "%s is %u (expected at most %llu with %u %s)",
				   name, *rate, (unsigned long long)max, worker_cnt, worker);
}

void stele_rrl_config_check(struct stele_config *config, const struct stele_rrl_config *rrl,
			    unsigned worker_cnt, const char *worker)
{
#define CHECK_RATE(field) check_rate(config, &rrl->field, #field, worker_cnt, worker)
	CHECK_RATE(answers_per_second);
	CHECK_RATE(referrals_per_second);
	CHECK_RATE(nxdomains_per_second);
	CHECK_RATE(errors_per_second);
#undef CHECK_RATE
	check_lengths(config, rrl->ipv4_prefixes.items, rrl->ipv4_prefixes.cnt);
	check_lengths(config, rrl->ipv6_prefixes.items, rrl->ipv6_prefixes.cnt);
}
