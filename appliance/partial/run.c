/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The thread of a partial box. A pass gathers what falls out on the writer, has other boxes prove
 * that they hold it (the writer is free meanwhile), and lets go of what was proved in one
 * transaction, with how far it is: killed at any moment it goes on there, and does nothing twice.
 *
 *   NO_RUN -> LOOKING -> LOOKED -> LETTING_GO -> DONE
 *               (a volunteer asks)   (and confirms)
 */
#include "appliance/partial/partial_priv.h"
#include "appliance/partial/strangers.h"
#include "appliance/peers/peers.h"

enum {
	QUIET_MS = 2000,
	LOOK_MS = 60000,	 /* what waits is tried again */
	AFRESH_MS = 3600 * 1000, /* what is still needed is looked through anew */
	CROWDED_MS = 300000,	 /* who brings strangers' spaces without end keeps the writer so busy */
	VISIT = 300,		 /* objects of one pass */
};

void pass_release(struct pass *p)
{
	buf_release(&p->ops);
	buf_release(&p->at);
	free(STEAL(p->safe));
}

/* --- gathering, on the writer ----------------------------------------------------------------- */

static struct error *add_loose(void *ctx, const struct loose_op *op)
{
	buf_add(ctx, op, sizeof(*op));
	return NULL;
}

/* What falls out of one object, put behind the others. */
static struct error *gather_object(struct conn *c, struct pass *p, bool *ret_more)
{
	_cleanup_(buf_release) struct buf own = {0};
	struct loose_op *ops;
	int64_t since = keep_since(&p->run.keep, c->env), row;
	bool ruled, kept = true;
	size_t n;

	TRY(loose_next(c, p->row, add_loose, &own, &row, &ruled));
	*ret_more = row != 0;
	if (!row)
		return NULL;
	p->row = row;
	n = own.n / sizeof(*ops);
	ops = (struct loose_op *)(void *)own.p;
	if (n)
		TRY(partial_keeps_space(c, &ops[0].space, &kept));
	n = choice_falls_out(ops, n, kept ? since : INT64_MAX, ruled);
	buf_add(&p->ops, ops, n * sizeof(*ops));
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct loose_op *x = a, *y = b;
	int d = log_id_cmp(&x->log, &y->log);

	return d ? d : (x->seq > y->seq) - (x->seq < y->seq);
}

struct error *pass_gather(struct conn *c, void *arg)
{
	struct pass *p = arg;
	struct keep now;
	bool more = true;

	TRY(partial_run_get(c, &p->run));
	TRY(partial_choice(c, &now));
	p->idle = p->run.state != PARTIAL_LOOKING && p->run.state != PARTIAL_LETTING_GO;
	if (p->idle)
		return NULL;
	if (!keep_eq(&p->run.keep, &now)) {
		p->idle = true;
		return partial_stop(c);
	}
	p->files = p->run.file_row != 0;
	if (p->files)
		return NULL;
	p->row = p->run.row;
	for (int i = 0; more && i < VISIT && pass_n(p) < HELD_ENTRIES; i++)
		TRY(gather_object(c, p, &more));
	p->end = !more;
	if (pass_n(p))
		qsort(p->ops.p, pass_n(p), sizeof(struct loose_op), by_place);
	p->safe = calloc(pass_n(p) + 1, sizeof(*p->safe));
	if (!p->safe)
		abort();
	return NULL;
}

/* --- proofs ----------------------------------------------------------------------------------- */

struct asking {
	struct partial_thread *t;
	struct pass *p;
	struct sync_keep at;
	size_t first, n; /* of the pass's ops: so many are asked about at once */
	int64_t proved;
};

/* Of a slice of the ops those that nobody has proved yet; `which` says which they are. */
static size_t unproved(const struct asking *k, struct held_entry *e, size_t *which)
{
	size_t n = 0;

	for (size_t i = k->first; i < k->first + k->n; i++) {
		/* a private space is named to no box that it did not admit */
		if (k->p->safe[i] ||
		    !(peers_ways(k->t->app, &k->at.peer, &pass_ops(k->p)[i].space) & PEER_GIVE))
			continue;
		which[n] = i;
		e[n++] = (struct held_entry){.id = pass_ops(k->p)[i].log, .seq = pass_ops(k->p)[i].seq};
	}
	return n;
}

static struct error *ask_slice(struct asking *k)
{
	_cleanup_(freep) struct held_entry *e = calloc(k->n + 1, sizeof(*e));
	_cleanup_(freep) size_t *which = calloc(k->n + 1, sizeof(*which));
	_cleanup_(buf_release) struct buf question = {0}, answer = {0};
	struct hash nonce;
	size_t n;

