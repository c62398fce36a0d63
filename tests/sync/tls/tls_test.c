/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/tls/tls.h"
#include <gnutls/x509.h>
#include <pthread.h>
#include <sys/socket.h>

static struct tls_identity *identity(unsigned n)
{
	_cleanup_(secret_freep) struct secret *key = test_key(n);
	struct tls_identity *t;

	assert_ok(tls_identity_new(key, &t));
	return t;
}

static struct span first_cert(const char *pem, struct buf *der)
{
	gnutls_datum_t text = {(unsigned char *)pem, (unsigned)strlen(pem)}, out;

	assert_int_equal(gnutls_pem_base64_decode2("CERTIFICATE", &text, &out), 0);
	buf_add(der, out.data, out.size);
	gnutls_free(out.data);
	return buf_span(der);
}

static const void *find(struct span in, const char *what, size_t n)
{
	const void *at = memmem(in.p, in.n, what, n);

	assert_non_null(at);
	return at;
}

static void the_same_key_gives_the_same_certificate(void **state)
{
	_cleanup_(tls_identity_freep) struct tls_identity *a = identity(1), *b = identity(1);
	_cleanup_(tls_identity_freep) struct tls_identity *c = identity(2);

	assert_string_equal(tls_cert_pem(a), tls_cert_pem(b));
	assert_string_not_equal(tls_cert_pem(a), tls_cert_pem(c));
}

static void the_certificate_holds_the_key_and_no_date_ends_it(void **state)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = identity(1);
	_cleanup_(secret_freep) struct secret *key = test_key(1);
	_cleanup_(buf_release) struct buf der = {0};
	struct span cert = first_cert(tls_cert_pem(t), &der);
	gnutls_datum_t raw = {der.p, (unsigned)der.n};
	gnutls_x509_crt_t crt;
	struct pubkey got;

	assert_ok(tls_cert_key(cert, &got));
	assert_id_equal(got.b, secret_pubkey(key)->b);
	assert_int_equal(gnutls_x509_crt_init(&crt), 0);
	assert_int_equal(gnutls_x509_crt_import(crt, &raw, GNUTLS_X509_FMT_DER), 0);
	assert_int_equal(gnutls_x509_crt_get_activation_time(crt), 0);
	assert_memory_equal(find(cert, "99991231235959Z", 15), "99991231235959Z", 15);
	gnutls_x509_crt_deinit(crt);
	assert_true(cert.n < 400); /* it travels in every handshake */
}

static void the_files_for_curl_hold_the_same(void **state)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = identity(3);
	_cleanup_(buf_release) struct buf cert = {0}, key = {0};

	assert_ok(file_read(tls_cert_file(t), 10000, &cert));
	assert_ok(file_read(tls_key_file(t), 10000, &key));
	assert_string_equal(buf_str(&cert), tls_cert_pem(t));
	assert_string_equal(buf_str(&key), tls_key_pem(t));
}

static void the_pin_is_the_hash_of_the_key_as_openssl_makes_it(void **state)
{
	/* openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64, of 32 zeros */
	struct pubkey zero = {{0}};

	assert_string_equal(tls_pin(&zero).s,
			    "sha256//ciq9EumaU2fzda65ZyqOB3EuA8Kt0W+o1pFNHPou/gw=");
}

static void refuses_what_is_no_certificate_of_an_appliance(void **state)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = identity(1);
	_cleanup_(buf_release) struct buf der = {0};
	struct pubkey got = {{7}};

	first_cert(tls_cert_pem(t), &der);
	assert_fails(tls_cert_key(span_of("", 0), &got), ERR_DENIED);
	assert_fails(tls_cert_key(span_of(der.p, der.n - 1), &got), ERR_DENIED);
	assert_fails(tls_cert_key(span_str("nothing"), &got), ERR_DENIED);
	assert_int_equal(got.b[0], 7);
}

/* --- handshakes over a pair of sockets --- */
struct side {
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
	int rc;
};

static void side_init(struct side *s, unsigned flags, int fd, const char *priorities,
		      const char *cert, const char *key)
{
	gnutls_datum_t c = {(unsigned char *)cert, cert ? (unsigned)strlen(cert) : 0};
	gnutls_datum_t k = {(unsigned char *)key, key ? (unsigned)strlen(key) : 0};

	assert_int_equal(gnutls_certificate_allocate_credentials(&s->cred), 0);
	if (cert)
		assert_int_equal(
			gnutls_certificate_set_x509_key_mem(s->cred, &c, &k, GNUTLS_X509_FMT_PEM),
			0);
	assert_int_equal(gnutls_init(&s->session, flags), 0);
	assert_int_equal(gnutls_priority_set_direct(s->session, priorities, NULL), 0);
	gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->cred);
	gnutls_transport_set_int(s->session, fd);
	gnutls_handshake_set_timeout(s->session, 10000);
}

static void *shake(void *arg)
{
	struct side *s = arg;

	do
		s->rc = gnutls_handshake(s->session);
	while (s->rc < 0 && !gnutls_error_is_fatal(s->rc));
	if (s->rc < 0) {
		gnutls_alert_send_appropriate(s->session, s->rc);
		shutdown(gnutls_transport_get_int(s->session), SHUT_WR);
	}
	return NULL;
}

