/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The store of files, and reading from it. Writing is in writer.c. */
#include "sync/blob/blob_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static struct error *clear_folder(const char *dir)
{
	TRY(dir_remove(dir));
	return dir_make(dir, 0700);
}

struct error *blob_open(const char *dir, struct blob_store **ret)
{
	_cleanup_(blob_closep) struct blob_store *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->dir = strdup(dir);
	s->tmp = path_join(dir, "tmp");
	s->part = path_join(dir, "part");
	TRY(dir_make(dir, 0700));
	TRY(clear_folder(s->tmp));
	TRY(dir_make(s->part, 0700));
	*ret = STEAL(s);
	return NULL;
}

void blob_close(struct blob_store *s)
{
	if (!s)
		return;
	free(s->dir);
	free(s->tmp);
	free(s->part);
	free(s->chosen);
	free(s);
}

struct blob_store *blob_choice(const struct blob_store *of, const struct blob_chosen *list, size_t n)
{
	struct blob_store *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->dir = strdup(of->dir);
	s->tmp = strdup(of->tmp);
	s->part = strdup(of->part);
	s->is_choice = true;
	s->n_chosen = n;
	s->chosen = calloc(n + 1, sizeof(*s->chosen));
	if (!s->chosen || !s->dir || !s->tmp || !s->part)
		abort();
	if (n)
		memcpy(s->chosen, list, n * sizeof(*list));
	return s;
}

char *blob_folder(const struct blob_store *s, const struct hash *h)
{
	struct id_text name = id_text(h);

	name.s[2] = 0;
	return path_join(s->dir, name.s);
}

char *blob_path(const struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *dir = blob_folder(s, h);

	return path_join(dir, id_text(h).s + 2);
}

static struct error *missing(const struct hash *h)
{
	return error_new(ERR_NOT_FOUND, N_("The file %s is not on this box."), ID_SHORT(h));
}

struct error *blob_fd(struct blob_store *s, const struct hash *h, int *ret_fd, uint64_t *ret_size)
{
	_cleanup_(freep) char *path = blob_path(s, h);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? missing(h) : file_error(errno, path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return missing(h);
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return NULL;
}

bool blob_has(struct blob_store *s, const struct hash *h, uint64_t *ret_size)
{
	_cleanup_(freep) char *path = blob_path(s, h);
	struct stat st;

	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return true;
}

struct error *blob_hash_fd(int fd, const char *path, struct hash_state *st, uint64_t *ret_size)
{
	uint8_t bytes[16384];
	uint64_t size = 0;

	for (;;) {
		ssize_t got = read(fd, bytes, sizeof(bytes));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, path);
		if (got == 0)
			break;
		hash_add(st, bytes, (size_t)got);
		size += (uint64_t)got;
	}
	*ret_size = size;
	return NULL;
}

struct error *blob_verify(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *path = blob_path(s, h);
	_cleanup_(buf_release) struct buf bad = {0};
	_cleanup_(closep) int fd = -1;
	struct hash_state st;
	struct hash got;
	uint64_t size;

	TRY(blob_fd(s, h, &fd, &size));
	hash_init(&st);
	TRY(blob_hash_fd(fd, path, &st, &size));
	got = hash_final(&st);
	if (hash_eq(&got, h))
		return NULL;
	buf_printf(&bad, "%s.bad", path);
	if (rename(path, buf_str(&bad)))
		return file_error(errno, path);
	return error_new(ERR_CORRUPT,
			 N_("The file %s is damaged on this disk. It was set aside and will be "
			    "fetched again from a peer."),
			 ID_SHORT(h));
}

struct error *blob_remove(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *path = blob_path(s, h);

	if (unlink(path))
		return errno == ENOENT ? missing(h) : file_error(errno, path);
	return NULL;
}

static struct error *unlink_if_there(const char *path)
{
	return unlink(path) && errno != ENOENT ? file_error(errno, path) : NULL;
}

/* A transfer that goes on would bring it back. */
static struct error *erase_part(void *ctx, const char *path)
{
	const struct hash *h = ctx;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	given_remove(path);
	if (fd < 0)
		return errno == ENOENT ? NULL : file_error(errno, path);
	ENSURE(flock(fd, LOCK_EX | LOCK_NB) == 0,
	       error_new(ERR_BUSY, N_("The file %s is already being fetched."), ID_SHORT(h)));
	return unlink_if_there(path);
}

static struct error *erase_parts(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *path = path_join(s->part, ID(h));

	TRY(erase_part((void *)(uintptr_t)h, path));
	TRY(given_each_own(s, h, erase_part, (void *)(uintptr_t)h));
	return dir_sync(s->part);
}

struct error *blob_erase(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *folder = blob_folder(s, h), *path = blob_path(s, h);
	_cleanup_(buf_release) struct buf bad = {0};
	struct error *e;

	TRY(erase_parts(s, h));
	buf_printf(&bad, "%s.bad", path);
	TRY(unlink_if_there(buf_str(&bad)));
	TRY(unlink_if_there(path));
	e = dir_sync(folder);
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, NULL);
	return e;
}

static uint64_t size_at(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static struct error *most_of(void *ctx, const char *path)
{
	uint64_t *most = ctx, size = size_at(path);

	*most = size > *most ? size : *most;
	return NULL;
}

uint64_t blob_part(struct blob_store *s, const struct hash *h)
{
	_cleanup_(freep) char *path = path_join(s->part, ID(h));
	uint64_t most = size_at(path);

	if (given_is_mixed(s, h))
		error_free(given_each_own(s, h, most_of, &most));
	return most;
}

uint64_t blob_part_from(struct blob_store *s, const struct hash *h, const struct pubkey *by)
{
	_cleanup_(freep) char *path = given_part(s, h, by);

	return size_at(path);
}

/* --- all of them --- */
static struct error *each_in_folder(struct blob_store *s, const char *folder, blob_fn *fn,
				    void *ctx)
{
	_cleanup_(freep) char *path = path_join(s->dir, folder);
	_cleanup_(closedirp) DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return errno == ENOENT ? NULL : file_error(errno, path);
	while ((e = readdir(d))) {
		char name[BASE32_KEY_LEN + 1];
		struct hash h;
		uint64_t size;

		if (strlen(e->d_name) != BASE32_KEY_LEN - 2)
			continue;
		snprintf(name, sizeof(name), "%.2s%.50s", folder, e->d_name);
		if (id_parse(name, &h) && blob_has(s, &h, &size))
			TRY(fn(ctx, &h, size));
	}
	return NULL;
}

static struct error *each_stored(struct blob_store *s, blob_fn *fn, void *ctx)
{
	_cleanup_(closedirp) DIR *d = opendir(s->dir);
	struct dirent *e;

	if (!d)
		return file_error(errno, s->dir);
	while ((e = readdir(d)))
		if (strlen(e->d_name) == 2 && e->d_name[0] != '.')
			TRY(each_in_folder(s, e->d_name, fn, ctx));
	return NULL;
}

struct error *blob_each(struct blob_store *s, blob_fn *fn, void *ctx)
{
	for (size_t i = 0; i < s->n_chosen; i++)
		TRY(fn(ctx, &s->chosen[i].hash, s->chosen[i].size));
	return s->is_choice ? NULL : each_stored(s, fn, ctx);
}
