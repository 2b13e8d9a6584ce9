/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/base/cpu.h"
#include "lib/daemon/log.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Descriptors besides those of connections. */
#define SPARE_FILES 512

/* As far as we may: where that is not far enough, connections are closed to make room. */
static void raise_file_limit(rlim_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void warn_of_absence(const struct stele_listen_config *listen)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(listen->address.family == 4 ? AF_INET : AF_INET6, listen->address.addr, text,
		  sizeof(text));
	stele_log(STELE_LOG_WARNING,
		  "%s port %u is not here yet: answered when the responder brings it", text,
		  listen->port);
}

static int check_certificates(const struct stele_mgmtd_config *config, struct stele_error *reterr)
{
	for (size_t i = 0; i < config->listen.cnt; i++)
		if (config->listen.items[i].tls && !config->tls.certificate)
			return stele_fail(reterr, STELE_E_INPUT,
					  "an address for TLS needs a certificate");
	return 0;
}

static int check_addresses(const struct stele_mgmtd_config *config, struct stele_error *reterr)
{
	for (size_t i = 0; i < config->listen.cnt; i++) {
		bool absent = false;
		int status = listen_probe(&config->listen.items[i], config->responder != NULL,
					  &absent, reterr);
		if (status != 0)
			return status;
		if (absent)
			warn_of_absence(&config->listen.items[i]);
	}
	return 0;
}

static int start(struct stele_service *service, const struct stele_service_settings *given,
		 struct service_settings *settings, struct stele_error *reterr)
{
	int status = 0;

	for (unsigned i = 0; i < service->worker_cnt && status == 0; i++)
		status = worker_init(&service->workers[i], service, i, given->config, settings,
				     reterr);
	for (unsigned i = 0; i < service->worker_cnt && status == 0; i++)
		status = stele_loop_start(service->workers[i].loop, reterr);
	return status;
}

int stele_service_check(const struct stele_mgmtd_config *config, struct stele_error *reterr)
{
	const struct stele_own_secret own = {0};
	struct service_settings *settings = NULL;
	int status = check_certificates(config, reterr);

	if (status == 0)
		status = service_settings_new(config, NULL, 1, &own, &settings, reterr);
	service_settings_release(settings);
	return status;
}

int stele_service_new(const struct stele_service_settings *given,
		      struct stele_service **ret_service, struct stele_error *reterr)
{
	const struct stele_mgmtd_config *config = given->config;
	struct service_settings *settings = NULL;
	struct stele_service *service = calloc(1, sizeof(*service));

	if (!service)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	unsigned worker_cnt = config->threads ? config->threads : stele_cpu_usable_cnt(UINT_MAX);
	service->images = given->images;
	service->handlers = given->handlers;
	service->clients = clients_new();
	service->workers = calloc(worker_cnt, sizeof(*service->workers));
	int status = 0;
	if (!service->clients || !service->workers)
		status = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	else
		status = stele_own_secret_make(&service->own_secret, reterr);
	if (status == 0)
		status = service_settings_new(config, given->keys, worker_cnt, &service->own_secret,
					      &settings, reterr);
	if (status == 0)
		status = check_certificates(config, reterr);
	if (status == 0)
		status = check_addresses(config, reterr);
	if (status == 0) {
		raise_file_limit((rlim_t)config->tcp.connections + SPARE_FILES);
		service->worker_cnt = worker_cnt;
		service->settings = service_settings_hold(settings);
		status = start(service, given, settings, reterr);
	}
	service_settings_release(settings);
	if (status != 0) {
		stele_service_free(service);
		return status;
	}
	*ret_service = service;
	return 0;
}

void stele_service_stop(struct stele_service *service)
{
	if (!service)
		return;
	for (unsigned i = 0; i < service->worker_cnt; i++)
		if (service->workers[i].loop)
			stele_loop_stop(service->workers[i].loop);
	for (unsigned i = 0; i < service->worker_cnt; i++)
		if (service->workers[i].loop)
			stele_loop_join(service->workers[i].loop);
}

void stele_service_free(struct stele_service *service)
{
	if (!service)
		return;
	stele_service_stop(service);
	for (unsigned i = 0; i < service->worker_cnt; i++)
		worker_end(&service->workers[i]);
	free(service->workers);
	service_settings_release(service->settings);
	clients_free(service->clients);
	OPENSSL_cleanse(&service->own_secret, sizeof(service->own_secret));
	free(service);
}

/* New settings on their way to a worker. */
struct change {
	struct stele_task task;
	struct worker *worker;
	struct service_settings *settings; /* held */
	struct stele_rates *limit;         /* see limit_new() */
};

static void apply(struct stele_task *task)
{
	struct change *change = (struct change *)(void *)task;
	struct worker *worker = change->worker;

	worker_set(worker, change->settings, change->limit);
	free(change);
}

static int new_change(const struct stele_service *service, unsigned worker_index,
		      struct service_settings *settings, struct change **ret_change,
		      struct stele_error *reterr)
{
	struct change *change = calloc(1, sizeof(*change));

	if (!change)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	int status = limit_new(service->settings, settings, &change->limit, reterr);
	if (status != 0) {
		free(change);
		return status;
	}
	change->task.run = apply;
	change->worker = &service->workers[worker_index];
	change->settings = service_settings_hold(settings);
	*ret_change = change;
	return 0;
}

static void drop_change(struct change *change)
{
	service_settings_release(change->settings);
	stele_rates_free(change->limit);
	free(change);
}

int stele_service_reload(struct stele_service *service, const struct stele_mgmtd_config *config,
			 struct stele_tsig_keys *keys, struct stele_error *reterr)
{
	struct service_settings *settings;
	int status = service_settings_new(config, keys, service->worker_cnt, &service->own_secret,
					  &settings, reterr);

	if (status != 0)
		return status;
	/* Its sockets stay until the next start, and are of no use without it. */
	if (!settings->tls && service->settings->tls) {
		SSL_CTX_up_ref(service->settings->tls);
		settings->tls = service->settings->tls;
	}
	/* All or none. */
	struct change **changes = calloc(service->worker_cnt, sizeof(struct change *));
	if (!changes)
		status = stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	unsigned cnt = 0;
	while (status == 0 && cnt < service->worker_cnt) {
		status = new_change(service, cnt, settings, &changes[cnt], reterr);
		cnt += status == 0;
	}
	for (unsigned i = 0; i < cnt; i++) {
		if (status == 0)
			stele_loop_post(service->workers[i].loop, &changes[i]->task);
		else
			drop_change(changes[i]);
	}
	free(changes);
	if (status != 0) {
		service_settings_release(settings);
		return status;
	}
	service_settings_release(service->settings);
	service->settings = settings;
	return 0;
}

int64_t stele_service_certificate_end(const struct stele_service *service)
{
	return service->settings->tls ? tls_certificate_end(service->settings->tls) : 0;
}

void stele_service_counters(const struct stele_service *service,
			    struct stele_service_counters *ret_counters)
{
	uint64_t sums[COUNTER_CNT] = {0};

	for (unsigned i = 0; i < service->worker_cnt; i++)
		for (unsigned j = 0; j < COUNTER_CNT; j++)
			sums[j] += atomic_load_explicit(&service->workers[i].counters[j],
							memory_order_relaxed);
#define X(name, help) ret_counters->name = sums[COUNT_##name];
	STELE_SERVICE_COUNTERS(X)
#undef X
	ret_counters->connections =
		atomic_load_explicit(&service->connection_cnt, memory_order_relaxed);
}
