/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/control/operations.h"

#include "lib/base/clock.h"
#include "lib/dns/name.h"
#include "lib/daemon/log.h"
#include "responder/control/internal.h"
#include "responder/control/reload.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- jobs ---- */

int operations_run_job(struct stele_responder *responder, struct stele_ctl_call *call,
		       stele_job job,
		       void *(*make)(struct stele_responder *responder, struct stele_ctl_call *call,
				     struct stele_error *reterr),
		       void (*drop)(void *arg), struct stele_error *reterr)
{
	if (call->round == 0) {
		void *arg = make(responder, call, reterr);
		if (!arg)
			return STELE_E_USAGE;
		call->state = stele_jobs_submit(responder->jobs, job, drop, arg);
		if (call->state == 0) {
			drop(arg);
			return stele_fail(reterr, STELE_E_SYSTEM,
					  "too much is asked for at once (try again)");
		}
		return STELE_CTL_AGAIN;
	}
	int rc = stele_jobs_poll(responder->jobs, call->state, call->response, reterr);
	return rc == STELE_JOB_RUNNING ? STELE_CTL_AGAIN : rc;
}

/* ---- load, rollback ---- */

struct load {
	struct stele_responder *responder;
	int fd;              /* -1: rollback */
	char name[PATH_MAX]; /* whole: the next start looks there */
};

static void drop_load(void *arg)
{
	struct load *load = arg;

	if (load->fd >= 0)
		close(load->fd);
	free(load);
}

static void *make_load(struct stele_responder *responder, struct stele_ctl_call *call,
		       struct stele_error *reterr)
{
	const char *path;

	if (stele_ctl_unpack(call, reterr, "s:s", "path", &path) != 0)
		return NULL;
	struct load *load = malloc(sizeof(*load));
	if (!load) {
		stele_fail(reterr, STELE_E_SYSTEM, "no memory");
		return NULL;
	}
	load->responder = responder;
	load->fd = call->fd;
	call->fd = -1;
	snprintf(load->name, sizeof(load->name), "%s", path);
	return load;
}

static void *make_rollback(struct stele_responder *responder, struct stele_ctl_call *call,
			   struct stele_error *reterr)
{
	if (stele_ctl_unpack(call, reterr, "") != 0)
		return NULL;
	struct load *load = calloc(1, sizeof(*load));
	if (!load) {
		stele_fail(reterr, STELE_E_SYSTEM, "no memory");
		return NULL;
	}
	load->responder = responder;
	load->fd = -1;
	return load;
}

static void say_load(const struct load *load, const struct stele_serve_load_info *info,
		     const struct stele_serve_status *status, uint64_t ms, json_t *response)
{
	json_object_set_new(response, "generation",
			    json_integer((json_int_t)status->current.generation));
	json_object_set_new(response, "name", stele_ctl_text(status->current.name));
	json_object_set_new(response, "zones", json_integer(status->current.zone_cnt));
	json_object_set_new(response, "unchanged", json_boolean(info->unchanged));
	json_object_set_new(response, "shards_copied", json_integer(info->copied_cnt));
	json_object_set_new(response, "bytes_copied", json_integer((json_int_t)info->copied_sz));
	json_object_set_new(response, "shards_kept", json_integer(info->shared_cnt));
	json_object_set_new(response, "ms", json_integer((json_int_t)ms));
	stele_log(STELE_LOG_NOTICE,
		  "%s %s: generation %llu, %u zones, %u of %u shards copied, %llu ms",
		  load->fd < 0 ? "rolled back to" : "serves", status->current.name,
		  (unsigned long long)status->current.generation, status->current.zone_cnt,
		  info->copied_cnt, info->shard_cnt, (unsigned long long)ms);
}

static int run_load(void *arg, json_t *response, struct stele_error *reterr)
{
	struct load *load = arg;
	struct stele_images *images = load->responder->images;
	struct stele_serve_load_info info = {0};
	struct stele_serve_status status;
	uint64_t began = stele_clock_ns();
	int rc = load->fd < 0 ? stele_images_rollback(images, &info, reterr) :
				stele_images_load(images, load->fd, load->name, &info, reterr);

	if (rc == 0) {
		stele_images_status(images, &status);
		say_load(load, &info, &status, (stele_clock_ns() - began) / 1000000, response);
		if (stele_images_unremembered(images))
			json_object_set_new(response, "warning",
					    stele_ctl_text(stele_images_unremembered(images)));
	} else if (load->fd >= 0) {
		stele_log(STELE_LOG_ERROR, "%s is refused: %s", load->name, reterr->text);
	}
	drop_load(load);
	return rc;
}

