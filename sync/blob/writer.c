/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/blob/blob_priv.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

struct blob_writer {
	struct blob_store *s;
	int fd;
	char *path;
	uint64_t size, limit;
	bool resumed;	/* a part that others may have begun; ours alone for now … */
	uint64_t found; /* … so many bytes of it were there before us */
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

struct error *blob_writer_apart(struct blob_store *s, const struct hash *expect, uint64_t limit,
				struct blob_writer **ret)
{
	TRY(blob_writer_new(s, limit, ret));
	(*ret)->known = true;
	(*ret)->expect = *expect;
	return NULL;
}

static struct error *being_fetched(const struct hash *h)
{
	return error_new(ERR_BUSY, N_("The file %s is already being fetched."), ID_SHORT(h));
}

static struct error *longer_than_allowed(void)
{
	return error_new(ERR_LIMIT, N_("The file is larger than it may be."));
}

/* Ours alone; and not one that its writer put in its place, or took away, since we opened it. */
static bool lock_part(int fd, const char *path)
{
	struct stat ours, there;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 &&
	       lstat(path, &there) == 0 && ours.st_ino == there.st_ino;
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
	ENSURE(lock_part(w->fd, w->path), being_fetched(expect));
	ENSURE(blob_part(s, expect) <= limit, longer_than_allowed());
	TRY(blob_hash_fd(w->fd, w->path, &w->hash, &w->size));
	w->found = *ret_have = w->size;
	w->resumed = true;
	*ret = STEAL(w);
	return NULL;
}

struct error *blob_write(struct blob_writer *w, struct span bytes)
{
	assert(!w->whole);
	ENSURE(bytes.n <= w->limit - w->size, longer_than_allowed());
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

/* What others brought of it is of no more use, unless somebody is at it. */
static void drop_part(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *path = path_join(s->part, ID(h));
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && lock_part(fd, path))
		unlink(path);
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
	if (w->drop)
		drop_part(w->s, h);
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

void blob_writer_undo(struct blob_writer *take_w)
{
	/* What can't be cut off goes as a whole. */
	if (take_w->resumed && ftruncate(take_w->fd, (off_t)take_w->found) == 0)
		take_w->size = take_w->found;
	else
		take_w->drop = true;
	blob_writer_free(take_w);
}

void blob_writer_free(struct blob_writer *w)
{
	if (!w)
		return;
	if (w->path && (w->drop || (w->resumed && !w->size)))
		unlink(w->path);
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w);
}
