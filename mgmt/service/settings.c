/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include "lib/config/secrets.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* RFC 8467 section 4.1: replies over TLS. */
#define PAD_BLOCK 468

static int set_cookies(const struct stele_mgmtd_answers_config *config,
		       const uint8_t own_secret[16], struct stele_answer_settings *answers,
		       struct stele_error *reterr)
{
	struct stele_secrets secrets;

	answers->cookies = config->cookies;
	if (!answers->cookies)
		return 0;
	if (!config->cookie_secret_file) {
		memcpy(answers->cookie_secrets[0], own_secret, 16);
		answers->cookie_secret_cnt = 1;
		return 0;
	}
	int status = stele_secrets_load(config->cookie_secret_file, &secrets, reterr);
	if (status != 0)
		return status;
	memcpy(answers->cookie_secrets, secrets.secrets, sizeof(answers->cookie_secrets));
	answers->cookie_secret_cnt = secrets.cnt;
	stele_secrets_wipe(&secrets);
	return 0;
}

static int set_answers(const struct stele_mgmtd_answers_config *config,
		       const uint8_t own_secret[16], struct stele_answer_settings *answers,
		       struct stele_error *reterr)
{
	stele_answer_settings_default(answers);
	answers->udp_max = config->udp_size;
	answers->any_minimal = config->any_minimal;
	if (config->nsid) {
		answers->nsid_len = (uint8_t)strnlen(config->nsid, STELE_NSID_MAX);
		memcpy(answers->nsid, config->nsid, answers->nsid_len);
	}
	if (config->chaos_version)
		strncpy(answers->chaos_version, config->chaos_version, STELE_CHAOS_TEXT_MAX);
	if (config->chaos_id)
		strncpy(answers->chaos_id, config->chaos_id, STELE_CHAOS_TEXT_MAX);
	return set_cookies(config, own_secret, answers, reterr);
}

/* In the units of RFC 7828. */
static uint16_t keepalive_of(uint64_t idle_ns)
{
	uint64_t tenths = idle_ns / 100000000;

	return tenths > UINT16_MAX ? UINT16_MAX : (uint16_t)tenths;
}

int service_settings_new(const struct stele_mgmtd_config *config, struct stele_tsig_keys *keys,
			 const uint8_t own_secret[16], struct service_settings **ret_settings,
			 struct stele_error *reterr)
{
	struct service_settings *settings = calloc(1, sizeof(*settings));

	if (!settings)
		return stele_fail(reterr, STELE_E_SYSTEM, "out of memory");
	atomic_init(&settings->holder_cnt, 1);
	settings->limits = config->tcp;
	settings->keys = stele_tsig_keys_ref(keys);
	struct stele_answer_settings *answers = settings->answers;
	int status = set_answers(&config->answers, own_secret, &answers[STELE_UDP], reterr);
	if (status == 0) {
		answers[STELE_TCP] = answers[STELE_UDP];
		answers[STELE_TCP].keepalive = keepalive_of(config->tcp.idle_ns);
		answers[STELE_TLS] = answers[STELE_TCP];
		answers[STELE_TLS].pad_block = PAD_BLOCK;
	}
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
