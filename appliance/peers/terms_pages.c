/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Terms in forms, and what somebody will see by them. */
#include "appliance/files/files.h"
#include "appliance/forum/forum.h"
#include "appliance/library/library.h"
#include "appliance/peers/peer_pages_priv.h"
#include "appliance/trust/trust.h"

enum { TITLES = 5, NAMES = 12 };
#define MEGABYTE 1000000

/* --- the form --------------------------------------------------------------------------------- */

static json_t *ways_json(unsigned ways)
{
	return json_pack("{s:b, s:b, s:b, s:b}", "both", ways == (PEER_GIVE | PEER_TAKE), "give",
			 ways == PEER_GIVE, "take", ways == PEER_TAKE, "none", ways == 0);
}

struct form_spaces {
	const struct peer_terms *t;
	json_t *list;
};

static struct error *add_form_space(void *ctx, const struct space_info *s)
{
	struct form_spaces *f = ctx;
	json_t *row = ways_json(peer_terms_ways(f->t, &s->id));

	json_object_set_new(row, "id", json_string(ID(&s->id)));
	json_object_set_new(row, "name", json_string(s->name));
	json_object_set_new(row, "is_private", json_boolean(s->is_private));
	json_array_append_new(f->list, row);
	return NULL;
}

static const char *megabytes(struct request *r, uint64_t bytes)
{
	if (!bytes)
		return "";
	return arena_printf(request_arena(r), "%llu",
			    (unsigned long long)((bytes + MEGABYTE - 1) / MEGABYTE));
}

struct error *terms_form(struct request *r, const struct peer_terms *t, json_t **ret)
{
	struct form_spaces f = {t, json_array()};
	struct error *e = space_each(request_conn(r), add_form_space, &f);

	if (e) {
		json_decref(f.list);
		return e;
	}
	*ret = json_pack("{s:o, s:o, s:s, s:s, s:s}", "spaces", f.list, "others",
			 ways_json(t->others), "take_mb", megabytes(r, t->take_bytes), "give_mb",
			 megabytes(r, t->give_bytes), "until",
			 peers_until_text(t->until_ms, request_arena(r)));
	return NULL;
}

struct reading {
	struct request *r;
	struct peer_terms *t;
};

static struct error *read_space(void *ctx, const struct space_info *s)
{
	struct reading *rd = ctx;
	char name[80];
	const char *said;
	unsigned ways;

	snprintf(name, sizeof(name), "ways_%s", ID(&s->id));
	said = request_field(rd->r, name);
	if (!said)
		return NULL;
	TRY(peers_ways_parse(said, &ways));
	return peers_terms_set(rd->t, &s->id, ways);
}

struct error *terms_read(struct request *r, const struct peer_terms *was, struct peer_terms *ret)
{
	const char *others = request_field(r, "others"), *take = request_field(r, "take_mb"),
		   *give = request_field(r, "give_mb"), *until = request_field(r, "until");
	struct reading rd = {r, ret};

	*ret = *was;
	TRY(space_each(request_conn(r), read_space, &rd));
	if (others)
		TRY(peers_ways_parse(others, &ret->others));
	if (take)
		TRY(peers_bytes_parse(take, MEGABYTE, &ret->take_bytes));
	if (give)
		TRY(peers_bytes_parse(give, MEGABYTE, &ret->give_bytes));
	if (until)
		TRY(peers_until_parse(until, &ret->until_ms));
	return NULL;
}

/* --- what they will see ----------------------------------------------------------------------- */

struct newest {
	int64_t when;
	const char *title;
};

struct preview {
	struct request *r;
	const struct pubkey *key;
	const struct peer_terms *t;
	json_t *shown, *sealed, *hidden;
	/* of the space in hand */
	json_int_t topics, posts, docs, files, people;
	uint64_t bytes; /* of the files */
	bool carries;	/* it gets the space sealed */
	const char *names;
	struct newest newest[TITLES];
};