static void side_free(struct side *s)
{
	close(gnutls_transport_get_int(s->session));
	gnutls_deinit(s->session);
	gnutls_certificate_free_credentials(s->cred);
}

/* A client with that certificate meets our server. NULL: it showed us its key. */
static struct error *meet(const char *priorities, const char *cert, const char *key,
			  struct pubkey *ret, int *ret_rc)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = identity(1);
	struct side server, client;
	struct error *err = NULL;
	pthread_t thread;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	side_init(&server, GNUTLS_SERVER, fd[0], tls_priorities, tls_cert_pem(t), tls_key_pem(t));
	gnutls_certificate_server_set_request(server.session, GNUTLS_CERT_REQUEST);
	side_init(&client, GNUTLS_CLIENT, fd[1], priorities, cert, key);
	assert_int_equal(pthread_create(&thread, NULL, shake, &client), 0);
	shake(&server);
	pthread_join(thread, NULL);
	if (server.rc == 0)
		err = tls_peer_key(server.session, ret);
	*ret_rc = server.rc;
	side_free(&client);
	side_free(&server);
	return err;
}

#define CURL_PRIORITIES "NORMAL:-VERS-TLS-ALL:+VERS-TLS1.3:-ARCFOUR-128:-CTYPE-ALL:+CTYPE-X509"

static void a_handshake_proves_the_clients_key(void **state)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = identity(2);
	_cleanup_(secret_freep) struct secret *key = test_key(2);
	struct pubkey got;
	int rc;

	assert_ok(meet(CURL_PRIORITIES, tls_cert_pem(t), tls_key_pem(t), &got, &rc));
	assert_int_equal(rc, 0);
	assert_id_equal(got.b, secret_pubkey(key)->b);
}

static void refuses_a_client_without_certificate(void **state)
{
	struct pubkey got;
	int rc;

	assert_fails(meet(CURL_PRIORITIES, NULL, NULL, &got, &rc), ERR_DENIED);
	assert_int_equal(rc, 0);
}

static void refuses_older_tls(void **state)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = identity(2);
	struct pubkey got;
	int rc;

	assert_ok(
		meet("NORMAL:-VERS-ALL:+VERS-TLS1.2", tls_cert_pem(t), tls_key_pem(t), &got, &rc));
	assert_true(rc < 0);
}

/* A self-signed certificate of another kind of key, in PEM. */
static void foreign_certificate(gnutls_pk_algorithm_t kind, unsigned bits, gnutls_datum_t *cert,
				gnutls_datum_t *key)
{
	gnutls_x509_privkey_t k;
	gnutls_x509_crt_t c;

	gnutls_x509_privkey_init(&k);
	assert_int_equal(gnutls_x509_privkey_generate(k, kind, bits, 0), 0);
	gnutls_x509_crt_init(&c);
	gnutls_x509_crt_set_version(c, 3);
	gnutls_x509_crt_set_key(c, k);
	gnutls_x509_crt_set_serial(c, "\1", 1);
	gnutls_x509_crt_set_activation_time(c, 0);
	gnutls_x509_crt_set_expiration_time(c, GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION);
	assert_int_equal(gnutls_x509_crt_sign2(c, c, k, GNUTLS_DIG_SHA256, 0), 0);
	gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, cert);
	gnutls_x509_privkey_export2(k, GNUTLS_X509_FMT_PEM, key);
	gnutls_x509_crt_deinit(c);
	gnutls_x509_privkey_deinit(k);
}

static void refuses_other_kinds_of_keys(void **state)
{
	static const struct {
		gnutls_pk_algorithm_t kind;
		unsigned bits;
	} kinds[] = {{GNUTLS_PK_RSA, 2048},
		     {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)}};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		gnutls_datum_t cert, key;
		_cleanup_(buf_release) struct buf der = {0};
		struct pubkey got;
		struct error *err;
		int rc;

		foreign_certificate(kinds[i].kind, kinds[i].bits, &cert, &key);
		first_cert((char *)cert.data, &der);
		assert_fails(tls_cert_key(buf_span(&der), &got), ERR_DENIED);
		/* our server asks for Ed25519 only: no certificate is shown, or none is taken */
		err = meet(CURL_PRIORITIES, (char *)cert.data, (char *)key.data, &got, &rc);
		assert_true(rc < 0 || error_is(err, ERR_DENIED));
		error_free(err);
		gnutls_free(cert.data);
		gnutls_free(key.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_key_gives_the_same_certificate),
		cmocka_unit_test(the_certificate_holds_the_key_and_no_date_ends_it),
		cmocka_unit_test(the_files_for_curl_hold_the_same),
		cmocka_unit_test(the_pin_is_the_hash_of_the_key_as_openssl_makes_it),
		cmocka_unit_test(refuses_what_is_no_certificate_of_an_appliance),
		cmocka_unit_test(a_handshake_proves_the_clients_key),
		cmocka_unit_test(refuses_a_client_without_certificate),
		cmocka_unit_test(refuses_older_tls),
		cmocka_unit_test(refuses_other_kinds_of_keys),
	};

	return run_group(tests);
}
