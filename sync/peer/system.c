/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/system.h"
#include "sync/base/limits.h"
#include "sync/base/span.h"
#include <stdio.h>

static const char signed_context[] = "lliure-system-1";

/* HEAD: kind, key and time, which begin each body; TAIL: the signature. */
enum { KIND = 1, HEAD = 1 + 32 + 8, TAIL = 64 };

static struct buf message_of(struct span said)
{
	struct buf m = {0};

	buf_puts(&m, signed_context);
	buf_add_span(&m, said);
	return m;
}

static void put_text(struct buf *out, const char *s)
{
	buf_u8(out, (uint8_t)strlen(s));
	buf_puts(out, s);
}

void system_make(const struct secret *self, const struct system_said *s, struct buf *out)
{
	_cleanup_(buf_release) struct buf m = {0};
	size_t from = out->n;
	struct signature sig;

	buf_u8(out, KIND);
	buf_add(out, secret_pubkey(self)->b, 32);
	buf_u64(out, (uint64_t)s->when_ms);
	put_text(out, s->machine);
	put_text(out, s->version);
	buf_u64(out, (uint64_t)s->since_ms);
	put_text(out, s->back);
	if (*s->back) {
		put_text(out, s->why);
		buf_u64(out, (uint64_t)s->back_ms);
	}
	put_text(out, s->offer);
	if (*s->offer) {
		buf_add(out, s->blob.b, sizeof(s->blob.b));
		buf_u64(out, s->size);
	}
	m = message_of(span_of(out->p + from, out->n - from));
	sig = sign(self, buf_span(&m));
	buf_add(out, sig.b, sizeof(sig.b));
}

bool system_same(struct span a, struct span b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p + HEAD, b.p + HEAD, a.n - HEAD - TAIL));
}

/* --- reading --- */
static void take_text(struct reader *in, char out[SYSTEM_TEXT], bool may_be_empty)
{
	struct span s = reader_bytes(in, reader_u8(in));

	if (s.n >= SYSTEM_TEXT || (!s.n && !may_be_empty))
		in->failed = true;
	for (size_t i = 0; i < s.n && !in->failed; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			in->failed = true;
	if (in->failed)
		return;
	if (s.n)
		memcpy(out, s.p, s.n);
	out[s.n] = 0;
}

static void take_offer(struct reader *in, struct system_said *s)
{
	take_text(in, s->offer, true);
	if (!*s->offer)
		return;
	reader_copy(in, s->blob.b, sizeof(s->blob.b));
	s->size = reader_u64(in);
	if (!s->size || s->size > LIMIT_UPLOAD)
		in->failed = true;
}

static struct error *malformed(void)
{
	return error_new(ERR_MALFORMED,
			 N_("What the other box says of its system makes no sense."));
}

/* ret_said: what the signature is over. */
static struct error *parse(struct span body, struct system_said *ret, struct span *ret_said,
			   struct signature *ret_sig)
{
	struct system_said s = {.size = 0};
	struct reader in = reader_of(body);
	uint8_t kind = reader_u8(&in);

	ENSURE(reader_ok(&in) && kind >= KIND && body.n <= SYSTEM_BODY, malformed());
	ENSURE(kind == KIND, error_new(ERR_VERSION, N_("The other box is newer than this one.")));
	reader_copy(&in, s.key.b, sizeof(s.key.b));
	s.when_ms = (int64_t)reader_u64(&in);
	take_text(&in, s.machine, false);
	take_text(&in, s.version, false);
	s.since_ms = (int64_t)reader_u64(&in);
	take_text(&in, s.back, true);
	if (*s.back) {
		take_text(&in, s.why, true);
		s.back_ms = (int64_t)reader_u64(&in);
	}
	take_offer(&in, &s);
	*ret_said = span_of(body.p, body.n - in.rest.n);
	reader_copy(&in, ret_sig->b, sizeof(ret_sig->b));
	ENSURE(reader_at_end(&in), malformed());
	*ret = s;
	return NULL;
}

struct error *system_peek(struct span body, struct system_said *ret)
{
	struct signature sig;
	struct span said;

	return parse(body, ret, &said, &sig);
}

struct error *system_read(struct span body, struct system_said *ret)
{
	_cleanup_(buf_release) struct buf m = {0};
	struct system_said s;
	struct signature sig;
	struct span said;

	TRY(parse(body, &s, &said, &sig));
	m = message_of(said);
	ENSURE(verify(&s.key, buf_span(&m), &sig),
	       error_new(ERR_SIGNATURE,
			 N_("What is said of the system of box %s is not signed by it."),
			 ID_SHORT(&s.key)));
	*ret = s;
	return NULL;
}
