/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What root does before the daemon, at each start: the folders that the daemon writes, on the data
 * partition and with the daemon's user as their owner. The first program of the image (initrd) has
 * mounted that partition, or left a file `data-lost` that says that it could not: then nothing is
 * made, for a new and empty box would cover up the community that is on the disk.
 */
#pragma once
#include "sync/base/error.h"
#include <stdio.h>
#include <sys/types.h>

struct firstboot {
	const char *data; /* where the data partition is mounted */
	const char *run;  /* "/run/lliure": what the first program left */
	uid_t uid;
	gid_t gid;
};
/* The folders are there, and only the daemon's user looks into them. ERR_CORRUPT: the data
 * partition could not be read; what to do is said on `screen`. A link in a folder's place is
 * ERR_DENIED. */
struct error *firstboot_prepare(const struct firstboot *f, FILE *screen) MUST;
