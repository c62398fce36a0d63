/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the pages of the forums share: who may do what where, and the parts of their contexts. */
#include "appliance/forum/forum_pages.h"
#include "appliance/moderation/moderation.h"

static struct error *find_home(struct conn *c, struct hash *ret)
{
	struct space_info home;
	struct error *e = space_home(c, &home);

	*ret = (struct hash){{0}};
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	*ret = home.id;
	return NULL;
}

struct error *place_of(struct request *r, const struct hash *space, struct place *ret)
{
	const struct viewer *v = request_viewer(r);
	struct conn *c = request_conn(r);
	struct place p = {.role = ROLE_NONE};
	bool acts = v && v->secret;

	TRY(space_get(c, space, &p.space));
	TRY(find_home(c, &p.home));
	if (v)
		TRY(role_now(c, space, &v->key, &p.role));
	p.member = acts && p.role >= ROLE_MEMBER;
	p.moderator = acts && v->may_moderate_here && p.role >= ROLE_MODERATOR;
	p.steward = p.moderator && p.role >= ROLE_STEWARD;
	if (!p.member)
		TRY(moderation_guests(c, &p.space, secret_pubkey(request_app(r)->self), &p.guest));
	*ret = p;
	return NULL;
}

struct error *place_must(struct request *r, const struct place *p, bool allowed)
{
	const struct viewer *v = request_viewer(r);

	if (allowed)
		return NULL;
	ENSURE(v, error_new(ERR_AUTH, N_("Sign in first to do this.")));
	ENSURE(v->may_moderate_here || p->role < ROLE_MODERATOR,
	       error_new(ERR_DENIED,
			 N_("This is possible at the safe door only: open this page with"
			    " https and sign in there.")));
	return error_new(ERR_DENIED,
			 N_("You may not do this in %s. Ask the people who look after it."),
			 p->space.name);
}

/* --- parts of contexts ------------------------------------------------------------------------ */

void put_or_null(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, text && *text ? json_string(text) : json_null());
}

void put_date(struct request *r, json_t *o, const char *name, int64_t ms)
{
	const char *text = arena_printf(request_arena(r), "%s_text", name);

	put_or_null(o, name, ms ? request_date(r, ms) : NULL);
	put_or_null(o, text, ms ? request_date_text(r, ms) : NULL);
}

enum { DAYS_OF_SLACK = 2 };
#define DATE_SLACK ((int64_t)DAYS_OF_SLACK * 86400000)

/* The latest that can be believed: by this box's clock, if something confirms it (a person's word does
 * not: it may be mistyped, and others' dates would be called wrong for it). */
static int64_t latest_by_clock(struct app *a)
{
	enum clock_quality q = a->clock ? clock_env_state(a->clock).quality : CLOCK_SURE;

	return q == CLOCK_SURE || q == CLOCK_FROM_PEERS ? env_now(a->env) + DATE_SLACK : INT64_MAX;
}

struct error *dates_of(struct request *r, const struct hash *space, struct dates *io)
{
	struct dates d = {.space = *space};
	struct space_info s;
	int64_t bound, latest;

	if (hash_eq(&io->space, space))
		return NULL;
	latest = latest_by_clock(request_app(r));
	TRY(forum_bound(request_conn(r), space, &bound));
	TRY(space_get(request_conn(r), space, &s));
	/* Where only one box wrote its own clock bounds nothing; of two that know, the later counts. */
	if (bound == INT64_MAX || latest == INT64_MAX)
		d.until = bound < latest ? bound : latest;
	else
		d.until = bound > latest ? bound : latest;
	d.from = s.founded_ms <= d.until ? s.founded_ms - DATE_SLACK : INT64_MIN;
	*io = d;
	return NULL;
}

const char *author_text(struct request *r, const struct hash *space, const struct author *a)
{
	struct member m;
	struct error *e;
	const char *name;

	if (a->kind != AUTHOR_MEMBER)
		return *a->name ? arena_str(request_arena(r), a->name)
				: request_text(r, N_("a guest"));
	e = member_get(request_conn(r), space, &a->key, &m);
	name = arena_str(request_arena(r), e ? ID_SHORT(&a->key) : m.name);
	error_free(e);
	return name;
}

