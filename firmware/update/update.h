/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The updater, as root: checks a bundle that the daemon left, has RAUC write it into the other
 * slot, and judges the new system when it runs. RAUC checks the signature, the machine and every
 * block; what is added here is that a box never goes back (version, data format), and that every
 * outcome is written down for the volunteers' page (outcome.h).
 *
 *   install   the bundle named in RUN/update-request; restarts the machine when it was written
 *   look      at the bundle named in RUN/look-request, without installing it: what was found stands in
 *             UPDATES/looked, as an outcome. As the daemon's own user, for what peers passed on is
 *             anybody's bytes
 *   healthy   the daemon says that all its checks held: this system stays; a new one whose try was
 *             cut off is tried again
 *   newer-data  the stored data were brought to a newer format, which the other system can't read: it
 *             is not started any more, whatever becomes of this one
 *   crashed   the daemon ended again and again: a system that is being tried out is given up at
 *             once, any other is started again, which the boot state counts
 *   damaged   a block of the running system's root is not what it was: the other one, if it was
 *             healthy once, has its turn
 *   judge     a system that is being tried out and was not called healthy by now is given up
 *
 * What it runs comes as a function, so that a test plays RAUC, the boot state and systemd.
 */
#pragma once
#include "firmware/update/outcome.h"
#include "sync/base/buf.h"

struct updater {
	void *ctx;
	/* As in firmware/helper/helper.h: a program without a shell; what it prints goes to *out.
	 */
	int (*run)(void *ctx, const char *const *argv, int seconds, struct buf *out);
	/* As helper_run_saying: what it says of errors is in *out, too. */
	int (*run_saying)(void *ctx, const char *const *argv, int seconds, struct buf *out);
	int64_t (*now_ms)(void *ctx);
	const char *state;   /* "/state/lliure" */
	const char *tmp;     /* "/run/lliure-update": what is asked, and why a system is not well */
	const char *updates; /* the daemon's folder of bundles */
	const char *data;    /* the data folder: its `format` */
	const char *release; /* os-release of the system that runs */
	const char *conf;    /* RAUC's configuration, which names the machine and the keys */
};

/* What `rauc info --output-format=json` says of a bundle. */
struct bundle_info {
	char compatible[UPDATE_VERSION], version[UPDATE_VERSION];
	int format; /* the newest data format that it reads; 0: it does not say */
};
/* Foreign bytes. false: it is no such answer. Pure. */
bool bundle_info_parse(struct span json, struct bundle_info *ret);
/* May it be installed over this? Pure. */
struct update_here {
	char compatible[UPDATE_VERSION], version[UPDATE_VERSION];
	int format; /* of the stored data; 0: none yet */
};
enum update_why bundle_judge(const struct bundle_info *b, const struct update_here *h);

/* Each returns the program's exit status. */
int update_install(struct updater *u);
int update_look(struct updater *u);
int update_healthy(struct updater *u);
int update_newer_data(struct updater *u);
int update_judge(struct updater *u);
int update_damaged(struct updater *u);
int update_crashed(struct updater *u);
