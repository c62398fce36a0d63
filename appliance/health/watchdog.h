/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What systemd is told about the daemon (sd_notify): that its doors are open, and, as long as it is
 * so, that it serves a page and that its writer writes. A daemon that hangs says nothing any more:
 * systemd starts it again, and when systemd hangs, the machine's own watchdog starts the machine
 * again.
 *
 * Each proof goes through the front: a GET over loopback, a job through the writer. Once in a
 * quarter of an hour the job writes a row, so that a disk that takes no more writes is noticed
 * without being worn out by the proof. A full disk is no reason for a restart: it would not help.
 */
#pragma once
#include "appliance/app.h"

struct watchdog_env {
	void *ctx;
	bool (*serves)(void *ctx);
	bool (*writes)(void *ctx);
	void (*notify)(void *ctx, const char *state); /* as sd_notify(3) */
};
/* One round: both proofs, and the word when both held. Returns whether they did. */
bool watchdog_round(const struct watchdog_env *e);

/* Is "/" of the pages answered over loopback, at the port of the plain door? Waits at most half a
 * minute. */
bool page_served(int port);

struct watchdog;
/* Says READY=1, and begins when systemd asks for it (WatchdogSec=). `port`: of the pages at the
 * plain door; `writer`: NULL while there is no box yet. Returns NULL when nobody asked. */
struct watchdog *watchdog_start(int port, struct writer *writer);
void watchdog_stop(struct watchdog *w); /* NULL: nothing */
/* What is going on, in words, for `systemctl status`. */
void watchdog_stopping(void);
