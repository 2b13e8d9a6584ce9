/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_DAEMON_OPTIONS_H
#define STELE_LIB_DAEMON_OPTIONS_H

/* The command line of programs that serve: PROGRAM -c FILE [--check [--files]] [--verbose]; and what is wrong with the
 * FILE. */

#include "lib/config/config.h"

#include <stdbool.h>

struct stele_daemon_options {
	const char *config; /* path; points into argv */
	bool check;         /* only look whether the configuration is right */
	bool files;         /* and at what it names; never without `check` */
	bool verbose;
};

/*
 * Reads them; prints `usage` for --help, the version for --version, and what is wrong on standard error,
 * under the name `program`. -1: go on; else the exit status. Once a process: getopt() has a state.
 */
int stele_daemon_options_read(const char *program, const char *usage, int argc, char **argv,
			      struct stele_daemon_options *ret_options);

/* The end of --check where nothing is wrong: says so; the exit status. */
int stele_daemon_say_right(const char *program);

/* For --files, which looks at everything although something is wrong: logs `error` if `status` is one, and puts the
 * first of all into `worst`, which begins as 0. */
void stele_daemon_note_fault(int status, const struct stele_error *error, int *worst);

/*
 * Logs why a configuration was not loaded: all of `faults`, which must have been empty before it was read, or `error`
 * if there are none.
 */
void stele_daemon_log_faults(const struct stele_config_faults *faults,
			     const struct stele_error *error);

#endif