	if (!e || !which)
		abort();
	n = unproved(k, e, which);
	if (!n)
		return NULL;
	env_random(k->at.env, nonce.b, sizeof(nonce.b));
	held_question(&nonce, e, n, &question);
	TRY(sync_held(&k->at, buf_span(&question), &answer));
	k->p->answered = true;
	TRY(held_weigh(secret_pubkey(k->at.self), &k->at.peer, k->t->conn->log, &nonce, e, n,
		       buf_span(&answer)));
	for (size_t i = 0; i < n; i++) {
		k->p->safe[which[i]] |= e[i].held;
		k->proved += e[i].held;
	}
	return NULL;
}

/* As many as one question and one answer take. */
static size_t slice(const struct pass *p, size_t first)
{
	uint64_t bytes = 0;
	size_t n = 0;

	while (first + n < pass_n(p) && n < HELD_ENTRIES) {
		bytes += pass_ops(p)[first + n].bytes;
		if (n && bytes > HELD_BYTES)
			break;
		n++;
	}
	return n;
}

bool partial_may_ask(const struct partial_thread *t, const struct peer *peer)
{
	return !t->app->ending && !peer_terms_over(peer->until_ms, env_now(t->app->env));
}

static struct error *ask_peer(void *ctx, const struct peer *peer)
{
	struct asking *k = ctx;
	_cleanup_(proxy_wipe) struct proxy proxy = {.url = ""};
	char address[PEER_ADDRESS];
	struct error *e = NULL;

	if (!partial_may_ask(k->t, peer))
		return NULL;
	k->at.peer = peer->key;
	k->proved = 0;
	e = peers_reach_at(k->t->app, k->t->conn, &peer->key, address, sizeof(address));
	if (!e)
		e = peers_proxy(k->t->app, k->t->conn, &peer->key, &proxy);
	k->at.address = address;
	k->at.proxy = &proxy;
	for (size_t at = 0; !e && at < pass_n(k->p); at += k->n) {
		k->first = at;
		k->n = slice(k->p, at);
		e = ask_slice(k);
	}
	error_free(e); /* another may answer; when none does, the run waits */
	if (k->proved)
		buf_add(&k->p->at, &(struct partial_at){.box = peer->key, .ops = k->proved},
			sizeof(struct partial_at));
	return NULL;
}

static struct error *prove(struct partial_thread *t, struct pass *p)
{
	struct asking k = {.t = t,
			   .p = p,
			   .at = {.line = t->app->sync,
				  .env = t->app->env,
				  .self = t->app->self,
				  .name = t->app->name,
				  .ending = &t->app->ending}};

	if (!pass_n(p)) {
		p->answered = true;
		return NULL;
	}
	TRY(peer_each(t->conn->local, ask_peer, &k));
	if (!p->answered)
		p->problem = PARTIAL_NOBODY;
	return NULL;
}

/* --- what came of it, on the writer ----------------------------------------------------------- */

/* Those that go now, of those that were proved; true: all of them. */
static bool going(const struct pass *p, struct buf *out)
{
	for (size_t i = 0; i < pass_n(p); i++) {
		if (!p->safe[i])
			continue;
		if (p->most && out->n / sizeof(struct loose_op) == p->most)
			return false;
		buf_add(out, &pass_ops(p)[i], sizeof(struct loose_op));
	}
	return true;
}

static struct error *let_go(struct conn *c, const struct pass *p, struct partial_run *r,
			    struct loosened *ret, bool *ret_all)
{
	_cleanup_(buf_release) struct buf ops = {0}, ids = {0};
	const struct loose_op *all;

	*ret_all = going(p, &ops);
	all = (const struct loose_op *)(void *)ops.p;
	for (size_t i = 0; i < ops.n / sizeof(*all); i++)
		buf_add(&ids, &all[i].id, sizeof(all[i].id));
	TRY(community_let_go(c, (const struct hash *)(void *)ids.p, ids.n / sizeof(struct hash),
			     ret));
	r->safe_ops += (int64_t)ret->ops;
	r->safe_bytes += (int64_t)ret->bytes;
	return NULL;
}

static void count(const struct pass *p, struct partial_run *r)
{
	for (size_t i = 0; i < pass_n(p); i++) {
		const struct loose_op *op = &pass_ops(p)[i];

		r->ops++;
		r->bytes += (int64_t)op->bytes;
		if (r->state == PARTIAL_LOOKING && p->safe[i]) {
			r->safe_ops++;
			r->safe_bytes += (int64_t)op->bytes;
		}
	}
}

