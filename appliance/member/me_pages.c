/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A person's own page: password, sessions, keys for programs. */
#include "appliance/member/pages_priv.h"

struct listing {
	struct request *r;
	json_t *list;
};

static const char *number(struct request *r, int64_t n)
{
	return arena_printf(request_arena(r), "%lld", (long long)n);
}

static struct error *list_session(void *ctx, const struct session *s)
{
	struct listing *l = ctx;
	const struct viewer *v = request_viewer(l->r);

	if (ended_has(request_app(l->r)->ended, ENDED_SESSION, s->account, s->id, s->since_ms))
		return NULL;
	json_array_append_new(l->list, json_pack("{s:s, s:b, s:s, s:s}", "id", number(l->r, s->id),
						 "current", s->id == v->session, "since",
						 request_date(l->r, s->since_ms), "since_text",
						 request_date_text(l->r, s->since_ms)));
	return NULL;
}

static struct error *list_token(void *ctx, const struct token *t)
{
	struct listing *l = ctx;

	if (ended_has(request_app(l->r)->ended, ENDED_TOKEN, t->account, t->id, t->created_ms))
		return NULL;
	json_array_append_new(l->list,
			      json_pack("{s:s, s:s, s:s, s:s}", "id", number(l->r, t->id), "name",
					t->label, "created", request_date(l->r, t->created_ms),
					"created_text", request_date_text(l->r, t->created_ms)));
	return NULL;
}

static json_t *about_me(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	enum role role = ROLE_NONE;

	if (v->role[0] && !role_parse(v->role, &role))
		role = ROLE_NONE;
	return json_pack("{s:s, s:s, s:s, s:s}", "name", v->name, "role_text", role_text(r, role),
			 "key_short", ID_SHORT(&v->key), "url",
			 arena_printf(request_arena(r), "/people/%s",
				      url_encode(request_arena(r), v->name)));
}

static struct error *show_me(struct request *r, int status, const char *problem,
			     const char *new_token)
{
	const struct viewer *v = request_viewer(r);
	struct listing sessions = {r, json_array()}, tokens = {r, json_array()};
	json_t *context =
		json_pack("{s:o, s:o, s:o, s:{s:b}}", "me", about_me(r), "sessions", sessions.list,
			  "tokens", tokens.list, "can", "password", request_safe_door(r));
	struct error *e = session_each(request_conn(r), v->account, list_session, &sessions);

	if (!e)
		e = token_each(request_conn(r), v->account, list_token, &tokens);
	if (e) {
		json_decref(context);
		return e;
	}
	if (problem)
		json_object_set_new(
			context, "form",
			json_pack("{s:s}", "error", problem));
	if (new_token)
		json_object_set_new(context, "new_token", json_string(new_token));
	return respond_page_status(r, status, "me", request_text(r, N_("Your account")), context);
}

struct error *page_me(struct request *r)
{
	return show_me(r, 200, NULL, NULL);
}

/* --- the password --- */

static struct error *change_password(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	const char *password;
	struct error *e;

	TRY(request_limit(r, "password", 10, 3));
	TRY(new_password(r, &password));
	TRY(request_heavy_begin(r));
	e = account_password(request_app(r), v->name, field_or_empty(r, "old"), password,
			     v->session);
	request_heavy_end(r);
	if (error_is(e, ERR_AUTH)) {
		error_free(e);
		e = request_wrong(r, "old",
				  error_new(ERR_INVALID, N_("Your old password is not right.")));
	}
	return e;
}

struct error *post_password(struct request *r)
{
	struct error *e = change_password(r);
	const char *text;
	int status;

	if (!e)
		return respond_done_saying(
			r, "/me",
			N_("Your password is changed. Everywhere else you are signed out."), NULL);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_me(r, status, text, NULL);
}

/* --- keys for programs --- */

struct making {
	struct ticket ticket;
	int64_t account;
	const struct secret *secret;
	const char *label;
};

static struct error *make(struct conn *c, void *arg)
{
	struct making *m = arg;

	return token_add(c, &m->ticket, m->account, m->secret, m->label);
}

