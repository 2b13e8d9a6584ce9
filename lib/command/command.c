/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/command/command.h"

#include "lib/base/clock.h"
#include "lib/base/shown.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 30
#define LINE_MAX_SZ 8192 /* what is longer is cut */
#define SHOW_EVERY_NS 100000000u

void stele_cmd_begin(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0) /* it is the lowest that is free, so open() takes it */
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

__attribute__((format(printf, 2, 0))) static void print_line(FILE *out, const char *format,
							     va_list args)
{
	char text[LINE_MAX_SZ], shown[STELE_SHOWN_FACTOR * LINE_MAX_SZ];
	vsnprintf(text, sizeof(text), format, args);
	fprintf(out, "%s\n", stele_shown(text, shown, sizeof(shown)));
}

void stele_cmd_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	print_line(stderr, format, args);
	va_end(args);
}

void stele_cmd_print(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	print_line(stdout, format, args);
	va_end(args);
}

int stele_cmd_fail(int status, const struct stele_error *err)
{
	stele_cmd_say("%s", err->text);
	return stele_exit_status(status);
}

int stele_cmd_usage(const char *command, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	stele_cmd_say("%s: %s (see %s %s --help)", command, text, program_invocation_short_name,
		      command);
	return 2;
}

int stele_cmd_close_output(int status)
{
	bool failed = ferror(stdout) != 0;
	if (fclose(stdout) == 0 && !failed)
		return status;
	stele_cmd_say("standard output: %s", strerror(errno));
	return stele_exit_status(STELE_E_SYSTEM);
}

static void print_help(const struct stele_cmd_spec *spec)
{
	printf("usage: %s %s%s%s\n\n%s\n\noptions:\n", program_invocation_short_name, spec->name,
	       *spec->synopsis != '\0' ? " " : "", spec->synopsis, spec->about);
	for (const struct stele_cmd_option *o = spec->options; o->name != NULL; o++) {
		char left[64];
		bool has_letter = o->id > ' ' && o->id < 0x7f;
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", has_letter ? '-' : ' ',
			 has_letter ? o->id : ' ', has_letter ? ", " : "  ", o->name,
			 o->argument != NULL ? " " : "", o->argument != NULL ? o->argument : "");
		printf("  %-24s %s\n", left, o->help);
	}
	printf("  %-24s %s\n", "    --help", "print this and exit");
	printf("  %-24s %s\n", "    --version", "print the version and exit");
}

/* The name of an option that was there already; NULL if it was not. Which of two is meant, nobody can tell. */
static const char *given_twice(const struct stele_cmd_spec *spec, int id)
{
	static bool given[OPTIONS_MAX];
	size_t i = 0;
	while (spec->options[i].id != id)
		i++;
	bool twice = given[i];
	given[i] = id != spec->many;
	return twice ? spec->options[i].name : NULL;
}

const char *stele_cmd_option_fault(int id, char **argv, char text[STELE_CMD_FAULT_MAX])
{
	const char *word = argv[optind - 1];
	if (id == ':')
		snprintf(text, STELE_CMD_FAULT_MAX, "%s needs an argument", word);
	else if (optopt == 0) /* or one that could mean several */
		snprintf(text, STELE_CMD_FAULT_MAX, "unknown option %s", word);
	else if (strncmp(word, "--", 2) == 0)
		snprintf(text, STELE_CMD_FAULT_MAX, "%s: the option takes no argument", word);
	else
		snprintf(text, STELE_CMD_FAULT_MAX, "unknown option -%c", optopt);
	return text;
}

