/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the data plane answers a real question. */
#include "lib/base/bytes.h"
#include "lib/base/hex.h"
#include "lib/ctl/ctl.h"
#include "lib/dns/message.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/text/question.h"
#include "mgmt/metrics/internal.h"
#include "mgmt/peer/address.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK_TIMEOUT_MS 1000

static size_t make_query(const uint8_t *name, uint8_t query[STELE_QUESTION_QUERY_MAX])
{
	struct stele_question question = stele_question_default;
	question.qtype = STELE_TYPE_SOA;
	question.qname_len = (uint8_t)stele_name_length(name, STELE_NAME_MAX);
	memcpy(question.qname, name, question.qname_len);
	size_t len = stele_question_query(&question, query);
	/* Not to be guessed by whoever might want to answer in our place. */
	if (getrandom(query, 2, 0) != 2)
		memset(query, 0x5a, 2);
	return len;
}

/* A reply that a resolver would take: to this query, NOERROR, authoritative, with an answer. */
static int check_reply(const uint8_t *query, const uint8_t *reply, size_t len,
		       struct stele_error *reterr)
{
	if (len < STELE_HEADER_SZ || memcmp(query, reply, 2) != 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "the reply is none to the question");
	unsigned flags = stele_get_be16(reply + 2);
	if ((flags & STELE_FLAG_QR) == 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "the reply is none");
	if ((flags & STELE_FLAG_RCODE) != STELE_RCODE_NOERROR)
		return stele_fail(reterr, STELE_E_SYSTEM, "the answer has rcode %u",
				  flags & STELE_FLAG_RCODE);
	if ((flags & STELE_FLAG_AA) == 0 || stele_get_be16(reply + 6) == 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "there is no authoritative answer");
	return 0;
}

static int call(struct stele_ctl_client *client, json_t *request, json_t **ret_response,
		struct stele_error *reterr)
{
	if (request == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory");
	int status = stele_ctl_call(client, request, -1, ASK_TIMEOUT_MS, ret_response, reterr);
	json_decref(request);
	return status;
}

/* By the image and the settings that the cores use, once the responder says that they go round. */
static int ask_responder(const struct metrics_health *health, struct stele_error *reterr)
{
	struct stele_ctl_client *client = NULL;
	json_t *response = NULL;
	int status = stele_ctl_connect(health->responder, &client, reterr);
	if (status == 0)
		status = call(client, json_pack("{s:s}", "op", "status"), &response, reterr);
	if (status == 0 && !json_is_true(json_object_get(response, "healthy")))
		status = stele_fail(reterr, STELE_E_SYSTEM, "the responder %s",
				    json_is_true(json_object_get(response, "drained")) ?
					    "is drained" :
					    "says that it is not healthy");
	json_decref(response);
	response = NULL;

	uint8_t query[STELE_QUESTION_QUERY_MAX], reply[STELE_MESSAGE_MAX];
	char text[2 * STELE_QUESTION_QUERY_MAX + 1];
	size_t len = make_query(health->name, query), reply_len;
	stele_hex_encode(query, len, text);
	if (status == 0)
		status = call(client,
			      json_pack("{s:s, s:s, s:s, s:b}", "op", "trace", "query", text,
					"client", "192.0.2.1", "tcp", 0),
			      &response, reterr);
	const char *hex = json_string_value(json_object_get(response, "reply"));
	reply_len = hex != NULL ? strlen(hex) / 2 : 0;
	if (status == 0 && (reply_len == 0 || reply_len > sizeof(reply) ||
			    !stele_hex_decode(hex, reply, reply_len)))
		status = stele_fail(reterr, STELE_E_SYSTEM, "the question got no answer");
	if (status == 0)
		status = check_reply(query, reply, reply_len, reterr);
	json_decref(response);
	stele_ctl_disconnect(client);
	return status;
}

static int ask_socket(const struct metrics_health *health, struct stele_error *reterr)
{
	union stele_sockaddr to;
	socklen_t to_len = stele_address_to_sockaddr(&health->address, health->port, &to);
	uint8_t query[STELE_QUESTION_QUERY_MAX], reply[STELE_MESSAGE_MAX];
	size_t len = make_query(health->name, query);
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return stele_fail_errno(reterr, errno, "socket");
	int status = 0;
	ssize_t got = 0;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	if (connect(fd, &to.any, to_len) != 0 || send(fd, query, len, MSG_NOSIGNAL) != (ssize_t)len)
		status = stele_fail_errno(reterr, errno, "cannot ask");
	else if (poll(&wait, 1, ASK_TIMEOUT_MS) != 1)
		status = stele_fail(reterr, STELE_E_SYSTEM, "the question got no answer");
	else if ((got = recv(fd, reply, sizeof(reply), 0)) < 0)
		status = stele_fail_errno(reterr, errno, "no answer");
	close(fd);
	return status != 0 ? status : check_reply(query, reply, (size_t)got, reterr);
}

int metrics_health_check(const struct metrics_health *health, struct stele_error *reterr)
{
	if (health->responder != NULL)
		return ask_responder(health, reterr);
	if (health->address.family == 0)
		return stele_fail(reterr, STELE_E_SYSTEM, "there is no address to ask");
	return ask_socket(health, reterr);
}
