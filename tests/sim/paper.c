/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Receipts: after an exchange both ends count, sign and keep. */
#include "tests/sim/world.h"
#include "sync/peer/receipt_talk.h"

struct desk {
	struct world *w;
	int box;
	bool failed; /* the box's disk, and the box is down or without room */
};

static struct error *desk_write(void *ctx, sync_write_fn *fn, void *arg)
{
	struct desk *d = ctx;
	struct error *err = world_write(d->w, d->box, fn, arg);

	d->failed = err != NULL;
	return err;
}

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct desk *d = ctx;

	return box_shares(d->w, d->box, peer, space);
}

static struct error *write_signed(struct sync_writing *w, void *arg)
{
	return receipt_put_signed(w->local, arg);
}

static void say_dispute(struct world *w, const struct receipt_signed *s, struct arena *a)
{
	struct receipt_body b[2];

	for (int i = 0; i < 2; i++) {
		NEED(&w->s, receipt_read(s->bytes[i], a, &b[i]));
		sim_say(&w->s,
			"%s: bytes %llu %llu new %llu %llu filled %llu %llu spaces %zu refusals "
			"%zu clock %lld",
			i ? "answerer" : "asker", (unsigned long long)b[i].bytes[0],
			(unsigned long long)b[i].bytes[1], (unsigned long long)b[i].fresh[0],
			(unsigned long long)b[i].fresh[1], (unsigned long long)b[i].filled[0],
			(unsigned long long)b[i].filled[1], b[i].n_spaces, b[i].n_refusals,
			(long long)b[i].clock_ms[1]);
		for (size_t k = 0; k < b[i].n_spaces; k++) {
			const struct receipt_space *r = &b[i].spaces[k];

			sim_say(&w->s, "  %s heads %s %s entries %llu %llu forks %u %u",
				ID_SHORT(&r->space), ID_SHORT(&r->heads[0]), ID_SHORT(&r->heads[1]),
				(unsigned long long)r->entries[0],
				(unsigned long long)r->entries[1], r->forks[0], r->forks[1]);
		}
		for (size_t k = 0; k < b[i].n_refusals; k++)
			sim_say(&w->s, "  refused by %u: %s %s", b[i].refusals[k].by,
				ID_SHORT(&b[i].refusals[k].id.appliance),
				error_name(b[i].refusals[k].why));
	}
}

static void keep_paper(struct world *w, const struct paper_of *p, const struct receipt_signed *s)
{
	struct paper *all = realloc(w->papers, (w->n_papers + 1) * sizeof(*all));

	if (!all)
		abort();
	w->papers = all;
	all[w->n_papers++] =
		(struct paper){.id = receipt_id(s->bytes[ASKER]),
			       .box = {p->client, p->server},
			       .lives = {w->at[p->client].lives, w->at[p->server].lives}};
	w->tally.receipts++;
}

bool paper_sign(struct world *w, const struct paper_of *p)
{
	_cleanup_(arena_release) struct arena a = {0};
	_cleanup_(buf_release) struct buf claim = {0}, answer = {0};
	struct box *client = &w->s.box[p->client], *server = &w->s.box[p->server];
	struct desk here = {w, p->client, false}, there = {w, p->server, false};
	struct sync_host asks = {.ctx = &here, .write = desk_write},
			 answers = {.ctx = &there, .write = desk_write};
	struct receipt_asking q = {.host = &asks,
				   .self = client->key,
				   .peer = *secret_pubkey(server->key),
				   .env = &client->env.env,
				   .exchange = p->exchange,
				   .tally = p->asked,
				   .report = p->report};
	struct receipt_weighing weighing = {.self = secret_pubkey(server->key),
					    .peer = secret_pubkey(client->key),
					    .now_ms = env_now(&server->env.env),
					    .tally = p->answered,
					    .log = server->c->log,
					    .ctx = &there,
					    .shares = shares};
	struct receipt_signed s;
	struct error *err;

	receipt_claim(&q, &a, &s, &claim);
	err = receipt_answer(&weighing, server->key, &answers, p->exchange, buf_span(&claim),
			     &answer);
	if (err && there.failed) {
		world_disk_failed(&w->s, p->server, err);
		return false;
	}
	NEED(&w->s, err);
	NEED(&w->s, receipt_take_answer(&q, buf_span(&answer), &a, &s));
	err = desk_write(&here, write_signed, &s);
	if (err) {
		world_disk_failed(&w->s, p->client, err);
		return false;
	}
	if (receipt_state_of(&s) == RECEIPT_AGREED) {
		keep_paper(w, p, &s);
	} else if (p->whole) {
		say_dispute(w, &s, &a);
		sim_die(&w->s, "two honest boxes do not agree on a receipt", NULL, __FILE__,
			__LINE__);
	}
	return true;
}

/* --- the end: the same paper in both houses --- */
static bool has_paper(struct world *w, const struct paper *p, int end)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct receipt_signed s;
	struct error *err = receipt_get_signed(w->s.box[p->box[end]].c->local, &p->id, &a, &s);

	if (error_is(err, ERR_NOT_FOUND)) {
		error_free(err);
		return false;
	}
	NEED(&w->s, err);
	for (int i = 0; i < 2; i++) {
		const struct pubkey *who = secret_pubkey(w->s.box[p->box[i]].key);

		if (!s.bytes[i].p || !receipt_signed_by(who, s.bytes[i], &s.sig[i]))
			return false;
	}
	return receipt_state_of(&s) == RECEIPT_AGREED && s.by_peer == (end == ANSWERER);
}

void papers_check(struct world *w)
{
	/* (more of them than are kept push the oldest out) */
	for (size_t i = 0; i < w->n_papers && w->n_papers < PEER_RECEIPTS; i++) {
		const struct paper *p = &w->papers[i];

		for (int end = 0; end < 2; end++) {
			if (w->at[p->box[end]].lives != p->lives[end] || has_paper(w, p, end))
				continue;
			sim_say(&w->s, "box %d has no receipt %s of box %d and box %d", p->box[end],
				ID_SHORT(&p->id), p->box[0], p->box[1]);
			sim_die(&w->s, "a receipt that was signed is lost", NULL, __FILE__,
				__LINE__);
		}
	}
}
