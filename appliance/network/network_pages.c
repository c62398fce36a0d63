/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/network/network_pages.h"
#include "appliance/http/certificate.h"
#include "appliance/network/network.h"
#include "appliance/page/qr.h"
#include "firmware/network/dns.h"
#include "firmware/network/label.h"
#include "sync/base/line.h"

#define PAGE "/admin/network"

/* --- what is shown --- */

static const char *http_url(struct request *r, const char *host)
{
	int port = request_http_port(r);

	if (!port || port == 80)
		return arena_printf(request_arena(r), "http://%s/", host);
	return arena_printf(request_arena(r), "http://%s:%d/", host, port);
}

/* Every key of the wish as text, and of each choice KEY_WORD true. */
static json_t *wish_json(const struct network_wish *w)
{
	json_t *form = json_object();
	char value[128], flag[40];

	for (size_t i = 0; network_wish_keys[i]; i++) {
		const char *key = network_wish_keys[i];

		network_wish_get(w, key, value, sizeof(value));
		json_object_set_new(form, key, json_string(value));
		snprintf(flag, sizeof(flag), "%s_%.20s", key, value);
		if (strcmp(key, "wifi") == 0 || strcmp(key, "lock") == 0 ||
		    strcmp(key, "band") == 0 || strcmp(key, "wired") == 0 ||
		    strcmp(key, "visitors") == 0)
			json_object_set_new(form, flag, json_true());
	}
	if (w->channel == 0)
		json_object_set_new(form, "channel", json_string(""));
	return form;
}

static json_t *state_json(const struct network_view *v)
{
	const struct nm_state *s = &v->state;

	return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:s}", "radio", *s->radio != 0,
			 "radio_own", s->radio_own, "wired", *s->wired != 0, "cable", s->cable,
			 "wifi_up", s->wifi_up, "uplink", s->uplink, "own_up", s->own_up, "own",
			 s->own);
}

static json_t *names_json(struct request *r, const struct network_view *v)
{
	const char *host = *v->host ? v->host : v->wanted;
	const char *label = arena_strn(request_arena(r), v->wanted, strcspn(v->wanted, "."));

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s}", "host", host, "host_url",
			 http_url(r, host), "wanted", v->wanted, "label", label, "renamed",
			 v->renamed, "word", v->state.own_up ? NETWORK_WORD : "", "word_url",
			 http_url(r, NETWORK_WORD));
}

/* What to do next, to those who lose the page in a moment. */
static json_t *trial_json(struct request *r, struct network_view *v)
{
	static const char *const states[TRIAL_STATES] = {
		[TRIAL_IDLE] = "idle", [TRIAL_ASKED] = "asked", [TRIAL_TRYING] = "trying",
		[TRIAL_KEPT] = "kept", [TRIAL_BACK] = "back",	[TRIAL_FAILED] = "failed",
	};
	const char *host = *v->host ? v->host : v->wanted;
	const struct network_wish *w = &v->trial.wish;
	unsigned from;
	json_t *j = json_pack(
		"{s:s, s:i, s:s, s:s}", "state", states[v->trial.state], "left_s", v->trial.left_s,
		"ssid", w->ssid, "url",
		arena_printf(request_arena(r), "%s",
			     request_https_url(r, PAGE) ? request_https_url(r, PAGE) : PAGE));

	if (request_https_url(r, PAGE) && *host) {
		const char *whole = request_https_url(r, PAGE);
		const char *port = strchr(whole + 8, ':'), *path = strchr(whole + 8, '/');

		/* by name: the address may be another one afterwards */
		json_object_set_new(j, "url",
				    json_string(arena_printf(request_arena(r), "https://%s%s", host,
							     port && port < path ? port : path)));
	}
	json_object_set_new(j, states[v->trial.state], json_true());
	from = trial_confirmed_from(&v->trial, *v->state.radio, v->state.cable);
	json_object_set_new(j, "wifi", json_boolean(w->wifi != WIFI_OFF && from != WISH_WIRED));
	json_object_set_new(j, "only_wifi", json_boolean(from == WISH_RADIO));
	json_object_set_new(j, "open", json_boolean(w->lock == LOCK_OPEN));
	if (v->trial.why)
		json_object_set_new(j, "why",
				    json_string(request_error_text(r, STEAL(v->trial.why))));
	return j;
}