struct error *run_resume(struct conn *c, const struct partial_run *was, const char *problem,
			 struct partial_run *ret, bool *ret_same)
{
	struct keep now;

	TRY(partial_run_get(c, ret));
	TRY(partial_choice(c, &now));
	*ret_same = ret->state == was->state && ret->begun_ms == was->begun_ms &&
		    ret->row == was->row && ret->file_row == was->file_row &&
		    keep_eq(&now, &ret->keep);
	snprintf(ret->problem, sizeof(ret->problem), "%s", problem ? problem : "");
	return NULL;
}

struct error *run_add_at(struct conn *c, const struct buf *at)
{
	const struct partial_at *all = (const struct partial_at *)(void *)at->p;

	for (size_t i = 0; i < at->n / sizeof(*all); i++)
		TRY(at_add(c, &all[i]));
	return NULL;
}

struct error *pass_note(struct conn *c, void *arg)
{
	_cleanup_(buf_release) struct buf ops = {0};
	const struct pass *p = arg;
	const struct loose_op *all;
	struct partial_run r;
	bool same;

	TRY(run_resume(c, &p->run, p->problem, &r, &same));
	if (!same || r.state != PARTIAL_LETTING_GO)
		return NULL;
	going(p, &ops);
	all = (const struct loose_op *)(void *)ops.p;
	for (size_t i = 0; i < ops.n / sizeof(*all); i++)
		TRY(gone_add(c, &all[i].object, &all[i].id));
	return NULL;
}

struct error *pass_record(struct conn *c, void *arg)
{
	struct loosened went;
	struct pass *p = arg;
	struct partial_run r;
	bool same, all = true;

	TRY(run_resume(c, &p->run, p->problem, &r, &same));
	if (!same)
		return NULL;
	if (p->problem)
		return run_set(c, &r);
	if (r.state == PARTIAL_LETTING_GO)
		TRY(let_go(c, p, &r, &went, &all));
	if (!all) {
		/* The next pass finds the others again. */
		r.ops += (int64_t)went.ops;
		r.bytes += (int64_t)went.bytes;
		return run_set(c, &r);
	}
	count(p, &r);
	TRY(run_add_at(c, &p->at));
	r.row = p->row;
	if (p->end)
		r.file_row = INT64_MAX;
	return run_set(c, &r);
}

static struct error *note_and_record(struct partial_thread *t, struct pass *p)
{
	if (p->run.state == PARTIAL_LETTING_GO && !p->problem)
		TRY(writer_run_tidying(t->app->writer, pass_note, p));
	return writer_run_tidying(t->app->writer, pass_record, p);
}

/* What has no room goes in smaller parts, each of which makes some. */
static struct error *record(struct partial_thread *t, struct pass *p)
{
	struct error *e;

	p->most = t->most;
	for (;;) {
		e = note_and_record(t, p);
		if (!error_is(e, ERR_FULL) || p->problem)
			break;
		error_free(e);
		p->most = (p->most && p->most < pass_n(p) ? p->most : pass_n(p)) / 2;
		if (!p->most)
			p->problem = PARTIAL_FULL;
	}
	t->most = p->problem ? 0 : p->most * 2;
	return e;
}

/* *ret_wait: nothing more to do now. */
static struct error *one_pass(struct partial_thread *t, bool *ret_wait)
{
	struct pass p = {.idle = false};
	struct error *e = writer_run_tidying(t->app->writer, pass_gather, &p);

	*ret_wait = p.idle;
	if (!e && p.files)
		return files_pass(t, &p.run, ret_wait);
	if (!e && !p.idle)
		e = prove(t, &p);
	if (!e && !p.idle)
		e = record(t, &p);
	*ret_wait |= p.problem != NULL;
	pass_release(&p);
	return e;
}

/* --- what is needed, and wanted back ---------------------------------------------------------- */

struct wanting {
	struct partial_thread *t;
	size_t more, waiting;
};

static struct error *wish_job(struct conn *c, void *arg)
{
	struct wanting *k = arg;
	struct wish list[PARTIAL_WISHES];
	size_t n, left, fresh;

	TRY(wish_list(c, list, &n));
	for (size_t i = 0; i < n; i++) {
		TRY(lack_need(c, &list[i], &left, &fresh));
		k->more += fresh;
		k->waiting += left != 0;
		if (!left)
			TRY(wish_done(c, &list[i].object));
	}
	return NULL;
}

static struct error *need_job(struct conn *c, void *arg)
{
	struct wanting *k = arg;

	return community_need_more(c, &k->t->need_from, &k->more);
}

static struct error *look_after(struct partial_thread *t)
{
	struct wanting k = {.t = t};
	int64_t wishes, mono = env_mono(t->app->env);
	bool partial;

