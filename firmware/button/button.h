/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The button of a box: what a press means, by how long it is held. Pure: presses, releases and the
 * passing of time come in, actions go out; the table of states is in button.c.
 *
 *        press          release before 5 s: STATUS
 *   REST -----> DOWN -----------------------------> REST
 *                |      release before 15 s: CODE
 *                | 15 s: ASK_RESET
 *                v
 *              LONG --release--> ASKED --press--> AGAIN --release before 15 s: RESET --> REST
 *                                  |                | 15 s: ASK_ALL
 *                                  | 30 s: NEVER    v
 *                                  v              LONG_2 --release--> ASKED_2 --press, release:
 * RESET_ALL REST                                   | 30 s: NEVER --> REST
 *
 * Invariants
 *  1. Nothing is reset by one press, however long; the data of the community is not erased by two.
 *  2. What was asked is forgotten after BUTTON_ASK_MS.
 *  3. A release without a press, and a press while it is down, are noise.
 *  4. A contact that bounces is one press: an edge counts when the last one was BUTTON_BOUNCE_MS ago.
 *     (Else letting go of a long press would be the second press as well.)
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { BUTTON_BOUNCE_MS = 50, BUTTON_CODE_MS = 5000, BUTTON_LONG_MS = 15000, BUTTON_ASK_MS = 30000 };

enum button_state {
	BUTTON_REST,
	BUTTON_DOWN,
	BUTTON_LONG,
	BUTTON_ASKED,
	BUTTON_AGAIN,
	BUTTON_LONG_2,
	BUTTON_ASKED_2,
	BUTTON_LAST,
	BUTTON_STATES
};
enum button_event { BUTTON_PRESS, BUTTON_RELEASE, BUTTON_TIME };
enum button_action {
	BUTTON_NOTHING,
	BUTTON_STATUS,	  /* show the state of the box */
	BUTTON_CODE,	  /* a new code for a volunteer */
	BUTTON_ASK_RESET, /* say: let go; press once more to forget the settings, hold for all */
	BUTTON_RESET,	  /* forget the machine's settings; the data stays */
	BUTTON_ASK_ALL,	  /* say: let go; press once more to erase everything */
	BUTTON_RESET_ALL, /* erase the community's data as well */
	BUTTON_NEVER,	  /* say: nothing was changed */
};

struct button {
	enum button_state state;
	int64_t since_ms; /* when the state began */
	bool down, raw;	  /* as it counts; as the device said last */
	int64_t edge_ms;  /* when `down` changed */
};
/* Begins as zeros.
 * What follows of the event at this moment (a clock that never goes back). BUTTON_TIME may come at
 * any time and as often as one likes. */
enum button_action button_move(struct button *b, enum button_event e, int64_t now_ms);
/* In how many milliseconds time alone changes something; -1: never. */
int64_t button_wait(const struct button *b, int64_t now_ms);