/* Keeps the newest, the newest first. */
static void note_title(struct preview *p, int64_t when, const char *title)
{
	size_t at = 0;

	while (at < TITLES && p->newest[at].title && p->newest[at].when >= when)
		at++;
	if (at == TITLES || !*title)
		return;
	memmove(&p->newest[at + 1], &p->newest[at], (TITLES - 1 - at) * sizeof(p->newest[0]));
	p->newest[at] = (struct newest){when, arena_str(request_arena(p->r), title)};
}

static struct error *see_topic(void *ctx, const struct topic *t)
{
	note_title(ctx, t->last_time, t->title);
	return NULL;
}

static struct error *see_forum(void *ctx, const struct forum *f)
{
	struct preview *p = ctx;

	p->topics += f->topics;
	p->posts += f->posts;
	return topic_page(request_conn(p->r), f, false, 0, TITLES, see_topic, p);
}

static struct error *see_doc(void *ctx, const struct doc *d)
{
	((struct preview *)ctx)->docs++;
	return NULL;
}

static struct error *see_file(void *ctx, const struct file *f, const struct file_version *v)
{
	struct preview *p = ctx;

	p->files++;
	p->bytes += v->size;
	return NULL;
}

static struct error *see_member(void *ctx, const struct member *m)
{
	struct preview *p = ctx;

	if (m->role == ROLE_NONE)
		return NULL;
	if (p->people < NAMES)
		p->names = arena_printf(request_arena(p->r), "%s%s%s", p->names,
					p->people ? ", " : "", m->name);
	else if (p->people == NAMES)
		p->names = arena_printf(request_arena(p->r), "%s …", p->names);
	p->people++;
	return NULL;
}

static struct error *see_space(struct preview *p, const struct space_info *s)
{
	struct conn *c = request_conn(p->r);
	json_t *row, *titles;

	p->topics = p->posts = p->docs = p->files = p->people = 0;
	p->bytes = 0;
	p->names = "";
	memset(p->newest, 0, sizeof(p->newest));
	TRY(forum_each(c, &s->id, see_forum, p));
	TRY(doc_each(c, request_arena(p->r), &s->id, see_doc, p));
	TRY(file_each(c, request_arena(p->r), &s->id, see_file, p));
	TRY(member_each(c, &s->id, see_member, p));
	titles = json_array();
	for (size_t i = 0; i < TITLES && p->newest[i].title; i++)
		json_array_append_new(titles, json_string(p->newest[i].title));
	row = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:s, s:o, s:b}", "id", ID(&s->id),
			"name", s->name, "topics", p->topics, "posts", p->posts, "docs", p->docs,
			"files", p->files, "files_text", request_size_text(p->r, p->bytes), "people",
			p->people, "names", p->names, "titles", titles, "any_titles",
			json_array_size(titles) > 0);
	json_array_append_new(p->shown, row);
	return NULL;
}

static struct error *look_for_carrier(void *ctx, const struct admitted *a)
{
	struct preview *p = ctx;

	p->carries = p->carries || (a->carry && pubkey_eq(&a->key, p->key));
	return NULL;
}

/* A private space whose box only carries it: there is nothing in it that its people will see. */
static void see_sealed(struct preview *p, const struct space_info *s)
{
	json_array_append_new(p->sealed,
			      json_pack("{s:s, s:s}", "id", ID(&s->id), "name", s->name));
}

static struct error *look_at_space(void *ctx, const struct space_info *s)
{
	struct preview *p = ctx;
	bool may = !s->is_private;

	p->carries = false;
	if (p->key)
		TRY(peers_may_see(request_conn(p->r), p->key, &s->id, &may));
	if (p->key && s->is_private)
		TRY(admitted_each(request_conn(p->r), &s->id, look_for_carrier, p));
	if (may && peer_terms_ways(p->t, &s->id) & PEER_GIVE &&
	    !peer_terms_over(p->t->until_ms, env_now(request_app(p->r)->env))) {
		if (!p->carries)
			return see_space(p, s);
		see_sealed(p, s);
		return NULL;
	}
	json_array_append_new(p->hidden, json_pack("{s:s, s:s, s:b}", "id", ID(&s->id), "name",
						   s->name, "is_private", s->is_private));
	return NULL;
}

