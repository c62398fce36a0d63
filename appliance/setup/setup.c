/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/setup_priv.h"
#include "appliance/network/network.h"
#include "appliance/portal/portal_pages.h"
#include "appliance/setup/folder.h"
#include "firmware/network/label.h"
#include "firmware/portal/portal.h"

static page_hook_fn *const no_hooks[] = {NULL};
static const struct route *const tables[] = {setup_routes, portal_routes, authority_routes, NULL};

struct setup *setup_of(struct request *r)
{
	return (struct setup *)request_app(r);
}

char *setup_code_path(const struct setup_options *o)
{
	struct buf path = {0};

	if (!o->box || !*o->box->label)
		return NULL;
	buf_printf(&path, "%s" NETWORK_LABEL_CODE, o->dir);
	return buf_steal(&path);
}

static void new_code(char out[SETUP_CODE])
{
	uint8_t random[7];
	char text[BASE32_LEN(7) + 1];

	crypto_random(random, sizeof(random));
	base32_encode(random, sizeof(random), text);
	snprintf(out, SETUP_CODE, "%.5s-%.5s", text, text + 5);
}

static bool code_good(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

	return strlen(text) == SETUP_CODE - 1 && strspn(text, letters) == 5 && text[5] == '-' &&
	       strspn(text + 6, letters) == 5;
}

/* Of a box of the image it is the same at every start, so that it can stand on a label, until there is
 * a box or its button makes it new. What lies there is no code: then it is written anew. */
static void find_code(struct setup *s)
{
	_cleanup_(freep) char *path = setup_code_path(&s->o);
	_cleanup_(buf_release) struct buf text = {0};
	struct error *e = path ? file_read(path, SETUP_CODE, &text) : NULL;

	if (path && !e && code_good(buf_str(&text))) {
		memcpy(s->code, buf_str(&text), SETUP_CODE);
	} else {
		new_code(s->code);
		if (path) /* what can't be kept holds until the next start */
			error_replace(&e, file_write(path, span_str(s->code), 0600));
	}
	error_free(e);
	if (text.p)
		crypto_wipe(text.p, text.n);
}

static void setup_free(struct setup *s)
{
	_cleanup_(freep) char *tmp = s ? path_join(s->o.dir, "setup.tmp") : NULL;

	if (!s)
		return;
	sync_look_stop(s->look);
	network_stop(s->app.network);
	portal_free(s->app.portal);
	setup_job_free(s->job);
	templates_free(s->app.templates);
	languages_free(s->app.languages);
	blob_close(s->app.blobs);
	error_free(dir_remove(tmp));
	secret_free(s->app.self);
	free(s->app.dir);
	pthread_mutex_destroy(&s->lock);
	guarded_free(s);
}
DEFINE_CLEANUP(struct setup *, setup_free)

/* An uploaded backup goes to a file of its own until it is restored. */
static struct error *open_parts(struct setup *s)
{
	_cleanup_(freep) char *tmp = path_join(s->o.dir, "setup.tmp");

	TRY(blob_open(tmp, &s->app.blobs));
	TRY(languages_load(assets, &s->app.languages));
	return templates_load(assets, s->app.languages, &s->app.templates);
}

static struct error *start_network(struct setup *s)
{
	if (!s->o.box)
		return NULL;
	return network_start(&s->app, &s->app.network);
}

struct error *setup_start(const struct setup_options *o, struct setup **ret)
{
	_cleanup_(setup_freep) struct setup *s = guarded_new(sizeof(*s));
	struct http_options h = {.http = o->http,
				 .https = o->https,
				 .routes = tables,
				 .viewers = &setup_viewers,
				 .hooks = no_hooks};

	memset(s, 0, sizeof(*s));
	s->o = *o;
	pthread_mutex_init(&s->lock, NULL);
	s->app.dir = strdup(o->dir);
	s->app.env = o->env;
	if (o->box)
		s->app.box = *o->box;
	s->app.password_cost = password_cost_default;
	snprintf(s->app.name, sizeof(s->app.name), "lliure");
	s->app.self = secret_new(); /* nobody's: every page shows the box's key */
	s->job = setup_job_new(o->dir, o->env);
	find_code(s);
	TRY(open_parts(s));
	s->app.portal = portal_new(o->env);
	TRY(http_start(&s->app, &h, &s->http));
	TRY(start_network(s));
	if (o->mdns)
		TRY(sync_look_start(o->env, &s->look));
	*ret = STEAL(s);
	return NULL;
}

const char *setup_code(const struct setup *s)
{
	return s->code;
}

int setup_http_port(const struct setup *s)
{
	return http_port(s->http);
}

int setup_https_port(const struct setup *s)
{
	return https_port(s->http);
}

bool setup_done(struct setup *s)
{
	struct setup_progress p;

	setup_job_look(s->job, &p);
	error_free(p.failure);
	return p.state == SETUP_READY;
}

void setup_stop(struct setup *s, struct http_sockets *ret)
{
	_cleanup_(freep) char *code = s ? setup_code_path(&s->o) : NULL;

	if (!s)
		return;
	if (code && setup_done(s))
		unlink(code); /* it opens nothing any more */
	http_stop_keeping(s->http, ret);
	setup_free(s);
}
