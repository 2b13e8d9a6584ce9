/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/serving/settings.h"

#include "lib/config/secrets.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int random_bytes(void *bytes, size_t sz, struct stele_error *reterr)
{
	return getrandom(bytes, sz, 0) == (ssize_t)sz ?
		       0 :
		       stele_fail_errno(reterr, errno, "the kernel gives no random numbers");
}

int stele_own_secret_make(struct stele_own_secret *ret_secret, struct stele_error *reterr)
{
	return random_bytes(ret_secret->bytes, sizeof(ret_secret->bytes), reterr);
}

static int set_cookies(const struct stele_cookies_config *config,
		       const struct stele_own_secret *own, struct stele_answer_settings *answers,
		       struct stele_error *reterr)
{
	struct stele_secrets secrets;

	answers->cookies = config->enabled;
	if (!answers->cookies)
		return 0;
	if (!config->secret_file) {
		memcpy(answers->cookie_secrets[0], own->bytes, sizeof(own->bytes));
		answers->cookie_secret_cnt = 1;
		return 0;
	}
	int rc = stele_secrets_load(config->secret_file, &secrets, reterr);
	if (rc)
		return rc;
	memcpy(answers->cookie_secrets, secrets.secrets, sizeof(answers->cookie_secrets));
	answers->cookie_secret_cnt = secrets.cnt;
	stele_secrets_wipe(&secrets);
	return 0;
}

int stele_settings_answers(const struct stele_answers_config *config,
			   const struct stele_cookies_config *cookies,
			   const struct stele_own_secret *own,
			   struct stele_answer_settings *ret_answers, struct stele_error *reterr)
{
	struct stele_answer_settings answers;
	const char *nsid = config->nsid;

	stele_answer_settings_default(&answers);
	answers.udp_max = config->udp_size;
	answers.any_minimal = config->any_minimal;
	if (nsid) {
		answers.nsid_len = (uint8_t)strnlen(nsid, STELE_NSID_MAX);
		memcpy(answers.nsid, nsid, answers.nsid_len);
	}
	if (config->chaos.version)
		strncpy(answers.chaos_version, config->chaos.version, STELE_CHAOS_TEXT_MAX);
	if (config->chaos.id)
		strncpy(answers.chaos_id, config->chaos.id, STELE_CHAOS_TEXT_MAX);
	int rc = set_cookies(cookies, own, &answers, reterr);
	if (!rc)
		*ret_answers = answers;
	return rc;
}

int stele_settings_rrl(const struct stele_rrl_config *config, unsigned worker_cnt,
		       struct stele_rrl_settings *ret_rrl, struct stele_error *reterr)
{
	struct stele_rrl_settings rrl;
	/* The configuration gives the rate of the narrow prefix; a wide one holds several networks
	 * of users, of which not all ask at once. */
	const uint32_t rates[STELE_REPLY_CLASS_CNT] = {
		[STELE_CLASS_ANSWER] = config->answers_per_second,
		[STELE_CLASS_REFERRAL] = config->referrals_per_second,
		[STELE_CLASS_NODATA] = config->answers_per_second,
		[STELE_CLASS_NXDOMAIN] = config->nxdomains_per_second,
		[STELE_CLASS_ERROR] = config->errors_per_second,
	};

	stele_rrl_settings_default(&rrl);
	for (unsigned i = 0; i < STELE_REPLY_CLASS_CNT; i++)
		rrl.rates[i] = (struct stele_rrl_rate){.narrow = rates[i], .wide = rates[i]};
	rrl.wide4 = config->ipv4_prefixes.items[0];
	rrl.narrow4 = config->ipv4_prefixes.items[config->ipv4_prefixes.cnt - 1];
	rrl.wide6 = config->ipv6_prefixes.items[0];
	rrl.narrow6 = config->ipv6_prefixes.items[config->ipv6_prefixes.cnt - 1];
	rrl.burst_ms = (uint32_t)(config->window / 1000000);
	rrl.slip = config->slip;
	rrl.worker_cnt = worker_cnt;
	rrl.line_cnt = (uint32_t)(config->table_size / STELE_RRL_LINE_SZ);
	for (size_t i = 0; i < config->exempt.cnt && i < STELE_RRL_EXEMPT_MAX; i++) {
		struct stele_rrl_prefix *exempt = &rrl.exempt[rrl.exempt_cnt++];
		exempt->address.family = config->exempt.items[i].family;
		memcpy(exempt->address.addr, config->exempt.items[i].addr, 16);
		exempt->len = config->exempt.items[i].len;
	}
	int rc = random_bytes(rrl.seed, sizeof(rrl.seed), reterr);
	if (!rc)
		*ret_rrl = rrl;
	return rc;
}