/* take_form: what was typed, after a mistake; refused: why a change is not kept; or NULL. */
static struct error *show_with(struct request *r, int status, json_t *take_form, const char *refused)
{
	struct network_view v;
	bool running, still = request_query(r, "still") != NULL;
	json_t *page;

	network_look(request_app(r)->network, &v);
	running = v.trial.state == TRIAL_ASKED || v.trial.state == TRIAL_TRYING;
	page = json_pack("{s:b, s:b, s:o, s:b, s:b}", "looked", v.looked, "any", v.any, "form",
			 take_form ? take_form : wish_json(&v.wish), "refresh", running && !still,
			 "still", running && still);
	if (v.looked) {
		json_object_set_new(page, "state", state_json(&v));
		json_object_set_new(page, "names", names_json(r, &v));
		json_object_set_new(page, "trial", trial_json(r, &v));
		json_object_set_new(page, "busy", json_boolean(running));
		if (refused)
			json_object_set_new(page, "refused", json_string(refused));
	}
	if (v.why)
		json_object_set_new(page, "why", json_string(request_error_text(r, STEAL(v.why))));
	network_view_release(&v);
	return respond_page_status(r, status, "admin_network",
				   request_text(r, N_("Network of the box")), page);
}

static struct error *show(struct request *r, int status, json_t *take_form)
{
	return show_with(r, status, take_form, NULL);
}

static struct error *network_page(struct request *r)
{
	return show(r, 200, NULL);
}

/* --- changing it --- */

/* What the form does not hold stays as it is. */
static struct error *read_wish(struct request *r, struct network_wish *ret)
{
	struct network_view v;
	struct error *e = NULL;

	network_look(request_app(r)->network, &v);
	if (!v.looked)
		e = v.why ? STEAL(v.why)
			  : error_new(ERR_BUSY, N_("The box is still looking at its network. Try "
						   "again in a moment."));
	*ret = v.wish;
	network_view_release(&v);
	for (size_t i = 0; !e && network_wish_keys[i]; i++) {
		const char *value = request_field(r, network_wish_keys[i]);

		if (value)
			e = network_wish_set(ret, network_wish_keys[i], value);
	}
	return e;
}

static json_t *typed(struct request *r, const char *error)
{
	json_t *form = json_object();
	char flag[80];

	for (size_t i = 0; network_wish_keys[i]; i++) {
		const char *key = network_wish_keys[i], *value = request_field(r, key);

		json_object_set_new(form, key, json_string(value ? value : ""));
		snprintf(flag, sizeof(flag), "%s_%.20s", key, value ? value : "");
		json_object_set_new(form, flag, json_true());
	}
	json_object_set_new(form, "error", json_string(error));
	return form;
}

static struct error *ask(struct request *r)
{
	struct network_wish w;
	const char *text;
	int status;
	struct error *e;

	e = read_wish(r, &w);
	if (!e)
		e = network_ask(request_app(r)->network, &w);
	if (!e)
		return respond_done(r, PAGE, NULL);
	if (respond_form_error(r, e, &text, &status))
		return show(r, status, typed(r, text));
	return e;
}

static struct error *keep(struct request *r)
{
	char link[REQUEST_LINK];
	const char *text;
	int status;
	struct error *e;

	request_link(r, link);
	e = network_keep(request_app(r)->network, link);
	if (error_is(e, ERR_DENIED) && respond_form_error(r, e, &text, &status))
		return show_with(r, status, NULL, text);
	TRY(e);
	return respond_done_saying(r, PAGE, N_("It is kept."), NULL);
}

static struct error *back(struct request *r)
{
	TRY(network_back(request_app(r)->network));
	return respond_done_saying(r, PAGE, N_("It is as it was before."), NULL);
}

static struct error *rename_box(struct request *r)
{
	const char *name = request_field(r, "name"), *text;
	struct error *e;
	json_t *form;
	struct network_view v;
	int status;

