/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/stick.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

static const char folder[] = "lliure";
enum { DATE = 13 }; /* "20261125-1510", in front of ".lliure" */

struct error *stick_error(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return error_new(ERR_FULL, N_("The stick is full. Take something off it, or use "
					      "another one."));
	case EROFS:
	case EACCES:
	case EPERM:
		return error_new(ERR_DENIED,
				 N_("The stick can't be written to. Some have a small switch at "
				    "the side that locks them."));
	case EIO:
	case ENODEV:
	case ENXIO:
	case ENOENT:
	case ESTALE:
	case ENOTCONN:
		return error_new(ERR_IO, N_("The stick does not answer. Was it pulled out? Plug it "
					    "in again and repeat; nothing was lost here."));
	}
	return error_new(ERR_IO, N_("The stick can't be used: %s."), strerror(errnum));
}

struct error *stick_open(const struct stick_place *p, int *ret_root)
{
	int fd = open(p->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	ENSURE(fd >= 0, stick_error(errno));
	*ret_root = fd;
	return NULL;
}

/* -1: there is none, or it is something else. */
static int open_folder(int root)
{
	return openat(root, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* --- what lies there -------------------------------------------------------------------------- */

static const char *date_of(const char *name)
{
	size_t n = strlen(name);

	return n > DATE + 7 ? name + n - 7 - DATE : name;
}

/* Keep the newest, newest first. */
static void keep(struct stick_file files[CARRY_FILES], size_t *n, const struct stick_file *f)
{
	size_t at = *n;

	while (at > 0 && strcmp(date_of(files[at - 1].name), date_of(f->name)) < 0)
		at--;
	if (at >= CARRY_FILES)
		return;
	if (*n < CARRY_FILES)
		(*n)++;
	memmove(files + at + 1, files + at, (*n - at - 1) * sizeof(*files));
	files[at] = *f;
}

static bool look(int dir, const char *name, struct stick_file *ret)
{
	struct stat st;

	if (!carry_name_ok(name) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode) || st.st_size <= 0)
		return false;
	snprintf(ret->name, sizeof(ret->name), "%.*s", CARRY_NAME - 1, name);
	ret->size = (uint64_t)st.st_size;
	return true;
}

struct error *stick_list(int root, struct stick_file files[CARRY_FILES], size_t *ret_n,
			 bool *ret_more)
{
	int dir = open_folder(root);
	DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	size_t n = 0, looked = 0, found = 0;
	struct dirent *e;

	if (dir >= 0 && !d)
		close(dir);
	while (d && looked < CARRY_LOOKED && (e = readdir(d))) {
		struct stick_file f;

		looked++;
		if (look(dir, e->d_name, &f)) {
			found++;
			keep(files, &n, &f);
		}
	}
	*ret_more = found > n || looked == CARRY_LOOKED;
	if (d)
		closedir(d);
	*ret_n = n;
	return NULL;
}

struct error *stick_file_open(int root, const char *name, int *ret_fd, uint64_t *ret_size)
{
	_cleanup_(closep) int dir = open_folder(root);
	_cleanup_(closep) int fd = -1;
	struct stat st;

	ENSURE(dir >= 0 && carry_name_ok(name), stick_error(ENOENT));
	/* O_NONBLOCK: a FIFO put in its place would be waited for. */
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ENSURE(fd >= 0 || errno != ELOOP,
	       error_new(ERR_DENIED, N_("%s on the stick is no file."), name));
	ENSURE(fd >= 0 && fstat(fd, &st) == 0, stick_error(errno));
	ENSURE(S_ISREG(st.st_mode), error_new(ERR_DENIED, N_("%s on the stick is no file."), name));
	ENSURE((uint64_t)st.st_size <= CARRY_BUNDLE,
	       error_new(ERR_LIMIT, N_("%s on the stick is larger than any news can be."), name));
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	fd = -1;
	return NULL;
}

/* --- room and writing ------------------------------------------------------------------------- */

struct error *stick_room(int root, struct stick_room *ret)
{
	struct statvfs v;
	struct statfs s;

	ENSURE(fstatvfs(root, &v) == 0 && fstatfs(root, &s) == 0, stick_error(errno));
	ret->bytes = (uint64_t)v.f_bavail * v.f_frsize;
	ret->file_max = s.f_type == MSDOS_SUPER_MAGIC ? UINT32_MAX : UINT64_MAX;
	ret->writable = !(v.f_flag & ST_RDONLY) && faccessat(root, ".", W_OK, AT_EACCESS) == 0;
	return NULL;
}

static void temporary(const char *name, char out[CARRY_NAME + 4])
{
	snprintf(out, CARRY_NAME + 4, "%.*s.tmp", CARRY_NAME - 1, name);
}

/* What writings that were broken off have left: the stick was pulled out, or the power went. */
static void sweep(int at)
{
	int dir = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	size_t looked = 0;
	struct dirent *e;

	if (dir >= 0 && !d)
		close(dir);
	while (d && looked++ < CARRY_LOOKED && (e = readdir(d))) {
		size_t n = strlen(e->d_name);
		char name[CARRY_NAME];

		if (n < 5 || n - 4 >= sizeof(name) || strcmp(e->d_name + n - 4, ".tmp") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(n - 4), e->d_name);
		if (carry_name_ok(name))
			unlinkat(at, e->d_name, 0);
	}
	if (d)
		closedir(d);
}

struct error *stick_write_begin(int root, const char *name, int *ret_fd)
{
	_cleanup_(closep) int dir = -1;
	char tmp[CARRY_NAME + 4];
	int fd;

	ENSURE(mkdirat(root, folder, 0755) == 0 || errno == EEXIST, stick_error(errno));
	dir = open_folder(root);
	ENSURE(dir >= 0, error_new(ERR_EXISTS, N_("“lliure” on the stick is no folder. Give it "
						  "another name and repeat.")));
	temporary(name, tmp);
	sweep(dir);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	ENSURE(fd >= 0, stick_error(errno));
	*ret_fd = fd;
	return NULL;
}

static struct error *settle(int root, int fd, const char *name)
{
	_cleanup_(closep) int dir = open_folder(root);
	char tmp[CARRY_NAME + 4];

	temporary(name, tmp);
	ENSURE(dir >= 0, stick_error(ENODEV));
	ENSURE(fsync(fd) == 0, stick_error(errno));
	ENSURE(renameat(dir, tmp, dir, name) == 0, stick_error(errno));
	ENSURE(fsync(dir) == 0 || errno == EINVAL, stick_error(errno));
	ENSURE(syncfs(root) == 0, stick_error(errno));
	return NULL;
}

struct error *stick_write_end(int root, int take_fd, const char *name)
{
	struct error *e = settle(root, take_fd, name);

	if (e)
		stick_write_give_up(root, take_fd, name);
	else
		close(take_fd);
	return e;
}

void stick_write_give_up(int root, int take_fd, const char *name)
{
	_cleanup_(closep) int dir = open_folder(root);
	char tmp[CARRY_NAME + 4];

	temporary(name, tmp);
	close(take_fd);
	if (dir >= 0)
		unlinkat(dir, tmp, 0);
}

void stick_remove(int root, const char *name)
{
	_cleanup_(closep) int dir = open_folder(root);

	if (dir >= 0 && carry_name_ok(name))
		unlinkat(dir, name, 0);
}
