/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/community/seal.h"

struct hash space_key_name(const struct hash *space, uint16_t epoch, const uint8_t bytes[SPACE_KEY])
{
	static const char label[] = "lliure-key-1";
	uint8_t number[2] = {(uint8_t)epoch, (uint8_t)(epoch >> 8)};
	struct hash_state h;

	hash_init(&h);
	hash_add(&h, label, sizeof(label) - 1);
	hash_add(&h, space->b, 32);
	hash_add(&h, number, sizeof(number));
	hash_add(&h, bytes, SPACE_KEY);
	return hash_final(&h);
}

size_t seal_padded(size_t n)
{
	unsigned exponent = 0, bits = 0;
	size_t mask;

	if (n <= SEAL_LEAST)
		return SEAL_LEAST;
	while (n >> (exponent + 1))
		exponent++;
	while (exponent >> bits)
		bits++;
	mask = ((size_t)1 << (exponent - bits)) - 1;
	n = (n + mask) & ~mask;
	return n < SEALED_LONGEST ? n : SEALED_LONGEST;
}

/* What both sides must agree on, without its being in the sealed text. */
static void add_context(struct buf *b, const struct space_key *key, const struct seal_for *f)
{
	buf_puts(b, f->type ? "lliure-words-1" : "lliure-seal-1");
	buf_add(b, f->space.b, 32);
	buf_u16(b, key->epoch);
	buf_add(b, key->name.b, 32);
	buf_add(b, f->author.b, 32);
	if (f->type)
		buf_puts(b, f->type);
}

void seal_text(const struct space_key *key, const struct seal_for *f, struct span plain,
	       struct buf *out)
{
	_cleanup_(buf_release) struct buf text = {0}, context = {0};
	size_t n = seal_padded(plain.n);

	buf_add_span(&text, plain);
	memset(buf_reserve(&text, n - plain.n), ' ', n - plain.n);
	add_context(&context, key, f);
	buf_add(out, key->name.b, 32);
	seal(key->bytes, span_of(text.p, n), buf_span(&context),
	     buf_reserve(out, n + SEAL_OVERHEAD));
	out->n += n + SEAL_OVERHEAD;
	crypto_wipe(text.p, n);
}

bool sealed_key_name(struct span sealed, struct hash *ret)
{
	if (sealed.n < SEALED_OVERHEAD)
		return false;
	memcpy(ret->b, sealed.p, 32);
	return true;
}

bool unseal_text(const struct space_key *key, const struct seal_for *f, struct span sealed,
		 struct buf *out)
{
	_cleanup_(buf_release) struct buf context = {0};
	struct hash name;

	if (!sealed_key_name(sealed, &name) || !hash_eq(&name, &key->name))
		return false;
	add_context(&context, key, f);
	if (!unseal(key->bytes, span_of(sealed.p + 32, sealed.n - 32), buf_span(&context),
		    buf_reserve(out, sealed.n)))
		return false;
	out->n += sealed.n - SEALED_OVERHEAD;
	return true;
}

/* --- keys --- */
static void wrap_context(struct buf *b, const struct hash *space, const struct hash *name)
{
	buf_puts(b, "lliure-wrap-1");
	buf_add(b, space->b, 32);
	buf_add(b, name->b, 32);
}

void wrap_key(const struct space_key *under, const struct hash *space, const struct space_key *key,
	      uint8_t out[WRAPPED_KEY])
{
	_cleanup_(buf_release) struct buf context = {0};

	wrap_context(&context, space, &key->name);
	seal(under->bytes, span_of(key->bytes, SPACE_KEY), buf_span(&context), out);
}

static bool is_meant(const struct hash *space, const struct hash *name, uint16_t epoch,
		     const uint8_t bytes[SPACE_KEY])
{
	struct hash is = space_key_name(space, epoch, bytes);

	return hash_eq(&is, name);
}

bool unwrap_key(const struct space_key *under, const struct hash *space, const struct hash *name,
		uint16_t epoch, const uint8_t wrapped[WRAPPED_KEY], uint8_t out[SPACE_KEY])
{
	_cleanup_(buf_release) struct buf context = {0};

	wrap_context(&context, space, name);
	return unseal(under->bytes, span_of(wrapped, WRAPPED_KEY), buf_span(&context), out) &&
	       is_meant(space, name, epoch, out);
}

bool box_key(const struct pubkey *to, const struct space_key *key, uint8_t out[BOXED_KEY])
{
	return seal_to(to, span_of(key->bytes, SPACE_KEY), out);
}

bool unbox_key(const struct secret *mine, const struct hash *space, const struct hash *name,
	       uint16_t epoch, const uint8_t boxed[BOXED_KEY], uint8_t out[SPACE_KEY])
{
	return unseal_mine(mine, span_of(boxed, BOXED_KEY), out) &&
	       is_meant(space, name, epoch, out);
}
