/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/button/button.h"
#include "sync/base/cleanup.h"

/* The first row that fits: at least `after` in the state, and for BUTTON_TIME at the moment when
 * that is over. */
static const struct {
	enum button_state from;
	enum button_event event;
	int64_t after_ms;
	enum button_state to;
	enum button_action action;
} table[] = {
	{BUTTON_REST, BUTTON_PRESS, 0, BUTTON_DOWN, BUTTON_NOTHING},

	{BUTTON_DOWN, BUTTON_TIME, BUTTON_LONG_MS, BUTTON_LONG, BUTTON_ASK_RESET},
	{BUTTON_DOWN, BUTTON_RELEASE, BUTTON_CODE_MS, BUTTON_REST, BUTTON_CODE},
	{BUTTON_DOWN, BUTTON_RELEASE, 0, BUTTON_REST, BUTTON_STATUS},

	{BUTTON_LONG, BUTTON_RELEASE, 0, BUTTON_ASKED, BUTTON_NOTHING},
	{BUTTON_ASKED, BUTTON_TIME, BUTTON_ASK_MS, BUTTON_REST, BUTTON_NEVER},
	{BUTTON_ASKED, BUTTON_PRESS, 0, BUTTON_AGAIN, BUTTON_NOTHING},

	{BUTTON_AGAIN, BUTTON_TIME, BUTTON_LONG_MS, BUTTON_LONG_2, BUTTON_ASK_ALL},
	{BUTTON_AGAIN, BUTTON_RELEASE, 0, BUTTON_REST, BUTTON_RESET},

	{BUTTON_LONG_2, BUTTON_RELEASE, 0, BUTTON_ASKED_2, BUTTON_NOTHING},
	{BUTTON_ASKED_2, BUTTON_TIME, BUTTON_ASK_MS, BUTTON_REST, BUTTON_NEVER},
	{BUTTON_ASKED_2, BUTTON_PRESS, 0, BUTTON_LAST, BUTTON_NOTHING},
	{BUTTON_LAST, BUTTON_RELEASE, 0, BUTTON_REST, BUTTON_RESET_ALL},
};

static enum button_action step(struct button *b, enum button_event e, int64_t now_ms)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].from != b->state || table[i].event != e ||
		    now_ms - b->since_ms < table[i].after_ms)
			continue;
		b->state = table[i].to;
		b->since_ms = now_ms;
		return table[i].action;
	}
	return BUTTON_NOTHING;
}

enum button_action button_move(struct button *b, enum button_event e, int64_t now_ms)
{
	enum button_action a = step(b, BUTTON_TIME, now_ms);

	/* What time has done comes first: a release after a long sleep of this program is that of a
	 * long press. The event itself is then only the end of it. */
	if (a != BUTTON_NOTHING) {
		if (e != BUTTON_TIME)
			step(b, e, now_ms);
		return a;
	}
	return e == BUTTON_TIME ? BUTTON_NOTHING : step(b, e, now_ms);
}

int64_t button_wait(const struct button *b, int64_t now_ms)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int64_t left = b->since_ms + table[i].after_ms - now_ms;

		if (table[i].from == b->state && table[i].event == BUTTON_TIME)
			return left > 0 ? left : 0;
	}
	return -1;
}
