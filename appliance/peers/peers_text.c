/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What moved in an exchange, in words. */
#include "appliance/peers/peers.h"

struct words {
	error_translate_fn *translate;
	void *ctx;
	struct arena *arena;
	const char **out;
	size_t n;
};

/* One sentence; the error type already knows how to fill and translate one. */
static void say(struct words *w, struct error *sentence)
{
	char text[600];

	if (w->n < PEERS_SENTENCES)
		w->out[w->n++] = arena_str(
			w->arena, error_text(sentence, w->translate, w->ctx, text, sizeof(text)));
	error_free(sentence);
}

static const char *number(struct words *w, uint64_t n)
{
	return arena_printf(w->arena, "%llu", (unsigned long long)n);
}

static void say_moved(struct words *w, const struct sync_report *r)
{
	if (r->received == 1)
		say(w, error_new(ERR_INTERNAL, N_("Received one new entry.")));
	else if (r->received)
		say(w, error_new(ERR_INTERNAL, N_("Received %s new entries."),
				 number(w, r->received)));
	if (r->sent == 1)
		say(w, error_new(ERR_INTERNAL, N_("Sent one entry.")));
	else if (r->sent)
		say(w, error_new(ERR_INTERNAL, N_("Sent %s entries."), number(w, r->sent)));
	if (r->filled == 1)
		say(w, error_new(ERR_INTERNAL, N_("Received one content that was missing here.")));
	else if (r->filled)
		say(w, error_new(ERR_INTERNAL, N_("Received %s contents that were missing here."),
				 number(w, r->filled)));
	if (!r->received && !r->sent && !r->filled && r->equal)
		say(w, error_new(ERR_INTERNAL, N_("Nothing new on either side.")));
}

/* Was that said already, of another log of the same box? */
static bool is_said(const struct sync_report *r, size_t i)
{
	const struct refusal *f = &r->refused[i], *g;

	for (g = r->refused; g < f; g++)
		if (g->why == f->why && g->by_peer == f->by_peer &&
		    pubkey_eq(&g->id.appliance, &f->id.appliance))
			return true;
	return false;
}

static void say_refused(struct words *w, const struct sync_report *r)
{
	for (size_t i = 0; i < r->refusals && i < REPORT_REFUSALS; i++) {
		const struct refusal *f = &r->refused[i];

		if (f->why == ERR_NOT_ADMITTED || is_said(r, i))
			continue;
		if (!pubkey_is_zero(&f->id.appliance)) /* else a whole space is meant */
			say(w, error_new(f->why, refusal_msgid(f->why, f->by_peer),
					 ID_SHORT(&f->id.appliance)));
		else if (f->by_peer)
			say(w, error_new(f->why, N_("Of one space or more they took nothing.")));
		else
			say(w, error_new(f->why, N_("Of one space or more of theirs nothing was taken.")));
	}
}

static void say_troubles(struct words *w, const struct sync_report *r)
{
	if (r->not_admitted == 1)
		say(w, error_new(ERR_INTERNAL,
				 N_("One log waits, because its box is not admitted here.")));
	else if (r->not_admitted)
		say(w, error_new(ERR_INTERNAL,
				 N_("%s logs wait, because their boxes are not admitted here."),
				 number(w, r->not_admitted)));
	if (r->forks == 1)
		say(w, error_new(ERR_INTERNAL,
				 N_("A log contradicts itself and is frozen; the proof is kept.")));
	else if (r->forks)
		say(w,
		    error_new(
			    ERR_INTERNAL,
			    N_("%s logs contradict themselves and are frozen; the proof is kept."),
			    number(w, r->forks)));
	if (r->new_incarnation)
		say(w, error_new(ERR_INTERNAL,
				 N_("This box was an older copy of itself. It has begun a"
				    " new log; nothing was lost.")));
	if (r->cut)
		say(w, error_new(ERR_INTERNAL,
				 N_("The connection broke off; the rest comes next time.")));
	say_refused(w, r);
}

size_t peers_report_sentences(const struct sync_report *r, error_translate_fn *translate, void *ctx,
			      struct arena *arena, const char *out[PEERS_SENTENCES])
{
	struct words w = {translate, ctx, arena, out, 0};

	say_moved(&w, r);
	say_troubles(&w, r);
	if (r->equal)
		say(&w, error_new(ERR_INTERNAL, N_("Both boxes hold the same now.")));
	else
		say(&w, error_new(ERR_INTERNAL, N_("The boxes do not hold the same yet.")));
	return w.n;
}

const char *peers_report_text(const struct sync_report *r, error_translate_fn *translate, void *ctx,
			      struct arena *arena)
{
	const char *sentences[PEERS_SENTENCES], *all = "";
	size_t n = peers_report_sentences(r, translate, ctx, arena, sentences);

	for (size_t i = 0; i < n; i++)
		all = arena_printf(arena, "%s%s%s", all, i ? " " : "", sentences[i]);
	return all;
}

struct sync_report peers_settled(struct db *local, const struct receipt *x, struct arena *arena)
{
	struct sync_report r = x->report;
	struct receipt_signed s;
	struct receipt_body body;
	struct error *e;

	if (x->state != RECEIPT_AGREED)
		return r;
	e = receipt_get_signed(local, &x->id, arena, &s);
	if (!e)
		e = receipt_read(s.bytes[ASKER], arena, &body);
	if (!e)
		r.equal = receipt_equal(&body);
	error_free(e);
	return r;
}

void peers_receipt_link(json_t *row, const struct receipt *x)
{
	char url[sizeof("/admin/receipts/") + BASE32_KEY_LEN];

	json_object_set_new(row, "agreed", json_boolean(x->state == RECEIPT_AGREED));
	json_object_set_new(row, "alone", json_boolean(x->state == RECEIPT_ALONE));
	json_object_set_new(row, "disputed", json_boolean(x->state == RECEIPT_DISPUTED));
	snprintf(url, sizeof(url), "/admin/receipts/%s", ID(&x->id));
	json_object_set_new(row, "receipt_url",
			    x->state == RECEIPT_UNSIGNED ? json_null() : json_string(url));
}

void peers_key_start(const struct pubkey *key, char out[PEERS_KEY_START])
{
	struct id_text text = id_text(key);

	snprintf(out, PEERS_KEY_START, "%.4s %.4s %.4s %.4s", text.s, text.s + 4, text.s + 8,
		 text.s + 12);
}
