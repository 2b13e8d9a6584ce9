/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/shown.h"
#include "lib/config/internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- faults ---- */

static bool is_before(struct config_mark a, struct config_mark b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* The faults are kept by place; those that find no room are the last ones. */
__attribute__((format(printf, 3, 0))) static void
tell(struct stele_config *config, struct config_mark mark, const char *format, va_list args)
{
	struct stele_config_faults *faults = &config->faults;
	unsigned at = faults->cnt;
	while (at > 0 && is_before(mark, (struct config_mark){faults->items[at - 1].line,
							      faults->items[at - 1].column}))
		at--;
	if (faults->cnt == STELE_CONFIG_FAULTS_MAX) {
		faults->more_cnt++;
		if (at == STELE_CONFIG_FAULTS_MAX)
			return;
		faults->cnt--;
	}
	memmove(&faults->items[at + 1], &faults->items[at],
		(faults->cnt - at) * sizeof(faults->items[0]));
	faults->cnt++;

	struct stele_config_fault *fault = &faults->items[at];
	fault->line = mark.line;
	fault->column = mark.column;
	int n = snprintf(fault->text, sizeof(fault->text), "%s:%u:%u: ", config->name, mark.line,
			 mark.column);
	if (n >= 0 && (size_t)n < sizeof(fault->text))
		vsnprintf(fault->text + n, sizeof(fault->text) - (size_t)n, format, args);
}

void config_tell(struct stele_config *config, struct config_mark mark, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tell(config, mark, format, args);
	va_end(args);
}

const char *config_show(const char *text, size_t len, char shown[CONFIG_SHOWN_MAX])
{
	char *out = stpcpy(shown, "'");
	for (size_t i = 0; i < len;) {
		char one[STELE_SHOWN_ONE_MAX];
		i += stele_shown_one(text + i, len - i, one);
		/* Behind it comes "...'" and the NUL. */
		if (strlen(one) > (size_t)(shown + CONFIG_SHOWN_MAX - 5 - out)) {
			out = stpcpy(out, "...");
			break;
		}
		out = stpcpy(out, one);
	}
	memcpy(out, "'", sizeof("'"));
	return shown;
}

/* ---- places ---- */

void config_place(struct stele_config *config, const void *at, size_t sz, struct config_mark mark)
{
	if (config->place_cnt == config->place_cap) {
		size_t cap = config->place_cap > 0 ? config->place_cap * 2 : 64;
		struct config_place *places = reallocarray(config->places, cap, sizeof(*places));
		if (places == NULL) {
			config->no_memory = true;
			return;
		}
		config->places = places;
		config->place_cap = cap;
	}
	config->places[config->place_cnt++] = (struct config_place){at, sz, mark};
}

/* The value itself if it was given, else the smallest list or map around it. */
static struct config_mark find_place(const struct stele_config *config, const void *field)
{
	struct config_mark found = {1, 1};
	size_t found_sz = SIZE_MAX;
	uintptr_t address = (uintptr_t)field;
	for (size_t i = 0; i < config->place_cnt; i++) {
		const struct config_place *place = &config->places[i];
		uintptr_t begin = (uintptr_t)place->at;
		bool within = place->sz == 0 ? address == begin :
					       address >= begin && address - begin < place->sz;
		if (within && place->sz < found_sz) {
			found = place->mark;
			found_sz = place->sz;
		}
	}
	return found;
}

void stele_config_fault(struct stele_config *config, const void *field, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tell(config, find_place(config, field), format, args);
	va_end(args);
}

uint32_t stele_config_line(const struct stele_config *config, const void *field)
{
	return find_place(config, field).line;
}

/* ---- unknown keys ---- */

/* Longer keys are nobody's slip of the finger. */
#define GUESS_MAX 32

/* Insertions, deletions, changes and swaps of neighbours that lead from `a` to `b`. */
static unsigned distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	unsigned rows[3][GUESS_MAX + 1];
	if (a_len > GUESS_MAX || b_len > GUESS_MAX)
		return GUESS_MAX;
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *spare = before;
		before = above;
		above = row;
		row = spare;
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
	}
	return row[b_len];
}

/* The option whose name is nearest to `key`, NULL if none is near. */
static const struct stele_config_option *find_near(const struct stele_config_option *options,
						   const char *key)
{
	const struct stele_config_option *near = NULL;
	unsigned least = (unsigned)strlen(key) / 3 + 2;
	for (; options->name != NULL; options++) {
		unsigned d = distance(key, options->name);
		if (d < least) {
			least = d;
			near = options;
		}
	}
	return near;
}

/* The map below which `key` is an option, at any depth; NULL if there is none. */
static const char *find_home(const struct stele_config_option *options, const char *key)
{
	for (; options->name != NULL; options++) {
		if (options->type != STELE_CONFIG_MAP)
			continue;
		for (const struct stele_config_option *inner = options->options;
		     inner->name != NULL; inner++)
			if (strcmp(inner->name, key) == 0)
				return options->name;
		const char *home = find_home(options->options, key);
		if (home != NULL)
			return home;
	}
	return NULL;
}

void config_tell_unknown(struct stele_config *config, const struct stele_config_option *options,
			 const char *key, struct config_mark mark)
{
	char shown[CONFIG_SHOWN_MAX];
	config_show(key, strlen(key), shown);

	const struct stele_config_option *near = find_near(options, key);
	const char *home = find_home(config->schema->options, key);
	if (near != NULL) {
		config_tell(config, mark, "unknown key %s (expected '%s'?)", shown, near->name);
		return;
	}
	if (home != NULL) {
		config_tell(config, mark, "unknown key %s here (expected below '%s')", shown, home);
		return;
	}
	char names[512];
	size_t n = 0;
	for (; options->name != NULL && n < sizeof(names); options++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? ", " : "",
				      options->name);
	config_tell(config, mark, "unknown key %s (expected one of: %s)", shown, names);
}
