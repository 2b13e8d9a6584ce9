/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_SERVING_SETTINGS_H
#define STELE_LIB_SERVING_SETTINGS_H

/* From the configuration to what lib/answer is told. */

#include "lib/answer/answer.h"
#include "lib/answer/rrl.h"
#include "lib/base/error.h"
#include "lib/serving/options.h"

#include <stdint.h>

/* A secret of cookies for a node that shares none: made once per process. */
struct stele_own_secret {
	uint8_t bytes[16];
};
int stele_own_secret_make(struct stele_own_secret *ret_secret, struct stele_error *reterr);

/* Reads the file of secrets, if there is one. Errors as stele_secrets_load(). */
int stele_settings_answers(const struct stele_answers_config *config,
			   const struct stele_cookies_config *cookies,
			   const struct stele_own_secret *own,
			   struct stele_answer_settings *ret_answers, struct stele_error *reterr);

/* `worker_cnt` workers share the rates. Each call makes another seed. Whether it is enabled is not looked at. */
int stele_settings_rrl(const struct stele_rrl_config *config, unsigned worker_cnt,
		       struct stele_rrl_settings *ret_rrl, struct stele_error *reterr);

#endif
