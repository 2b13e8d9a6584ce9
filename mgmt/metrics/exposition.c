/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/metrics/exposition.h"

#include <inttypes.h>

/* Backslash and line feed in help texts, these and the quote in values of labels. */
static void put_escaped(FILE *out, const char *text, int quote)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\\\", out);
		else if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' && quote)
			fputs("\\\"", out);
		else
			putc(*text, out);
	}
}

void exposition_family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s ", name);
	put_escaped(out, help, 0);
	fprintf(out, "\n# TYPE %s %s\n", name, type);
}

static void put_name(FILE *out, const char *name, const char *const *labels)
{
	fputs(name, out);
	for (unsigned i = 0; labels != NULL && labels[i] != NULL; i += 2) {
		fprintf(out, "%c%s=\"", i == 0 ? '{' : ',', labels[i]);
		put_escaped(out, labels[i + 1], 1);
		putc('"', out);
	}
	if (labels != NULL && labels[0] != NULL)
		putc('}', out);
}

void exposition_sample(FILE *out, const char *name, const char *const *labels, double value)
{
	put_name(out, name, labels);
	fprintf(out, " %.15g\n", value);
}

void exposition_count(FILE *out, const char *name, const char *const *labels, uint64_t value)
{
	put_name(out, name, labels);
	fprintf(out, " %" PRIu64 "\n", value);
}

void exposition_single(FILE *out, const char *name, const char *type, const char *help,
		       double value)
{
	exposition_family(out, name, type, help);
	exposition_sample(out, name, NULL, value);
}
