/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The threads that run exchanges: each takes the next one that the schedule says is due. */
#include "sync/engine_priv.h"

enum { REST_MS = 60000, LATER_MS = 500 };

/* --- who waits in sync_now --- */
static void answer_asking(struct sync *s, const struct pubkey *key, const struct error *err)
{
	if (schedule_is_asked(s->schedule, key))
		return; /* another try is to come */
	for (struct asking *a = s->asking; a; a = a->next)
		if (!a->done && pubkey_eq(&a->key, key)) {
			a->done = true;
			a->err = err ? error_copy(err) : NULL;
		}
}

/* --- one exchange --- */
struct ran {
	struct error *err;
	struct sync_report report;
	bool settled, has_digest, met, closed;
	uint8_t ours[DISCOVERY_DIGEST];	  /* when settled */
	struct engine_digests digests; /* now */
	struct space_digest theirs[LIMIT_SPACES];
	size_t n_theirs;
};

static void stored(void *ctx)
{
	auditor_wake(((struct worker *)ctx)->s->auditor);
}

static void misdeed(void *ctx, enum misdeed what, const char *words)
{
	const struct worker *w = ctx;

	engine_misdeed(w->s, &w->with, what, words);
}

static void lied(void *ctx, const struct pubkey *peer, const char *words)
{
	engine_misdeed(((struct worker *)ctx)->s, peer, MISDEED_BLOB, words);
}

static bool tell(void *ctx, struct buf *out)
{
	const struct worker *w = ctx;

	return engine_tell(w->s, &w->with, false, out);
}

static struct error *told(void *ctx, struct span stream, bool loopback)
{
	const struct worker *w = ctx;

	return engine_told(w->s, &w->with, stream, loopback);
}

static bool closed(void *ctx)
{
	struct worker *w = ctx;

	return engine_closed(w->s, &w->with);
}

static void heard(void *ctx, const struct ingest *run)
{
	const struct worker *w = ctx;

	engine_heard(w->s, &w->with, run);
}

/* What we show a peer whose invitation we accepted, until it has let us in. */
static bool get_claim(struct sync *s, const struct pubkey *key, uint8_t ret[PEER_CLAIM])
{
	const struct peer *p;
	bool has;

	pthread_mutex_lock(&s->lock);
	p = engine_peer(s, key);
	has = p && p->has_claim;
	if (has)
		memcpy(ret, p->claim, PEER_CLAIM);
	pthread_mutex_unlock(&s->lock);
	return has;
}

static void run(struct worker *w, const struct schedule_job *job, struct log_store *log,
		struct ran *ret)
{
	struct sync *s = w->s;
	bool near = engine_job_is_near(s, job);
	uint8_t claim[PEER_CLAIM];
	struct proxy proxy;
	struct exchange_options o = {
		.host = &s->o.host,
		.self = s->o.self,
		.to = {.tls = s->tls,
		       .env = s->o.env,
		       .peer = job->key,
		       .address = job->address,
		       .proxy = near ? NULL : &proxy,
		       .name = s->name,
		       .successor = s->successor,
		       .listen_port = s->listener ? listener_port(s->listener) : 0},
		.log = log,
		.blobs = s->blobs,
		.ledger = s->ledger,
		.near = near,
		.closed = job->asked || near ? NULL : closed, /* a person need not wait */
		.pasts = s->pasts,
		.receipt = job->asked,
		.stored = stored,
		.misdeed = misdeed,
		.lied = lied,
		.heard = heard,
		.tell = tell,
		.told = told,
		.ctx = w,
	};
	_cleanup_(exchange_freep) struct exchange *x = NULL;
	struct error *digest;

	if (get_claim(s, &job->key, claim)) {
		o.to.claim = claim;
		/* It is shown with the status, which who begins at a past state does not ask for. */
		pasts_forget(s->pasts, &job->key);
	}
	pthread_mutex_lock(&s->lock);
	w->with = job->key; /* what the exchange calls asks for it */
	pthread_mutex_unlock(&s->lock);
	engine_proxy(s, &proxy);
	ret->err = exchange_new(&o, &x);
	crypto_wipe(&proxy, sizeof(proxy));
	if (ret->err)
		return;
	pthread_mutex_lock(&s->lock);
	w->running = x;
	if (s->stop || !engine_peer(s, &job->key))
		exchange_cancel(x);
	pthread_mutex_unlock(&s->lock);
	ret->err = exchange_run(x, &ret->report);
	ret->met = exchange_met(x);
	ret->closed = exchange_closed(x);
	pthread_mutex_lock(&s->lock);
	w->running = NULL;
	pthread_mutex_unlock(&s->lock);
	if (!ret->err)
		ret->n_theirs = exchange_theirs(x, ret->theirs, ARRAY_LEN(ret->theirs));
	ret->settled = !ret->err && exchange_settled(x, ret->ours);
	digest = engine_digests(log, &ret->digests);
	ret->has_digest = !digest;
	error_free(digest);
}

static void run_and_tell(struct worker *w, const struct schedule_job *job)
{
	struct sync *s = w->s;
	struct ran ran = {.err = NULL};
	struct log_store *log;
	struct outcome o;

	ran.err = readers_take(s->readers, &log);
	if (!ran.err) {
		run(w, job, log, &ran);
		readers_give(s->readers, log);
	}
	o = (struct outcome){.key = job->key,
			     .address = job->address,
			     .report = &ran.report,
			     .error = ran.err && !ran.closed ? error_stored(ran.err) : NULL,
			     .asked = job->asked,
			     .theirs = ran.theirs,
			     .n_theirs = ran.n_theirs};
	engine_weigh(s, &job->key, &ran.report, !ran.err);
	if (ran.met || ran.err)
		engine_tried(s, &job->key, job->address, ran.met);
	/* Before anybody is told that it is over: then the receipt is there to be read. */
	if (!error_is(ran.err, ERR_STOPPED))
		engine_note(s, &o);
	pthread_mutex_lock(&s->lock);
	if (ran.has_digest)
		engine_digest_is(s, &ran.digests);
	schedule_done(s->schedule, &job->key, !ran.err, ran.settled ? ran.ours : NULL,
		      env_mono(s->o.env));
	/* More than one exchange takes: the rest follows at once, as long as something comes. */
	if (!ran.err && !ran.report.equal && ran.report.received + ran.report.filled)
		schedule_anew(s->schedule, &job->key, env_mono(s->o.env));
	answer_asking(s, &job->key, ran.err);
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	error_free(ran.err);
}

void *engine_worker(void *arg)
{
	struct worker *w = arg;
	struct sync *s = w->s;
	struct schedule_job job;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		int64_t now = env_mono(s->o.env);

		/* The first is kept for those that are done soon. */
		bool found = w == s->workers ? schedule_next_quick(s->schedule, now, &job)
					     : schedule_next(s->schedule, now, &job);

		if (!found) {
			int64_t wait = schedule_wait(s->schedule, now, REST_MS);

			/* 0: somebody slow is due, and not for us */
			engine_wait(s, wait ? wait : LATER_MS);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		run_and_tell(w, &job);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}
