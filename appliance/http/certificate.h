/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pieces of which authority.c makes certificates. */
#pragma once
#include "appliance/app.h"
#include "appliance/http/authority.h"
#include "firmware/network/label.h"

/* NULL for a result of GnuTLS that is no fault. */
struct error *certificate_tls(int rc) MUST;
/* A new P-256 key, yours. */
struct error *certificate_key(gnutls_x509_privkey_t *ret) MUST;
/* Version, serial number, times, key and common name. */
struct error *certificate_fill(gnutls_x509_crt_t c, gnutls_x509_privkey_t key, const char *name,
			       time_t from, time_t until) MUST;
/* Only names below .local, localhost, and private addresses. */
struct error *certificate_constrain(gnutls_x509_crt_t c) MUST;

struct certificate_names {
	const char *dns[5]; /* ends with NULL; they may point into this struct */
	/* The machine's own name, which volunteers may have chosen, and what Avahi made of it. */
	char own[2][NETWORK_LABEL_HOST];
	uint8_t ip[AUTHORITY_ADDRESSES][16];
	size_t ip_n[AUTHORITY_ADDRESSES], n;
};
/* What the box is called right now; *ret_hash does not depend on the order of interfaces. */
void certificate_names(const char *host, const struct app_box *box, struct certificate_names *to,
		       struct hash *ret_hash);
struct error *certificate_set_names(gnutls_x509_crt_t c, const struct certificate_names *n) MUST;
