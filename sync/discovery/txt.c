/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/discovery/txt.h"
#include <strings.h>

size_t txt_write(const struct txt *t, char out[TXT_ITEMS][TXT_ITEM])
{
	char digest[BASE32_LEN(DISCOVERY_DIGEST) + 1];
	size_t n = 0;

	snprintf(out[n++], TXT_ITEM, "v=1");
	snprintf(out[n++], TXT_ITEM, "k=%s", ID(&t->key));
	if (t->has_digest)
		snprintf(out[n++], TXT_ITEM, "d=%s",
			 base32_encode(t->digest, DISCOVERY_DIGEST, digest));
	if (t->http_port)
		snprintf(out[n++], TXT_ITEM, "h=%d", t->http_port);
	return n;
}

/* The value of the first item of that one-letter name; p is NULL when there is none. */
static struct span value_of(const struct span *items, size_t n, char name)
{
	char pair[2] = {name, '='};

	for (size_t i = 0; i < n; i++)
		if (items[i].n >= 2 && strncasecmp((const char *)items[i].p, pair, 2) == 0)
			return span_of(items[i].p + 2, items[i].n - 2);
	return span_of(NULL, 0);
}

static int port_of(struct span v)
{
	int port = 0;

	if (!v.n || v.n > 5)
		return 0;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return 0;
		port = port * 10 + v.p[i] - '0';
	}
	return port < 65536 ? port : 0;
}

bool txt_read(const struct span *items, size_t n, struct txt *ret)
{
	struct txt t = {.has_digest = false};
	struct span key = value_of(items, n, 'k'), digest = value_of(items, n, 'd');

	if (!span_is(value_of(items, n, 'v'), "1") || !key.p ||
	    !base32_decode((const char *)key.p, key.n, t.key.b, 32))
		return false;
	t.has_digest = digest.p &&
		       base32_decode((const char *)digest.p, digest.n, t.digest, DISCOVERY_DIGEST);
	t.http_port = port_of(value_of(items, n, 'h'));
	*ret = t;
	return true;
}

bool txt_eq(const struct txt *a, const struct txt *b)
{
	return pubkey_eq(&a->key, &b->key) && a->has_digest == b->has_digest &&
	       memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 && a->http_port == b->http_port;
}
