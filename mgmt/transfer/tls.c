/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/transfer/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds after which files are read again: to read the system's CAs takes some 30 ms. */
#define CONTEXT_AGE_S 60

static const uint8_t alpn[] = {3, 'd', 'o', 't'};

/* What makes two contexts the same: the files, and whether a CA counts. */
struct context {
	struct context *next;
	SSL_CTX *ssl;
	char *ca, *certificate, *key;
	bool pinned;
	time_t made_at;
};

struct stele_tls_contexts {
	struct context *first;
};

struct stele_tls_contexts *stele_tls_contexts_new(void)
{
	return calloc(1, sizeof(struct stele_tls_contexts));
}

static void context_free(struct context *context)
{
	SSL_CTX_free(context->ssl);
	free(context->ca);
	free(context->certificate);
	free(context->key);
	free(context);
}

void stele_tls_contexts_free(struct stele_tls_contexts *contexts)
{
	if (contexts == NULL)
		return;
	while (contexts->first != NULL) {
		struct context *next = contexts->first->next;
		context_free(contexts->first);
		contexts->first = next;
	}
	free(contexts);
}

static int fail(struct stele_error *reterr, int status, const char *what, const char *name)
{
	char reason[256] = "unknown reason";
	/* The first: those behind it only say in what it was met. */
	unsigned long error = ERR_peek_error();
	if (error != 0)
		ERR_error_string_n(error, reason, sizeof(reason));
	ERR_clear_error();
	return stele_fail(reterr, status, "%s%s: %s", what, name, reason);
}

static int read_files(SSL_CTX *ssl, const struct stele_remote_tls_config *tls,
		      struct stele_error *reterr)
{
	bool pinned = tls->pins.cnt > 0;
	if (!pinned && tls->ca != NULL && SSL_CTX_load_verify_file(ssl, tls->ca) != 1)
		return fail(reterr, STELE_E_INPUT, "CA certificates ", tls->ca);
	if (!pinned && tls->ca == NULL && SSL_CTX_set_default_verify_paths(ssl) != 1)
		return fail(reterr, STELE_E_SYSTEM, "the system's CA certificates", "");
	if (tls->certificate == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ssl, tls->certificate) != 1)
		return fail(reterr, STELE_E_INPUT, "certificate ", tls->certificate);
	if (SSL_CTX_use_PrivateKey_file(ssl, tls->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1)
		return fail(reterr, STELE_E_INPUT, "private key ", tls->key);
	return 0;
}

static int make_ssl(const struct stele_remote_tls_config *tls, SSL_CTX **ret_ssl,
		    struct stele_error *reterr)
{
	ERR_clear_error();
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
	if (ssl == NULL)
		return fail(reterr, STELE_E_SYSTEM, "TLS", "");
	/* RFC 9103 section 8.1. */
	SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
	SSL_CTX_set_alpn_protos(ssl, alpn, sizeof(alpn));
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ssl, tls->pins.cnt > 0 ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	int status = read_files(ssl, tls, reterr);
	if (status < 0) {
		SSL_CTX_free(ssl);
		return status;
	}
	*ret_ssl = ssl;
	return 0;
}

int stele_tls_check_files(const struct stele_remote_tls_config *tls, struct stele_error *reterr)
{
	SSL_CTX *ssl = NULL;
	int status = make_ssl(tls, &ssl, reterr);
	SSL_CTX_free(ssl);
	return status;
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *copy_text(const char *text, bool *failed)
{
	char *copy = text == NULL ? NULL : strdup(text);
	*failed |= copy == NULL && text != NULL;
	return copy;
}

static int find_context(struct stele_tls_contexts *contexts,
			const struct stele_remote_tls_config *tls, struct context **ret_context,
			struct stele_error *reterr)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	for (struct context **at = &contexts->first; *at != NULL;) {
		struct context *context = *at;
		if (now.tv_sec - context->made_at >= CONTEXT_AGE_S) {
			*at = context->next;
			context_free(context);
			continue;
		}
		if (same_text(context->ca, tls->ca) &&
		    same_text(context->certificate, tls->certificate) &&
		    same_text(context->key, tls->key) && context->pinned == (tls->pins.cnt > 0)) {
			*ret_context = context;
			return 0;
		}
		at = &context->next;
	}
	struct context *context = calloc(1, sizeof(*context));
	if (context == NULL)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for TLS");
	bool failed = false;
	context->ca = copy_text(tls->ca, &failed);
	context->certificate = copy_text(tls->certificate, &failed);
	context->key = copy_text(tls->key, &failed);
	context->pinned = tls->pins.cnt > 0;
	context->made_at = now.tv_sec;
	int status = failed ? stele_fail(reterr, STELE_E_SYSTEM, "no memory for TLS") :
			      make_ssl(tls, &context->ssl, reterr);
	if (status < 0) {
		context_free(context);
		return status;
	}
	context->next = contexts->first;
	contexts->first = context;
	*ret_context = context;
	return 0;
}

