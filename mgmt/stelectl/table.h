/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_STELECTL_TABLE_H
#define STELE_MGMT_STELECTL_TABLE_H

/* Columns as wide as what stands in them. One thread. */

#include <stddef.h>

struct table {
	const char *columns; /* one letter each: l text to the left, r numbers to the right */
	char **cells;
	size_t cell_cnt, cell_max;
};

/* `columns` lives as long as the table. */
void table_begin(struct table *table, const char *columns);

/* The next cell, row by row. Exits with 3 when memory is out: a program's table, not a library's. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints all rows, which must be whole, on standard output, each behind `indent`, and empties the table. */
void table_print(struct table *table, const char *indent);

#endif
