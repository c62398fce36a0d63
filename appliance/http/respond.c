/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Answers: headers, ETags, pages, redirections, errors. */
#include "appliance/http/http_priv.h"
#include "appliance/http/text.h"

static const char csp[] = "default-src 'none'; style-src 'self'; script-src 'self'; "
			  "img-src 'self' data:; form-action 'self'; base-uri 'none'; "
			  "frame-ancestors 'none'";

void header_add(struct MHD_Response *m, const char *name, const char *value)
{
	/* MHD refuses a value with a line end or one that is empty: we made it, so it is our bug.
	 */
	if (MHD_add_response_header(m, name, value) != MHD_YES)
		abort();
}

void headers_common(struct MHD_Response *m)
{
	header_add(m, "Content-Security-Policy", csp);
	header_add(m, "X-Content-Type-Options", "nosniff");
	header_add(m, "Referrer-Policy", "same-origin");
	header_add(m, "Cross-Origin-Opener-Policy", "same-origin");
	header_add(m, "Cross-Origin-Resource-Policy", "same-origin");
}

bool etag_matches(struct request *r, const char *etag)
{
	struct span have = http_head_get(&r->head, "If-None-Match");

	return r->read_only && have.n && etag[0] && memmem(have.p, have.n, etag, strlen(etag));
}

void respond_cookie(struct request *r, const char *name, const char *value, int64_t max_age_s,
		    bool script)
{
	unsigned flags = (r->door == DOOR_HTTPS ? COOKIE_SECURE : 0) | (script ? COOKIE_SCRIPT : 0);
	struct buf b = {0};

	if (r->cookies_n == (int)ARRAY_LEN(r->cookies))
		abort();
	cookie_write(&b, name, value, max_age_s, flags);
	r->cookies[r->cookies_n++].header = arena_str(&r->arena, buf_str(&b));
	buf_release(&b);
}

void respond_session_cookie(struct request *r, const char *value, int64_t max_age_s)
{
	respond_cookie(r, session_cookie_name(r->door), value, max_age_s, false);
}

/* Everything that an answer gets whatever it is; takes the response. */
static void finish(struct request *r, int status, struct MHD_Response *take_m, size_t size,
		   const char *etag)
{
	headers_common(take_m);
	for (int i = 0; i < r->cookies_n; i++)
		header_add(take_m, "Set-Cookie", r->cookies[i].header);
	if (etag[0])
		header_add(take_m, "ETag", etag);
	answer_unref(r->answer);
	r->answer = answer_new(status, take_m, size, etag);
}

static struct MHD_Response *empty_response(void)
{
	return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
}

void respond_raw(struct request *r, int status, const char *type, struct span body)
{
	struct MHD_Response *m =
		MHD_create_response_from_buffer(body.n, (void *)body.p, MHD_RESPMEM_MUST_COPY);

	if (!m)
		abort();
	if (type)
		header_add(m, "Content-Type", type);
	header_add(m, "Cache-Control", "no-store");
	finish(r, status, m, body.n, "");
}

void respond_not_modified(struct request *r, const char *etag)
{
	struct MHD_Response *m = empty_response();

	header_add(m, "Cache-Control", "no-cache");
	header_add(m, "Vary", "Accept, Accept-Language, Cookie");
	finish(r, MHD_HTTP_NOT_MODIFIED, m, 0, etag);
}

/* A page or its JSON: taken from the buffer, and wiped when it was sent (it may be a private space's, or
 * show a secret once), with an ETag when it was asked for by GET. */
static void respond_text(struct request *r, int status, const char *type, struct buf *take_b)
{
	size_t n = take_b->n;
	bool cacheable = r->read_only && status == MHD_HTTP_OK;
	char etag[40] = "";
	struct MHD_Response *m;

	if (cacheable) {
		struct hash h = hash_bytes(buf_span(take_b));

		snprintf(etag, sizeof(etag), "\"%.20s\"", ID(&h));
		if (etag_matches(r, etag) && !r->cache_key) {
			buf_release(take_b);
			respond_not_modified(r, etag);
			return;
		}
	}
	m = MHD_create_response_from_buffer_with_free_callback(n, buf_steal(take_b), wipe_and_free);
	if (!m)
		abort();
	header_add(m, "Content-Type", type);
	header_add(m, "Vary", "Accept, Accept-Language, Cookie");
	header_add(m, "Cache-Control",
		   r->viewer_known || r->cookies_n || !cacheable ? "no-store" : "no-cache");
	finish(r, status, m, n, etag);
	if (r->cache_key && cacheable && !r->cookies_n)
		cache_put(r->server->cache, r->cache_key, r->generation, r->answer);
	if (etag_matches(r, etag))
		respond_not_modified(r, etag);
}

static int add_text(const char *p, size_t n, void *ctx)
{
	buf_add(ctx, p, n);
	return 0;
}

static void respond_json(struct request *r, int status, const json_t *j)
{
	struct buf b = {.secret = true};

	if (json_dump_callback(j, add_text, &b, JSON_COMPACT | JSON_ENCODE_ANY))
		abort();
	buf_putc(&b, '\n');
	respond_text(r, status, "application/json", &b);
}

struct error *request_wrong(struct request *r, const char *field, struct error *take_e)
{
	if (take_e)
		request_wrong_is(r, field);
	return take_e;
}

void request_wrong_is(struct request *r, const char *field)
{
	if (!r->wrong)
		r->wrong = field;
}

void request_wrong_empty(struct request *r, const char *const *fields, size_t n)
{
	for (size_t i = 0; i < n && !r->wrong; i++) {
		const char *typed = request_field(r, fields[i]);

		if (typed && !*typed)
			r->wrong = fields[i];
	}
}

