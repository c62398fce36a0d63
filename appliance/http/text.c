/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/text.h"
#include "sync/base/error.h"

/* The length of the sequence that begins with this byte, 0 for none; *ret_min is the lowest code
 * point that may be written so long. */
static size_t sequence(uint8_t first, uint32_t *ret_point, uint32_t *ret_min)
{
	if (first < 0x80) {
		*ret_point = first;
		*ret_min = 0;
		return 1;
	}
	if ((first & 0xe0) == 0xc0) {
		*ret_point = first & 0x1f;
		*ret_min = 0x80;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*ret_point = first & 0x0f;
		*ret_min = 0x800;
		return 3;
	}
	if ((first & 0xf8) == 0xf0) {
		*ret_point = first & 0x07;
		*ret_min = 0x10000;
		return 4;
	}
	return 0;
}

bool http_text_is_utf8(struct span s)
{
	for (size_t i = 0; i < s.n;) {
		uint32_t point, min;
		size_t n = sequence(s.p[i], &point, &min);

		if (n == 0 || n > s.n - i)
			return false;
		for (size_t k = 1; k < n; k++) {
			if ((s.p[i + k] & 0xc0) != 0x80)
				return false;
			point = point << 6 | (s.p[i + k] & 0x3f);
		}
		if (point < min || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
			return false;
		i += n;
	}
	return true;
}

static bool is_text(const char *p, size_t n)
{
	return memchr(p, 0, n) == NULL && http_text_is_utf8(span_of(p, n));
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *http_text_unescape(struct arena *a, struct span s, bool form)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c == '%') {
			if (s.n - i < 3 || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0)
				return NULL;
			c = (uint8_t)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
			i += 2;
		} else if (form && c == '+') {
			c = ' ';
		}
		out[n++] = (char)c;
	}
	return is_text(out, n) ? out : NULL;
}

char *http_text_lines(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r') {
			out[n++] = '\n';
			if (i + 1 < s.n && s.p[i + 1] == '\n')
				i++;
		} else {
			out[n++] = (char)s.p[i];
		}
	}
	return is_text(out, n) ? out : NULL;
}

bool http_text_is_line(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		/* U+202A…U+202E and U+2066…U+2069 turn text around; U+0080…U+009F are controls */
		if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae)
			return false;
		if (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
			return false;
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			return false;
	}
	return true;
}

static char *escape(struct arena *a, const char *s, bool slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(a, strlen(s) * 3 + 1), *o = out;

	for (; *s; s++) {
		uint8_t c = (uint8_t)*s;
		bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');

		if (alnum || strchr("-._~", c) || (slash && c == '/')) {
			*o++ = (char)c;
		} else {
			*o++ = '%';
			*o++ = digits[c >> 4];
			*o++ = digits[c & 15];
		}
	}
	return out;
}

char *http_text_escape_path(struct arena *a, const char *s)
{
	return escape(a, s, true);
}

char *http_text_escape_query(struct arena *a, const char *s)
{
	return escape(a, s, false);
}
