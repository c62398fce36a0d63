/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* lliure-button: waits for the power key. Ends when the machine has none. */
#include "firmware/button/act.h"
#include "firmware/button/input.h"
#include "firmware/helper/ask.h"
#include "firmware/helper/helper.h"
#include "sync/base/env.h"
#include <poll.h>

static bool ask(void *ctx, const char *verb, const char *arg)
{
	const char *words[] = {verb, arg};
	struct error *e = helper_ask(HELPER_SOCKET, words, arg ? 2 : 1, NULL);
	bool ok = !e;

	(void)ctx;
	error_free(e);
	return ok;
}

/* What the devices have for us; false: one was unplugged. */
static bool take_events(struct button *b, struct button_place *p, const struct pollfd *polled,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum button_event e;
		bool gone = false;

		while (polled[i].revents && button_read(polled[i].fd, &e, &gone))
			button_act(p, button_move(b, e, env_mono(&env_system)));
		if (gone)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct button_place p = {.run = helper_ops_system.run,
				 .ask = ask,
				 .data = "/var/lib/lliure/box",
				 .screen = stdout};
	struct pollfd polled[BUTTON_DEVICES];
	struct button b = {.state = BUTTON_REST};
	int fds[BUTTON_DEVICES];
	size_t n = button_open("/dev/input", fds);

	(void)argv;
	if (argc != 1)
		return 2;
	for (size_t i = 0; i < n; i++)
		polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	while (n > 0) {
		poll(polled, n, (int)button_wait(&b, env_mono(&env_system)));
		if (!take_events(&b, &p, polled, n))
			return 1; /* started again, it looks which are left */
		button_act(&p, button_move(&b, BUTTON_TIME, env_mono(&env_system)));
	}
	return 0;
}
