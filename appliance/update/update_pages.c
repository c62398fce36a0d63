/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/update/update_pages.h"
#include "appliance/update/offer.h"

enum { FILES = 16 };

static json_t *files_json(struct request *r)
{
	struct update_file *files = arena_array(request_arena(r), struct update_file, FILES);
	size_t n = update_on_sticks(request_app(r), files, FILES);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s}", "stick", files[i].stick,
						"label", files[i].label, "name", files[i].name,
						"size_text", request_size_text(r, files[i].size)));
	return list;
}

static json_t *last_json(struct request *r, const struct outcome *o)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "stage", update_stage_name(o->stage), "why",
			      update_why_name(o->why), "file", o->file, "version", o->version);
	bool ended = o->stage >= UPDATE_REFUSED;

	json_object_set_new(
		j, "working",
		json_boolean(o->stage == UPDATE_CHECKING || o->stage == UPDATE_INSTALLING));
	json_object_set_new(j, "trying", json_boolean(o->stage == UPDATE_RESTARTING));
	json_object_set_new(j, "done", json_boolean(o->stage == UPDATE_DONE));
	json_object_set_new(j, "ended", json_boolean(ended));
	json_object_set_new(j, "back", json_boolean(o->stage == UPDATE_ROLLED_BACK));
	if (ended)
		json_object_set_new(j, "text",
				    json_string(request_text(r, update_why_text(o->why))));
	if (o->stage == UPDATE_ROLLED_BACK && update_action(o) != update_why_text(o->why))
		json_object_set_new(j, "action", json_string(request_text(r, update_action(o))));
	json_object_set_new(j, "alone", json_boolean(ended && o->why == WHY_ALONE));
	if (ended && *o->said)
		json_object_set_new(j, "said", json_string(o->said));
	json_object_set_new(j, "when", json_string(request_date(r, o->when_ms)));
	json_object_set_new(j, "when_text", json_string(request_date_text(r, o->when_ms)));
	return j;
}

static struct error *show(struct request *r, int status, const char *error)
{
	struct update_state u;
	struct error *e;
	json_t *context;

	update_state_read(request_app(r), &u);
	context = json_pack("{s:b, s:s, s:o, s:s, s:{}}", "box", u.box, "version", u.version,
			    "files", u.box ? files_json(r) : json_array(), "limit_text",
			    request_limit_text(r, LIMIT_UPLOAD), "form");
	json_object_set_new(context, "busy", json_boolean(update_is_at_work(&u)));
	if (u.last.stage != UPDATE_NONE)
		json_object_set_new(context, "last", last_json(r, &u.last));
	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	e = update_put_offers(r, &u, context);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "admin_update", request_text(r, N_("Updates")),
				   context);
}

static struct error *update_page(struct request *r)
{
	return show(r, 200, NULL);
}

struct error *update_show_error(struct request *r, struct error *take_e)
{
	const char *text;
	int status;

	if (respond_form_error(r, take_e, &text, &status))
		return show(r, status, text);
	return take_e;
}

struct error *update_begun(struct request *r, struct error *take_e)
{
	if (take_e)
		return update_show_error(r, take_e);
	return respond_done_saying(
		r, "/admin/update",
		N_("The update is being checked. If it is good, the box installs it "
		   "and restarts: that takes some minutes."),
		NULL);
}

static struct error *upload(struct request *r)
{
	uint64_t size;
	struct error *e;
	int fd;

	if (!request_spooled(r, &fd, &size))
		return update_begun(r, error_new(ERR_INVALID,
					  N_("Choose the file first: its name ends in “.raucb”.")));
	request_blocks(r);
	e = update_ask(request_app(r), fd, "upload.raucb");
	request_goes_on(r);
	close(fd);
	return update_begun(r, e);
}

static struct error *from_stick(struct request *r)
{
	const char *name = request_field(r, "name");
	struct error *e;

	request_blocks(r);
	e = update_ask_stick(request_app(r), request_param(r, "stick"), name ? name : "");
	request_goes_on(r);
	return update_begun(r, e);
}

const struct route update_routes[] = {
	{"GET", "/admin/update", update_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/update", upload, ROUTE_VOLUNTEER | ROUTE_FRESH | ROUTE_SPOOL},
	{"POST", "/admin/update/stick/:stick", from_stick, ROUTE_VOLUNTEER | ROUTE_FRESH},
	{0},
};
