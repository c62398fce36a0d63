/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/button/input.h"
#include "sync/base/cleanup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <string.h>
#include <sys/ioctl.h>

static const uint16_t keys[] = {KEY_POWER, KEY_RESTART, BTN_0};

static bool is_ours(uint16_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i] == code)
			return true;
	return false;
}

static bool has_key(int fd)
{
	uint8_t bits[KEY_MAX / 8 + 1] = {0};

	if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(bits)), bits) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (bits[keys[i] / 8] >> keys[i] % 8 & 1)
			return true;
	return false;
}

size_t button_open(const char *dir, int fds[BUTTON_DEVICES])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d && n < BUTTON_DEVICES && (e = readdir(d))) {
		int fd;

		if (strncmp(e->d_name, "event", 5) != 0)
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (has_key(fd))
			fds[n++] = fd;
		else
			close(fd);
	}
	if (d)
		closedir(d);
	return n;
}

bool button_read(int fd, enum button_event *ret, bool *ret_gone)
{
	struct input_event e;
	ssize_t n;

	*ret_gone = false;
	while ((n = read(fd, &e, sizeof(e))) == (ssize_t)sizeof(e)) {
		/* 0 released, 1 pressed, 2 still held: the kernel repeats it. */
		if (e.type != EV_KEY || !is_ours(e.code) || e.value < 0 || e.value > 1)
			continue;
		*ret = e.value ? BUTTON_PRESS : BUTTON_RELEASE;
		return true;
	}
	*ret_gone = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	return false;
}
