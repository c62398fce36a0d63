/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A question to the portal: a host in the first line, a path in the second, as a phone sends them.
 */
#include "tests/fuzz/fuzz.h"
#include "firmware/portal/portal.h"
#include "firmware/portal/probe.h"
#include <ctype.h>
#include <string.h>

static bool is_it(const char *name, const char *host)
{
	size_t n = strlen(host);

	return strncmp(name, host, strlen(name)) == 0 &&
	       (strlen(name) == n || (strlen(name) + 1 == n && host[n - 1] == '.'));
}

static bool in_the_dns(const char *host)
{
	for (const struct probe_host *h = probe_hosts; h->name; h++)
		if (is_it(h->name, host))
			return true;
	return false;
}

/* Whatever is asked: a question is one of the table's, or a known host's; the answer is whole. */
static void asks(const char *host, const char *path)
{
	const struct probe *p = probe_find(host, path);

	if (!p) {
		FUZZ_CHECK(!in_the_dns(host));
		return;
	}
	FUZZ_CHECK(p->system);
	FUZZ_CHECK(!p->path || strcmp(p->path, path) == 0);
	FUZZ_CHECK(!p->host || is_it(p->host, host));
	FUZZ_CHECK(p->path || in_the_dns(host));
	FUZZ_CHECK(p->status == 0 || (p->status >= 200 && p->status < 300));
	FUZZ_CHECK(!p->type || p->body);
}

/* What may stand in a page and in the DNS is an address and nothing else. */
static void address(const char *text)
{
	if (!portal_address_good(text))
		return;
	FUZZ_CHECK(strlen(text) < PORTAL_ADDRESS);
	for (; *text; text++)
		FUZZ_CHECK(isdigit((unsigned char)*text) || *text == '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	char *path = strchr(text, '\n');

	if (path) {
		size_t n = (size_t)(path - text);

		*path++ = 0;
		path[strcspn(path, "\n")] = 0;
		asks(text, path);
		/* a name that is written whole, with a dot at its end, is the same name */
		if (n > 1 && text[n - 1] == '.') {
			text[n - 1] = 0;
			asks(text, path);
		}
	}
	address(text);
	free(text);
	return 0;
}
