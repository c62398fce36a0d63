/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/claim.h"

static struct hash digest(struct span frames)
{
	return hash_bytes(frames);
}

/* What is signed. */
static void message(const struct stream_claim *c, struct buf *out)
{
	buf_puts(out, "lliure-claim-1");
	buf_add(out, c->writer.b, 32);
	buf_add(out, c->receiver.b, 32);
	buf_u64(out, c->incarnation);
	buf_u64(out, c->serial);
	buf_u64(out, (uint64_t)c->time_ms);
	buf_add(out, c->heads.b, 32);
}

void claim_sign(const struct bundle_claim *c, const struct secret *writer, struct stream_claim *ret)
{
	_cleanup_(buf_release) struct buf m = {0};

	*ret = (struct stream_claim){.writer = *secret_pubkey(writer),
				     .receiver = c->receiver,
				     .incarnation = c->incarnation,
				     .serial = c->serial,
				     .time_ms = c->time_ms,
				     .heads = digest(c->frames)};
	message(ret, &m);
	ret->signature = sign(writer, buf_span(&m));
}

void claim_reader_release(struct claim_reader *r)
{
	buf_release(&r->frames);
	*r = (struct claim_reader){.too_large = false};
}

/* The frame again, byte for byte: these two have one encoding each. */
static void gather(struct claim_reader *r, const struct frame *f)
{
	r->w.out = &r->frames;
	if (f->type == FRAME_HEADS)
		stream_put_heads(&r->w, &f->heads.space, f->heads.heads, f->heads.n);
	else
		stream_put_missing(&r->w, &f->missing.id, f->missing.ranges, f->missing.n);
	r->too_large |= r->frames.n > LIMIT_CLAIM;
	if (r->too_large)
		buf_release(&r->frames);
}

static bool check(const struct claim_reader *r, const struct stream_claim *c)
{
	_cleanup_(buf_release) struct buf m = {0};
	struct hash heads = digest(buf_span(&r->frames));

	message(c, &m);
	return hash_eq(&heads, &c->heads) && verify(&c->writer, buf_span(&m), &c->signature);
}

bool claim_read(struct claim_reader *r, const struct frame *f, struct bundle_claim *ret)
{
	if (r->too_large)
		return false;
	if (f->type == FRAME_HEADS || f->type == FRAME_MISSING)
		gather(r, f);
	if (f->type != FRAME_CLAIM || !check(r, &f->claim))
		return false;
	*ret = (struct bundle_claim){.writer = f->claim.writer,
				     .receiver = f->claim.receiver,
				     .incarnation = f->claim.incarnation,
				     .serial = f->claim.serial,
				     .time_ms = f->claim.time_ms,
				     .frames = buf_span(&r->frames)};
	return true;
}
