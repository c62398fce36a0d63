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
	struct pubkey by;    /* who gives it; zero: that is not known */
	uint64_t own_from;   /* from there on all is this giver's … */
	struct hash_state own; /* … and this; of all from 0 on it is `hash` */
	struct blob_gave given[GIVEN_MOST]; /* before that */
	size_t n_given;
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

bool part_lock(int fd, const char *path)
{
	struct stat ours, there;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 &&
	       lstat(path, &there) == 0 && ours.st_ino == there.st_ino;
}

/* What this giver gave just before, in another transfer, counts with what it gives now. */
static void take_up_own(struct blob_writer *w)
{
	const struct blob_gave *last;
	struct hash_state st, copy;
	struct hash got;

	w->n_given = given_read(w->path, w->given);
	w->own_from = w->size;
	hash_init(&w->own);
	if (!w->size || !w->n_given)
		return;
	last = &w->given[w->n_given - 1];
	hash_init(&st);
	if (!pubkey_eq(&last->by, &w->by) || last->to != w->size ||
	    !given_hash(w->fd, last->from, last->to, &st))
		return;
	copy = st;
	got = hash_final(&copy);
	if (!hash_eq(&got, &last->hash)) /* the disk's fault */
		return;
	w->own = st;
	w->own_from = last->from;
	w->n_given--;
}

struct error *blob_writer_from(struct blob_store *s, const struct hash *expect,
			       const struct pubkey *by, uint64_t limit, struct blob_writer **ret,
			       uint64_t *ret_have)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = writer_alloc(s, limit);
	struct stat st;

	w->known = true;
	w->expect = *expect;
	w->by = *by;
	w->path = given_part(s, expect, by);
	w->fd = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return file_error(errno, w->path);
	ENSURE(part_lock(w->fd, w->path), being_fetched(expect));
	ENSURE(fstat(w->fd, &st) == 0, file_error(errno, w->path));
	ENSURE((uint64_t)st.st_size <= limit, longer_than_allowed());
	TRY(blob_hash_fd(w->fd, w->path, &w->hash, &w->size));
	take_up_own(w);
	w->found = *ret_have = w->size;
	w->resumed = true;
	*ret = STEAL(w);
	return NULL;
}

struct error *blob_writer_resume(struct blob_store *s, const struct hash *expect, uint64_t limit,
				 struct blob_writer **ret, uint64_t *ret_have)
{
	static const struct pubkey nobody;

	return blob_writer_from(s, expect, &nobody, limit, ret, ret_have);
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
		if (w->own_from)
			hash_add(&w->own, bytes.p, (size_t)put);
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

static struct error *drop_part(void *ctx, const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	(void)ctx;
	if (fd >= 0 && part_lock(fd, path)) {
		unlink(path);
		given_remove(path);
	}
	return NULL;
}

/* What others brought of it is of no more use, unless somebody is at it. What they had given when it turned
 * out to be another file stays, for blob_judge. */
static void drop_parts(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *path = path_join(s->part, ID(h));

	if (given_is_mixed(s, h))
		error_free(given_each_own(s, h, drop_part, NULL));
	else
		error_free(drop_part(NULL, path));
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
	if (w->resumed)
		given_remove(w->path);
	free(w->path);
	w->path = NULL;
	drop_bad(path);
	drop_parts(w->s, h);
	return dir_sync(folder);
}

/* What this giver gave is put down. */
static void put_down(struct blob_writer *w)
{
	struct blob_gave *g = &w->given[w->n_given];

	if (pubkey_is_zero(&w->by) || w->size == w->own_from || w->n_given == GIVEN_MOST)
		return;
	*g = (struct blob_gave){.by = w->by, .from = w->own_from, .to = w->size};
	if (w->own_from)
		g->hash = hash_final(&w->own);
	else
		g->hash = blob_writer_name(w);
	w->n_given++;
	given_write(w->path, w->given, w->n_given);
}

/* It is another file, and several had a hand in it; of them it isn't known who. */
static void part_ways(struct blob_writer *w)
{
	_cleanup_(freep) char *shared = path_join(w->s->part, ID(&w->expect));

	put_down(w);
	if (!w->n_given || strcmp(shared, w->path) != 0)
		return;
	given_part_ways(w->s, &w->expect, &w->given[0]);
	free(w->path);
	w->path = NULL;
}

static struct error *is_another(struct blob_writer *w, bool *ret_guilty)
{
	w->drop = true;
	*ret_guilty = !w->own_from;
	if (w->resumed && w->own_from)
		part_ways(w);
	return error_new(ERR_CORRUPT, N_("The file %s arrived damaged. It will be fetched again."),
			 ID_SHORT(&w->expect));
}

static struct error *finish(struct blob_writer *w, struct hash *ret_hash, uint64_t *ret_size,
			    bool *ret_guilty)
{
	struct hash h = blob_writer_name(w);

	if (w->known && !hash_eq(&h, &w->expect))
		return is_another(w, ret_guilty);
	TRY(put_in_place(w, &h));
	*ret_hash = h;
	if (ret_size)
		*ret_size = w->size;
	return NULL;
}

struct error *blob_writer_finish(struct blob_writer *take_w, struct hash *ret_hash,
				 uint64_t *ret_size)
{
	struct error *e;
	bool guilty;

	e = finish(take_w, ret_hash, ret_size, &guilty);
	blob_writer_free(take_w);
	return e;
}

struct error *blob_writer_settle(struct blob_writer *take_w, bool *ret_guilty)
{
	struct hash h;
	struct error *e = finish(take_w, &h, NULL, ret_guilty);

	blob_writer_free(take_w);
	return e;
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
	bool goes;

	if (!w)
		return;
	goes = w->drop || (w->resumed && (!w->size || blob_has(w->s, &w->expect, NULL)));
	if (w->path && goes)
		unlink(w->path);
	if (w->path && goes && w->resumed)
		given_remove(w->path);
	else if (w->path && w->resumed && w->size > w->found)
		put_down(w);
	if (w->fd >= 0)
		close(w->fd);
	free(w->path);
	free(w);
}
