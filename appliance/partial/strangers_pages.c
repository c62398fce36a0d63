/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/partial/strangers_pages.h"
#include "appliance/page/language.h"
#include "appliance/partial/partial.h"
#include "appliance/partial/strangers.h"
#include "appliance/peers/peers.h"
#include "sync/base/day.h"

enum { FEW = 3, GONE = 50, DAY_MS = 86400000, NOON_MS = DAY_MS / 2 };

struct page {
	struct request *r;
	struct ledger *l;
	struct pubkey through; /* the house that it is about; zero: all of them */
	bool all;	       /* ticked, also what people wrote in */
	json_t *rows;
	size_t stay;	 /* came through it, and somebody wants them */
	const char *act; /* what is confirmed; NULL: nothing */
};

static const char *box_name(struct request *r, const struct pubkey *key)
{
	char name[LIMIT_NAME + 1];

	if (!peers_known_name(request_conn(r), key, name))
		return arena_str(request_arena(r), ID_SHORT(key));
	return arena_str(request_arena(r), name);
}

/* --- one row ---------------------------------------------------------------------------------- */

/* What an approved house founded itself is no stranger's: it goes only when somebody ticks it. */
static bool is_proposed(const struct page *p, const struct stranger *s)
{
	return p->all || !s->founder_known;
}

static bool came_through(const struct page *p, const struct stranger *s)
{
	return (s->has_bringer && pubkey_eq(&s->bringer, &p->through)) ||
	       pubkey_eq(&s->founder, &p->through);
}

/* Of a house all that came through it and nobody wants; else what is proposed. */
static bool is_listed(const struct page *p, const struct stranger *s)
{
	if (s->wanted || s->known_wrote)
		return false;
	return pubkey_is_zero(&p->through) ? is_proposed(p, s) : came_through(p, s);
}

static const char *day_text(struct request *r, int64_t day)
{
	char text[LANGUAGE_TEXT];

	if (!day)
		return "";
	language_day(request_language(r), day * DAY_MS + NOON_MS, text, sizeof(text));
	return arena_str(request_arena(r), text);
}

/* A confirmation is about what was ticked on the page before. */
static bool is_ticked(const struct page *p, const struct stranger *s)
{
	const char *name = arena_printf(request_arena(p->r), "space-%s", ID(&s->space.id));

	return p->act ? request_field(p->r, name) != NULL : is_proposed(p, s);
}

static struct error *add_row(void *ctx, const struct stranger *s)
{
	struct page *p = ctx;
	bool seen = conn_sees(request_conn(p->r), &s->space.id);

	if (!is_listed(p, s)) {
		p->stay += (s->wanted || s->known_wrote) && came_through(p, s);
		return NULL;
	}
	if (p->act && !is_ticked(p, s))
		return NULL;
	json_array_append_new(p->rows,
			      json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:b, s:I, s:b}",
					"id", ID(&s->space.id), "name", seen ? s->space.name : "",
					"short", ID_SHORT(&s->space.id), "private",
					s->space.is_private, "ticked", is_ticked(p, s), "through",
					s->has_bringer && pubkey_is_zero(&p->through)
						? box_name(p->r, &s->bringer)
						: "",
					"day_text", day_text(p->r, s->day), "founder",
					s->founder_known ? box_name(p->r, &s->founder) : "",
					"wrote", s->bringer_wrote && s->entries > FEW, "more",
					(json_int_t)s->entries, "empty", s->entries <= FEW));
	return NULL;
}

/* --- what was let go of ----------------------------------------------------------------------- */

static struct error *gone_json(struct page *p, json_t *into)
{
	struct conn *c = request_conn(p->r);
	struct gone_space gone[GONE];
	struct space_info s;
	struct brought b;
	int64_t all;
	size_t n;

	TRY(log_let_go_newest(c->log, GONE, gone, &n));
	TRY(log_let_go_count(c->log, &all));
	for (size_t i = 0; i < n; i++) {
		struct error *e = space_get_here(c, &gone[i].space, &s);
		bool known = ledger_brought(p->l, &gone[i].space, &b);

		if (error_is(e, ERR_NOT_FOUND)) {
			error_free(e);
			continue;
		}
		TRY(e);
		json_array_append_new(
			into, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", ID(&s.id), "name",
					s.is_private ? "" : s.name, "short", ID_SHORT(&s.id),
					"through", known ? box_name(p->r, &b.peer) : "", "since",
					request_date(p->r, gone[i].since_ms), "since_text",
					request_date_text(p->r, gone[i].since_ms)));
	}
	return NULL;
}

/* --- the page --------------------------------------------------------------------------------- */

static struct error *fill(struct page *p, json_t *context, json_t *gone)
{
	_cleanup_(ledger_freep) struct ledger *own = NULL;
	struct request *r = p->r;

	TRY(strangers_ledger(request_app(r), request_conn(r), &own, &p->l));
	TRY(strangers_each(request_conn(r), p->l, add_row, p));
	if (!p->act)
		TRY(gone_json(p, gone));
	if (!pubkey_is_zero(&p->through))
		json_object_set_new(context, "through",
				    json_pack("{s:s, s:s}", "key", ID(&p->through), "name",
					      box_name(r, &p->through)));
	json_object_set_new(context, "n", json_integer((json_int_t)json_array_size(p->rows)));
	json_object_set_new(context, "stay", json_integer((json_int_t)p->stay));
	json_object_set_new(context, "all", json_boolean(p->all));
	if (p->act)
		json_object_set_new(context, "sure", json_true());
	return NULL;
}

