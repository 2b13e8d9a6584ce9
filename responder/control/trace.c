/* SPDX-License-Identifier: Apache-2.0 */
/* How a query is answered: by the image that is served, with the settings of the workers, but in
 * the loader and without rate limits. Nothing is counted. */
#include "responder/control/internal.h"

#include "lib/base/hex.h"
#include "lib/dns/name.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define QUERY_MAX 4096

struct trace {
	struct stele_responder *responder;
	struct stele_answer_settings answers;
	struct stele_query query;
	uint8_t msg[QUERY_MAX];
	uint8_t reply[65535];
};

static int read_client(const char *text, struct stele_client *ret, struct stele_error *reterr)
{
	if (inet_pton(AF_INET, text, ret->addr) == 1)
		ret->family = 4;
	else if (inet_pton(AF_INET6, text, ret->addr) == 1)
		ret->family = 6;
	else
		return stele_fail(reterr, STELE_E_USAGE, "'%s' is not an address", text);
	return 0;
}

static void *make_trace(struct stele_responder *responder, struct stele_ctl_call *call,
			struct stele_error *reterr)
{
	const char *hex, *client = "127.0.0.1";
	int tcp = 0;

	if (stele_ctl_unpack(call, reterr, "s:s, s?s, s?b", "query", &hex, "client", &client, "tcp",
			     &tcp) != 0)
		return NULL;
	struct trace *trace = calloc(1, sizeof(*trace));
	if (!trace) {
		stele_fail(reterr, STELE_E_SYSTEM, "no memory");
		return NULL;
	}
	trace->responder = responder;
	trace->answers = responder->rules.answers;
	trace->query.tcp = tcp;
	trace->query.msg = trace->msg;
	trace->query.len = (uint32_t)(strlen(hex) / 2);
	int rc = read_client(client, &trace->query.client, reterr);
	if (!rc &&
	    (trace->query.len > QUERY_MAX || !stele_hex_decode(hex, trace->msg, trace->query.len)))
		rc = stele_fail(reterr, STELE_E_USAGE,
				"the query is not hexadecimal, or longer than %d bytes", QUERY_MAX);
	if (rc) {
		free(trace);
		return NULL;
	}
	return trace;
}

struct zone_search {
	uint32_t zone_id;
	char name[STELE_NAME_TEXT_MAX];
	uint32_t serial;
};

static int match_zone(void *user, const struct stele_serve_zone *zone)
{
	struct zone_search *search = user;

	if (zone->zone_id != search->zone_id)
		return 0;
	stele_name_to_text(zone->apex, search->name);
	search->serial = zone->serial;
	return 1;
}

static void add_step(json_t *steps, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_step(json_t *steps, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(steps, stele_ctl_text(text));
}

static void describe(const struct trace *trace, const struct stele_reply *reply, json_t *response)
{
	static const char *const classes[STELE_REPLY_CLASS_CNT] = {
		[STELE_CLASS_ANSWER] = "an answer",
		[STELE_CLASS_REFERRAL] = "a referral",
		[STELE_CLASS_NODATA] = "that there is no such type",
		[STELE_CLASS_NXDOMAIN] = "that there is no such name",
		[STELE_CLASS_ERROR] = "an error",
	};
	static const char *const class_names[STELE_REPLY_CLASS_CNT] = {
		[STELE_CLASS_ANSWER] = "answer", [STELE_CLASS_REFERRAL] = "referral",
		[STELE_CLASS_NODATA] = "nodata", [STELE_CLASS_NXDOMAIN] = "nxdomain",
		[STELE_CLASS_ERROR] = "error",
	};
	static const char *const verdicts[] = {
		[STELE_VERDICT_REPLY] = "reply",
		[STELE_VERDICT_DROP] = "drop",
		[STELE_VERDICT_PUNT] = "punt",
	};
	struct zone_search search = {.zone_id = reply->zone_id};
	json_t *steps = json_array();

	if (reply->zone_id != UINT32_MAX &&
	    stele_serve_zones(stele_images_serve(trace->responder->images), match_zone, &search) ==
		    1) {
		json_object_set_new(response, "zone", stele_ctl_text(search.name));
		add_step(steps, "the name belongs to zone %s, serial %u", search.name,
			 search.serial);
	} else if (reply->verdict == STELE_VERDICT_REPLY) {
		add_step(steps, "no zone that is served is asked for its data");
	}
	if (reply->verdict == STELE_VERDICT_REPLY)
		add_step(steps, "the reply is %s: rcode %u, %u bytes%s",
			 classes[reply->reply_class], reply->rcode, reply->len,
			 trace->reply[2] & 2 ? ", truncated" : "");
	if (reply->body_len > 0)
		add_step(steps, "%u bytes of it are one carved body", reply->body_len);
	if (reply->cookie_valid)
		add_step(steps, "the client's cookie is ours: no rate limit would count it");
	json_object_set_new(response, "steps", steps);
	json_object_set_new(response, "verdict", json_string(verdicts[reply->verdict]));
	if (reply->verdict == STELE_VERDICT_REPLY)
		json_object_set_new(response, "class",
				    json_string(class_names[reply->reply_class]));
	json_object_set_new(response, "cookie_valid", json_boolean(reply->cookie_valid));
}

static int run_trace(void *arg, json_t *response, struct stele_error *reterr)
{
	struct trace *trace = arg;
	struct stele_answerer *answerer = stele_answerer_new();
	struct stele_reply reply = {.buf = trace->reply, .cap = sizeof(trace->reply)};
	/* The loader is the one thread that could change it. */
	const struct stele_view *view =
		stele_serve_view(stele_serve_root(stele_images_serve(trace->responder->images)));
	char *hex = NULL;
	int rc = 0;

	if (!view)
		rc = stele_fail(reterr, STELE_E_NOTFOUND, "no image is served");
	else if (!answerer)
		rc = stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	if (!view || !answerer)
		goto out;
	stele_answer_batch(answerer, view, &trace->answers, (uint32_t)time(NULL), &trace->query,
			   &reply, 1);
	json_object_set_new(response, "generation", json_integer((json_int_t)view->generation));
	describe(trace, &reply, response);
	if (reply.verdict == STELE_VERDICT_REPLY) {
		hex = malloc(2 * (size_t)reply.len + 1);
		if (hex) {
			stele_hex_encode(trace->reply, reply.len, hex);
			json_object_set_new(response, "reply", json_string(hex));
		}
	}
out:
	free(hex);
	stele_answerer_free(answerer);
	free(trace);
	return rc;
}

int operations_trace(void *user, struct stele_ctl_call *call, struct stele_error *reterr)
{
	return operations_run_job(user, call, run_trace, make_trace, free, reterr);
}
