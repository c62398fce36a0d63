/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/listen.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

static bool split(const char *address, char host[256], const char **ret_port)
{
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;

	if (!colon || !colon[1] || n >= 256)
		return false;
	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	memcpy(host, address, n);
	host[n] = 0;
	*ret_port = colon + 1;
	return strspn(*ret_port, "0123456789") == strlen(*ret_port);
}

static int open_one(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, zero = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1024) == 0)
		return fd;
	close(fd);
	return -1;
}

static int port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);

	/* the port stands at the same place for both families */
	return getsockname(fd, (struct sockaddr *)&a, &n) == 0 ? ntohs(a.sin6_port) : 0;
}

struct error *listen_open(const char *address, int *ret_fd, int *ret_port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
	char host[256];
	const char *port;
	int fd = -1, rc, why;

	ENSURE(split(address, host, &port),
	       error_new(ERR_USAGE, N_("%s is not an address to listen on, such as 0.0.0.0:8080."),
			 address));
	if (!host[0] || strcmp(host, "::") == 0) {
		/* one socket for both families; where there is no IPv6, the old one alone */
		rc = getaddrinfo("::", port, &hints, &list);
		fd = rc == 0 ? open_one(list) : -1;
		why = errno;
		if (list)
			freeaddrinfo(list);
		list = NULL;
		if (fd < 0 && why == EADDRINUSE)
			return error_new(ERR_NET,
					 N_("Cannot listen on %s: another program is using it."),
					 address);
		snprintf(host, sizeof(host), "0.0.0.0");
	}
	if (fd < 0) {
		rc = getaddrinfo(host, port, &hints, &list);
		ENSURE(rc == 0, error_new(ERR_USAGE, N_("Cannot listen on %s: %s."), address,
					  gai_strerror(rc)));
		fd = open_one(list);
		why = errno;
		freeaddrinfo(list);
		ENSURE(fd >= 0,
		       error_new(ERR_NET, N_("Cannot listen on %s: %s."), address, strerror(why)));
	}
	*ret_fd = fd;
	*ret_port = port_of(fd);
	return NULL;
}
