/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/sealed.h"
#include <errno.h>

/*
 * head: magic 16, with u8, scope u8, zero u16, passes u32, memory u64, made i64, box 32, salt 16,
 *       stream 24
 * piece: u32 length, then as many bytes
 * the first byte of a part is its kind
 */
static const char magic[16] = "lliure-backup-2\n";
static const char key_context[] = "lliure-backup-key-2";
enum { MEMORY_MIN = 8 * 1024, SEALED_MAX = SEALED_PIECE + SEAL_STREAM_OVERHEAD };

/* --- the head --------------------------------------------------------------------------------- */

/* Who made the file says how hard the passphrase is to try: not more than a small box can. */
static struct error *check_cost(const struct password_cost *c, const char *name)
{
	ENSURE(c->passes >= 1 && c->memory >= MEMORY_MIN,
	       error_new(ERR_MALFORMED, N_("%s is not a backup of a box."), name));
	ENSURE(c->passes <= LIMIT_PASSWORD_PASSES && c->memory <= LIMIT_PASSWORD_MEMORY,
	       error_new(ERR_LIMIT,
			 N_("%s asks for more memory or time, before its passphrase can be tried,"
			    " than a box gives. No box writes such a backup: it was made by"
			    " something else."),
			 name));
	return NULL;
}

struct error *sealed_head_parse(struct span bytes, const char *name, struct sealed_head *ret)
{
	struct reader r = reader_of(bytes);
	struct sealed_head h = {.with = 0};
	char is[sizeof(magic)];

	reader_copy(&r, is, sizeof(is));
	ENSURE(bytes.n >= SEALED_HEAD && !memcmp(is, magic, sizeof(magic)),
	       error_new(ERR_MALFORMED, N_("%s is not a backup of a box."), name));
	h.with = reader_u8(&r);
	h.scope = reader_u8(&r);
	ENSURE(reader_u16(&r) == 0 && (h.with == SEALED_BOX_KEY || h.with == SEALED_PASSPHRASE),
	       error_new(ERR_VERSION,
			 N_("%s was written by a newer version. Update this box first."), name));
	h.cost.passes = reader_u32(&r);
	h.cost.memory = reader_u64(&r);
	h.made_ms = (int64_t)reader_u64(&r);
	reader_copy(&r, h.box.b, 32);
	reader_copy(&r, h.salt, sizeof(h.salt));
	reader_copy(&r, h.stream, sizeof(h.stream));
	if (h.with == SEALED_PASSPHRASE)
		TRY(check_cost(&h.cost, name));
	memcpy(h.raw, bytes.p, SEALED_HEAD);
	*ret = h;
	return NULL;
}

static void head_write(struct sealed_head *h)
{
	struct buf b = {0};

	buf_add(&b, magic, sizeof(magic));
	buf_u8(&b, (uint8_t)h->with);
	buf_u8(&b, h->scope);
	buf_u16(&b, 0);
	buf_u32(&b, h->cost.passes);
	buf_u64(&b, h->cost.memory);
	buf_u64(&b, (uint64_t)h->made_ms);
	buf_add(&b, h->box.b, 32);
	buf_add(&b, h->salt, sizeof(h->salt));
	buf_add(&b, h->stream, sizeof(h->stream));
	memcpy(h->raw, b.p, SEALED_HEAD);
	buf_release(&b);
}

