/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Spans and readers, buffers, arenas, base32, errors. */
#include "tests/lib/test.h"
#include "sync/base/arena.h"
#include "sync/base/buf.h"

static void a_reader_stops_at_the_end_for_good(void **state)
{
	static const uint8_t bytes[] = {1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 6};
	struct reader r = reader_of(span_of(bytes, sizeof(bytes)));
	uint8_t copy[4] = {9, 9, 9, 9}, zero[4] = {0};

	(void)state;
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_u16(&r), 2);
	assert_int_equal(reader_u32(&r), 3);
	assert_int_equal(reader_u64(&r), 4);
	assert_false(reader_at_end(&r));
	reader_copy(&r, copy, 3);
	assert_memory_equal(copy, zero, 3);
	assert_false(reader_ok(&r));
	assert_int_equal(reader_u8(&r), 0); /* though a byte is left */
	assert_false(reader_at_end(&r));
	r = reader_of(span_of(bytes, 2));
	assert_int_equal(reader_bytes(&r, 2).n, 2);
	assert_true(reader_at_end(&r));
	assert_int_equal(reader_bytes(&r, SIZE_MAX).n, 0);
	assert_false(reader_ok(&r));
}

static void spans_compare_by_content(void **state)
{
	(void)state;
	assert_true(span_is(span_of("abc", 2), "ab"));
	assert_false(span_is(span_of("abc", 3), "ab"));
	assert_true(span_eq(span_of(NULL, 0), span_str("")));
}

static void a_buffer_grows_and_stays_terminated(void **state)
{
	_cleanup_(buf_release) struct buf b = {0};
	char *stolen;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 1000; i++) {
		buf_printf(&b, "%d,", i);
		assert_int_equal(b.p[b.n], 0);
	}
	assert_int_equal(b.n, 3890);
	buf_drop(&b, 3885);
	assert_string_equal(buf_str(&b), ",999,");
	buf_drop(&b, 100);
	assert_int_equal(b.n, 0);
	buf_u8(&b, 1);
	buf_u16(&b, 0x0302);
	buf_u32(&b, 0x07060504);
	buf_u64(&b, 0x0f0e0d0c0b0a0908);
	for (uint8_t i = 0; i < 15; i++)
		assert_int_equal(b.p[i], i + 1);
	buf_clear(&b);
	buf_putc(&b, 'x');
	stolen = buf_steal(&b);
	assert_string_equal(stolen, "x");
	assert_int_equal(b.n, 0);
	free(stolen);
}

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
	struct arena a = {0};

	(void)state;
	for (size_t n = 1; n < 9000; n += 97) {
		uint8_t *p = arena_alloc(&a, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	assert_string_equal(arena_printf(&a, "%d-%s", 5, "x"), "5-x");
	assert_string_equal(arena_strn(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_str(&a, ""), "");
	assert_memory_equal(arena_copy(&a, "xyz", 3), "xyz", 3);
	assert_true(a.used > 9000);
	arena_release(&a);
	assert_int_equal(a.used, 0);
}

/* RFC 4648 section 10, lower case and without padding. */
static void base32_is_that_of_the_rfc(void **state)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "my"},
					      {"fo", "mzxq"},
					      {"foo", "mzxw6"},
					      {"foob", "mzxw6yq"},
					      {"fooba", "mzxw6ytb"},
					      {"foobar", "mzxw6ytboi"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i][0]);
		char text[32], back[16] = "";

		assert_string_equal(base32_encode(rows[i][0], n, text), rows[i][1]);
		assert_int_equal(strlen(text), BASE32_LEN(n));
		assert_true(base32_decode(text, strlen(text), back, n));
		assert_string_equal(back, rows[i][0]);
	}
}

static void base32_is_strict(void **state)
{
	uint8_t out[4];

	(void)state;
	assert_false(base32_decode("MY", 2, out, 1));
	assert_false(base32_decode("m1", 2, out, 1));
	assert_false(base32_decode("mz", 2, out, 1)); /* unused bits */
	assert_false(base32_decode("my=", 3, out, 1));
	assert_false(base32_decode("m", 1, out, 1));
	assert_false(base32_decode("my", 2, out, 2));
}

static const char *to_catalan(void *ctx, const char *msgid)
{
	(void)ctx;
	(void)msgid;
	return "%2$s abans de %1$s, %3$s";
}

