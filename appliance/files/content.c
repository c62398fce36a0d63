/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/files/content.h"
#include "sync/base/file.h"
#include <errno.h>
#include <sys/statvfs.h>

/* --- taking in -------------------------------------------------------------------------------- */

static struct error *read_at(int fd, uint64_t at, void *out, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = pread(fd, (uint8_t *)out + got, n - got, (off_t)(at + got));

		if (r < 0 && errno == EINTR)
			continue;
		ENSURE(r >= 0, file_error(errno, N_("the file")));
		ENSURE(r > 0, error_new(ERR_IO, N_("The file ended before its end.")));
		got += (size_t)r;
	}
	return NULL;
}

static struct error *look_at_it(const struct content_from *from, struct content *ret)
{
	uint8_t head[FILE_HEAD];
	size_t n = from->size < FILE_HEAD ? (size_t)from->size : FILE_HEAD;

	ENSURE(from->size > 0, error_new(ERR_INVALID, N_("The file is empty.")));
	TRY(read_at(from->fd, 0, head, n));
	ret->kind = file_kind_find(span_of(head, n), from->name);
	ret->size = from->size;
	return NULL;
}

static struct error *take_inside(const struct content_from *from, struct content *ret)
{
	_cleanup_(buf_release) struct buf all = {0};

	TRY(read_at(from->fd, 0, buf_reserve(&all, (size_t)from->size), (size_t)from->size));
	all.n = (size_t)from->size;
	base64_put(buf_span(&all), &ret->data);
	return NULL;
}

static struct error *check_room(const char *dir, uint64_t size)
{
	struct statvfs fs;

	ENSURE(statvfs(dir, &fs) != 0 ||
		       (uint64_t)fs.f_bavail * fs.f_frsize >= size + LIMIT_FILE_ROOM,
	       error_new(ERR_FULL,
			 N_("There is too little room left on this box for this file. Ask a "
			    "volunteer.")));
	return NULL;
}

/* One piece of the content, with zeros behind its end. */
static struct error *read_piece(const struct content_from *from, uint64_t at, uint8_t *out,
				size_t n)
{
	size_t real = at >= from->size ? 0 : (size_t)(from->size - at < n ? from->size - at : n);

	memset(out, 0, n);
	return real ? read_at(from->fd, at, out, real) : NULL;
}

struct taking {
	const struct content_from *from;
	struct content *to;
	struct sha256_state sha256;
	uint8_t plain[FILE_PIECE], sealed[FILE_SEALED];
};

static struct error *take_piece(struct taking *k, struct blob_writer *w, uint64_t at, size_t n)
{
	uint64_t left = at < k->from->size ? k->from->size - at : 0;

	TRY(read_piece(k->from, at, k->plain, n));
	sha256_add(&k->sha256, k->plain, left < n ? (size_t)left : n);
	if (!k->from->seal)
		return blob_write(w, span_of(k->plain, n));
	file_seal_piece(k->to->key, at / FILE_PIECE, span_of(k->plain, n), k->sealed);
	return blob_write(w, span_of(k->sealed, n + FILE_TAG));
}

static struct error *take_outside(struct blob_store *blobs, struct taking *k)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	uint64_t all = k->from->seal ? file_padded_size(k->from->size) : k->from->size;

	sha256_init(&k->sha256);
	TRY(blob_writer_new(blobs, file_sealed_size(all), &w));
	for (uint64_t at = 0; at < all; at += FILE_PIECE)
		TRY(take_piece(k, w, at, all - at < FILE_PIECE ? (size_t)(all - at) : FILE_PIECE));
	k->to->blob = blob_writer_name(w);
	if (k->from->named)
		TRY(k->from->named(k->from->ctx, &k->to->blob));
	TRY(blob_writer_finish(STEAL(w), &k->to->blob, NULL));
	k->to->sha256 = sha256_final(&k->sha256);
	k->to->outside = true;
	return NULL;
}

