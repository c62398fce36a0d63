/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as the head of a request, one header a line, and as a Cookie header: what is let
 * through keeps the promises that the rest of http/ stands on. */
#include "tests/fuzz/fuzz.h"
#include "appliance/http/cookie.h"
#include "appliance/http/head.h"

static void check_cookie(struct span header)
{
	struct span v;

	if (!cookie_get(header, "a", &v))
		return;
	FUZZ_CHECK(v.n > 0 && v.p >= header.p && v.p + v.n <= header.p + header.n);
	FUZZ_CHECK(!memchr(v.p, ';', v.n) && !memchr(v.p, '"', v.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head h = {.method = "POST", .target = "/x", .version = "HTTP/1.1"};
	struct span rest = span_of(data, size);
	struct arena a = {0};

	check_cookie(rest);
	while (rest.n && h.n < HEAD_HEADERS) {
		const uint8_t *end = memchr(rest.p, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.p) : rest.n;
		const uint8_t *colon = n ? memchr(rest.p, ':', n) : NULL;
		size_t name = colon ? (size_t)(colon - rest.p) : n;

		h.v[h.n++] =
			(struct header){span_of(rest.p, name),
					colon ? span_of(colon + 1, n - name - 1) : span_of("", 0)};
		n += end ? 1 : 0;
		rest = span_of(rest.p + n, rest.n - n);
	}
	if (http_head_check(&h) == REFUSE_NOTHING) {
		FUZZ_CHECK(h.length < 1000000000000000000u);
		FUZZ_CHECK(h.host.n > 0 && !memchr(h.host.p, ' ', h.host.n));
		FUZZ_CHECK(http_head_get(&h, "Transfer-Encoding").n == 0);
		FUZZ_CHECK(strlen(host_name(&a, h.host)) <= h.host.n);
	}
	arena_release(&a);
	return 0;
}
