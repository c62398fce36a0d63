/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/ballast.h"
#include "sync/base/file.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MB ((uint64_t)1024 * 1024)
enum { BALLAST_MB = 8, RESERVE_MB = 8, ROOM_MB = 64, LEAST_MB = 6 };

/* A disk that does not say how much is free has enough. */
static uint64_t free_on(const char *dir)
{
	struct statvfs fs;

	return statvfs(dir, &fs) ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* A file of that size, all of it on the disk; one that is shorter grows. */
static bool keep(const char *dir, const char *name, uint64_t size)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || posix_fallocate(fd, 0, (off_t)size) == 0)
		return fd >= 0;
	unlink(path);
	return false;
}

/* Out of the first room there is: a box that does not start helps nobody. */
static void ballast_keep(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "ballast");

	if (access(path, F_OK) && free_on(dir) >= (BALLAST_MB + LEAST_MB) * MB)
		keep(dir, "ballast", BALLAST_MB * MB);
}

void ballast_take_in(const char *dir)
{
	ballast_keep(dir);
	reserve_take_in(dir);
}

static bool thrown_out(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	return unlink(path) == 0;
}

void ballast_make_room(const char *dir)
{
	if (free_on(dir) < LEAST_MB * MB)
		thrown_out(dir, "ballast");
	reserve_let_go(dir, LEAST_MB * MB);
}

bool ballast_throw_out(const char *dir)
{
	bool any = thrown_out(dir, "ballast");

	return thrown_out(dir, "reserve") || any;
}

bool reserve_take_in(const char *dir)
{
	ballast_keep(dir);
	return free_on(dir) >= ROOM_MB * MB && keep(dir, "reserve", RESERVE_MB * MB);
}

uint64_t reserve_size(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "reserve");
	struct stat st;

	return lstat(path, &st) ? 0 : (uint64_t)st.st_size;
}

void reserve_give_back(const char *dir, uint64_t size, uint64_t leave)
{
	uint64_t now = reserve_size(dir);

	if (now < size && free_on(dir) >= size - now + leave)
		keep(dir, "reserve", size);
}

bool reserve_let_go(const char *dir, uint64_t room)
{
	_cleanup_(freep) char *path = path_join(dir, "reserve");
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t there = free_on(dir), needs = room > there ? room - there : 0;
	struct stat st;

	if (fd < 0 || !needs || fstat(fd, &st))
		return !needs;
	if ((uint64_t)st.st_size <= needs)
		unlink(path);
	else if (ftruncate(fd, st.st_size - (off_t)needs))
		return false;
	return free_on(dir) >= room;
}
