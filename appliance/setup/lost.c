/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/lost.h"
#include "appliance/page/language.h"
#include "appliance/page/templates.h"

struct lost {
	struct app app; /* without a key of its own, a writer or databases */
	struct http_server *http;
};

static struct error *disk_page(struct request *r)
{
	return respond_page_status(r, 503, "lost", request_text(r, N_("The disk can't be read")),
				   json_pack("{s:b}", "lost", 1));
}

static struct error *newer_page(struct request *r)
{
	return respond_page_status(r, 503, "lost",
				   request_text(r, N_("This system is older than its data")),
				   json_pack("{s:b}", "newer", 1));
}

static const struct route disk_routes[] = {{"GET", "/", disk_page}, {0}};
static const struct route newer_routes[] = {{"GET", "/", newer_page}, {0}};
static const struct route *const tables[][2] = {[LOST_DISK] = {disk_routes, NULL},
						[LOST_NEWER] = {newer_routes, NULL}};
static page_hook_fn *const no_hooks[] = {NULL};

static struct error *nobody(struct request *r, const char *value, struct viewer *ret,
			    bool *ret_known)
{
	(void)r;
	(void)value;
	(void)ret;
	*ret_known = false;
	return NULL;
}

static const struct viewer_source no_viewers = {nobody, nobody};

bool lost_is(const struct app_box *box)
{
	_cleanup_(freep) char *path = path_join(box->left, "data-lost");

	return *box->left && access(path, F_OK) == 0;
}

struct error *lost_start(const char *http, enum lost_why why, struct lost **ret)
{
	struct lost *l = calloc(1, sizeof(*l));
	struct http_options o = {
		.http = http, .routes = tables[why], .viewers = &no_viewers, .hooks = no_hooks};
	struct error *e;

	if (!l)
		abort();
	l->app.env = &env_system;
	l->app.dir = strdup("/nonexistent");
	l->app.self = secret_new(); /* nobody's */
	snprintf(l->app.name, sizeof(l->app.name), "lliure");
	e = languages_load(assets, &l->app.languages);
	if (!e)
		e = templates_load(assets, l->app.languages, &l->app.templates);
	if (!e)
		e = http_start(&l->app, &o, &l->http);
	if (e)
		lost_stop(l);
	else
		*ret = l;
	return e;
}

int lost_port(const struct lost *l)
{
	return http_port(l->http);
}

void lost_stop(struct lost *l)
{
	if (!l)
		return;
	if (l->http)
		http_stop(l->http);
	templates_free(l->app.templates);
	languages_free(l->app.languages);
	secret_free(l->app.self);
	free(l->app.dir);
	free(l);
}
