/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who asks: from a cookie or a token to a viewer, for http/. */
#include "appliance/member/member_pages.h"
#include "appliance/member/ended.h"

static struct error *role_of(struct request *r, const struct pubkey *key, const char **ret)
{
	struct conn *c = request_conn(r);
	struct space_info home;
	enum role role = ROLE_NONE;
	struct error *e = space_home(c, &home);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		*ret = "";
		return NULL;
	}
	TRY(e);
	TRY(role_now(c, &home.id, key, &role));
	*ret = role == ROLE_NONE ? "" : role_name(role);
	return NULL;
}

/* Takes the secret, also on failure. */
static struct error *fill(struct request *r, int64_t account, struct secret *take_secret,
			  struct viewer *v)
{
	struct account a;

	v->take_secret = take_secret;
	v->secret = take_secret;
	TRY(account_by_id(request_conn(r), account, &a));
	v->account = a.id;
	v->key = a.key;
	v->name = arena_str(request_arena(r), a.name);
	v->may_moderate_here = request_safe_door(r);
	v->volunteer = a.volunteer && v->may_moderate_here;
	conn_see_as(request_conn(r), &a.key);
	return role_of(r, &a.key, &v->role);
}

static struct error *ended_here(void)
{
	return error_new(ERR_NOT_FOUND, N_("You are not signed in there any more."));
}

/* The secret goes with it. The first that comes when there is room again writes down what was ended
 * without. */
static struct error *look_ended(struct request *r, enum ended_kind kind, int64_t account,
				int64_t id, int64_t since_ms, struct secret **secret)
{
	struct app *a = request_app(r);
	bool is = ended_has(a->ended, kind, account, id, since_ms);

	if (ended_waits(a->ended, a->writer)) {
		request_blocks(r);
		ended_settle(a->ended, a->writer);
		request_goes_on(r);
	}
	if (!is)
		return NULL;
	secret_free(STEAL(*secret));
	return ended_here();
}

static struct error *by_cookie(struct request *r, const char *value, struct viewer *ret,
			       bool *ret_known)
{
	struct secret *secret = NULL;
	struct session s;
	struct ticket t;
	struct error *e;

	*ret_known = false;
	if (!ticket_parse("session", value, &t))
		return NULL;
	e = session_find(request_conn(r), &t, (int)request_door(r), &s, &secret);
	if (!e)
		e = look_ended(r, ENDED_SESSION, s.account, s.id, s.since_ms, &secret);
	if (!e) {
		ret->session = s.id;
		ret->since_ms = s.since_ms;
		ret->csrf = arena_str(request_arena(r), t.csrf);
		e = fill(r, s.account, secret, ret);
		*ret_known = !e;
	}
	crypto_wipe(&t, sizeof(t));
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e); /* ended, or from another time: a visitor */
		e = NULL;
	}
	return e;
}

static struct error *by_token(struct request *r, const char *text, struct viewer *ret,
			      bool *ret_known)
{
	struct secret *secret = NULL;
	struct token found;
	struct ticket t;
	struct error *e;

	*ret_known = false;
	if (strncmp(text, "lliure_", 7) != 0 || !ticket_parse("token", text + 7, &t))
		return NULL;
	e = token_find(request_conn(r), &t, &found, &secret);
	crypto_wipe(&t, sizeof(t));
	if (!e)
		e = look_ended(r, ENDED_TOKEN, found.account, found.id, found.created_ms, &secret);
	if (!e) {
		e = fill(r, found.account, secret, ret);
		*ret_known = !e;
	}
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		e = NULL;
	}
	return e;
}

const struct viewer_source member_viewers = {by_cookie, by_token};
