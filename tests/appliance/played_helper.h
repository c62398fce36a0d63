/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The real root helper on a played machine, in a thread of the test: fill h in, start it where the
 * box looks for it, and stop it before the box is closed. */
#pragma once
#include "tests/lib/test.h"
#include "firmware/helper/helper.h"
#include <pthread.h>
#include <sys/socket.h>

struct played_helper {
	struct helper h;
	pthread_t thread;
	int listener;
};

static void *played_helper_thread(void *arg)
{
	struct played_helper *p = arg;
	int sock;

	while ((sock = accept(p->listener, NULL, NULL)) >= 0) {
		helper_serve_one(&p->h, sock);
		close(sock);
	}
	return NULL;
}

static inline void played_helper_start(struct played_helper *p, const char *path)
{
	p->listener = test_listen_at(path);
	assert_int_equal(pthread_create(&p->thread, NULL, played_helper_thread, p), 0);
}

static inline void played_helper_stop(struct played_helper *p)
{
	shutdown(p->listener, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->listener);
}