json_t *forum_json(struct request *r, const struct place *p, const struct forum *f)
{
	const char *url = forum_path(request_arena(r), f, &p->home);
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:{s:s, s:s, s:b}}", "slug",
			      url + strlen("/forum/"), "title", f->title, "url", url, "topics",
			      (json_int_t)f->topics, "posts", (json_int_t)f->posts, "closed",
			      f->closed, "space", "name", p->space.name, "short",
			      ID_SHORT(&p->space.id), "own", hash_eq(&p->space.id, &p->home));

	put_or_null(o, "about", f->about);
	put_date(r, o, "last_date", f->last_ms);
	return o;
}

const char *topic_title(struct request *r, const struct place *p, const struct topic *t)
{
	if (t->hidden && !(p && p->moderator))
		return request_text(r, N_("A hidden conversation"));
	return *t->title ? arena_str(request_arena(r), t->title)
			 : request_text(r, N_("An erased conversation"));
}

const char *topic_url(struct request *r, const struct hash *topic)
{
	return arena_printf(request_arena(r), "/topic/%s", ID(topic));
}

const char *post_anchor(struct request *r, const struct hash *post)
{
	return arena_printf(request_arena(r), "p-%s", ID_SHORT(post));
}

static const char *post_url_at(struct request *r, const struct hash *topic, const struct hash *post,
			       int64_t number)
{
	int64_t page = (number - 1) / POSTS_A_PAGE + 1;
	const char *query =
		page > 1 ? arena_printf(request_arena(r), "?page=%lld", (long long)page) : "";

	return arena_printf(request_arena(r), "/topic/%s%s#%s", ID(topic), query,
			    post_anchor(r, post));
}

const char *post_url(struct request *r, const struct post *post)
{
	return post_url_at(r, &post->topic, &post->id, post->number);
}

int64_t page_wanted(struct request *r)
{
	const char *page = request_query(r, "page");
	long long n = page ? strtoll(page, NULL, 10) : 1;

	return n < 1 ? 1 : n > 1000000 ? 1000000 : n;
}

json_t *pager_json(struct request *r, const char *url, int64_t page, int64_t pages)
{
	struct arena *a = request_arena(r);
	const char *sign = strchr(url, '?') ? "&" : "?";
	json_t *o;

	if (pages < 2)
		return NULL;
	o = json_pack("{s:I, s:I}", "page", (json_int_t)page, "pages", (json_int_t)pages);
	put_or_null(o, "newer_url",
		    page > 1 ? arena_printf(a, "%s%spage=%lld", url, sign, (long long)page - 1)
			     : NULL);
	put_or_null(o, "older_url",
		    page < pages ? arena_printf(a, "%s%spage=%lld", url, sign, (long long)page + 1)
				 : NULL);
	return o;
}

bool field_flag(struct request *r, const char *name, bool *ret)
{
	const json_t *v = json_object_get(request_json(r), name);
	const char *field = request_field(r, name);

	if (json_is_boolean(v)) {
		*ret = json_is_true(v);
		return true;
	}
	if (!field)
		return false;
	*ret = strcmp(field, "0") != 0 && *field;
	return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static struct error *remember_number(void *ctx, const struct post *p)
{
	((struct post_at *)ctx)->number = p->number;
	return NULL;
}

static struct error *act_job(struct conn *c, void *arg)
{
	struct act *a = arg;
	bool makes_post =
		!strcmp(a->draft.type, "post.create") || !strcmp(a->draft.type, "topic.create");

	TRY(community_submit(c, &a->draft, &a->id));
	return makes_post ? post_get(c, &a->id, remember_number, &a->at) : NULL;
}

struct error *act_write(struct request *r, struct act *a)
{
	struct error *e;

	a->draft.author = request_viewer(r)->secret;
	e = request_write(r, act_job, a);
	draft_release(&a->draft);
	return e;
}

struct error *writing_limit(struct request *r)
{
	const struct viewer *v = request_viewer(r);

	if (v && !v->session && request_door(r) == DOOR_LOOPBACK)
		return NULL;
	return request_limit(r, "write", 30, 20);
}
