/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/helper/helper_priv.h"
#include <dirent.h>
#include <sys/stat.h>

enum { SMALL = 256, PARTS = 128 };

/* An attribute's first line; false when there is none. */
static bool attr(const char *dir, const char *name, char *out, size_t size)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	_cleanup_(fclosep) FILE *f = fopen(path, "re");

	if (!f || !fgets(out, (int)size, f))
		return false;
	out[strcspn(out, "\n")] = 0;
	return true;
}

static bool has_entries(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	DIR *d = opendir(path);
	struct dirent *e;
	bool any = false;

	while (d && !any && (e = readdir(d)))
		any = e->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

/* Which bus it hangs on is where the kernel put it: a component "usb1". */
static bool on_usb(const char *path)
{
	for (const char *s = path; (s = strstr(s, "/usb")); s++) {
		size_t n = strspn(s + 4, "0123456789");

		if (n && s[4 + n] == '/')
			return true;
	}
	return false;
}

/* The line's mount point ends with what follows; "36 35 8:17 / /mnt rw,… ". */
static bool parse_mount(char *line, const char **ret_number, const char **ret_where)
{
	char *save = NULL, *part[5];

	for (int i = 0; i < 5; i++) {
		part[i] = strtok_r(i ? NULL : line, " \n", &save);
		if (!part[i])
			return false;
	}
	*ret_number = part[2];
	*ret_where = part[4];
	return true;
}

/* Calls for each mount until one says true. */
static bool any_mount(const struct helper *h,
		      bool (*is)(void *ctx, const char *number, const char *where), void *ctx)
{
	_cleanup_(freep) char *path = path_join(h->proc, "self/mountinfo");
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (f && !found && getline(&line, &size, f) > 0) {
		const char *number, *where;

		if (parse_mount(line, &number, &where))
			found = is(ctx, number, where);
	}
	return found;
}

static bool is_there(void *ctx, const char *number, const char *where)
{
	(void)number;
	return strcmp(where, ctx) == 0;
}

bool mounted_at(const struct helper *h, const char *path)
{
	return any_mount(h, is_there, (void *)path);
}

struct elsewhere {
	const char *number, *sticks;
};

/* Mounted, and not by us as a stick. */
static bool is_elsewhere(void *ctx, const char *number, const char *where)
{
	const struct elsewhere *x = ctx;
	size_t n = strlen(x->sticks);

	return strcmp(number, x->number) == 0 &&
	       (strncmp(where, x->sticks, n) != 0 || where[n] != '/');
}

/* Mounted elsewhere, or below a mapping (dm-verity of the box's own root) or an array. */
static bool in_use(const struct helper *h, const char *dir)
{
	char number[SMALL];

	if (has_entries(dir, "holders"))
		return true;
	return attr(dir, "dev", number, sizeof(number)) &&
	       any_mount(h, is_elsewhere, &(struct elsewhere){number, h->sticks});
}

/* The disk itself, or any part of it. */
static bool disk_in_use(const struct helper *h, const char *disk)
{
	DIR *d = opendir(disk);
	struct dirent *e;
	bool used = !d || in_use(h, disk);
	int looked = 0;

	while (d && !used && (e = readdir(d))) {
		_cleanup_(freep) char *part = path_join(disk, e->d_name);
		char number[SMALL];

		if (e->d_name[0] == '.' || !attr(part, "partition", number, sizeof(number)))
			continue;
		/* More parts than anybody makes: not a stick to be opened. */
		used = ++looked > PARTS || in_use(h, part);
	}
	if (d)
		closedir(d);
	return used;
}

bool block_look(const struct helper *h, const char *name, struct block *ret)
{
	_cleanup_(freep) char *class = path_join(h->sys, "class/block");
	_cleanup_(freep) char *link = path_join(class, name), *dir = realpath(link, NULL);
	_cleanup_(freep) char *base = realpath(h->sys, NULL);
	char number[SMALL];
	struct block b = {.partition = false};
	char *slash;

	if (!dir || !base || strncmp(dir, base, strlen(base)) != 0 ||
	    !attr(dir, "dev", number, sizeof(number)) || strlen(number) >= sizeof(b.number))
		return false;
	memcpy(b.number, number, strlen(number) + 1);
	b.partition = attr(dir, "partition", number, sizeof(number));
	b.usb = on_usb(dir + strlen(base));
	if (b.partition) {
		slash = strrchr(dir, '/');
		*slash = 0;
	}
	/* A card in a reader can be taken out, too; a disk that the system uses is none (below). */
	b.usb |= attr(dir, "removable", number, sizeof(number)) && strcmp(number, "1") == 0;
	slash = strrchr(dir, '/');
	snprintf(b.disk, sizeof(b.disk), "%.*s", (int)sizeof(b.disk) - 1, slash + 1);
	b.used = disk_in_use(h, dir);
	*ret = b;
	return true;
}
