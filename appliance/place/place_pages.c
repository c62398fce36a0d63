/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/place/place.h"
#include "appliance/app_priv.h"
#include "appliance/box/box.h"
#include "appliance/box/zone.h"
#include "appliance/config/config.h"
#include "appliance/page/language.h"

#define PAGE "/admin/place"

static const char *typed(struct request *r, const char *name, const char *otherwise)
{
	const char *v = request_field(r, name);

	return v && *v ? v : otherwise;
}

json_t *place_json(struct request *r, const char *language)
{
	const struct app *a = request_app(r);
	json_t *place = json_object(), *list = json_array(), *zones;
	char zone[BOX_ZONE_TEXT];

	language = typed(r, "language", language);
	for (size_t i = 0; i < languages_count(a->languages); i++) {
		const struct language *l = languages_at(a->languages, i);

		json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "code", language_code(l),
						      "name", language_name(l), "chosen",
						      strcmp(language_code(l), language) == 0));
	}
	json_object_set_new(place, "languages", list);
	box_zone(&a->box, zone);
	zones = box_zones_json(&a->box, typed(r, "zone", zone));
	if (zones)
		json_object_set_new(place, "zones", zones);
	json_object_set_new(place, "box", json_boolean(zones != NULL));
	return place;
}

struct error *place_read_language(struct request *r, const char **ret)
{
	const char *code = typed(r, "language", NULL);

	ENSURE(!code || languages_find(request_app(r)->languages, code),
	       error_new(ERR_INVALID, N_("The box does not speak this language. Choose one of the"
					 " list.")));
	*ret = code;
	return NULL;
}

struct error *place_ask_zone(struct request *r)
{
	const struct app_box *box = &request_app(r)->box;
	const char *zone = typed(r, "zone", NULL);
	char was[BOX_ZONE_TEXT];
	struct error *e;

	box_zone(box, was);
	if (!zone || strcmp(zone, was) == 0 || !box_has_helper(box->helper))
		return NULL;
	request_blocks(r);
	e = box_zone_set(box, zone);
	request_goes_on(r);
	return e;
}

static const char *house_language(struct request *r)
{
	const struct language *l = request_app(r)->speaks;

	return l ? language_code(l) : "en";
}

static struct error *show(struct request *r, int status, const char *problem)
{
	json_t *context =
		json_pack("{s:o, s:{}}", "place", place_json(r, house_language(r)), "form");

	if (problem)
		json_object_set_new(json_object_get(context, "form"), "error",
				    json_string(problem));
	return respond_page_status(r, status, "admin_place",
				   request_text(r, N_("Language and time")), context);
}

static struct error *page(struct request *r)
{
	return show(r, 200, NULL);
}

static struct error *put_language(struct conn *c, void *arg)
{
	return config_set(c, SETTING_LANGUAGE, arg);
}

static struct error *choose(struct request *r)
{
	const char *language = NULL, *text;
	struct error *e = place_read_language(r, &language);
	int status;

	if (!e)
		e = place_ask_zone(r);
	if (!e && language)
		e = request_write(r, put_language, (void *)(uintptr_t)language);
	if (!e)
		e = app_read_language(request_app(r));
	if (!e)
		return respond_done_saying(r, PAGE, N_("It is set."), NULL);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show(r, status, text);
}

const struct route place_routes[] = {
	{"GET", PAGE, page, ROUTE_VOLUNTEER},
	{"POST", PAGE, choose, ROUTE_VOLUNTEER},
	{0},
};
