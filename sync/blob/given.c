/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who gave what of a file that comes in pieces. A file is named by the hash of all of it, so
 * nothing tells whether a piece is right before the whole is here. Therefore beside a part
 * (PART/ID) stands who gave which bytes, and their hash (PART/ID.given). When the whole is wrong,
 * the part goes and that record stays: from then on each giver has a part of its own (PART/ID-KEY),
 * which nobody can spoil; and when the whole is here at last, whoever gave other bytes for their
 * place is known for certain.
 *
 *   record = giver 32, first byte u64, byte behind the last u64, H of them 32, first 16 bytes of
 * H(record so far)
 *
 * A record that was torn by a power cut doesn't hold, and counts for nothing.
 */
#include "sync/blob/blob_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { SIGNED_FOR = 32 + 8 + 8 + 32, CHECK = 16, RECORD = SIGNED_FOR + CHECK };

static void encode(const struct blob_gave *g, struct buf *out)
{
	size_t from = out->n;
	struct hash check;

	buf_add(out, g->by.b, sizeof(g->by.b));
	buf_u64(out, g->from);
	buf_u64(out, g->to);
	buf_add(out, g->hash.b, sizeof(g->hash.b));
	check = hash_bytes(span_of(out->p + from, SIGNED_FOR));
	buf_add(out, check.b, CHECK);
}

static bool decode(const uint8_t *p, struct blob_gave *ret)
{
	struct reader r = reader_of(span_of(p, RECORD));
	struct hash check = hash_bytes(span_of(p, SIGNED_FOR));

	reader_copy(&r, ret->by.b, sizeof(ret->by.b));
	ret->from = reader_u64(&r);
	ret->to = reader_u64(&r);
	reader_copy(&r, ret->hash.b, sizeof(ret->hash.b));
	return memcmp(check.b, r.rest.p, CHECK) == 0 && ret->from < ret->to;
}

static char *with_end(const char *part, const char *end)
{
	_cleanup_(buf_release) struct buf path = {0};

	buf_printf(&path, "%s%s", part, end);
	return strdup(buf_str(&path));
}

size_t given_read(const char *part, struct blob_gave ret[GIVEN_MOST])
{
	_cleanup_(freep) char *path = with_end(part, GIVEN_END);
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, (size_t)GIVEN_MOST * RECORD, &b);
	size_t n = 0;

	error_free(e);
	for (size_t at = 0; !e && at + RECORD <= b.n; at += RECORD)
		n += decode(b.p + at, &ret[n]);
	return n;
}

/* Without one of them nobody is blamed: so that it could not be written is no reason to end a
 * transfer. */
void given_write(const char *part, const struct blob_gave *list, size_t n)
{
	_cleanup_(freep) char *path = with_end(part, GIVEN_END);
	_cleanup_(buf_release) struct buf all = {0};

	for (size_t i = 0; i < n; i++)
		encode(&list[i], &all);
	if (n)
		error_free(file_write(path, buf_span(&all), 0600));
}

void given_remove(const char *part)
{
	_cleanup_(freep) char *path = with_end(part, GIVEN_END);

	unlink(path);
}

bool given_hash(int fd, uint64_t from, uint64_t to, struct hash_state *st)
{
	uint8_t bytes[16384];

	while (from < to) {
		size_t most = to - from < sizeof(bytes) ? (size_t)(to - from) : sizeof(bytes);
		ssize_t n = pread(fd, bytes, most, (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		hash_add(st, bytes, (size_t)n);
		from += (uint64_t)n;
	}
	return true;
}

bool given_is_mixed(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *part = path_join(s->part, ID(h));
	_cleanup_(freep) char *given = with_end(part, GIVEN_END);

	return access(part, F_OK) && access(given, F_OK) == 0;
}

static char *own_part(struct blob_store *s, const struct hash *h, const struct pubkey *by)
{
	_cleanup_(buf_release) struct buf name = {0};

	buf_printf(&name, "%s-", ID(h));
	buf_puts(&name, ID(by));
	return path_join(s->part, buf_str(&name));
}

char *given_part(struct blob_store *s, const struct hash *h, const struct pubkey *by)
{
	return pubkey_is_zero(by) || !given_is_mixed(s, h) ? path_join(s->part, ID(h))
						    : own_part(s, h, by);
}

/* The first who gave something goes on alone with that. Somebody with a part of his own from before
 * has opened that perhaps. */
void given_part_ways(struct blob_store *s, const struct hash *h, const struct blob_gave *first)
{
	_cleanup_(freep) char *shared = path_join(s->part, ID(h));
	_cleanup_(freep) char *own = own_part(s, h, &first->by);

	if (first->from || access(own, F_OK) == 0 || truncate(shared, (off_t)first->to)) {
		unlink(shared);
		return;
	}
	given_write(own, first, 1);
	if (rename(shared, own))
		unlink(shared);
}

/* --- each giver's own ------------------------------------------------------------------------- */

/* ID-KEY, and no record. */
static bool is_own_part(const char *name, const struct hash *h)
{
	struct pubkey by;

	return strncmp(name, ID(h), BASE32_KEY_LEN) == 0 && name[BASE32_KEY_LEN] == '-' &&
	       id_parse(name + BASE32_KEY_LEN + 1, &by);
}

struct error *given_each_own(struct blob_store *s, const struct hash *h, given_own_fn *fn,
			     void *ctx)
{
	_cleanup_(closedirp) DIR *d = opendir(s->part);
	struct dirent *e;

	ENSURE(d, file_error(errno, s->part));
	while ((e = readdir(d))) {
		_cleanup_(freep) char *path =
			is_own_part(e->d_name, h) ? path_join(s->part, e->d_name) : NULL;

		if (path)
			TRY(fn(ctx, path));
	}
	return NULL;
}

/* --- what they gave, held against the file ---------------------------------------------------- */

static bool is_true(int fd, uint64_t size, const struct blob_gave *g)
{
	struct hash_state st;
	struct hash got;

	if (g->to > size)
		return false;
	hash_init(&st);
	if (!given_hash(fd, g->from, g->to, &st))
		return true; /* our disk's trouble */
	got = hash_final(&st);
	return hash_eq(&got, &g->hash);
}

void blob_judge(struct blob_store *s, const struct hash *h, blob_liar_fn *fn, void *ctx)
{
	_cleanup_(freep) char *part = path_join(s->part, ID(h));
	_cleanup_(closep) int fd = -1;
	struct blob_gave list[GIVEN_MOST];
	size_t n = given_read(part, list);
	uint64_t size;
	struct error *e = n ? blob_fd(s, h, &fd, &size) : NULL;

	for (size_t i = 0; fn && !e && i < n; i++) {
		bool said = false;

		for (size_t k = 0; k < i; k++)
			said |= pubkey_eq(&list[k].by, &list[i].by) && !list[k].to;
		if (said || is_true(fd, size, &list[i]))
			continue;
		fn(ctx, &list[i].by);
		list[i].to = 0; /* once */
	}
	if (n && !e)
		given_remove(part);
	error_free(e);
}
