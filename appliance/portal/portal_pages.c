/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/portal/portal_pages.h"
#include "firmware/portal/portal.h"
#include "firmware/portal/probe.h"
#include <arpa/inet.h>

static struct portal_device device(struct request *r)
{
	struct portal_device d;

	request_client(r, "portal", d.v);
	return d;
}

/* "http://10.1.1.1/PATH" at the plain door. */
static const char *url(struct request *r, const char *host, const char *path)
{
	int port = request_http_port(r);

	if (!port || port == 80)
		return arena_printf(request_arena(r), "http://%s%s", host, path);
	return arena_printf(request_arena(r), "http://%s:%d%s", host, port, path);
}

/* Ours are names in .local, our own, and addresses; only a name of the internet is a question. */
static bool ours(const char *host, const struct portal_place *at)
{
	size_t n = strlen(host);
	struct in_addr four;

	return n == 0 || host[0] == '[' || !strchr(host, '.') ||
	       inet_pton(AF_INET, host, &four) == 1 ||
	       (n > 6 && strcmp(host + n - 6, ".local") == 0) || strcmp(host, at->name) == 0 ||
	       strcmp(host, at->word) == 0;
}

bool portal_front(struct request *r)
{
	struct portal *p = request_app(r)->portal;
	const struct probe *asked;
	struct portal_place at;

	if (!p || request_door(r) == DOOR_HTTPS || !request_reads(r) || !portal_where(p, &at) ||
	    ours(request_host(r), &at))
		return false;
	asked = probe_find(request_host(r), request_target_path(r));
	if (!asked)
		return false;
	switch (portal_event(p, device(r), PORTAL_ASKS)) {
	case PORTAL_NOTHING:
		return false;
	case PORTAL_WELL:
		if (asked->status) {
			respond_probe(r, asked->status, asked->type, asked->body, asked->header);
			return true;
		}
		/* fall through: a person looks for something, and finds us */
	case PORTAL_PAGE:
		break;
	}
	respond_redirect(r, url(r, at.address, "/portal"));
	return true;
}

/* --- the page --- */

static struct error *page(struct request *r)
{
	struct portal *p = request_app(r)->portal;
	struct portal_place at;

	if (!p || !portal_where(p, &at))
		return respond_done(r, "/", NULL);
	return respond_page(r, "portal", request_text(r, N_("You are connected")),
			    json_pack("{s:s, s:s, s:s, s:s, s:b}", "name_url", url(r, at.name, "/"),
				      "name", at.name, "address_url", url(r, at.address, "/"),
				      "address", at.address, "done", portal_knows(p, device(r))));
}

static struct error *tap(struct request *r)
{
	struct portal *p = request_app(r)->portal;

	TRY(request_limit(r, "portal", 20, 20));
	if (!p || portal_event(p, device(r), PORTAL_TAPS) == PORTAL_NOTHING)
		return respond_done(r, "/", NULL);
	return respond_done(r, "/portal", NULL);
}

/* RFC 8908, section 5. user-portal-url only while the device is held, and over TLS, as it must be: who
 * believes the certificate of this answer believes the same one there. The venue's page should be,
 * too, and is not: it is opened by people, whose browsers would call our own certificate a danger. */
static struct error *captive(struct request *r)
{
	struct portal *p = request_app(r)->portal;
	bool held = false;
	struct portal_place at;
	json_t *j = json_object();
	char *text;
	struct error *e;

	if (p && portal_where(p, &at)) {
		held = !portal_knows(p, device(r));
		if (held && request_https_url(r, "/portal"))
			json_object_set_new(j, "user-portal-url",
					    json_string(request_https_url(r, "/portal")));
		json_object_set_new(j, "venue-info-url", json_string(url(r, at.address, "/")));
	}
	json_object_set_new(j, "captive", json_boolean(held));
	text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(j);
	ENSURE(text, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	e = respond_bytes(r, 200, "application/captive+json", span_str(text));
	free(text);
	return e;
}

const struct route portal_routes[] = {
	{"GET", "/portal", page, 0},
	{"POST", "/portal", tap, ROUTE_NO_CSRF},
	{"GET", "/captive", captive, 0},
	{0},
};
