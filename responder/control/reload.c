/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/control/reload.h"

#include "lib/daemon/log.h"
#include "lib/serving/rates.h"
#include "lib/serving/settings.h"

#include <stdlib.h>
#include <string.h>

/* Longer, and nobody is heard on the control socket meanwhile; the rules are in force anyway. */
#define RELOAD_WAIT_MS 1000

/* ---- what the file says ---- */

/* By the names of ports: the file may have others now. One that is not there keeps what it has. */
static void read_punt_rates(const struct stele_responder *responder,
			    const struct stele_responder_config *config, struct stele_rules *rules)
{
	for (unsigned i = 0; i < responder->port_cnt; i++) {
		const char *name = responder->ports[i].config->name;
		rules->punt_rates[i] = responder->rules.punt_rates[i];
		for (size_t j = 0; j < config->ports.cnt; j++)
			if (strcmp(config->ports.items[j].name, name) == 0)
				rules->punt_rates[i] = config->ports.items[j].exception.rate;
	}
}

int stele_rules_read(const struct stele_responder *responder,
		     const struct stele_responder_config *config, struct stele_rules *ret_rules,
		     struct stele_error *reterr)
{
	struct stele_rules rules = {.is_rate_limited = config->rrl.enabled};
	/* Those that run, whatever the file says now. */
	unsigned worker_cnt = stele_responder_worker_cnt(responder->config);
	int rc = stele_settings_answers(&config->answers.common, &config->cookies,
					&responder->own_secret, &rules.answers, reterr);
	if (!rc)
		rc = stele_settings_rrl(&config->rrl, worker_cnt, &rules.rrl, reterr);
	if (!rc && rules.is_rate_limited)
		rc = stele_rrl_settings_check(&rules.rrl, reterr);
	if (rc)
		return rc;
	read_punt_rates(responder, config, &rules);
	*ret_rules = rules;
	return 0;
}

/* The same, if it can take the place of what is in force. */
static int read_next(struct stele_responder *responder, struct stele_rules *ret_rules,
		     struct stele_error *reterr)
{
	const struct stele_responder_config *config;
	int rc = stele_responder_config_load(responder->config_path, &config, NULL, reterr);

	if (rc)
		return rc;
	rc = stele_rules_read(responder, config, ret_rules, reterr);
	stele_responder_config_free(config);
	if (!rc && stele_grace_await(responder->grace, responder->rules_grace, 0) != 0)
		rc = stele_fail(reterr, STELE_E_SYSTEM,
				"a worker stands still, and has yet to see the settings before");
	return rc;
}

int stele_reload_check(struct stele_responder *responder, struct stele_error *reterr)
{
	struct stele_rules rules;

	return read_next(responder, &rules, reterr);
}

/* ---- workers ---- */

/* Who is over a rate stays so, whatever else is new. */
static bool keeps_rates(const struct stele_rules *before, const struct stele_rules *rules)
{
	return before->is_rate_limited && rules->is_rate_limited &&
	       stele_rrl_settings_equal(&before->rrl, &rules->rrl);
}

/* Tables for all workers, or for none. */
static int make_rates(const struct stele_responder *responder, const struct stele_rules *rules,
		      struct stele_rates **rates, struct stele_error *reterr)
{
	for (unsigned i = 0; i < responder->worker_cnt; i++) {
		int node = stele_worker_node(responder->workers[i]);
		int rc = stele_rates_new(&rules->rrl, node, &rates[i], reterr);
		if (rc == 0)
			continue;
		while (i > 0)
			stele_rates_free(rates[--i]);
		return rc;
	}
	return 0;
}

/* The rates that each worker is to have: what it has, others, or NULL for none. */
static int choose_rates(const struct stele_responder *responder, const struct stele_rules *rules,
			struct stele_rates **rates, struct stele_error *reterr)
{
	if (!rules->is_rate_limited)
		return 0;
	if (!keeps_rates(&responder->rules, rules))
		return make_rates(responder, rules, rates, reterr);
	for (unsigned i = 0; i < responder->worker_cnt; i++)
		rates[i] = stele_worker_rules(responder->workers[i])->rates;
	return 0;
}

static void replace_rules(struct stele_responder *responder, const struct stele_rules *rules,
			  struct stele_rates **rates)
{
	unsigned worker = 0;

	for (unsigned port = 0; port < responder->port_cnt; port++)
		for (unsigned i = 0; i < responder->ports[port].queue_cnt; i++, worker++)
			stele_worker_set_rules(responder->workers[worker],
					       &(struct stele_worker_rules){
						       .answers = rules->answers,
						       .rates = rates[worker],
						       .punt_rate = rules->punt_rates[port],
					       });
	responder->rules = *rules;
	/* A worker that hangs looks at the old ones until it goes on, and then at the new ones. */
	responder->rules_grace = stele_grace_begin(responder->grace);
	if (stele_grace_await(responder->grace, responder->rules_grace, RELOAD_WAIT_MS) != 0) {
		stele_log(STELE_LOG_WARNING, "a worker stands still: it has not seen the new "
					     "settings yet");
		return;
	}
	for (unsigned i = 0; i < responder->worker_cnt; i++)
		stele_worker_forget_rules(responder->workers[i]);
}

int stele_reload(struct stele_responder *responder, struct stele_error *reterr)
{
	struct stele_rules rules;
	int rc = read_next(responder, &rules, reterr);

	if (rc)
		return rc;
	struct stele_rates **rates = calloc(responder->worker_cnt, sizeof(struct stele_rates *));
	if (!rates)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for a reload");
	rc = choose_rates(responder, &rules, rates, reterr);
	if (!rc)
		replace_rules(responder, &rules, rates);
	free(rates);
	if (!rc)
		stele_log(STELE_LOG_NOTICE, "reloaded answers, cookies, rrl and the rates of "
					    "exceptions; all else takes effect at the next start");
	return rc;
}
