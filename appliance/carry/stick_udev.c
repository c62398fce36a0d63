/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What udev knows: is a block device on USB, and was something plugged in or out. */
#include "appliance/carry/stick.h"
#include <libudev.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { OWN = 2 };
#define BOX_PART "lliure-" /* what the partitions of a box's disk are called: image/README.md */

struct usb {
	struct udev *udev;
	struct udev_monitor *monitor; /* NULL: no daemon tells; mounts are looked at now and then */
	dev_t own[OWN];		      /* disks that are the machine's own; 0: none */
};

/* The whole disk that this one is a part of, or itself. */
static struct udev_device *disk_of(struct udev_device *d)
{
	struct udev_device *disk = udev_device_get_parent_with_subsystem_devtype(d, "block", "disk");

	return disk ? disk : d;
}

/* 0: the path lies on no disk that udev knows (a mapping, memory). */
static dev_t own_disk(struct usb *u, const char *path)
{
	struct udev_device *d;
	struct stat st;
	dev_t n;

	if (!path || stat(path, &st))
		return 0;
	d = udev_device_new_from_devnum(u->udev, 'b', st.st_dev);
	n = d ? udev_device_get_devnum(disk_of(d)) : 0;
	if (d)
		udev_device_unref(d);
	return n;
}

struct usb *usb_open(const char *data)
{
	struct usb *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	u->udev = udev_new();
	if (!u->udev) {
		free(u);
		return NULL;
	}
	u->own[0] = own_disk(u, "/");
	u->own[1] = own_disk(u, data);
	u->monitor = udev_monitor_new_from_netlink(u->udev, "udev");
	if (u->monitor &&
	    (udev_monitor_filter_add_match_subsystem_devtype(u->monitor, "block", NULL) < 0 ||
	     udev_monitor_enable_receiving(u->monitor) < 0))
		u->monitor = udev_monitor_unref(u->monitor);
	return u;
}

void usb_close(struct usb *u)
{
	if (!u)
		return;
	if (u->monitor)
		udev_monitor_unref(u->monitor);
	udev_unref(u->udev);
	free(u);
}

int usb_fd(const struct usb *u)
{
	return u && u->monitor ? udev_monitor_get_fd(u->monitor) : -1;
}

void usb_drain(struct usb *u)
{
	struct udev_device *d;

	while (u->monitor && (d = udev_monitor_receive_device(u->monitor)))
		udev_device_unref(d);
}

static const char *property(struct udev_device *d, const char *name)
{
	const char *s = udev_device_get_property_value(d, name);

	return s ? s : "";
}

bool usb_device(struct usb *u, unsigned major, unsigned minor, char label[LIMIT_NAME + 1])
{
	struct udev_device *d = udev_device_new_from_devnum(u->udev, 'b', makedev(major, minor));
	const char *removable, *name;
	dev_t disk;
	bool is;

	if (!d)
		return false;
	removable = udev_device_get_sysattr_value(disk_of(d), "removable");
	disk = udev_device_get_devnum(disk_of(d));
	is = strcmp(property(d, "ID_BUS"), "usb") == 0 || (removable && *removable == '1');
	is = is && disk != u->own[0] && disk != u->own[1] &&
	     strncmp(property(d, "ID_PART_ENTRY_NAME"), BOX_PART, strlen(BOX_PART)) != 0;
	name = *property(d, "ID_FS_LABEL") ? property(d, "ID_FS_LABEL") : property(d, "ID_MODEL");
	/* What a stick calls itself is foreign. */
	if (line_clean(span_str(name), label, LIMIT_NAME + 1) == 0)
		snprintf(label, LIMIT_NAME + 1, "USB");
	udev_device_unref(d);
	return is;
}

static enum usb_use use_of(struct udev_device *d)
{
	const char *type = udev_device_get_devtype(d), *size = udev_device_get_sysattr_value(d, "size");

	return usb_judge(&(struct usb_words){.devtype = type ? type : "",
					     .usage = property(d, "ID_FS_USAGE"),
					     .type = property(d, "ID_FS_TYPE"),
					     .table = property(d, "ID_PART_TABLE_TYPE"),
					     .sectors = size ? strtoull(size, NULL, 10) : 0});
}

/* Named by the kernel, and on USB. */
static bool part_of(struct usb *u, const char *syspath, struct usb_part *ret)
{
	struct udev_device *d = udev_device_new_from_syspath(u->udev, syspath);
	const char *name = d ? udev_device_get_sysname(d) : NULL;
	bool is = name && strlen(name) < sizeof(ret->device) && use_of(d) != USB_NOTHING;

	if (is) {
		dev_t n = udev_device_get_devnum(d);
		const char *uuid = property(d, "ID_FS_UUID");

		snprintf(ret->device, sizeof(ret->device), "%s", name);
		snprintf(ret->uuid, sizeof(ret->uuid), "%s", usb_uuid_ok(uuid) ? uuid : "");
		ret->major = major(n);
		ret->minor = minor(n);
		ret->use = use_of(d);
		is = usb_device(u, ret->major, ret->minor, ret->label);
	}
	if (d)
		udev_device_unref(d);
	return is;
}

size_t usb_parts(struct usb *u, struct usb_part *out, size_t max)
{
	struct udev_enumerate *all = u ? udev_enumerate_new(u->udev) : NULL;
	struct udev_list_entry *e = NULL;
	size_t n = 0;

	if (!all)
		return 0;
	if (udev_enumerate_add_match_subsystem(all, "block") >= 0 &&
	    udev_enumerate_scan_devices(all) >= 0)
		e = udev_enumerate_get_list_entry(all);
	for (; e && n < max; e = udev_list_entry_get_next(e))
		n += part_of(u, udev_list_entry_get_name(e), &out[n]);
	udev_enumerate_unref(all);
	return n;
}
