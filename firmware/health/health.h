/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the machine says of itself: its power, its heat, its disk. Read from the kernel's files
 * below roots that a test replaces; nothing here needs root, writes, or waits. What a machine does
 * not measure is "not known", which is no fault of it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct health_roots {
	const char *sys, *proc; /* "/sys", "/proc" */
};

/* Under-voltage, as the Raspberry Pi's firmware and hwmon drivers measure it, and batteries. */
struct power_reading {
	bool known;	   /* something here measures it */
	bool low, was_low; /* now; since the machine was switched on */
	bool battery;	   /* the mains are away: it runs on its battery */
	int battery_percent;
};
void power_read(const struct health_roots *r, struct power_reading *ret);

/* The hottest of its thermometers, and where it would switch itself off. */
struct heat_reading {
	bool known;
	int celsius, limit; /* limit: HEAT_LIMIT when the machine names none below it */
};
enum { HEAT_LIMIT = 95 };
void heat_read(const struct health_roots *r, struct heat_reading *ret);

enum { DISK_NAME = 40 };
/* The whole disk ("mmcblk0", "nvme0n1", "sda") under a file or folder. false: none that is known,
 * as in a container. */
bool disk_under(const struct health_roots *r, const char *path, char ret[DISK_NAME]);

/* Errors that the ext4 file systems of this disk met since they were checked last; 0 where it has
 * none, or none is known. A stick's are not this disk's. */
int64_t disk_errors(const struct health_roots *r, const char *disk);

struct wear_reading {
	bool known;
	int used;     /* per cent of the writes that it was made for; may be more than 100 */
	bool failing; /* it says itself that it will fail */
};
/* eMMC's own estimate. SD cards and USB sticks have none. */
void wear_read_card(const struct health_roots *r, const char *disk, struct wear_reading *ret);
/* What `smartctl --json` printed (the helper's verb "wear"): n bytes, foreign. */
void wear_read_smart(const char *json, size_t n, struct wear_reading *ret);

struct room_reading {
	uint64_t free, size; /* bytes; size 0: not known */
	int free_files; /* per cent of the files that there can be; 100 where that has no bound */
};
void room_read(const char *path, struct room_reading *ret);

/* Bytes that this process has had written to disks since it began (/proc/self/io); -1: not known.
 */
int64_t written_bytes(const struct health_roots *r);
