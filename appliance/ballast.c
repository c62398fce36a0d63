/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/ballast.h"
#include "sync/base/file.h"
#include <fcntl.h>
#include <sys/statvfs.h>

#define MB ((uint64_t)1024 * 1024)
enum { BALLAST_MB = 8, ROOM_MB = 64, LEAST_MB = 6 };

static bool has_room(const char *dir, uint64_t mb)
{
	struct statvfs fs;

	return statvfs(dir, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= mb * MB;
}

void ballast_take_in(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "ballast");
	_cleanup_(closep) int fd = -1;

	if (access(path, F_OK) == 0 || !has_room(dir, ROOM_MB))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && posix_fallocate(fd, 0, (off_t)(BALLAST_MB * MB)))
		unlink(path);
}

void ballast_make_room(const char *dir)
{
	if (!has_room(dir, LEAST_MB))
		ballast_throw_out(dir);
}

bool ballast_throw_out(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "ballast");

	return unlink(path) == 0;
}