	request_blocks(r);
	e = network_rename(request_app(r), name ? name : "");
	request_goes_on(r);
	if (!e)
		return respond_done_saying(
			r, PAGE, N_("The box has its new name. It may take a minute to be found."),
			NULL);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	network_look(request_app(r)->network, &v);
	form = wish_json(&v.wish);
	network_view_release(&v);
	json_object_set_new(form, "name_error", json_string(text));
	return show(r, status, form);
}

/* --- after the first run --- */

/* On the air the box is called by a number; now it has a name. */
static void suggest_name(const struct app *a, struct network_wish *w)
{
	if (network_label_is_new(w->ssid))
		line_clean(span_str(a->name), w->ssid, sizeof(w->ssid));
}

/* A box that makes a Wi-Fi asks once how it shall be called and who may join. Where there is nothing
 * to ask, this is passed by. */
static struct error *first_page(struct request *r)
{
	struct app *a = request_app(r);
	struct network_view v;
	bool wait, ask, still = request_query(r, "still") != NULL;
	json_t *page;

	network_look(a->network, &v);
	wait = !v.looked && !v.why;
	ask = v.looked && v.any && v.wish.wifi == WIFI_OWN && *v.state.radio &&
	      v.trial.state == TRIAL_IDLE;
	suggest_name(a, &v.wish);
	page = json_pack("{s:b, s:b, s:b, s:b, s:o}", "looked", v.looked, "wait", wait, "refresh",
			 wait && !still, "still", wait && still, "form", wish_json(&v.wish));
	network_view_release(&v);
	if (wait || ask)
		return respond_page(r, "admin_network_first",
				    request_text(r, N_("The Wi-Fi of the house")), page);
	json_decref(page);
	return respond_done(r, "/admin", NULL); /* what is to be said was said by who led here */
}

const char *network_first_page(const struct app *a)
{
	return a->network ? PAGE "/first" : "/admin";
}

/* --- the poster --- */

static struct error *poster_json(struct request *r, const struct network_view *v, json_t **ret)
{
	const char *host = *v->host ? v->host : v->wanted;
	struct qr wifi = {0}, page = {0};
	char code[256];
	struct error *e = qr_make(network_wifi_code(&v->wish, code, sizeof(code)), &wifi);

	if (!e)
		e = qr_make(http_url(r, v->state.own_up ? v->state.own : host), &page);
	if (!e)
		*ret = json_pack("{s:s, s:b, s:s, s:s, s:s, s:{s:{s:i, s:s}}, s:{s:{s:i, s:s}}}",
				 "ssid", v->wish.ssid, "open", v->wish.lock == LOCK_OPEN,
				 "password", v->wish.lock == LOCK_OPEN ? "" : v->wish.password,
				 "host", host, "address", v->state.own_up ? v->state.own : "",
				 "wifi", "qr", "size", wifi.size, "path", wifi.path, "page_code",
				 "qr", "size", page.size, "path", page.path);
	qr_release(&wifi);
	qr_release(&page);
	return e;
}

static struct error *poster(struct request *r)
{
	struct network_view v;
	json_t *page = NULL;
	struct error *e;

	network_look(request_app(r)->network, &v);
	if (!v.looked || v.wish.wifi != WIFI_OWN)
		e = error_new(ERR_NOT_FOUND,
			      N_("There is no poster: this box makes no Wi-Fi of its own."));
	else
		e = poster_json(r, &v, &page);
	network_view_release(&v);
	TRY(e);
	return respond_page(r, "admin_poster", request_text(r, N_("Poster for the wall")), page);
}

const struct route network_routes[] = {
	{"GET", PAGE, network_page, ROUTE_VOLUNTEER},
	{"POST", PAGE, ask, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", PAGE "/first", first_page, ROUTE_VOLUNTEER},
	{"POST", PAGE "/keep", keep, ROUTE_VOLUNTEER},
	{"POST", PAGE "/back", back, ROUTE_VOLUNTEER},
	{"POST", PAGE "/name", rename_box, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{"GET", PAGE "/poster", poster, ROUTE_VOLUNTEER},
	{0},
};
