/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/carry_receipt.h"
#include "appliance/peers/peers.h"
#include "sync/replicate/heads.h"

struct signing {
	struct app *app;
	struct conn *conn;
	struct sync_host host;
	struct arena arena;
	struct receipt_body body;
};

/* Of a space that the file brought and nobody here follows there is nothing to say. */
static struct error *weigh_spaces(struct signing *s)
{
	struct receipt_body *b = &s->body;
	size_t kept = 0;

	for (size_t i = 0; i < b->n_spaces; i++) {
		struct receipt_space row = b->spaces[i];
		struct log_counts n;
		struct space_digest ours;

		TRY(log_count(s->conn->log, &row.space, &n));
		if (!n.logs)
			continue;
		if (b->kind == RECEIPT_TAKEN) {
			TRY(heads_space_digest(s->conn->log, &row.space, &ours));
			row.heads[ASKER] = ours.heads;
			memcpy(row.missing[ASKER], ours.missing, 16);
		}
		if (s->host.conflicts)
			row.conflicts = s->host.conflicts(s->host.ctx, &row.space);
		b->spaces[kept++] = row;
	}
	b->n_spaces = kept;
	return NULL;
}

static struct error *write_signed(struct sync_writing *w, void *arg)
{
	return receipt_put_signed(w->local, arg);
}

/* Under the key of a box that is not approved here nothing is filed: who invents keys must not push
 * the others' out. */
static struct error *file_under(struct signing *s, struct pubkey *ret)
{
	struct peer p;
	struct error *e = peer_get(s->conn->local, &s->body.box[ANSWERER], &p);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	*ret = p.key;
	return NULL;
}

static struct error *sign_and_keep(struct signing *s, struct hash *ret_id)
{
	struct receipt_signed paper = {.when_ms = s->body.clock_ms[ASKER]};
	_cleanup_(buf_release) struct buf bytes = {0};

	TRY(weigh_spaces(s));
	TRY(file_under(s, &paper.peer));
	receipt_write(&s->body, &bytes);
	memcpy(paper.exchange, s->body.exchange, sizeof(paper.exchange));
	paper.bytes[ASKER] = buf_span(&bytes);
	paper.sig[ASKER] = receipt_sign(s->app->self, paper.bytes[ASKER]);
	TRY(s->host.write(s->host.ctx, write_signed, &paper));
	*ret_id = receipt_id(paper.bytes[ASKER]);
	return NULL;
}

struct hash carry_receipt(struct app *a, struct conn *c, enum receipt_kind kind,
			  const struct pubkey *other, struct wire_tally *tally,
			  const struct sync_report *r)
{
	struct signing s = {.app = a, .conn = c, .host = peers_host(a), .body = {.kind = kind}};
	struct hash id = {{0}};
	struct error *e;

	s.body.box[ASKER] = *secret_pubkey(a->self);
	s.body.box[ANSWERER] = *other;
	s.body.clock_ms[ASKER] = env_now(a->env);
	env_random(a->env, s.body.exchange, sizeof(s.body.exchange));
	receipt_of_tally(tally, r, &s.arena, &s.body);
	e = sign_and_keep(&s, &id);
	arena_release(&s.arena);
	error_free(e);
	return id;
}
