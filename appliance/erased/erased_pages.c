/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/erased/erased_pages.h"
#include "appliance/erased/erased.h"
#include "appliance/files/files.h"
#include "appliance/recovery/recovery.h"

/* A box that is expected to say something. */
struct expected {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	int64_t gone_ms, receipt_ms, heard_ms, removed_ms;
	bool reads, peer; /* it may not write there; it is connected with this box */
};

struct listing {
	struct request *r;
	struct hash target;
	struct erased_op op;
	struct expected *boxes;
	size_t n, cap;
	int64_t backups; /* places where a whole backup of this box still holds it */
};

static struct expected *box_of(struct listing *l, const struct pubkey *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (pubkey_eq(&l->boxes[i].key, key))
			return &l->boxes[i];
	if (l->n == l->cap)
		return NULL;
	l->boxes[l->n].key = *key;
	return &l->boxes[l->n++];
}

static struct error *add_admitted(void *ctx, const struct admitted *a)
{
	struct expected *b = box_of(ctx, &a->key);

	if (!b)
		return NULL;
	snprintf(b->name, sizeof(b->name), "%s", a->name);
	b->reads = !a->write;
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct expected *b = box_of(ctx, &p->key);

	/* Admitted before its name was known, it goes by the first letters of its key. */
	if (b && p->name[0] && (!b->name[0] || !strcmp(b->name, ID_SHORT(&b->key))))
		snprintf(b->name, sizeof(b->name), "%s", p->name);
	if (b) {
		b->heard_ms = p->last_ok_ms;
		b->peer = true;
	}
	return NULL;
}

static struct error *add_gone(void *ctx, const struct erased_at *at)
{
	struct expected *b = box_of(ctx, &at->box);

	if (b)
		b->gone_ms = at->time;
	return NULL;
}

/* Of a house that was disconnected, and belongs to the space still: its name then, and when that was. */
static struct error *add_former(void *ctx, const struct former *f)
{
	struct listing *l = ctx;

	for (size_t i = 0; i < l->n; i++) {
		struct expected *b = &l->boxes[i];

		if (!pubkey_eq(&b->key, &f->key) || b->heard_ms || b->removed_ms)
			continue;
		if (*f->name && (!*b->name || !strcmp(b->name, ID_SHORT(&b->key))))
			snprintf(b->name, sizeof(b->name), "%s", f->name);
		b->removed_ms = f->removed_ms;
	}
	return NULL;
}

/* A box that only reads: both signed, after it was erased here, that they hold the same there. */
static struct error *add_receipts(struct listing *l)
{
	const struct expected *own = box_of(l, secret_pubkey(request_app(l->r)->self));

	for (size_t i = 0; own && own->gone_ms && i < l->n; i++)
		if (!l->boxes[i].gone_ms)
			TRY(erased_by_receipt(request_conn(l->r), &l->op.space, &l->boxes[i].key,
					      own->gone_ms, &l->boxes[i].receipt_ms));
	return NULL;
}

static struct error *add_backup(void *ctx, const struct place *p)
{
	struct listing *l = ctx;
	struct expected *own = box_of(l, secret_pubkey(request_app(l->r)->self));

	/* (A box that only reads here never says that it is gone.) */
	if (p->whole_ms && p->forgot_ms < (own && own->gone_ms ? own->gone_ms : l->op.erased_ms))
		l->backups++;
	return NULL;
}

static struct error *collect(struct listing *l)
{
	struct conn *c = request_conn(l->r);

	l->cap = LIMIT_PEERS + 1000;
	l->boxes = arena_array(request_arena(l->r), struct expected, l->cap);
	TRY(admitted_each(c, &l->op.space, add_admitted, l));
	TRY(peer_each(c->local, add_peer, l));
	TRY(erased_where(c, &l->target, add_gone, l));
	/* That it was disconnected, and when, is the volunteers' affair. */
	if (request_viewer(l->r) && request_viewer(l->r)->volunteer)
		TRY(former_each(c->local, add_former, l));
	TRY(place_each(c, add_backup, l));
	return add_receipts(l);
}

/* --- the page --------------------------------------------------------------------------------- */

static struct error *not_erased(void)
{
	return error_new(ERR_NOT_FOUND, N_("Nothing with this address was erased here."));
}

static struct error *may_see(struct listing *l)
{
	const struct viewer *v = request_viewer(l->r);
	enum role role = ROLE_NONE;

	/* Who was removed from a private space does not hear which boxes it has now. */
	ENSURE(conn_sees(request_conn(l->r), &l->op.space), not_erased());
	if (v)
		TRY(role_now(request_conn(l->r), &l->op.space, &v->key, &role));
	ENSURE(role >= ROLE_MODERATOR || (v && pubkey_eq(&v->key, &l->op.author)),
	       error_new(v ? ERR_DENIED : ERR_AUTH,
			 N_("Only who wrote it and the moderators can see where it is gone.")));
	return NULL;
}

static json_t *box_json(struct listing *l, const struct expected *b)
{
	struct request *r = l->r;
	bool own = pubkey_eq(&b->key, secret_pubkey(request_app(r)->self));
	int64_t when = b->gone_ms ? b->gone_ms : b->receipt_ms;
	json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "name",
				own && !b->name[0] ? request_app(r)->name
				: b->name[0]	   ? b->name
						   : ID_SHORT(&b->key),
				"key", ID(&b->key), "short", ID_SHORT(&b->key), "own", own,
				"by_receipt", !b->gone_ms && b->receipt_ms, "former", b->removed_ms != 0,
				"unheard", b->reads && !b->peer && !own && !when);

	if (!when)
		when = b->removed_ms ? b->removed_ms : b->heard_ms;
	json_object_set_new(row, "date", when ? json_string(request_date(r, when)) : json_null());
	json_object_set_new(row, "date_text",
			    when ? json_string(request_date_text(r, when)) : json_null());
	return row;
}

/* Was it a version of a file? Else it is called a message. */
static bool is_file(struct listing *l)
{
	struct hash object, space;
	struct file f;
	struct error *e = object_of_op(request_conn(l->r), &l->target, &object, &space);

	if (!e)
		e = file_get(request_conn(l->r), request_arena(l->r), &object, &f);
	if (!e)
		return true;
	error_free(e);
	return false;
}

static struct error *erased_page(struct request *r)
{
	struct listing l = {.r = r};
	json_t *gone, *waiting;

	ENSURE(id_parse(request_param(r, "id"), l.target.b), not_erased());
	TRY(erased_get(request_conn(r), &l.target, &l.op));
	TRY(may_see(&l));
	TRY(collect(&l));
	gone = json_array();
	waiting = json_array();
	for (size_t i = 0; i < l.n; i++)
		json_array_append_new(l.boxes[i].gone_ms || l.boxes[i].receipt_ms ? gone : waiting,
				      box_json(&l, &l.boxes[i]));
	return respond_page(r, "erased", request_text(r, N_("Where it is gone")),
			    json_pack("{s:o, s:o, s:s, s:s, s:i, s:I, s:b}", "gone", gone, "waiting", waiting,
				      "date", request_date(r, l.op.erased_ms), "date_text",
				      request_date_text(r, l.op.erased_ms), "count",
				      (int)json_array_size(gone), "backups", (json_int_t)l.backups, "file",
				      is_file(&l)));
}

const struct route erased_routes[] = {
	{"GET", "/erased/:id", erased_page, 0},
	{0},
};
