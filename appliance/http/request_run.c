/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* On a thread of the pool: who asks, whether they may, and the handler. */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"
#include <strings.h>

/* --- who asks --- */

const char *session_cookie_name(enum door door)
{
	return door == DOOR_HTTPS  ? "__Host-lliure"
	       : door == DOOR_HTTP ? "lliure-http"
				   : "lliure-here";
}

bool request_cookie(struct request *r, const char *name, struct span *ret)
{
	return cookie_get(http_head_get(&r->head, "Cookie"), name, ret);
}

static struct span bearer(struct request *r)
{
	struct span h = http_head_get(&r->head, "Authorization");

	if (h.n <= 7 || strncasecmp((const char *)h.p, "Bearer ", 7) != 0)
		return span_of("", 0);
	return span_of(h.p + 7, h.n - 7);
}

bool request_has_identity(struct request *r)
{
	struct span cookie;

	return http_head_get(&r->head, "Authorization").n > 0 ||
	       request_cookie(r, session_cookie_name(r->door), &cookie);
}

static struct error *find_viewer(struct request *r)
{
	const struct viewer_source *from = r->server->viewers;
	struct span token = bearer(r), cookie;

	if (token.n) {
		TRY(from->by_token(r, arena_strn(&r->arena, (const char *)token.p, token.n),
				   &r->viewer, &r->viewer_known));
		ENSURE(r->viewer_known,
		       error_new(ERR_AUTH, N_("This token is not valid on this box. Make a new one "
					      "on your own page.")));
	} else if (request_cookie(r, session_cookie_name(r->door), &cookie)) {
		TRY(from->by_cookie(r, arena_strn(&r->arena, (const char *)cookie.p, cookie.n),
				    &r->viewer, &r->viewer_known));
	}
	return NULL;
}

/* Does it begin with SCHEME://HOST of this request? *ret_n: how long that is. */
static bool from_here(struct request *r, struct span url, size_t *ret_n)
{
	const char *scheme = r->door_state->tls ? "https://" : "http://";
	size_t n = strlen(scheme);

	*ret_n = n + r->head.host.n;
	return url.n >= *ret_n && memcmp(url.p, scheme, n) == 0 &&
	       strncasecmp((const char *)url.p + n, (const char *)r->head.host.p, r->head.host.n) ==
		       0;
}

/* A browser says where a form came from; what does not browse says nothing. Old browsers send no
 * Origin with a form, but mostly the page that it was on. */
static bool same_origin(struct request *r)
{
	struct span origin = http_head_get(&r->head, "Origin");
	struct span site = http_head_get(&r->head, "Sec-Fetch-Site");
	struct span page = http_head_get(&r->head, "Referer");
	size_t n;

	if (site.n && !span_is(site, "same-origin") && !span_is(site, "none"))
		return false;
	if (origin.n)
		return from_here(r, origin, &n) && origin.n == n;
	if (page.n && !site.n)
		return from_here(r, page, &n) && (page.n == n || page.p[n] == '/');
	return true;
}

static bool csrf_good(struct request *r)
{
	const char *sent = request_field(r, "csrf"), *want = r->viewer.csrf;
	size_t n = strlen(want);

	return sent && strlen(sent) == n && crypto_equal(sent, want, n);
}

struct error *need_to_sign_in(void)
{
	return error_new(ERR_AUTH, N_("You need to be signed in for this."));
}

static struct error *check_post(struct request *r)
{
	if (r->read_only)
		return NULL;
	ENSURE(same_origin(r),
	       error_new(ERR_DENIED, N_("This form came from another site. Nothing was changed.")));
	if (r->viewer_known && r->viewer.csrf)
		ENSURE(csrf_good(r),
		       error_new(ERR_DENIED,
				 N_("This form is too old, or it came from another "
				    "place. Go back, load the page again and repeat.")));
	if (!r->viewer_known && !(r->route->flags & ROUTE_NO_CSRF))
		return need_to_sign_in();
	return NULL;
}

static struct error *check_safe(struct request *r)
{
	const char *path = arena_strn(&r->arena, (const char *)r->raw_path.p, r->raw_path.n);
	const char *url = request_https_url(r, path);

	if (request_safe_door(r))
		return NULL;
	ENSURE(url, error_new(ERR_DENIED, N_("This is possible only on the box itself: its safe "
					     "door is closed.")));
	return error_new(ERR_DENIED,
			 N_("This is possible only at the safe door, whose address begins with "
			    "https: %s"),
			 url);
}

static struct error *check_route(struct request *r)
{
	unsigned flags = r->route->flags;
	int64_t now = env_now(r->server->app->env);

	if (flags & (ROUTE_SIGNED_IN | ROUTE_VOLUNTEER | ROUTE_FRESH))
		ENSURE(r->viewer_known, need_to_sign_in());
	if (flags & (ROUTE_VOLUNTEER | ROUTE_SAFE_DOOR))
		TRY(check_safe(r));
	if (flags & ROUTE_VOLUNTEER)
		ENSURE(r->viewer.volunteer && r->viewer.may_moderate_here,
		       error_new(ERR_DENIED, N_("This is for the volunteers of this box.")));
	if (flags & ROUTE_FRESH)
		ENSURE(r->viewer.session && now - r->viewer.since_ms < FRESH_MS &&
			       now >= r->viewer.since_ms,
		       error_new(ERR_AUTH, N_("This is a serious step, and you signed in some time "
					      "ago. Please sign in again.")));
	return NULL;
}

static struct error *run(struct request *r)
{
	r->generation = writer_generation(r->server->app->writer);
	if (r->server->app->writer)
		TRY(pool_conn(r->server->pool, &r->conn));
	/* What is not for who asks is not here for this request. */
	if (r->conn)
		conn_see_as(r->conn, NULL);
	TRY(find_viewer(r));
	if (r->conn && r->viewer_known)
		conn_see_as(r->conn, &r->viewer.key);
	TRY(body_finish(r));
	TRY(check_post(r));
	TRY(check_route(r));
	TRY(body_keep(r));
	if (r->viewer_known || r->cookies_n)
		r->cache_key = NULL;
	TRY(r->route->handler(r));
	ENSURE(r->answer, error_new(ERR_INTERNAL, N_("The page %s was left without an answer."),
				    r->route->pattern));
	return NULL;
}

void request_run(struct request *r)
{
	struct error *e = run(r);

	if (e)
		respond_error(r, e);
	/* Between requests nothing of a person stays unsealed. */
	secret_free(STEAL(r->viewer.take_secret));
	pool_conn_back(r->server->pool, STEAL(r->conn));
}
