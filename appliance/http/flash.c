/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A sentence shown once on the page after a POST, without a session. The cookie holds the message
 * id and a code that only this process can make, so nobody can put their own words on a page of
 * ours; an unsigned, old or foreign one is ignored.
 */
#include "appliance/http/http_priv.h"

static const char cookie_name[] = "lliure-said";
enum { CODE = 16, MSG_MAX = 300 };

static void code_of(const struct request *r, const void *msg, size_t n, uint8_t out[CODE])
{
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, "lliure-flash-1", 14);
	hash_add(&st, r->server->secret, sizeof(r->server->secret));
	hash_add(&st, msg, n);
	h = hash_final(&st);
	memcpy(out, h.b, CODE);
}

void flash_set(struct request *r, const char *msgid)
{
	size_t n = strlen(msgid);
	uint8_t code[CODE];
	char *value;

	if (n > MSG_MAX)
		return;
	code_of(r, msgid, n, code);
	value = arena_alloc(&r->arena, BASE32_LEN(CODE) + BASE32_LEN(MSG_MAX) + 2);
	base32_encode(code, CODE, value);
	value[BASE32_LEN(CODE)] = '.';
	base32_encode(msgid, n, value + BASE32_LEN(CODE) + 1);
	respond_cookie(r, cookie_name, value, 60, false);
}

bool flash_waits(struct request *r)
{
	struct span v;

	return request_cookie(r, cookie_name, &v);
}

json_t *flash_take(struct request *r)
{
	uint8_t code[CODE], want[CODE];
	char msg[MSG_MAX + 1];
	struct span v;
	size_t n;

	if (!request_cookie(r, cookie_name, &v))
		return NULL;
	respond_cookie(r, cookie_name, "", 0, false);
	if (v.n <= BASE32_LEN(CODE) + 1 || v.p[BASE32_LEN(CODE)] != '.')
		return NULL;
	v.n -= BASE32_LEN(CODE) + 1;
	n = v.n * 5 / 8;
	if (n > MSG_MAX || !base32_decode((const char *)v.p, BASE32_LEN(CODE), code, CODE) ||
	    !base32_decode((const char *)v.p + BASE32_LEN(CODE) + 1, v.n, msg, n))
		return NULL;
	msg[n] = 0;
	code_of(r, msg, n, want);
	if (!crypto_equal(code, want, CODE))
		return NULL;
	return json_pack("{s:s, s:s}", "kind", "ok", "text", request_text(r, msg));
}
