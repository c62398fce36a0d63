/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files that may be updates: on sticks, and as they are put before the helper. */
#include "appliance/update/offer.h"
#include "appliance/box/box.h"
#include "appliance/carry/stick.h"
#include "firmware/helper/helper.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { COPY = 1 << 18 };

bool update_file_ok(const char *name)
{
	return arg_check(&(struct arg_spec){.kind = ARG_BUNDLE}, name);
}

/* A regular file of the stick's top folder, opened without following links. */
static struct error *open_on_stick(const struct stick_place *p, const char *name, int *ret_fd,
				   uint64_t *ret_size)
{
	_cleanup_(closep) int root = -1;
	_cleanup_(closep) int fd = -1;
	struct stat st;

	ENSURE(update_file_ok(name), error_new(ERR_INVALID, N_("%s is no update's name."), name));
	TRY(stick_open(p, &root));
	fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ENSURE(fd >= 0 || errno != ELOOP, error_new(ERR_INVALID, N_("%s on the stick is no update."), name));
	ENSURE(fd >= 0 && fstat(fd, &st) == 0, stick_error(errno));
	ENSURE(S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= LIMIT_UPLOAD,
	       error_new(ERR_INVALID, N_("%s on the stick is no update."), name));
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	fd = -1;
	return NULL;
}

static void look_on_stick(const struct stick_place *p, struct update_file *out, size_t max,
			  size_t *n)
{
	int root = -1;
	struct error *e = stick_open(p, &root);
	DIR *d = e ? NULL : fdopendir(root);
	struct dirent *f;

	error_free(e); /* pulled out: then nothing is on it */
	if (!d && root >= 0)
		close(root);
	for (size_t looked = 0; d && *n < max && looked < CARRY_LOOKED && (f = readdir(d));
	     looked++) {
		struct stat st;

		if (!update_file_ok(f->d_name) ||
		    fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		out[*n] = (struct update_file){.size = (uint64_t)st.st_size};
		memcpy(out[*n].stick, p->id, sizeof(p->id));
		snprintf(out[*n].label, sizeof(out->label), "%s", p->label);
		snprintf(out[*n].name, sizeof(out->name), "%.*s", UPDATE_FILE - 1, f->d_name);
		(*n)++;
	}
	if (d)
		closedir(d);
}

static size_t places_now(struct app *a, struct stick_place out[CARRY_STICKS])
{
	struct usb *u = usb_open(a->dir);
	size_t n = stick_mounted_here(u, a, out, CARRY_STICKS);

	usb_close(u);
	return n + stick_places(a->box.sticks, out + n, CARRY_STICKS - n);
}

size_t update_on_sticks(struct app *a, struct update_file *out, size_t max)
{
	struct stick_place p[CARRY_STICKS];
	size_t n = 0, places = places_now(a, p);

	for (size_t i = 0; i < places; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= strcmp(p[k].path, p[i].path) == 0;
		if (!again)
			look_on_stick(&p[i], out, max, &n);
	}
	return n;
}

/* --- putting it before the helper --------------------------------------------------------------
 */

struct error *update_put(int from, const char *path, const char *name)
{
	_cleanup_(freep) uint8_t *part = malloc(COPY);
	_cleanup_(closep) int to = -1;
	off_t at = 0;
	ssize_t n;

	if (!part)
		abort();
	unlink(path);
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ENSURE(to >= 0, file_error(errno, name));
	while ((n = pread(from, part, COPY, at)) > 0) {
		TRY(fd_write_all(to, span_of(part, (size_t)n), name));
		at += n;
		ENSURE(at <= LIMIT_UPLOAD,
		       error_new(ERR_LIMIT, N_("%s is larger than any update."), name));
	}
	ENSURE(n == 0 && fsync(to) == 0, file_error(errno, name));
	return NULL;
}

/* What is being read by the installer must not be taken from under it. */
static struct error *none_at_work(struct app *a)
{
	struct update_state u;

	update_state_read(a, &u);
	ENSURE(u.last.stage != UPDATE_CHECKING && u.last.stage != UPDATE_INSTALLING,
	       error_new(ERR_BUSY, N_("The update %s is being installed. Wait until the box has "
				      "restarted."),
			 u.last.file));
	return NULL;
}

struct error *update_may_begin(struct app *a)
{
	ENSURE(box_has_helper(a->box.helper),
	       error_new(ERR_NOT_FOUND,
			 N_("The box is one program of this machine: it is updated as it was "
			    "installed.")));
	return none_at_work(a);
}

/* Kept, to be passed on if it is good; or, where nothing is (a test, the first run), only put there. */
static struct error *put_there(struct app *a, int fd, const char *name, const char *path)
{
	return a->offers ? offer_take_in(a->offers, fd, name) : update_put(fd, path, name);
}

struct error *update_ask(struct app *a, int fd, const char *name)
{
	_cleanup_(freep) char *path = path_join(a->box.updates, name);
	struct error *e;

	TRY(update_may_begin(a));
	e = put_there(a, fd, name, path);
	if (!e)
		e = BOX_ASK(a->box.helper, NULL, "update", name);
	if (e && a->offers)
		offer_not_taken(a->offers, name);
	if (e)
		unlink(path);
	return e;
}

struct error *update_ask_stick(struct app *a, const char *stick, const char *name)
{
	struct stick_place p[CARRY_STICKS];
	size_t n = places_now(a, p);
	_cleanup_(closep) int fd = -1;
	uint64_t size;

	for (size_t i = 0; i < n; i++)
		if (strcmp(p[i].id, stick) == 0) {
			TRY(open_on_stick(&p[i], name, &fd, &size));
			return update_ask(a, fd, name);
		}
	return stick_error(ENODEV);
}