static void put_wrong(const struct request *r, json_t *context)
{
	json_t *form = json_object_get(context, "form");

	if (!r->wrong || !json_is_string(json_object_get(form, "error")))
		return;
	json_object_set_new(form, "at", json_string(r->wrong));
	json_object_set_new(form, "wrong", json_pack("{s:b}", r->wrong, 1));
}

struct error *respond_page_status(struct request *r, int status, const char *template,
				  const char *title, json_t *take_context)
{
	struct error *e;
	struct buf b = {.secret = true};

	if (r->json) {
		respond_json(r, status, take_context);
		json_decref(take_context);
		return NULL;
	}
	put_wrong(r, take_context);
	json_object_set_new(take_context, "page", page_common(r, title));
	buf_reserve(&b, 16 * 1024);
	e = templates_render(r->server->app->templates, r->language, template, take_context, &b);
	json_decref(take_context);
	if (e)
		buf_release(&b);
	else
		respond_text(r, status, "text/html; charset=utf-8", &b);
	return e;
}

struct error *respond_page(struct request *r, const char *template, const char *title,
			   json_t *take_context)
{
	return respond_page_status(r, MHD_HTTP_OK, template, title, take_context);
}

static void redirect_by(struct request *r, int status, const char *location)
{
	struct MHD_Response *m = empty_response();

	header_add(m, "Location", location);
	header_add(m, "Cache-Control", "no-store");
	finish(r, status, m, 0, "");
}

static void redirect(struct request *r, const char *location)
{
	redirect_by(r, MHD_HTTP_SEE_OTHER, location);
}

void respond_redirect(struct request *r, const char *location)
{
	redirect_by(r, MHD_HTTP_FOUND, location);
}

void respond_probe(struct request *r, int status, const char *type, const char *body,
		   const char *network_status)
{
	respond_raw(r, status, type, span_str(body));
	if (network_status)
		header_add(r->answer->response, "X-NetworkManager-Status", network_status);
}

struct error *respond_done(struct request *r, const char *location, json_t *take_result)
{
	if (!r->json) {
		json_decref(take_result);
		redirect(r, location);
		return NULL;
	}
	int status = take_result ? MHD_HTTP_CREATED : MHD_HTTP_OK;
	json_t *j = take_result ? take_result : json_object();

	if (!json_object_get(j, "url"))
		json_object_set_new(j, "url", json_string(location));
	respond_json(r, status, j);
	json_decref(j);
	return NULL;
}

struct error *respond_done_saying(struct request *r, const char *location, const char *msgid,
				  json_t *take_result)
{
	if (!r->json)
		flash_set(r, msgid);
	return respond_done(r, location, take_result);
}

struct error *respond_bytes(struct request *r, int status, const char *content_type,
			    struct span body)
{
	respond_raw(r, status, content_type, body);
	return NULL;
}

bool respond_form_error(struct request *r, struct error *e, const char **ret_text, int *ret_status)
{
	int status = error_http_status(error_code(e));

	/* Text that is of no version is a mistake of the form, like any other. */
	if (!r->json && error_is(e, ERR_VERSION))
		status = 400;
	if (r->json || status >= 500)
		return false;
	*ret_status = status;
	*ret_text = request_error_text(r, e);
	return true;
}

/* --- errors --- */

/* What went wrong inside is for the box's own log, not for a visitor; and the log gets the route
 * and never the address, which may hold a secret. */
static struct error *for_visitors(struct request *r, struct error *take_e)
{
	enum error_code code = error_code(take_e);

	if (error_http_status(code) != 500)
		return take_e;
	fprintf(stderr, "http: %s: %s\n", r->route ? r->route->pattern : "-",
		error_english(take_e));
	error_free(take_e);
	return error_new(code, N_("Something in this box does not work as it should. What you sent "
				  "may not have been saved. A volunteer can find out more."));
}

static void respond_problem(struct request *r, int status, const char *name, const char *text)
{
	json_t *context = page_error(r, status, name, text);
	struct error *e;

	r->cache_key = NULL;
	e = respond_page_status(r, status, "error", text, context);
	if (e) {
		fprintf(stderr, "http: error page: %s\n", error_english(e));
		error_free(e);
		respond_raw(r, status, "text/plain; charset=utf-8", span_str(text));
	}
}

void respond_error(struct request *r, struct error *take_e)
{
	enum error_code code;
	int status;
	char *path;

	take_e = for_visitors(r, take_e);
	code = error_code(take_e);
	status = error_http_status(code);
	if (code == ERR_AUTH && r->read_only && !r->json) {
		error_free(take_e);
		path = arena_strn(&r->arena, (const char *)r->raw_path.p, r->raw_path.n);
		redirect(r, arena_printf(&r->arena, "/sign-in?next=%s",
					 http_text_escape_query(&r->arena, path)));
		return;
	}
	respond_problem(r, status, error_name(code), request_error_text(r, take_e));
	if (status == MHD_HTTP_UNAUTHORIZED && r->json)
		header_add(r->answer->response, "WWW-Authenticate", "Bearer");
	if (status == MHD_HTTP_TOO_MANY_REQUESTS)
		header_add(r->answer->response, "Retry-After", "10");
}

void respond_refusal(struct request *r, enum refusal_id why, const char *allow)
{
	const struct http_refusal *f = http_refusal_of(why);

	respond_problem(r, f->status, f->name, request_text(r, f->msgid));
	if (allow)
		header_add(r->answer->response, "Allow", allow);
}
