/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The part of a run that is about files: blobs that are larger than this box keeps now, or of
 * spaces that it does not keep any more. As with messages, each goes only when another box has
 * proved at that moment that it holds every byte and keeps everything.
 */
#include "appliance/files/files.h"
#include "appliance/partial/partial_priv.h"
#include "appliance/peers/peers.h"

enum {
	FILES_OF_PASS = 64,
	BYTES_OF_PASS = 64 * 1024 * 1024, /* at least one file */
};

struct file_pass {
	struct partial_thread *t;
	struct partial_run run;
	struct loose_blob blobs[FILES_OF_PASS];
	bool safe[FILES_OF_PASS]; /* each proved */
	size_t n;
	int64_t row;
	bool end, answered;
	struct buf at; /* struct partial_at */
	const char *problem;
};

static struct error *gather(struct file_pass *p)
{
	uint64_t bytes = 0;

	p->row = p->run.file_row;
	while (p->n < FILES_OF_PASS && bytes < BYTES_OF_PASS) {
		struct loose_blob *l = &p->blobs[p->n];

		TRY(files_loose_before(p->t->conn, p->t->app->blobs,
				       p->row == INT64_MAX ? 0 : p->row, l));
		p->end = !l->num;
		if (p->end)
			return NULL;
		p->row = l->num;
		bytes += l->stored;
		p->n++;
	}
	return NULL;
}

/* --- proofs ----------------------------------------------------------------------------------- */

struct asking {
	struct file_pass *p;
	struct sync_keep at;
	int64_t proved;
};

static struct error *ask(struct asking *k, struct held_piece *pieces, size_t n)
{
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};
	struct hash nonce;

	env_random(k->at.env, nonce.b, sizeof(nonce.b));
	held_pieces_question(&nonce, pieces, n, &question);
	TRY(sync_held(&k->at, buf_span(&question), &answer));
	k->p->answered = true;
	return held_pieces_weigh(secret_pubkey(k->at.self), &k->at.peer, k->p->t->app->blobs,
				 &nonce, pieces, n, buf_span(&answer));
}

/* A file that is larger than one question takes is proved in pieces, one after the other. */
static struct error *ask_large(struct asking *k, const struct loose_blob *l, bool *ret)
{
	for (uint64_t at = 0; at < l->stored; at += HELD_BYTES) {
		uint64_t left = l->stored - at;
		struct held_piece piece = {.what = {l->blob, at, left}};

		if (left > HELD_BYTES)
			piece.what.n = HELD_BYTES;
		TRY(ask(k, &piece, 1));
		if (!piece.held)
			return NULL;
	}
	*ret = true;
	return NULL;
}

/* Several small ones at once; one that is damaged over there must not speak for the others. */
static struct error *ask_small(struct asking *k, const size_t *which, size_t n)
{
	struct held_piece pieces[FILES_OF_PASS];
	struct file_pass *p = k->p;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const struct loose_blob *l = &p->blobs[which[i]];

		pieces[i] = (struct held_piece){.what = {l->blob, 0, l->stored}};
	}
	TRY(ask(k, pieces, n));
	for (size_t i = 0; i < n; i++) {
		p->safe[which[i]] = pieces[i].held;
		any |= pieces[i].held;
	}
	for (size_t i = 0; !any && n > 1 && i < n; i++)
		TRY(ask_large(k, &p->blobs[which[i]], &p->safe[which[i]]));
	return NULL;
}

static bool shared(void *ctx, const struct hash *space)
{
	const struct asking *k = ctx;

	return peers_ways(k->p->t->app, &k->at.peer, space) & PEER_GIVE;
}

/* Blobs of a private space are named to no box that it did not admit. */
static struct error *ask_all(struct asking *k)
{
	struct file_pass *p = k->p;
	size_t which[FILES_OF_PASS], n = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct loose_blob *l = &p->blobs[i];

		if (p->safe[i] || !files_names_blob(p->t->conn, &l->blob, shared, k))
			continue;
		if (l->stored > HELD_BYTES / 4) {
			TRY(ask_large(k, l, &p->safe[i]));
			continue;
		}
		if (bytes + l->stored > HELD_BYTES) {
			TRY(ask_small(k, which, n));
			bytes = n = 0;
		}
		which[n++] = i;
		bytes += l->stored;
	}
	return n ? ask_small(k, which, n) : NULL;
}

static int64_t safe_files(const struct file_pass *p)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->safe[i];
	return n;
}

static struct error *ask_peer(void *ctx, const struct peer *peer)
{
	struct asking *k = ctx;
	_cleanup_(proxy_wipe) struct proxy proxy = {.url = ""};
	char address[PEER_ADDRESS];
	int64_t before = safe_files(k->p), proved;
	struct error *e = NULL;

	if (!partial_may_ask(k->p->t, peer))
		return NULL;
	k->at.peer = peer->key;
	e = peers_reach_at(k->p->t->app, k->p->t->conn, &peer->key, address, sizeof(address));
	if (!e)
		e = peers_proxy(k->p->t->app, k->p->t->conn, &peer->key, &proxy);
	k->at.address = address;
	k->at.proxy = &proxy;
	if (!e)
		e = ask_all(k);
	error_free(e); /* another may answer; when none does, the run waits */
	proved = safe_files(k->p) - before;
	if (proved)
		buf_add(&k->p->at, &(struct partial_at){.box = peer->key, .files = proved},
			sizeof(struct partial_at));
	return NULL;
}

static struct error *prove(struct file_pass *p)
{
	struct app *a = p->t->app;
	struct asking k = {
		.p = p,
		.at = {.line = a->sync,
		       .env = a->env,
		       .self = a->self,
		       .name = a->name,
		       .ending = &a->ending}};

	if (!p->n)
		return NULL;
	TRY(peer_each(p->t->conn->local, ask_peer, &k));
	if (!p->answered)
		p->problem = PARTIAL_NOBODY;
	return NULL;
}

/* --- what came of it, on the writer ----------------------------------------------------------- */

static struct error *count(struct conn *c, struct file_pass *p, struct partial_run *r)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct loose_blob *l = &p->blobs[i];
		bool counts = p->safe[i];

		r->files++;
		r->file_bytes += (int64_t)l->stored;
		if (counts && r->state == PARTIAL_LETTING_GO)
			TRY(files_let_go(c, p->t->app->blobs, l, &counts));
		r->safe_files += counts;
		r->safe_file_bytes += counts ? (int64_t)l->stored : 0;
	}
	return NULL;
}

static struct error *record_job(struct conn *c, void *arg)
{
	struct file_pass *p = arg;
	struct partial_run r;
	bool same;

	TRY(run_resume(c, &p->run, p->problem, &r, &same));
	if (!same)
		return NULL;
	if (p->problem)
		return run_set(c, &r);
	TRY(count(c, p, &r));
	TRY(run_add_at(c, &p->at));
	r.file_row = p->row;
	if (p->end) {
		r.state = r.state == PARTIAL_LOOKING ? PARTIAL_LOOKED : PARTIAL_DONE;
		r.ended_ms = env_now(c->env);
		if (r.safe_files && r.state == PARTIAL_DONE)
			TRY(community_repaint(c));
	}
	return run_set(c, &r);
}

struct error *files_pass(struct partial_thread *t, const struct partial_run *run, bool *ret_wait)
{
	struct file_pass p = {.t = t, .run = *run};
	struct error *e = gather(&p);

	if (!e)
		e = prove(&p);
	if (!e)
		e = writer_run_tidying(t->app->writer, record_job, &p);
	buf_release(&p.at);
	*ret_wait |= p.end || p.problem;
	return e;
}
