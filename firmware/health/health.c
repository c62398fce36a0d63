/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/health/health.h"
#include "sync/base/file.h"
#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

enum { LINE = 128, LOOKED = 64 };

/* The first line of DIR/NAME; false: there is none. */
static bool line_of(const char *dir, const char *name, char out[LINE])
{
	_cleanup_(freep) char *path = path_join(dir, name);
	_cleanup_(fclosep) FILE *f = fopen(path, "re");

	if (!f || !fgets(out, LINE, f))
		return false;
	out[strcspn(out, "\n")] = 0;
	return true;
}

static bool number_of(const char *dir, const char *name, int base, long *ret)
{
	char line[LINE], *end;
	long v;

	if (!line_of(dir, name, line))
		return false;
	v = strtol(line, &end, base);
	if (end == line)
		return false;
	*ret = v;
	return true;
}

/* Each folder of SYS/class/CLASS, a few at most. */
static void each_device(const struct health_roots *r, const char *class,
			void (*fn)(void *ctx, const char *dir, const char *name), void *ctx)
{
	char path[300];
	struct dirent *e;
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), "%s/class/%s", r->sys, class);
	d = opendir(path);
	while (d && n < LOOKED && (e = readdir(d))) {
		_cleanup_(freep) char *dir = path_join(path, e->d_name);

		if (e->d_name[0] == '.')
			continue;
		fn(ctx, dir, e->d_name);
		n++;
	}
	if (d)
		closedir(d);
}

/* --- power ------------------------------------------------------------------------------------ */

static void look_hwmon(void *ctx, const char *dir, const char *name)
{
	struct power_reading *p = ctx;
	char line[LINE];
	long alarm;

	(void)name;
	if (!line_of(dir, "name", line) || strcmp(line, "rpi_volt") != 0 ||
	    !number_of(dir, "in0_lcrit_alarm", 10, &alarm))
		return;
	p->known = true;
	p->low |= alarm != 0;
}

static void look_supply(void *ctx, const char *dir, const char *name)
{
	struct power_reading *p = ctx;
	char line[LINE];
	long percent = 0;

	(void)name;
	if (!line_of(dir, "type", line) || strcmp(line, "Battery") != 0 ||
	    (line_of(dir, "scope", line) && strcmp(line, "Device") == 0))
		return; /* a wireless mouse has one, too */
	p->known = true;
	number_of(dir, "capacity", 10, &percent);
	p->battery_percent = percent < 0 ? 0 : percent > 100 ? 100 : (int)percent;
	p->battery |= line_of(dir, "status", line) && strcmp(line, "Discharging") == 0;
}

/* The Pi's own word: bit 0 the voltage is too low, bit 16 it was since the start. */
static void look_throttled(const struct health_roots *r, struct power_reading *p)
{
	long bits;

	if (!number_of(r->sys, "devices/platform/soc/soc:firmware/get_throttled", 16, &bits))
		return;
	p->known = true;
	p->low |= (bits & 1) != 0;
	p->was_low |= (bits >> 16 & 1) != 0;
}

void power_read(const struct health_roots *r, struct power_reading *ret)
{
	struct power_reading p = {.known = false};

	each_device(r, "hwmon", look_hwmon, &p);
	each_device(r, "power_supply", look_supply, &p);
	look_throttled(r, &p);
	p.was_low |= p.low;
	*ret = p;
}

/* --- heat ------------------------------------------------------------------------------------- */

static void look_limit(const char *dir, struct heat_reading *h)
{
	for (int i = 0; i < 12; i++) {
		char name[40], type[LINE];
		long limit;

		snprintf(name, sizeof(name), "trip_point_%d_type", i);
		if (!line_of(dir, name, type))
			return;
		snprintf(name, sizeof(name), "trip_point_%d_temp", i);
		if (strcmp(type, "critical") == 0 && number_of(dir, name, 10, &limit) &&
		    limit >= 60000 && limit / 1000 < h->limit)
			h->limit = (int)(limit / 1000);
	}
}

static void look_zone(void *ctx, const char *dir, const char *name)
{
	struct heat_reading *h = ctx;
	long milli;

	/* Below nothing and beyond everything: a thermometer that is not connected. */
	if (strncmp(name, "thermal_zone", 12) != 0 || !number_of(dir, "temp", 10, &milli) ||
	    milli < -40000 || milli == 0 || milli > 150000)
		return;
	if (!h->known || milli / 1000 > h->celsius)
		h->celsius = (int)(milli / 1000);
	h->known = true;
	look_limit(dir, h);
}

void heat_read(const struct health_roots *r, struct heat_reading *ret)
{
	struct heat_reading h = {.limit = HEAT_LIMIT};

	each_device(r, "thermal", look_zone, &h);
	*ret = h;
}

/* --- disks ------------------------------------------------------------------------------------ */

bool disk_under(const struct health_roots *r, const char *path, char ret[DISK_NAME])
{
	char link[300], number[LINE];
	_cleanup_(freep) char *dir = NULL;
	const char *name;
	struct stat st;

	if (stat(path, &st))
		return false;
	snprintf(link, sizeof(link), "%s/dev/block/%u:%u", r->sys, major(st.st_dev),
		 minor(st.st_dev));
	dir = realpath(link, NULL);
	if (!dir)
		return false;
	if (line_of(dir, "partition", number))
		*strrchr(dir, '/') = 0;
	name = strrchr(dir, '/') + 1;
	if (strlen(name) >= DISK_NAME)
		return false;
	memcpy(ret, name, strlen(name) + 1);
	return true;
}

