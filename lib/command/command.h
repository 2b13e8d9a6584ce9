/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_COMMAND_COMMAND_H
#define STELE_LIB_COMMAND_COMMAND_H

/*
 * What command-line programs have in common: options, help, errors, numbers, progress.
 *
 * The one library that prints, since that is what it is for. Only programs call it; the program's
 * name is the one it was started by.
 */

#include "lib/base/error.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * First in main(): a standard stream that is closed becomes one on which every reading and writing fails. Else the next
 * file that is opened, of a store say, would have its number, and what is printed would stand in that.
 */
void stele_cmd_begin(void);

/* ---- errors ---- */

/*
 * Prints `PROGRAM: TEXT` as a line on standard error. Paths and arguments may be in the text: it is printed as
 * lib/base/shown.h says, so the line is one and leaves the terminal alone.
 */
void stele_cmd_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a line on standard output in the same way, without PROGRAM: a result that has a path in it. */
void stele_cmd_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints `PROGRAM: TEXT` on standard error and returns the exit status that stands for
 * `status`, so that a command ends with `return stele_cmd_fail(status, &err)`.
 */
int stele_cmd_fail(int status, const struct stele_error *err);

/* Prints what is wrong with the command line and where to read more; returns 2. */
int stele_cmd_usage(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Closes standard output and tells whether all of it was written: returns `status` if so, and
 * prints an error and returns 3 if not. For commands whose result is what they print.
 */
int stele_cmd_close_output(int status);

/* ---- options ---- */

/* One option. The table of a command ends with an entry whose name is NULL. */
struct stele_cmd_option {
	const char *name; /* "store" for --store */
	int id; /* returned when it is found; a letter is its short form too: 'o' → -o */
	const char *argument; /* "DIR" as help shows it, NULL for an option without */
	const char *help;     /* one line */
};

struct stele_cmd_spec {
	const char *name;     /* "import" */
	const char *synopsis; /* what follows the name: "--store DIR [--zone NAME] FILE..." */
	const char *about;    /* one or more lines for --help */
	const struct stele_cmd_option *options;
	int many; /* id of the option that may stand more than once, 0: none; any other is refused then */
};

enum {
	STELE_CMD_END = -1,  /* no more options: operands from argv[optind] on */
	STELE_CMD_EXIT = -2, /* --help or --version was printed, or an error was */
};

/*
 * The next option of a command line: its id, STELE_CMD_END or STELE_CMD_EXIT. `*ret_value` gets the
 * argument (empty if the option has none), `*ret_exit` the exit status for STELE_CMD_EXIT. Operands
 * may stand between options; `--` ends the options. Ids are 1 … 255; a table has at most 30 options. Once a process:
 * getopt() has a state, and what was given already is remembered.
 */
int stele_cmd_next_option(const struct stele_cmd_spec *spec, int argc, char **argv,
			  const char **ret_value, int *ret_exit);

/* Text of what is wrong with the option for which getopt_long() returned `id`, ':' or '?'. Cut if it is too long. */
#define STELE_CMD_FAULT_MAX 512
const char *stele_cmd_option_fault(int id, char **argv, char text[STELE_CMD_FAULT_MAX]);

/* Parses the whole of `text` as a number from `min` to `max`. False if it is none. */
bool stele_cmd_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

/* ---- progress ---- */

/*
 * Progress of long work: one line on standard error that is written over ten times a second when
 * that is a terminal (percent, rate, time left), nothing elsewhere. One thread.
 */
struct stele_progress {
	const char *what; /* "importing" */
	const char *unit; /* "RRs" */
	uint64_t total;   /* 0 if it is not known */
	uint64_t begin_ns, part_ns, shown_ns;
	bool terminal;
};

void stele_progress_begin(struct stele_progress *progress, const char *what, const char *unit,
			  uint64_t total);

/* So much is done. Costs one reading of the clock; call it once for each thousand records or so. */
void stele_progress_show(struct stele_progress *progress, uint64_t done);

/* The same of work in several parts, each with a total, a rate and a time left of its own; `progress` is a struct
 * stele_progress. */
void stele_progress_part(void *progress, const char *what, uint64_t done, uint64_t total);

/* From now on the work prints: nothing is shown if that goes to a terminal too, where both would be mixed. */
void stele_progress_beside_output(struct stele_progress *progress);

/* Wipes the line. Needed before anything else is printed, errors too. Returns seconds so far. */
double stele_progress_end(struct stele_progress *progress);

/*
 * A number for a person: 4 digits at most and a suffix, "12.3k". `text` has room for 16 bytes;
 * returns it.
 */
const char *stele_cmd_round(double number, char text[16]);

#endif
