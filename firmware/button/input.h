/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Input devices that have a power key: of the case, or wired to a Raspberry Pi's pins (gpio-keys).
 */
#pragma once
#include "firmware/button/button.h"
#include <stddef.h>

enum { BUTTON_DEVICES = 8 };
/* Those below `dir` ("/dev/input"), opened without blocking; yours. Returns how many. */
size_t button_open(const char *dir, int fds[BUTTON_DEVICES]);
/* The next press or release that the device has; false: none now. Repeats and other keys are passed
 * over; *ret_gone: it was unplugged. */
bool button_read(int fd, enum button_event *ret, bool *ret_gone);
