/* SPDX-License-Identifier: Apache-2.0 */
/* stele-compile verify: whether an image may be served. */
#include "zonecompiler/command.h"

#include "lib/base/cpu.h"
#include "lib/image/findings_file.h"
#include "lib/image/verified.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Above this, threads wait for memory. */
#define THREADS_MAX 16

static const struct stele_cmd_option options[] = {
	{"json", 'j', NULL, "print JSON: one object"},
	{"findings", 'f', "DIR",
	 "write what was found out into DIR/verified, for a responder's start"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "verify",
	.synopsis = "IMAGE [--json] [--findings DIR]",
	.about =
		"Checks every byte that the last complete root of an image reaches: checksums, digests, and\n"
		"every offset, length, name and order that answers rely on. Exits with 0 if the image may be\n"
		"served, with 1 and the first fault if not.\n"
		"\n"
		"With its findings in the state_dir of a responder, and the same version of it, a first start\n"
		"compares the image with its digests alone. They are believed there: send them as you would\n"
		"send the program.",
	.options = options,
};

static void print_json(const struct stele_view *view)
{
	json_t *report = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "generation",
				   (json_int_t)view->generation, "zones",
				   (json_int_t)view->zone_cnt, "names", (json_int_t)view->name_cnt,
				   "rrs", (json_int_t)view->rr_cnt, "bytes",
				   (json_int_t)view->bytes_sz, "torn_bytes",
				   (json_int_t)view->torn_sz);
	if (report != NULL)
		json_dumpf(report, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(report);
}

static void print_text(const struct stele_view *view, const char *path)
{
	stele_cmd_print("%s: good; generation %" PRIu64 ", %" PRIu32 " zones, %" PRIu64
			" names, %" PRIu64 " RRs, %zu bytes",
			path, view->generation, view->zone_cnt, view->name_cnt, view->rr_cnt,
			view->bytes_sz);
	if (view->torn_sz > 0)
		printf("%zu bytes behind the last complete root are not part of it\n",
		       view->torn_sz);
}

static int write_findings(const struct stele_view *view, const struct stele_verified *verified,
			  const char *dir, struct stele_error *reterr)
{
	struct stele_findings_image image;
	struct stele_findings findings;
	struct stele_directory directory;
	int rc = stele_directory_read_bytes(view->bytes, view->bytes_sz, &directory, reterr);
	if (rc != 0)
		return rc;
	rc = stele_findings_image(&directory, &image, reterr);
	stele_directory_free(&directory);
	if (rc == 0)
		rc = stele_findings_make(view, verified, &image, &findings, reterr);
	if (rc != 0)
		return rc;
	rc = stele_findings_save(dir, &findings, reterr);
	stele_findings_close(&findings);
	return rc;
}

/* Looked at first: to verify a large image takes minutes. */
static int check_folder(const char *dir, struct stele_error *reterr)
{
	struct stat st;
	if (stat(dir, &st) != 0)
		return stele_fail_file(reterr, errno, "%s", dir);
	if (!S_ISDIR(st.st_mode))
		return stele_fail_file(reterr, ENOTDIR, "%s", dir);
	return access(dir, R_OK | W_OK | X_OK) == 0 ? 0 :
						      stele_fail_errno(reterr, errno, "%s", dir);
}

/* The image at `path`, verified; its findings, unless `dir` is NULL. */
static int open_verified(const char *path, const char *dir, struct stele_progress *progress,
			 struct stele_view *ret_view, struct stele_error *reterr)
{
	const struct stele_verify_options with = {
		.threads = stele_cpu_usable_cnt(THREADS_MAX),
		.progress = stele_progress_part,
		.user = progress,
	};
	struct stele_verified *verified = NULL;
	struct stele_error detail;
	struct stele_view view;
	int rc = dir != NULL ? check_folder(dir, reterr) : 0;
	if (rc == 0)
		rc = stele_view_open_file(path, &view, reterr);
	if (rc != 0)
		return rc;
	rc = stele_view_verify_with(&view, &with, &verified, NULL, &detail);
	if (rc != 0)
		stele_fail(reterr, rc, "%s: %s", path, detail.text);
	else if (dir != NULL)
		rc = write_findings(&view, verified, dir, reterr);
	stele_verified_free(verified);
	if (rc == 0)
		*ret_view = view;
	else
		stele_view_close(&view);
	return rc;
}

int stele_cmd_verify(int argc, char **argv)
{
	const char *findings = NULL;
	bool json = false;
	const char *value;
	int exit_status, id;
	while ((id = stele_cmd_next_option(&spec, argc, argv, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		if (id == 'f')
			findings = value;
		else
			json = true;
	}
	if (argc - optind != 1)
		return stele_cmd_usage(spec.name, "one image is needed");
	struct stele_view view;
	struct stele_error err;
	struct stele_progress progress;
	stele_progress_begin(&progress, "verifying", "shards", 0);
	int status = open_verified(argv[optind], findings, &progress, &view, &err);
	stele_progress_end(&progress);
	if (status != 0)
		return stele_cmd_fail(status, &err);
	if (json)
		print_json(&view);
	else
		print_text(&view, argv[optind]);
	stele_view_close(&view);
	return stele_cmd_close_output(0);
}
