/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/successor.h"
#include "sync/base/buf.h"

static void message(const struct successor *s, struct buf *out)
{
	buf_puts(out, "lliure-successor-1");
	buf_add(out, s->from.b, 32);
	buf_add(out, s->to.b, 32);
	buf_u64(out, (uint64_t)s->time_ms);
}

struct successor successor_sign(const struct secret *from, const struct pubkey *to, int64_t time_ms)
{
	_cleanup_(buf_release) struct buf m = {0};
	struct successor s = {.from = *secret_pubkey(from), .to = *to, .time_ms = time_ms};

	message(&s, &m);
	s.sig = sign(from, buf_span(&m));
	return s;
}

bool successor_ok(const struct successor *s)
{
	_cleanup_(buf_release) struct buf m = {0};

	message(s, &m);
	return !pubkey_eq(&s->from, &s->to) && verify(&s->from, buf_span(&m), &s->sig);
}

void successor_text(const struct successor *s, char out[SUCCESSOR_TEXT])
{
	_cleanup_(buf_release) struct buf b = {0};

	buf_add(&b, s->from.b, 32);
	buf_u64(&b, (uint64_t)s->time_ms);
	buf_add(&b, s->sig.b, 64);
	base32_encode(b.p, b.n, out);
}

bool successor_parse(const char *text, const struct pubkey *to, struct successor *ret)
{
	uint8_t bytes[SUCCESSOR_BYTES];
	struct successor s = {.to = *to};
	struct reader in = reader_of(span_of(bytes, sizeof(bytes)));

	if (!text || !base32_decode(text, strlen(text), bytes, sizeof(bytes)))
		return false;
	reader_copy(&in, s.from.b, 32);
	s.time_ms = (int64_t)reader_u64(&in);
	reader_copy(&in, s.sig.b, 64);
	if (!successor_ok(&s))
		return false;
	*ret = s;
	return true;
}
