/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/library/path.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The letters with accents, as UTF-8 pairs, and the plain letter of each. */
static const struct {
	char utf8[3], plain;
} letters[] = {{"à", 'a'}, {"á", 'a'}, {"ç", 'c'}, {"é", 'e'}, {"è", 'e'}, {"í", 'i'},
	       {"ï", 'i'}, {"ñ", 'n'}, {"ó", 'o'}, {"ò", 'o'}, {"ú", 'u'}, {"ü", 'u'}};

/* Bytes of the letter or digit at s, 0 when there is none. */
static size_t letter(const char *s)
{
	if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9'))
		return 1;
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (s[0] == letters[i].utf8[0] && s[1] == letters[i].utf8[1])
			return 2;
	return 0;
}

static size_t middle(const char *s)
{
	if (*s == '-' || (*s == '.' && s[1] != '.' && s[1] != '/' && s[1]))
		return 1;
	return s[0] == '\xC2' && s[1] == '\xB7' ? 2 : letter(s);
}

static bool ends_with(const char *s, size_t n, const char *end)
{
	size_t e = strlen(end);

	return n >= e && !memcmp(s + n - e, end, e);
}

/* Endings that mean something to git, to our own addresses (PAGE.json) or to the repository
 * (PAGE.md), and the names that Windows keeps for itself, also before a dot. */
static bool reserved(const char *s, size_t n)
{
	static const char *const endings[] = {".git", ".lock", ".md", ".json"};
	static const char *const names[] = {"con", "prn", "aux", "nul"};
	const char *dot = memchr(s, '.', n);
	size_t len = dot ? (size_t)(dot - s) : n;

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (ends_with(s, n, endings[i]))
			return true;
	for (size_t i = 0; len == 3 && i < sizeof(names) / sizeof(names[0]); i++)
		if (!memcmp(s, names[i], 3))
			return true;
	return len == 4 && (!memcmp(s, "com", 3) || !memcmp(s, "lpt", 3)) && s[3] >= '0' &&
	       s[3] <= '9';
}

/* The end of the segment at s, or NULL when it is none. */
static const char *segment(const char *s)
{
	const char *begin = s;
	size_t n = letter(s);

	if (!n)
		return NULL;
	while (n) {
		s += n;
		n = middle(s);
	}
	if ((*s && *s != '/') || reserved(begin, (size_t)(s - begin)))
		return NULL;
	return s;
}

struct error *path_check(const char *path)
{
	const char *s = path;
	int depth = 0;

	ENSURE(*path, error_new(ERR_INVALID, N_("The page needs a name.")));
	ENSURE(strlen(path) <= LIMIT_PATH,
	       error_new(ERR_INVALID, N_("That name is too long. Use a shorter one.")));
	for (;;) {
		s = segment(s);
		ENSURE(s, error_new(ERR_INVALID,
				    N_("“%s” can't be a page's name. Use small letters, digits and "
				       "hyphens;"
				       " a slash makes a folder, such as: minutes/2026-11"),
				    path));
		ENSURE(++depth <= LIMIT_PATH_DEPTH,
		       error_new(ERR_INVALID, N_("A page lies at most eight folders deep.")));
		if (!*s)
			return NULL;
		s++;
	}
}

/* What one character of a title becomes: a letter or digit, or '-' for everything else. */
static char plain(const char *s, size_t *ret_n)
{
	unsigned char c = (unsigned char)*s;

	*ret_n = 1;
	if (c < 0x80)
		return (c | 32) >= 'a' && (c | 32) <= 'z' ? (char)(c | 32)
		       : c >= '0' && c <= '9'		  ? (char)c
							  : '-';
	*ret_n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
	if (c == 0xC3 && (unsigned char)s[1] >= 0x80) {
		/* capitals lie 0x20 before the small letters */
		char small[2] = {s[0], (char)(s[1] | 0x20)};

		for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
			if (small[0] == letters[i].utf8[0] && small[1] == letters[i].utf8[1])
				return letters[i].plain;
	}
	return '-';
}

void path_from_title(const char *title, char *out, size_t n)
{
	size_t at = 0, used;

	for (const char *s = title; *s && at + 1 < n && at < 80; s += strnlen(s, used)) {
		char c = plain(s, &used);

		if (c != '-' || (at && out[at - 1] != '-'))
			out[at++] = c;
	}
	while (at && out[at - 1] == '-')
		at--;
	out[at] = 0;
	if (at && reserved(out, at) && at + 2 < n)
		snprintf(out + at, n - at, "-1");
}

void path_made(const char *folder, const char *title, int try, char out[LIMIT_PATH + 1])
{
	size_t left = LIMIT_PATH - strnlen(folder, LIMIT_PATH);
	char name[100], number[16] = "";

	path_from_title(title, name, sizeof(name));

	if (!*name)
		snprintf(name, sizeof(name), "page");
	if (try > 1)
		snprintf(number, sizeof(number), "-%d", try);
	/* Near the longest path the name is cut, and never the number: else each try would be the same. */
	left -= left < strlen(number) ? left : strlen(number);
	if (strlen(name) > left)
		name[left] = 0;
	for (size_t n = strlen(name); n && name[n - 1] == '-';)
		name[--n] = 0;
	snprintf(out, LIMIT_PATH + 1, "%s%s%s", folder, name, number);
}
