/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's service alone, over an image, with handlers that do what the question says.
 *
 * usage: service_host CONFIG
 *
 * CONFIG is a configuration of stele-mgmtd, of which the service takes what concerns it. Commands
 * come on standard input, a line each; each is answered with a line on standard output. The end of
 * the input ends the program.
 *
 *   reload CONFIG   ok, or the error
 *   image PATH      another image
 *   release         answers all requests that are held, the last one first; ok
 *   counters        name=value ...; `held` is the number of requests that are held
 *
 * Handlers look at the first labels of the question's name:
 *
 *   NOTIFY, UPDATE
 *     now.           is answered at once, as slow-0 but by the loop itself
 *     slow-MS.       is answered by another thread after so many milliseconds
 *     held.          is answered at the command `release`, by another thread, or at the end
 *     drop.          is not answered
 *     drop-MS.       the same, decided by another thread
 *     refuse-RCODE.  gets this code
 *   AXFR, IXFR
 *     CNT.SZ.        messages of so many bytes each, numbered in a NULL record
 *     break.CNT.SZ.  the same, and cut where the end should be
 *
 * Replies of NOTIFY and UPDATE carry a TXT record: transport, address of the client, own address,
 * key, name of the certificate, `reply_max`.
 */
#include "lib/base/bytes.h"
#include "lib/dns/reader.h"
#include "lib/dns/rrtype.h"
#include "lib/dns/writer.h"
#include "mgmt/service/service.h"

#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TYPE_NULL 10 /* RFC 1035 section 3.3.10: any rdata */

static void fail(const struct stele_error *err)
{
	fprintf(stderr, "service_host: %s\n", err->text);
	exit(1);
}

/* ---- what a question asks for ---- */

struct order {
	char labels[3][64];
	uint16_t id, flags, type;
	uint8_t name[STELE_NAME_MAX];
	uint8_t name_len;
};

static bool read_order(const struct stele_request *request, struct order *ret)
{
	struct stele_reader reader;
	struct stele_rr rr;

	memset(ret, 0, sizeof(*ret));
	if (stele_reader_init(&reader, request->msg, request->len) != 0 ||
	    stele_reader_next(&reader, &rr) != 1)
		return false;
	ret->id = reader.id;
	ret->flags = reader.flags;
	ret->type = rr.type;
	memcpy(ret->name, rr.owner, rr.owner_len);
	ret->name_len = rr.owner_len;
	const uint8_t *label = rr.owner;
	for (unsigned i = 0; i < 3 && *label != 0; i++) {
		memcpy(ret->labels[i], label + 1, *label);
		label += *label + 1;
	}
	return true;
}

/* The number that `text` begins with, `max` if it is greater, and 0 if there is none. */
static unsigned number_of(const char *text, unsigned max)
{
	unsigned long number = *text >= '0' && *text <= '9' ? strtoul(text, NULL, 10) : 0;

	return number < max ? (unsigned)number : max;
}

static void text_of(const struct stele_config_address *address, char text[INET6_ADDRSTRLEN])
{
	snprintf(text, INET6_ADDRSTRLEN, "-");
	if (address->family != 0)
		inet_ntop(address->family == 4 ? AF_INET : AF_INET6, address->addr, text,
			  INET6_ADDRSTRLEN);
}

/* The reply with the TXT record; its length. */
static size_t describe(const struct stele_request *request, const struct order *order,
		       uint8_t buf[2048])
{
	static const char *const transports[] = {"udp", "tcp", "tls"};
	struct stele_writer *writer = malloc(sizeof(*writer));
	char client[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN], key[STELE_NAME_TEXT_MAX] = "-";
	uint8_t rdata[256];

	text_of(&request->peer.address, client);
	text_of(&request->local, local);
	if (request->peer.key)
		stele_name_to_text(request->peer.key, key);
	int len = snprintf((char *)rdata + 1, 255, "%s %s %s %s %s %u",
			   transports[request->transport], client, local, key,
			   request->peer.tls_name_cnt > 0 ? request->peer.tls_names[0] : "-",
			   request->reply_max);
	rdata[0] = (uint8_t)len;
	stele_writer_init(writer, buf, 2048);
	stele_writer_begin(writer, order->id, (uint16_t)(order->flags | STELE_FLAG_QR));
	stele_writer_question(writer, order->name, order->name_len, order->type, 1);
	stele_writer_record(writer, STELE_RR_ANSWER, order->name, order->name_len, STELE_TYPE_TXT,
			    1, 0, rdata, (size_t)len + 1);
	size_t msg_len = stele_writer_end(writer);
	free(writer);
	return msg_len;
}

