/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/tls/tls.h"
#include "sync/base/file.h"
#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <sys/mman.h>

const char tls_priorities[] = "NONE:+VERS-TLS1.3:+AES-128-GCM:+CHACHA20-POLY1305:+AES-256-GCM:"
			      "+AEAD:+ECDHE-ECDSA:+GROUP-X25519:+SIGN-EDDSA-ED25519:"
			      "+CTYPE-X509:%NO_TICKETS";

/* 9999-12-31T23:59:59Z, which RFC 5280 section 4.1.2.5 gives to what does not end. (GnuTLS's own
 * constant for it is a day of 2106.) */
static const int64_t end_of_9999 = 253402300799;

enum { SPKI_PREFIX = 12 };
/* SubjectPublicKeyInfo of an Ed25519 key, RFC 8410: these bytes, then the key. */
static const uint8_t spki_prefix[SPKI_PREFIX] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
						 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

struct tls_identity {
	gnutls_datum_t cert, key; /* PEM, gnutls_malloc'd, terminated */
	int cert_fd, key_fd;
	char cert_file[40], key_file[40];
};

static struct error *tls_fault(int rc)
{
	return error_new(ERR_INTERNAL, N_("The box's certificate could not be made: %s."),
			 gnutls_strerror(rc));
}

static void privkey_freep(gnutls_x509_privkey_t *k)
{
	if (*k)
		gnutls_x509_privkey_deinit(*k);
}

static void crt_freep(gnutls_x509_crt_t *c)
{
	if (*c)
		gnutls_x509_crt_deinit(*c);
}

static void pubkey_freep(gnutls_pubkey_t *k)
{
	if (*k)
		gnutls_pubkey_deinit(*k);
}

static void datum_freep(gnutls_datum_t *d)
{
	gnutls_free(d->data);
}

static int import_key(const struct secret *self, gnutls_x509_privkey_t key)
{
	uint8_t seed[32];
	struct pubkey pub = *secret_pubkey(self);
	gnutls_datum_t x = {pub.b, 32}, k = {seed, 32};
	int rc;

	secret_seed(self, seed);
	rc = gnutls_x509_privkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &k);
	crypto_wipe(seed, sizeof(seed));
	return rc;
}

static int fill_certificate(const struct pubkey *self, gnutls_x509_privkey_t key,
			    gnutls_x509_crt_t crt)
{
	struct id_text name = id_short(self);
	int rc;

	if ((rc = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
	    (rc = gnutls_x509_crt_set_key(crt, key)) < 0 ||
	    (rc = gnutls_x509_crt_set_serial(crt, "\1", 1)) < 0 ||
	    (rc = gnutls_x509_crt_set_activation_time(crt, 0)) < 0 ||
	    (rc = gnutls_x509_crt_set_expiration_time(crt, (time_t)end_of_9999)) < 0 ||
	    (rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name.s,
						(unsigned)strlen(name.s))) < 0)
		return rc;
	return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA512, 0);
}

/* A file that only this process sees, and that is gone with it. */
static struct error *memory_file(const char *what, const gnutls_datum_t *content, int *ret_fd,
				 char name[40])
{
	_cleanup_(closep) int fd = memfd_create(what, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return file_error(errno, what);
	TRY(fd_write_all(fd, (struct span){content->data, content->size}, what));
	snprintf(name, 40, "/proc/self/fd/%d", fd);
	*ret_fd = fd;
	fd = -1;
	return NULL;
}

struct error *tls_identity_new(const struct secret *self, struct tls_identity **ret)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = calloc(1, sizeof(*t));
	_cleanup_(privkey_freep) gnutls_x509_privkey_t key = NULL;
	_cleanup_(crt_freep) gnutls_x509_crt_t crt = NULL;
	int rc;

	if (!t)
		abort();
	t->cert_fd = t->key_fd = -1;
	if ((rc = gnutls_x509_privkey_init(&key)) < 0 || (rc = import_key(self, key)) < 0 ||
	    (rc = gnutls_x509_crt_init(&crt)) < 0 ||
	    (rc = fill_certificate(secret_pubkey(self), key, crt)) < 0 ||
	    (rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &t->cert)) < 0 ||
	    (rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
						    GNUTLS_PKCS_PLAIN, &t->key)) < 0)
		return tls_fault(rc);
	TRY(memory_file("lliure-certificate", &t->cert, &t->cert_fd, t->cert_file));
	TRY(memory_file("lliure-key", &t->key, &t->key_fd, t->key_file));
	*ret = STEAL(t);
	return NULL;
}