static struct error *show(struct page *p)
{
	json_t *gone = json_array(), *context;
	struct error *e;

	p->rows = json_array();
	context = json_pack("{s:o, s:o}", "rows", p->rows, "gone", gone);
	e = fill(p, context, gone);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(p->r, "admin_strangers",
			    request_text(p->r, N_("Communities that nobody here chose")), context);
}

static struct error *read_through(struct request *r, const char *text, struct pubkey *ret)
{
	*ret = (struct pubkey){.b = {0}};
	ENSURE(!text || !*text || id_parse(text, ret->b),
	       error_new(ERR_NOT_FOUND, N_("“%s” is not a box's key."), text));
	(void)r;
	return NULL;
}

static struct error *page(struct request *r)
{
	struct page p = {.r = r, .all = request_query(r, "all") != NULL};

	TRY(read_through(r, request_query(r, "through"), &p.through));
	return show(&p);
}

/* --- what a volunteer does -------------------------------------------------------------------- */

struct chosen {
	struct app *app;
	struct buf spaces; /* struct hash */
	bool keep;
};

static struct error *do_each(struct conn *c, const struct chosen *k, struct ledger *l)
{
	const struct hash *all = (const struct hash *)(const void *)k->spaces.p;

	for (size_t i = 0; i < k->spaces.n / sizeof(*all); i++)
		TRY(k->keep ? stranger_keep(c, l, &all[i]) : stranger_let_go(c, l, &all[i]));
	return NULL;
}

static struct error *choose_job(struct conn *c, void *arg)
{
	_cleanup_(ledger_freep) struct ledger *own = NULL;
	const struct chosen *k = arg;
	struct ledger *l;

	TRY(strangers_ledger(k->app, c, &own, &l));
	TRY(do_each(c, k, l));
	return own ? ledger_save(own, c->local) : NULL;
}

/* Exchanges look again at what is asked for. */
static struct error *do_it(struct request *r, struct chosen *k)
{
	struct app *a = request_app(r);

	k->app = a;
	TRY(request_write_care(r, request_viewer(r)->volunteer, choose_job, k));
	partial_poke(a->partial);
	if (a->sync)
		sync_peers_changed(a->sync);
	if (a->sync && k->keep)
		ledger_room_again(sync_ledger(a->sync)); /* what was refused while it was let go of */
	if (a->sync && k->keep)
		error_free(sync_now(a->sync, NULL, 0));
	return NULL;
}

struct ticking {
	struct request *r;
	struct buf *spaces;
};

static struct error *add_ticked(void *ctx, const struct space_info *s)
{
	const struct ticking *t = ctx;

	if (!s->own &&
	    request_field(t->r, arena_printf(request_arena(t->r), "space-%s", ID(&s->id))))
		buf_add(t->spaces, &s->id, sizeof(s->id));
	return NULL;
}

static struct error *done(struct request *r, const struct pubkey *through, const char *msgid)
{
	struct arena *a = request_arena(r);

	return respond_done_saying(
		r,
		pubkey_is_zero(through)
			? "/admin/strangers"
			: arena_printf(a, "/admin/strangers?through=%s", ID(through)),
		msgid, NULL);
}

static struct error *choose(struct request *r, struct chosen *k)
{
	struct page p = {.r = r, .act = request_field(r, "act"), .all = true};

	TRY(request_limit(r, "keep", 20, 20));
	TRY(read_through(r, request_field(r, "through"), &p.through));
	ENSURE(p.act && (!strcmp(p.act, "keep") || !strcmp(p.act, "go") || !strcmp(p.act, "sure")),
	       error_new(ERR_INVALID, N_("Choose what is to happen with what is ticked.")));
	TRY(space_each_here(request_conn(r), add_ticked, &(struct ticking){r, &k->spaces}));
	if (!k->spaces.n)
		return done(r, &p.through, N_("Nothing was ticked: all is as it was."));
	if (!strcmp(p.act, "go"))
		return show(&p);
	k->keep = !strcmp(p.act, "keep");
	TRY(do_it(r, k));
	return done(r, &p.through,
		    k->keep ? N_("They are kept, and give way to no other.")
			    : N_("They were let go of, and don't come again by themselves. Below "
				 "you can fetch one again."));
}

static struct error *choose_page(struct request *r)
{
	struct chosen k = {.keep = false};
	struct error *e = choose(r, &k);

	buf_release(&k.spaces);
	return e;
}

static struct error *fetch_again(struct request *r)
{
	struct chosen k = {.keep = true};
	const struct pubkey nobody = {.b = {0}};
	struct hash space;
	struct error *e;

	ENSURE(id_parse(request_param(r, "id"), space.b),
	       error_new(ERR_NOT_FOUND, N_("This box does not carry that space.")));
	buf_add(&k.spaces, &space, sizeof(space));
	e = do_it(r, &k);
	buf_release(&k.spaces);
	TRY(e);
	return done(r, &nobody, N_("It is wanted again: what is new of it is fetched."));
}

const struct route strangers_routes[] = {
	{"GET", "/admin/strangers", page, ROUTE_VOLUNTEER},
	/* no heavy act: each can be fetched again */
	{"POST", "/admin/strangers", choose_page, ROUTE_VOLUNTEER},
	{"POST", "/admin/strangers/:id/again", fetch_again, ROUTE_VOLUNTEER},
	{0},
};
