/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/ctl/dispatch.h"

#include "lib/base/clock.h"
#include "lib/base/shown.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	int status;
	const char *kind;
} kinds[] = {
	{STELE_E_INPUT, "input"},       {STELE_E_USAGE, "usage"}, {STELE_E_SYSTEM, "system"},
	{STELE_E_NOTFOUND, "notfound"}, {STELE_E_STALE, "stale"},
};
#define KIND_CNT (sizeof(kinds) / sizeof(kinds[0]))

const char *stele_ctl_kind(int status)
{
	for (size_t i = 0; i < KIND_CNT; i++)
		if (kinds[i].status == status)
			return kinds[i].kind;
	return "system";
}

int stele_ctl_status(const char *kind)
{
	for (size_t i = 0; i < KIND_CNT; i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].status;
	return STELE_E_SYSTEM;
}

json_t *stele_ctl_text(const char *text)
{
	json_t *string = json_string(text);
	if (string != NULL)
		return string;
	/* Not UTF-8: a path, or what a file holds. */
	char *shown = stele_shown_new(text);
	string = json_string(shown); /* NULL of NULL */
	free(shown);
	return string;
}

char *stele_ctl_refusal(int status, const char *text)
{
	char *bytes = NULL;
	json_t *response = json_pack("{s:b, s:s, s:o}", "ok", 0, "kind", stele_ctl_kind(status),
				     "error", stele_ctl_text(text));
	if (response != NULL)
		bytes = json_dumps(response, JSON_COMPACT);
	json_decref(response);
	return bytes;
}

static char *refuse(struct stele_ctl_job *job, int status, const char *text)
{
	stele_ctl_job_clear(job);
	return stele_ctl_refusal(status, text);
}

void stele_ctl_job_clear(struct stele_ctl_job *job)
{
	json_decref(job->request);
	json_decref(job->call.response);
	if (job->call.fd >= 0)
		close(job->call.fd);
	*job = (struct stele_ctl_job){.call = {.fd = -1}};
}

static int answer_ping(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	(void)user;
	int status = stele_ctl_unpack(call, reterr, "");
	if (status != 0)
		return status;
	json_object_set_new(call->response, "version", json_string(STELE_VERSION));
	json_object_set_new(call->response, "pid", json_integer(getpid()));
	return 0;
}

static const struct stele_ctl_op *find_op(const struct stele_ctl_op *ops, const char *name)
{
	static const struct stele_ctl_op ping = {.name = "ping", .handle = answer_ping};
	if (strcmp(name, ping.name) == 0)
		return &ping;
	for (; ops->name != NULL; ops++)
		if (strcmp(name, ops->name) == 0)
			return ops;
	return NULL;
}

char *stele_ctl_job_begin(struct stele_ctl_job *job, const struct stele_ctl_op *ops,
			  const char *bytes, size_t len)
{
	json_error_t fault;
	char text[STELE_ERROR_MAX];
	job->request = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &fault);
	if (job->request == NULL) {
		snprintf(text, sizeof(text), "the request is no JSON: byte %d: %s", fault.position,
			 fault.text);
		return refuse(job, STELE_E_USAGE, text);
	}
	const char *name = json_string_value(json_object_get(job->request, "op"));
	if (name == NULL)
		return refuse(job, STELE_E_USAGE, "the request is no object with a member \"op\"");
	job->op = find_op(ops, name);
	if (job->op == NULL) {
		snprintf(text, sizeof(text), "unknown operation '%.64s'", name);
		return refuse(job, STELE_E_USAGE, text);
	}
	if (job->op->takes_fd != (job->call.fd >= 0)) {
		snprintf(text, sizeof(text), "'%s' %s", job->op->name,
			 job->op->takes_fd ? "needs a descriptor, and none came with it" :
					     "takes no descriptor");
		return refuse(job, STELE_E_USAGE, text);
	}
	job->call.request = job->request;
	job->call.began_ns = stele_clock_ns();
	job->call.deadline_ns = UINT64_MAX;
	return NULL;
}

/* The response that a handler has filled in. */
static char *spell_response(struct stele_ctl_job *job)
{
	char *bytes = NULL;
	json_t *whole = json_pack("{s:b}", "ok", 1);
	if (whole != NULL && json_object_update(whole, job->call.response) == 0)
		bytes = json_dumps(whole, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(whole);
	if (bytes != NULL && strlen(bytes) > STELE_CTL_MESSAGE_MAX) {
		free(bytes);
		return refuse(job, STELE_E_SYSTEM, "the response is longer than a message may be");
	}
	stele_ctl_job_clear(job);
	return bytes;
}

char *stele_ctl_job_run(struct stele_ctl_job *job, void *user)
{
	struct stele_error err = {.text = "failed without a reason"};
	struct stele_ctl_call *call = &job->call;
	json_decref(call->response);
	call->response = json_object();
	if (call->response == NULL)
		return refuse(job, STELE_E_SYSTEM, "out of memory");
	int status = job->op->handle(user, call, &err);
	call->round++;
	if (status == STELE_CTL_AGAIN)
		return NULL;
	return status == 0 ? spell_response(job) : refuse(job, status, err.text);
}

uint64_t stele_ctl_deadline_ns(const struct stele_ctl_call *call, json_int_t timeout_ms)
{
	uint64_t ms = (uint64_t)timeout_ms;
	return ms <= (UINT64_MAX - call->began_ns) / 1000000 ? call->began_ns + ms * 1000000 :
							       UINT64_MAX;
}

int stele_ctl_unpack(const struct stele_ctl_call *call, struct stele_error *reterr,
		     const char *format, ...)
{
	char whole[256];
	int len = snprintf(whole, sizeof(whole), "{%s!}", format);
	if (len < 0 || (size_t)len >= sizeof(whole))
		return stele_fail(reterr, STELE_E_SYSTEM, "a format that is too long");
	/* What is unpacked lives on in the request, which has the same members. */
	json_t *members = json_copy((json_t *)call->request);
	if (members == NULL)
		return stele_fail_errno(reterr, ENOMEM, "cannot read the request");
	json_object_del(members, "op");
	json_error_t fault;
	va_list args;
	va_start(args, format);
	int failed = json_vunpack_ex(members, &fault, 0, whole, args);
	va_end(args);
	json_decref(members);
	return failed ? stele_fail(reterr, STELE_E_USAGE, "the request: %s", fault.text) : 0;
}
