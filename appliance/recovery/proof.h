/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Trying a backup out: it is restored into a scratch folder, opened, every entry's hash and
 * signature is checked, its digest is compared with what it says, and the folder goes again. */
#pragma once
#include "appliance/recovery/backup.h"

struct proof {
	uint64_t entries;
	bool compared; /* the backup knew its digests */
};
/* With the box's own key. ERR_FULL before anything when there is not room for it. */
struct error *proof_run(struct app *app, int fd, const char *name, struct proof *ret) MUST;
