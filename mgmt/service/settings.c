/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* RFC 8467 section 4.1: replies over TLS. */
#define PAD_BLOCK 468

/* In the units of RFC 7828. */
static uint16_t keepalive_of(uint64_t idle_ns)
{
	uint64_t tenths = idle_ns / 100000000;

	return tenths > UINT16_MAX ? UINT16_MAX : (uint16_t)tenths;
}

int service_settings_new(const struct stele_mgmtd_config *config, struct stele_tsig_keys *keys,
			 unsigned worker_cnt, const struct stele_own_secret *own,
			 struct service_settings **ret_settings, struct stele_error *reterr)
{
	struct service_settings *settings = calloc(1, sizeof(*settings));

	if (!settings)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	atomic_init(&settings->holder_cnt, 1);
	settings->limits = config->tcp;
	settings->keys = stele_tsig_keys_ref(keys);
	struct stele_answer_settings *answers = settings->answers;
	int status = stele_settings_answers(&config->answers, &config->cookies, own,
					    &answers[STELE_UDP], reterr);
	if (status == 0) {
		answers[STELE_TCP] = answers[STELE_UDP];
		answers[STELE_TCP].keepalive = keepalive_of(config->tcp.idle_ns);
		answers[STELE_TLS] = answers[STELE_TCP];
		answers[STELE_TLS].pad_block = PAD_BLOCK;
		settings->is_rate_limited = config->rrl.enabled;
	}
	if (status == 0 && settings->is_rate_limited)
		status = stele_settings_rrl(&config->rrl, worker_cnt, &settings->rrl, reterr);
	if (status == 0 && config->tls.certificate)
		status = tls_context_new(&config->tls, &settings->tls, reterr);
	if (status != 0) {
		service_settings_release(settings);
		return status;
	}
	*ret_settings = settings;
	return 0;
}

void service_settings_release(struct service_settings *settings)
{
	if (!settings ||
	    atomic_fetch_sub_explicit(&settings->holder_cnt, 1, memory_order_acq_rel) != 1)
		return;
	stele_tsig_keys_unref(settings->keys);
	SSL_CTX_free(settings->tls);
	OPENSSL_cleanse(settings->answers, sizeof(settings->answers));
	free(settings);
}
