/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* lliure-button: waits for the power key. Ends when the machine has none. */
#include "firmware/button/act.h"
#include "firmware/button/input.h"
#include "firmware/helper/ask.h"
#include "firmware/helper/helper.h"
#include "sync/base/env.h"

static bool ask(void *ctx, const char *verb, const char *arg)
{
	const char *words[] = {verb, arg};
	struct error *e = helper_ask(HELPER_SOCKET, words, arg ? 2 : 1, NULL);
	bool ok = !e;

	(void)ctx;
	error_free(e);
	return ok;
}

static int64_t now(void *ctx)
{
	(void)ctx;
	return env_mono(&env_system);
}

static void wait_for(void *ctx, struct pollfd *polled, size_t n, int ms)
{
	(void)ctx;
	if (poll(polled, n, ms) < 0)
		for (size_t i = 0; i < n; i++)
			polled[i].revents = 0;
}

int main(int argc, char **argv)
{
	struct button_place p = {.run = helper_ops_system.run,
				 .ask = ask,
				 .data = "/var/lib/lliure/box",
				 .label = "/run/lliure-label",
				 .state = "/state/lliure",
				 .screen = stdout};
	struct button_clock c = {NULL, now, wait_for};
	int fds[BUTTON_DEVICES];
	size_t n = button_open("/dev/input", fds);

	(void)argv;
	if (argc != 1)
		return 2;
	if (!n)
		return 0;
	button_watch(&p, &c, fds, n);
	return 1; /* started again, it looks which are left */
}
