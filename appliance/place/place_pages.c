/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/place/place.h"
#include "appliance/app_priv.h"
#include "appliance/box/box.h"
#include "appliance/box/clock.h"
#include "appliance/box/zone.h"
#include "appliance/config/config.h"
#include "appliance/page/language.h"
#include "appliance/place/moment.h"
#include <time.h>

#define PAGE	   "/admin/place"
#define TOLD_END   INT64_C(4102444800000) /* 2100 */

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

/* As forms take them: "2026-11-26", "14:05", in the box's zone. */
static void put_clock(struct request *r, json_t *context)
{
	struct app *a = request_app(r);
	struct clock_state s = {.quality = CLOCK_SURE};
	int64_t now = env_now(a->env);
	time_t t = (time_t)(now / 1000);
	char date[16], hour[8];
	struct tm tm = {0};

	if (a->clock)
		s = clock_env_state(a->clock);
	if (s.quality == CLOCK_SURE || s.quality == CLOCK_FROM_PEERS || !localtime_r(&t, &tm))
		return;
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	strftime(hour, sizeof(hour), "%H:%M", &tm);
	json_object_set_new(context, "clock",
			    json_pack("{s:s, s:s, s:s, s:b, s:b}", "date", typed(r, "date", date),
				      "time", typed(r, "time", hour), "now_text",
				      request_date_text(r, now), "told", s.quality == CLOCK_TOLD,
				      "agrees", s.word == CLOCK_FOR));
}

static struct error *show(struct request *r, int status, const char *problem)
{
	json_t *context =
		json_pack("{s:o, s:{}}", "place", place_json(r, house_language(r)), "form");

	put_clock(r, context);
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

/* --- the clock of a box that nobody else tells the time ----------------------------------------
 */

static struct error *tell(struct request *r)
{
	struct app *a = request_app(r);
	int64_t ms;

	ENSURE(moment_read(typed(r, "date", ""), typed(r, "time", ""), &ms) && ms >= LIMIT_TIME_FIRST &&
		       ms < TOLD_END,
	       error_new(ERR_INVALID, N_("Write the date as 2026-11-26 and the time as 14:05.")));
	ENSURE(a->clock, error_new(ERR_NOT_FOUND, N_("This box has its time from its system.")));
	ENSURE(clock_env_told(a->clock, ms),
	       error_new(ERR_INVALID, N_("It was later than that already when something was written"
					 " on this box. Look at the date and the time again.")));
	return NULL;
}

static struct error *tell_clock(struct request *r)
{
	struct error *e = tell(r);
	const char *text;
	int status;

	if (e && respond_form_error(r, e, &text, &status))
		return show(r, status, text);
	TRY(e);
	/* The rest of the machine follows; what can't be done now is tried again by itself. */
	request_blocks(r);
	error_free(box_clock_push(request_app(r)));
	request_goes_on(r);
	return respond_done_saying(
		r, PAGE,
		N_("The box goes by this time now. Nothing that was written changes its "
		   "place."),
		NULL);
}

const struct route place_routes[] = {
	{"GET", PAGE, page, ROUTE_VOLUNTEER},
	{"POST", PAGE, choose, ROUTE_VOLUNTEER},
	{"POST", PAGE "/clock", tell_clock, ROUTE_VOLUNTEER},
	{0},
};
