/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * "ADDR:PORT" as people write it and as boxes announce it: 10.0.0.1:8443, [2001:db8::1]:8443,
 * [fe80::1%eth0]:8443, box.example.org:8443. To listen also [::]:8443, :8443 (everywhere) and port
 * 0 (any that is free).
 *
 * Any thread.
 */
#pragma once
#include "sync/base/error.h"

struct address {
	char host[256]; /* without brackets; "" for everywhere */
	char scope[16]; /* the interface of a link-local IPv6 address, or "" */
	int port;
	bool v6; /* host is an IPv6 address */
};

/* ERR_INVALID: not one. */
struct error *address_parse(const char *text, struct address *ret) MUST;
/* "https://HOST:PORT" for curl. The address has a host and a port. */
void address_url(const struct address *a, char *out, size_t size);
/* A socket that listens there, close-on-exec and non-blocking; everywhere means IPv6 and IPv4
 * where there is IPv6. The host must be an address, not a name. ERR_IO: taken, not ours … */
struct error *address_listen(const struct address *a, int *ret_fd, int *ret_port) MUST;
