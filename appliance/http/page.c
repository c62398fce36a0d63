/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The part that all pages have in common, and the page that says what went wrong. webui/README.md.
 */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"

static const char *const door_names[] = {"http", "https", "loopback"};

/* This page's address with one thing in its query said anew: the rest is as it was. */
static const char *url_with(struct request *r, const char *name, const char *value)
{
	struct buf b = {0};
	const char *out;

	buf_add_span(&b, r->raw_path);
	if (!b.n)
		buf_putc(&b, '/');
	buf_putc(&b, '?');
	for (size_t i = 0; i < r->query.n; i++) {
		if (strcmp(r->query.v[i].name, name) == 0)
			continue;
		buf_puts(&b, http_text_escape_query(&r->arena, r->query.v[i].name));
		buf_putc(&b, '=');
		buf_puts(&b, http_text_escape_query(&r->arena, r->query.v[i].value));
		buf_putc(&b, '&');
	}
	buf_printf(&b, "%s=%s", name, value);
	out = arena_str(&r->arena, buf_str(&b));
	buf_release(&b);
	return out;
}

static json_t *languages_list(struct request *r)
{
	const struct languages *all = r->server->app->languages;
	json_t *list = json_array();

	for (size_t i = 0; i < languages_count(all); i++) {
		const struct language *l = languages_at(all, i);

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "code",
						      language_code(l), "name", language_name(l),
						      "url", url_with(r, "lang", language_code(l)),
						      "current", l == r->language));
	}
	return list;
}

static bool under(const char *path, const char *part)
{
	return strncmp(path, part, strlen(part)) == 0;
}

static json_t *navigation(struct request *r)
{
	const char *p = r->path;

	return json_pack("{s:b, s:b, s:b, s:b}", "forums",
			 under(p, "/forum") || under(p, "/topic") || under(p, "/post"), "library",
			 under(p, "/library"), "search", under(p, "/search"), "admin",
			 under(p, "/admin"));
}

static json_t *me(struct request *r)
{
	const struct viewer *v = &r->viewer;
	const char *url =
		arena_printf(&r->arena, "/people/%s", http_text_escape_query(&r->arena, v->name));

	return json_pack("{s:s, s:s, s:b, s:s}", "name", v->name, "role", v->role ? v->role : "",
			 "volunteer", v->volunteer, "url", url);
}

static void set_if(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

/* To sign in at the safe door, and from there to this page (or where the sign-in page would have
 * led). */
static const char *safe_sign_in(struct request *r, const char *path)
{
	if (strcmp(r->path, "/sign-in") == 0)
		path = request_local_path(r, request_query(r, "next"), "/");
	return request_https_url(r, arena_printf(&r->arena, "/sign-in?next=%s",
						 http_text_escape_query(&r->arena, path)));
}

json_t *page_common(struct request *r, const char *title)
{
	struct app *app = r->server->app;
	const char *path = arena_strn(&r->arena, (const char *)r->raw_path.p, r->raw_path.n);
	bool volunteer = r->viewer_known && r->viewer.volunteer && r->viewer.may_moderate_here;
	json_t *flash = flash_take(r), *page;

	page = json_pack("{s:s, s:s, s:o, s:s, s:s, s:{s:s, s:s}, s:s, s:o, s:b}", "title", title,
			 "lang", language_code(r->language), "langs", languages_list(r), "path",
			 path, "still_url", url_with(r, "still", "1"), "box", "name", app->name,
			 "key_short", ID_SHORT(secret_pubkey(app->self)), "door",
			 door_names[r->door], "nav", navigation(r), "volunteer", volunteer);
	if (!page)
		abort();
	if (r->viewer_known) {
		json_object_set_new(page, "me", me(r));
		set_if(page, "csrf", r->viewer.csrf);
	}
	if (r->door == DOOR_HTTP)
		set_if(page, "https_url", safe_sign_in(r, path));
	if (flash)
		json_object_set_new(page, "flash", flash);
	for (page_hook_fn *const *hook = r->server->hooks; hook && *hook && r->conn; hook++)
		error_free((*hook)(r, page));
	return page;
}

/* The headline and the advice for each status. */
static const struct {
	int status;
	const char *headline, *hint;
} words[] = {
	{400, N_("This can't be understood"), N_("Go back and try again.")},
	{401, N_("Please sign in"), NULL},
	{403, N_("This is not allowed"), NULL},
	{404, N_("This page does not exist"),
	 N_("It may have moved, or it has not reached this box yet.")},
	{405, N_("This can't be used in this way"), NULL},
	{409, N_("Somebody else was faster"), N_("Go back, load the page again and look at it.")},
	{410, N_("This was erased"), NULL},
	{413, N_("This is too large"), N_("Send something smaller, or in parts.")},
	{429, N_("A little slower, please"), NULL},
	{503, N_("This box is busy"), N_("Try again in a moment.")},
	{507, N_("This box is full"), N_("Tell a volunteer: the box needs room.")},
};

json_t *page_error(struct request *r, int status, const char *name, const char *text)
{
	const char *headline =
		status < 500 ? words[0].headline : N_("Something went wrong in this box");
	const char *hint = NULL;
	json_t *e;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i].status == status) {
			headline = words[i].headline;
			hint = words[i].hint;
		}
	}
	if (r->json)
		return json_pack("{s:{s:i, s:s, s:s}}", "error", "status", status, "name", name,
				 "text", text);
	e = json_pack("{s:i, s:s, s:s, s:b, s:s}", "status", status, "name",
		      request_text(r, headline), "text", text, "sign_in",
		      status == MHD_HTTP_UNAUTHORIZED, "back_url", "/");
	if (hint)
		json_object_set_new(e, "hint", json_string(request_text(r, hint)));
	return json_pack("{s:o}", "error", e);
}