struct error *content_take(struct blob_store *blobs, const char *dir,
			   const struct content_from *from, struct content *ret)
{
	_cleanup_(freep) struct taking *k = NULL;
	struct error *e;

	*ret = (struct content){.sealed = false};
	TRY(look_at_it(from, ret));
	if (from->size <= LIMIT_FILE_INLINE)
		return take_inside(from, ret);
	TRY(check_room(dir, from->size));
	k = aligned_alloc(16, (sizeof(*k) + 15) / 16 * 16);
	if (!k)
		abort();
	k->from = from;
	k->to = ret;
	ret->sealed = from->seal;
	if (from->seal)
		crypto_random(ret->key, sizeof(ret->key));
	e = take_outside(blobs, k);
	crypto_wipe(k->plain, sizeof(k->plain));
	return e;
}

void content_release(struct content *c)
{
	buf_release(&c->data);
	crypto_wipe(c->key, sizeof(c->key));
}

void content_say(const struct content *c, json_t *body)
{
	json_object_set_new(body, "kind", json_string(c->kind->name));
	json_object_set_new(body, "size", json_integer((json_int_t)c->size));
	if (!c->outside) {
		json_object_set_new(body, "data", json_string(buf_str(&c->data)));
		return;
	}
	json_object_set_new(body, "blob", json_string(ID(&c->blob)));
	json_object_set_new(body, "sha256", json_string(ID(&c->sha256)));
	if (c->sealed)
		json_object_set_new(body, "key", json_string(ID(c->key)));
}

/* --- giving out ------------------------------------------------------------------------------- */

struct content_reader {
	int fd;
	uint64_t size, padded; /* of the content, and what it was padded to */
	bool sealed;
	uint8_t key[FILE_KEY];
	uint64_t piece; /* number of the one in `plain`, from 1; 0: none */
	size_t piece_n;
	uint8_t plain[FILE_PIECE];
};

struct error *content_open(struct blob_store *blobs, const struct file_version *v,
			   struct content_reader **ret)
{
	struct content_reader *r = calloc(1, sizeof(*r));
	struct error *e;
	uint64_t stored;

	if (!r)
		abort();
	e = blob_fd(blobs, &v->blob, &r->fd, &stored);
	if (e) {
		free(r);
		return e;
	}
	r->size = v->size;
	r->padded = v->sealed ? file_padded_size(v->size) : v->size;
	r->sealed = v->sealed;
	memcpy(r->key, v->key, FILE_KEY);
	*ret = r;
	if (stored == v->stored)
		return NULL;
	content_close(r);
	return error_new(ERR_CORRUPT, N_("The file %s is not what its version says."),
			 ID_SHORT(&v->blob));
}

void content_close(struct content_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	crypto_wipe(r, sizeof(*r));
	free(r);
}

static bool open_piece(struct content_reader *r, uint64_t number)
{
	uint8_t sealed[FILE_SEALED];
	uint64_t left = r->padded - number * FILE_PIECE;
	size_t n = left < FILE_PIECE ? (size_t)left : FILE_PIECE;
	struct error *e;

	if (r->piece == number + 1)
		return true;
	r->piece = 0;
	e = read_at(r->fd, number * FILE_SEALED, sealed, n + FILE_TAG);
	if (!e && file_open_piece(r->key, number, span_of(sealed, n + FILE_TAG), r->plain)) {
		r->piece = number + 1;
		r->piece_n = n;
	}
	error_free(e);
	return r->piece;
}

static ssize_t read_sealed(struct content_reader *r, uint64_t at, void *out, size_t n)
{
	size_t from = (size_t)(at % FILE_PIECE), have;

	if (!open_piece(r, at / FILE_PIECE))
		return -1;
	have = r->piece_n - from;
	n = n < have ? n : have;
	memcpy(out, r->plain + from, n);
	return (ssize_t)n;
}

ssize_t content_read(void *reader, uint64_t at, void *out, size_t n)
{
	struct content_reader *r = reader;
	struct error *e;

	if (at >= r->size)
		return 0;
	n = n < r->size - at ? n : (size_t)(r->size - at);
	if (r->sealed)
		return read_sealed(r, at, out, n);
	e = read_at(r->fd, at, out, n);
	error_free(e);
	return e ? -1 : (ssize_t)n;
}
