/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The one table of what the helper can answer. Its sentence lives here, on both sides of the
 * socket, so that the daemon says it in the reader's language and the helper sends no words of its
 * own. A sentence has at most one %s: the detail.
 */
#pragma once
#include "sync/base/error.h"

#define FAULT_TABLE(X)                                                                             \
	X(FAULT_NONE, "ok", ERR_NONE, NULL)                                                        \
	X(FAULT_REQUEST, "request", ERR_INVALID,                                                   \
	  N_("The system's helper does not know what was asked of it (%s). The box and its "       \
	     "system "                                                                             \
	     "are of different versions: update the box."))                                        \
	X(FAULT_CALLER, "caller", ERR_DENIED,                                                      \
	  N_("Only the box itself may ask the system's helper."))                                  \
	X(FAULT_AT_BOX, "at-box", ERR_DENIED,                                                      \
	  N_("This is asked for at the box itself, with its button."))                             \
	X(FAULT_ARGUMENT, "argument", ERR_INVALID,                                                 \
	  N_("The system's helper does not accept this: %s."))                                     \
	X(FAULT_NO_DEVICE, "no-device", ERR_NOT_FOUND,                                             \
	  N_("%s is not plugged in. Was it pulled out? Plug it in again."))                        \
	X(FAULT_NOT_USB, "not-usb", ERR_DENIED, N_("%s is no USB stick: only sticks are opened.")) \
	X(FAULT_SYSTEM_DISK, "system-disk", ERR_DENIED,                                            \
	  N_("%s is a disk that this box itself runs from: it is not opened as a stick."))         \
	X(FAULT_FILE_SYSTEM, "file-system", ERR_INVALID,                                           \
	  N_("%s has no file system that this box reads (FAT, exFAT or ext4). Format it on a "     \
	     "computer, as FAT or exFAT, and try again."))                                         \
	X(FAULT_DAMAGED, "damaged", ERR_CORRUPT,                                                   \
	  N_("%s is damaged and can't be opened. Have a computer look at it (check or repair the " \
	     "file system), or use another stick."))                                               \
	X(FAULT_IN_USE, "in-use", ERR_BUSY,                                                        \
	  N_("%s is being read or written at this moment. Wait until it is done."))                \
	X(FAULT_NOT_MOUNTED, "not-mounted", ERR_NOT_FOUND, N_("%s is not open."))                  \
	X(FAULT_NO_FILE, "no-file", ERR_NOT_FOUND, N_("There is no update %s on this box."))       \
	X(FAULT_NO_ZONE, "no-zone", ERR_NOT_FOUND,                                                 \
	  N_("This box knows no time zone “%s”. They are called as in Europe/Madrid."))            \
	X(FAULT_CLOCK_BACK, "clock-back", ERR_DENIED,                                              \
	  N_("The system's clock is only ever set forward, and it is later already."))             \
	X(FAULT_CLOCK_SURE, "clock-sure", ERR_DENIED,                                              \
	  N_("The system's clock is kept by the internet's time: it is not set by hand."))         \
	X(FAULT_ABSENT, "absent", ERR_NOT_FOUND, N_("This machine has no %s."))                    \
	X(FAULT_PROGRAM, "program", ERR_INTERNAL,                                                  \
	  N_("The system did not do it (%s). Try again; if it fails again, restart the box."))     \
	X(FAULT_TIMEOUT, "timeout", ERR_TIMEOUT,                                                   \
	  N_("The system took too long (%s). Try again; if it fails again, restart the box."))     \
	X(FAULT_IO, "io", ERR_IO,                                                                  \
	  N_("The system could not write %s. Look at the box's health page: is its disk in "       \
	     "order?"))

#define FAULT_ENUM_ROW(id, name, code, msgid) id,
enum fault { FAULT_TABLE(FAULT_ENUM_ROW) FAULTS };
#undef FAULT_ENUM_ROW

const char *fault_name(enum fault f);
/* FAULTS for a name that is none. */
enum fault fault_by_name(const char *name);
/* NULL for FAULT_NONE. */
struct error *fault_error(enum fault f, const char *detail) MUST;
