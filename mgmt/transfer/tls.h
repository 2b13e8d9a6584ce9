/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STELE_MGMT_TRANSFER_TLS_H
#define STELE_MGMT_TRANSFER_TLS_H

/*
 * TLS towards a primary (RFC 9103): whom it must prove to be, and who we are.
 *
 * The server's certificate must come from the CA and have the configured name, or the address where none
 * is configured; or its public key is one of the pins, and nothing else about the certificate counts
 * (RFC 7858 section 4.2). Files are read again after a minute, so that certificates can be exchanged
 * without a word to the daemon.
 *
 * Belongs to one thread.
 */

#include "lib/base/error.h"
#include "mgmt/config/config.h"

#include <openssl/ssl.h>

struct stele_tls_contexts;

struct stele_tls_contexts *stele_tls_contexts_new(void);           /* NULL without memory */
void stele_tls_contexts_free(struct stele_tls_contexts *contexts); /* NULL is fine */

/* Reads its files once, for a check. STELE_E_INPUT names the one that is wrong; STELE_E_SYSTEM. */
int stele_tls_check_files(const struct stele_remote_tls_config *tls, struct stele_error *reterr);

/*
 * A connection that is ready for its handshake on `fd`, not yet begun. STELE_E_INPUT names the file that
 * is wrong; STELE_E_SYSTEM.
 */
int stele_tls_client(struct stele_tls_contexts *contexts, const struct stele_remote_tls_config *tls,
		     const struct stele_config_address *address, int fd, SSL **ret_ssl,
		     struct stele_error *reterr);

/* After the handshake: ALPN and pins. STELE_E_INPUT. */
int stele_tls_check_peer(SSL *ssl, const struct stele_remote_tls_config *tls,
			 struct stele_error *reterr);

/* What went wrong with `ssl` when a call returned `result`, in words; empties OpenSSL's queue. */
int stele_tls_fail(SSL *ssl, int result, struct stele_error *reterr);

#endif
