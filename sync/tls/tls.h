/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Appliances in TLS: each shows a self-signed X.509 certificate of its Ed25519 key, and each knows
 * the other by that key and by nothing else. PROTOCOL.md section 7.
 *
 * The certificate says nothing but the key: it is valid from 1970 to 9999, for no clock may decide
 * in a handshake, and the same key always gives the same certificate. Only TLS 1.3 is spoken.
 *
 * The private key never goes to a disk for this: libcurl's GnuTLS flavour takes a client
 * certificate from files only, so the two files it is given are memory (memfd), named through
 * /proc/self/fd.
 *
 * Everything here may be called from any thread.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/crypto/crypto.h"
#include <gnutls/gnutls.h>

/* The server's priorities: TLS 1.3, X25519, Ed25519 certificates, no session tickets. */
extern const char tls_priorities[];

struct tls_identity;
struct error *tls_identity_new(const struct secret *self, struct tls_identity **ret) MUST;
void tls_identity_free(struct tls_identity *t);
DEFINE_CLEANUP(struct tls_identity *, tls_identity_free)

/* PEM texts, borrowed, for MHD_OPTION_HTTPS_MEM_CERT and _KEY. */
const char *tls_cert_pem(const struct tls_identity *t);
const char *tls_key_pem(const struct tls_identity *t);
/* Names of files with the same, borrowed, for CURLOPT_SSLCERT and CURLOPT_SSLKEY. They exist in
 * this process only, as long as the identity does. */
const char *tls_cert_file(const struct tls_identity *t);
const char *tls_key_file(const struct tls_identity *t);

/* The Ed25519 key that the other side of a finished handshake has proved to hold. ERR_DENIED when
 * it showed no certificate, or one of another kind of key. */
struct error *tls_peer_key(gnutls_session_t session, struct pubkey *ret) MUST;
/* The same from one certificate in DER. */
struct error *tls_cert_key(struct span der, struct pubkey *ret) MUST;

/* What CURLOPT_PINNEDPUBLICKEY wants for exactly this key: "sha256//" and base64. */
struct tls_pin {
	char s[64];
};
struct tls_pin tls_pin(const struct pubkey *key);
