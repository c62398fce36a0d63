/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where sticks are: folders that are treated as such, and mounts from USB. */
#include "appliance/carry/stick.h"
#include "appliance/box/box.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { LOOKED = 256 };

void stick_place_name(struct stick_place *p, const char *label, const char *path)
{
	struct stat st = {0};
	struct hash_state h;
	struct hash id;

	line_clean(span_str(label), p->label, sizeof(p->label));
	snprintf(p->path, sizeof(p->path), "%s", path);
	/* Another stick at the same place is another. */
	if (stat(path, &st))
		memset(&st, 0, sizeof(st));
	hash_init(&h);
	hash_add(&h, path, strlen(path));
	hash_add(&h, &st.st_dev, sizeof(st.st_dev));
	hash_add(&h, &st.st_ino, sizeof(st.st_ino));
	id = hash_final(&h);
	snprintf(p->id, sizeof(p->id), "%.8s", ID_SHORT(&id));
}

size_t stick_places(const char *dir, struct stick_place *out, size_t max)
{
	DIR *d = dir ? opendir(dir) : NULL;
	size_t n = 0, looked = 0;
	struct dirent *e;

	while (d && n < max && looked++ < LOOKED && (e = readdir(d))) {
		_cleanup_(freep) char *path = path_join(dir, e->d_name);
		struct stat st;

		if (e->d_name[0] == '.' || strlen(path) >= sizeof(out->path) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
			continue;
		stick_place_name(&out[n++], e->d_name, path);
	}
	if (d)
		closedir(d);
	return n;
}

const char *stick_device(const struct app *a, const char *path)
{
	size_t n = strlen(a->box.sticks);

	return n && strncmp(path, a->box.sticks, n) == 0 && path[n] == '/' &&
			       !strchr(path + n + 1, '/')
		       ? path + n + 1
		       : NULL;
}

struct error *stick_path(const struct app *a, const char *where, char *out, size_t size)
{
	struct usb_part parts[CARRY_STICKS];
	const struct usb_part *found;
	struct usb *u;
	size_t n;

	if (!stick_is_name(where)) {
		snprintf(out, size, "%s", where);
		return NULL;
	}
	u = usb_open(a->dir);
	n = usb_parts(u, parts, CARRY_STICKS);
	usb_close(u);
	TRY(stick_by_name(parts, n, where, &found));
	snprintf(out, size, "%s/%s", a->box.sticks, found->device);
	return NULL;
}

/* A stick that the root helper opened is open for reading; for as long as something is written, for
 * writing. */
struct error *stick_open_for_writing(const struct app *a, const char *path)
{
	const char *device = stick_device(a, path);

	return device ? BOX_ASK(a->box.helper, NULL, "mount", device, "write") : NULL;
}

void stick_open_for_reading(const struct app *a, const char *path)
{
	const char *device = stick_device(a, path);

	if (device) /* pulled out meanwhile: what was written is whole in any case */
		error_free(BOX_ASK(a->box.helper, NULL, "mount", device, "read"));
}

/* --- /proc/self/mountinfo --------------------------------------------------------------------- */

/* "\040" and the like, in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return !n || (strncmp(path, folder, n) == 0 && path[n] == '/');
}

/* One line: "36 35 98:0 /mnt1 /mnt2 rw,noatime …". */
static bool mounted_usb(struct usb *u, char *line, const char *below, struct stick_place *ret)
{
	char label[LIMIT_NAME + 1], root[8], *path;
	unsigned major, minor;
	int at = 0;

	if (sscanf(line, "%*u %*u %u:%u %7s %n", &major, &minor, root, &at) < 3 || !at ||
	    strcmp(root, "/") != 0)
		return false;
	path = line + at;
	path[strcspn(path, " \n")] = 0;
	unescape(path);
	if (strlen(path) >= sizeof(ret->path) || !is_below(path, below) || !usb_device(u, major, minor, label))
		return false;
	stick_place_name(ret, label, path);
	return true;
}

size_t stick_mounted(struct usb *u, const char *mountinfo, const char *below,
		     struct stick_place *out, size_t max)
{
	_cleanup_(fclosep) FILE *f = u ? fopen(mountinfo, "re") : NULL;
	_cleanup_(freep) char *line = NULL;
	size_t size = 0, n = 0;

	while (f && n < max && getline(&line, &size, f) > 0)
		n += mounted_usb(u, line, below, &out[n]);
	return n;
}

size_t stick_mounted_here(struct usb *u, const struct app *a, struct stick_place *out, size_t max)
{
	_cleanup_(freep) char *mountinfo = path_join(*a->box.proc ? a->box.proc : "/proc",
						     "self/mountinfo");

	return stick_mounted(u, mountinfo, box_has_helper(a->box.helper) ? a->box.sticks : "", out,
			     max);
}

/* Is the device with this number in mountinfo? */
static bool mounted(const char *mountinfo, const struct usb_part *p)
{
	_cleanup_(fclosep) FILE *f = fopen(mountinfo, "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;
	unsigned major, minor;
	bool is = false;

	while (f && !is && getline(&line, &size, f) > 0)
		is = sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 && major == p->major &&
		     minor == p->minor;
	return is;
}

size_t carry_plugged(struct app *a, struct usb_part *out, size_t max)
{
	struct usb *u = box_has_helper(a->box.helper) ? usb_open(a->dir) : NULL;
	_cleanup_(freep) char *mountinfo = path_join(a->box.proc, "self/mountinfo");
	size_t n = usb_parts(u, out, max), kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!mounted(mountinfo, &out[i]))
			out[kept++] = out[i];
	usb_close(u);
	return kept;
}
