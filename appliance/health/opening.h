/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What systemd is told while the daemon opens its box and has no page yet: that it gets on. To
 * check a large log, or to make what is derived of it anew, takes minutes on a small machine, and
 * so would a disk that hangs; the unit's own time to start (TimeoutStartSec) is short, and more is
 * asked for as long as the process works: who waits for a disk that does not answer uses no
 * processor. At most for a quarter of an hour: who turns in circles works, too.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
	OPENING_ROUND_S = 10,
	OPENING_ROUNDS = 90,
	OPENING_WORK_MS = 5, /* of the processor, in a round: a slow card's reads take more */
};

struct opening_env {
	void *ctx;
	int64_t (*worked_ms)(void *ctx);	      /* the processor's time of this process */
	void (*notify)(void *ctx, const char *state); /* as sd_notify(3) */
};
struct opening_state {
	int64_t worked_ms;
	int rounds;
};
/* One round: returns whether it got on since the last one, and was given more time for it. */
bool opening_round(const struct opening_env *e, struct opening_state *s);

struct opening;
/* NULL when no systemd listens. */
struct opening *opening_start(void);
/* When the watchdog has begun, or opening failed. NULL: nothing. */
void opening_stop(struct opening *o);
