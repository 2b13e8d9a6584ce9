/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl load, rollback, wait, reload, drain, undrain, transfer, notify: what changes a server,
 * and waits for it. */
#include "mgmt/stelectl/stelectl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An image of a hundred gigabytes takes a minute or two; more means that something hangs. */
#define LOAD_TIMEOUT_MS 600000

#define WAIT_DEFAULT_S 60
#define WAIT_MAX_S 86400

/* How much longer than the server the client waits for the word that it was in vain. */
#define WAIT_GRACE_MS 5000

static const struct stele_cmd_option responder_options[] = {
	STELECTL_COMMON_OPTIONS("the responder's"), {NULL, 0, NULL, NULL}};

/* ---- load ---- */

static const struct stele_cmd_spec load_spec = {
	.name = "load",
	.synopsis = "IMAGE",
	.about =
		"Has the server copy an image, check its copy, and serve it. What it serves goes on being\n"
		"served until then; an image that is refused changes nothing.",
	.options = responder_options,
};

static int open_image(const char *path, int *ret_fd, struct stele_error *reterr)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return stele_fail_file(reterr, errno, "%s: cannot open", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return stele_fail(reterr, STELE_E_INPUT, "%s: not a file", path);
	}
	*ret_fd = fd;
	return 0;
}

/* However the rest is printed: who only looks at standard output's end or at the exit status sees it too. */
static void warn(const json_t *response)
{
	const char *warning = stelectl_text(response, "warning");
	if (*warning != 0)
		stele_cmd_say("warning: %s", warning);
}

static void print_loaded(const json_t *response)
{
	if (json_is_true(json_object_get(response, "unchanged"))) {
		printf("generation %" JSON_INTEGER_FORMAT " is served already\n",
		       stelectl_number(response, "generation"));
		return;
	}
	char bytes[16];
	printf("generation %" JSON_INTEGER_FORMAT " is served: %" JSON_INTEGER_FORMAT
	       " zones; copied %" JSON_INTEGER_FORMAT " shards (%sB), kept %" JSON_INTEGER_FORMAT
	       ", %" JSON_INTEGER_FORMAT " ms\n",
	       stelectl_number(response, "generation"), stelectl_number(response, "zones"),
	       stelectl_number(response, "shards_copied"),
	       stele_cmd_round((double)stelectl_number(response, "bytes_copied"), bytes),
	       stelectl_number(response, "shards_kept"), stelectl_number(response, "ms"));
}

int stelectl_load(int argc, char **argv)
{
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(&load_spec, argc, argv, 1, &common);
	if (exit_status >= 0)
		return exit_status;
	const char *path = argv[optind];
	struct stele_error err;
	json_t *response;
	int fd = -1;
	stelectl_choose(&common, STELECTL_RESPONDER);
	int status = open_image(path, &fd, &err);
	if (status == 0) {
		char *whole = realpath(path, NULL);
		json_t *name = json_string(whole != NULL ? whole : path);
		free(whole);
		if (name != NULL)
			status = stelectl_ask(&common,
					      json_pack("{s:s, s:o}", "op", "load", "path", name),
					      fd, LOAD_TIMEOUT_MS, &response, &err);
		else /* by another name, a start of the server would look for another file */
			status = stele_fail(&err, STELE_E_INPUT, "%s: the path is not UTF-8", path);
		close(fd);
	}
	if (status == 0) {
		warn(response);
		stelectl_show(&common, response, print_loaded);
	}
	return stelectl_end(status, &err);
}

/* ---- wait ---- */

enum { OPTION_TIMEOUT = 't' };

