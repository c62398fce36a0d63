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

/* The edge that the device has shown, when it counts. */
static enum button_action take_edge(struct button *b, int64_t now_ms)
{
	if (b->raw == b->down || now_ms - b->edge_ms < BUTTON_BOUNCE_MS)
		return BUTTON_NOTHING;
	b->down = b->raw;
	b->edge_ms = now_ms;
	return step(b, b->down ? BUTTON_PRESS : BUTTON_RELEASE, now_ms);
}

enum button_action button_move(struct button *b, enum button_event e, int64_t now_ms)
{
	/* An edge that came too soon counts from here on; of a press and its release only the
	 * latter does something. */
	enum button_action late = take_edge(b, now_ms), a = step(b, BUTTON_TIME, now_ms);

	if (e != BUTTON_TIME)
		b->raw = e == BUTTON_PRESS;
	/* What time has done comes first: a release after a long sleep of this program is that of a
	 * long press. The event itself is then only the end of it. */
	if (a != BUTTON_NOTHING || late != BUTTON_NOTHING) {
		take_edge(b, now_ms);
		return late != BUTTON_NOTHING ? late : a;
	}
	return take_edge(b, now_ms);
}

/* Until time alone changes the state; -1: never. */
static int64_t wait_for_state(const struct button *b, int64_t now_ms)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int64_t left = b->since_ms + table[i].after_ms - now_ms;

		if (table[i].from == b->state && table[i].event == BUTTON_TIME)
			return left > 0 ? left : 0;
	}
	return -1;
}

int64_t button_wait(const struct button *b, int64_t now_ms)
{
	int64_t state = wait_for_state(b, now_ms), edge = b->edge_ms + BUTTON_BOUNCE_MS - now_ms;

	if (b->raw == b->down)
		return state;
	edge = edge > 0 ? edge : 0;
	return state < 0 || edge < state ? edge : state;
}