/* Whose certificate it must be. */
static bool expect_name(SSL *ssl, const char *name, const struct stele_config_address *address)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (name == NULL)
		return X509_VERIFY_PARAM_set1_ip(param, address->addr,
						 address->family == 4 ? 4 : 16) == 1;
	/* Neither a certificate nor TLS has the last dot (RFC 6066 section 3). */
	char host[256];
	size_t len = strnlen(name, sizeof(host) - 1);
	len -= len > 1 && name[len - 1] == '.';
	memcpy(host, name, len);
	host[len] = '\0';
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int stele_tls_client(struct stele_tls_contexts *contexts, const struct stele_remote_tls_config *tls,
		     const struct stele_config_address *address, int fd, SSL **ret_ssl,
		     struct stele_error *reterr)
{
	struct context *context = NULL;
	ERR_clear_error();
	int status = find_context(contexts, tls, &context, reterr);
	if (status < 0)
		return status;
	SSL *ssl = SSL_new(context->ssl);
	if (ssl == NULL)
		return fail(reterr, STELE_E_SYSTEM, "TLS", "");
	if (!expect_name(ssl, tls->name, address) || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return fail(reterr, STELE_E_SYSTEM, "TLS", "");
	}
	SSL_set_connect_state(ssl);
	*ret_ssl = ssl;
	return 0;
}

static int check_pins(SSL *ssl, const struct stele_remote_tls_config *tls,
		      struct stele_error *reterr)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	uint8_t *spki = NULL;
	int spki_len = certificate == NULL ?
			       -1 :
			       i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	uint8_t digest[32];
	/* 4 characters for each 3 bytes, and a NUL. */
	char text[45];
	bool made = spki_len > 0 &&
		    EVP_Digest(spki, (size_t)spki_len, digest, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(spki);
	if (!made)
		return fail(reterr, STELE_E_INPUT, "the server's public key", "");
	EVP_EncodeBlock((uint8_t *)text, digest, sizeof(digest));
	for (size_t i = 0; i < tls->pins.cnt; i++)
		if (strcmp(tls->pins.items[i], text) == 0)
			return 0;
	return stele_fail(reterr, STELE_E_INPUT, "the server's public key %s is none of the pins",
			  text);
}

int stele_tls_check_peer(SSL *ssl, const struct stele_remote_tls_config *tls,
			 struct stele_error *reterr)
{
	const uint8_t *selected;
	unsigned selected_len;
	SSL_get0_alpn_selected(ssl, &selected, &selected_len);
	if (selected_len != sizeof(alpn) - 1 || memcmp(selected, alpn + 1, selected_len) != 0)
		return stele_fail(reterr, STELE_E_INPUT,
				  "the server does not speak \"dot\" (ALPN, RFC 9103 section 7.1)");
	return tls->pins.cnt > 0 ? check_pins(ssl, tls, reterr) : 0;
}

int stele_tls_fail(SSL *ssl, int result, struct stele_error *reterr)
{
	int error_number = errno;
	int kind = SSL_get_error(ssl, result);
	if (kind == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
		return error_number == 0 ?
			       stele_fail(reterr, STELE_E_SYSTEM, "connection closed") :
			       stele_fail_errno(reterr, error_number, "connection lost");
	/* With a word of TLS, or without one, which is how a relay that has nobody behind it goes away. */
	if (kind == SSL_ERROR_ZERO_RETURN ||
	    (kind == SSL_ERROR_SSL &&
	     ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
		ERR_clear_error();
		return stele_fail(reterr, STELE_E_SYSTEM, "connection closed");
	}
	long verify = SSL_get_verify_result(ssl);
	if (verify != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
		ERR_clear_error();
		return stele_fail(reterr, STELE_E_INPUT, "the server's certificate is refused: %s",
				  X509_verify_cert_error_string(verify));
	}
	return fail(reterr, STELE_E_INPUT, "TLS", "");
}
