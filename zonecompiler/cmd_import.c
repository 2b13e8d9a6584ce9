/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile import: zone files into the store, all of them or none. */
#include "zonecompiler/command.h"

#include "lib/store/store.h"
#include "zonecompiler/import/import.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct stele_cmd_option options[] = {
	{"store", 's', "DIR", "the store, made if it is not there"},
	{"zone", 'z', "NAME", "the zone's name and first origin (default: owner of the SOA)"},
	{"zone-list", 'l', "LIST",
	 "a file of lines \"zone-name zone-file\", files but - relative to it"},
	{"json", 'j', NULL, "print a summary as JSON"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "import",
	.synopsis = "--store DIR [--json] ([--zone NAME] FILE... | --zone-list LIST)",
	.about =
		"Reads zone files (RFC 1035, - is the standard input), checks them and puts the zones into\n"
		"the store: all of them, or on any error none. With --zone all files together are that zone,\n"
		"without it each file is a zone of its own.",
	.options = options,
};

struct arguments {
	const char *store, *zone, *list;
	bool json;
	char **files;
	int file_cnt;
};

struct run {
	struct stele_import *import;
	struct stele_report report;
	struct stele_progress progress;
	struct stele_store *store;
	struct stele_store_read *before;
	struct stele_store_write *write;
	void *named;     /* tree of struct named_zone */
	uint64_t passed; /* bytes of the files that are done */
	uint64_t zone_cnt, owner_cnt, rr_cnt;
	uint64_t generation;
	struct stele_zone_stats last; /* of the last zone */
	json_t *zones;                /* NULL without --json */
	uint32_t now;
};

static void emit(void *user, const char *text)
{
	struct run *run = user;
	if (run->progress.terminal)
		fputs("\r\033[K", stderr);
	stele_cmd_say("%s", text);
}

static void show_progress(void *user, uint64_t done)
{
	struct run *run = user;
	stele_progress_show(&run->progress, run->passed + done);
}

