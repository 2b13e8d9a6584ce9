/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_ZONECOMPILER_ANSWER_PRINT_H
#define STELE_ZONECOMPILER_ANSWER_PRINT_H

#include "lib/answer/answer.h"
#include "zonecompiler/message/message.h"

/* The reply as dig prints it, on standard output. */
void print_message(const struct message *message, const struct stele_reply *reply);

/* The same as one JSON object. Returns false when memory is out. */
bool print_message_json(const struct message *message, const struct stele_reply *reply);

/* Why there is no reply, in words. */
void print_no_reply(const struct stele_reply *reply, bool json);

#endif
