/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/recovery/sheet.h"
#include <jansson.h>

static json_t *vectors(const char *which)
{
	size_t n;
	char *text = test_source_file("tests/vectors/share.json", &n);
	json_t *all = json_loadb(text, n, 0, NULL), *part;

	assert_non_null(all);
	part = json_incref(json_object_get(all, which));
	assert_true(json_array_size(part) >= 3);
	json_decref(all);
	free(text);
	return part;
}

static const char *string_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	assert_non_null(s);
	return s;
}

/* --- sharing --- */

static void check_joins(const struct share *all, unsigned n, unsigned needed,
			const uint8_t secret[32])
{
	struct share some[SHARE_MOST];
	uint8_t got[32];

	for (unsigned from = 0; from < n; from++) {
		for (unsigned k = 0; k < needed; k++)
			some[k] = all[(from + k) % n];
		share_join(some, needed, got);
		assert_memory_equal(got, secret, 32);
		share_join(some, needed - 1, got);
		assert_memory_not_equal(got, secret, 32);
	}
	share_join(all, n, got);
	assert_memory_equal(got, secret, 32);
}

static void joins_the_published_shares(void **state)
{
	json_t *list = vectors("share"), *v, *s;
	size_t i, k;

	json_array_foreach(list, i, v)
	{
		struct share shares[SHARE_MOST] = {{0}};
		json_t *of = json_object_get(v, "shares");
		uint8_t secret[32];

		test_unhex(string_of(v, "secret"), secret, 32);
		json_array_foreach(of, k, s)
		{
			shares[k].number =
				(uint8_t)json_integer_value(json_object_get(s, "number"));
			test_unhex(string_of(s, "bytes"), shares[k].bytes, 32);
		}
		check_joins(shares, (unsigned)json_array_size(of),
			    (unsigned)json_integer_value(json_object_get(v, "needed")), secret);
	}
	json_decref(list);
}

static void any_two_of_three_give_the_secret_and_one_does_not(void **state)
{
	for (int round = 0; round < 200; round++) {
		struct share s[3] = {{1}, {2}, {3}};
		uint8_t secret[32];

		crypto_random(secret, sizeof(secret));
		share_split(secret, 2, s, 3);
		check_joins(s, 3, 2, secret);
		/* Adding is xor and all numbers are small: the third is a line through the two. */
		for (int i = 0; i < 32; i++) {
			uint8_t slope_by_3 = s[0].bytes[i] ^ s[1].bytes[i]; /* a·1 + a·2 = a·3 */

			assert_int_equal(s[2].bytes[i], secret[i] ^ slope_by_3);
		}
	}
}

static void shares_of_the_same_secret_differ_each_time(void **state)
{
	struct share a[3] = {{1}, {2}, {3}}, b[3] = {{1}, {2}, {3}};
	uint8_t secret[32] = {7};

	share_split(secret, 2, a, 3);
	share_split(secret, 2, b, 3);
	for (int i = 0; i < 3; i++) {
		assert_memory_not_equal(a[i].bytes, b[i].bytes, 32);
		assert_memory_not_equal(a[i].bytes, secret, 32);
	}
}

/* --- sheets --- */

static char *typed(const struct sheet *s, const char *before, const char *between)
{
	char lines[SHEET_LINES][SHEET_LINE];
	struct buf b = {0};

	sheet_lines(s, lines);
	for (int i = 0; i < SHEET_LINES; i++)
		buf_printf(&b, "%s%s%s", before, lines[i], between);
	return buf_steal(&b);
}

static void reads(const char *text, const struct sheet *want)
{
	struct sheet got;

	assert_ok(sheet_parse(text, "1", &got));
	assert_memory_equal(&got, want, sizeof(got));
}

static void reads_and_writes_the_published_sheets(void **state)
{
	json_t *list = vectors("sheet"), *v;
	struct sheet s[3];
	struct secret *key;
	uint8_t seed[32], got[32];
	size_t i;

	json_array_foreach(list, i, v)
	{
		char lines[SHEET_LINES][SHEET_LINE], compact[SHEET_COMPACT];

		assert_ok(sheet_parse(string_of(v, "compact"), "1", &s[i]));
		assert_int_equal(s[i].share.number, i + 1);
		sheet_compact(&s[i], compact);
		assert_string_equal(compact, string_of(v, "compact"));
		sheet_lines(&s[i], lines);
		for (size_t k = 0; k < SHEET_LINES; k++)
			assert_string_equal(lines[k], json_string_value(json_array_get(
							      json_object_get(v, "lines"), k)));
		test_unhex(string_of(v, "seed"), seed, 32);
	}
	for (i = 0; i < 3; i++) {
		assert_ok(sheets_join(&s[i], &s[(i + 1) % 3], &key));
		secret_seed(key, got);
		assert_memory_equal(got, seed, 32);
		secret_free(key);
	}
	json_decref(list);
}

