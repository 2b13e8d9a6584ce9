/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_TESTS_UNIT_TRANSFER_NOTIFY_CASE_H
#define STELE_TESTS_UNIT_TRANSFER_NOTIFY_CASE_H

/* What the parts of test_mgmt_notify share: a daemon that has nothing but NOTIFY. Functions fail the test. */
#include "tests/unit/transfer/handler_host.h"

#include "mgmt/notify/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern const uint8_t apex[13]; /* example.com. */
extern struct handler_host host;

void begin(const char *config);
/* Ends what is under way first. */
void end(void);

/* The group of the other file; 0 if nothing failed. */
int test_notify_out(void);

#endif
