/* SPDX-License-Identifier: Apache-2.0 */
/* stelectl health: for a health check of whatever announces the addresses. */
#include "mgmt/stelectl/stelectl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Less, and a machine that is only busy loses its routes; more, and queries go for longer to one that hangs. */
#define HEALTH_DEFAULT_S 5
#define HEALTH_MAX_S 3600

enum { OPTION_TIMEOUT = 't' };

static const struct stele_cmd_option options[] = {
	STELECTL_COMMON_OPTIONS("the responder's"),
	{"timeout", OPTION_TIMEOUT, "S", "seconds to wait for its answer at most (5)"},
	{NULL, 0, NULL, NULL},
};

static const struct stele_cmd_spec spec = {
	.name = "health",
	.synopsis = "[--timeout S]",
	.about =
		"Prints `healthy`, or `unhealthy` and why: the responder serves no image, no port has a link, a\n"
		"core stands still, it is drained. Asks nobody else, so the daemon may come and go. Exits with 0\n"
		"if it is healthy, 1 if not, 3 if it gives no answer.",
	.options = options,
};

/* What docs/control-protocol.md has under `healthy`. */
static json_t *find_reasons(const json_t *status)
{
	json_t *reasons = json_array();
	const json_t *value;
	size_t i;
	bool has_link = false;
	if (!json_is_object(json_object_get(status, "image")))
		json_array_append_new(reasons, json_string("no image is served"));
	json_array_foreach(json_object_get(status, "ports"), i, value)
	{
		has_link |= strcmp(stelectl_text(value, "link"), "up") == 0;
	}
	if (!has_link)
		json_array_append_new(reasons, json_string("no port has a link"));
	json_array_foreach(json_object_get(status, "cores"), i, value)
	{
		if (strcmp(stelectl_text(value, "state"), "stuck") == 0)
			json_array_append_new(
				reasons, json_sprintf("core %" JSON_INTEGER_FORMAT " stands still",
						      stelectl_number(value, "core")));
	}
	if (json_is_true(json_object_get(status, "drained")))
		json_array_append_new(reasons, json_string("drained"));
	return reasons;
}

static void print_health(const json_t *health)
{
	const json_t *reasons = json_object_get(health, "reasons");
	bool is_healthy = json_is_true(json_object_get(health, "healthy"));
	fputs(is_healthy ? "healthy" : "unhealthy", stdout);
	for (size_t i = 0; i < json_array_size(reasons); i++)
		printf("%s%s", i == 0 ? ": " : ", ", json_string_value(json_array_get(reasons, i)));
	putchar('\n');
}

int stelectl_health(int argc, char **argv)
{
	struct stelectl_common common = {0};
	uint64_t timeout_s = HEALTH_DEFAULT_S;
	const char *value;
	int exit_status, id;
	while ((id = stelectl_next_option(&spec, argc, argv, &common, &value, &exit_status)) !=
	       STELE_CMD_END) {
		if (id == STELE_CMD_EXIT)
			return exit_status;
		if (!stele_cmd_number(value, 1, HEALTH_MAX_S, &timeout_s))
			return stele_cmd_usage(spec.name, "--timeout takes 1 to %d seconds",
					       HEALTH_MAX_S);
	}
	if (optind != argc)
		return stele_cmd_usage(spec.name, "'%s' is too much", argv[optind]);
	struct stele_error err;
	json_t *response;
	stelectl_choose(&common, STELECTL_RESPONDER);
	int status = stelectl_ask(&common, json_pack("{s:s}", "op", "status"), -1,
				  (int)timeout_s * 1000, &response, &err);
	if (status != 0)
		return stelectl_end(status, &err);
	const json_t *healthy = json_object_get(response, "healthy");
	if (!json_is_boolean(healthy)) {
		json_decref(response);
		status = stele_fail(&err, STELE_E_SYSTEM, "%s: no responder", common.socket);
		return stelectl_end(status, &err);
	}
	bool is_healthy = json_is_true(healthy);
	json_t *reasons = is_healthy ? json_array() : find_reasons(response);
	json_decref(response);
	stelectl_show(&common,
		      json_pack("{s:b, s:o}", "healthy", (int)is_healthy, "reasons", reasons),
		      print_health);
	return stele_cmd_close_output(is_healthy ? 0 : 1);
}
