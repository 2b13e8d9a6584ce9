/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_STELECTL_STELECTL_H
#define STELE_MGMT_STELECTL_STELECTL_H

/*
 * `stelectl`: what an operator types. Each command gets its arguments from its own name on, asks the
 * server over its control socket (docs/control-protocol.md), prints, and returns the exit status.
 *
 * There are two servers: the responder, and the daemon that looks after zones. What both know of
 * (zones, and when they are served) is asked of the daemon where it runs; `--socket` says which one, and
 * then there is no other.
 */

#include "lib/base/error.h"
#include "lib/command/command.h"
#include "lib/ctl/ctl.h"

#include <jansson.h>
#include <stdbool.h>

int stelectl_status(int argc, char **argv);
int stelectl_health(int argc, char **argv);
int stelectl_zones(int argc, char **argv);
int stelectl_zone(int argc, char **argv);
int stelectl_load(int argc, char **argv);
int stelectl_rollback(int argc, char **argv);
int stelectl_wait(int argc, char **argv);
int stelectl_reload(int argc, char **argv);
int stelectl_drain(int argc, char **argv);
int stelectl_undrain(int argc, char **argv);
int stelectl_stats(int argc, char **argv);
int stelectl_trace(int argc, char **argv);
int stelectl_transfer(int argc, char **argv);
int stelectl_notify(int argc, char **argv);

/* What all commands take. */
struct stelectl_common {
	const char *socket; /* NULL: to be chosen */
	bool json;
};

/* Their rows, first in each table of options; `whose` socket it is, unless it is given. */
/* clang-format off */
#define STELECTL_COMMON_OPTIONS(whose)                                                             \
	{"socket", 's', "PATH", "control socket (" whose ")"},                                     \
	{"json", 'j', NULL, "print JSON"}
/* clang-format on */
#define STELECTL_WHOSE_EITHER "the daemon's, or else the responder's"

enum stelectl_server {
	STELECTL_RESPONDER,
	STELECTL_DAEMON,
	STELECTL_EITHER, /* the daemon where it runs, else the responder */
};

/* Where one of the two listens: STELE_RESPONDER_SOCKET and STELE_MGMTD_SOCKET of the environment, or the
 * default. */
const char *stelectl_socket(enum stelectl_server server);

/* Whether a server listens at `path`, or may: false only where there is certainly none. Does not wait. */
bool stelectl_is_there(const char *path);

/* Sets `common->socket` if the command line has not. */
void stelectl_choose(struct stelectl_common *common, enum stelectl_server wanted);

/* How long a server that is alive may take for what it has at hand. */
#define STELECTL_TIMEOUT_MS 10000

/*
 * The next option of a command's own, as stele_cmd_next_option(); the common ones go to `common`.
 */
int stelectl_next_option(const struct stele_cmd_spec *spec, int argc, char **argv,
			 struct stelectl_common *common, const char **ret_value, int *ret_exit);

/* For a command without options of its own that takes `operand_cnt` operands: -1 to go on, with optind at
 * the first, or the exit status. */
int stelectl_plain_arguments(const struct stele_cmd_spec *spec, int argc, char **argv,
			     int operand_cnt, struct stelectl_common *common);

/* The name of a zone for a request. JSON is UTF-8: of a name that is not, other bytes are said as in a zone file, or
 * another zone would be asked for. */
json_t *stelectl_zone_name(const char *operand);

/* Connects to `common->socket`, which must be set, asks once, disconnects. Takes over `request`, which may be NULL:
 * memory is out. */
int stelectl_ask(const struct stelectl_common *common, json_t *request, int fd, int timeout_ms,
		 json_t **ret_response, struct stele_error *reterr);

/* Ends a command: prints the error if `status` is one, closes standard output; the exit status. */
int stelectl_end(int status, const struct stele_error *err);

/* A response as --json prints it: without "ok". */
void stelectl_print_json(json_t *response);

/* Before a response is printed as text: its texts, paths and what peers said among them, become what lib/base/shown.h
 * shows of them. */
void stelectl_make_shown(json_t *response);

/* Prints a response as it was asked for, in JSON or by `print`, and lets go of it. */
void stelectl_show(const struct stelectl_common *common, json_t *response,
		   void (*print)(const json_t *response));

/* Members of a response; "" and 0 if there is none, so that an older server shows less. */
const char *stelectl_text(const json_t *object, const char *member);
json_int_t stelectl_number(const json_t *object, const char *member);

#endif
