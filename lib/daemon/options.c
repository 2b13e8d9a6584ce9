/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/daemon/options.h"

#include "lib/command/command.h"
#include "lib/daemon/log.h"

#include <getopt.h>
#include <stdio.h>

enum { OPTION_CHECK = 256, OPTION_VERSION };

static int is_twice(const char *program, int option)
{
	const char *name = option == 'c' ? "config" : option == 'v' ? "verbose" : "check";

	fprintf(stderr, "%s: --%s is given twice\ntry '%s --help'\n", program, name, program);
	return 2;
}

int stele_daemon_options_read(const char *program, const char *usage, int argc, char **argv,
			      struct stele_daemon_options *ret_options)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{0},
	};
	struct stele_daemon_options options = {0};

	stele_cmd_begin();
	for (int option; (option = getopt_long(argc, argv, "c:vh", longs, NULL)) != -1;) {
		if ((option == 'c' && options.config != NULL) ||
		    (option == 'v' && options.verbose) || (option == OPTION_CHECK && options.check))
			return is_twice(program, option);
		switch (option) {
		case 'c':
			options.config = optarg;
			break;
		case OPTION_CHECK:
			options.check = true;
			break;
		case 'v':
			options.verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return stele_cmd_close_output(0);
		case OPTION_VERSION:
			printf("%s %s\n", program, STELE_VERSION);
			return stele_cmd_close_output(0);
		default:
			return 2;
		}
	}
	if (options.config == NULL || optind != argc) {
		if (optind != argc)
			fprintf(stderr, "%s: unexpected argument '%s'\n", program, argv[optind]);
		else
			fprintf(stderr, "%s: -c FILE is missing\n", program);
		fprintf(stderr, "try '%s --help'\n", program);
		return 2;
	}
	*ret_options = options;
	return -1;
}

int stele_daemon_say_right(const char *program)
{
	printf("%s: the configuration is right\n", program);
	return stele_cmd_close_output(0);
}

void stele_daemon_log_faults(const struct stele_config_faults *faults,
			     const struct stele_error *error)
{
	if (faults->cnt == 0)
		stele_log(STELE_LOG_ERROR, "%s", error->text);
	for (unsigned i = 0; i < faults->cnt; i++)
		stele_log(STELE_LOG_ERROR, "%s", faults->items[i].text);
	if (faults->more_cnt > 0)
		stele_log(STELE_LOG_ERROR, "and %u more", faults->more_cnt);
}