void tls_identity_free(struct tls_identity *t)
{
	if (!t)
		return;
	if (t->key.data)
		gnutls_memset(t->key.data, 0, t->key.size);
	gnutls_free(t->key.data);
	gnutls_free(t->cert.data);
	if (t->cert_fd >= 0)
		close(t->cert_fd);
	if (t->key_fd >= 0)
		close(t->key_fd);
	free(t);
}

const char *tls_cert_pem(const struct tls_identity *t)
{
	return (const char *)t->cert.data;
}

const char *tls_key_pem(const struct tls_identity *t)
{
	return (const char *)t->key.data;
}

const char *tls_cert_file(const struct tls_identity *t)
{
	return t->cert_file;
}

const char *tls_key_file(const struct tls_identity *t)
{
	return t->key_file;
}

/* --- reading the other side's --- */
static struct error *not_an_appliance(void)
{
	return error_new(ERR_DENIED, N_("The other side did not show the key of an appliance."));
}

struct error *tls_cert_key(struct span der, struct pubkey *ret)
{
	gnutls_datum_t raw = {(unsigned char *)der.p, (unsigned)der.n};
	_cleanup_(datum_freep) gnutls_datum_t spki = {NULL, 0};
	_cleanup_(crt_freep) gnutls_x509_crt_t crt = NULL;
	_cleanup_(pubkey_freep) gnutls_pubkey_t key = NULL;

	if (gnutls_x509_crt_init(&crt) < 0 || gnutls_pubkey_init(&key) < 0 ||
	    gnutls_x509_crt_import(crt, &raw, GNUTLS_X509_FMT_DER) < 0 ||
	    gnutls_pubkey_import_x509(key, crt, 0) < 0 ||
	    gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki) < 0 ||
	    spki.size != SPKI_PREFIX + 32 || memcmp(spki.data, spki_prefix, SPKI_PREFIX) != 0)
		return not_an_appliance();
	memcpy(ret->b, spki.data + SPKI_PREFIX, 32);
	return NULL;
}

struct error *tls_peer_key(gnutls_session_t session, struct pubkey *ret)
{
	unsigned n = 0;
	const gnutls_datum_t *certs;

	if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 ||
	    gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509)
		return not_an_appliance();
	certs = gnutls_certificate_get_peers(session, &n);
	if (!certs || n != 1)
		return not_an_appliance();
	return tls_cert_key(span_of(certs[0].data, certs[0].size), ret);
}

struct tls_pin tls_pin(const struct pubkey *key)
{
	uint8_t spki[SPKI_PREFIX + 32], digest[32];
	gnutls_datum_t raw = {digest, sizeof(digest)}, text = {NULL, 0};
	struct tls_pin pin = {""};

	memcpy(spki, spki_prefix, SPKI_PREFIX);
	memcpy(spki + SPKI_PREFIX, key->b, 32);
	/* Neither can fail on these sizes; an empty pin would let anybody in, so it must not. */
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, spki, sizeof(spki), digest) < 0 ||
	    gnutls_base64_encode2(&raw, &text) < 0)
		abort();
	snprintf(pin.s, sizeof(pin.s), "sha256//%.*s", (int)text.size, text.data);
	gnutls_free(text.data);
	return pin;
}
