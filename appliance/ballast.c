/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/ballast.h"
#include "sync/base/file.h"
#include <fcntl.h>
#include <sys/statvfs.h>

#define MB ((uint64_t)1024 * 1024)
enum { BALLAST_MB = 8, ROOM_MB = 64 };

void ballast_take_in(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "ballast");
	_cleanup_(closep) int fd = -1;
	struct statvfs fs;

	if (access(path, F_OK) == 0 || statvfs(dir, &fs) ||
	    (uint64_t)fs.f_bavail * fs.f_frsize < ROOM_MB * MB)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && posix_fallocate(fd, 0, (off_t)(BALLAST_MB * MB)))
		unlink(path);
}

bool ballast_throw_out(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "ballast");

	return unlink(path) == 0;
}
