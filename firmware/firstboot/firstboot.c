/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/firstboot/firstboot.h"
#include "sync/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char *const folders[] = {"box", "updates"};

/* Below an open folder and without following links: the daemon's user could have put one there. */
static struct error *make_folder(int data, const char *name, const struct firstboot *f)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	ENSURE(mkdirat(data, name, 0700) == 0 || errno == EEXIST, file_error(errno, name));
	fd = openat(data, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ENSURE(fd >= 0, error_new(ERR_DENIED, N_("%s on the data partition is no folder."), name));
	ENSURE(fstat(fd, &st) == 0, file_error(errno, name));
	if (st.st_uid != f->uid || st.st_gid != f->gid)
		ENSURE(fchown(fd, f->uid, f->gid) == 0, file_error(errno, name));
	ENSURE(fchmod(fd, 0700) == 0, file_error(errno, name));
	return NULL;
}

static void say_lost(FILE *screen)
{
	fprintf(screen,
		"\n"
		"  The disk with the community's data can't be read.\n"
		"  Nothing is written to it, and no new box is begun over it.\n"
		"\n"
		"  - Switch the box off, see that the disk is firmly in its place, and try again.\n"
		"  - If it stays so: put in a new disk with this system, and restore the backup, "
		"or\n"
		"    choose \"take the place of a dead box\" with two of the recovery sheets.\n"
		"  - Keep the old disk: others may still be able to read it.\n"
		"\n");
	fflush(screen);
}

struct error *firstboot_prepare(const struct firstboot *f, FILE *screen)
{
	_cleanup_(freep) char *lost = path_join(f->run, "data-lost");
	_cleanup_(closep) int data = -1;

	if (access(lost, F_OK) == 0) {
		say_lost(screen);
		return error_new(ERR_CORRUPT, N_("The data partition can't be read."));
	}
	data = open(f->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ENSURE(data >= 0, file_error(errno, f->data));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		TRY(make_folder(data, folders[i], f));
	return NULL;
}
