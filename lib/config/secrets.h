/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_LIB_CONFIG_SECRETS_H
#define STELE_LIB_CONFIG_SECRETS_H

/*
 * The secrets of DNS cookies (RFC 7873, RFC 9018), which all nodes of an anycast address share.
 *
 * The file has one or two lines of 32 hexadecimal digits; blank lines and lines that begin with # do
 * not count. The first secret makes cookies, both check them. So a secret rolls in three steps over
 * the fleet, each followed by a reload: add the new one as the second line, swap the lines, remove the
 * old one; at no time does a node refuse what another one made (RFC 9018 section 5).
 *
 * Whoever knows the secret can make cookies and so pass rate limits with a forged address. The file
 * must be a regular one (or a link to one) to which nobody but its owner has any access.
 */

#include "lib/base/error.h"

#include <stddef.h>
#include <stdint.h>

#define STELE_SECRET_SZ 16
#define STELE_SECRETS_MAX 2

struct stele_secrets {
	uint8_t secrets[STELE_SECRETS_MAX][STELE_SECRET_SZ];
	uint8_t cnt; /* 1 or 2 */
};

/*
 * STELE_E_INPUT with `FILE:LINE:COLUMN: …` if the content is wrong, or with `FILE: …` if the file is no
 * regular one or others may read or write it; STELE_E_SYSTEM if it cannot be read. Messages never
 * contain what the file says. Read it again on each reload, as the user that the program then runs as.
 */
int stele_secrets_load(const char *path, struct stele_secrets *ret_secrets,
		       struct stele_error *reterr);

/* The same with text in memory; `name` stands in messages for the file. */
int stele_secrets_parse(const char *name, const char *text, size_t text_sz,
			struct stele_secrets *ret_secrets, struct stele_error *reterr);

/* Overwrites them, in a way that the compiler keeps. */
void stele_secrets_wipe(struct stele_secrets *secrets);

#endif
