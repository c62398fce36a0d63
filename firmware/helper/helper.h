/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The root helper: the few things that the daemon can't do as its own user, as a table of verbs. A
 * request is a verb and its arguments (wire.h); each argument has a kind and bounds, and nothing is
 * done before all of them were found good. No shell, no environment of the caller's, no path from
 * the caller: what names a file is one component, opened below one folder, without following links.
 *
 * What it touches comes as a struct of folders and functions, so that the tests ask every verb for
 * everything and see what would have been done.
 */
#pragma once
#include "firmware/helper/wire.h"
#include <sys/types.h>

struct helper_ops {
	void *ctx;
	/* Run a program (argv[0] is its whole path) without a shell; what it prints is appended to
	 * *out up to HELPER_ANSWER bytes. Its exit status; -1 it could not be started, -2 it was
	 * killed after `seconds`. */
	int (*run)(void *ctx, const char *const *argv, int seconds, struct buf *out);
	/* mount(2) and umount2(2): 0 or errno. */
	int (*mount)(void *ctx, const char *source, const char *target, const char *type,
		     unsigned long flags, const char *data);
	int (*unmount)(void *ctx, const char *target, int flags);
	/* Is it a block device with this number ("8:17")? */
	bool (*is_block)(void *ctx, const char *path, const char *number);
	int64_t (*now_ms)(void *ctx); /* the system's clock */
	bool (*synced)(void *ctx);    /* the kernel says that its clock is synchronised */
	int (*set_clock)(void *ctx, int64_t ms);
	int (*set_host_name)(void *ctx, const char *name);
};
extern const struct helper_ops helper_ops_system;
/* As `run` of helper_ops_system, and what the program says of errors is in *out, too: of all that
 * the last HELPER_SAID bytes, for the end says why. */
enum { HELPER_SAID = 4096 };
int helper_run_saying(void *ctx, const char *const *argv, int seconds, struct buf *out);

struct helper {
	const struct helper_ops *ops;
	uid_t uid; /* the daemon's: alone may ask */
	gid_t gid;
	gid_t button; /* who reads the box's button has this group, too; 0: nobody does */
	const char *sys, *dev, *proc; /* "/sys", "/dev", "/proc" */
	const char *sticks;	      /* where sticks are mounted, one folder each */
	const char *state;	      /* what outlives a restart; the partition `state` */
	const char *updates;	      /* where the daemon puts bundles */
	const char *run;	      /* until the next restart: what the updater is asked */
	const char *zones;	      /* "/usr/share/zoneinfo" */
};

/* --- the table --- */
enum arg_kind {
	ARG_NONE,
	ARG_NUMBER, /* decimal, between min and max */
	ARG_CHOICE, /* one of the words in `choices`, with spaces between */
	ARG_HOST,   /* one label of a host name: a-z, 0-9 and -, 1 to 63 */
	ARG_DEVICE, /* a block device as the kernel names it: sdb1 */
	ARG_BUNDLE, /* a file's name, one component, ending in .raucb */
	ARG_ZONE,   /* Area/City, at most three components */
};
struct arg_spec {
	enum arg_kind kind;
	int64_t min, max;
	const char *choices;
};
typedef enum fault verb_fn(const struct helper *h, const struct words *w, struct answer *a);
struct verb {
	const char *name;
	verb_fn *act;
	struct arg_spec args[HELPER_WORDS - 1];
	const char *help;
	bool at_box; /* only who reads the button may ask: a press says that somebody stands there */
};
extern const struct verb verbs[]; /* ends with a NULL name */

/* Is it of this kind, within its bounds? Pure. */
bool arg_check(const struct arg_spec *spec, const char *word);
/* The verb of these words when all arguments are good; else NULL, the fault in *ret. Pure. */
const struct verb *verb_find(const struct words *w, struct answer *ret);
/* Parse, check, do. Fills in *ret, whatever came. at_box: who asks reads the button. */
void helper_handle(const struct helper *h, struct span request, bool at_box, struct answer *ret);

/* --- serve.c --- */
/* One connection: who asks, the request, the answer. Only h->uid is heard, and for some verbs only with
 * the group h->button, which the kernel says of the caller (SO_PEERGROUPS); a caller who says
 * nothing is hung up on after two seconds. Does not close. */
void helper_serve_one(const struct helper *h, int sock);
/* Serve what `listener` accepts, one after the other, until nobody came for idle_s. */
void helper_serve(const struct helper *h, int listener, int idle_s);