static uint64_t file_size(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void apex_text(const struct stele_zone_stats *stats, char text[STELE_NAME_TEXT_MAX])
{
	stele_name_to_text(stats->apex, text);
}

/*
 * One zone. The write transaction begins when the first zone was read: until then others may write.
 */
static int import_zone(struct run *run, const char *const *paths, size_t path_cnt,
		       const uint8_t *apex, size_t apex_len, struct stele_error *err)
{
	int status = stele_import_read(run->import, paths, path_cnt, apex, apex_len, err);
	if (status < 0)
		return status;
	for (size_t i = 0; run->progress.terminal && i < path_cnt; i++)
		run->passed += file_size(paths[i]);
	stele_progress_show(&run->progress, run->passed);
	if (run->write == NULL) {
		status = stele_store_write_begin(run->store, &run->write, err);
		if (status == 0) /* no sooner: others may have written meanwhile */
			status = stele_store_read_begin(run->store, &run->before, err);
		if (status < 0)
			return status;
	}
	struct stele_zone_stats stats;
	status = stele_import_write(run->import, run->before, run->write, run->now, &stats, err);
	if (status < 0)
		return status;
	run->zone_cnt++;
	run->owner_cnt += stats.owner_cnt;
	run->rr_cnt += stats.rr_cnt;
	run->last = stats;
	if (run->zones != NULL) {
		char text[STELE_NAME_TEXT_MAX];
		apex_text(&stats, text);
		json_array_append_new(
			run->zones, json_pack("{s:s%, s:I, s:I, s:I, s:b}", "zone", text,
					      strlen(text), "serial", (json_int_t)stats.serial,
					      "names", (json_int_t)stats.owner_cnt, "records",
					      (json_int_t)stats.rr_cnt, "changed", stats.changed));
	}
	return 0;
}

/* A zone of this run, and where it is named. */
struct named_zone {
	struct stele_place place;
	size_t apex_len;
	uint8_t apex[STELE_NAME_MAX];
};

static int compare_named(const void *a, const void *b)
{
	const struct named_zone *x = a, *y = b;
	if (x->apex_len != y->apex_len)
		return x->apex_len < y->apex_len ? -1 : 1;
	return memcmp(x->apex, y->apex, x->apex_len);
}

/* Each zone once: a second one would take the place of the first, and nobody would be told. */
static int note_zone(struct run *run, const uint8_t *apex, size_t apex_len,
		     struct stele_place place, struct stele_error *err)
{
	struct named_zone *named = malloc(sizeof(*named));
	struct named_zone **found = NULL;
	if (named != NULL) {
		*named = (struct named_zone){.place = place, .apex_len = apex_len};
		memcpy(named->apex, apex, apex_len);
		found = tsearch(named, &run->named, compare_named);
	}
	if (found == NULL) {
		free(named);
		return stele_fail(err, STELE_E_SYSTEM, "no memory");
	}
	if (*found == named)
		return 0;
	char text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(apex, text);
	free(named);
	return stele_report_error(&run->report, place,
				  "zone %s for the second time (expected it once, as at %s:%" PRIu32
				  ")",
				  text, (*found)->place.file, (*found)->place.line);
}

static int parse_zone_name(const char *text, uint8_t apex[STELE_NAME_MAX])
{
	uint8_t name[STELE_NAME_MAX];
	int len = stele_name_from_text(text, strlen(text), name);
	if (len > 0)
		stele_name_lower(apex, name, (size_t)len);
	return len;
}

/* ---- a list of zones ---- */

#define BLANKS " \t\r\n"

/* A list under way. A line is longer than a name and a path ever are, so that what is no list is found out. */
struct list {
	FILE *in;
	uint32_t number; /* of the line */
	char line[1 << 16];
	const char *fault; /* NULL, or why the line is none */
};

/* NULL if it cannot be opened. */
static struct list *open_list(const char *path)
{
	struct list *list = calloc(1, sizeof(*list));
	if (list != NULL && (list->in = fopen(path, "re")) == NULL) {
		free(list);
		list = NULL;
	}
	return list;
}

static void close_list(struct list *list)
{
	if (list != NULL)
		fclose(list->in);
	free(list);
}

/* The next line without a line feed. False at the end, at a fault, and if it cannot be read. */
static bool read_line(struct list *list)
{
	size_t len = 0;
	int c;
	while ((c = getc(list->in)) != EOF && c != '\n') {
		if (c == '\0')
			list->fault = "NUL byte (expected text)";
		else if (len == sizeof(list->line) - 1)
			list->fault = "the line is too long (expected \"zone-name zone-file\")";
		if (list->fault != NULL)
			break;
		list->line[len++] = (char)c;
	}
	list->line[len] = '\0';
	if (list->number == 0 && strncmp(list->line, "\xef\xbb\xbf", 3) == 0)
		memset(list->line, ' ', 3); /* a byte order mark is no part of the first name */
	list->number++;
	return list->fault == NULL && ferror(list->in) == 0 && (c != EOF || len > 0);
}

/* A line "zone-name zone-file", taken apart. False: it is empty, or has # or ; in front. */
static bool split_line(char *line, const char **ret_name, const char **ret_file)
{
	char *rest = line + strspn(line, BLANKS);
	for (size_t len = strlen(rest); len > 0 && strchr(BLANKS, rest[len - 1]) != NULL;)
		rest[--len] = '\0';
	*ret_name = rest;
	rest += strcspn(rest, BLANKS);
	if (*rest != '\0')
		*rest++ = '\0';
	*ret_file = rest + strspn(rest, BLANKS);
	return **ret_name != '\0' && **ret_name != '#' && **ret_name != ';';
}

/* A file of the list as it is opened, malloc'ed: relative to the list, but for -. NULL: no memory. */
static char *path_in_list(const char *list, const char *file)
{
	const char *slash = strcmp(file, "-") == 0 ? NULL : strrchr(list, '/');
	int folder_len = slash == NULL || *file == '/' ? 0 : (int)(slash - list) + 1;
	char *path;
	return asprintf(&path, "%.*s%s", folder_len, list, file) < 0 ? NULL : path;
}

/* Bytes of all files that it names, for who watches; 0 if that cannot be told. */
static uint64_t list_size(const char *path)
{
	struct list *list = file_size(path) > 0 ? open_list(path) : NULL; /* a pipe is read once */
	const char *name, *file;
	uint64_t size = 0;
	while (list != NULL && read_line(list)) {
		char *zone = split_line(list->line, &name, &file) ? path_in_list(path, file) : NULL;
		size += zone != NULL ? file_size(zone) : 0;
		free(zone);
	}
	close_list(list);
	return size;
}

static int import_line(struct run *run, const char *list, uint32_t number, char *line,
		       struct stele_error *err)
{
	const char *name, *file;
	if (!split_line(line, &name, &file))
		return 0;
	struct stele_place place = {list, number, (uint32_t)(name - line) + 1};
	uint8_t apex[STELE_NAME_MAX];
	int apex_len = parse_zone_name(name, apex);
	if (apex_len <= 0)
		return stele_report_error(&run->report, place,
					  "bad zone name '%.255s' (expected a domain name)", name);
	if (*file == '\0')
		return stele_report_error(
			&run->report, place,
			"zone '%.255s' without a file (expected \"zone-name zone-file\")", name);
	int status = note_zone(run, apex, (size_t)apex_len, place, err);
	if (status < 0)
		return status;
	char *path = path_in_list(list, file);
	if (path == NULL)
		return stele_fail(err, STELE_E_SYSTEM, "no memory");
	const char *paths[] = {path};
	status = import_zone(run, paths, 1, apex, (size_t)apex_len, err);
	free(path);
	if (status == STELE_E_INPUT && err->text[0] != '\0') {
		place.column = (uint32_t)(file - line) + 1;
		stele_report_error(&run->report, place, "%s", err->text);
		err->text[0] = '\0';
	}
	return status;
}

static int import_list(struct run *run, const char *path, struct stele_error *err)
{
	struct list *list = open_list(path);
	if (list == NULL)
		return stele_fail_file(err, errno, "%s", path);
	int status = 0;
	bool failed = false;
	while (status == 0 && read_line(list)) {
		status = import_line(run, path, list->number, list->line, err);
		/* Errors in one zone do not hide those in the next. */
		if (status == STELE_E_INPUT && !stele_report_full(&run->report)) {
			failed = true;
			status = 0;
		}
	}
	if (status == 0 && list->fault != NULL)
		status = stele_report_error(&run->report,
					    (struct stele_place){path, list->number,
								 (uint32_t)strlen(list->line) + 1},
					    "%s", list->fault);
	else if (status == 0 && ferror(list->in))
		status = stele_fail(err, STELE_E_INPUT, "%s: %m", path);
	else if (status == 0 && failed)
		err->text[0] = '\0';
	close_list(list);
	return status == 0 && failed ? STELE_E_INPUT : status;
}

/* ---- all of it ---- */

static int import_all(struct run *run, const struct arguments *arguments, struct stele_error *err)
{
	if (arguments->list != NULL)
		return import_list(run, arguments->list, err);
	const char *const *files = (const char *const *)arguments->files;
	if (arguments->zone != NULL) {
		uint8_t apex[STELE_NAME_MAX];
		int len = parse_zone_name(arguments->zone, apex);
		return import_zone(run, files, (size_t)arguments->file_cnt, apex, (size_t)len, err);
	}
	int status = 0;
	bool failed = false;
	for (int i = 0; i < arguments->file_cnt && status == 0; i++) {
		status = import_zone(run, files + i, 1, NULL, 0, err);
		if (status == 0)
			status = note_zone(run, run->last.apex, run->last.apex_len,
					   (struct stele_place){files[i], 1, 1}, err);
		if (status != STELE_E_INPUT)
			continue;
		/* A file that cannot be read does not hide errors in the next, nor do errors in its text. */
		if (err->text[0] != '\0' && arguments->file_cnt > 1) {
			emit(run, err->text);
			run->report.error_cnt++;
			err->text[0] = '\0';
		}
		if (err->text[0] == '\0' && !stele_report_full(&run->report)) {
			failed = true;
			status = 0;
		}
	}
	return status == 0 && failed ? STELE_E_INPUT : status;
}

static void print_summary(const struct run *run, double seconds)
{
	char names[32], records[32], rate[16], zone[STELE_NAME_TEXT_MAX];
	if (run->zones != NULL) {
		json_t *root = json_pack("{s:O, s:I, s:I, s:I, s:I, s:f, s:I}", "zones", run->zones,
					 "names", (json_int_t)run->owner_cnt, "records",
					 (json_int_t)run->rr_cnt, "warnings",
					 (json_int_t)stele_report_warning_cnt(&run->report),
					 "generation", (json_int_t)run->generation, "seconds",
					 seconds, "zone_count", (json_int_t)run->zone_cnt);
		json_dumpf(root, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(root);
		return;
	}
	stele_report_number(run->owner_cnt, names);
	stele_report_number(run->rr_cnt, records);
	stele_cmd_round(seconds > 0 ? (double)run->rr_cnt / seconds : 0, rate);
	if (run->zone_cnt == 1) {
		apex_text(&run->last, zone);
		printf("imported %s serial %" PRIu32 ": ", zone, run->last.serial);
	} else {
		char zones[32];
		printf("imported %s zones: ", stele_report_number(run->zone_cnt, zones));
	}
	printf("%s names, %s records in %.1f s (%s records/s)\n", names, records, seconds, rate);
}

static int run_import(const struct arguments *arguments)
{
	struct stele_error err = {0};
	struct run run = {.now = (uint32_t)time(NULL)};
	run.report.emit = emit;
	run.report.user = &run;
	uint64_t total = 0;
	for (int i = 0; i < arguments->file_cnt; i++)
		total += file_size(arguments->files[i]);
	if (arguments->list != NULL && isatty(STDERR_FILENO) == 1)
		total = list_size(arguments->list);
	stele_progress_begin(&run.progress, "importing", "bytes", total);
	if (arguments->json)
		run.zones = json_array();

	int status = stele_import_new(&run.report, &run.import);
	if (status < 0)
		stele_fail(&err, status, "no memory");
	if (status == 0) {
		stele_import_progress(run.import, show_progress, &run);
		status = stele_store_open(arguments->store, STELE_STORE_CREATE, &run.store, &err);
	}
	if (status == 0)
		status = import_all(&run, arguments, &err);
	if (status == 0 && run.write != NULL) {
		status = stele_store_commit(run.write, &run.generation, &err);
		run.write = NULL;
	}
	stele_store_abort(run.write);
	if (run.before != NULL)
		stele_store_read_end(run.before);
	if (status == 0)
		stele_store_close(run.store);
	else
		stele_store_discard(run.store);
	stele_import_free(run.import);

	double seconds = stele_progress_end(&run.progress);
	stele_report_close(&run.report);
	int exit_status = stele_exit_status(status);
	if (status < 0 && err.text[0] != '\0') {
		exit_status = stele_cmd_fail(status, &err);
	} else if (status < 0) {
		char errors[32];
		stele_cmd_say("%s error%s, nothing was stored",
			      stele_report_number(run.report.error_cnt, errors),
			      run.report.error_cnt == 1 ? "" : "s");
	} else {
		print_summary(&run, seconds);
		exit_status = stele_cmd_close_output(exit_status);
	}
	json_decref(run.zones);
	tdestroy(run.named, free);
	return exit_status;
}

int stele_cmd_import(int argc, char **argv)
{
	struct arguments arguments = {0};
	const char *value;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) >= 0) {
		if (id == 's')
			arguments.store = value;
		else if (id == 'z')
			arguments.zone = value;
		else if (id == 'l')
			arguments.list = value;
		else
			arguments.json = true;
	}
	if (id == STELE_CMD_EXIT)
		return exit_status;
	arguments.files = argv + optind;
	arguments.file_cnt = argc - optind;
	uint8_t apex[STELE_NAME_MAX];
	if (arguments.store == NULL)
		return stele_cmd_usage("import", "--store is missing");
	if (arguments.list != NULL && (arguments.file_cnt > 0 || arguments.zone != NULL))
		return stele_cmd_usage("import", "--zone-list goes without --zone and FILE");
	if (arguments.list == NULL && arguments.file_cnt == 0)
		return stele_cmd_usage("import", "FILE is missing");
	if (arguments.zone != NULL && parse_zone_name(arguments.zone, apex) <= 0)
		return stele_cmd_usage("import", "bad zone name '%s'", arguments.zone);
	return run_import(&arguments);
}
