/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/health/health_pages.h"
#include "appliance/box/box.h"
#include "appliance/health/health.h"

/* Said beside each light, and for those who don't see its shape. */
static const char *const words[] = {
	[HEALTH_UNKNOWN] = N_("not known"),
	[HEALTH_OK] = N_("in order"),
	[HEALTH_ATTENTION] = N_("needs attention"),
	[HEALTH_ACT] = N_("act now"),
};

static json_t *light_json(struct request *r, const struct light *l)
{
	const char *says = request_error_text(r, error_copy(l->says));
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", l->name, "title",
			      request_text(r, l->title), "state", health_state_name(l->state),
			      "state_text", request_text(r, words[l->state]), "text", says);

	json_object_set_new(o, health_state_name(l->state), json_true());
	if (l->action)
		json_object_set_new(o, "action", json_string(request_text(r, l->action)));
	if (l->url)
		json_object_set_new(o, "url", json_string(l->url));
	return o;
}

/* One sentence for all of them: how many, of the worst. */
static json_t *summary_json(struct request *r, const struct light lights[HEALTH_LIGHTS])
{
	enum health_state worst = lights_worst(lights);
	json_t *o = json_object(), *names = json_array();

	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		if (worst != HEALTH_OK && lights[i].state == worst)
			json_array_append_new(names, json_pack("{s:s}", "title",
							       request_text(r, lights[i].title)));
	if (json_array_size(names))
		json_object_set_new(json_array_get(names, json_array_size(names) - 1), "last",
				    json_true());
	json_object_set_new(o, "state", json_string(health_state_name(worst)));
	json_object_set_new(o, health_state_name(worst), json_true());
	json_object_set_new(o, "lights", names);
	return o;
}

struct error *health_summary(struct request *r, json_t **ret)
{
	struct light lights[HEALTH_LIGHTS];

	TRY(health_look(request_app(r), request_conn(r), lights));
	*ret = summary_json(r, lights);
	lights_release(lights);
	return NULL;
}

struct error *health_page_hook(struct request *r, json_t *page)
{
	if (writer_has_room(request_app(r)->writer))
		return NULL;
	request_is_passing(r);
	json_object_set_new(page, "full", json_true());
	return NULL;
}

static struct error *health_page(struct request *r)
{
	struct app *a = request_app(r);
	struct light lights[HEALTH_LIGHTS];
	json_t *list = json_array(), *summary;
	struct error *e = health_look(a, request_conn(r), lights);

	if (e) {
		json_decref(list);
		return e;
	}
	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		json_array_append_new(list, light_json(r, &lights[i]));
	summary = summary_json(r, lights);
	lights_release(lights);
	return respond_page(r, "admin_health", request_text(r, N_("Health of the box")),
			    json_pack("{s:o, s:o, s:b}", "lights", list, "summary", summary, "box",
				      box_has_helper(a->box.helper)));
}

/* --- what a box that is asked to can do --------------------------------------------------------
 */

static struct error *ask_and_say(struct request *r, const char *verb, const char *msgid)
{
	const char *helper = request_app(r)->box.helper;
	struct error *e;

	request_blocks(r);
	e = BOX_ASK(helper, NULL, verb);
	request_goes_on(r);
	TRY(e);
	return respond_done_saying(r, "/admin/health", msgid, NULL);
}

static struct error *restart(struct request *r)
{
	return ask_and_say(r, "reboot", N_("The box restarts. It is back in a minute or two."));
}

static struct error *power_off(struct request *r)
{
	return ask_and_say(r, "power-off",
			   N_("The box switches itself off. Wait until its light is out before you "
			      "pull the plug."));
}

const struct route health_routes[] = {
	{"GET", "/admin/health", health_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/health/restart", restart, ROUTE_VOLUNTEER},
	{"POST", "/admin/health/power-off", power_off, ROUTE_VOLUNTEER},
	{0},
};
