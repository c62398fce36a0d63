/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

struct error *file_error(int errnum, const char *path)
{
	const char *words = strerrordesc_np(errnum);

	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return error_new(ERR_FULL,
				 N_("The disk is full: %s could not be written. Free some space "
				    "and try again."),
				 path);
	case ENOENT:
		return error_new(ERR_NOT_FOUND, N_("There is no file %s."), path);
	default:
		return error_new(ERR_IO, N_("The file %s could not be used: %s."), path,
				 words ? words : "?");
	}
}

char *path_join(const char *dir, const char *name)
{
	struct buf b = {0};

	buf_printf(&b, "%s/%s", dir, name);
	return buf_steal(&b);
}

struct error *fd_read_all(int fd, size_t limit, struct buf *b, const char *name)
{
	size_t start = b->n;

	for (;;) {
		ssize_t got = read(fd, buf_reserve(b, 65536), 65536);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			int errnum = errno;

			b->p[b->n] = 0;
			return got == 0 ? NULL : file_error(errnum, name);
		}
		b->n += (size_t)got;
		if (b->n - start > limit) {
			b->n = start;
			b->p[b->n] = 0;
			return error_new(ERR_LIMIT, N_("The file %s is larger than it may be."),
					 name);
		}
	}
}

struct error *file_read(const char *path, size_t limit, struct buf *b)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return file_error(errno, path);
	return fd_read_all(fd, limit, b, path);
}

struct error *fd_write_all(int fd, struct span s, const char *name)
{
	while (s.n) {
		ssize_t put = write(fd, s.p, s.n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return file_error(put < 0 ? errno : EIO, name);
		s.p += put;
		s.n -= (size_t)put;
	}
	return NULL;
}

static struct error *write_new(const char *tmp, struct span content, mode_t mode)
{
	_cleanup_(closep) int fd =
		open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return file_error(errno, tmp);
	/* An old temporary may have another mode; umask may have taken bits away. */
	if (fchmod(fd, mode))
		return file_error(errno, tmp);
	TRY(fd_write_all(fd, content, tmp));
	if (fsync(fd))
		return file_error(errno, tmp);
	return NULL;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf b = {0};

	if (!slash)
		buf_puts(&b, ".");
	else
		buf_add(&b, path, slash == path ? 1 : (size_t)(slash - path));
	return buf_steal(&b);
}

struct error *file_write(const char *path, struct span content, mode_t mode)
{
	_cleanup_(freep) char *dir = folder_of(path);
	_cleanup_(buf_release) struct buf tmp = {0};
	struct error *err;

	buf_printf(&tmp, "%s.tmp", path);
	err = write_new(buf_str(&tmp), content, mode);
	if (!err && rename(buf_str(&tmp), path))
		err = file_error(errno, path);
	if (err) {
		unlink(buf_str(&tmp));
		return err;
	}
	return dir_sync(dir);
}

struct error *dir_sync(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		return file_error(errno, path);
	return NULL;
}

static struct error *make_one(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return NULL;
	if (errno == EEXIST && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return NULL;
		errno = ENOTDIR;
	}
	return file_error(errno, path);
}

struct error *dir_make(const char *path, mode_t mode)
{
	_cleanup_(buf_release) struct buf part = {0};

	for (const char *p = path; *p; p++) {
		if (*p == '/' && part.n && part.p[part.n - 1] != '/')
			TRY(make_one(buf_str(&part), mode));
		buf_putc(&part, *p);
	}
	return make_one(path, mode);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path) && errno != ENOENT ? errno : 0;
}

struct error *dir_remove(const char *path)
{
	struct stat st;
	int errnum;

	if (lstat(path, &st))
		return errno == ENOENT ? NULL : file_error(errno, path);
	errnum = nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (errnum)
		return file_error(errnum < 0 ? errno : errnum, path);
	return NULL;
}

struct error *file_nameless(const char *dir, int *ret_fd)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) { /* a file system without nameless files */
		_cleanup_(freep) char *path = path_join(dir, "nameless-XXXXXX");

		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	ENSURE(fd >= 0, file_error(errno, dir));
	*ret_fd = fd;
	return NULL;
}
