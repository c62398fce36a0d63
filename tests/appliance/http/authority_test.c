/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/app.h"
#include "appliance/http/authority.h"
#include "firmware/network/label.h"
#include "sync/base/file.h"

static const int64_t in_2026 = 1795000000000;
static const struct app_box no_box;

static void checks_with_openssl(const char *dir, struct authority *a, const char *const *args,
				bool want)
{
	_cleanup_(freep) char *ca = path_join(dir, "tls/authority.pem");
	_cleanup_(freep) char *leaf = path_join(dir, "leaf.pem");
	gnutls_pcert_st *chain;
	gnutls_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem;
	unsigned n;
	char command[1000];

	authority_current(a, &chain, &n, &key);
	assert_int_equal(n, 2);
	assert_int_equal(gnutls_pcert_export_x509(&chain[0], &crt), 0);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
	assert_ok(file_write(leaf, span_of(pem.data, pem.size), 0644));
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(crt);
	for (; *args; args++) {
		FILE *p;

		snprintf(command, sizeof(command),
			 "openssl verify -x509_strict -purpose sslserver -attime 1795000100 "
			 "-CAfile %s %s %s >/dev/null 2>&1",
			 ca, *args, leaf);
		p = popen(command, "r");
		assert_non_null(p);
		assert_int_equal(pclose(p) == 0, want);
	}
}

static void makes_certificates_that_others_accept(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(authority_freep) struct authority *a = NULL;
	struct test_env t;

	test_env_init(&t, in_2026, 1);
	assert_ok(authority_open(dir, "Ateneu del Raval", &no_box, &t.env, &a));
	checks_with_openssl(dir, a,
			    (const char *const[]){"-verify_hostname ateneu-del-raval.local",
						  "-verify_hostname localhost",
						  "-verify_ip 127.0.0.1", "-verify_ip ::1", NULL},
			    true);
	checks_with_openssl(dir, a,
			    (const char *const[]){"-verify_hostname example.org",
						  "-verify_hostname other.local", NULL},
			    false);
}

/* A daemon in its sandbox sees the host name of its start: the names come from where they are kept. */
static void vouches_for_the_names_that_the_machine_has_now(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(authority_freep) struct authority *a = NULL;
	_cleanup_(freep) char *wanted = path_join(dir, "hostname");
	struct app_box box = {{0}};
	struct test_env t;

	(void)state;
	test_env_init(&t, in_2026, 1);
	snprintf(box.state, sizeof(box.state), "%s", dir);
	snprintf(box.label, sizeof(box.label), "%s", dir);
	assert_ok(file_write(wanted, span_str("lliure-1a2b\n"), 0644));
	assert_ok(authority_open(dir, "Ateneu", &box, &t.env, &a));
	checks_with_openssl(dir, a,
			    (const char *const[]){"-verify_hostname ateneu.local",
						  "-verify_hostname lliure-1a2b.local", NULL},
			    true);
	assert_ok(file_write(wanted, span_str("casal\n"), 0644));
	assert_ok(network_label_put_host(dir, "casal-2.local"));
	assert_ok(authority_renew(a));
	checks_with_openssl(dir, a,
			    (const char *const[]){"-verify_hostname casal.local",
						  "-verify_hostname casal-2.local", NULL},
			    true);
	checks_with_openssl(dir, a, (const char *const[]){"-verify_hostname lliure-1a2b.local", NULL},
			    false);
}

static void keeps_its_authority_and_says_its_fingerprint(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	char one[FINGERPRINT_TEXT], two[FINGERPRINT_TEXT];
	struct authority *a;
	struct test_env t;

	test_env_init(&t, in_2026, 1);
	assert_fails(authority_fingerprint(dir, one), ERR_NOT_FOUND);
	assert_ok(authority_open(dir, "box", &no_box, &t.env, &a));
	authority_free(a);
	assert_ok(authority_fingerprint(dir, one));
	assert_int_equal(strlen(one), 95);
	assert_ok(authority_open(dir, "another name", &no_box, &t.env, &a));
	authority_free(a);
	assert_ok(authority_fingerprint(dir, two));
	assert_string_equal(one, two);
}

static gnutls_privkey_t key_of(struct authority *a)
{
	gnutls_pcert_st *chain;
	gnutls_privkey_t key;
	unsigned n;

	authority_current(a, &chain, &n, &key);
	return key;
}

static void renews_by_itself_and_when_the_clock_was_wrong(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(authority_freep) struct authority *a = NULL;
	gnutls_privkey_t first, second;
	struct test_env t;

	test_env_init(&t, 0, 1); /* 1970 */
	assert_ok(authority_open(dir, "box", &no_box, &t.env, &a));
	first = key_of(a);
	assert_ok(authority_renew(a));
	assert_ptr_equal(key_of(a), first);
	t.now = in_2026 + (int64_t)86400 * 1000 * 10;
	assert_ok(authority_renew(a));
	second = key_of(a);
	assert_ptr_not_equal(second, first);
	t.now += (int64_t)86400 * 1000 * 300;
	assert_ok(authority_renew(a));
	assert_ptr_equal(key_of(a), second);
	t.now += (int64_t)86400 * 1000 * 70;
	assert_ok(authority_renew(a));
	assert_ptr_not_equal(key_of(a), second);
}

static void a_restart_keeps_the_certificate(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	gnutls_pcert_st *chain;
	gnutls_privkey_t key;
	struct authority *a;
	struct test_env t;
	struct buf first = {0};
	unsigned n;

	test_env_init(&t, in_2026, 1);
	for (int i = 0; i < 2; i++) {
		assert_ok(authority_open(dir, "box", &no_box, &t.env, &a));
		authority_current(a, &chain, &n, &key);
		if (i == 0)
			buf_add(&first, chain[0].cert.data, chain[0].cert.size);
		else
			assert_true(span_eq(buf_span(&first),
					    span_of(chain[0].cert.data, chain[0].cert.size)));
		authority_free(a);
	}
	buf_release(&first);
}

static void a_damaged_file_is_named_and_not_replaced(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "tls/authority.key");
	struct authority *a;
	struct test_env t;
	struct buf b = {0};

	test_env_init(&t, in_2026, 1);
	assert_ok(authority_open(dir, "box", &no_box, &t.env, &a));
	authority_free(a);
	assert_ok(file_write(path, span_str("nonsense"), 0600));
	assert_fails(authority_open(dir, "box", &no_box, &t.env, &a), ERR_CORRUPT);
	assert_ok(file_read(path, 1000, &b));
	assert_string_equal(buf_str(&b), "nonsense");
	buf_release(&b);
}

static void makes_a_host_name_of_any_name(void **state)
{
	char host[LIMIT_NAME + 8];

	authority_host("Ateneu del Raval!", host, sizeof(host));
	assert_string_equal(host, "ateneu-del-raval.local");
	authority_host("  Casa 21 -- nord", host, sizeof(host));
	assert_string_equal(host, "casa-21-nord.local");
	authority_host("日本", host, sizeof(host));
	assert_string_equal(host, "lliure.local");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_certificates_that_others_accept),
		cmocka_unit_test(vouches_for_the_names_that_the_machine_has_now),
		cmocka_unit_test(keeps_its_authority_and_says_its_fingerprint),
		cmocka_unit_test(renews_by_itself_and_when_the_clock_was_wrong),
		cmocka_unit_test(a_restart_keeps_the_certificate),
		cmocka_unit_test(a_damaged_file_is_named_and_not_replaced),
		cmocka_unit_test(makes_a_host_name_of_any_name),
	};

	return run_group(tests);
}
