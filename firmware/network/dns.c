/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/dns.h"
#include "firmware/portal/probe.h"
#include "sync/base/buf.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Nothing but what a name or an address is made of gets into a line. */
static bool good(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:/_") ==
		       strlen(s);
}

static bool same(const char *path, struct span want)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_(freep) char *have = malloc(want.n + 1);

	return fd >= 0 && have && read(fd, have, want.n + 1) == (ssize_t)want.n &&
	       memcmp(have, want.p, want.n) == 0;
}

/* dnsmasq passes over files whose name begins with a dot. */
static struct error *put(const char *dir, const char *sub, struct span text, bool *changed)
{
	char path[4200], hidden[4200];
	_cleanup_(closep) int fd = -1;

	snprintf(path, sizeof(path), "%s/%s/lliure", dir, sub);
	snprintf(hidden, sizeof(hidden), "%s/%s/.lliure", dir, sub);
	if (same(path, text))
		return NULL;
	fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	ENSURE(fd >= 0 || errno != ENOENT,
	       error_new(ERR_NOT_FOUND, N_("There is no folder %s/%s for the network's names."),
			 dir, sub));
	ENSURE(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fchmod(fd, 0644) == 0 &&
		       rename(hidden, path) == 0,
	       error_new(ERR_IO, N_("%s can't be written: %s"), path, strerror(errno)));
	*changed = true;
	return NULL;
}

struct error *network_dns_write(const char *dir, const struct network_dns *d, bool *ret_changed)
{
	_cleanup_(buf_release) struct buf hosts = {0}, options = {0};

	ENSURE(good(d->address) && good(d->name) && (!d->api || good(d->api)),
	       error_new(ERR_INVALID, N_("“%s” is not a name for the network."), d->name));
	*ret_changed = false;
	buf_printf(&hosts, "%s %s %s\n", d->address, NETWORK_WORD, d->name);
	for (const struct probe_host *h = probe_hosts; d->portal && h->name; h++)
		buf_printf(&hosts, "%s %s\n", h->address ? h->address : d->address, h->name);
	if (d->api)
		buf_printf(&options, "114,%s\n", d->api);
	TRY(put(dir, "hosts", buf_span(&hosts), ret_changed));
	return put(dir, "options", buf_span(&options), ret_changed);
}
