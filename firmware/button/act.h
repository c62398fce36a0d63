/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the button does: words on the screen, and requests to the daemon and to the root helper. It
 * runs as the daemon's own user and has no rights beyond that. */
#pragma once
#include "firmware/button/button.h"
#include "sync/base/buf.h"
#include <poll.h>
#include <stdio.h>

struct button_place {
	void *ctx;
	/* As in firmware/helper/helper.h. */
	int (*run)(void *ctx, const char *const *argv, int seconds, struct buf *out);
	/* Ask the root helper; false: it did not. */
	bool (*ask)(void *ctx, const char *verb, const char *arg);
	const char *data;  /* the data folder */
	const char *label; /* firmware/network/label.h */
	const char *state; /* where the box's name is kept */
	FILE *screen;
};
void button_act(struct button_place *p, enum button_action a);

/* Time, and waiting for devices: of the machine, or of a test. */
struct button_clock {
	void *ctx;
	int64_t (*now)(void *ctx); /* never goes back */
	void (*wait)(void *ctx, struct pollfd *polled, size_t n, int ms); /* as poll(2) */
};
/* Does what the button asks for until a device is unplugged. At most BUTTON_DEVICES. */
void button_watch(struct button_place *p, const struct button_clock *c, const int *fds, size_t n);
