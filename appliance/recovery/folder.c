/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* While it is written: by which box, for several may share a folder. */
struct part_name {
	char s[40];
};

static struct part_name part_of(const struct app *app)
{
	struct part_name n;

	snprintf(n.s, sizeof(n.s), ".lliure-backup-%.8s.part", ID_SHORT(secret_pubkey(app->self)));
	return n;
}

static struct error *open_folder(const char *folder, int *ret_fd)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return error_new(ERR_NOT_FOUND,
				 N_("The folder %s is not there. Is the disk or stick plugged in?"),
				 folder);
	if (fd < 0)
		return file_error(errno, folder);
	*ret_fd = fd;
	return NULL;
}

/* Names that are ours, at most BACKUP_LIST; the rest can wait for the next time. */
struct listed {
	char names[BACKUP_LIST][BACKUP_NAME];
	struct backup_dated dated[BACKUP_LIST];
	size_t n;
};

/* Yours. */
static struct listed *list(int dir, const struct pubkey *box, int64_t now_ms)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct listed *l = calloc(1, sizeof(*l));
	enum backup_scope scope;
	struct dirent *f;
	int64_t when;

	if (!l)
		abort();
	while (d && l->n < BACKUP_LIST && (f = readdir(d)))
		if (strlen(f->d_name) < BACKUP_NAME &&
		    backup_name_parse(f->d_name, box, &scope, &when))
			snprintf(l->names[l->n++], BACKUP_NAME, "%.*s", BACKUP_NAME - 1, f->d_name);
	if (d)
		closedir(d);
	else if (copy >= 0)
		close(copy);
	backup_dates(box, now_ms, l->names, l->n, l->dated);
	return l;
}

static void rotate(int dir, const struct pubkey *box, int64_t now_ms)
{
	_cleanup_(freep) struct listed *l = list(dir, box, now_ms);
	bool remove[BACKUP_LIST];

	backup_rotate(l->dated, l->n, remove);
	for (size_t i = 0; i < l->n; i++)
		if (remove[i])
			unlinkat(dir, l->names[i], 0);
}

static struct error *write_part(struct app *app, int dir, const char *folder,
				enum backup_scope scope)
{
	_cleanup_(closep) int fd = -1;
	struct part_name part = part_of(app);
	struct backup_made made;

	unlinkat(dir, part.s, 0); /* of a try that the power cut short */
	fd = openat(dir, part.s, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return file_error(errno, folder);
	TRY(backup_write(app, scope, (struct sealed_key){.box = app->self}, fd, folder, &made));
	return fsync(fd) ? file_error(errno, folder) : NULL;
}

struct error *folder_back_up(struct app *app, const char *folder, enum backup_scope scope)
{
	_cleanup_(closep) int dir = -1;
	struct part_name part = part_of(app);
	char name[BACKUP_NAME];
	struct error *e;
	int64_t now;

	TRY(open_folder(folder, &dir));
	/* When it began: what is erased while it is written may be in it. */
	now = env_now(app->env);
	e = write_part(app, dir, folder, scope);
	backup_name(secret_pubkey(app->self), scope, now, name);
	if (!e && (renameat(dir, part.s, dir, name) || fsync(dir)))
		e = file_error(errno, folder);
	if (e) {
		unlinkat(dir, part.s, 0);
		return e;
	}
	rotate(dir, secret_pubkey(app->self), now);
	return NULL;
}

struct error *folder_forget(const struct pubkey *box, const char *folder, const char *keep)
{
	_cleanup_(freep) struct listed *l = NULL;
	_cleanup_(closep) int dir = -1;

	TRY(open_folder(folder, &dir));
	l = list(dir, box, 0);
	for (size_t i = 0; i < l->n; i++)
		if (l->dated[i].scope == BACKUP_WHOLE && strcmp(l->names[i], keep) &&
		    unlinkat(dir, l->names[i], 0) && errno != ENOENT)
			return file_error(errno, l->names[i]);
	return fsync(dir) ? file_error(errno, folder) : NULL;
}

/* Of two of the same second the whole one. */
static int64_t age(const struct backup_dated *d)
{
	return 2 * d->order + (d->scope == BACKUP_WHOLE);
}

struct error *folder_newest(const struct pubkey *box, const char *folder, int64_t now_ms,
			    int *ret_fd, char ret_name[BACKUP_NAME], int64_t *ret_when)
{
	_cleanup_(freep) struct listed *l = NULL;
	_cleanup_(closep) int dir = -1;
	size_t best = 0;

	TRY(open_folder(folder, &dir));
	l = list(dir, box, now_ms);
	ENSURE(l->n, error_new(ERR_NOT_FOUND, N_("There is no backup in %s."), folder));
	for (size_t i = 1; i < l->n; i++)
		if (age(&l->dated[i]) > age(&l->dated[best]))
			best = i;
	snprintf(ret_name, BACKUP_NAME, "%s", l->names[best]);
	*ret_when = l->dated[best].when;
	*ret_fd = openat(dir, ret_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return *ret_fd < 0 ? file_error(errno, ret_name) : NULL;
}
