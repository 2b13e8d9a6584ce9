/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/stelectl/table.h"

#include "lib/command/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void table_begin(struct table *table, const char *columns)
{
	*table = (struct table){.columns = columns};
}

static _Noreturn void fail_memory(void)
{
	stele_cmd_say("out of memory");
	exit(3);
}

void table_add(struct table *table, const char *format, ...)
{
	if (table->cell_cnt == table->cell_max) {
		size_t max = 2 * table->cell_max + 64;
		char **cells = realloc(table->cells, max * sizeof(*cells));
		if (cells == NULL)
			fail_memory();
		table->cells = cells;
		table->cell_max = max;
	}
	va_list args;
	va_start(args, format);
	if (vasprintf(&table->cells[table->cell_cnt], format, args) < 0)
		fail_memory();
	va_end(args);
	table->cell_cnt++;
}

void table_print(struct table *table, const char *indent)
{
	size_t column_cnt = strlen(table->columns);
	size_t *widths = calloc(column_cnt, sizeof(*widths));
	if (widths == NULL)
		fail_memory();
	for (size_t i = 0; i < table->cell_cnt; i++) {
		size_t len = strlen(table->cells[i]);
		if (len > widths[i % column_cnt])
			widths[i % column_cnt] = len;
	}
	for (size_t row = 0; row < table->cell_cnt; row += column_cnt) {
		char **cells = table->cells + row;
		size_t shown = column_cnt; /* without the empty ones at the end */
		while (shown > 0 && *cells[shown - 1] == '\0')
			shown--;
		for (size_t i = 0; i < shown; i++) {
			fputs(i == 0 ? indent : "  ", stdout);
			if (table->columns[i] == 'r')
				printf("%*s", (int)widths[i], cells[i]);
			else if (i + 1 == shown)
				fputs(cells[i], stdout);
			else
				printf("%-*s", (int)widths[i], cells[i]);
		}
		putchar('\n');
		for (size_t i = 0; i < column_cnt; i++)
			free(cells[i]);
	}
	free(widths);
	free(table->cells);
	*table = (struct table){.columns = table->columns};
}
