/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Signing in and out, and taking the keys of a new box. */
#include "appliance/http/authority.h"
#include "appliance/member/pages_priv.h"

const struct route member_routes[] = {
	{"GET", "/sign-in", page_sign_in, 0},
	{"POST", "/sign-in", post_sign_in, ROUTE_SAFE_DOOR | ROUTE_NO_CSRF},
	{"POST", "/sign-out", post_sign_out, ROUTE_SIGNED_IN},
	{"GET", "/claim/:code", page_claim, ROUTE_SAFE_DOOR},
	{"POST", "/claim/:code", post_claim, ROUTE_SAFE_DOOR | ROUTE_NO_CSRF},
	{"GET", "/me", page_me, ROUTE_SIGNED_IN},
	{"POST", "/me/password", post_password, ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR},
	{"POST", "/me/tokens", post_token, ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR},
	{"GET", "/me/sessions/:id/end", page_session_end, ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR},
	{"POST", "/me/sessions/:id/end", post_session_end, ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR},
	{"GET", "/me/tokens/:id/revoke", page_token_revoke, ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR},
	{"POST", "/me/tokens/:id/revoke", post_token_revoke, ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR},
	{"GET", "/people/:name", page_person, ROUTE_CACHED},
	{"GET", "/admin/people", page_people, ROUTE_VOLUNTEER},
	{"POST", "/admin/people", post_person, ROUTE_VOLUNTEER},
	{NULL},
};

const char *field_or_empty(struct request *r, const char *name)
{
	const char *v = request_field(r, name);

	return v ? v : "";
}

struct error *new_password(struct request *r, const char **ret)
{
	const char *one = field_or_empty(r, "password"), *two = request_field(r, "password2");

	TRY(request_wrong(r, "password", account_check_password(one)));
	/* A program types no mistakes, so it need not repeat it. */
	ENSURE((!two && request_json(r)) || (two && strcmp(one, two) == 0),
	       request_wrong(r, "password2",
			     error_new(ERR_INVALID,
				       N_("The two passwords are not the same. Type them again."))));
	*ret = one;
	return NULL;
}

struct error *check_fresh(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	int64_t age = env_now(request_app(r)->env) - v->since_ms;

	ENSURE(v->session && age >= 0 && age < FRESH_MS,
	       error_new(ERR_DENIED, N_("This is a serious step, and you signed in some time ago. "
					"Sign out, sign in again, and repeat it.")));
	return NULL;
}

/* --- signing in --- */

static json_t *safe_door(struct request *r)
{
	char print[FINGERPRINT_TEXT];
	struct error *e = authority_fingerprint(request_app(r)->dir, print);

	if (e) {
		error_free(e);
		return json_pack("{s:s}", "host", request_host(r));
	}
	return json_pack("{s:s, s:s}", "host", request_host(r), "fingerprint", print);
}

static struct error *show_sign_in(struct request *r, int status, const char *name,
				  const char *problem)
{
	const char *next = request_field(r, "next");
	json_t *context = json_object(), *form = json_object();

	next = request_local_path(r, next ? next : request_query(r, "next"), NULL);
	if (next)
		json_object_set_new(form, "next", json_string(next));
	if (name && *name)
		json_object_set_new(form, "name", json_string(name));
	if (problem)
		json_object_set_new(form, "error", json_string(problem));
	json_object_set_new(context, "form", form);
	if (!request_safe_door(r)) {
		json_object_set_new(context, "refused", json_true());
		json_object_set_new(context, "safe", safe_door(r));
	}
	return respond_page_status(r, status, "sign_in", request_text(r, N_("Sign in")), context);
}

struct error *page_sign_in(struct request *r)
{
	return show_sign_in(r, 200, NULL, NULL);
}

struct entering {
	struct ticket ticket;
	int64_t account, old_account, old_session, id;
	const struct secret *secret;
	int door;
};

static struct error *enter(struct conn *c, void *arg)
{
	struct entering *n = arg;

	if (n->old_session)
		error_free(session_end(c, n->old_account, n->old_session));
	return session_add(c, &n->ticket, n->account, n->secret, n->door, &n->id);
}

/* A new session, never one that was there before (fixation); the browser gets its cookie. */
static struct error *begin_session(struct request *r, const struct account *a,
				   const struct secret *secret)
{
	const struct viewer *before = request_viewer(r);
	struct entering n = {.account = a->id,
			     .old_account = before ? before->account : 0,
			     .old_session = before ? before->session : 0,
			     .secret = secret,
			     .door = (int)request_door(r)};
	char cookie[SESSION_TEXT];
	struct error *e;

	ticket_new(request_app(r)->env, "session", cookie, &n.ticket);
	e = request_write_care(r, a->volunteer, enter, &n);
	if (!e)
		respond_session_cookie(r, cookie, (int64_t)SESSION_DAYS * 86400);
	crypto_wipe(cookie, sizeof(cookie));
	crypto_wipe(&n.ticket, sizeof(n.ticket));
	return e;
}

