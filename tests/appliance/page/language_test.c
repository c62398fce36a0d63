/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "appliance/page/catalog.h"
#include "appliance/page/language.h"
#include "sync/base/buf.h"
#include <time.h>

/* A .mo file of n entries, in the order given; lengths are explicit because plurals hold zeros. */
struct message {
	const char *id;
	size_t id_n;
	const char *text;
	size_t text_n;
};
#define MESSAGE(id, text)                                                                          \
	{                                                                                          \
		id, sizeof(id) - 1, text, sizeof(text) - 1                                         \
	}

static void put_u32(struct buf *b, uint32_t v, bool big)
{
	buf_u32(b, big ? __builtin_bswap32(v) : v);
}

static void make_mo(const struct message *m, uint32_t n, bool big, struct buf *out)
{
	uint32_t at = 28 + 16 * n;

	put_u32(out, 0x950412de, big);
	put_u32(out, 0, big);
	put_u32(out, n, big);
	put_u32(out, 28, big);
	put_u32(out, 28 + 8 * n, big);
	put_u32(out, 0, big);
	put_u32(out, 0, big);
	for (uint32_t i = 0; i < n; i++) {
		put_u32(out, (uint32_t)m[i].id_n, big);
		put_u32(out, at, big);
		at += (uint32_t)m[i].id_n + 1;
	}
	for (uint32_t i = 0; i < n; i++) {
		put_u32(out, (uint32_t)m[i].text_n, big);
		put_u32(out, at, big);
		at += (uint32_t)m[i].text_n + 1;
	}
	for (uint32_t i = 0; i < n; i++)
		buf_add(out, m[i].id, m[i].id_n + 1);
	for (uint32_t i = 0; i < n; i++)
		buf_add(out, m[i].text, m[i].text_n + 1);
}

static const struct message sample[] = {
	MESSAGE("", "Content-Type: text/plain; charset=UTF-8\n"),
	MESSAGE("Forums", "F\303\262rums"),
	MESSAGE("Not done", ""),
	MESSAGE("one reply\0%d replies", "una resposta\0%d respostes"),
};

static struct languages *load_sample(struct buf *mo)
{
	struct asset files[2] = {{.name = "locale/ca.mo"}};
	struct languages *l = NULL;

	make_mo(sample, ARRAY_LEN(sample), false, mo);
	files[0].start = (const char *)mo->p;
	files[0].end = (const char *)mo->p + mo->n;
	assert_null(languages_load(files, &l));
	return l;
}

static void finds_messages_in_either_byte_order(void **state)
{
	for (int big = 0; big < 2; big++) {
		_cleanup_(buf_release) struct buf mo = {0};
		_cleanup_(catalog_freep) struct catalog *c = NULL;

		make_mo(sample, ARRAY_LEN(sample), big, &mo);
		assert_null(catalog_open("x.mo", buf_span(&mo), &c));
		assert_string_equal(catalog_find(c, "Forums", 0), "F\303\262rums");
		assert_string_equal(catalog_find(c, "one reply", 0), "una resposta");
		assert_string_equal(catalog_find(c, "one reply", 1), "%d respostes");
		assert_string_equal(catalog_find(c, "one reply", 7), "%d respostes");
		assert_null(catalog_find(c, "Not done", 0));
		assert_null(catalog_find(c, "Nowhere", 0));
	}
}

static void refuses_a_catalog_that_is_cut_anywhere(void **state)
{
	_cleanup_(buf_release) struct buf mo = {0};

	make_mo(sample, ARRAY_LEN(sample), false, &mo);
	for (size_t n = 0; n < mo.n; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* so that ASan sees a read past the end */
		struct catalog *c = NULL;
		_cleanup_(error_freep) struct error *e = NULL;

		memcpy(exact, mo.p, n);
		e = catalog_open("x.mo", span_of(exact, n), &c);
		assert_null(c);
		assert_int_equal(error_code(e), ERR_MALFORMED);
		free(exact);
	}
}

static void refuses_a_catalog_whose_messages_are_not_sorted(void **state)
{
	static const struct message wrong[] = {MESSAGE("b", "x"), MESSAGE("a", "y")};
	_cleanup_(buf_release) struct buf mo = {0};
	_cleanup_(error_freep) struct error *e = NULL;
	struct catalog *c = NULL;

	make_mo(wrong, 2, false, &mo);
	e = catalog_open("locale/xx.mo", buf_span(&mo), &c);
	assert_string_equal(error_english(e), "The translation file locale/xx.mo can't be used: "
					      "its messages are not in order.");
}

