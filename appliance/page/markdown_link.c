/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/markdown_priv.h"
#include "appliance/page/mustache.h"
#include <strings.h>

static bool is_letter(uint8_t c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}
static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The length of "scheme:" (RFC 3986 section 3.1), 0 when the address has none. */
static size_t scheme_length(const char *url)
{
	size_t n = 0;

	if (!is_letter((uint8_t)url[0]))
		return 0;
	while (is_letter((uint8_t)url[n]) || is_digit((uint8_t)url[n]) ||
	       (url[n] && strchr("+-.", url[n])))
		n++;
	return url[n] == ':' ? n + 1 : 0;
}

enum link_kind markdown_link_kind(const char *url)
{
	static const struct {
		const char *scheme;
		enum link_kind kind;
	} schemes[] = {{"http:", LINK_OUTSIDE}, {"https:", LINK_OUTSIDE}, {"mailto:", LINK_MAIL}};
	size_t n = scheme_length(url);

	if (!n)
		return url[0] == '/' && url[1] == '/' ? LINK_OUTSIDE : LINK_HERE;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strlen(schemes[i].scheme) == n && strncasecmp(url, schemes[i].scheme, n) == 0)
			return schemes[i].kind;
	return LINK_REFUSED;
}

/* A backslash, which browsers take for a slash, control characters and spaces are encoded too, so
 * what looks like an address within this box can't become another. */
void markdown_href(struct buf *out, struct span url)
{
	for (size_t i = 0; i < url.n; i++) {
		uint8_t c = url.p[i];

		if (c == '&')
			buf_puts(out, "&amp;");
		else if (c == '\'')
			buf_puts(out, "&#39;");
		else if (is_letter(c) || is_digit(c) || (c && strchr("-_.+!*(),%#@?=;:/$~", c)))
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void markdown_anchor(struct buf *out, enum link_kind kind, struct span url)
{
	buf_puts(out, "<a href=\"");
	markdown_href(out, url);
	buf_puts(out, kind == LINK_OUTSIDE ? "\" rel=\"nofollow noopener\">" : "\">");
}

static bool starts_with(struct span s, size_t at, const char *what)
{
	size_t n = strlen(what);

	return s.n - at >= n && memcmp(s.p + at, what, n) == 0;
}

/* Without the punctuation that ends a sentence, and the closing parenthesis that was opened
 * before the address, as GitHub's rule for bare addresses has it. */
static size_t trimmed(struct span s, size_t from, size_t to)
{
	size_t open = 0, closed = 0;

	for (size_t i = from; i < to; i++) {
		open += s.p[i] == '(';
		closed += s.p[i] == ')';
	}
	for (; to > from; to--) {
		uint8_t c = s.p[to - 1];

		if (c == ')' && closed > open)
			closed--;
		else if (c == ')' || !strchr("?!.,:;*_~'\"", c))
			break;
	}
	return to;
}

struct span markdown_find_address(struct span s, size_t *at)
{
	for (size_t i = *at; i < s.n; i++) {
		size_t scheme, to;
		const uint8_t *h = memchr(s.p + i, 'h', s.n - i);

		if (!h)
			break;
		i = (size_t)(h - s.p);
		scheme = starts_with(s, i, "https://") ? 8 : starts_with(s, i, "http://") ? 7 : 0;
		if (!scheme || (i && (is_letter(s.p[i - 1]) || is_digit(s.p[i - 1]))))
			continue;
		for (to = i + scheme; to < s.n && s.p[to] > ' ' && s.p[to] != '<';)
			to++;
		to = trimmed(s, i + scheme, to);
		if (to == i + scheme || !(is_letter(s.p[i + scheme]) || is_digit(s.p[i + scheme]) ||
					  s.p[i + scheme] >= 0x80))
			continue;
		*at = i;
		return span_of(s.p + i, to - i);
	}
	*at = s.n;
	return (struct span){0};
}
