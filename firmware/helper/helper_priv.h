/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The verbs, and what they share. Included only inside firmware/helper/. */
#pragma once
#include "firmware/helper/helper.h"
#include "sync/base/file.h"

enum { RUN_S = 20, SMART_S = 30 };

/* --- act_system.c --- */
verb_fn act_version, act_reboot, act_power_off, act_host_name, act_time_zone, act_clock, act_reset,
	act_light, act_wear;
/* --- act_stick.c --- */
verb_fn act_mount, act_unmount;
/* --- act_update.c --- */
verb_fn act_update, act_look, act_healthy, act_newer_data, act_unwell;

/* Run a program; a fault with its name when it does not end well. */
enum fault run_program(const struct helper *h, const char *const *argv, int seconds,
		       struct answer *a);
/* Say which object a fault is about. Returns it. */
enum fault fault_about(struct answer *a, enum fault f, const char *what);
/* Write a short file below the state or run folder, whole and durably. */
enum fault put_file(const char *dir, const char *name, const char *text, struct answer *a);

/* --- block.c: what sysfs says of a block device --- */
struct block {
	char number[24];	   /* "8:17" */
	char disk[40];		   /* the whole disk it is a part of, "sdb" */
	bool partition, usb, used; /* used: some part of the disk is mounted elsewhere, or held */
};
/* false: there is none of that name. */
bool block_look(const struct helper *h, const char *name, struct block *ret);
/* Is something mounted there? */
bool mounted_at(const struct helper *h, const char *path);