static struct error *make_key(const struct sealed_head *h, const struct sealed_key *key,
			      uint8_t *ret)
{
	struct hash_state st;
	uint8_t *seed;
	struct hash out;

	if (h->with == SEALED_PASSPHRASE)
		return password_key(span_str(key->passphrase), h->salt, h->cost, ret);
	seed = guarded_new(32);
	secret_seed(key->box, seed);
	hash_init(&st);
	hash_add(&st, key_context, sizeof(key_context) - 1);
	hash_add(&st, seed, 32);
	hash_add(&st, h->salt, sizeof(h->salt));
	out = hash_final(&st);
	memcpy(ret, out.b, 32);
	guarded_free(seed);
	crypto_wipe(&out, sizeof(out));
	crypto_wipe(&st, sizeof(st));
	return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct sealed_out {
	int fd;
	char *name;
	struct sealed_head head;
	struct seal_stream *stream;
	size_t n;
	uint8_t plain[SEALED_PIECE], piece[4 + SEALED_MAX];
};

struct error *sealed_create(const struct sealed_make *m, struct sealed_out **ret)
{
	_cleanup_(sealed_out_freep) struct sealed_out *o = calloc(1, sizeof(*o));
	uint8_t *key = guarded_new(32);
	struct error *e;

	if (!o)
		abort();
	o->fd = m->fd;
	o->name = strdup(m->name);
	o->head = (struct sealed_head){.with = m->key.box ? SEALED_BOX_KEY : SEALED_PASSPHRASE,
				       .scope = m->scope,
				       .made_ms = m->made_ms,
				       .box = m->box};
	if (!m->key.box)
		o->head.cost = m->cost.passes ? m->cost : password_cost_default;
	crypto_random(o->head.salt, sizeof(o->head.salt));
	e = make_key(&o->head, &m->key, key);
	if (!e)
		o->stream = seal_stream_new(key, o->head.stream);
	guarded_free(key);
	TRY(e);
	head_write(&o->head);
	TRY(fd_write_all(o->fd, (struct span){o->head.raw, SEALED_HEAD}, o->name));
	*ret = STEAL(o);
	return NULL;
}

void sealed_out_free(struct sealed_out *o)
{
	if (!o)
		return;
	seal_stream_free(o->stream);
	crypto_wipe(o->plain, sizeof(o->plain));
	free(o->name);
	free(o);
}

static struct error *flush(struct sealed_out *o, enum seal_mark mark)
{
	uint32_t n = (uint32_t)(o->n + SEAL_STREAM_OVERHEAD);

	for (int i = 0; i < 4; i++)
		o->piece[i] = (uint8_t)(n >> (8 * i));
	seal_stream_push(o->stream, span_of(o->plain, o->n), span_of(o->head.raw, SEALED_HEAD),
			 mark, o->piece + 4);
	o->n = 0;
	return fd_write_all(o->fd, (struct span){o->piece, 4 + (size_t)n}, o->name);
}

struct error *sealed_write(struct sealed_out *o, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n) {
		size_t room = SEALED_PIECE - o->n, take = n < room ? n : room;

		if (!room) {
			TRY(flush(o, SEAL_MORE));
			continue;
		}
		memcpy(o->plain + o->n, at, take);
		o->n += take;
		at += take;
		n -= take;
	}
	return NULL;
}

struct error *sealed_begin(struct sealed_out *o, uint8_t part)
{
	return sealed_write(o, &part, 1);
}

struct error *sealed_end(struct sealed_out *o, bool all)
{
	return flush(o, all ? SEAL_END : SEAL_PART_END);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct sealed_in {
	int fd;
	char *name;
	struct sealed_head head;
	struct seal_stream *stream;
	uint64_t done;
	bool any;   /* a piece was opened: the key is the right one */
	bool begun; /* inside a part */
	enum seal_mark mark;
	size_t at, n;
	uint8_t plain[SEALED_PIECE], piece[SEALED_MAX];
};

/* *ret_n < n: the file ends there. */
static struct error *get(struct sealed_in *in, uint8_t *out, size_t n, size_t *ret_n)
{
	*ret_n = 0;
	while (*ret_n < n) {
		ssize_t got = read(in->fd, out + *ret_n, n - *ret_n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, in->name);
		if (got == 0)
			break;
		*ret_n += (size_t)got;
		in->done += (uint64_t)got;
	}
	return NULL;
}

static struct error *damaged(const struct sealed_in *in)
{
	if (!in->any && in->head.with == SEALED_PASSPHRASE)
		return error_new(ERR_DENIED,
				 N_("This passphrase does not open %s. Type it again; if it is the"
				    " right one, the file is damaged at its beginning."),
				 in->name);
	return error_new(ERR_CORRUPT,
			 N_("%s is damaged: it does not match its own check. Try another copy of"
			    " it, or an older backup."),
			 in->name);
}

static struct error *cut_off(const struct sealed_in *in)
{
	return error_new(ERR_CORRUPT,
			 N_("%s is not a whole backup: it ends too early. Try another copy of it."),
			 in->name);
}

static struct error *check_key(const struct sealed_in *in, const struct sealed_key *key)
{
	const struct sealed_head *h = &in->head;