struct error *terms_preview(struct request *r, const struct pubkey *key, const struct peer_terms *t,
			    json_t **ret)
{
	struct preview p = {.r = r,
			    .key = key,
			    .t = t,
			    .shown = json_array(),
			    .sealed = json_array(),
			    .hidden = json_array()};
	bool ended = peer_terms_over(t->until_ms, env_now(request_app(r)->env));
	struct error *e = space_each(request_conn(r), look_at_space, &p);

	if (e) {
		json_decref(p.shown);
		json_decref(p.sealed);
		json_decref(p.hidden);
		return e;
	}
	*ret = json_pack("{s:o, s:o, s:o, s:b, s:b}", "shown", p.shown, "sealed", p.sealed,
			 "hidden", p.hidden, "others", !ended && t->others & PEER_GIVE, "ended", ended);
	return NULL;
}

bool terms_preview_asked(struct request *r)
{
	const char *said = request_field(r, "preview");

	return said && *said == '1';
}

struct error *terms_into(struct request *r, json_t *context, const struct pubkey *key,
			 const struct peer_terms *t, bool preview)
{
	json_t *form, *shown;

	TRY(terms_form(r, t, &form));
	json_object_set_new(context, "terms", form);
	if (!preview)
		return NULL;
	TRY(terms_preview(r, key, t, &shown));
	json_object_set_new(context, "preview", shown);
	return NULL;
}

/* --- who vouches ------------------------------------------------------------------------------ */

struct chains {
	struct request *r;
	json_t *list;
};

static const char *translate(void *ctx, const char *msgid)
{
	return request_text(ctx, msgid);
}

static void say(struct chains *c, json_t *list, struct error *take_sentence, const char *note)
{
	char text[1200];

	error_text(take_sentence, translate, c->r, text, sizeof(text));
	error_free(take_sentence);
	json_array_append_new(
		list, json_string(*note ? arena_printf(request_arena(c->r), "%s “%s”", text, note)
					: text));
}

static const char *name_of(const struct vouch *v)
{
	return *v->name ? v->name : ID_SHORT(&v->key);
}

static struct error *add_chain(void *ctx, const struct trust_chain *chain)
{
	struct chains *c = ctx;
	json_t *row = json_pack("{s:[]}", "sentences"), *list = json_object_get(row, "sentences");
	const struct vouch *v = &chain->link[0];
	const struct peer *root = &chain->root;

	if (chain->self)
		say(c, list, error_new(ERR_INTERNAL, N_("This house vouches for %s."), name_of(v)),
		    v->note);
	else
		say(c, list,
		    error_new(ERR_INTERNAL, N_("%s, which you approved on %s, vouches for %s."),
			      peers_name_of(c->r, root->name, &root->key),
			      request_date_text(c->r, root->added_ms), name_of(v)),
		    v->note);
	for (size_t i = 1; i < chain->n; i++)
		say(c, list,
		    error_new(ERR_INTERNAL, N_("%s vouches for %s."), name_of(&chain->link[i - 1]),
			      name_of(&chain->link[i])),
		    chain->link[i].note);
	json_array_append_new(c->list, row);
	return NULL;
}

struct error *chains_into(struct request *r, json_t *context, const struct pubkey *key)
{
	struct chains c = {r, json_array()};

	json_object_set_new(context, "chains", c.list);
	TRY(trust_chains(request_conn(r), secret_pubkey(request_app(r)->self), key, add_chain, &c));
	json_object_set_new(context, "any_chains", json_boolean(json_array_size(c.list)));
	return NULL;
}
