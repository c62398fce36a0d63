/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/label.h"
#include "sync/base/file.h"
#include "sync/base/line.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 1024, DIGITS = 4 };
#define NEW "lliure"

void network_label_text(const struct network_wish *w, struct buf *out)
{
	bool own = w->wifi == WIFI_OWN;
	char code[256] = "";

	if (own)
		network_wifi_code(w, code, sizeof(code));
	buf_printf(out, "ssid %s\npassword %s\ncode %s\n", own ? w->ssid : "",
		   own && w->lock != LOCK_OPEN ? w->password : "", code);
}

static struct error *put(const char *dir, const char *name, struct span text, mode_t mode)
{
	_cleanup_(freep) char *path = path_join(dir ? dir : "", name);
	_cleanup_(buf_release) struct buf was = {0};
	struct error *e;

	ENSURE(dir && *dir && access(dir, W_OK) == 0,
	       error_new(ERR_NOT_FOUND, "There is no folder of labels here."));
	e = file_read(path, FILE_MAX, &was);
	if (!e && span_eq(buf_span(&was), text))
		return NULL;
	error_free(e);
	return file_write(path, text, mode);
}

struct error *network_label_put(const char *dir, const struct network_wish *w)
{
	_cleanup_(buf_release) struct buf b = {0};

	network_label_text(w, &b);
	return put(dir, "wifi", buf_span(&b), 0600);
}

struct error *network_label_put_host(const char *dir, const char *host)
{
	return put(dir, "host", span_str(host), 0644);
}

/* The rest of the line that begins with this word; false: there is none. */
static bool line_of(const char *text, const char *word, char out[NETWORK_LABEL])
{
	size_t n = strlen(word);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, word, n) == 0 && text[n] == ' ') {
			line_clean(span_of(text + n + 1, strcspn(text + n + 1, "\n")), out,
				   NETWORK_LABEL);
			return true;
		}
	return false;
}

bool network_label_read(const char *dir, struct network_label *ret)
{
	_cleanup_(freep) char *path = path_join(dir ? dir : "", "wifi");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = dir && *dir ? file_read(path, FILE_MAX, &b) : NULL;
	char code[NETWORK_LABEL];

	error_free(e); /* not said yet */
	/* The last line: before it is there, the others may be half. */
	return line_of(buf_str(&b), "code", code) && line_of(buf_str(&b), "ssid", ret->ssid) &&
	       line_of(buf_str(&b), "password", ret->password);
}

/* A host name out of a file, without what does not belong in one. */
static bool host_in(const char *dir, const char *name, char out[NETWORK_LABEL_HOST])
{
	_cleanup_(freep) char *path = path_join(dir ? dir : "", name);
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = dir && *dir ? file_read(path, FILE_MAX, &b) : NULL;
	size_t n = strspn(buf_str(&b), "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	error_free(e);
	if (!n || n > 63)
		return false;
	snprintf(out, NETWORK_LABEL_HOST, "%.*s.local", (int)n, buf_str(&b));
	return true;
}

void network_label_host(const char *dir, const char *state, char out[NETWORK_LABEL_HOST])
{
	char own[64] = "";

	if (host_in(dir, "host", out) || host_in(state, "hostname", out))
		return;
	if (gethostname(own, sizeof(own) - 1) || !*own)
		snprintf(own, sizeof(own), NEW);
	own[strcspn(own, ".")] = 0;
	snprintf(out, NETWORK_LABEL_HOST, "%s.local", own);
}

static bool print_addresses(FILE *screen, const char *host)
{
	char text[INET_ADDRSTRLEN];
	struct ifaddrs *all = NULL;
	bool any = false;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)i->ifa_addr;

		if (!a || a->sin_family != AF_INET || i->ifa_flags & IFF_LOOPBACK ||
		    !inet_ntop(AF_INET, &a->sin_addr, text, sizeof(text)))
			continue;
		if (!any)
			fprintf(screen, "  its pages       http://%s\n", host);
		fprintf(screen, "                  http://%s  (%s)\n", text, i->ifa_name);
		any = true;
	}
	freeifaddrs(all);
	return any;
}

bool network_label_print(FILE *screen, const char *dir, const char *state)
{
	char host[NETWORK_LABEL_HOST];
	struct network_label l;

	if (network_label_read(dir, &l) && *l.ssid)
		fprintf(screen,
			"  its Wi-Fi       %s (where it has a radio)\n"
			"  the password    %s\n",
			l.ssid, *l.password ? l.password : "none: it is open");
	network_label_host(dir, state, host);
	return print_addresses(screen, host);
}

bool network_label_is_new(const char *host)
{
	size_t n = strlen(NEW);

	if (strncmp(host, NEW, n) != 0)
		return false;
	return !host[n] || (host[n] == '-' && strlen(host + n + 1) == DIGITS &&
			    strspn(host + n + 1, "0123456789abcdef") == DIGITS);
}
