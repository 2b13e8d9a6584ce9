/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests. The message is read in the request's home; the zone is changed by the committer's thread; the reply
 * goes out from home again, when the change is on disk. Numbers about the zone belong to the main loop,
 * which has the last word.
 */
#include "mgmt/update/internal.h"

#include "lib/daemon/log.h"
#include "lib/dns/message.h"
#include "lib/dns/rrtype.h"
#include "mgmt/peer/address.h"
#include "mgmt/peer/refusal.h"
#include "mgmt/update/perform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
	struct stele_commit commit; /* first */
	struct stele_task task;
	struct stele_daemon *daemon;
	struct stele_request *request;
	const struct stele_mgmtd_config *config; /* held: the policy belongs to it */
	struct stele_update update;
	struct stele_update_grant grant;
	uint8_t key[STELE_NAME_MAX];
	char peer[STELE_ADDRESS_TEXT_MAX], zone[STELE_NAME_TEXT_MAX];
	char source[STELE_NAME_TEXT_MAX + STELE_ADDRESS_TEXT_MAX + 16];

	/* The outcome. */
	uint16_t rcode;
	bool changed;
	uint32_t from_serial, to_serial;
	const char *reason; /* of a refusal; NULL: in `err` */
	struct stele_error err;
};

static void job_free(struct job *job)
{
	stele_update_free(&job->update);
	stele_mgmtd_config_release(job->config);
	free(job);
}

/* ---- in the committer's thread ---- */

static int perform(struct job *job, struct stele_zone_edit *edit, struct stele_error *reterr)
{
	struct stele_zone_info info;
	job->from_serial = stele_zone_edit_zone(edit)->serial;
	int status = stele_update_perform(&job->update, &job->grant, edit, &job->rcode,
					  &job->changed, &job->reason, reterr);
	if (status != 0 || job->rcode != STELE_RCODE_NOERROR || !job->changed)
		return status;
	status = stele_zone_edit_apply(edit, &info, reterr);
	if (status == 0)
		job->to_serial = info.serial;
	return status;
}

static int apply(struct stele_commit *commit, struct stele_store_write *write,
		 struct stele_error *reterr)
{
	struct job *job = (struct job *)commit;
	struct stele_zone_edit *edit;
	job->rcode = STELE_RCODE_NOERROR;
	job->changed = false;
	int status = stele_zone_edit_begin(write, job->update.apex, STELE_ZONE_EDIT_LENIENT,
					   job->source, &edit, reterr);
	if (status == STELE_E_NOTFOUND) {
		job->rcode = STELE_RCODE_SERVFAIL;
		job->reason = "the zone was never loaded";
		return 0;
	}
	if (status != 0)
		return status;
	status = perform(job, edit, reterr);
	/* What a client has changed cannot come again. */
	if (status == 0 && job->changed)
		status = stele_store_zone_set_transferred(write, job->update.apex, false, reterr);
	if (status == 0 && job->reason == NULL && job->rcode != STELE_RCODE_NOERROR)
		job->err = *reterr;
	stele_zone_edit_end(edit);
	return status;
}

/* ---- afterwards ---- */

static void note(struct stele_task *task)
{
	struct job *job = (struct job *)((char *)task - offsetof(struct job, task));
	struct stele_managed_zone *zone = stele_zones_find(job->daemon->zones, job->update.apex);
	if (zone != NULL && job->rcode == STELE_RCODE_NOERROR)
		zone->update_cnt++;
	else if (zone != NULL)
		zone->update_failed_cnt++;
	job_free(job);
}

static void audit(const struct job *job)
{
	char key[STELE_NAME_TEXT_MAX];
	if (job->grant.key != NULL)
		stele_name_to_text(job->grant.key, key);
	const struct stele_log_audit line = {
		.what = "update",
		.zone = job->zone,
		.peer = job->peer,
		.key = job->grant.key != NULL ? key : NULL,
		.has_from = true,
		.has_to = true,
		.from_serial = job->from_serial,
		.to_serial = job->to_serial,
	};
	stele_log_audit(&line);
}

static void done(struct stele_commit *commit, int status, uint64_t generation,
		 const struct stele_error *err)
{
	struct job *job = (struct job *)commit;
	struct stele_daemon_counters *counters = &job->daemon->counters;
	(void)generation;
	if (status != 0) {
		job->rcode = STELE_RCODE_SERVFAIL;
		job->reason = err->text;
		stele_log_some(STELE_LOG_ERROR, "update-failed", STELE_LOG_ZONE(job->zone),
			       STELE_LOG_PEER(job->peer), STELE_LOG_REASON(err->text));
	}
	if (job->rcode == STELE_RCODE_NOERROR) {
		stele_count(&counters->update_in);
		if (job->changed)
			audit(job);
	} else {
		stele_count(job->rcode == STELE_RCODE_REFUSED ? &counters->update_in_refused :
								&counters->update_in_failed);
		/* A prerequisite that does not hold is an answer like others. */
		if (job->rcode == STELE_RCODE_REFUSED)
			stele_log_refusal("update-refused", job->request, job->update.apex,
					  job->rcode,
					  job->reason != NULL ? job->reason : job->err.text);
	}
	/* Code and sections are all that an answer has (RFC 2136 section 3.8). */
	stele_request_refuse(job->request, job->rcode);
	job->request = NULL;
	stele_loop_post(job->daemon->main, &job->task);
}

