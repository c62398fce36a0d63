/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/limits.h"
#include "sync/base/file.h"
#include <sys/stat.h>

static void hashes_are_blake2b_256(void **state)
{
	struct hash h = hash_bytes(span_str("abc")), want;
	struct hash_state st;

	(void)state;
	test_unhex("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319", want.b, 32);
	assert_id_equal(&h, &want);
	hash_init(&st);
	hash_add(&st, "a", 1);
	hash_add(&st, NULL, 0);
	hash_add(&st, "bc", 2);
	h = hash_final(&st);
	assert_id_equal(&h, &want);
	h = hash_bytes(span_of(NULL, 0));
	test_unhex("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8", want.b, 32);
	assert_id_equal(&h, &want);
	assert_false(hash_is_zero(&h));
	assert_true(hash_is_zero(&(struct hash){{0}}));
}

/* RFC 8032 section 7.1, test 2. */
static void signatures_are_ed25519(void **state)
{
	uint8_t seed[32], got[32];
	struct pubkey want;
	struct signature sig, want_sig;
	struct secret *s;

	(void)state;
	test_unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed, 32);
	test_unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", want.b, 32);
	test_unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		   "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		   want_sig.b, 64);
	s = secret_from_seed(seed);
	assert_id_equal(secret_pubkey(s), &want);
	secret_seed(s, got);
	assert_memory_equal(got, seed, 32);
	sig = sign(s, span_str("r"));
	assert_memory_equal(&sig, &want_sig, 64);
	assert_true(verify(&want, span_str("r"), &sig));
	assert_false(verify(&want, span_str("s"), &sig));
	sig.b[63] ^= 0x20;
	assert_false(verify(&want, span_str("r"), &sig));
	secret_free(s);
}

/* Keys of small order verify anything in some libraries; not here. */
static void weak_keys_verify_nothing(void **state)
{
	static const struct pubkey zero, one = {{1}};
	static const struct signature sig = {{1}};

	(void)state;
	assert_false(verify(&zero, span_str("x"), &sig));
	assert_false(verify(&one, span_str("x"), &sig));
}

static void new_keys_differ(void **state)
{
	struct secret *a = secret_new(), *b = secret_new();

	(void)state;
	assert_false(pubkey_eq(secret_pubkey(a), secret_pubkey(b)));
	secret_free(a);
	secret_free(b);
}

static void a_key_file_is_private_and_comes_back(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "key");
	struct secret *s = test_key(5), *got = NULL;
	struct stat st;

	(void)state;
	assert_fails(secret_load(path, &got), ERR_NOT_FOUND);
	umask(0);
	assert_ok(secret_save(path, s));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 32);
	assert_ok(secret_load(path, &got));
	assert_id_equal(secret_pubkey(got), secret_pubkey(s));
	secret_free(got);
	secret_free(s);
	got = NULL;
	assert_ok(file_write(path, span_str("too short"), 0600));
	assert_fails(secret_load(path, &got), ERR_CORRUPT);
	assert_ok(file_write(path, span_str("one byte more than thirty-two, it"), 0600));
	assert_fails(secret_load(path, &got), ERR_CORRUPT);
	assert_null(got);
}

static void what_is_sealed_opens_only_whole_with_its_key_and_context(void **state)
{
	uint8_t key[32] = {1}, other[32] = {2}, sealed[5 + SEAL_OVERHEAD], out[5] = {0};

	(void)state;
	seal(key, span_str("hello"), span_str("context"), sealed);
	assert_true(unseal(key, span_of(sealed, sizeof(sealed)), span_str("context"), out));
	assert_memory_equal(out, "hello", 5);
	assert_false(unseal(other, span_of(sealed, sizeof(sealed)), span_str("context"), out));
	assert_false(unseal(key, span_of(sealed, sizeof(sealed)), span_str("contexT"), out));
	for (size_t n = 0; n < sizeof(sealed); n++)
		assert_false(unseal(key, span_of(sealed, n), span_str("context"), out));
	for (size_t i = 0; i < sizeof(sealed); i++) {
		sealed[i] ^= 1;
		assert_false(
			unseal(key, span_of(sealed, sizeof(sealed)), span_str("context"), out));
		sealed[i] ^= 1;
	}
}

static void a_password_gives_the_same_key_for_the_same_salt(void **state)
{
	struct password_cost quick = {1, 8192};
	uint8_t salt[16] = "salt", a[32], b[32];

	(void)state;
	assert_ok(password_key(span_str("secret"), salt, quick, a));
	assert_ok(password_key(span_str("secret"), salt, quick, b));
	assert_memory_equal(a, b, 32);
	assert_ok(password_key(span_str("Secret"), salt, quick, b));
	assert_memory_not_equal(a, b, 32);
	salt[0] ^= 1;
	assert_ok(password_key(span_str("secret"), salt, quick, b));
	assert_memory_not_equal(a, b, 32);
	assert_ok(password_key(span_of(NULL, 0), salt, quick, b));
	assert_fails(password_key(span_str("secret"), salt,
				  (struct password_cost){1, LIMIT_PASSWORD_MEMORY + 1024}, b),
		     ERR_LIMIT);
	assert_fails(password_key(span_str("secret"), salt,
				  (struct password_cost){LIMIT_PASSWORD_PASSES + 1, 8192}, b),
		     ERR_LIMIT);
}

static void ids_have_one_text(void **state)
{
	struct hash h = hash_bytes(span_str("abc")), got;
	struct id_text text = id_text(&h);

	(void)state;
	assert_int_equal(strlen(text.s), 52);
	assert_memory_equal(text.s, ID_SHORT(&h), 8);
	assert_int_equal(strlen(ID_SHORT(&h)), 8);
	assert_true(id_parse(text.s, &got));
	assert_id_equal(&got, &h);
	text.s[51] = 0;
	assert_false(id_parse(text.s, &got));
	assert_false(id_parse("", &got));
	text = id_text(&h);
	text.s[0] = 'A';
	assert_false(id_parse(text.s, &got));
	text = id_text(&h);
	/* The last letter has four unused bits. */
	for (const char *c = "bcdefghijklmnopr"; *c; c++) {
		text.s[51] = *c;
		assert_false(id_parse(text.s, &got));
	}
}

static void comparing_and_wiping(void **state)
{
	uint8_t a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 4}, zero[4] = {0};

	(void)state;
	assert_true(crypto_equal(a, b, 4));
	b[3]++;
	assert_false(crypto_equal(a, b, 4));
	crypto_wipe(a, 4);
	assert_memory_equal(a, zero, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_blake2b_256),
		cmocka_unit_test(signatures_are_ed25519),
		cmocka_unit_test(weak_keys_verify_nothing),
		cmocka_unit_test(new_keys_differ),
		cmocka_unit_test(a_key_file_is_private_and_comes_back),
		cmocka_unit_test(what_is_sealed_opens_only_whole_with_its_key_and_context),
		cmocka_unit_test(a_password_gives_the_same_key_for_the_same_salt),
		cmocka_unit_test(ids_have_one_text),
		cmocka_unit_test(comparing_and_wiping),
	};
	return run_group(tests);
}
