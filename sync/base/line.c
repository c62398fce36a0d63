/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/line.h"

size_t utf8_next(struct span s, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c;
	size_t n;

	if (!s.n)
		return 0;
	c = s.p[0];
	n = c < 0x80		    ? 1
	    : c >= 0xc2 && c < 0xe0 ? 2
	    : (c & 0xf0) == 0xe0    ? 3
	    : (c & 0xf8) == 0xf0    ? 4
				    : 0;
	if (!n || n > s.n)
		return 0;
	if (n > 1)
		c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return n;
}

static bool is_shown(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false; /* controls */
	if (c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return false; /* bidirectional controls */
	if (c == 0x00ad || c == 0x180e || c == 0x200b || c == 0x2028 || c == 0x2029 ||
	    (c >= 0x2060 && c <= 0x2064) || (c >= 0x206a && c <= 0x206f) || c == 0xfeff ||
	    (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f))
		return false;	       /* separators, and what can't be seen */
	return (c & 0xfffe) != 0xfffe; /* not characters at all */
}

static bool is_space(uint32_t c)
{
	return c == 0x20 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

size_t line_clean(struct span in, char *out, size_t size)
{
	size_t n = 0, end = 0; /* end: behind the last character that is not a space */

	while (in.n) {
		uint32_t c = 0;
		size_t len = utf8_next(in, &c);
		size_t step = len ? len : 1;

		if (len && is_shown(c) && !(is_space(c) && !n)) {
			if (n + len >= size)
				break;
			memcpy(out + n, in.p, len);
			n += len;
			if (!is_space(c))
				end = n;
		}
		in.p += step;
		in.n -= step;
	}
	out[end] = 0;
	return end;
}
