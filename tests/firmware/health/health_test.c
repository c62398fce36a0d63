/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the machine says of itself, read from a made-up /sys and /proc. */
#include "tests/lib/test.h"
#include "firmware/health/health.h"
#include "sync/base/file.h"

struct machine {
	char *dir, *sys, *proc;
	struct health_roots r;
};

static void put(struct machine *m, const char *path, const char *text)
{
	_cleanup_(freep) char *whole = path_join(m->dir, path), *folder = strdup(whole);

	*strrchr(folder, '/') = 0;
	assert_ok(dir_make(folder, 0755));
	assert_ok(file_write(whole, span_str(text), 0644));
}

static int open_machine(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	m->dir = test_dir();
	m->sys = path_join(m->dir, "sys");
	m->proc = path_join(m->dir, "proc");
	m->r = (struct health_roots){m->sys, m->proc};
	*state = m;
	return 0;
}

static int close_machine(void **state)
{
	struct machine *m = *state;

	test_dir_remove(m->dir);
	free(m->sys);
	free(m->proc);
	free(m);
	return 0;
}

static void a_machine_that_measures_nothing_is_not_known(void **state)
{
	struct machine *m = *state;
	struct power_reading p;
	struct heat_reading h;
	struct wear_reading w;
	char disk[DISK_NAME];

	power_read(&m->r, &p);
	heat_read(&m->r, &h);
	wear_read_card(&m->r, "sda", &w);
	assert_false(p.known || p.low || p.battery);
	assert_false(h.known);
	assert_false(w.known);
	assert_false(disk_under(&m->r, m->dir, disk));
	assert_int_equal(written_bytes(&m->r), -1);
}