	if (h->with == SEALED_PASSPHRASE)
		return key->passphrase
			       ? NULL
			       : error_new(
					 ERR_DENIED,
					 N_("%s was sealed with a passphrase: it is needed here."),
					 in->name);
	ENSURE(key->box,
	       error_new(ERR_DENIED,
			 N_("%s was sealed with the key of the box %s: two of its recovery sheets"
			    " open it."),
			 in->name, ID_SHORT(&h->box)));
	ENSURE(pubkey_eq(secret_pubkey(key->box), &h->box),
	       error_new(ERR_DENIED,
			 N_("%s is a backup of the box %s, but the key given here is that of the"
			    " box %s."),
			 in->name, ID_SHORT(&h->box), ID_SHORT(secret_pubkey(key->box))));
	return NULL;
}

static struct error *start_stream(struct sealed_in *in, const struct sealed_key *key)
{
	uint8_t *k = guarded_new(32);
	struct error *e = make_key(&in->head, key, k);

	if (!e)
		in->stream = unseal_stream_new(k, in->head.stream);
	guarded_free(k);
	TRY(e);
	return in->stream ? NULL : damaged(in);
}

struct error *sealed_open(int fd, const char *name, const struct sealed_key *key,
			  struct sealed_in **ret)
{
	_cleanup_(sealed_in_freep) struct sealed_in *in = calloc(1, sizeof(*in));
	uint8_t raw[SEALED_HEAD];
	size_t n;

	if (!in)
		abort();
	in->fd = fd;
	in->name = strdup(name);
	in->mark = SEAL_PART_END;
	TRY(get(in, raw, sizeof(raw), &n));
	TRY(sealed_head_parse(span_of(raw, n), name, &in->head));
	TRY(check_key(in, key));
	TRY(start_stream(in, key));
	*ret = STEAL(in);
	return NULL;
}

void sealed_in_free(struct sealed_in *in)
{
	if (!in)
		return;
	seal_stream_free(in->stream);
	crypto_wipe(in->plain, sizeof(in->plain));
	free(in->name);
	free(in);
}

const struct sealed_head *sealed_head(const struct sealed_in *in)
{
	return &in->head;
}

uint64_t sealed_done(const struct sealed_in *in)
{
	return in->done;
}

static struct error *next_piece(struct sealed_in *in)
{
	uint8_t length[4];
	uint32_t n = 0;
	size_t got;

	TRY(get(in, length, sizeof(length), &got));
	ENSURE(got == sizeof(length), cut_off(in));
	for (int i = 4; i-- > 0;)
		n = n << 8 | length[i];
	ENSURE(n >= SEAL_STREAM_OVERHEAD && n <= SEALED_MAX, damaged(in));
	TRY(get(in, in->piece, n, &got));
	ENSURE(got == n, cut_off(in));
	ENSURE(seal_stream_pull(in->stream, span_of(in->piece, n),
				span_of(in->head.raw, SEALED_HEAD), in->plain, &in->mark),
	       damaged(in));
	in->any = true;
	in->at = 0;
	in->n = n - SEAL_STREAM_OVERHEAD;
	return NULL;
}

struct error *sealed_read(struct sealed_in *in, void *out, size_t n, size_t *ret_n)
{
	while (in->at == in->n) {
		if (!in->begun || in->mark != SEAL_MORE) {
			in->begun = false;
			*ret_n = 0;
			return NULL;
		}
		TRY(next_piece(in));
	}
	*ret_n = in->n - in->at < n ? in->n - in->at : n;
	memcpy(out, in->plain + in->at, *ret_n);
	in->at += *ret_n;
	return NULL;
}

struct error *sealed_next(struct sealed_in *in, uint8_t *ret_part)
{
	uint8_t rest[4096];
	size_t n = 1;

	while (in->begun && n)
		TRY(sealed_read(in, rest, sizeof(rest), &n));
	*ret_part = 0;
	if (in->mark == SEAL_END)
		return NULL;
	in->begun = true;
	TRY(next_piece(in));
	ENSURE(in->n, damaged(in));
	*ret_part = in->plain[in->at++];
	return NULL;
}
