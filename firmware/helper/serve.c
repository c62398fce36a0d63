/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/helper/helper_priv.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <systemd/sd-daemon.h>

enum { SAY_WITHIN_S = 2, GROUPS = 64 };

static bool allowed(const struct helper *h, int sock)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &n) && n == sizeof(who) &&
	       who.uid == h->uid;
}

/* As they were when the caller connected. */
static bool reads_the_button(const struct helper *h, int sock)
{
	gid_t groups[GROUPS];
	socklen_t n = sizeof(groups);

	if (!h->button || getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &n))
		return false;
	for (size_t i = 0; i < n / sizeof(*groups); i++)
		if (groups[i] == h->button)
			return true;
	return false;
}

void helper_serve_one(const struct helper *h, int sock)
{
	struct timeval wait = {.tv_sec = SAY_WITHIN_S};
	_cleanup_(buf_release) struct buf message = {0};
	/* One byte more than allowed: what was cut must not pass for a shorter request. */
	uint8_t request[HELPER_REQUEST + 1];
	struct answer a = {.fault = FAULT_CALLER};
	ssize_t n;

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)))
		return;
	/* Descriptors that come along are not received, and so closed by the kernel. */
	n = recv(sock, request, sizeof(request), 0);
	if (n <= 0)
		return;
	if (allowed(h, sock))
		helper_handle(h, span_of(request, (size_t)n), reads_the_button(h, sock), &a);
	answer_write(&message, &a);
	buf_release(&a.out);
	if (send(sock, message.p, message.n, MSG_NOSIGNAL) < 0)
		return; /* the daemon has gone; what was done stays done */
}

void helper_serve(const struct helper *h, int listener, int idle_s)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	while (poll(&p, 1, idle_s * 1000) > 0) {
		_cleanup_(closep) int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		/* For systemd, which ends a helper that is held by a disk (WatchdogSec). */
		sd_notify(0, "WATCHDOG=1");
		if (sock >= 0)
			helper_serve_one(h, sock);
	}
}