/* ---- another thread ---- */

struct later {
	struct stele_request *request;
	struct order order;
	long ms;
	bool drop;
};

static void *answer_later(void *user)
{
	struct later *later = user;
	uint8_t buf[2048];

	nanosleep(&(struct timespec){later->ms / 1000, later->ms % 1000 * 1000000}, NULL);
	if (later->drop)
		stele_request_drop(later->request);
	else
		stele_request_reply(later->request, buf,
				    describe(later->request, &later->order, buf));
	free(later);
	return NULL;
}

static void start_later(struct stele_request *request, const struct order *order, const char *ms,
			bool drop)
{
	struct later *later = malloc(sizeof(*later));
	pthread_t thread;
	sigset_t all, before;

	*later = (struct later){request, *order, number_of(ms, UINT_MAX), drop};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, answer_later, later) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_detach(thread);
}

/* ---- until it is told to ---- */

struct held {
	struct held *next;
	struct stele_request *request;
	struct order order;
};

struct held_list {
	pthread_mutex_t lock;
	struct held *last; /* the one that came last; each points to the one before */
	unsigned cnt;
};

static void hold(struct held_list *list, struct stele_request *request, const struct order *order)
{
	struct held *held = malloc(sizeof(*held));

	pthread_mutex_lock(&list->lock);
	*held = (struct held){list->last, request, *order};
	list->last = held;
	list->cnt++;
	pthread_mutex_unlock(&list->lock);
}

static unsigned held_cnt(struct held_list *list)
{
	pthread_mutex_lock(&list->lock);
	unsigned cnt = list->cnt;
	pthread_mutex_unlock(&list->lock);
	return cnt;
}

/* Those that come meanwhile are of the next time. */
static void release(struct held_list *list)
{
	uint8_t buf[2048];

	pthread_mutex_lock(&list->lock);
	struct held *held = list->last;
	list->last = NULL;
	list->cnt = 0;
	pthread_mutex_unlock(&list->lock);
	while (held) {
		struct held *next = held->next;
		stele_request_reply(held->request, buf, describe(held->request, &held->order, buf));
		free(held);
		held = next;
	}
}

/* `user`: the list of those that are held. */
static void on_message(void *user, struct stele_request *request)
{
	struct order order;
	uint8_t buf[2048];

	if (!read_order(request, &order)) {
		stele_request_refuse(request, STELE_RCODE_FORMERR);
		return;
	}
	if (request->key_unknown) {
		stele_request_refuse(request, STELE_RCODE_NOTAUTH);
		return;
	}
	const char *what = order.labels[0];
	if (strncmp(what, "slow-", 5) == 0)
		start_later(request, &order, what + 5, false);
	else if (strncmp(what, "drop-", 5) == 0)
		start_later(request, &order, what + 5, true);
	else if (strcmp(what, "held") == 0)
		hold(user, request, &order);
	else if (strcmp(what, "drop") == 0)
		stele_request_drop(request);
	else if (strncmp(what, "refuse-", 7) == 0)
		stele_request_refuse(request, (uint16_t)number_of(what + 7, UINT16_MAX));
	else
		stele_request_reply(request, buf, describe(request, &order, buf));
}

/* ---- streams ---- */

struct transfer {
	struct stele_stream stream;
	struct order order;
	unsigned next, cnt;
	size_t sz;
	bool cut;
};

static int next_message(struct stele_stream *stream, uint8_t *buf, size_t cap, bool *last)
{
	struct transfer *t = (struct transfer *)(void *)stream;
	size_t head = STELE_HEADER_SZ + t->order.name_len + 4u + 2 + STELE_RR_FIXED_SZ;
	size_t len = t->sz < cap ? t->sz : cap;

	if (t->next == t->cnt)
		return t->cut ? -1 : 0;
	if (len < head + 4)
		len = head + 4;
	memset(buf, 0, len);
	stele_put_be16(buf, t->order.id);
	stele_put_be16(buf + 2, STELE_FLAG_QR | STELE_FLAG_AA);
	stele_put_be16(buf + 4, 1);
	stele_put_be16(buf + 6, 1);
	uint8_t *p = buf + STELE_HEADER_SZ;
	memcpy(p, t->order.name, t->order.name_len);
	p += t->order.name_len;
	stele_put_be16(p, t->order.type);
	stele_put_be16(p + 2, 1);
	stele_put_be16(p + 4, 0xc00c);
	stele_put_be16(p + 6, TYPE_NULL);
	stele_put_be16(p + 8, 1);
	stele_put_be16(p + 14, (uint16_t)(len - head));
	stele_put_be32(p + 16, t->next);
	t->next++;
	*last = t->next == t->cnt && !t->cut;
	return (int)len;
}