	if (mono >= t->afresh) {
		t->need_from = 0;
		t->afresh = mono + AFRESH_MS;
	}
	TRY(partial_is(t->conn, &partial));
	TRY(partial_wishes(t->conn, &wishes));
	if (partial)
		TRY(writer_run(t->app->writer, need_job, &k));
	if (wishes)
		TRY(writer_run(t->app->writer, wish_job, &k));
	if (k.more && t->app->sync)
		return sync_now(t->app->sync, NULL, 0);
	return NULL;
}

/* --- strangers' spaces without a place --------------------------------------------------------- */

void partial_crowded(struct partial_thread *t, const struct pubkey *bringer)
{
	bool known = false;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->n_crowded; i++)
		known |= pubkey_eq(&t->crowded[i], bringer);
	if (!known && t->n_crowded < PARTIAL_CROWDED)
		t->crowded[t->n_crowded++] = *bringer;
	pthread_mutex_unlock(&t->lock);
	if (!known)
		poked_poke(&t->poked);
}

struct crowding {
	struct ledger *l;
	const struct pubkey *bringer;
	size_t n;
};

static struct error *give_way_job(struct conn *c, void *arg)
{
	struct crowding *k = arg;

	return strangers_give_way(c, k->l, k->bringer, &k->n);
}

/* Where some gave way, what waits there is asked for once more. What fails is tried when it is crowded
 * again. */
static void give_way(struct partial_thread *t)
{
	struct pubkey crowded[PARTIAL_CROWDED];
	size_t n;

	if (env_mono(t->app->env) < t->give_from)
		return;
	pthread_mutex_lock(&t->lock);
	n = t->n_crowded;
	memcpy(crowded, t->crowded, sizeof(crowded));
	t->n_crowded = 0;
	pthread_mutex_unlock(&t->lock);
	if (n)
		t->give_from = env_mono(t->app->env) + CROWDED_MS;
	for (size_t i = 0; i < n && t->app->sync && !poked_stops(&t->poked); i++) {
		struct crowding k = {.l = sync_ledger(t->app->sync), .bringer = &crowded[i]};
		struct error *e = writer_run(t->app->writer, give_way_job, &k);

		if (!e && k.n) {
			ledger_room_again(k.l);
			sync_peers_changed(t->app->sync);
			e = sync_now(t->app->sync, &crowded[i], 0);
		}
		error_free(e);
	}
}

/* Pages that the messages left half empty: room for what people write. */
static struct error *pack_job(struct conn *c, void *arg)
{
	return log_pack(c->log, arg);
}

static struct error *pack(struct partial_thread *t)
{
	bool more = log_packs(t->conn->log);

	while (more && !poked_stops(&t->poked))
		TRY(writer_run_tidying(t->app->writer, pack_job, &more));
	return NULL;
}

/* What fails (a full disk) is tried again. */
static void look(struct partial_thread *t)
{
	struct partial_run run = {.state = PARTIAL_NO_RUN};
	bool wait = false;
	struct error *e = look_after(t);

	/* What people want back waits for room; what makes some does not wait for that. */
	if (error_is(e, ERR_FULL))
		error_replace(&e, NULL);
	if (!e)
		e = partial_run_get(t->conn, &run);
	if (run.state != PARTIAL_LOOKING && run.state != PARTIAL_LETTING_GO)
		wait = true;
	while (!e && !wait && !poked_stops(&t->poked))
		e = one_pass(t, &wait);
	error_free(e);
	error_free(pack(t));
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *partial_main(void *arg)
{
	struct partial_thread *t = arg;

	while (poked_wait(&t->poked, LOOK_MS, QUIET_MS)) {
		give_way(t);
		look(t);
	}
	return NULL;
}

struct error *partial_start(struct app *a, struct partial_thread **ret)
{
	struct partial_thread *t = calloc(1, sizeof(*t));
	struct error *e;

	if (!t)
		abort();
	t->app = a;
	pthread_mutex_init(&t->lock, NULL);
	poked_init(&t->poked, true); /* what a power cut broke off */
	e = app_conn(a, &t->conn);
	if (!e && !poked_start(&t->poked, partial_main, t))
		e = error_new(ERR_NOMEM, N_("The box has run out of threads."));
	if (e) {
		partial_end(t);
		return e;
	}
	*ret = t;
	return NULL;
}

void partial_poke(struct partial_thread *t)
{
	if (t)
		poked_poke(&t->poked);
}

void partial_end(struct partial_thread *t)
{
	if (!t)
		return;
	poked_stop(&t->poked);
	conn_close(t->conn);
	poked_free(&t->poked);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
