/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/config/internal.h"

#include <errno.h>

static const char preface[] =
	"# Configuration\n"
	"\n"
	"This page is printed from the tables that the programs read their configuration with; a test\n"
	"holds the two together. Examples with comments stand in [config/](../config/).\n"
	"\n"
	"A configuration is one YAML file. Anchors, aliases, tags and a second document are refused, and\n"
	"so is a key that is unknown or given twice. Every fault is reported with file, line and column;\n"
	"`--check` reads a file, says what is wrong with it, and does nothing else.\n"
	"\n"
	"| kind of value | how it is written |\n"
	"|---|---|\n"
	"| truth | `true` or `false`; also `yes`, `no`, `on`, `off` |\n"
	"| whole number | decimal digits without sign, quotes or leading zeros |\n"
	"| size | a whole number of bytes, or of `K`, `M`, `G`, `T` (powers of 1024): `64K` |\n"
	"| duration | a whole number with `ns`, `us`, `ms`, `s`, `m`, `h` or `d`: `50us` |\n"
	"| text | UTF-8 in one line, in quotes where YAML needs them |\n"
	"| path | absolute, begins with `/` |\n"
	"| list | `[a, b]`, or one element a line behind `- ` |\n"
	"| map | `key: value`, one a line, further indented than the key that it belongs to |\n";

static bool is_inline_map(const struct stele_config_option *option)
{
	return option->type == STELE_CONFIG_MAP && (option->flags & STELE_CONFIG_IS_LIST) == 0;
}

static void print_row(FILE *out, const struct stele_config_option *option)
{
	char expected[CONFIG_EXPECTED_MAX];
	bool is_list = (option->flags & STELE_CONFIG_IS_LIST) != 0;
	fprintf(out, "| `%s` | ", option->name);
	if (is_list && option->list_min == option->list_max)
		fprintf(out, "a list of %zu: ", option->list_min);
	else if (is_list)
		fprintf(out, "a list of %zu to %zu: ", option->list_min, option->list_max);
	if (option->type == STELE_CONFIG_MAP)
		fprintf(out, "%s", is_list ? "maps, see below" : "a map, see below");
	else
		fprintf(out, "%s", config_expected(option, expected));

	if ((option->flags & STELE_CONFIG_REQUIRED) != 0)
		fprintf(out, " | required");
	else if (option->def != NULL)
		fprintf(out, " | `%s`", option->def);
	else if (is_list)
		fprintf(out, " | `[]`");
	else if (option->type == STELE_CONFIG_PAIRS)
		fprintf(out, " | `{}`");
	else
		fprintf(out, " |");
	fprintf(out, " | %s |\n", option->help);
}

/* A table of the options, then one for each map among them. `path` is what leads here. */
static void print_options(FILE *out, const struct stele_config_option *options, const char *path)
{
	fputs("\n| option | value | default | what it does |\n|---|---|---|---|\n", out);
	for (const struct stele_config_option *o = options; o->name != NULL; o++)
		print_row(out, o);
	for (const struct stele_config_option *o = options; o->name != NULL; o++) {
		char inner[256];
		if (o->type != STELE_CONFIG_MAP)
			continue;
		snprintf(inner, sizeof(inner), "%s%s%s%s", path, *path != 0 ? "." : "", o->name,
			 is_inline_map(o) ? "" : "[]");
		fprintf(out, "\n### `%s`\n\n%s\n", inner, o->help);
		print_options(out, o->options, inner);
	}
}

int stele_config_reference(FILE *out, const struct stele_config_schema *const *schemas,
			   size_t schema_cnt, struct stele_error *reterr)
{
	fputs(preface, out);
	for (size_t i = 0; i < schema_cnt; i++) {
		fprintf(out, "\n## %s\n\n%s\n", schemas[i]->program, schemas[i]->about);
		print_options(out, schemas[i]->options, "");
	}
	if (fflush(out) != 0 || ferror(out))
		return stele_fail_errno(reterr, errno, "writing the reference");
	return 0;
}