static void survives_every_flipped_byte_of_a_catalog(void **state)
{
	_cleanup_(buf_release) struct buf mo = {0};

	make_mo(sample, ARRAY_LEN(sample), false, &mo);
	for (size_t i = 0; i < mo.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct catalog *c = NULL;
			_cleanup_(error_freep) struct error *e = NULL;

			mo.p[i] ^= (uint8_t)(1u << bit);
			e = catalog_open("x.mo", buf_span(&mo), &c);
			for (unsigned form = 0; c && form < 3; form++) {
				catalog_find(c, "one reply", form);
				catalog_find(c, "Forums", form);
			}
			catalog_free(c);
			mo.p[i] ^= (uint8_t)(1u << bit);
		}
	}
}

static void says_a_sentence_in_the_language_or_in_english(void **state)
{
	_cleanup_(buf_release) struct buf mo = {0};
	_cleanup_(languages_freep) struct languages *l = load_sample(&mo);
	const struct language *ca = languages_find(l, "ca"), *es = languages_find(l, "es");

	assert_string_equal(language_text(ca, "Forums"), "F\303\262rums");
	assert_string_equal(language_text(ca, "Not done"), "Not done");
	assert_string_equal(language_text(ca, ""), "");
	assert_string_equal(language_text(es, "Forums"), "Forums");
	assert_string_equal(language_plural(ca, "one reply", "%d replies", 1), "una resposta");
	assert_string_equal(language_plural(ca, "one reply", "%d replies", 0), "%d respostes");
	assert_string_equal(language_plural(es, "one reply", "%d replies", 1), "one reply");
	assert_string_equal(language_plural(es, "one reply", "%d replies", 5), "%d replies");
}

static void assert_picks(const struct languages *l, const char *choice, const char *accept,
			 const char *code)
{
	assert_string_equal(language_code(languages_pick(l, choice, accept, NULL)), code);
}

static void gives_the_reader_the_language_that_was_asked_for(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;

	assert_null(languages_load(NULL, &l));
	assert_picks(l, NULL, NULL, "en");
	assert_picks(l, "", "", "en");
	assert_picks(l, "es", "ca", "es");
	assert_picks(l, "xx", "ca", "ca");
	assert_picks(l, NULL, "ca-ES, es;q=0.9, en;q=0.8", "ca");
	assert_picks(l, NULL, "fr-FR,fr;q=0.9,es-419;q=0.8,en;q=0.7", "es");
	assert_picks(l, NULL, "en;q=0.2,ca;q=0.9", "ca");
	assert_picks(l, NULL, "CA", "ca");
	assert_picks(l, NULL, "ca;q=0, es;q=0.001", "es");
	assert_picks(l, NULL, "de, *;q=0.5", "en");
	assert_picks(l, NULL, ",,;;q=,q=1,-", "en");
	assert_picks(l, NULL, "cat, casual", "en");
	assert_picks(l, NULL, "es;q=0.5, ca;q=9999999999999999999", "ca");
}

static void offers_each_language_in_its_own_words(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;

	assert_null(languages_load(NULL, &l));
	assert_int_equal(languages_count(l), 3);
	assert_string_equal(language_name(languages_at(l, 0)), "Catal\303\240");
	assert_string_equal(language_name(languages_at(l, 1)), "Espa\303\261ol");
	assert_string_equal(language_name(languages_at(l, 2)), "English");
	assert_null(languages_find(l, "fr"));
}

static void writes_dates_in_words(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	int64_t t = 1795472040000; /* 2026-11-23T22:14:00Z */
	char b[LANGUAGE_TEXT];
	const struct language *ca, *es, *en;

	assert_null(languages_load(NULL, &l));
	ca = languages_find(l, "ca");
	es = languages_find(l, "es");
	en = languages_find(l, "en");
	assert_string_equal(language_date(ca, t, b, sizeof(b)), "23 de novembre de 2026, 22:14");
	assert_string_equal(language_date(es, t, b, sizeof(b)), "23 de noviembre de 2026, 22:14");
	assert_string_equal(language_date(en, t, b, sizeof(b)), "23 November 2026, 22:14");
	assert_string_equal(language_date_short(ca, t, b, sizeof(b)), "23 nov. 2026, 22:14");
	assert_string_equal(language_day(en, -1, b, sizeof(b)), "31 December 1969");
	language_date(en, INT64_MAX, b, sizeof(b));
	language_date(en, INT64_MIN, b, sizeof(b));
	assert_string_equal(language_date(ca, t, b, 6), "23 de");
}