static const struct stele_cmd_option wait_options[] = {
	STELECTL_COMMON_OPTIONS(STELECTL_WHOSE_EITHER),
	{"timeout", OPTION_TIMEOUT, "S", "seconds to wait at most (60)"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec wait_spec = {
	.name = "wait",
	.synopsis = "ZONE SERIAL [--timeout S]",
	.about =
		"Returns when every core serves this serial of the zone, or a later one (RFC 1982). Exits\n"
		"with 1 if that is not so in time.",
	.options = wait_options,
};

static void print_waited(const json_t *response)
{
	printf("%s is served with serial %" JSON_INTEGER_FORMAT " on every core\n",
	       stelectl_text(response, "zone"), stelectl_number(response, "serial"));
}

int stelectl_wait(int argc, char **argv)
{
	struct stelectl_common common = {0};
	uint64_t timeout_s = WAIT_DEFAULT_S, serial;
	const char *value;
	int exit_status, id;
	while ((id = stelectl_next_option(&wait_spec, argc, argv, &common, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		if (!stele_cmd_number(value, 0, WAIT_MAX_S, &timeout_s))
			return stele_cmd_usage("wait", "--timeout takes 0 to %d seconds",
					       WAIT_MAX_S);
	}
	if (argc - optind != 2)
		return stele_cmd_usage("wait", "expected %s", wait_spec.synopsis);
	if (!stele_cmd_number(argv[optind + 1], 0, UINT32_MAX, &serial))
		return stele_cmd_usage("wait", "'%s' is not a serial", argv[optind + 1]);
	struct stele_error err;
	json_t *response;
	stelectl_choose(&common, STELECTL_EITHER);
	json_t *request = json_pack("{s:s, s:o, s:I, s:I}", "op", "wait", "zone",
				    stelectl_zone_name(argv[optind]), "serial", (json_int_t)serial,
				    "timeout_ms", (json_int_t)timeout_s * 1000);
	int status = stelectl_ask(&common, request, -1, (int)timeout_s * 1000 + WAIT_GRACE_MS,
				  &response, &err);
	if (status == 0)
		stelectl_show(&common, response, print_waited);
	return stelectl_end(status, &err);
}

/* ---- those that take nothing ---- */

static void print_rolled_back(const json_t *response)
{
	printf("generation %" JSON_INTEGER_FORMAT " is served again: %s\n",
	       stelectl_number(response, "generation"), stelectl_text(response, "name"));
}

static void print_reloaded(const json_t *response)
{
	const json_t *what = json_object_get(response, "reloaded");
	for (size_t i = 0; i < json_array_size(what); i++)
		printf("read again: %s\n", json_string_value(json_array_get(what, i)));
	if (json_array_size(what) == 0)
		puts("nothing to read again");
}

static void print_drained(const json_t *response)
{
	puts(json_is_true(json_object_get(response, "drained")) ? "drained" : "not drained");
}

static int simple(int argc, char **argv, const struct stele_cmd_spec *spec, int timeout_ms,
		  void (*print)(const json_t *response))
{
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(spec, argc, argv, 0, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *response;
	stelectl_choose(&common, STELECTL_RESPONDER);
	int status = stelectl_ask(&common, json_pack("{s:s}", "op", spec->name), -1, timeout_ms,
				  &response, &err);
	if (status == 0) {
		warn(response);
		stelectl_show(&common, response, print);
	}
	return stelectl_end(status, &err);
}

int stelectl_rollback(int argc, char **argv)
{
	static const struct stele_cmd_spec spec = {
		.name = "rollback",
		.synopsis = "",
		.about =
			"Serves the image before the present one, which takes its place: twice leads back.",
		.options = responder_options,
	};
	return simple(argc, argv, &spec, LOAD_TIMEOUT_MS, print_rolled_back);
}

/* Takes over `request`; `ret_response` may be NULL. */
static int ask(const char *socket, json_t *request, json_t **ret_response,
	       struct stele_error *reterr)
{
	const struct stelectl_common common = {.socket = socket};
	json_t *response;
	int status = stelectl_ask(&common, request, -1, STELECTL_TIMEOUT_MS, &response, reterr);
	if (status == 0 && ret_response != NULL)
		*ret_response = response;
	else if (status == 0)
		json_decref(response);
	return status;
}

/* One server's part of a reload; what it read goes to `what`. */
static int reload(const char *socket, json_t *what, struct stele_error *reterr)
{
	json_t *response;
	int status = ask(socket, json_pack("{s:s}", "op", "reload"), &response, reterr);
	if (status != 0)
		return status;
	json_array_extend(what, json_object_get(response, "reloaded"));
	json_decref(response);
	return 0;
}

static bool has_responder(const char *daemon)
{
	json_t *response;
	if (ask(daemon, json_pack("{s:s}", "op", "status"), &response, NULL) != 0)
		return false;
	bool has = json_is_string(json_object_get(response, "responder"));
	json_decref(response);
	return has;
}

/*
 * Either server takes all or nothing of its files. For both together, the responder says whether it will before the
 * daemon does; what may fail even then is told.
 */
static int reload_both(const char *daemon, const char *responder, json_t *what,
		       struct stele_error *reterr)
{
	struct stele_error err;
	bool is_there = stelectl_is_there(responder);
	int status = 0;
	if (is_there)
		status = ask(responder, json_pack("{s:s, s:b}", "op", "reload", "check", 1), NULL,
			     reterr);
	if (status == 0)
		status = reload(daemon, what, reterr);
	if (status != 0 || (!is_there && !has_responder(daemon)))
		return status;
	status = reload(responder, what, &err);
	if (status != 0)
		stele_fail(reterr, status,
			   "stele-mgmtd has read its files again, stele-responder has not: %s",
			   err.text);
	return status;
}

int stelectl_reload(int argc, char **argv)
{
	static const struct stele_cmd_option options[] = {STELECTL_COMMON_OPTIONS("both servers'"),
							  {NULL, 0, NULL, NULL}};
	static const struct stele_cmd_spec spec = {
		.name = "reload",
		.synopsis = "",
		.about =
			"Has the daemon and the responder, or the one that --socket names, read again what they\n"
			"can without a restart: the daemon zones, keys and certificates, the responder its\n"
			"sections answers, cookies and rrl, and exception.rate; both their cookie secrets. If\n"
			"anything is wrong, nothing changes; a responder that should be there and is not is told\n"
			"of, with status 3.",
		.options = options,
	};
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(&spec, argc, argv, 0, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *what = json_array();
	const char *daemon = stelectl_socket(STELECTL_DAEMON);
	const char *responder = stelectl_socket(STELECTL_RESPONDER);
	int status;
	if (common.socket == NULL && stelectl_is_there(daemon))
		status = reload_both(daemon, responder, what, &err);
	else
		status = reload(common.socket != NULL ? common.socket : responder, what, &err);
	if (status == 0 || json_array_size(what) > 0)
		stelectl_show(&common, json_pack("{s:O}", "reloaded", what), print_reloaded);
	json_decref(what);
	return stelectl_end(status, &err);
}

int stelectl_drain(int argc, char **argv)
{
	static const struct stele_cmd_spec spec = {
		.name = "drain",
		.synopsis = "",
		.about =
			"Answers go on, but the server says that it is not healthy, so that routing turns away.",
		.options = responder_options,
	};
	return simple(argc, argv, &spec, STELECTL_TIMEOUT_MS, print_drained);
}

int stelectl_undrain(int argc, char **argv)
{
	static const struct stele_cmd_spec spec = {
		.name = "undrain",
		.synopsis = "",
		.about = "Ends what drain began.",
		.options = responder_options,
	};
	return simple(argc, argv, &spec, STELECTL_TIMEOUT_MS, print_drained);
}

/* ---- transfer, notify ---- */

enum { OPTION_FORCE = 'f' };

static void print_asked(const json_t *response)
{
	printf("the primaries of %s are asked\n", stelectl_text(response, "zone"));
}

int stelectl_transfer(int argc, char **argv)
{
	static const struct stele_cmd_option options[] = {
		STELECTL_COMMON_OPTIONS("the daemon's"),
		{"force", OPTION_FORCE, NULL, "the whole zone, whatever its serial"},
		{NULL, 0, NULL, NULL},
	};
	static const struct stele_cmd_spec spec = {
		.name = "transfer",
		.synopsis = "ZONE [--force]",
		.about =
			"Has the daemon ask the zone's primaries now. `stelectl zone` shows what comes of it.",
		.options = options,
	};
	struct stelectl_common common = {0};
	const char *value;
	int exit_status, id;
	bool force = false;
	while ((id = stelectl_next_option(&spec, argc, argv, &common, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		force = true;
	}
	if (argc - optind != 1)
		return stele_cmd_usage("transfer", "expected %s", spec.synopsis);
	struct stele_error err;
	json_t *response;
	stelectl_choose(&common, STELECTL_DAEMON);
	json_t *request = json_pack("{s:s, s:o, s:b}", "op", "transfer", "zone",
				    stelectl_zone_name(argv[optind]), "force", (int)force);
	int status = stelectl_ask(&common, request, -1, STELECTL_TIMEOUT_MS, &response, &err);
	if (status == 0)
		stelectl_show(&common, response, print_asked);
	return stelectl_end(status, &err);
}

static void print_told(const json_t *response)
{
	printf("%" JSON_INTEGER_FORMAT " servers are told of %s\n",
	       stelectl_number(response, "servers"), stelectl_text(response, "zone"));
}

int stelectl_notify(int argc, char **argv)
{
	static const struct stele_cmd_option options[] = {STELECTL_COMMON_OPTIONS("the daemon's"),
							  {NULL, 0, NULL, NULL}};
	static const struct stele_cmd_spec spec = {
		.name = "notify",
		.synopsis = "ZONE",
		.about = "Has the daemon tell the zone's secondaries its serial now.",
		.options = options,
	};
	struct stelectl_common common = {0};
	int exit_status = stelectl_plain_arguments(&spec, argc, argv, 1, &common);
	if (exit_status >= 0)
		return exit_status;
	struct stele_error err;
	json_t *response;
	stelectl_choose(&common, STELECTL_DAEMON);
	json_t *request =
		json_pack("{s:s, s:o}", "op", "notify", "zone", stelectl_zone_name(argv[optind]));
	int status = stelectl_ask(&common, request, -1, STELECTL_TIMEOUT_MS, &response, &err);
	if (status == 0)
		stelectl_show(&common, response, print_told);
	return stelectl_end(status, &err);
}
