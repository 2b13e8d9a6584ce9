/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_RESPONDER_SIGBUS_H
#define STELE_RESPONDER_SIGBUS_H

/*
 * SIGBUS, said in words. An image is served from the mapping of its file for the first seconds (images/start.c). If
 * somebody cuts the file then, or the disk fails, a page is gone that an answer may depend on, and the process gets
 * this signal. It ends, since what it would answer could be wrong; systemd starts it again, and the next start sees
 * that the file is not what it was. Nothing else can be done safely; but nobody should have to guess why.
 */

#include "lib/base/error.h"

/* For the whole process, from now on. STELE_E_SYSTEM: the handler cannot be set. */
int stele_sigbus_explain(struct stele_error *reterr);

#endif
