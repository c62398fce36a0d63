/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A stick is opened at a volunteer's wish, for reading; for writing only as long as something is
 * written. Nothing on it can be run, is a device, or gives anybody rights; its links lead nowhere.
 */
#include "firmware/helper/helper_priv.h"
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#define ALWAYS (MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_NOATIME | MS_NOSYMFOLLOW)

enum { OPTIONS = 160 };

/* What is tried, in this order: nothing else of the kernel reads a stick's bytes. FAT keeps no
 * owners, so that the daemon's user is all of them; ext4 does, and a journal that was not closed is
 * not played while it is only read. */
static const struct {
	const char *type;
	bool owners;
	const char *read_data;
} types[] = {{"vfat", false, ""}, {"exfat", false, ""}, {"ext4", true, "noload"}};

static void mount_data(const struct helper *h, size_t k, bool write, char out[OPTIONS])
{
	if (types[k].owners)
		snprintf(out, OPTIONS, "%s", write ? "" : types[k].read_data);
	else
		snprintf(out, OPTIONS, "uid=%u,gid=%u,umask=0077%s", (unsigned)h->uid,
			 (unsigned)h->gid, strcmp(types[k].type, "vfat") ? "" : ",utf8");
}

static enum fault check_stick(const struct helper *h, const char *name, const char *dev,
			      struct answer *a)
{
	struct block b;

	if (!block_look(h, name, &b) || !h->ops->is_block(h->ops->ctx, dev, b.number))
		return fault_about(a, FAULT_NO_DEVICE, name);
	if (!b.usb)
		return fault_about(a, FAULT_NOT_USB, name);
	if (b.used)
		return fault_about(a, FAULT_SYSTEM_DISK, name);
	return FAULT_NONE;
}

static enum fault close_stick(const struct helper *h, const char *name, const char *where,
			      struct answer *a)
{
	struct block b;
	/* A stick that was pulled out has nothing to wait for. */
	int flags = UMOUNT_NOFOLLOW | (block_look(h, name, &b) ? 0 : MNT_DETACH);
	int e = h->ops->unmount(h->ops->ctx, where, flags);

	if (e)
		return fault_about(a, e == EBUSY ? FAULT_IN_USE : FAULT_PROGRAM, name);
	rmdir(where);
	return FAULT_NONE;
}

/* The type was the right one, and what it describes is not whole; or the stick can't be read. */
static bool speaks_of_damage(int e)
{
	return e == EIO || e == EUCLEAN || e == EBADMSG;
}

static enum fault try_types(const struct helper *h, const char *dev, const char *where, bool write,
			    struct answer *a, const char *name)
{
	unsigned long flags = ALWAYS | (write ? 0 : MS_RDONLY);
	char data[OPTIONS];
	bool damaged = false;
	int e = ENODEV;

	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		mount_data(h, k, write, data);
		e = h->ops->mount(h->ops->ctx, dev, where, types[k].type, flags, data);
		if (e == 0)
			return FAULT_NONE;
		if (e == EBUSY)
			break;
		damaged |= speaks_of_damage(e);
	}
	rmdir(where);
	return fault_about(a, e == EBUSY ? FAULT_IN_USE : damaged ? FAULT_DAMAGED : FAULT_FILE_SYSTEM,
			   name);
}

static void stick_paths(const struct helper *h, const char *name, char **dev, char **where)
{
	*dev = path_join(h->dev, name);
	*where = path_join(h->sticks, name);
}

/* Open already: for reading or writing from now on, without closing what is open on it. */
static bool remount(const struct helper *h, const char *dev, const char *where, bool write)
{
	unsigned long flags = MS_REMOUNT | ALWAYS | (write ? 0 : MS_RDONLY);

	return h->ops->mount(h->ops->ctx, dev, where, "none", flags, "") == 0;
}

enum fault act_mount(const struct helper *h, const struct words *w, struct answer *a)
{
	_cleanup_(freep) char *dev = NULL, *where = NULL;
	enum fault f;
	struct error *e;

	stick_paths(h, w->v[1], &dev, &where);
	f = check_stick(h, w->v[1], dev, a);
	if (!f && mounted_at(h, where)) {
		if (remount(h, dev, where, strcmp(w->v[2], "write") == 0)) {
			buf_puts(&a->out, where);
			return FAULT_NONE;
		}
		f = close_stick(h, w->v[1], where, a);
	}
	if (f)
		return f;
	e = dir_make(where, 0755);
	if (e) {
		error_free(e);
		return fault_about(a, FAULT_IO, where);
	}
	f = try_types(h, dev, where, strcmp(w->v[2], "write") == 0, a, w->v[1]);
	if (!f)
		buf_puts(&a->out, where);
	return f;
}

enum fault act_unmount(const struct helper *h, const struct words *w, struct answer *a)
{
	_cleanup_(freep) char *dev = NULL, *where = NULL;

	stick_paths(h, w->v[1], &dev, &where);
	if (!mounted_at(h, where))
		return fault_about(a, FAULT_NOT_MOUNTED, w->v[1]);
	return close_stick(h, w->v[1], where, a);
}