static void transfer_ended(struct stele_stream *stream, bool complete)
{
	(void)complete;
	free(stream);
}

static void on_transfer(void *user, struct stele_request *request)
{
	struct transfer *t = calloc(1, sizeof(*t));

	(void)user;
	if (!read_order(request, &t->order) || request->transport == STELE_UDP) {
		stele_request_refuse(request, STELE_RCODE_REFUSED);
		free(t);
		return;
	}
	bool cut = strcmp(t->order.labels[0], "break") == 0;
	t->stream.next = next_message;
	t->stream.ended = transfer_ended;
	t->cnt = number_of(t->order.labels[cut], UINT_MAX);
	t->sz = number_of(t->order.labels[cut + 1], UINT_MAX);
	t->cut = cut;
	stele_request_stream(request, &t->stream);
}

/* ---- commands ---- */

struct host {
	const struct stele_mgmtd_config *config;
	struct stele_tsig_keys *keys;
	struct stele_images *images;
	struct stele_service *service;
	struct held_list held;
};

static int load(const char *path, const struct stele_mgmtd_config **ret_config,
		struct stele_tsig_keys **ret_keys, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config;
	struct stele_tsig_keys *keys = NULL;

	int status = stele_mgmtd_config_load(path, &config, NULL, reterr);
	if (status != 0)
		return status;
	if (config->keys)
		status = stele_tsig_keys_load(config->keys, &keys, reterr);
	if (status != 0) {
		stele_mgmtd_config_release(config);
		return status;
	}
	*ret_config = config;
	*ret_keys = keys;
	return 0;
}

static int reload(struct host *host, const char *path, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config;
	struct stele_tsig_keys *keys;
	int status = load(path, &config, &keys, reterr);

	if (status != 0)
		return status;
	status = stele_service_reload(host->service, config, keys, reterr);
	if (status != 0) {
		stele_mgmtd_config_release(config);
		stele_tsig_keys_unref(keys);
		return status;
	}
	stele_mgmtd_config_release(host->config);
	stele_tsig_keys_unref(host->keys);
	host->config = config;
	host->keys = keys;
	return 0;
}

static void print_counters(struct host *host)
{
	struct stele_service_counters counters;

	stele_service_counters(host->service, &counters);
#define X(name, help) printf(#name "=%llu ", (unsigned long long)counters.name);
	STELE_SERVICE_COUNTERS(X)
#undef X
	printf("connections=%llu held=%u\n", (unsigned long long)counters.connections,
	       held_cnt(&host->held));
}

static void obey(struct host *host, char *line)
{
	struct stele_error err = {0};
	int status = 0;

	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "counters") == 0) {
		print_counters(host);
		return;
	}
	if (strcmp(line, "release") == 0)
		release(&host->held);
	else if (strncmp(line, "reload ", 7) == 0)
		status = reload(host, line + 7, &err);
	else if (strncmp(line, "image ", 6) == 0)
		status = stele_images_open(host->images, line + 6, &err);
	else
		status = stele_fail(&err, STELE_E_USAGE, "unknown command");
	puts(status == 0 ? "ok" : err.text);
}

int main(int argc, char **argv)
{
	struct host host = {.held = {.lock = PTHREAD_MUTEX_INITIALIZER}};
	struct stele_error err = {0};
	char line[4096];

	if (argc != 2) {
		fputs("usage: service_host CONFIG\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	if (load(argv[1], &host.config, &host.keys, &err) != 0 ||
	    stele_images_new(&host.images, &err) != 0)
		fail(&err);
	/* Where there is none, there will be: the command image. */
	if (access(host.config->image, F_OK) == 0 &&
	    stele_images_open(host.images, host.config->image, &err) != 0)
		fail(&err);
	const struct stele_service_settings settings = {
		.config = host.config,
		.images = host.images,
		.keys = host.keys,
		.handlers = {on_transfer, on_message, on_message, &host.held},
	};
	if (stele_service_new(&settings, &host.service, &err) != 0)
		fail(&err);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		obey(&host, line);
		fflush(stdout);
	}
	/* Each request has to be answered; after this none comes. */
	stele_service_stop(host.service);
	release(&host.held);
	stele_service_free(host.service);
	stele_images_free(host.images);
	stele_tsig_keys_unref(host.keys);
	stele_mgmtd_config_release(host.config);
	return 0;
}
