/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When a box asks for its own name again. Avahi gives way when another device answers to
 * NAME.local, and keeps the other name for as long as it runs: also when that device has left
 * since, and when there was none (a busy machine whose addresses change while Avahi asks takes its
 * own question for another's). What is printed on the label would lead nowhere until somebody
 * restarts the box. So it asks again: after five minutes, and each time after twice as long, at the
 * most a day. Whoever has the name defends it. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { RETAKE_S = 5 * 60, RETAKE_MAX_S = 24 * 3600 };

struct retake {
	int64_t at; /* seconds of a clock that never goes back; 0: nothing is to be asked */
	int pause;  /* that was waited for the last time; 0: never */
};
/* `renamed`: the box answers to another name than its own. True: ask for it now, once. The pause is
 * kept when the name is back, for it may be lost again a moment later. */
bool retake_due(struct retake *r, bool renamed, int64_t now_s);
