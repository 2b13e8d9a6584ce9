/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_EAL_EAL_H
#define STELE_RESPONDER_EAL_EAL_H

#include "lib/base/error.h"
#include "responder/config/config.h"
#include "responder/eal/args.h"

/*
 * Starts DPDK's environment as the configuration has it. The calling thread becomes the control
 * thread (logical core 0) and workers' threads wait for work on logical cores 1 …. Once per
 * process. Errors as stele_eal_args_make(); STELE_E_SYSTEM: DPDK refuses, and its lines say why.
 */
int stele_eal_start(const struct stele_responder_config *config,
		    const struct stele_machine *machine, struct stele_error *reterr);

/* After all workers have returned and all ports are closed. */
void stele_eal_stop(void);

#endif
