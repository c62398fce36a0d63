/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/library/path.h"
#include "sync/base/limits.h"

static void takes_names_that_people_would_give(void **state)
{
	static const char *const good[] = {"activitats",
					   "normes/sala-gran",
					   "actes/2026-11",
					   "v1.2",
					   "què-és-això",
					   "col·laboració",
					   "a/b/c/d/e/f/g/h",
					   "1",
					   "consol",
					   "com",
					   "git",
					   "readme.txt"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(path_check(good[i]));
}

static void refuses_names_that_surprise_git_disks_or_browsers(void **state)
{
	static const char *const bad[] = {"",
					  "/",
					  "a/",
					  "/a",
					  "a//b",
					  ".git",
					  "a/.git",
					  "-rf",
					  "a/-x",
					  "..",
					  "a..b",
					  "a.",
					  "a./b",
					  "A",
					  "a b",
					  "a\nb",
					  "a\tb",
					  "a\\b",
					  "a~1",
					  "@x",
					  "a:b",
					  "con ",
					  "a\x01",
					  "\xe2\x80\xae"
					  "a",
					  "a\xcc\x80",
					  "\xff",
					  ".gitmodules",
					  "g\xe2\x80\x8cit",
					  "a/b/c/d/e/f/g/h/i",
					  "a*",
					  "<a>",
					  "a%2f",
					  "?",
					  "#"};
	static const char *const meant_elsewhere[] = {
		"a.git", "x.git/config", "main.lock", "con",	"aux.txt", "a/nul",
		"com1",	 "lpt9.x",	 "pàgina.md", "a.json", ".GIT",	   "git~1",
		"a/..",	 "a/../b",	 "--help",    "Àngels", "\xc3",	   "\xc3\x28"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_fails(path_check(bad[i]), ERR_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(meant_elsewhere); i++)
		assert_fails(path_check(meant_elsewhere[i]), ERR_INVALID);
}

static void refuses_a_name_that_is_too_long(void **state)
{
	char path[LIMIT_PATH + 2];

	memset(path, 'a', sizeof(path) - 1);
	path[LIMIT_PATH + 1] = 0;
	assert_fails(path_check(path), ERR_INVALID);
	path[LIMIT_PATH] = 0;
	assert_ok(path_check(path));
}

static void makes_a_name_from_any_title(void **state)
{
	static const struct {
		const char *title, *path;
	} rows[] = {{"Actes de juny 2026", "actes-de-juny-2026"},
		    {"Ús de la SALA GRAN!", "us-de-la-sala-gran"},
		    {"  què?  ", "que"},
		    {"日本", ""},
		    {"€ 5", "5"},
		    {"CON", "con-1"}};
	char out[LIMIT_PATH + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		path_from_title(rows[i].title, out, sizeof(out));
		assert_string_equal(out, rows[i].path);
		if (*out)
			assert_ok(path_check(out));
	}
}

static void a_path_that_nobody_chose_is_made_of_the_title(void **state)
{
	static const struct {
		const char *folder, *title;
		int try;
		const char *path;
	} rows[] = {{"", "Actes de juny 2026", 1, "actes-de-juny-2026"},
		    {"actes/", "Juny", 2, "actes/juny-2"},
		    {"", "日本", 1, "page"},
		    {"", "日本", 12, "page-12"}};
	char out[LIMIT_PATH + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		path_made(rows[i].folder, rows[i].title, rows[i].try, out);
		assert_string_equal(out, rows[i].path);
		assert_ok(path_check(out));
	}
}

/* Near the longest path the name is cut and the number is not, or all tries would be one. */
static void near_the_longest_path_the_number_stays(void **state)
{
	static const char part[] = "nom-de-carpeta-que-es-prou-llarg-x/";
	char folder[LIMIT_PATH + 1] = "", first[LIMIT_PATH + 1], second[LIMIT_PATH + 1];

	(void)state;
	for (size_t n = 0; n < 7 * sizeof(part) - 7; n += sizeof(part) - 1)
		memcpy(folder + n, part, sizeof(part));
	path_made(folder, "Actes de juny de dos mil vint-i-sis", 1, first);
	path_made(folder, "Actes de juny de dos mil vint-i-sis", 2, second);
	assert_true(strlen(first) <= LIMIT_PATH && strlen(second) <= LIMIT_PATH);
	assert_string_not_equal(first, second);
	assert_string_equal(second + strlen(second) - 2, "-2");
	assert_ok(path_check(first));
	assert_ok(path_check(second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_names_that_people_would_give),
		cmocka_unit_test(refuses_names_that_surprise_git_disks_or_browsers),
		cmocka_unit_test(refuses_a_name_that_is_too_long),
		cmocka_unit_test(makes_a_name_from_any_title),
		cmocka_unit_test(a_path_that_nobody_chose_is_made_of_the_title),
		cmocka_unit_test(near_the_longest_path_the_number_stays),
	};

	return run_group(tests);
}
