/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_CONFIG_CONFIG_CASES_H
#define STELE_TESTS_UNIT_CONFIG_CONFIG_CASES_H

/* What the tests of every program's configuration have in common. They fail the running test. */

#include "lib/config/config.h"

/*
 * The example at `path` with every option that is commented out put in force. Each key of the table
 * must stand in it, commented out or not. The caller frees it.
 */
char *config_cases_example(const char *path, const struct stele_config_option *options);

/* Each NAME.in of a folder is refused with exactly the lines of NAME.errors. How many there are. */
unsigned config_cases_golden(const char *dir, const struct stele_config_schema *schema);

#endif
