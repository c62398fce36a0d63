/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The box's own certificate authority, for the safe door. Made at first start in DATA/tls: an ECDSA
 * P-256 key (browsers know no Ed25519 yet) and a certificate that may vouch only for names below
 * .local, for localhost and for private addresses (RFC 5280 section 4.2.1.10), so that nobody who
 * trusts it for this box has trusted it with their bank. From it a certificate for what the box is
 * called right now, which renews itself: before it ends, when the box's name or addresses change,
 * and when the clock turns out to have been wrong.
 *
 * Only this file and sync/peer/ use GnuTLS.
 */
#pragma once
#include "sync/sync.h"
#include <gnutls/gnutls.h>
#include <gnutls/abstract.h>

enum {
	AUTHORITY_YEARS = 30,
	AUTHORITY_LEAF_DAYS = 396, /* browsers refuse more than 398 */
	AUTHORITY_RENEW_DAYS = 30,
	AUTHORITY_ADDRESSES = 32,
	FINGERPRINT_TEXT = 96 /* "AB:CD:…", 32 bytes, with the zero */
};

struct authority;
/* Loads or makes. ERR_IO, ERR_CORRUPT (a damaged file is named; nothing is replaced). `box`: whose
 * machine's names belong into the certificate, too (firmware/network/label.h): what volunteers called
 * it, and what Avahi announces when that was somebody else's already. */
struct app_box;
struct error *authority_open(const char *data_dir, const char *box_name, const struct app_box *box,
			     const struct env *env, struct authority **ret) MUST;
void authority_free(struct authority *a);
DEFINE_CLEANUP(struct authority *, authority_free)

/* Make a new certificate if the one in use no longer fits. Cheap when it does. Any thread. */
struct error *authority_renew(struct authority *a) MUST;
/* The certificate in use, for GnuTLS's retrieve function; valid until authority_free. */
void authority_current(struct authority *a, gnutls_pcert_st **ret_chain, unsigned *ret_n,
		       gnutls_privkey_t *ret_key);

/* SHA-256 of the authority's certificate, as browsers show it. ERR_NOT_FOUND before the first
 * serve. Needs no open authority: for `status` and the pages. out has FINGERPRINT_TEXT bytes. */
struct error *authority_fingerprint(const char *data_dir, char *ret_text) MUST;
/* The certificate (PEM), to be installed in a browser. Appended to *b. */
struct error *authority_certificate(const char *data_dir, struct buf *b) MUST;
/* "name.local" from the box's name: lower case letters, digits and single hyphens. */
void authority_host(const char *box_name, char *out, size_t n);
