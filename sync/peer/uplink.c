/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/uplink.h"
#include "sync/peer/address.h"

enum { MINUTE_MS = 60000, DAY_MINUTES = 1440 };

static int64_t wait_for_hours(const struct allowance *a, int minute)
{
	int from = a->from * 60, to = a->to * 60;
	bool open = from == to ||
		    (from < to ? minute >= from && minute < to : minute >= from || minute < to);

	return open ? 0 : (int64_t)((from - minute + DAY_MINUTES) % DAY_MINUTES) * MINUTE_MS;
}

int64_t allowance_wait(const struct allowance *a, uint64_t used, int minute, int64_t left_ms)
{
	int64_t hours = wait_for_hours(a, minute);
	int64_t bytes = a->day_bytes && used >= a->day_bytes ? left_ms : 0;

	return hours > bytes ? hours : bytes;
}

static bool proxy_ok(const char *text)
{
	static const char scheme[] = "http://";
	struct address a;
	struct error *err;
	bool ok;

	if (!*text)
		return true;
	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return false;
	err = address_parse(text + strlen(scheme), &a);
	ok = !err && a.host[0] && a.port;
	error_free(err);
	return ok;
}

static bool clean(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* "%41" is "A"; false: it does not fit, or is none. */
static bool decode(struct span text, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = (char)text.p[i], hex[3] = "", *end;

		if (c == '%') {
			if (i + 2 >= text.n)
				return false;
			hex[0] = (char)text.p[i + 1];
			hex[1] = (char)text.p[i + 2];
			c = (char)strtol(hex, &end, 16);
			if (*end || hex[0] == '+' || hex[0] == '-' || hex[0] == ' ')
				return false;
			i += 2;
		}
		if (n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = 0;
	return clean(out);
}

static struct error *no_user(void)
{
	return error_new(ERR_INVALID, N_("The user name or the password of the proxy is too long, or has "
					 "signs that can't be sent to it."));
}

struct error *proxy_parse(const char *text, struct uplink *io, char password[PROXY_PASSWORD])
{
	const char *host = strstr(text, "://"), *at = strrchr(text, '@'), *colon;
	struct span user;

	ENSURE(strlen(text) < sizeof(io->proxy),
	       error_new(ERR_INVALID, N_("That is longer than any address.")));
	host = host ? host + 3 : text;
	if (!at || at < host) {
		snprintf(io->proxy, sizeof(io->proxy), "%s", text);
		return NULL;
	}
	colon = memchr(host, ':', (size_t)(at - host));
	user = span_of(host, (size_t)((colon ? colon : at) - host));
	ENSURE(decode(user, io->proxy_user, sizeof(io->proxy_user)), no_user());
	ENSURE(decode(colon ? span_of(colon + 1, (size_t)(at - colon - 1)) : span_of("", 0),
		      password, PROXY_PASSWORD),
	       no_user());
	snprintf(io->proxy, sizeof(io->proxy), "%.*s%s", (int)(host - text), text, at + 1);
	return NULL;
}

static struct error *check_address(const char *text)
{
	struct address a;

	if (!*text)
		return NULL;
	TRY(address_parse(text, &a));
	ENSURE(a.host[0] && a.port && !a.scope[0],
	       error_new(ERR_INVALID,
			 N_("\"%s\" can't be reached from outside. Write it as "
			    "box.example.org:8443."),
			 text));
	return NULL;
}

static bool hours_ok(const struct allowance *a)
{
	return a->from >= 0 && a->from < 24 && a->to >= 0 && a->to < 24 &&
	       a->day_bytes <= INT64_MAX;
}

struct error *uplink_check(const struct uplink *l)
{
	ENSURE(hours_ok(&l->all), error_new(ERR_INVALID, N_("An hour is a number from 0 to 23.")));
	ENSURE(proxy_ok(l->proxy),
	       error_new(ERR_INVALID,
			 N_("\"%s\" is not a proxy. Write it as http://192.168.1.1:3128."),
			 l->proxy));
	/* RFC 7617: a colon ends the name */
	ENSURE(clean(l->proxy_user) && !strchr(l->proxy_user, ':'), no_user());
	for (int i = 0; i < LIMIT_PUBLIC; i++)
		TRY(check_address(l->address[i]));
	return NULL;
}