static void an_error_speaks_the_readers_language(void **state)
{
	struct error *e = error_new(ERR_CONFLICT, N_("%s after %s"), "one", "two");
	struct error *copy = error_copy(e);
	char text[100], cut[6];

	(void)state;
	assert_string_equal(error_english(e), "one after two");
	assert_string_equal(error_text(copy, to_catalan, NULL, text, sizeof(text)),
			    "two abans de one, ?");
	assert_string_equal(error_text(e, NULL, NULL, cut, sizeof(cut)), "one a");
	assert_int_equal(error_http_status(error_code(e)), 409);
	assert_int_equal(error_exit_status(ERR_USAGE), 2);
	assert_string_equal(error_name(ERR_NOT_FOUND), "not-found");
	assert_int_equal(error_of_name("not-found and more", 9), ERR_NOT_FOUND);
	assert_int_equal(error_of_name("not-foun", 8), ERR_NONE);
	assert_int_equal(error_of_name("", 0), ERR_NONE);
	assert_true(error_is(e, ERR_CONFLICT));
	assert_false(error_is(NULL, ERR_CONFLICT));
	error_replace(&e, NULL);
	assert_null(e);
	error_free(copy);
}

static void an_argument_with_a_percent_sign_is_only_text(void **state)
{
	struct error *e = error_new(ERR_IO, N_("The file %s is odd: 100%%."), "%s%n%1$s");

	(void)state;
	assert_string_equal(error_english(e), "The file %s%n%1$s is odd: 100%.");
	error_free(e);
}

static void the_fake_clock_moves_only_by_hand(void **state)
{
	struct test_env t, same;
	uint8_t a[8], b[8];

	(void)state;
	test_env_init(&t, 5000, 7);
	test_env_init(&same, 5000, 7);
	assert_int_equal(env_now(&t.env), 5000);
	test_env_pass(&t, 10);
	assert_int_equal(env_now(&t.env), 5010);
	env_random(&t.env, a, 8);
	env_random(&same.env, b, 8);
	assert_memory_equal(a, b, 8);
	assert_true(env_now(&env_system) > 0);
	env_random(&env_system, b, 8);
	assert_memory_not_equal(a, b, 8);
}

static const char *to_catalan_too(void *ctx, const char *msgid)
{
	(void)ctx;
	return strcmp(msgid, "%s answered %s.") ? msgid : "%2$s va respondre %1$s.";
}

static void what_is_stored_is_said_later_in_any_language(void **state)
{
	struct error *e = error_new(ERR_NET, "%s answered %s.", "Ateneu", "404");
	char kept[100], text[100];

	snprintf(kept, sizeof(kept), "%s", error_stored(e));
	error_free(e);
	assert_string_equal(error_stored_text(kept, NULL, NULL, text, sizeof(text)),
			    "Ateneu answered 404.");
	assert_string_equal(error_stored_text(kept, to_catalan_too, NULL, text, sizeof(text)),
			    "404 va respondre Ateneu.");
	/* What was kept before, or said without arguments, is a sentence as it is. */
	assert_string_equal(error_stored_text("It is 5 %.", NULL, NULL, text, sizeof(text)),
			    "It is 5 %.");
	assert_string_equal(error_stored_text("", to_catalan_too, NULL, text, sizeof(text)), "");
	/* Cut off, or with more than there may be. */
	assert_string_equal(error_stored_text("%s, %s", NULL, NULL, text, sizeof(text)), "?, ?");
	assert_string_equal(error_stored_text("%s\037a\037\037b\037c\037d", NULL, NULL, text,
					      sizeof(text)),
			    "a");
	assert_string_equal(error_stored_text("\037%s", NULL, NULL, text, sizeof(text)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_stops_at_the_end_for_good),
		cmocka_unit_test(spans_compare_by_content),
		cmocka_unit_test(a_buffer_grows_and_stays_terminated),
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(base32_is_that_of_the_rfc),
		cmocka_unit_test(base32_is_strict),
		cmocka_unit_test(an_error_speaks_the_readers_language),
		cmocka_unit_test(an_argument_with_a_percent_sign_is_only_text),
		cmocka_unit_test(what_is_stored_is_said_later_in_any_language),
		cmocka_unit_test(the_fake_clock_moves_only_by_hand),
	};
	return run_group(tests);
}
