/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/files/kind.h"

static const char *kind_of(const char *bytes, size_t n, const char *name)
{
	return file_kind_find(span_of(bytes, n), name)->name;
}
#define KIND(bytes, name) kind_of(bytes, sizeof(bytes) - 1, name)

static void what_a_file_is_is_read_from_its_own_bytes(void **state)
{
	assert_string_equal(KIND("%PDF-1.7\n", "acta.pdf"), "pdf");
	assert_string_equal(KIND("\x89PNG\r\n\x1a\nxxxx", "x"), "png");
	assert_string_equal(KIND("\xff\xd8\xff\xe0xxxx", "IMG.JPG"), "jpeg");
	assert_string_equal(KIND("RIFFxxxxWEBPVP8 ", "x"), "webp");
	assert_string_equal(KIND("RIFFxxxxWAVEfmt ", "x"), "wav");
	assert_string_equal(KIND("\0\0\0\x20"
				 "ftypisom",
				 "film.mov"),
			    "mp4");
	assert_string_equal(KIND("PK\x03\x04xxxxxxxxxxxxxxxxxxxxxxxxxxmimetypeapplication/"
				 "vnd.oasis.opendocument.spreadsheetPK",
				 "comptes.ods"),
			    "ods");
}

static void its_name_only_chooses_among_what_looks_alike(void **state)
{
	assert_string_equal(KIND("<html><script>alert(1)</script>", "foto.png"), "text");
	assert_string_equal(KIND("<svg xmlns='x' onload='x()'/>", "foto.svg"), "text");
	assert_string_equal(KIND("MZ\x90\0\x03", "acta.pdf"), "other");
	assert_string_equal(KIND("PK\x03\x04xx", "acta.docx"), "docx");
	assert_string_equal(KIND("PK\x03\x04xx", "acta.pdf"), "zip");
	assert_string_equal(KIND("a;b\r\n1;2\r\n", "comptes.CSV"), "csv");
	assert_string_equal(KIND("a;b\r\n1;2\r\n", "comptes.png"), "text");
}

static void text_may_be_cut_within_a_letter_only_where_the_look_ends(void **state)
{
	char head[FILE_HEAD];

	memset(head, 'a', sizeof(head));
	head[FILE_HEAD - 1] = '\xc3';
	assert_string_equal(kind_of(head, FILE_HEAD, "x"), "text");
	assert_string_equal(kind_of(head + 10, FILE_HEAD - 10, "x"), "other");
	head[5] = '\x01';
	assert_string_equal(kind_of(head, FILE_HEAD, "x"), "other");
}

static void a_name_that_is_not_on_the_list_is_a_file_and_nothing_more(void **state)
{
	assert_string_equal(file_kind_named("pdf")->end, ".pdf");
	assert_string_equal(file_kind_named("text/html")->name, "other");
	assert_string_equal(file_kind_named("")->end, ".bin");
	assert_true(file_end_is_ours("x.PDF"));
	assert_false(file_end_is_ours("x.html"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_file_is_is_read_from_its_own_bytes),
		cmocka_unit_test(its_name_only_chooses_among_what_looks_alike),
		cmocka_unit_test(text_may_be_cut_within_a_letter_only_where_the_look_ends),
		cmocka_unit_test(a_name_that_is_not_on_the_list_is_a_file_and_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
