/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading and writing cookies, RFC 6265. Pure. */
#pragma once
#include "sync/base/buf.h"

/* The value of the cookie `name` in a Cookie header, borrowed from it. False when it is absent,
 * when its value has a byte outside of [A-Za-z0-9._~-], and when two with different values were
 * sent (a neighbour on the same host has planted one: we do not guess which is ours). */
bool cookie_get(struct span header, const char *name, struct span *ret_value);

enum cookie_flags { COOKIE_SECURE = 1, COOKIE_SCRIPT = 2 /* not HttpOnly */ };
/* A Set-Cookie value: Path=/, SameSite=Lax, HttpOnly. max_age_s < 0: until the browser closes. */
void cookie_write(struct buf *out, const char *name, const char *value, int64_t max_age_s,
		  unsigned flags);
