/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/stick.h"
#include "appliance/setup/setup_priv.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

struct search {
	struct setup_found *out;
	size_t n, max;
};

static void look_at(struct search *s, int dir, const char *folder, const char *name)
{
	_cleanup_(closep) int fd =
		openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct setup_found f;
	struct error *e;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || s->n == s->max)
		return;
	e = backup_look(fd, name, &f.about);
	if (e) {
		error_free(e);
		return;
	}
	f.size = (uint64_t)st.st_size;
	if (f.about.old)
		f.about.made_ms = (int64_t)st.st_mtime * 1000;
	if ((size_t)snprintf(f.path, sizeof(f.path), "%s/%s", folder, name) < sizeof(f.path))
		s->out[s->n++] = f;
}

static void look_into(struct search *s, const char *folder, int depth)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *f;

	if (!d && fd >= 0)
		close(fd);
	while (d && (f = readdir(d))) {
		_cleanup_(freep) char *path = path_join(folder, f->d_name);
		struct stat st;

		if (f->d_name[0] == '.' || fstatat(fd, f->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode) && depth)
			look_into(s, path, depth - 1);
		else if (S_ISREG(st.st_mode))
			look_at(s, fd, folder, f->d_name);
	}
	if (d)
		closedir(d);
}

static int newer_first(const void *a, const void *b)
{
	const struct setup_found *x = a, *y = b;

	return (x->about.made_ms < y->about.made_ms) - (x->about.made_ms > y->about.made_ms);
}

size_t setup_find(const struct setup *s, struct setup_found *out, size_t max)
{
	struct stick_place sticks[CARRY_STICKS];
	const char *dir = s->o.sticks ? s->o.sticks : s->app.box.sticks;
	size_t n = stick_places(dir, sticks, CARRY_STICKS);
	struct search all = {out, 0, max};

	if (s->o.backups)
		look_into(&all, s->o.backups, 1);
	for (size_t i = 0; i < n; i++)
		look_into(&all, sticks[i].path, 1);
	qsort(out, all.n, sizeof(*out), newer_first);
	return all.n;
}
