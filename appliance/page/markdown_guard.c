/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * cmark is linear on nearly everything, and was tried with some ninety hostile texts of 200 KiB.
 * Two kinds take seconds in version 0.30.2 (Debian 12), so they are counted before:
 *
 * - Each line costs one step for every block that is open. Depth comes from markers at a line's
 *   beginning ("- - - a", "> > a") and from its indentation, so lines × deepest line bounds it.
 * - Each link that closes walks over every "![" that is still open (CVE-2023-22486).
 *
 * The limits cost at most a tenth of a second and are far beyond what a person writes.
 */
#include "appliance/page/markdown_priv.h"
#include "sync/base/limits.h"

enum { LINE_STEPS = 4 * 1000 * 1000, BRACKET_STEPS = 20 * 1000 * 1000 };

/* The length of a list marker or a quote mark at s, 0 when there is none. */
static size_t marker(const uint8_t *s, const uint8_t *end)
{
	const uint8_t *p = s;

	if (p < end && *p == '>')
		return 1;
	if (p < end && (*p == '-' || *p == '+' || *p == '*')) {
		p++;
	} else {
		while (p < end && *p >= '0' && *p <= '9')
			p++;
		if (p == s || p == end || (*p != '.' && *p != ')'))
			return 0;
		p++;
	}
	return p == end || *p == ' ' || *p == '\t' || *p == '\n' ? (size_t)(p - s) : 0;
}

/* A bound for the blocks that the line which begins at s can be inside of or open. */
static size_t line_depth(const uint8_t *s, const uint8_t *end)
{
	size_t columns = 0, markers = 0;

	while (s < end) {
		size_t n = marker(s, end);

		if (*s == ' ' || *s == '\t')
			columns += *s == ' ' ? 1 : 4;
		else if (n)
			markers++;
		else
			break;
		s += n ? n : 1;
	}
	return markers + columns / 2 + 1;
}

bool markdown_is_tame(struct span text)
{
	const uint8_t *s = text.p, *end = text.n ? text.p + text.n : s;
	uint64_t lines = 0, deepest = 0, images = 0, closers = 0;

	if (text.n > LIMIT_TEXT)
		return false;
	while (s < end) {
		const uint8_t *next = s;
		size_t depth = line_depth(s, end);

		deepest = depth > deepest ? depth : deepest;
		lines++;
		for (; next < end && *next != '\n' && *next != '\r'; next++) {
			images += *next == '!' && next + 1 < end && next[1] == '[';
			closers += *next == ']';
		}
		s = next < end ? next + 1 : end;
	}
	return lines * deepest <= LINE_STEPS && images * closers <= BRACKET_STEPS;
}

/* The length of the character at p, 0 when it is not well-formed UTF-8. */
static size_t character(const uint8_t *p, const uint8_t *end)
{
	uint32_t c = *p, smallest;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

	if (n == 1)
		return c > 0 && c < 0x80;
	if (c > 0xf4 || (size_t)(end - p) < n)
		return 0;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	smallest = n == 2 ? 0x80 : n == 3 ? 0x800 : 0x10000;
	return c < smallest || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

void markdown_put_valid(struct buf *out, struct span text)
{
	const uint8_t *p = text.p, *end = text.n ? text.p + text.n : p;

	while (p < end) {
		size_t n = character(p, end);

		if (n)
			buf_add(out, p, n);
		else
			buf_puts(out, "\xef\xbf\xbd");
		p += n ? n : 1;
	}
}