/* Guessing is slowed for one network, for one account from there, for one account, and for all
 * together. Nobody is locked out: one network gets less of an account's tries than there are, so
 * that who guesses all the time leaves some to the owner. */
static struct error *sign_in_limits(struct request *r, const char *name)
{
	char *lower = arena_str(request_arena(r), name);

	for (char *p = lower; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	}
	TRY(request_limit(r, "sign-in", 20, 10));
	TRY(request_limit(r, arena_printf(request_arena(r), "sign-in %s", lower), 10, 6));
	TRY(request_limit_named(r, "sign-in", lower, 40, 20));
	return request_limit_named(r, "sign-in-all", "", 60, 60);
}

static struct error *open_account(struct request *r, const char *name, const char *password,
				  struct account *ret, struct secret **ret_secret)
{
	struct error *e;

	TRY(request_heavy_begin(r));
	e = account_open(request_app(r), request_conn(r), name, password, ret, ret_secret);
	request_heavy_end(r);
	return e;
}

/* Who can make room on a full disk is led there at once. */
static struct error *welcome(struct request *r, const struct account *a)
{
	if (a->volunteer && !writer_has_room(request_app(r)->writer))
		return respond_done_saying(r, "/admin/health",
					   N_("Welcome. You are signed in, and the disk of this box is "
					      "full: see under “Room on the disk” what to do."),
					   NULL);
	return respond_done_saying(r, request_local_path(r, request_field(r, "next"), "/"),
				   N_("Welcome. You are signed in."), NULL);
}

struct error *post_sign_in(struct request *r)
{
	_cleanup_(secret_freep) struct secret *secret = NULL;
	const char *name = field_or_empty(r, "name"), *text;
	struct account a;
	struct error *e = sign_in_limits(r, name);
	int status;

	if (!e)
		e = open_account(r, name, field_or_empty(r, "password"), &a, &secret);
	if (!e)
		e = begin_session(r, &a, secret);
	if (!e)
		return welcome(r, &a);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_sign_in(r, status, name, text);
}

/* On a shared computer nobody stays signed in, whatever comes of the rest. */
struct error *post_sign_out(struct request *r)
{
	const struct viewer *v = request_viewer(r);

	respond_session_cookie(r, "", 0);
	if (v->session)
		TRY(end_surely(r, ENDED_SESSION, v->session));
	return respond_done_saying(r, "/", N_("You are signed out."), NULL);
}

/* --- the first volunteer --- */

static struct error *show_claim(struct request *r, int status, const char *name,
				const char *problem)
{
	const char *action = arena_printf(request_arena(r), "/claim/%s",
					  url_encode(request_arena(r), request_param(r, "code")));
	json_t *form = json_object();

	if (name)
		json_object_set_new(form, "name", json_string(name));
	if (problem)
		json_object_set_new(form, "error", json_string(problem));
	return respond_page_status(r, status, "claim", request_text(r, N_("Take the keys")),
				   json_pack("{s:s, s:o}", "action", action, "form", form));
}

struct error *page_claim(struct request *r)
{
	TRY(request_limit(r, "claim", 20, 10));
	TRY(claim_check(request_conn(r), request_param(r, "code")));
	return show_claim(r, 200, NULL, NULL);
}

static struct error *claim(struct request *r, const char *name, struct account *ret,
			   struct secret **ret_secret)
{
	const char *password;
	struct error *e;

	TRY(request_limit(r, "claim", 20, 10));
	TRY(claim_check(request_conn(r), request_param(r, "code")));
	TRY(request_wrong(r, "name", account_check_name(name)));
	TRY(new_password(r, &password));
	TRY(request_heavy_begin(r));
	e = account_claim(request_app(r), request_param(r, "code"), name, password, ret);
	request_heavy_end(r);
	TRY(e);
	return open_account(r, name, password, ret, ret_secret);
}

struct error *post_claim(struct request *r)
{
	_cleanup_(secret_freep) struct secret *secret = NULL;
	const char *name = field_or_empty(r, "name"), *text;
	struct account a;
	struct error *e = claim(r, name, &a, &secret);
	int status;

	if (!e)
		e = begin_session(r, &a, secret);
	if (!e)
		return respond_done_saying(r, "/admin", N_("The keys of this house are yours now."),
					   NULL);
	if (error_is(e, ERR_GONE) || !respond_form_error(r, e, &text, &status))
		return e;
	return show_claim(r, status, name, text);
}
