/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/service/internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- the context ---- */

/* RFC 7858 section 3.1, RFC 9103 section 7.1. A client that names protocols has to name this
 * one. */
static int select_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
			   const unsigned char *offered, unsigned offered_len, void *user)
{
	static const unsigned char ours[] = "\3dot";

	(void)ssl;
	(void)user;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_len, ours, sizeof(ours) - 1,
				  offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* A key with a pass phrase is an error, not a question on the terminal. */
static int no_pass_phrase(char *buf, int sz, int writing, void *user)
{
	(void)buf;
	(void)sz;
	(void)writing;
	(void)user;
	return -1;
}

static int fail(const char *path, struct stele_error *reterr)
{
	char text[256];

	/* The first: those behind it only say in what it was met. */
	ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
	ERR_clear_error();
	return stele_fail(reterr, STELE_E_INPUT, "%s: %s", path, text);
}

static int load_files(const struct stele_tls_config *config, SSL_CTX *context,
		      struct stele_error *reterr)
{
	if (SSL_CTX_use_certificate_chain_file(context, config->certificate) != 1)
		return fail(config->certificate, reterr);
	if (SSL_CTX_use_PrivateKey_file(context, config->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(context) != 1)
		return fail(config->key, reterr);
	if (!config->client_ca)
		return 0;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(config->client_ca);
	if (!names || SSL_CTX_load_verify_locations(context, config->client_ca, NULL) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return fail(config->client_ca, reterr);
	}
	SSL_CTX_set_client_CA_list(context, names);
	/* A client without one is anonymous; who may do what, names of certificates decide. */
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return 0;
}

int tls_context_new(const struct stele_tls_config *config, SSL_CTX **ret_context,
		    struct stele_error *reterr)
{
	static const unsigned char session_id_context[] = "stele";
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
		return stele_fail(reterr, STELE_E_SYSTEM, "OpenSSL gives no context");
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
	/* Clients that close without a goodbye have still to be answered: see exchange.c. */
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_PRIORITIZE_CHACHA |
					     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/* Many records with one read. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_MAX);
	/* Clients keep their sessions in tickets, we keep none: nothing to share or to lock. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_session_id_context(context, session_id_context, sizeof(session_id_context) - 1);
	SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
	SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
	ERR_clear_error();
	int status = load_files(config, context, reterr);
	if (status != 0) {
		SSL_CTX_free(context);
		return status;
	}
	*ret_context = context;
	return 0;
}

int64_t tls_certificate_end(const SSL_CTX *context)
{
	const X509 *certificate = SSL_CTX_get0_certificate(context);
	struct tm end = {0};

	if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return 0;
	return timegm(&end);
}

/* ---- names of a client ---- */

void peer_names_release(struct peer_names *names)
{
	if (names && --names->holder_cnt == 0)
		free(names);
}

/* A name with a NUL in it would look like another one. */
static bool is_plain_name(const GENERAL_NAME *name)
{
	if (name->type != GEN_DNS)
		return false;
	int len = ASN1_STRING_length(name->d.dNSName);
	return len > 0 && !memchr(ASN1_STRING_get0_data(name->d.dNSName), 0, (size_t)len);
}

static struct peer_names *copy_names(const GENERAL_NAMES *all)
{
	size_t cnt = 0, bytes = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		if (is_plain_name(name)) {
			cnt++;
			bytes += (size_t)ASN1_STRING_length(name->d.dNSName) + 1;
		}
	}
	struct peer_names *names =
		cnt > 0 ? malloc(sizeof(*names) + cnt * sizeof(names->names[0]) + bytes) : NULL;
	if (!names)
		return NULL;
	char *to = (char *)(names->names + cnt);
	names->holder_cnt = 1;
	names->cnt = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		if (!is_plain_name(name))
			continue;
		size_t len = (size_t)ASN1_STRING_length(name->d.dNSName);
		memcpy(to, ASN1_STRING_get0_data(name->d.dNSName), len);
		to[len] = '\0';
		names->names[names->cnt++] = to;
		to += len + 1;
	}
	return names;
}

static struct peer_names *read_names(const SSL *ssl)
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);

	if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	if (!all)
		return NULL;
	struct peer_names *names = copy_names(all);
	GENERAL_NAMES_free(all);
	return names;
}

/* ---- a connection ---- */

bool tls_begin(struct connection *c)
{
	c->ssl = SSL_new(c->worker->settings->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	SSL_set_accept_state(c->ssl);
	c->handshaking = true;
	return true;
}

void tls_handshake(struct connection *c)
{
	ERR_clear_error();
	int status = SSL_do_handshake(c->ssl);
	int error = status == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, status);

	c->ssl_blocked = error == SSL_ERROR_WANT_WRITE;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return;
	if (error != SSL_ERROR_NONE) {
		count(c->worker, COUNT_tls_failed);
		connection_kill(c, false);
		return;
	}
	c->handshaking = false;
	c->progress = true;
	c->ssl_more = true; /* what came with the last message of the handshake */
	c->names = read_names(c->ssl);
}

/* What a call that brought nothing means, in terms of errno. */
static ssize_t explain(struct connection *c, int status)
{
	switch (SSL_get_error(c->ssl, status)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	default:
		errno = ECONNRESET;
		return -1;
	}
}

ssize_t tls_read(struct connection *c, void *buf, size_t cap)
{
	ERR_clear_error();
	int got = SSL_read(c->ssl, buf, cap > INT_MAX ? INT_MAX : (int)cap);

	return got > 0 ? got : explain(c, got);
}

ssize_t tls_write(struct connection *c, const void *buf, size_t len)
{
	ERR_clear_error();
	int sent = SSL_write(c->ssl, buf, len > INT_MAX ? INT_MAX : (int)len);

	if (sent > 0)
		return sent;
	ssize_t why = explain(c, sent);
	if (why == 0) { /* the other side has closed: nobody reads this */
		errno = ECONNRESET;
		why = -1;
	}
	return why;
}

void tls_end(struct connection *c)
{
	if (c->ssl && !c->handshaking && !c->dead && !c->reset) {
		ERR_clear_error();
		(void)SSL_shutdown(c->ssl);
	}
	SSL_free(c->ssl);
	peer_names_release(c->names);
}
