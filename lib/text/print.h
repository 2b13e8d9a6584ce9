/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_TEXT_PRINT_H
#define STELE_LIB_TEXT_PRINT_H

#include "lib/text/message.h"

#include <jansson.h>
#include <stdio.h>

/* A message as dig prints it. `cookie_valid` marks its cookie as good. One thread at a time. */
void stele_print_message(FILE *out, const struct stele_message *message, bool cookie_valid);

/* The same as a JSON object; NULL when memory is out. One thread at a time. */
json_t *stele_message_json(const struct stele_message *message, bool cookie_valid);

#endif
