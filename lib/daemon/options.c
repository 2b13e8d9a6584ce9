/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/daemon/options.h"

#include "lib/command/command.h"
#include "lib/daemon/log.h"

#include <getopt.h>
#include <stdio.h>

enum { OPTION_CHECK = 256, OPTION_FILES, OPTION_VERSION };

static int point_to_help(const char *program)
{
	fprintf(stderr, "try '%s --help'\n", program);
	return 2;
}

static int is_twice(const char *program, int option)
{
	const char *name = option == 'c'          ? "config" :
			   option == 'v'          ? "verbose" :
			   option == OPTION_FILES ? "files" :
						    "check";

	stele_cmd_say("--%s is given twice", name);
	return point_to_help(program);
}

int stele_daemon_options_read(const char *program, const char *usage, int argc, char **argv,
			      struct stele_daemon_options *ret_options)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"files", no_argument, NULL, OPTION_FILES},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{0},
	};
	struct stele_daemon_options options = {0};
	char fault[STELE_CMD_FAULT_MAX];

	stele_cmd_begin();
	for (int option; (option = getopt_long(argc, argv, ":c:vh", longs, NULL)) != -1;) {
		if ((option == 'c' && options.config != NULL) ||
		    (option == 'v' && options.verbose) ||
		    (option == OPTION_CHECK && options.check) ||
		    (option == OPTION_FILES && options.files))
			return is_twice(program, option);
		switch (option) {
		case 'c':
			options.config = optarg;
			break;
		case OPTION_CHECK:
			options.check = true;
			break;
		case OPTION_FILES:
			options.files = true;
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
			stele_cmd_say("%s", stele_cmd_option_fault(option, argv, fault));
			return point_to_help(program);
		}
	}
	if (options.config == NULL || optind != argc) {
		if (optind != argc)
			stele_cmd_say("unexpected argument '%s'", argv[optind]);
		else
			stele_cmd_say("-c FILE is missing");
		return point_to_help(program);
	}
	if (options.files && !options.check) {
		stele_cmd_say("--files is for --check");
		return point_to_help(program);
	}
	*ret_options = options;
	return -1;
}

int stele_daemon_say_right(const char *program)
{
	printf("%s: the configuration is right\n", program);
	return stele_cmd_close_output(0);
}

void stele_daemon_note_fault(int status, const struct stele_error *error, int *worst)
{
	if (status == 0)
		return;
	stele_log(STELE_LOG_ERROR, "%s", error->text);
	if (*worst == 0)
		*worst = status;
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
