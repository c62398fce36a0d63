/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/button/act.h"
#include "firmware/button/input.h"

/* What the devices have for us; false: one was unplugged. */
static bool take_events(struct button *b, struct button_place *p, const struct button_clock *c,
			const struct pollfd *polled, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum button_event e;
		bool gone = false;

		while (polled[i].revents && button_read(polled[i].fd, &e, &gone))
			button_act(p, button_move(b, e, c->now(c->ctx)));
		if (gone)
			return false;
	}
	return true;
}

void button_watch(struct button_place *p, const struct button_clock *c, const int *fds, size_t n)
{
	struct pollfd polled[BUTTON_DEVICES];
	struct button b = {.state = BUTTON_REST};

	for (size_t i = 0; i < n; i++)
		polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	do {
		button_act(p, button_move(&b, BUTTON_TIME, c->now(c->ctx)));
		c->wait(c->ctx, polled, n, (int)button_wait(&b, c->now(c->ctx)));
	} while (take_events(&b, p, c, polled, n));
}