static void a_weak_supply_is_noticed(void **state)
{
	struct machine *m = *state;
	struct power_reading p;

	put(m, "sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
	put(m, "sys/class/hwmon/hwmon1/name", "rpi_volt\n");
	put(m, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
	power_read(&m->r, &p);
	assert_true(p.known && !p.low && !p.was_low);
	put(m, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
	power_read(&m->r, &p);
	assert_true(p.low && p.was_low);
	put(m, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
	put(m, "sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
	power_read(&m->r, &p);
	assert_true(!p.low && p.was_low);
	put(m, "sys/devices/platform/soc/soc:firmware/get_throttled", "0x50005\n");
	power_read(&m->r, &p);
	assert_true(p.low);
}

static void a_battery_is_noticed_and_a_mouse_is_not(void **state)
{
	struct machine *m = *state;
	struct power_reading p;

	put(m, "sys/class/power_supply/hid-mouse/type", "Battery\n");
	put(m, "sys/class/power_supply/hid-mouse/scope", "Device\n");
	put(m, "sys/class/power_supply/hid-mouse/status", "Discharging\n");
	put(m, "sys/class/power_supply/AC/type", "Mains\n");
	power_read(&m->r, &p);
	assert_false(p.known || p.battery);
	put(m, "sys/class/power_supply/BAT0/type", "Battery\n");
	put(m, "sys/class/power_supply/BAT0/status", "Discharging\n");
	put(m, "sys/class/power_supply/BAT0/capacity", "41\n");
	power_read(&m->r, &p);
	assert_true(p.battery);
	assert_int_equal(p.battery_percent, 41);
}

static void the_hottest_thermometer_counts(void **state)
{
	struct machine *m = *state;
	struct heat_reading h;

	put(m, "sys/class/thermal/thermal_zone0/temp", "41230\n");
	put(m, "sys/class/thermal/thermal_zone1/temp", "67890\n");
	put(m, "sys/class/thermal/thermal_zone2/temp", "-274000\n"); /* not connected */
	put(m, "sys/class/thermal/thermal_zone3/temp", "nonsense\n");
	put(m, "sys/class/thermal/cooling_device0/temp", "99000\n");
	heat_read(&m->r, &h);
	assert_true(h.known);
	assert_int_equal(h.celsius, 67);
	assert_int_equal(h.limit, HEAT_LIMIT);
	put(m, "sys/class/thermal/thermal_zone1/trip_point_0_type", "passive\n");
	put(m, "sys/class/thermal/thermal_zone1/trip_point_0_temp", "70000\n");
	put(m, "sys/class/thermal/thermal_zone1/trip_point_1_type", "critical\n");
	put(m, "sys/class/thermal/thermal_zone1/trip_point_1_temp", "85000\n");
	heat_read(&m->r, &h);
	assert_int_equal(h.limit, 85);
}

static void a_card_says_how_much_of_its_life_is_used(void **state)
{
	struct machine *m = *state;
	struct wear_reading w;

	put(m, "sys/class/block/mmcblk0/device/life_time", "0x01 0x03\n");
	wear_read_card(&m->r, "mmcblk0", &w);
	assert_true(w.known && !w.failing);
	assert_int_equal(w.used, 30);
	put(m, "sys/class/block/mmcblk0/device/pre_eol_info", "0x02\n");
	wear_read_card(&m->r, "mmcblk0", &w);
	assert_int_equal(w.used, 80);
	put(m, "sys/class/block/mmcblk0/device/pre_eol_info", "0x03\n");
	wear_read_card(&m->r, "mmcblk0", &w);
	assert_true(w.failing);
	put(m, "sys/class/block/mmcblk1/device/life_time", "0x00 0x00\n"); /* it doesn't know */
	wear_read_card(&m->r, "mmcblk1", &w);
	assert_false(w.known);
}

static void errors_are_those_of_the_own_disk(void **state)
{
	struct machine *m = *state;

	assert_int_equal(disk_errors(&m->r, "sda"), 0);
	put(m, "sys/fs/ext4/features/lazy_itable_init", "supported\n");
	put(m, "sys/fs/ext4/sda6/errors_count", "0\n");
	put(m, "sys/fs/ext4/sda7/errors_count", "2\n");
	put(m, "sys/fs/ext4/sdaa1/errors_count", "40\n"); /* a stick */
	put(m, "sys/fs/ext4/sdb1/errors_count", "40\n");
	put(m, "sys/fs/ext4/mmcblk0p6/errors_count", "1\n");
	put(m, "sys/fs/ext4/mmcblk0p7/errors_count", "4\n");
	put(m, "sys/fs/ext4/mmcblk01p7/errors_count", "40\n");
	assert_int_equal(disk_errors(&m->r, "sda"), 2);
	assert_int_equal(disk_errors(&m->r, "mmcblk0"), 5);
	assert_int_equal(disk_errors(&m->r, "nvme0n1"), 0);
}

static void read_smart(const char *json, struct wear_reading *ret)
{
	wear_read_smart(json, strlen(json), ret);
}

static void a_disk_says_how_much_of_its_life_is_used(void **state)
{
	struct wear_reading w;

	(void)state;
	read_smart("{\"smart_status\":{\"passed\":true},"
		   "\"nvme_smart_health_information_log\":{\"percentage_used\":7}}",
		   &w);
	assert_true(w.known && !w.failing);
	assert_int_equal(w.used, 7);
	read_smart("{\"smart_status\":{\"passed\":false},\"ata_smart_attributes\":{\"table\":["
		   "{\"id\":9,\"value\":1},{\"id\":177,\"value\":88}]}}",
		   &w);
	assert_true(w.known && w.failing);
	assert_int_equal(w.used, 12);
	read_smart("{\"endurance_used\":{\"current_percent\":96}}", &w);
	assert_int_equal(w.used, 96);
}

static void what_is_no_answer_of_a_disk_is_not_known(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"\"x\"",
		"{\"smart_status\":true}",
		"{\"smart_status\":{\"passed\":\"yes\"}}",
		"{\"nvme_smart_health_information_log\":{\"percentage_used\":-1}}",
		"{\"nvme_smart_health_information_log\":{\"percentage_used\":99999}}",
		"{\"nvme_smart_health_information_log\":{\"percentage_used\":7.5}}",
		"{\"ata_smart_attributes\":{\"table\":{\"id\":177}}}",
		"{\"ata_smart_attributes\":{\"table\":[null,1,{\"id\":177,\"value\":\"1\"},"
		"{\"id\":177,\"value\":200}]}}",
		/* 100 less that fits no number */
		"{\"ata_smart_attributes\":{\"table\":[{\"id\":177,"
		"\"value\":-9223372036854775808}]}}",
	};
	struct wear_reading w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		read_smart(bad[i], &w);
		assert_false(w.known);
		assert_int_equal(w.used, 0);
	}
}

static void room_and_writing_are_read_of_the_real_thing(void **state)
{
	struct machine *m = *state;
	struct room_reading r;
	struct health_roots real = {"/sys", "/proc"};

	room_read(m->dir, &r);
	assert_true(r.size > 0 && r.free <= r.size);
	assert_in_range(r.free_files, 0, 100);
	room_read("/nonexistent", &r);
	assert_int_equal(r.size, 0);
	assert_true(written_bytes(&real) >= -1);
	put(m, "proc/self/io", "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n");
	assert_int_equal(written_bytes(&m->r), 4096);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_machine_that_measures_nothing_is_not_known),
		CASE(a_weak_supply_is_noticed),
		CASE(a_battery_is_noticed_and_a_mouse_is_not),
		CASE(the_hottest_thermometer_counts),
		CASE(a_card_says_how_much_of_its_life_is_used),
		CASE(errors_are_those_of_the_own_disk),
		CASE(a_disk_says_how_much_of_its_life_is_used),
		CASE(what_is_no_answer_of_a_disk_is_not_known),
		CASE(room_and_writing_are_read_of_the_real_thing),
	};

	return run_group(tests);
}
