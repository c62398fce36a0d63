/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A machine that runs from a disk on USB: its own parts are no sticks. udev is played, by functions
 * of the same names that the linker finds first. */
#include "tests/lib/test.h"
#include "appliance/carry/stick.h"
#include <libudev.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* --- two disks on USB: the machine's own, and a stick ------------------------------------------
 */

struct udev_device {
	dev_t number;
	const struct udev_device *disk; /* NULL: it is one */
	const char *label, *part;
};
static struct udev_device own = {.label = ""}, stick = {.label = ""},
			  parts[4] = {{.disk = &own, .label = "data", .part = "lliure-data"},
				      {.disk = &own, .label = "root", .part = ""},
				      {.disk = &stick, .label = "KINGSTON", .part = ""},
				      {.disk = &stick, .label = "data", .part = "lliure-data"}};

static void number_them(dev_t data)
{
	own.number = makedev(8, 0);
	stick.number = makedev(8, 16);
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
		parts[i].number = makedev(8, (i < 2 ? 1 : 15) + i);
	if (data)
		parts[1].number = data; /* the test's folder lies on it */
}

struct udev *udev_new(void)
{
	return (struct udev *)&own;
}

struct udev *udev_unref(struct udev *u)
{
	(void)u;
	return NULL;
}

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *u, const char *name)
{
	(void)u;
	(void)name;
	return NULL;
}

struct udev_device *udev_device_new_from_devnum(struct udev *u, char type, dev_t number)
{
	(void)u;
	(void)type;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].number == number)
			return &parts[i];
	return NULL;
}

struct udev_device *udev_device_unref(struct udev_device *d)
{
	(void)d;
	return NULL;
}

struct udev_device *udev_device_get_parent_with_subsystem_devtype(struct udev_device *d,
								  const char *subsystem,
								  const char *type)
{
	(void)subsystem;
	(void)type;
	return (struct udev_device *)d->disk;
}

dev_t udev_device_get_devnum(struct udev_device *d)
{
	return d->number;
}

const char *udev_device_get_sysattr_value(struct udev_device *d, const char *name)
{
	(void)d;
	(void)name;
	return "0";
}

const char *udev_device_get_property_value(struct udev_device *d, const char *name)
{
	if (strcmp(name, "ID_BUS") == 0)
		return "usb";
	if (strcmp(name, "ID_FS_LABEL") == 0)
		return d->label;
	return strcmp(name, "ID_PART_ENTRY_NAME") == 0 ? d->part : NULL;
}

/* --- what is mounted ---------------------------------------------------------------------------
 */

static size_t mounted(const char *below, const char *data, struct stick_place *out)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(freep) char *path = path_join(dir, "mountinfo");
	_cleanup_(buf_release) struct buf table = {0};
	struct usb *u;
	size_t n;

	static const char *const at[] = {"/var/lib/lliure", "/", "/run/lliure-sticks/sdb1",
					 "/run/lliure-sticks/sdb2"};
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		buf_printf(&table, "3%zu 30 %u:%u / %s rw - ext4 /dev/x rw\n", i,
			   major(parts[i].number), minor(parts[i].number), at[i]);
	assert_ok(file_write(path, buf_span(&table), 0644));
	u = usb_open(data);
	n = stick_mounted(u, path, below, out, CARRY_STICKS);
	usb_close(u);
	return n;
}

static void a_box_looks_only_where_its_helper_opens_sticks(void **state)
{
	struct stick_place p[CARRY_STICKS];

	(void)state;
	number_them(0);
	assert_int_equal(mounted("/run/lliure-sticks", NULL, p), 1);
	assert_string_equal(p[0].label, "KINGSTON");
	assert_int_equal(mounted("/run/lliure-stick", NULL, p), 0);
}

static void parts_of_a_boxs_disk_are_no_sticks(void **state)
{
	struct stick_place p[CARRY_STICKS];

	(void)state;
	number_them(0);
	/* "/" of the made-up disk is not known to be the machine's own here. */
	assert_int_equal(mounted("", NULL, p), 2);
	assert_string_equal(p[0].label, "root");
	assert_string_equal(p[1].label, "KINGSTON");
}

static void nor_is_any_part_of_the_disk_that_the_data_lie_on(void **state)
{
	_cleanup_(test_dir_removep) char *data = test_dir();
	struct stick_place p[CARRY_STICKS];
	struct stat st;

	(void)state;
	assert_int_equal(stat(data, &st), 0);
	number_them(st.st_dev);
	assert_int_equal(mounted("", data, p), 1);
	assert_string_equal(p[0].label, "KINGSTON");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_looks_only_where_its_helper_opens_sticks),
		cmocka_unit_test(parts_of_a_boxs_disk_are_no_sticks),
		cmocka_unit_test(nor_is_any_part_of_the_disk_that_the_data_lie_on),
	};

	return run_group(tests);
}