int stele_cmd_next_option(const struct stele_cmd_spec *spec, int argc, char **argv,
			  const char **ret_value, int *ret_exit)
{
	enum { ID_HELP = 256, ID_VERSION };
	const char *name = NULL;
	char fault[STELE_CMD_FAULT_MAX];
	struct option longs[OPTIONS_MAX + 3] = {0};
	char shorts[2 * OPTIONS_MAX + 2] = ":";
	size_t cnt = 0, shorts_len = 1;
	for (const struct stele_cmd_option *o = spec->options; o->name != NULL; o++) {
		if (cnt == OPTIONS_MAX)
			break;
		longs[cnt++] = (struct option){
			.name = o->name, .has_arg = o->argument != NULL, .val = o->id};
		if (o->id > ' ' && o->id < 0x7f) {
			shorts[shorts_len++] = (char)o->id;
			if (o->argument != NULL)
				shorts[shorts_len++] = ':';
		}
	}
	longs[cnt++] = (struct option){.name = "help", .val = ID_HELP};
	longs[cnt++] = (struct option){.name = "version", .val = ID_VERSION};

	int id = getopt_long(argc, argv, shorts, longs, NULL);
	switch (id) {
	case -1:
		return STELE_CMD_END;
	case ID_HELP:
		print_help(spec);
		*ret_exit = stele_cmd_close_output(0);
		return STELE_CMD_EXIT;
	case ID_VERSION:
		printf("%s " STELE_VERSION "\n", program_invocation_short_name);
		*ret_exit = stele_cmd_close_output(0);
		return STELE_CMD_EXIT;
	case ':':
	case '?':
		*ret_exit =
			stele_cmd_usage(spec->name, "%s", stele_cmd_option_fault(id, argv, fault));
		return STELE_CMD_EXIT;
	default:
		name = given_twice(spec, id);
		if (name != NULL) {
			*ret_exit = stele_cmd_usage(spec->name, "--%s is given twice", name);
			return STELE_CMD_EXIT;
		}
		*ret_value = optarg != NULL ? optarg : "";
		return id;
	}
}

bool stele_cmd_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	if (*text < '0' || *text > '9')
		return false;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || number < min || number > max)
		return false;
	*ret_number = number;
	return true;
}

/* ---- progress ---- */

const char *stele_cmd_round(double number, char text[16])
{
	static const char suffixes[] = " kMGTPE";
	unsigned i = 0;
	while (number >= 999.5 && i + 2 < sizeof(suffixes)) {
		number /= 1000;
		i++;
	}
	int digits = number >= 99.95 || (i == 0 && number == (double)(int)number) ? 0 : 1;
	int len = snprintf(text, 16, "%.*f", digits, number);
	if (i > 0 && len > 0 && len < 15) {
		text[len] = suffixes[i];
		text[len + 1] = '\0';
	}
	return text;
}

void stele_progress_begin(struct stele_progress *progress, const char *what, const char *unit,
			  uint64_t total)
{
	uint64_t now = stele_clock_ns();
	*progress = (struct stele_progress){
		.what = what,
		.unit = unit,
		.total = total,
		.begin_ns = now,
		.part_ns = now,
		.shown_ns = now,
		.terminal = isatty(STDERR_FILENO) == 1,
	};
}

void stele_progress_show(struct stele_progress *progress, uint64_t done)
{
	if (!progress->terminal)
		return;
	uint64_t now = stele_clock_ns();
	if (now - progress->shown_ns < SHOW_EVERY_NS)
		return;
	progress->shown_ns = now;
	double seconds = (double)(now - progress->part_ns) / 1e9;
	double rate = (double)done / seconds;
	char done_text[16], rate_text[16];
	stele_cmd_round((double)done, done_text);
	stele_cmd_round(rate, rate_text);
	if (progress->total == 0 || done > progress->total || done == 0) {
		fprintf(stderr, "\r\033[K%s: %s %s, %s/s", progress->what, done_text,
			progress->unit, rate_text);
	} else {
		uint64_t left = (uint64_t)((double)(progress->total - done) / rate + 0.5);
		fprintf(stderr, "\r\033[K%s: %.0f%%, %s %s, %s/s, %" PRIu64 ":%02u left",
			progress->what, 100 * (double)done / (double)progress->total, done_text,
			progress->unit, rate_text, left / 60, (unsigned)(left % 60));
	}
	fflush(stderr);
}

void stele_progress_part(void *progress, const char *what, uint64_t done, uint64_t total)
{
	struct stele_progress *p = progress;
	if (p->terminal && strcmp(p->what, what) != 0)
		p->part_ns = p->shown_ns = stele_clock_ns();
	p->what = what;
	p->total = total;
	stele_progress_show(p, done);
}

void stele_progress_beside_output(struct stele_progress *progress)
{
	if (!progress->terminal || isatty(STDOUT_FILENO) != 1)
		return;
	fputs("\r\033[K", stderr);
	progress->terminal = false;
}

double stele_progress_end(struct stele_progress *progress)
{
	if (progress->terminal)
		fputs("\r\033[K", stderr);
	return (double)(stele_clock_ns() - progress->begin_ns) / 1e9;
}
