/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/blob/blob_priv.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

struct blob_writer {
	struct blob_store *s;
	int fd;
	char *path;
	uint64_t size, limit;
	struct hash_state hash;
	bool whole; /* everything was written, and this is its name */
	struct hash name;
	bool known; /* the hash that must come out */
	bool drop;  /* the file goes when we give up: it is ours, and nobody can go on with it */
	struct hash expect;
};

static struct blob_writer *writer_alloc(struct blob_store *s, uint64_t limit)
{
	/* The hash state is aligned to 64 bytes. */
	struct blob_writer *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);

	if (!w)
		abort();
	memset(w, 0, sizeof(*w));
	w->s = s;
	w->fd = -1;
	w->limit = limit;
	hash_init(&w->hash);
	return w;
}

struct error *blob_writer_new(struct blob_store *s, uint64_t limit, struct blob_writer **ret)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = writer_alloc(s, limit);

	w->path = path_join(s->tmp, "XXXXXX");
	w->fd = mkostemp(w->path, O_CLOEXEC);
	if (w->fd < 0)
		return file_error(errno, w->path);
	w->drop = true;
	*ret = STEAL(w);
	return NULL;
}

struct error *blob_writer_resume(struct blob_store *s, const struct hash *expect, uint64_t limit,
				 struct blob_writer **ret, uint64_t *ret_have)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = writer_alloc(s, limit);

	w->known = true;
	w->expect = *expect;
	w->path = path_join(s->part, ID(expect));
	w->fd = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return file_error(errno, w->path);
	if (flock(w->fd, LOCK_EX | LOCK_NB))
		return error_new(ERR_BUSY, N_("The file %s is already being fetched."),
				 ID_SHORT(expect));
	TRY(blob_hash_fd(w->fd, w->path, &w->hash, &w->size));
	if (w->size > limit) {
		if (ftruncate(w->fd, 0) || lseek(w->fd, 0, SEEK_SET) < 0)
			return file_error(errno, w->path);
		w->size = 0;
		hash_init(&w->hash);
	}
	*ret_have = w->size;
	*ret = STEAL(w);
	return NULL;
}

struct error *blob_write(struct blob_writer *w, struct span bytes)
{
	assert(!w->whole);
	if (bytes.n > w->limit - w->size)
		return error_new(ERR_LIMIT, N_("The file is larger than it may be."));
	while (bytes.n) {
		ssize_t put = write(w->fd, bytes.p, bytes.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return file_error(errno, w->path);
		hash_add(&w->hash, bytes.p, (size_t)put);
		w->size += (uint64_t)put;
		bytes.p += put;
		bytes.n -= (size_t)put;
	}
	return NULL;
}

struct hash blob_writer_name(struct blob_writer *w)
{
	if (!w->whole)
		w->name = hash_final(&w->hash);
	w->whole = true;
	return w->name;
}

/* The damaged one that it takes the place of. */
static void drop_bad(const char *path)
{
	_cleanup_(buf_release) struct buf bad = {0};

	buf_printf(&bad, "%s.bad", path);
	unlink(buf_str(&bad));
}

/* The folder of that name is made durable too. */
static struct error *put_in_place(struct blob_writer *w, const struct hash *h)
{
	_cleanup_(freep) char *folder = blob_folder(w->s, h);
	_cleanup_(freep) char *path = blob_path(w->s, h);

	if (fsync(w->fd))
		return file_error(errno, w->path);
	TRY(dir_make(folder, 0700));
	TRY(dir_sync(w->s->dir));
	if (rename(w->path, path))
		return file_error(errno, path);
	free(w->path);
	w->path = NULL;
	drop_bad(path);
	return dir_sync(folder);
}

struct error *blob_writer_finish(struct blob_writer *take_w, struct hash *ret_hash,
				 uint64_t *ret_size)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = take_w;
	struct hash h = blob_writer_name(w);
	uint64_t size;

	if (w->known && !hash_eq(&h, &w->expect)) {
		w->drop = true;
		return error_new(ERR_CORRUPT,
				 N_("The file %s arrived damaged. It will be fetched again."),
				 ID_SHORT(&w->expect));
	}
	size = w->size;
	TRY(put_in_place(w, &h));
	*ret_hash = h;
	if (ret_size)
		*ret_size = size;
	return NULL;
}

void blob_writer_free(struct blob_writer *w)
{
	if (!w)
		return;
	if (w->path && w->drop)
		unlink(w->path);
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w);
}
