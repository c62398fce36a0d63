/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What became of the last update: one small file on the partition `state`, written by lliure-update
 * (as root) at each step, read by the daemon for its pages. Lines "name=value"; what is unknown is
 * passed over, so that an older or newer system can read it.
 *
 *        update file              install                 restart            health check
 *   NONE ------------> CHECKING ----------> INSTALLING ----------> RESTARTING ----------> DONE
 *                         |                     |                      |
 *                         +--> REFUSED          +--> FAILED            +--> ROLLED_BACK
 *
 * Every state that ends says why (reason).
 */
#pragma once
#include "sync/base/error.h"
#include "sync/base/span.h"
#include <stdint.h>

#define UPDATE_STAGES(X)                                                                           \
	X(UPDATE_NONE, "none")                                                                     \
	X(UPDATE_CHECKING, "checking")                                                             \
	X(UPDATE_INSTALLING, "installing")                                                         \
	X(UPDATE_RESTARTING, "restarting")                                                         \
	X(UPDATE_DONE, "done")                                                                     \
	X(UPDATE_REFUSED, "refused")                                                               \
	X(UPDATE_FAILED, "failed")                                                                 \
	X(UPDATE_ROLLED_BACK, "rolled-back")
#define UPDATE_ENUM_ROW(id, name) id,
enum update_stage { UPDATE_STAGES(UPDATE_ENUM_ROW) UPDATE_STAGES_N };
#undef UPDATE_ENUM_ROW

/* Why an update was refused, failed or was taken back: the sentence, for people. */
#define UPDATE_REASONS(X)                                                                          \
	X(WHY_NOTHING, "nothing", N_("All went well."))                                            \
	X(WHY_DAMAGED, "damaged",                                                                  \
	  N_("The file is no update, or it is damaged: it was cut short, perhaps. Fetch it "       \
	     "again."))                                                                            \
	X(WHY_STRANGER, "stranger",                                                                \
	  N_("The file is not signed by those who make this system. Do not use it."))              \
	X(WHY_MACHINE, "machine",                                                                  \
	  N_("The update is for another kind of machine. Fetch the one for this machine."))        \
	X(WHY_OLDER, "older",                                                                      \
	  N_("The update is not newer than what runs here. Boxes never go back: older systems "    \
	     "have "                                                                               \
	     "faults that are known."))                                                            \
	X(WHY_FORMAT, "format",                                                                    \
	  N_("The update can't read what this box has stored: it is from an earlier series."))     \
	X(WHY_ROOM, "room", N_("There is no room to install it. Free some space and try again."))  \
	X(WHY_INSTALL, "install",                                                                  \
	  N_("It could not be written. Fetch the file again, for it may be damaged inside. If "    \
	     "this happens again, the disk may be at its end: look at the health page."))          \
	X(WHY_CUT_OFF, "cut-off",                                                                  \
	  N_("The power went, or the box was stopped, before it was done. Nothing was changed. "   \
	     "Try "                                                                                \
	     "again."))                                                                            \
	X(WHY_START, "start", N_("The new system did not start. The former one runs again."))      \
	X(WHY_KEPT, "kept",                                                                        \
	  N_("The new system is not well, and it stays: the former one can't read the stored "     \
	     "data "                                                                               \
	     "any more. Look for a newer update."))                                                \
	X(WHY_CRASH, "crash",                                                                      \
	  N_("The new system's program ended again and again. The former one runs again."))        \
	X(WHY_ROOT, "root",                                                                        \
	  N_("Its part of the disk can't be read any more: the former one runs again. Make a "     \
	     "backup, and think of a new disk."))                                                  \
	X(WHY_ALONE, "alone",                                                                      \
	  N_("A part of the disk with the system can't be read any more, and there is no other "   \
	     "system to go back to. Make a backup now, and write the system to a new disk."))      \
	X(WHY_PAGE, "page", N_("The new system served no page. The former one runs again."))       \
	X(WHY_DATA, "data",                                                                        \
	  N_("The new system found the stored data damaged. The former one runs again."))          \
	X(WHY_NETWORK, "network",                                                                  \
	  N_("The new system was not seen on the network. The former one runs again."))            \
	X(WHY_AIR, "wifi", N_("The new system made no Wi-Fi. The former one runs again."))         \
	X(WHY_MOUNT, "mount",                                                                      \
	  N_("The new system did not find its disks. The former one runs again."))
#define UPDATE_WHY_ROW(id, name, text) id,
enum update_why { UPDATE_REASONS(UPDATE_WHY_ROW) UPDATE_WHYS };
#undef UPDATE_WHY_ROW

const char *update_stage_name(enum update_stage s);
bool update_ended(enum update_stage s); /* well or badly: nothing is at work any more */
const char *update_why_name(enum update_why w);
const char *update_why_text(enum update_why w); /* message id */
/* By its name; WHY_INSTALL for one that is not known. */
enum update_why update_why_by_name(const char *name);

enum { UPDATE_VERSION = 40, UPDATE_FILE = 101, UPDATE_SAID = 241, OUTCOME_MAX = 2048 };
struct outcome {
	enum update_stage stage;
	enum update_why why;
	char file[UPDATE_FILE];	      /* the bundle's name */
	char version[UPDATE_VERSION]; /* of the bundle, "" when it was not read */
	char before[UPDATE_VERSION];  /* what ran when it was installed */
	int format; /* of the stored data when it was installed; 0: none, or not known */
	int64_t when_ms;
	char said[UPDATE_SAID]; /* what the installer itself said, one line of ASCII; "" nothing */
};
/* Pure; never fails: what makes no sense is as if it were not there. */
void update_outcome_parse(struct span text, struct outcome *ret);
/* Of what an installer printed, the line that says why it gave up: the last that speaks of an
 * error, else the last one. Foreign text: what is no letter of ASCII becomes a space. Pure. */
void update_said(struct span printed, char out[UPDATE_SAID]);
/* What was found by only looking at a bundle: a file like it, below the folder of bundles. */
#define UPDATE_LOOKED "looked"
/* Zero-terminated; returns its length. */
size_t update_outcome_format(const struct outcome *o, char out[OUTCOME_MAX]);
/* ERR_IO. A file that is not there is UPDATE_NONE. */
struct error *update_outcome_read(const char *path, struct outcome *ret) MUST;
struct error *update_outcome_write(const char *path, const struct outcome *o) MUST;

/* Versions: numbers with points between, "2026.11.25" or "1.4.2", at most eight. false: it is none.
 */
bool version_ok(const char *v);
/* <0, 0, >0: older, equal, newer. What is no version is older than all that are. */
int version_compare(const char *a, const char *b);