/* The one answer to a form that is no redirection: what is shown once must not wait in a cookie. */
struct error *post_token(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	struct making m = {
		.account = v->account, .secret = v->secret, .label = field_or_empty(r, "name")};
	char text[SESSION_TEXT];
	const char *token;
	struct error *e;

	ENSURE(v->session && v->secret,
	       error_new(ERR_DENIED, N_("A key for programs can't make others.")));
	TRY(check_fresh(r)); /* a key outlives the session, and a new password */
	ENSURE(*m.label && strlen(m.label) <= LIMIT_NAME,
	       error_new(ERR_INVALID, N_("Say in a few words what the key is for.")));
	ticket_new(request_app(r)->env, "token", text, &m.ticket);
	token = arena_printf(request_arena(r), "lliure_%s", text);
	crypto_wipe(text, sizeof(text));
	e = request_write(r, make, &m);
	crypto_wipe(&m.ticket, sizeof(m.ticket));
	TRY(e);
	return show_me(r, 200, NULL, token);
}

/* --- ending what was begun --- */

static bool id_of(struct request *r, int64_t *ret)
{
	const char *text = request_param(r, "id");

	if (strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
		return false;
	*ret = strtoll(text, NULL, 10);
	return true;
}

struct ending {
	enum ended_kind kind;
	int64_t account, id;
	bool there;
};

static struct error *end(struct conn *c, void *arg)
{
	struct ending *n = arg;

	return n->kind == ENDED_TOKEN ? token_revoke(c, n->account, n->id)
				      : session_end(c, n->account, n->id);
}

static struct error *look_session(void *ctx, const struct session *s)
{
	struct ending *n = ctx;

	n->there |= s->id == n->id;
	return NULL;
}

static struct error *look_token(void *ctx, const struct token *t)
{
	struct ending *n = ctx;

	n->there |= t->id == n->id;
	return NULL;
}

/* It is there, and can't be written off now: it is worth nothing from here on all the same. */
static struct error *remember(struct request *r, struct ending *n, struct error *take_full)
{
	struct conn *c = request_conn(r);
	struct app *a = request_app(r);
	struct error *e = n->kind == ENDED_TOKEN ? token_each(c, n->account, look_token, n)
						 : session_each(c, n->account, look_session, n);

	if (e || !n->there ||
	    !ended_note(a->ended, n->kind, n->account, n->id, env_now(a->env))) {
		error_free(e);
		return take_full;
	}
	error_free(take_full);
	return NULL;
}

struct error *end_surely(struct request *r, enum ended_kind kind, int64_t id)
{
	struct ending n = {.kind = kind, .account = request_viewer(r)->account, .id = id};
	struct error *e = request_write_ending(r, end, &n);

	return error_is(e, ERR_FULL) ? remember(r, &n, e) : e;
}

static struct error *confirm(struct request *r, const char *what, const char *name)
{
	json_t *c =
		json_pack("{s:s, s:s, s:b}", "action", request_path(r), "back_url", "/me", what, 1);

	if (name)
		json_object_set_new(c, "name", json_string(name));
	return respond_page(r, "confirm", request_text(r, N_("Are you sure?")),
			    json_pack("{s:o}", "confirm", c));
}

static struct error *end_it(struct request *r, enum ended_kind kind, const char *said)
{
	int64_t id;

	ENSURE(id_of(r, &id), error_new(ERR_NOT_FOUND, N_("There is nothing at this address.")));
	TRY(end_surely(r, kind, id));
	return respond_done_saying(r, "/me", said, NULL);
}

struct error *page_session_end(struct request *r)
{
	return confirm(r, "session_end", NULL);
}

struct error *post_session_end(struct request *r)
{
	return end_it(r, ENDED_SESSION, N_("You are signed out there."));
}

struct looking {
	struct request *r;
	int64_t id;
	const char *label;
};

static struct error *look(void *ctx, const struct token *t)
{
	struct looking *l = ctx;

	if (t->id == l->id)
		l->label = arena_str(request_arena(l->r), t->label);
	return NULL;
}

struct error *page_token_revoke(struct request *r)
{
	struct looking l = {.r = r};

	ENSURE(id_of(r, &l.id), error_new(ERR_NOT_FOUND, N_("There is nothing at this address.")));
	TRY(token_each(request_conn(r), request_viewer(r)->account, look, &l));
	ENSURE(l.label, error_new(ERR_NOT_FOUND, N_("There is no such key for programs.")));
	return confirm(r, "token_revoke", l.label);
}

struct error *post_token_revoke(struct request *r)
{
	return end_it(r, ENDED_TOKEN, N_("The key works no more."));
}
