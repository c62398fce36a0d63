/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a text in an op may be made of. */
#include "appliance/community/op_text.h"
#include "sync/base/limits.h"
#include "sync/base/line.h"

/* Eight bytes at a time: is there one that is no printable ASCII, a quote or a backslash? Where it
 * says so, there may be none; where it does not, there is none. */
static bool has_special(uint64_t x)
{
	const uint64_t ones = 0x0101010101010101, high = ones << 7;
	uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
	uint64_t low = x - ones * 0x20, del = x + ones;

	return (x | low | del | (quote - ones) | (slash - ones)) & high;
}

size_t text_plain(struct span s)
{
	size_t at = 0;
	uint64_t x;

	for (; s.n - at >= sizeof(x); at += sizeof(x)) {
		memcpy(&x, s.p + at, sizeof(x));
		if (has_special(x))
			break;
	}
	while (at < s.n && s.p[at] >= 0x20 && s.p[at] < 0x7f && s.p[at] != '"' && s.p[at] != '\\')
		at++;
	return at;
}

int32_t text_next(const uint8_t **p, const uint8_t *end)
{
	uint32_t c;
	size_t n = utf8_next((struct span){*p, (size_t)(end - *p)}, &c);

	*p += n;
	return n ? (int32_t)c : -1;
}

/* Controls, and what turns the direction of the text around it. */
static bool is_control(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
	       (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool text_is_line(struct span s)
{
	const uint8_t *p = s.p, *end = s.p + s.n;

	for (p += text_plain(s); p < end; p += text_plain(span_of(p, (size_t)(end - p)))) {
		int32_t c = text_next(&p, end);

		if (c < 0 || is_control(c))
			return false;
	}
	return s.n > 0;
}

bool text_is_text(struct span s)
{
	const uint8_t *p = s.p, *end = s.p + s.n;

	for (p += text_plain(s); p < end; p += text_plain(span_of(p, (size_t)(end - p)))) {
		int32_t c = text_next(&p, end);

		if (c < 0 || (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0))
			return false;
	}
	return true;
}

bool text_is_slug(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!word && (c != '-' || i == 0 || i + 1 == s.n || s.p[i - 1] == '-'))
			return false;
	}
	return s.n > 0 && s.n <= LIMIT_SLUG;
}
