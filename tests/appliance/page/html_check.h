/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What markdown_html may write, as a strict grammar: known tags with known attributes in double
 * quotes, addresses with known schemes, no other "<" or ">". Used by the test and the fuzzer. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static inline bool html_is_one_of(const char *s, size_t n, const char *const *list)
{
	for (; *list; list++)
		if (strlen(*list) == n && memcmp(*list, s, n) == 0)
			return true;
	return false;
}

static inline bool html_address_is_safe(const char *s, size_t n, bool picture)
{
	size_t k = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	bool scheme = k < n && s[k] == ':' && (s[0] | 32) >= 'a' && (s[0] | 32) <= 'z';

	if (!scheme)
		return !picture || !(n > 1 && s[0] == '/' && s[1] == '/');
	return !picture && (strncasecmp(s, "http:", 5) == 0 || strncasecmp(s, "https:", 6) == 0 ||
			    strncasecmp(s, "mailto:", 7) == 0);
}

/* The end of the tag that begins at s ('<'); NULL when it is not one of ours. */
static inline const char *html_check_tag(const char *s)
{
	static const char *const tags[] = {"a",	 "p",  "img", "em",	    "strong", "code", "pre",
					   "ul", "ol", "li",  "blockquote", "br",     "hr",   "h1",
					   "h2", "h3", "h4",  "h5",	    "h6",     NULL};
	static const char *const attributes[] = {"href",    "rel",   "src",   "alt",
						 "loading", "class", "start", NULL};
	size_t n;

	s += s[1] == '/' ? 2 : 1;
	n = strspn(s, "abcdefghijklmnopqrstuvwxyz123456");
	if (!html_is_one_of(s, n, tags))
		return NULL;
	for (s += n; *s == ' ' && s[1] != '/'; s += strspn(s, "\"")) {
		const char *value = strstr(s, "=\"");

		s++;
		if (!value || !html_is_one_of(s, (size_t)(value - s), attributes))
			return NULL;
		n = strcspn(value + 2, "\"<>");
		if ((*s == 'h' || (*s == 's' && s[1] == 'r')) &&
		    !html_address_is_safe(value + 2, n, *s == 's'))
			return NULL;
		s = value + 2 + n;
		if (*s != '"' || (s[1] != ' ' && s[1] != '>'))
			return NULL;
	}
	if (strncmp(s, " />", 3) == 0)
		return s + 3;
	return *s == '>' ? s + 1 : NULL;
}

/* Where the first thing is that should not be there; NULL when all is well. */
static inline const char *html_first_fault(const char *s)
{
	while (*s) {
		if (*s == '>')
			return s;
		if (*s == '<') {
			const char *end = html_check_tag(s);

			if (!end)
				return s;
			s = end;
		} else {
			s++;
		}
	}
	return NULL;
}
