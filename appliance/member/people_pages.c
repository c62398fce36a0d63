/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A person's page, and the volunteers' list of people. */
#include "appliance/forum/forum.h"
#include "appliance/member/pages_priv.h"

const char *role_text(struct request *r, enum role role)
{
	static const char *const words[] = {
		[ROLE_NONE] = N_("Without a role here"),
		[ROLE_APPLIANCE] = N_("A box"),
		[ROLE_NEW] = N_("New here"),
		[ROLE_MEMBER] = N_("Member"),
		[ROLE_MODERATOR] = N_("Moderator"),
		[ROLE_STEWARD] = N_("Steward"),
	};

	return request_text(r, words[role]);
}

struct error *home_role(struct conn *c, const struct pubkey *key, enum role *ret)
{
	struct space_info home;
	struct error *e = space_home(c, &home);

	*ret = ROLE_NONE;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	return role_now(c, &home.id, key, ret);
}

static const char *person_url(struct request *r, const char *name)
{
	return arena_printf(request_arena(r), "/people/%s", url_encode(request_arena(r), name));
}

/* --- a person --- */

struct home_search {
	const struct pubkey *key;
	char name[LIMIT_NAME + 1];
};

static struct error *match_home(void *ctx, const struct admitted *a)
{
	struct home_search *s = ctx;

	if (pubkey_eq(&a->key, s->key))
		snprintf(s->name, sizeof(s->name), "%s", a->name);
	return NULL;
}

static struct error *describe(struct request *r, const struct member *m, json_t **ret)
{
	const struct viewer *v = request_viewer(r);
	struct home_search home = {.key = &m->home};
	json_t *p;

	TRY(admitted_each(request_conn(r), &m->space, match_home, &home));
	p = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "name", m->name, "role",
		      role_name(m->role), "role_text", role_text(r, m->role), "key_short",
		      ID_SHORT(&m->key), "since", request_date(r, m->since_ms), "since_text",
		      request_date_text(r, m->since_ms), "me", v && pubkey_eq(&v->key, &m->key));
	if (home.name[0])
		json_object_set_new(p, "home", json_string(home.name));
	*ret = p;
	return NULL;
}

enum { PERSON_TOPICS = 20 };

struct topics {
	struct request *r;
	json_t *list;
};

static struct error *list_topic(void *ctx, const struct topic *t)
{
	struct topics *l = ctx;

	json_array_append_new(l->list,
			      json_pack("{s:s, s:s, s:s, s:s, s:s}", "title", t->title, "url",
					arena_printf(request_arena(l->r), "/topic/%s", ID(&t->id)),
					"forum", t->forum_title, "date",
					request_date(l->r, t->last_time), "date_text",
					request_date_text(l->r, t->last_time)));
	return NULL;
}

struct error *page_person(struct request *r)
{
	struct conn *c = request_conn(r);
	const char *name = request_param(r, "name");
	struct space_info home;
	struct member m;
	struct topics posts = {.r = r};
	json_t *person, *context;
	struct error *e;

	TRY(space_home(c, &home));
	TRY(member_by_name(c, &home.id, name, &m));
	TRY(describe(r, &m, &person));
	posts.list = json_array();
	context = json_pack("{s:o, s:o}", "person", person, "posts", posts.list);
	e = topic_by_author(c, &home.id, &m.key, PERSON_TOPICS, list_topic, &posts);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(r, "person", name, context);
}

/* --- the people of this box, for volunteers --- */

struct listing {
	struct request *r;
	json_t *list;
	struct pubkey box;
};

static void append(struct listing *l, const char *name, const struct pubkey *key, enum role role,
		   bool volunteer, const char *home)
{
	json_t *p = json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:s}", "name", name, "url", person_url(l->r, name),
		"role", role == ROLE_NONE ? "" : role_name(role), "role_text",
		role_text(l->r, role), "volunteer", volunteer, "key_short", ID_SHORT(key));

	if (home[0])
		json_object_set_new(p, "home", json_string(home));
	json_array_append_new(l->list, p);
}

