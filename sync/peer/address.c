/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

static struct error *no_address(const char *text)
{
	return error_new(ERR_INVALID,
			 N_("\"%s\" is not an address. Write it as 192.168.1.20:8443 or "
			    "[2001:db8::1]:8443."),
			 text);
}

static bool port_of(const char *s, int *ret)
{
	int port = 0;

	if (!*s || strlen(s) > 5)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		port = port * 10 + *s - '0';
	}
	*ret = port;
	return port < 65536;
}

static bool all_of(const char *s, const char *letters)
{
	return strspn(s, letters) == strlen(s);
}

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool host_is_sane(struct address *a)
{
	struct in6_addr v6;

	if (a->v6)
		return inet_pton(AF_INET6, a->host, &v6) == 1 &&
		       all_of(a->scope, ALPHANUMERIC "-_.");
	return a->host[0] != '-' && all_of(a->host, ALPHANUMERIC "-.");
}

struct error *address_parse(const char *text, struct address *ret)
{
	struct address a = {.v6 = text[0] == '['};
	const char *colon = strrchr(text, ':');
	const char *end = a.v6 ? strchr(text, ']') : colon;
	const char *host = text + a.v6, *percent;

	if (!colon || !end || (a.v6 && end + 1 != colon) || !port_of(colon + 1, &a.port))
		return no_address(text);
	percent = a.v6 ? memchr(host, '%', (size_t)(end - host)) : NULL;
	if (percent) {
		if ((size_t)(end - percent) > sizeof(a.scope) || end == percent + 1)
			return no_address(text);
		snprintf(a.scope, sizeof(a.scope), "%.*s", (int)(end - percent - 1), percent + 1);
		end = percent;
	}
	if ((size_t)(end - host) >= sizeof(a.host))
		return no_address(text);
	snprintf(a.host, sizeof(a.host), "%.*s", (int)(end - host), host);
	ENSURE(host_is_sane(&a), no_address(text));
	*ret = a;
	return NULL;
}

void address_url(const struct address *a, char *out, size_t size)
{
	/* RFC 6874: the % before a scope is itself escaped. */
	snprintf(out, size, "https://%s%s%s%s%s:%d", a->v6 ? "[" : "", a->host,
		 a->scope[0] ? "%25" : "", a->scope, a->v6 ? "]" : "", a->port);
}

/* --- listening --- */
static struct error *cant_listen(const struct address *a, int errnum)
{
	char port[12];

	snprintf(port, sizeof(port), "%d", a->port);
	return error_new(ERR_IO, N_("Port %s of \"%s\" can't be listened on: %s."), port, a->host,
			 strerror(errnum));
}

/* -1 and errno. */
static int listen_on(const struct sockaddr *to, socklen_t n)
{
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, off = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (to->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, to, n) < 0 || listen(fd, 128) < 0) {
		int why = errno;

		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static int listen_v6(const struct address *a)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)a->port)};

	if (a->host[0])
		inet_pton(AF_INET6, a->host, &in.sin6_addr);
	if (a->scope[0])
		in.sin6_scope_id = if_nametoindex(a->scope);
	return listen_on((struct sockaddr *)&in, sizeof(in));
}

static int port_of_socket(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {.any.sa_family = 0};
	socklen_t n = sizeof(a);

	if (getsockname(fd, &a.any, &n) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

struct error *address_listen(const struct address *a, int *ret_fd, int *ret_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)a->port)};
	bool everywhere = !a->host[0] || (a->v6 && strcmp(a->host, "::") == 0);
	int fd = -1;

	if (everywhere || a->v6)
		fd = listen_v6(a);
	else
		ENSURE(inet_pton(AF_INET, a->host, &in.sin_addr) == 1, no_address(a->host));
	/* A kernel without IPv6: everywhere is IPv4 then. */
	if (fd < 0 && (!a->v6 || everywhere) && (!everywhere || errno != EADDRINUSE))
		fd = listen_on((struct sockaddr *)&in, sizeof(in));
	ENSURE(fd >= 0, cant_listen(a, errno));
	*ret_fd = fd;
	*ret_port = port_of_socket(fd);
	return NULL;
}