/* ---- requests ---- */

static void refuse(struct stele_daemon *daemon, struct stele_request *request,
		   const struct stele_update *update, uint16_t rcode, const char *reason)
{
	stele_count(rcode == STELE_RCODE_REFUSED ? &daemon->counters.update_in_refused :
						   &daemon->counters.update_in_failed);
	stele_log_refusal("update-refused", request, update != NULL ? update->apex : NULL, rcode,
			  reason);
	stele_request_refuse(request, rcode);
}

/* Takes over `update` and `config` if it returns true. */
static bool submit(struct stele_daemon *daemon, struct stele_request *request,
		   const struct stele_update *update, const struct stele_template_config *options,
		   const struct stele_mgmtd_config *config)
{
	struct job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return false;
	job->daemon = daemon;
	job->request = request;
	job->config = config;
	job->update = *update;
	job->grant.policy = options->policy;
	if (request->peer.key != NULL) {
		stele_name_lower(job->key, request->peer.key,
				 stele_name_length(request->peer.key, STELE_NAME_MAX));
		job->grant.key = job->key;
	}
	stele_address_to_text(&request->peer.address, request->peer.port, job->peer);
	stele_name_to_text(update->apex, job->zone);
	snprintf(job->source, sizeof(job->source), "update of %s from %s", job->zone, job->peer);
	job->task.run = note;
	job->commit.apply = apply;
	job->commit.done = done;
	job->commit.home = request->home;
	stele_committer_submit(daemon->committer, &job->commit);
	return true;
}

/* What is signed with a key that is not ours may be passed on, and nothing else. */
static uint16_t refused_with(const struct stele_request *request, uint16_t rcode)
{
	return request->key_unknown ? STELE_RCODE_NOTAUTH : rcode;
}

/* The zone is there and the client may change it. Takes over `update`. */
static void serve(struct stele_daemon *daemon, struct stele_request *request,
		  struct stele_update *update)
{
	const struct stele_template_config *options;
	const struct stele_mgmtd_config *config;
	if (!stele_zones_options(daemon->zones, update->apex, &options, &config)) {
		refuse(daemon, request, update, STELE_RCODE_NOTAUTH, "no such zone");
		stele_update_free(update);
		return;
	}
	if (options->has_primaries && options->forward_updates) {
		update_forward(daemon, request, update->apex, options, config);
		stele_update_free(update);
		return;
	}
	bool taken = false;
	if (request->key_unknown)
		refuse(daemon, request, update, STELE_RCODE_NOTAUTH, "its key is unknown");
	else if (options->has_primaries)
		refuse(daemon, request, update, STELE_RCODE_REFUSED,
		       "the zone has a primary, and updates are not forwarded");
	else if (options->catalog == STELE_CATALOG_PRODUCER)
		refuse(daemon, request, update, STELE_RCODE_REFUSED, "the catalog is made here");
	else if (!(taken = submit(daemon, request, update, options, config)))
		refuse(daemon, request, update, STELE_RCODE_SERVFAIL, "out of memory");
	if (!taken) {
		stele_update_free(update);
		stele_mgmtd_config_release(config);
	}
}

void stele_update_in(void *user, struct stele_request *request)
{
	struct stele_daemon *daemon = user;
	struct stele_update update;
	struct stele_error err;
	uint16_t rcode;
	if (stele_update_parse(request->msg, request->len, &update, &rcode, &err) != 0)
		rcode = STELE_RCODE_SERVFAIL;
	if (rcode != STELE_RCODE_NOERROR) {
		refuse(daemon, request, NULL, refused_with(request, rcode),
		       "the message is malformed");
		return;
	}
	enum stele_access_verdict verdict = STELE_ACCESS_NO_ZONE;
	if (update.class_ == STELE_CLASS_IN)
		verdict = stele_zones_access(daemon->zones, update.apex, STELE_ACCESS_UPDATE,
					     &request->peer);
	if (verdict == STELE_ACCESS_GRANTED) {
		serve(daemon, request, &update);
		return;
	}
	if (verdict == STELE_ACCESS_NO_ZONE)
		refuse(daemon, request, &update, STELE_RCODE_NOTAUTH, "no such zone");
	else
		refuse(daemon, request, &update, refused_with(request, STELE_RCODE_REFUSED),
		       "not allowed");
	stele_update_free(&update);
}
