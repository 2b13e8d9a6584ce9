/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What arrives over the control socket, from bytes to response. The first byte says whether a descriptor
 * came along, and how often the handler wants to be called again.
 *
 * Whatever the request, there is one response that is an object with "ok", a refusal with "error" and
 * "kind", within the bound of a message; the descriptor is closed; and nothing of the job is left.
 */
#include "lib/ctl/dispatch.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NDEBUG must not take these away. */
static void require(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t rounds_wanted;

/* Takes members of each kind, and gives back what it took. */
static int handle(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	const char *text = "", *zone = "";
	json_int_t serial = 0;
	int flag = 0;
	double real = 0;
	require(json_object_size(call->response) == 0);
	if (call->round < rounds_wanted)
		return STELE_CTL_AGAIN;
	int status = stele_ctl_unpack(call, reterr, "s?s, s?s, s?I, s?b, s?F", "text", &text,
				      "zone", &zone, "serial", &serial, "flag", &flag, "real",
				      &real);
	if (status != 0)
		return status;
	if (flag)
		return stele_fail(reterr, STELE_E_INPUT, "%s\x80%s", zone, text);
	json_object_set_new(call->response, "text", json_string(text));
	json_object_set_new(call->response, "serial", json_integer(serial));
	json_object_set_new(call->response, "real", json_real(real));
	/* Escaped, a text may become six times as long. */
	json_object_set_new(call->response, "again", json_string(text));
	return 0;
}

static const struct stele_ctl_op ops[] = {{"status", false, handle},
					  {"zone", false, handle},
					  {"load", true, handle},
					  {NULL, false, NULL}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	unsigned how = data[0];
	size_t len = size - 1 < STELE_CTL_MESSAGE_MAX ? size - 1 : STELE_CTL_MESSAGE_MAX;
	/* Exactly the bytes: a read behind them is seen by ASan. */
	char *bytes = malloc(len > 0 ? len : 1);
	require(bytes != NULL);
	memcpy(bytes, data + 1, len);
	int fd = how & 1 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	rounds_wanted = how >> 1 & 3;

	struct stele_ctl_job job = {.call = {.fd = fd}};
	char *response = stele_ctl_job_begin(&job, ops, bytes, len);
	free(bytes); /* the job does not hold on to them */
	for (unsigned i = 0; response == NULL; i++) {
		require(job.request != NULL && i <= rounds_wanted);
		response = stele_ctl_job_run(&job, NULL);
	}
	require(job.request == NULL && job.call.response == NULL && job.call.fd == -1);
	require(fd < 0 || fcntl(fd, F_GETFD) < 0);
	require(strlen(response) <= STELE_CTL_MESSAGE_MAX);
	json_t *json = json_loads(response, JSON_REJECT_DUPLICATES, NULL);
	const json_t *ok = json_object_get(json, "ok");
	require(json_is_boolean(ok));
	if (json_is_false(ok)) {
		require(json_is_string(json_object_get(json, "error")));
		const char *kind = json_string_value(json_object_get(json, "kind"));
		require(kind != NULL && strcmp(stele_ctl_kind(stele_ctl_status(kind)), kind) == 0);
	}
	json_decref(json);
	free(response);
	return 0;
}
