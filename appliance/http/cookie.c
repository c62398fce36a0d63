/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/cookie.h"

static struct span trim(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool plain(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i], lower = c | 0x20;

		if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') && c != '.' &&
		    c != '_' && c != '~' && c != '-')
			return false;
	}
	return s.n > 0;
}

bool cookie_get(struct span header, const char *name, struct span *ret_value)
{
	struct span found = {NULL, 0};

	while (header.n) {
		const uint8_t *semi = memchr(header.p, ';', header.n);
		size_t n = semi ? (size_t)(semi - header.p) : header.n;
		struct span pair = trim(span_of(header.p, n));
		const uint8_t *eq = pair.n ? memchr(pair.p, '=', pair.n) : NULL;

		n += semi ? 1 : 0;
		header = span_of(header.p + n, header.n - n);
		if (!eq || !span_is(span_of(pair.p, (size_t)(eq - pair.p)), name))
			continue;
		pair = span_of(eq + 1, pair.n - (size_t)(eq - pair.p) - 1);
		if (!plain(pair) || (found.p && !span_eq(found, pair)))
			return false;
		found = pair;
	}
	if (!found.p)
		return false;
	*ret_value = found;
	return true;
}

void cookie_write(struct buf *out, const char *name, const char *value, int64_t max_age_s,
		  unsigned flags)
{
	buf_printf(out, "%s=%s; Path=/; SameSite=Lax", name, value);
	if (max_age_s >= 0)
		buf_printf(out, "; Max-Age=%lld", (long long)max_age_s);
	if (!(flags & COOKIE_SCRIPT))
		buf_puts(out, "; HttpOnly");
	if (flags & COOKIE_SECURE)
		buf_puts(out, "; Secure");
}
