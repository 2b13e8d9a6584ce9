/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SERVE_GRACE_H
#define STELE_RESPONDER_SERVE_GRACE_H

/*
 * Waiting for readers with a bound. A grace period is over when every reader that is online has said
 * that it holds nothing; one that hangs never does, and userspace RCU knows no wait that ends
 * before. So a thread of its own waits, and others wait for it as long as they want to. What may
 * only be freed after a grace period that has not ended is kept until a later wait succeeds.
 */

#include "lib/base/error.h"

#include <stdint.h>

struct stele_grace;

/* NULL: no memory. */
struct stele_grace *stele_grace_new(void);

/* Waits for the grace periods that were begun: no reader may be left that hangs. NULL is fine. */
void stele_grace_free(struct stele_grace *grace);

/* A grace period that begins now, by its number. By one thread, which is no reader. */
uint64_t stele_grace_begin(struct stele_grace *grace);

/* 0: it is over; STELE_E_STALE: not within `timeout_ms` from now. */
int stele_grace_await(struct stele_grace *grace, uint64_t number, uint32_t timeout_ms);

#endif
