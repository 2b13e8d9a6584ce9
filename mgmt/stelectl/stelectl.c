/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl: finds the command that is asked for and runs it; what all commands have in common. */
#include "mgmt/stelectl/stelectl.h"

#include "lib/base/shown.h"
#include "lib/dns/name.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* In the order of use: it is the order of the help. */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"status", stelectl_status, "what is served, on each core, and how the daemon does"},
	{"health", stelectl_health, "whether the responder is healthy, by exit status too"},
	{"zones", stelectl_zones, "all zones: serials, refresh, expiry, errors"},
	{"zone", stelectl_zone, "one zone, on each core"},
	{"load", stelectl_load, "another image in the place of the one that is served"},
	{"rollback", stelectl_rollback, "the image before"},
	{"wait", stelectl_wait, "until every core serves a serial of a zone"},
	{"transfer", stelectl_transfer, "ask a zone's primaries now"},
	{"notify", stelectl_notify, "tell a zone's secondaries now"},
	{"reload", stelectl_reload, "zones, keys, secrets and what else can change"},
	{"drain", stelectl_drain, "answer on, but tell health checks to send traffic elsewhere"},
	{"undrain", stelectl_undrain, "the end of that"},
	{"stats", stelectl_stats, "packets, replies, drops; once or every second"},
	{"trace", stelectl_trace, "how a query is answered, and the reply as dig prints it"},
	{NULL, NULL, NULL},
};

static void print_help(void)
{
	puts("usage: stelectl [--socket PATH] [--json] COMMAND [ARGUMENT...]\n"
	     "       stelectl COMMAND --help\n\n"
	     "Looks after a running stele-mgmtd and stele-responder.\n\ncommands:");
	for (size_t i = 0; commands[i].name != NULL; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	puts("\nExit status: 0 done, 1 the input is wrong or not there, 2 usage, "
	     "3 the system failed or nobody listens.");
}

int stelectl_next_option(const struct stele_cmd_spec *spec, int argc, char **argv,
			 struct stelectl_common *common, const char **ret_value, int *ret_exit)
{
	for (;;) {
		int id = stele_cmd_next_option(spec, argc, argv, ret_value, ret_exit);
		if (id == 's')
			common->socket = *ret_value;
		else if (id == 'j')
			common->json = true;
		else
			return id;
	}
}

int stelectl_plain_arguments(const struct stele_cmd_spec *spec, int argc, char **argv,
			     int operand_cnt, struct stelectl_common *common)
{
	const char *value;
	int exit_status;
	if (stelectl_next_option(spec, argc, argv, common, &value, &exit_status) == STELE_CMD_EXIT)
		return exit_status;
	if (argc - optind > operand_cnt)
		return stele_cmd_usage(spec->name, "'%s' is too much", argv[optind + operand_cnt]);
	if (argc - optind < operand_cnt)
		return stele_cmd_usage(spec->name, "expected %s", spec->synopsis);
	return -1;
}

const char *stelectl_socket(enum stelectl_server server)
{
	const char *path =
		getenv(server == STELECTL_DAEMON ? "STELE_MGMTD_SOCKET" : "STELE_RESPONDER_SOCKET");
	if (path != NULL && *path != 0)
		return path;
	return server == STELECTL_DAEMON ? STELE_CTL_MGMTD_SOCKET : STELE_CTL_RESPONDER_SOCKET;
}

bool stelectl_is_there(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = -1;
	if (strlen(path) < sizeof(address.sun_path))
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	/* Of one that hangs, and accepts nobody any more (EAGAIN), or is for others (EACCES), whoever asks it then
	 * says so. */
	bool is_there = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
			(errno != ENOENT && errno != ECONNREFUSED);
	close(fd);
	return is_there;
}

void stelectl_choose(struct stelectl_common *common, enum stelectl_server wanted)
{
	if (common->socket != NULL)
		return;
	if (wanted == STELECTL_EITHER)
		wanted = stelectl_is_there(stelectl_socket(STELECTL_DAEMON)) ? STELECTL_DAEMON :
									       STELECTL_RESPONDER;
	common->socket = stelectl_socket(wanted);
}

json_t *stelectl_zone_name(const char *operand)
{
	uint8_t name[STELE_NAME_MAX];
	char text[STELE_NAME_TEXT_MAX];
	json_t *string = json_string(operand);
	if (string != NULL || stele_name_from_text(operand, strlen(operand), name) < 0)
		return string != NULL ? string : stele_ctl_text(operand);
	stele_name_to_text(name, text);
	return json_string(text);
}

int stelectl_ask(const struct stelectl_common *common, json_t *request, int fd, int timeout_ms,
		 json_t **ret_response, struct stele_error *reterr)
{
	if (request == NULL)
		return stele_fail_errno(reterr, ENOMEM, "%s", common->socket);
	struct stele_ctl_client *client = NULL;
	int status = stele_ctl_connect(common->socket, &client, reterr);
	if (status == 0)
		status = stele_ctl_call(client, request, fd, timeout_ms, ret_response, reterr);
	stele_ctl_disconnect(client);
	json_decref(request);
	return status;
}

int stelectl_end(int status, const struct stele_error *err)
{
	return stele_cmd_close_output(status == 0 ? 0 : stele_cmd_fail(status, err));
}

void stelectl_print_json(json_t *response)
{
	json_object_del(response, "ok");
	json_dumpf(response, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
}

void stelectl_make_shown(json_t *response)
{
	const char *member;
	size_t i;
	json_t *value;
	if (json_is_string(response)) {
		char *shown = stele_shown_new(json_string_value(response));
		json_string_set(response, shown != NULL ? shown : "");
		free(shown);
	}
	json_object_foreach(response, member, value)
	{
		stelectl_make_shown(value);
	}
	json_array_foreach(response, i, value)
	{
		stelectl_make_shown(value);
	}
}

void stelectl_show(const struct stelectl_common *common, json_t *response,
		   void (*print)(const json_t *response))
{
	if (common->json) {
		stelectl_print_json(response);
	} else {
		stelectl_make_shown(response);
		print(response);
	}
	json_decref(response);
}

const char *stelectl_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	return text != NULL ? text : "";
}

json_int_t stelectl_number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

/* The index of the command among the arguments, 0 if there is none: the first that is neither an option
 * nor the value of one. */
static int find_command(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return i;
		if (strcmp(argv[i], "--socket") == 0 || strcmp(argv[i], "-s") == 0)
			i++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	stele_cmd_begin();
	int at = find_command(argc, argv);
	if (at == 0) {
		bool help = argc > 1 &&
			    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
		if (help)
			print_help();
		else if (argc > 1 && strcmp(argv[1], "--version") == 0)
			puts("stelectl " STELE_VERSION);
		else
			return stele_cmd_say("a command is missing (see stelectl --help)"), 2;
		return stele_cmd_close_output(0);
	}
	/* Common options may stand before the command; it gets them with its own. */
	char *name = argv[at];
	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof(*argv));
	argv[1] = name;
	for (size_t i = 0; commands[i].name != NULL; i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	stele_cmd_say("unknown command '%s' (see stelectl --help)", name);
	return 2;
}
