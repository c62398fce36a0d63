/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/helper/ask.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

enum { ANSWER_WITHIN_S = 45 }; /* longer than the slowest verb */

static struct error *no_helper(void)
{
	return error_new(ERR_NOT_FOUND,
			 N_("This machine is not run by its box: do this in the machine's own "
			    "system. (There is no helper for it here.)"));
}

static bool address_of(const char *socket, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	return socket && *socket &&
	       snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", socket) <
		       (int)sizeof(ret->sun_path);
}

static struct error *no_answer(void)
{
	return error_new(ERR_TIMEOUT,
			 N_("The system's helper does not answer. Wait a moment and try "
			    "again; if it fails again, restart the box."));
}

static struct error *call(int sock, struct span request, struct answer *ret)
{
	_cleanup_(buf_release) struct buf message = {0};
	ssize_t n;

	ENSURE(send(sock, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n, no_answer());
	do
		n = recv(sock, buf_reserve(&message, HELPER_ANSWER + 1), HELPER_ANSWER + 1, 0);
	while (n < 0 && errno == EINTR);
	ENSURE(n > 0 && answer_parse(span_of(message.p, (size_t)n), ret), no_answer());
	return NULL;
}

struct error *helper_ask(const char *socket_path, const char *const *words, size_t n,
			 struct buf *ret_out)
{
	struct timeval wait = {.tv_sec = ANSWER_WITHIN_S};
	_cleanup_(buf_release) struct buf request = {0};
	_cleanup_(closep) int sock = -1;
	struct answer a = {.fault = FAULT_NONE};
	struct sockaddr_un address;
	struct error *e;

	ENSURE(address_of(socket_path, &address), no_helper());
	ENSURE(words_write(&request, words, n),
	       fault_error(FAULT_ARGUMENT, n > 1 ? words[1] : "?"));
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ENSURE(sock >= 0 && !connect(sock, (struct sockaddr *)&address, sizeof(address)),
	       no_helper());
	ENSURE(!setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) &&
		       !setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)),
	       no_answer());
	e = call(sock, buf_span(&request), &a);
	if (!e)
		e = fault_error(a.fault, a.detail);
	if (!e && ret_out)
		*ret_out = (struct buf){0}, buf_add_span(ret_out, buf_span(&a.out));
	buf_release(&a.out);
	return e;
}
