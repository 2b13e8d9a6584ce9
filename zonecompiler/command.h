/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_COMMAND_H
#define STELE_ZONECOMPILER_COMMAND_H

/*
 * The frame of `stele-compile`: one program, one function for each command.
 *
 * A command stands in a file of its own in this folder, gets the arguments from its own name on
 * (argv[0] is "import"), and returns the exit status: 0 done, 1 the input is wrong or not there, 2 usage, 3 the
 * system failed. What it reports goes to standard output; an error goes to standard error, once.
 * The folders below know nothing of commands: they return errors and call back with progress.
 *
 * Adding a command: its source into meson.build, one line into the table of main.c.
 */

#include "lib/command/command.h"

int stele_cmd_import(int argc, char **argv);
int stele_cmd_build(int argc, char **argv);
int stele_cmd_update(int argc, char **argv);
int stele_cmd_compact(int argc, char **argv);
int stele_cmd_verify(int argc, char **argv);
int stele_cmd_dump(int argc, char **argv);
int stele_cmd_stats(int argc, char **argv);
int stele_cmd_query(int argc, char **argv);
int stele_cmd_answer(int argc, char **argv);
int stele_cmd_export(int argc, char **argv);
int stele_cmd_remove(int argc, char **argv);
int stele_cmd_zones(int argc, char **argv);

#endif
