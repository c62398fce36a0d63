/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/log/entry.h"
#include <assert.h>

/* Offsets of the header's fields: PROTOCOL.md section 2. */
enum {
	AT_VERSION = 0,
	AT_FLAGS = 1,
	AT_EPOCH = 2,
	AT_LENGTH = 4,
	AT_SEQ = 8,
	AT_TIME = 16,
	AT_INCARNATION = 24,
	AT_SPACE = 32,
	AT_APPLIANCE = 64,
	AT_AUTHOR = 96,
	AT_RULES = 128,
	AT_PREV = 160,
	AT_PAYLOAD_HASH = 192,
	AT_AUTHOR_SIG = 224,
	AT_APPLIANCE_SIG = 288,
};
static_assert(AT_APPLIANCE_SIG + 64 == ENTRY_HEADER, "header size");

static const char op_context[] = "lliure-op-1", entry_context[] = "lliure-entry-1";
enum {
	OP_CONTEXT = sizeof(op_context) - 1,
	ENTRY_CONTEXT = sizeof(entry_context) - 1,
	OP_SIGNED = OP_CONTEXT + 8 + 8 + 32 + 64 + 32,
	ENTRY_SIGNED = ENTRY_CONTEXT + AT_APPLIANCE_SIG,
};

static uint64_t get(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static void put(uint8_t *p, int n, uint64_t v)
{
	for (int i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

/* --- logs --- */
void log_id_write(const struct log_id *id, uint8_t out[LOG_ID_BYTES])
{
	memcpy(out, id->space.b, 32);
	memcpy(out + 32, id->appliance.b, 32);
	put(out + 64, 8, id->incarnation);
}

void log_id_read(const uint8_t in[LOG_ID_BYTES], struct log_id *ret)
{
	memcpy(ret->space.b, in, 32);
	memcpy(ret->appliance.b, in + 32, 32);
	ret->incarnation = get(in + 64, 8);
}

int log_id_cmp(const struct log_id *a, const struct log_id *b)
{
	uint8_t x[LOG_ID_BYTES], y[LOG_ID_BYTES];

	log_id_write(a, x);
	log_id_write(b, y);
	return memcmp(x, y, LOG_ID_BYTES);
}

/* --- fields --- */
void entry_decode(const struct entry_bytes *raw, struct entry *ret)
{
	const uint8_t *b = raw->b;

	ret->version = b[AT_VERSION];
	ret->flags = b[AT_FLAGS];
	ret->epoch = (uint16_t)get(b + AT_EPOCH, 2);
	ret->payload_len = (uint32_t)get(b + AT_LENGTH, 4);
	ret->seq = get(b + AT_SEQ, 8);
	ret->time = (int64_t)get(b + AT_TIME, 8);
	ret->incarnation = get(b + AT_INCARNATION, 8);
	memcpy(ret->space.b, b + AT_SPACE, 32);
	memcpy(ret->appliance.b, b + AT_APPLIANCE, 32);
	memcpy(ret->author.b, b + AT_AUTHOR, 32);
	memcpy(ret->rules.b, b + AT_RULES, 32);
	memcpy(ret->prev.b, b + AT_PREV, 32);
	memcpy(ret->payload_hash.b, b + AT_PAYLOAD_HASH, 32);
	memcpy(ret->author_sig.b, b + AT_AUTHOR_SIG, 64);
	memcpy(ret->appliance_sig.b, b + AT_APPLIANCE_SIG, 64);
}

void entry_encode(const struct entry *e, struct entry_bytes *ret)
{
	uint8_t *b = ret->b;

	b[AT_VERSION] = e->version;
	b[AT_FLAGS] = e->flags;
	put(b + AT_EPOCH, 2, e->epoch);
	put(b + AT_LENGTH, 4, e->payload_len);
	put(b + AT_SEQ, 8, e->seq);
	put(b + AT_TIME, 8, (uint64_t)e->time);
	put(b + AT_INCARNATION, 8, e->incarnation);
	memcpy(b + AT_SPACE, e->space.b, 32);
	memcpy(b + AT_APPLIANCE, e->appliance.b, 32);
	memcpy(b + AT_AUTHOR, e->author.b, 32);
	memcpy(b + AT_RULES, e->rules.b, 32);
	memcpy(b + AT_PREV, e->prev.b, 32);
	memcpy(b + AT_PAYLOAD_HASH, e->payload_hash.b, 32);
	memcpy(b + AT_AUTHOR_SIG, e->author_sig.b, 64);
	memcpy(b + AT_APPLIANCE_SIG, e->appliance_sig.b, 64);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

static struct error *malformed(const char *what)
{
	return error_new(ERR_MALFORMED, N_("An entry is malformed: %s."), what);
}

struct error *entry_check(const struct entry_bytes *raw)
{
	const uint8_t *b = raw->b;
	uint64_t seq = get(b + AT_SEQ, 8);
	bool founding = all_zero(b + AT_SPACE, 32);
	bool sealed = b[AT_FLAGS] & ENTRY_SEALED;

	ENSURE(b[AT_VERSION] == 1,
	       error_new(ERR_VERSION, N_("An entry was written by newer software. Update this "
					 "box.")));
	ENSURE(!(b[AT_FLAGS] & ~(ENTRY_SEALED | ENTRY_BY_APPLIANCE)), malformed("unknown flags"));
	ENSURE(sealed || get(b + AT_EPOCH, 2) == 0, malformed("an epoch without sealing"));
	ENSURE(get(b + AT_LENGTH, 4) <= LIMIT_PAYLOAD, malformed("the payload is too long"));
	ENSURE(seq != 0 && seq <= INT64_MAX, malformed("the sequence number is out of range"));
	ENSURE(!founding || seq == 1, malformed("a founding that is not the first"));
	ENSURE(all_zero(b + AT_RULES, 32) == founding,
	       malformed(founding ? "a founding under rules" : "no rules are named"));
	ENSURE(all_zero(b + AT_PREV, 32) == (seq == 1),
	       malformed(seq == 1 ? "the first entry names one before" : "no entry before"));
	if (b[AT_FLAGS] & ENTRY_BY_APPLIANCE) {
		ENSURE(memcmp(b + AT_AUTHOR, b + AT_APPLIANCE, 32) == 0,
		       malformed("the author is not the appliance"));
		ENSURE(all_zero(b + AT_AUTHOR_SIG, 64), malformed("a signature where none is"));
	}
	return NULL;
}

/* --- what is signed --- */
static void op_signed(const struct entry_bytes *raw, uint8_t out[OP_SIGNED])
{
	const uint8_t *b = raw->b;

	memcpy(out, op_context, OP_CONTEXT);
	out += OP_CONTEXT;
	memcpy(out, b, 8);
	memcpy(out + 8, b + AT_TIME, 8);
	memcpy(out + 16, b + AT_SPACE, 32);
	memcpy(out + 48, b + AT_AUTHOR, 64);
	memcpy(out + 112, b + AT_PAYLOAD_HASH, 32);
}

static void entry_signed(const struct entry_bytes *raw, uint8_t out[ENTRY_SIGNED])
{
	memcpy(out, entry_context, ENTRY_CONTEXT);
	memcpy(out + ENTRY_CONTEXT, raw->b, AT_APPLIANCE_SIG);
}

struct hash entry_hash(const struct entry_bytes *raw)
{
	return hash_bytes(span_of(raw->b, ENTRY_HEADER));
}

struct hash entry_op_id(const struct entry_bytes *raw)
{
	uint8_t m[OP_SIGNED];

	op_signed(raw, m);
	return hash_bytes(span_of(m, sizeof(m)));
}

struct log_id entry_log(const struct entry_bytes *raw)
{
	struct log_id id;

	if (all_zero(raw->b + AT_SPACE, 32))
		id.space = entry_op_id(raw);
	else
		memcpy(id.space.b, raw->b + AT_SPACE, 32);
	memcpy(id.appliance.b, raw->b + AT_APPLIANCE, 32);
	id.incarnation = get(raw->b + AT_INCARNATION, 8);
	return id;
}

struct hash payload_hash(const uint8_t salt[ENTRY_SALT], struct span payload)
{
	uint8_t small[1024];
	struct hash_state st;

	/* One-shot hashing is quicker, and most payloads are short. */
	if (payload.n <= sizeof(small) - ENTRY_SALT) {
		memcpy(small, salt, ENTRY_SALT);
		if (payload.n)
			memcpy(small + ENTRY_SALT, payload.p, payload.n);
		return hash_bytes(span_of(small, ENTRY_SALT + payload.n));
	}
	hash_init(&st);
	hash_add(&st, salt, ENTRY_SALT);
	hash_add(&st, payload.p, payload.n);
	return hash_final(&st);
}

static bool check_signature(const struct entry_bytes *raw, int at_key, int at_sig, struct span m)
{
	struct pubkey key;
	struct signature sig;

	memcpy(key.b, raw->b + at_key, 32);
	memcpy(sig.b, raw->b + at_sig, 64);
	return verify(&key, m, &sig);
}

bool entry_verify_appliance(const struct entry_bytes *raw)
{
	uint8_t m[ENTRY_SIGNED];

	entry_signed(raw, m);
	return check_signature(raw, AT_APPLIANCE, AT_APPLIANCE_SIG, span_of(m, sizeof(m)));
}

bool entry_verify_author(const struct entry_bytes *raw)
{
	uint8_t m[OP_SIGNED];

	if (raw->b[AT_FLAGS] & ENTRY_BY_APPLIANCE)
		return true;
	op_signed(raw, m);
	return check_signature(raw, AT_AUTHOR, AT_AUTHOR_SIG, span_of(m, sizeof(m)));
}

/* --- making --- */
static void sign_appliance(struct entry_bytes *raw, const struct secret *appliance)
{
	uint8_t m[ENTRY_SIGNED];
	struct signature sig;

	entry_signed(raw, m);
	sig = sign(appliance, span_of(m, sizeof(m)));
	memcpy(raw->b + AT_APPLIANCE_SIG, sig.b, 64);
}

void entry_make(const struct entry *fields, const struct secret *author,
		const struct secret *appliance, const uint8_t salt[ENTRY_SALT], struct span payload,
		struct entry_bytes *ret)
{
	struct entry e = *fields;
	uint8_t m[OP_SIGNED];
	struct signature sig;

	e.version = 1;
	e.appliance = *secret_pubkey(appliance);
	e.author = author ? *secret_pubkey(author) : e.appliance;
	e.flags = (uint8_t)((e.flags & ~ENTRY_BY_APPLIANCE) | (author ? 0 : ENTRY_BY_APPLIANCE));
	e.payload_len = (uint32_t)payload.n;
	e.payload_hash = payload_hash(salt, payload);
	memset(&e.author_sig, 0, sizeof(e.author_sig));
	entry_encode(&e, ret);
	if (author) {
		op_signed(ret, m);
		sig = sign(author, span_of(m, sizeof(m)));
		memcpy(ret->b + AT_AUTHOR_SIG, sig.b, 64);
	}
	sign_appliance(ret, appliance);
}

void entry_carry(const struct entry_bytes *old, uint64_t seq, uint64_t incarnation,
		 const struct hash *prev, const struct secret *appliance, struct entry_bytes *ret)
{
	struct entry_bytes raw = *old;

	memcpy(raw.b + AT_APPLIANCE, secret_pubkey(appliance)->b, 32);
	put(raw.b + AT_SEQ, 8, seq);
	put(raw.b + AT_INCARNATION, 8, incarnation);
	memcpy(raw.b + AT_PREV, prev->b, 32);
	sign_appliance(&raw, appliance);
	*ret = raw;
}