static struct error *list_account(void *ctx, const struct account *a)
{
	struct listing *l = ctx;
	enum role role;

	TRY(home_role(request_conn(l->r), &a->key, &role));
	append(l, a->name, &a->key, role, a->volunteer, "");
	return NULL;
}

/* Those of the community whose home is another box. */
static struct error *list_member(void *ctx, const struct member *m)
{
	struct listing *l = ctx;
	struct home_search home = {.key = &m->home};
	struct account a;
	struct error *e;

	if (pubkey_eq(&m->home, &l->box) || m->role == ROLE_NONE)
		return NULL;
	/* Who has an account here is in the list already, wherever the rules see their home: this
	 * box may have a newer key than they do. */
	e = account_by_key(request_conn(l->r), &m->key, &a);
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	TRY(admitted_each(request_conn(l->r), &m->space, match_home, &home));
	append(l, m->name, &m->key, m->role, false, home.name);
	return NULL;
}

static struct error *list_people(struct request *r, json_t *list)
{
	struct listing l = {r, list, *secret_pubkey(request_app(r)->self)};
	struct space_info home;
	struct error *e;

	TRY(account_each(request_conn(r), list_account, &l));
	e = space_home(request_conn(r), &home);
	if (!e)
		return member_each(request_conn(r), &home.id, list_member, &l);
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	return NULL;
}

static struct error *show_people(struct request *r, int status, const char *problem)
{
	const char *role = field_or_empty(r, "role");
	json_t *context = json_object(), *list = json_array(), *form;
	struct error *e;

	form = json_pack("{s:s, s:b, s:b, s:b, s:b}", "name", field_or_empty(r, "name"),
			 "role_member", strcmp(role, "member") == 0, "role_moderator",
			 strcmp(role, "moderator") == 0, "role_steward",
			 strcmp(role, "steward") == 0, "volunteer",
			 strcmp(field_or_empty(r, "volunteer"), "1") == 0);
	if (problem)
		json_object_set_new(form, "error", json_string(problem));
	json_object_set_new(context, "people", list);
	json_object_set_new(context, "form", form);
	e = list_people(r, list);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "admin_people", request_text(r, N_("People")),
				   context);
}

struct error *page_people(struct request *r)
{
	return show_people(r, 200, NULL);
}

static struct error *add_person(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	const char *role = field_or_empty(r, "role");
	struct account_new what = {.name = field_or_empty(r, "name"),
				   .password = field_or_empty(r, "password"),
				   .role = ROLE_MEMBER,
				   .volunteer = strcmp(field_or_empty(r, "volunteer"), "1") == 0};
	bool steward = strcmp(v->role, role_name(ROLE_STEWARD)) == 0;
	struct error *e;

	ENSURE(!*role || (role_parse(role, &what.role) && what.role >= ROLE_NEW),
	       error_new(ERR_INVALID, N_("Choose what this person may do.")));
	ENSURE(what.role <= ROLE_MEMBER || steward,
	       error_new(ERR_DENIED,
			 N_("Only a steward of the community can make moderators and stewards.")));
	/* Giving somebody this box, or the say over the community, is a heavy act. */
	if (what.volunteer || what.role == ROLE_STEWARD)
		TRY(check_fresh(r));
	what.by = steward ? v->secret : NULL;
	TRY(request_wrong(r, "name", account_check_name(what.name)));
	TRY(request_wrong(r, "password", account_check_password(what.password)));
	TRY(request_heavy_begin(r));
	e = account_create(request_app(r), &what, NULL);
	request_heavy_end(r);
	return error_is(e, ERR_EXISTS) ? request_wrong(r, "name", e) : e;
}

struct error *post_person(struct request *r)
{
	struct error *e = add_person(r);
	const char *text;
	int status;

	if (!e)
		return respond_done_saying(r, "/admin/people", N_("The person can sign in now."),
					   json_pack("{s:s}", "name", field_or_empty(r, "name")));
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_people(r, status, text);
}
