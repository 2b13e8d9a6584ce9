/* SPDX-License-Identifier: Apache-2.0 */
/* Generates zones of any size for benchmarks: see usage below and benchmarks/README.md. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "benchmarks/generate/fail.h"
#include "benchmarks/generate/modes.h"

static const char usage[] =
	"usage: generate tld|hosting|hosts [options]\n"
	"\n"
	"  tld       one registry zone: --names delegations with two name servers each\n"
	"  hosting   --names small zones of 5 to 20 names in directory -o, with a zones.list\n"
	"  hosts     one deep zone with --names host names, aliases, wildcards\n"
	"\n"
	"  --names N         how many (default 1000; 1 to 100000000)\n"
	"  --seed N          the same seed gives the same bytes (default 1)\n"
	"  --origin NAME     apex, or for hosting the parent of all apexes (default example)\n"
	"  --denial KIND     none (default), nsec, nsec3, nsec3-optout: adds a denial chain and\n"
	"                    signatures that are well-formed but do not validate\n"
	"  --ds FRACTION     tld: delegations with a DS record (default 0.1)\n"
	"  --in-zone FRACTION  tld: delegations with name servers inside the zone (default 0.2)\n"
	"  --signed FRACTION hosting: zones that get the chain of --denial (default 1)\n"
	"  --shared N        tld: delegations that share the glue of one name, \"shared\"; hosts: aliases\n"
	"                    of one host, \"shared\" (default 0; at most half of --names)\n"
	"  -o PATH           file (default standard output), or directory for hosting\n"
	"  --help, --version\n";

void gen_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("generate: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	va_end(arguments);
	exit(3);
}

static _Noreturn void usage_error(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "generate: %s '%s' (expected %s)\n", option, value, expected);
	exit(2);
}

static uint64_t parse_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end = NULL;
	unsigned long long number;
	char expected[64];

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || number < min ||
	    number > max) {
		snprintf(expected, sizeof(expected), "a number from %" PRIu64 " to %" PRIu64, min,
			 max);
		usage_error(option, text, expected);
	}
	return number;
}

/* A fraction from 0 to 1, as parts in a million. */
static uint32_t parse_fraction(const char *option, const char *text)
{
	char *end = NULL;
	double fraction = strtod(text, &end);

	if (end == text || *end != '\0' || !(fraction >= 0 && fraction <= 1))
		usage_error(option, text, "a fraction from 0 to 1");
	return (uint32_t)(fraction * 1000000 + 0.5);
}

static enum gen_denial parse_denial(const char *text)
{
	static const char *const kinds[] = {"none", "nsec", "nsec3", "nsec3-optout"};

	for (int i = 0; i < 4; i++) {
		if (strcmp(text, kinds[i]) == 0)
			return (enum gen_denial)i;
	}
	usage_error("--denial", text, "none, nsec, nsec3 or nsec3-optout");
}

/* The name in lower case with a final dot, in static storage. */
static const char *parse_origin(const char *text)
{
	static char origin[100];
	size_t len = strlen(text);
	bool label_open = false;

	if (len == 0 || len > sizeof(origin) - 2)
		usage_error("--origin", text, "a name of 1 to 98 characters");
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
		    !(c == '.' && label_open))
			usage_error("--origin", text, "labels of letters, digits and hyphens");
		label_open = c != '.';
		origin[i] = c;
	}
	if (label_open)
		origin[len++] = '.';
	origin[len] = '\0';
	return origin;
}

static void parse_options(int argc, char **argv, struct gen_options *options, uint64_t *seed)
{
	enum { NAMES = 256, SEED, ORIGIN, DENIAL, DS, IN_ZONE, SIGNED, SHARED, HELP, VERSION };
	static const struct option table[] = {
		{"names", required_argument, NULL, NAMES},
		{"seed", required_argument, NULL, SEED},
		{"origin", required_argument, NULL, ORIGIN},
		{"denial", required_argument, NULL, DENIAL},
		{"ds", required_argument, NULL, DS},
		{"in-zone", required_argument, NULL, IN_ZONE},
		{"signed", required_argument, NULL, SIGNED},
		{"shared", required_argument, NULL, SHARED},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "o:h", table, NULL)) != -1) {
		switch (option) {
		case NAMES:
			options->names_cnt = parse_number("--names", optarg, 1, 100000000);
			break;
		case SEED:
			*seed = parse_number("--seed", optarg, 0, UINT64_MAX);
			break;
		case ORIGIN:
			options->origin = parse_origin(optarg);
			break;
		case DENIAL:
			options->denial = parse_denial(optarg);
			break;
		case DS:
			options->ds_ppm = parse_fraction("--ds", optarg);
			break;
		case IN_ZONE:
			options->in_zone_ppm = parse_fraction("--in-zone", optarg);
			break;
		case SIGNED:
			options->signed_ppm = parse_fraction("--signed", optarg);
			break;
		case SHARED:
			options->shared_cnt = parse_number("--shared", optarg, 0, 50000000);
			break;
		case 'o':
			options->path = optarg;
			break;
		case 'h':
		case HELP:
			fputs(usage, stdout);
			exit(0);
		case VERSION:
			puts("generate " STELE_VERSION);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct gen_options options = {
		.names_cnt = 1000,
		.origin = "example.",
		.denial = GEN_DENIAL_NONE,
		.ds_ppm = 100000,
		.in_zone_ppm = 200000,
		.signed_ppm = 1000000,
	};
	static struct gen_zone zone;
	uint64_t seed = 1;
	const char *mode;

	parse_options(argc, argv, &options, &seed);
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 2;
	}
	mode = argv[optind];
	if (options.shared_cnt > options.names_cnt / 2)
		usage_error("--shared is above half of", "--names", "fewer");
	gen_rng_seed(&zone.rng, seed);
	gen_chain_init(&zone.chain, options.denial);

	if (strcmp(mode, "hosting") == 0) {
		if (options.path == NULL)
			usage_error("hosting without", "-o", "-o DIRECTORY");
		gen_hosting(&zone, &options);
	} else if (strcmp(mode, "tld") == 0 || strcmp(mode, "hosts") == 0) {
		gen_out_open(&zone.out, options.path);
		(strcmp(mode, "tld") == 0 ? gen_tld : gen_hosts)(&zone, &options);
		gen_out_close(&zone.out);
	} else {
		usage_error("unknown mode", mode, "tld, hosting or hosts");
	}
	fprintf(stderr, "generate: %" PRIu64 " names, %" PRIu64 " records, %" PRIu64 " bytes\n",
		zone.names_cnt, zone.records_cnt, zone.out.bytes_cnt);
	gen_chain_free(&zone.chain);
	free(zone.out.buffer);
	return 0;
}
