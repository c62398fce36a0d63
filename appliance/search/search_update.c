/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How the index follows the rows of forum/ and library/. One call does one kind of thing: first
 * what changed, so that nothing gone is found; then merging, so that nothing erased stays; then
 * what is new. */
#include "appliance/search/search_priv.h"
#include "appliance/forum/forum.h"
#include "appliance/library/library.h"
#include "appliance/page/markdown.h"

enum { BATCH_BYTES = 512 * 1024 };

struct take {
	struct conn *c;
	struct topic topic; /* of the newest post in hand */
	int64_t only;	    /* != 0: this post, no other */
	int64_t last;	    /* post.num */
	size_t posts, bytes;
	bool full;
	struct buf words, plain;
};

static void take_release(struct take *t)
{
	buf_release(&t->words);
	buf_release(&t->plain);
}

static const char *plain(struct take *t, const char *markdown)
{
	buf_clear(&t->words);
	buf_clear(&t->plain);
	markdown_text(span_str(markdown), &t->words);
	words_plain(buf_span(&t->words), &t->plain);
	t->bytes += strlen(markdown);
	return buf_str(&t->plain);
}

/* --- posts ------------------------------------------------------------------------------------ */

static struct error *take_post(void *ctx, const struct post *p)
{
	struct take *t = ctx;

	if (t->only && p->num != t->only)
		return NULL;
	if (t->bytes > BATCH_BYTES) {
		t->full = true;
		return error_new(ERR_LIMIT, N_("Enough for now."));
	}
	if (!hash_eq(&t->topic.id, &p->topic))
		TRY(topic_get(t->c, &p->topic, &t->topic));
	if (!p->hidden && !p->erased && !t->topic.hidden)
		TRY(row_put(t->c, p->num, p->number == 1 ? t->topic.title : "", plain(t, p->text)));
	t->last = p->num;
	t->posts++;
	return NULL;
}

static struct error *new_posts(struct conn *c, int64_t after, size_t max, bool *ret_more)
{
	_cleanup_(take_release) struct take t = {.c = c, .last = after};
	struct error *e = post_since(c, after, (int64_t)max, take_post, &t);

	if (t.full) {
		error_free(e);
		e = NULL;
	}
	TRY(e);
	*ret_more = t.full || t.posts == max;
	return t.last > after ? state_last(c, t.last) : NULL;
}

/* --- documents -------------------------------------------------------------------------------- */

struct heads {
	struct take *take;
	struct buf *text;
};

static struct error *add_head(void *ctx, const struct revision *r)
{
	struct heads *h = ctx;

	if (h->text->n)
		buf_putc(h->text, ' ');
	buf_puts(h->text, plain(h->take, r->text));
	return NULL;
}

static struct error *take_doc(struct take *t, struct arena *a, const struct hash *id)
{
	_cleanup_(buf_release) struct buf text = {0};
	struct heads h = {t, &text};
	struct error *e;
	struct doc d;
	int64_t row;

	TRY(row_of_doc(t->c, id, &row));
	TRY(row_drop(t->c, row));
	e = doc_get(t->c, a, id, &d);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (d.hidden)
		return NULL;
	TRY(revision_each(t->c, a, &d, true, add_head, &h));
	return row_put(t->c, row, d.title, buf_str(&text));
}

/* --- all together ----------------------------------------------------------------------------- */

static struct error *take_changed(struct conn *c, const struct changed *ch)
{
	_cleanup_(take_release) struct take t = {.c = c};
	_cleanup_(arena_release) struct arena a = {0};

	for (size_t i = 0; i < ch->nposts; i++) {
		TRY(row_drop(c, ch->posts[i]));
		t.only = ch->posts[i];
		t.bytes = 0;
		TRY(post_since(c, t.only - 1, 1, take_post, &t));
	}
	for (size_t i = 0; i < ch->ndocs; i++)
		TRY(take_doc(&t, &a, &ch->docs[i]));
	return changed_done(c, ch);
}

static struct error *merge(struct conn *c, enum erasing now)
{
	bool done;

	TRY(rows_merge(c, now == ERASED_ASKED, &done));
	if (done)
		conn_scrub_later(c);
	return state_erasing(c, done ? ERASED_NOTHING : ERASED_MERGING);
}

static struct error *busy(void)
{
	return error_new(ERR_BUSY, N_("The pages are just being made anew. Try again soon."));
}

struct error *search_update(struct conn *c, size_t max, bool *ret_more)
{
	struct search_state s;
	struct changed ch;

	/* A view that a full disk kept from following: what is taken in now would be lost, too, and
	 * begun again without end. */
	ENSURE(!conn_lacks(c), busy());
	TRY(state_get(c, &s));
	*ret_more = true;
	if (s.changed) {
		TRY(changed_get(c, &ch));
		return take_changed(c, &ch);
	}
	if (s.erasing != ERASED_NOTHING)
		return merge(c, s.erasing);
	/* Topics that are to be folded again get their posts anew: what goes does not wait for that. */
	ENSURE(!conn_is_behind(c), busy());
	return new_posts(c, s.last, max, ret_more);
}

struct error *search_catch_up(struct conn *c)
{
	bool more = true;

	while (more) {
		struct error *e = conn_begin(c);

		if (!e)
			e = search_update(c, 500, &more);
		if (!e)
			e = conn_commit(c);
		if (e)
			conn_rollback(c);
		TRY(e);
		TRY(conn_scrub(c));
	}
	return NULL;
}

struct error *search_behind(struct conn *c, bool *ret)
{
	struct search_state s;
	int64_t newest;

	TRY(state_get(c, &s));
	TRY(post_newest(c, &newest));
	*ret = s.changed || s.erasing != ERASED_NOTHING || newest > s.last;
	return NULL;
}