/* "sda7" of "sda", "mmcblk0p7" of "mmcblk0"; not "sdaa1" of "sda". */
static bool part_of(const char *name, const char *disk)
{
	size_t n = strlen(disk);
	bool digit = n && disk[n - 1] >= '0' && disk[n - 1] <= '9';

	if (!n || strncmp(name, disk, n) != 0)
		return false;
	name += n;
	if (digit && *name)
		return name[0] == 'p';
	return !name[strspn(name, "0123456789")];
}

int64_t disk_errors(const struct health_roots *r, const char *disk)
{
	_cleanup_(freep) char *path = path_join(r->sys, "fs/ext4");
	DIR *d = opendir(path);
	struct dirent *e;
	int64_t sum = 0;

	for (int n = 0; d && n < LOOKED && (e = readdir(d)); n++) {
		_cleanup_(freep) char *dir = path_join(path, e->d_name);
		long errors;

		if (part_of(e->d_name, disk) && number_of(dir, "errors_count", 10, &errors) &&
		    errors > 0)
			sum += errors;
	}
	if (d)
		closedir(d);
	return sum;
}

void wear_read_card(const struct health_roots *r, const char *disk, struct wear_reading *ret)
{
	struct wear_reading w = {.known = false};
	char dir[300], line[LINE];
	long end = 0, a = 0, b = 0;
	char *rest;

	snprintf(dir, sizeof(dir), "%s/class/block/%s/device", r->sys, disk);
	/* "0x01 0x02": tenths of its life, of its two kinds of memory; 0 is not known, 11 beyond.
	 */
	if (line_of(dir, "life_time", line)) {
		a = strtol(line, &rest, 16);
		b = strtol(rest, NULL, 16);
		a = a > b ? a : b;
		w.known = a >= 1 && a <= 11;
		w.used = w.known ? (int)a * 10 : 0;
	}
	/* Of its spare blocks: 2 is four fifths used, 3 nearly all. */
	if (number_of(dir, "pre_eol_info", 16, &end) && end >= 1 && end <= 3) {
		w.known = true;
		w.failing = end == 3;
		if (end == 2 && w.used < 80)
			w.used = 80;
	}
	*ret = w;
}

static void note_share(struct wear_reading *w, json_int_t percent)
{
	w->known = true;
	if (percent > w->used)
		w->used = (int)percent;
}

/* NVMe's percentage ends at 255. */
static void note_used(struct wear_reading *w, const json_t *n)
{
	if (json_is_integer(n) && json_integer_value(n) >= 0 && json_integer_value(n) <= 255)
		note_share(w, json_integer_value(n));
}

/* Of a SATA disk: attributes whose normalised value falls from 100 as its life is used. */
static void note_attributes(struct wear_reading *w, const json_t *table)
{
	static const int life_left[] = {169, 177, 202, 231, 233};
	const json_t *row;
	size_t i;

	json_array_foreach(table, i, row)
	{
		json_int_t id = json_integer_value(json_object_get(row, "id"));
		const json_t *value = json_object_get(row, "value");
		json_int_t left = json_integer_value(value);

		if (!json_is_integer(value) || left < 0 || left > 100)
			continue;
		for (size_t k = 0; k < ARRAY_LEN(life_left); k++)
			if (id == life_left[k])
				note_share(w, 100 - left);
	}
}

void wear_read_smart(const char *json, size_t n, struct wear_reading *ret)
{
	struct wear_reading w = {.known = false};
	json_t *o = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *passed = json_object_get(json_object_get(o, "smart_status"), "passed");
	const json_t *nvme = json_object_get(o, "nvme_smart_health_information_log");

	if (json_is_boolean(passed)) {
		w.known = true;
		w.failing = json_is_false(passed);
	}
	note_used(&w, json_object_get(nvme, "percentage_used"));
	note_used(&w, json_object_get(json_object_get(o, "endurance_used"), "current_percent"));
	note_attributes(&w, json_object_get(json_object_get(o, "ata_smart_attributes"), "table"));
	json_decref(o);
	*ret = w;
}

void room_read(const char *path, struct room_reading *ret)
{
	struct statvfs fs;

	*ret = (struct room_reading){.free_files = 100};
	if (statvfs(path, &fs))
		return;
	ret->free = (uint64_t)fs.f_bavail * fs.f_frsize;
	ret->size = (uint64_t)fs.f_blocks * fs.f_frsize;
	if (fs.f_files)
		ret->free_files = (int)((uint64_t)fs.f_favail * 100 / fs.f_files);
}

int64_t written_bytes(const struct health_roots *r)
{
	_cleanup_(freep) char *path = path_join(r->proc, "self/io");
	_cleanup_(fclosep) FILE *f = fopen(path, "re");
	char line[LINE];
	long long n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "write_bytes: %lld", &n) == 1)
			return n;
	return -1;
}
