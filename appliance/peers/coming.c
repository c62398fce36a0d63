/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/coming.h"
#include "appliance/config/config.h"
#include "appliance/peers/peers_priv.h"
#include "appliance/page/language.h"

struct counting {
	struct conn *c;
	struct coming_memo *m;
};

/* Visitors are told what is of spaces that anybody may see. */
static struct error *count_open(void *ctx, const struct space_info *s)
{
	struct counting *k = ctx;
	struct log_counts n;
	uint64_t gone = 0;

	if (s->is_private)
		return NULL;
	TRY(log_count(k->c->log, &s->id, &n));
	if (n.missing)
		TRY(erased_lacking(k->c, &s->id, &gone));
	k->m->open_entries += n.entries;
	k->m->open_missing += n.missing > gone ? n.missing - gone : 0;
	return NULL;
}

static struct error *count(struct conn *c, struct coming_memo *io)
{
	struct counting k = {c, io};
	struct log_counts n;
	uint64_t gone = 0;

	TRY(log_count(c->log, NULL, &n));
	if (n.missing)
		TRY(erased_lacking(c, NULL, &gone));
	io->entries = n.entries;
	io->missing = n.missing > gone ? n.missing - gone : 0;
	return space_each(c, count_open, &k);
}

/* What was erased is looked for one by one, so it is done once for each state. */
struct error *coming_count(struct app *a, struct conn *c, struct coming *ret)
{
	struct coming_memo m = {.change = log_change(c->log),
				.generation = community_generation(c)};
	char days[SETTING_MAX + 1];

	if (!peers_coming_known(a, &m)) {
		TRY(count(c, &m));
		peers_coming_is(a, &m);
	}
	TRY(config_get(c, SETTING_KEEP_DAYS, days));
	*ret = (struct coming){.entries = m.entries,
			       .missing = m.missing,
			       .open_entries = m.open_entries,
			       .open_missing = m.open_missing,
			       .keep_days = (uint32_t)strtoul(days, NULL, 10)};
	return NULL;
}

static bool is_for(const char *path)
{
	return strcmp(path, "/") == 0 || strcmp(path, "/admin") == 0;
}

/* --- how far a large first sync is ------------------------------------------------------------ */

struct arriving {
	struct request *r;
	const struct peers_announced *said;
	size_t n;
	bool with_rows;
	json_t *rows;		/* a peer and a space each, of which more is announced than is here */
	uint64_t here, announced; /* of the spaces of which more is */
};

/* What one peer may make us say is bounded: beyond a hundred times what is here it only says "more". */
enum { BELIEVED_TIMES = 100, BELIEVED_LEAST = 2000000 };

static const char *number_text(struct request *r, uint64_t n)
{
	char text[40];

	language_number(request_language(r), n > INT64_MAX ? INT64_MAX : (int64_t)n, text,
			sizeof(text));
	return arena_str(request_arena(r), text);
}

static void add_row(struct arriving *k, const struct space_info *s, uint64_t here,
		    const struct peers_announced *said)
{
	struct peer p;
	struct error *e = peer_get(request_conn(k->r)->local, &said->peer, &p);

	if (!e)
		json_array_append_new(
			k->rows, json_pack("{s:s, s:s, s:s, s:s}", "peer",
					   *p.name ? p.name : ID_SHORT(&p.key), "space", s->name,
					   "here_text", number_text(k->r, here), "announced_text",
					   number_text(k->r, said->entries)));
	error_free(e);
}

static struct error *look_at_space(void *ctx, const struct space_info *s)
{
	struct arriving *k = ctx;
	struct log_counts n;
	uint64_t most = 0, believed;

	if (s->is_private && !k->with_rows)
		return NULL;
	TRY(log_count(request_conn(k->r)->log, &s->id, &n));
	believed = n.entries * BELIEVED_TIMES + BELIEVED_LEAST;
	for (size_t i = 0; i < k->n; i++) {
		if (!hash_eq(&k->said[i].space, &s->id) || k->said[i].entries <= n.entries ||
		    k->said[i].entries > believed)
			continue;
		most = k->said[i].entries > most ? k->said[i].entries : most;
		if (k->with_rows)
			add_row(k, s, n.entries, &k->said[i]);
	}
	k->announced += most > n.entries ? most : n.entries;
	k->here += n.held < n.entries ? n.held : n.entries; /* a fork leaves more payloads than entries */
	return NULL;
}

/* Of each space what is announced most: when that is no more than all that is here, nothing comes. */
static uint64_t announced_in_all(const struct peers_announced *said, size_t n)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++) {
		bool most = true;

		for (size_t k = 0; k < n && most; k++)
			most = !hash_eq(&said[k].space, &said[i].space) ||
			       said[k].entries < said[i].entries ||
			       (said[k].entries == said[i].entries && k >= i);
		if (most && said[i].entries < UINT64_MAX / PEERS_ANNOUNCED)
			all += said[i].entries;
	}
	return all;
}

/* page.coming: so many messages of about so many are here. */
static struct error *put_coming(struct request *r, json_t *page, const struct coming *n)
{
	struct peers_announced *said =
		arena_array(request_arena(r), struct peers_announced, PEERS_ANNOUNCED);
	struct arriving k = {.r = r, .said = said, .rows = json_array()};
	json_t *o;
	struct error *e;

	k.n = peers_announced(request_app(r), said);
	if (!n->missing && announced_in_all(said, k.n) <= n->entries) {
		json_decref(k.rows);
		return NULL;
	}
	k.with_rows = strcmp(request_path(r), "/admin") == 0;
	e = space_each(request_conn(r), look_at_space, &k);
	if (e || (!n->missing && k.announced <= n->entries)) {
		json_decref(k.rows);
		return e;
	}
	o = json_pack("{s:I, s:I, s:I, s:s, s:s, s:o}", "missing", (json_int_t)n->missing, "entries",
		      (json_int_t)n->entries, "keep_days", (json_int_t)n->keep_days, "here_text",
		      number_text(r, k.here), "announced_text", number_text(r, k.announced), "rows",
		      k.rows);
	if (k.announced > n->entries) /* which may end without a commit */
		request_is_passing(r);
	json_object_set_new(page, "coming", o);
	return NULL;
}

struct error *coming_page_hook(struct request *r, json_t *page)
{
	struct coming n;

	if (!is_for(request_path(r)))
		return NULL;
	TRY(coming_count(request_app(r), request_conn(r), &n));
	if (strcmp(request_path(r), "/") == 0) {
		n.entries = n.open_entries;
		n.missing = n.open_missing;
	}
	if (!n.keep_days)
		return put_coming(r, page, &n);
	if (n.missing)
		json_object_set_new(page, "elsewhere",
				    json_pack("{s:I, s:I, s:I}", "missing", (json_int_t)n.missing,
					      "entries", (json_int_t)n.entries, "keep_days",
					      (json_int_t)n.keep_days));
	return NULL;
}