static int op_load(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return operations_run_job(user, call, run_load, make_load, drop_load, reterr);
}

static int op_rollback(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return operations_run_job(user, call, run_load, make_rollback, drop_load, reterr);
}

/* ---- wait ---- */

static bool is_served(struct stele_responder *responder, const uint8_t *apex, size_t apex_len,
		      uint32_t serial, uint32_t *ret_serial)
{
	unsigned worker_cnt;

	return stele_images_serial(responder->images, apex, apex_len, ret_serial, &worker_cnt) &&
	       (int32_t)(*ret_serial - serial) >= 0 && worker_cnt == responder->worker_cnt;
}

static int op_wait(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	struct stele_responder *responder = user;
	const char *zone;
	json_int_t serial, timeout_ms = 60000;
	uint8_t apex[STELE_NAME_MAX];
	uint32_t now_serial = 0;
	int rc = stele_ctl_unpack(call, reterr, "s:s, s:I, s?I", "zone", &zone, "serial", &serial,
				  "timeout_ms", &timeout_ms);

	if (rc)
		return rc;
	if (serial < 0 || serial > UINT32_MAX || timeout_ms < 0)
		return stele_fail(
			reterr, STELE_E_USAGE,
			"serial and timeout have to be numbers that serials and times can be");
	int apex_len = stele_name_from_text(zone, strlen(zone), apex);
	if (apex_len < 0)
		return stele_fail(reterr, STELE_E_USAGE, "'%s' is not a name", zone);
	stele_name_lower(apex, apex, (size_t)apex_len);
	char text[STELE_NAME_TEXT_MAX];
	stele_name_to_text(apex, text);
	call->deadline_ns = stele_ctl_deadline_ns(call, timeout_ms);
	if (is_served(responder, apex, (size_t)apex_len, (uint32_t)serial, &now_serial)) {
		json_object_set_new(call->response, "zone", stele_ctl_text(text));
		json_object_set_new(call->response, "serial", json_integer(now_serial));
		return 0;
	}
	if (stele_clock_ns() < call->deadline_ns)
		return STELE_CTL_AGAIN;
	return stele_fail(reterr, STELE_E_NOTFOUND,
			  "%s is not served with serial %u on every core after %lld ms", text,
			  (unsigned)serial, (long long)timeout_ms);
}

/* ---- drain ---- */

static int drain(struct stele_responder *responder, struct stele_ctl_call *call, bool draining,
		 struct stele_error *reterr)
{
	int rc = stele_ctl_unpack(call, reterr, "");

	if (rc)
		return rc;
	if (responder->draining != draining)
		stele_log(STELE_LOG_NOTICE, draining ? "drained: answers go on, health is false" :
						       "not drained any more");
	responder->draining = draining;
	json_object_set_new(call->response, "drained", json_boolean(draining));
	return 0;
}

static int op_drain(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return drain(user, call, true, reterr);
}

static int op_undrain(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return drain(user, call, false, reterr);
}

/* ---- reload ---- */

static int op_reload(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	int check = 0;
	int rc = stele_ctl_unpack(call, reterr, "s?b", "check", &check);

	if (!rc)
		rc = check ? stele_reload_check(user, reterr) : stele_reload(user, reterr);
	if (!rc)
		json_object_set_new(call->response, "reloaded",
				    json_pack("[s, s, s, s]", "answers", "cookies", "rrl",
					      "exception.rate"));
	return rc;
}

/* ---- stats ---- */

static int op_stats(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	const struct stele_responder *responder = user;
	int rc = stele_ctl_unpack(call, reterr, "");

	if (!rc)
		json_object_set_new(call->response, "path",
				    stele_ctl_text(stele_stats_path(responder->stats)));
	return rc;
}

const struct stele_ctl_op stele_operations[] = {
	{"status", false, operations_status}, {"zones", false, operations_zones},
	{"zone", false, operations_zone},     {"load", true, op_load},
	{"rollback", false, op_rollback},     {"wait", false, op_wait},
	{"reload", false, op_reload},         {"drain", false, op_drain},
	{"undrain", false, op_undrain},       {"stats", false, op_stats},
	{"trace", false, operations_trace},   {0},
};