static void writes_how_long_ago_something_was(void **state)
{
	static const struct {
		int64_t seconds;
		const char *ca, *en;
	} rows[] = {
		{0, "ara mateix", "just now"},
		{59, "ara mateix", "just now"},
		{60, "fa un minut", "a minute ago"},
		{300, "fa 5 minuts", "5 minutes ago"},
		{3600, "fa una hora", "an hour ago"},
		{86399, "fa 23 hores", "23 hours ago"},
		{86400, "fa un dia", "a day ago"},
		{29 * 86400, "fa 29 dies", "29 days ago"},
		{30 * 86400, "24 d'octubre de 2026", "24 October 2026"},
		{-3600, "23 de novembre de 2026", "23 November 2026"},
	};
	_cleanup_(languages_freep) struct languages *l = NULL;
	int64_t now = 1795472040000;
	char b[LANGUAGE_TEXT];

	assert_null(languages_load(NULL, &l));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t t = now - rows[i].seconds * 1000;

		assert_string_equal(language_ago(languages_find(l, "ca"), t, now, b, sizeof(b)),
				    rows[i].ca);
		assert_string_equal(language_ago(languages_find(l, "en"), t, now, b, sizeof(b)),
				    rows[i].en);
	}
}

static void writes_numbers_and_sizes(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	const struct language *ca, *en;
	char b[LANGUAGE_TEXT];

	assert_null(languages_load(NULL, &l));
	ca = languages_find(l, "ca");
	en = languages_find(l, "en");
	assert_string_equal(language_number(ca, 1234567, b, sizeof(b)), "1.234.567");
	assert_string_equal(language_number(en, -123456, b, sizeof(b)), "-123,456");
	assert_string_equal(language_number(en, 999, b, sizeof(b)), "999");
	assert_string_equal(language_number(en, INT64_MIN, b, sizeof(b)),
			    "-9,223,372,036,854,775,808");
	assert_string_equal(language_size(ca, 1440000000, b, sizeof(b)), "1,4 GB");
	assert_string_equal(language_size(en, 640, b, sizeof(b)), "640 bytes");
	assert_string_equal(language_size(en, 23456789, b, sizeof(b)), "23 MB");
	assert_string_equal(language_size(en, UINT64_MAX, b, sizeof(b)), "18 EB");
}

static void every_language_of_the_table_is_whole(void **state)
{
	_cleanup_(languages_freep) struct languages *l = NULL;
	char b[LANGUAGE_TEXT];

	assert_null(languages_load(assets, &l));
	for (size_t i = 0; i < languages_count(l); i++) {
		const struct language *one = languages_at(l, i);

		assert_true(strlen(language_code(one)) >= 2 && *language_name(one));
		for (int m = 0; m < 12; m++) {
			language_date(one, m * 31LL * 86400000, b, sizeof(b));
			assert_null(strstr(b, "(null)"));
			language_date_short(one, m * 31LL * 86400000, b, sizeof(b));
			assert_null(strstr(b, "(null)"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_messages_in_either_byte_order),
		cmocka_unit_test(refuses_a_catalog_that_is_cut_anywhere),
		cmocka_unit_test(refuses_a_catalog_whose_messages_are_not_sorted),
		cmocka_unit_test(survives_every_flipped_byte_of_a_catalog),
		cmocka_unit_test(says_a_sentence_in_the_language_or_in_english),
		cmocka_unit_test(gives_the_reader_the_language_that_was_asked_for),
		cmocka_unit_test(offers_each_language_in_its_own_words),
		cmocka_unit_test(writes_dates_in_words),
		cmocka_unit_test(writes_how_long_ago_something_was),
		cmocka_unit_test(writes_numbers_and_sizes),
		cmocka_unit_test(every_language_of_the_table_is_whole),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests_name("language", tests, NULL, NULL);
}
