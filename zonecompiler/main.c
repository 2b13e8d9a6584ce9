/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile: from zones to images. Finds the command that is asked for and runs it. */
#include "zonecompiler/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In the order of use: it is the order of the help. */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"import", stele_cmd_import, "zone files into a store"},
	{"build", stele_cmd_build, "an image from a store"},
	{"update", stele_cmd_update, "what changed in a store, into its image"},
	{"compact", stele_cmd_compact, "an image without what it does not reach any more"},
	{"export", stele_cmd_export, "a zone of a store as a zone file"},
	{"remove", stele_cmd_remove, "zones out of a store"},
	{"zones", stele_cmd_zones, "the zones of a store"},
	{"verify", stele_cmd_verify, "whether an image may be served"},
	{"dump", stele_cmd_dump, "what an image serves, as text"},
	{"stats", stele_cmd_stats, "names, records and bytes of an image, by section"},
	{"query", stele_cmd_query, "one question and its reply, as dig prints it"},
	{"answer", stele_cmd_answer, "replies to queries on standard input"},
	{NULL, NULL, NULL},
};

static void print_help(void)
{
	puts("usage: stele-compile COMMAND [ARGUMENT...]\n"
	     "       stele-compile COMMAND --help\n\n"
	     "Turns zones into an image in which every answer already exists.\n\ncommands:");
	for (size_t i = 0; commands[i].name != NULL; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	puts("\nExit status: 0 done, 1 the input is wrong or not there, 2 usage, 3 the system failed.");
}

/*
 * Files are mapped: zone files, images, the store. If one is cut, a page is gone that has to be read, and nothing can
 * go on. As with any death of the process, what was to be written is either whole or not there.
 */
static void explain_cut(int number)
{
	static const char text[] =
		"stele-compile: a file was cut, or its disk failed, while it was read (expected a file "
		"that stays as it is, or is replaced)\n";
	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(3);
}

int main(int argc, char **argv)
{
	stele_cmd_begin();
	signal(SIGBUS, explain_cut);
	/* Then writing fails (EFBIG), is said, and leaves nothing half-done. */
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		stele_cmd_say("a command is missing (see stele-compile --help)");
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return stele_cmd_close_output(0);
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("stele-compile " STELE_VERSION);
		return stele_cmd_close_output(0);
	}
	for (size_t i = 0; commands[i].name != NULL; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	stele_cmd_say("unknown command '%s' (see stele-compile --help)", argv[1]);
	return 2;
}
