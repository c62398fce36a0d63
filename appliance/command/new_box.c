/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/new_box.h"
#include "appliance/setup/folder.h"

struct error *new_box_folder(const char *dir, int *ret_lock)
{
	_cleanup_(closep) int lock = -1;

	TRY(setup_folder_check(dir));
	TRY(command_lock(dir, &lock));
	TRY(setup_folder_clear(dir, false));
	*ret_lock = lock;
	lock = -1;
	return NULL;
}

struct error *new_box_key(const char *dir, const struct secret *key)
{
	_cleanup_(freep) char *path = path_join(dir, "key");

	return secret_save(path, key);
}

struct error *command_read_line(int fd, const char *name, char out[1001])
{
	size_t n = 0;
	ssize_t got;

	while (n < 1000 && (got = read(fd, out + n, 1000 - n)) > 0)
		n += (size_t)got;
	out[n] = 0;
	out[strcspn(out, "\r\n")] = 0;
	ENSURE(*out, error_new(ERR_INVALID, N_("%s has nothing on its first line."), name));
	return NULL;
}