static void reads_what_a_tired_person_types(void **state)
{
	struct secret *box = test_key(1);
	struct sheet s[3];
	char compact[SHEET_COMPACT], *text;
	struct buf b = {0};

	sheets_make(box, s);
	text = typed(&s[0], "", "\n");
	reads(text, &s[0]);
	for (char *p = text; *p; p++) {
		if (*p == 'O')
			*p = '0';
		else if (*p == 'L')
			*p = '1';
		else if (*p == 'B')
			*p = '8';
		else if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	}
	reads(text, &s[0]);
	free(text);
	text = typed(&s[1], "  ", "\r\n\r\n");
	reads(text, &s[1]);
	free(text);
	text = typed(&s[1], "", " ");
	reads(text, &s[1]);
	free(text);
	sheet_compact(&s[2], compact);
	buf_printf(&b, "scanned: %s/10.0.0.2:8443/abc\n", compact);
	reads(buf_str(&b), &s[2]);
	buf_release(&b);
	secret_free(box);
}

static void reads_lines_with_their_numbers(void **state)
{
	struct secret *box = test_key(2);
	char lines[SHEET_LINES][SHEET_LINE];
	struct buf b = {0};
	struct sheet s[3];

	sheets_make(box, s);
	sheet_lines(&s[0], lines);
	for (int i = 0; i < SHEET_LINES; i++)
		buf_printf(&b, "%d. %s\n", i + 1, lines[i]);
	reads(buf_str(&b), &s[0]);
	buf_release(&b);
	secret_free(box);
}

/* Whatever one letter is changed to, it is noticed, and the right line is named. */
static void names_the_line_with_the_mistake(void **state)
{
	struct secret *box = test_key(3);
	struct sheet s[3], got;
	char *text;

	sheets_make(box, s);
	text = typed(&s[0], "", "\n");
	for (size_t i = 0, line = 1; text[i]; i++) {
		char was = text[i], name[16];
		struct error *e;

		line += was == '\n';
		if (was == '\n' || was == ' ')
			continue;
		text[i] = was == 'A' ? 'C' : 'A';
		e = sheet_parse(text, "1", &got);
		snprintf(name, sizeof(name), "Line %zu of", line);
		/* Ten bits of a check: one mistake in a thousand gets past the line, none past all.
		 */
		assert_non_null(e);
		if (strstr(error_english(e), "Line"))
			assert_non_null(strstr(error_english(e), name));
		error_free(e);
		text[i] = was;
	}
	text[30] = '\n';
	assert_fails(sheet_parse(text, "1", &got), ERR_INVALID);
	free(text);
	secret_free(box);
}

static void says_why(struct error *e, const char *words)
{
	assert_non_null(e);
	if (!strstr(error_english(e), words))
		fail_msg("says “%s” and not “%s”", error_english(e), words);
	error_free(e);
}

static void refuses_sheets_that_do_not_fit_together(void **state)
{
	struct secret *one = test_key(4), *other = test_key(5), *key;
	struct sheet a[3], b[3], c[3], false_one;

	sheets_make(one, a);
	sheets_make(one, b);
	sheets_make(other, c);
	says_why(sheets_join(&a[0], &b[1], &key), "different sets");
	says_why(sheets_join(&a[0], &c[1], &key), "different boxes");
	says_why(sheets_join(&a[0], &a[0], &key), "same sheet twice");
	false_one = a[1];
	false_one.share.bytes[4] ^= 1;
	says_why(sheets_join(&a[0], &false_one, &key), "not the key");
	assert_ok(sheets_join(&a[0], &a[2], &key));
	assert_true(pubkey_eq(secret_pubkey(key), secret_pubkey(one)));
	secret_free(key);
	secret_free(one);
	secret_free(other);
}

static void reads_two_sheets_from_one_text(void **state)
{
	struct secret *box = test_key(6), *key;
	struct sheet s[3];
	char *one, *two, compact[2][SHEET_COMPACT];
	struct buf b = {0};

	sheets_make(box, s);
	one = typed(&s[2], "", "\n");
	two = typed(&s[0], "", "\n");
	buf_printf(&b, "\n%s\n\n%s\n", one, two);
	assert_ok(sheets_read(buf_str(&b), &key));
	assert_true(pubkey_eq(secret_pubkey(key), secret_pubkey(box)));
	secret_free(key);
	says_why(sheets_read(one, &key), "Sheet 2");
	says_why(sheets_read("", &key), "Two sheets");
	buf_clear(&b);
	sheet_compact(&s[1], compact[0]);
	sheet_compact(&s[2], compact[1]);
	buf_printf(&b, "%s\n%s", compact[0], compact[1]);
	assert_ok(sheets_read(buf_str(&b), &key));
	secret_free(key);
	buf_release(&b);
	free(one);
	free(two);
	secret_free(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_the_published_shares),
		cmocka_unit_test(any_two_of_three_give_the_secret_and_one_does_not),
		cmocka_unit_test(shares_of_the_same_secret_differ_each_time),
		cmocka_unit_test(reads_and_writes_the_published_sheets),
		cmocka_unit_test(reads_what_a_tired_person_types),
		cmocka_unit_test(reads_lines_with_their_numbers),
		cmocka_unit_test(names_the_line_with_the_mistake),
		cmocka_unit_test(refuses_sheets_that_do_not_fit_together),
		cmocka_unit_test(reads_two_sheets_from_one_text),
	};

	return run_group(tests);
}
