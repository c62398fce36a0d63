/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the engine knows of peers, and what it writes about them. */
#include "sync/engine_priv.h"

/* --- the table in memory --- */
static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct peer *)a)->key.b, ((const struct peer *)b)->key.b, 32);
}

struct peer *engine_peer(struct sync *s, const struct pubkey *key)
{
	struct peer wanted = {.key = *key};

	return s->n_peers ? bsearch(&wanted, s->peers, s->n_peers, sizeof(wanted), by_key) : NULL;
}

struct peer_list {
	struct sync *s;
	const struct pubkey *self;
	struct buf rows, paused;
	struct buf anew; /* keys whose quota changed */
	int64_t now, terms_end;
	bool terms_ended;
};

static bool is_paused(const struct peer_list *list, const struct pubkey *key)
{
	const struct pubkey *paused = (const struct pubkey *)(const void *)list->paused.p;

	for (size_t i = 0; i < list->paused.n / sizeof(*paused); i++)
		if (pubkey_eq(&paused[i], key))
			return true;
	return false;
}

static struct error *add_paused(void *ctx, const struct pubkey *key)
{
	buf_add(ctx, key, sizeof(*key));
	return NULL;
}

static struct error *set_quota(struct peer_list *list, const struct pubkey *key)
{
	struct sync *s = list->s;
	struct peer_terms terms;
	unsigned times;

	TRY(peer_terms_get(s->local, key, &terms));
	TRY(ledger_times(s->local, key, &times));
	if (ledger_set(s->ledger, key, times, terms.take_bytes, terms.give_bytes))
		buf_add(&list->anew, key, sizeof(*key));
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct peer_list *list = ctx;

	if (pubkey_eq(&p->key, list->self) || is_paused(list, &p->key))
		return NULL; /* a copy of our own data folder, perhaps */
	if (peer_terms_over(p->until_ms, list->now)) {
		list->terms_ended = true;
		return NULL;
	}
	if (p->until_ms && p->until_ms < list->terms_end)
		list->terms_end = p->until_ms;
	buf_add(&list->rows, p, sizeof(*p));
	return set_quota(list, &p->key);
}

/* Both are sorted. With the lock. */
static bool same_keys(const struct sync *s, const struct buf *rows)
{
	const struct peer *now = (const struct peer *)(const void *)rows->p;

	if (rows->n / sizeof(*now) != s->n_peers)
		return false;
	for (size_t i = 0; i < s->n_peers; i++)
		if (!pubkey_eq(&s->peers[i].key, &now[i].key))
			return false;
	return true;
}

struct error *engine_load_peers(struct sync *s)
{
	struct peer_list list = {.s = s,
				 .self = secret_pubkey(s->o.self),
				 .now = env_now(s->o.env),
				 .terms_end = INT64_MAX};
	struct error *err;
	size_t n;

	pthread_mutex_lock(&s->local_lock);
	err = engine_load_conduct(s);
	if (!err)
		err = conduct_each_paused(s->local, add_paused, &list.paused);
	if (!err)
		err = peer_each(s->local, add_peer, &list);
	if (err) {
		pthread_mutex_unlock(&s->local_lock);
		buf_release(&list.rows);
		buf_release(&list.paused);
		buf_release(&list.anew);
		return err;
	}
	engine_add_twin(s, &list.rows);
	n = list.rows.n / sizeof(struct peer);
	if (n)
		qsort(list.rows.p, n, sizeof(struct peer), by_key);
	error_free(engine_load_uplink(s)); /* else as it was */
	pthread_mutex_lock(&s->lock);
	if (!same_keys(s, &list.rows)) /* who founds, or writes, may be a peer now */
		ledger_room_again(s->ledger);
	free(s->peers);
	s->peers = (struct peer *)(void *)list.rows.p;
	s->n_peers = n;
	free(s->paused);
	s->paused = (struct pubkey *)(void *)list.paused.p;
	s->n_paused = list.paused.n / sizeof(struct pubkey);
	s->terms_end = list.terms_end;
	s->terms_ended = list.terms_ended;
	schedule_peers(s->schedule, s->peers, n, env_mono(s->o.env));
	error_free(engine_load_known(s));
	engine_tell_schedule(s);
	s->say_anew = true; /* whom it may be told to is in it */
	s->look_for_proofs = s->proofs_anew = true; /* of who is new */
	s->uplink_from = 0;
	engine_hold(s);
	for (size_t i = 0; i < list.anew.n / sizeof(struct pubkey); i++)
		schedule_anew(s->schedule, (struct pubkey *)(void *)list.anew.p + i,
			      env_mono(s->o.env));
	buf_release(&list.anew);
	s->seen_changed = s->discovery != NULL; /* who is new may be on the network already */
	for (int i = 0; i < WORKERS; i++)	/* one that was removed stops at once */
		if (s->workers[i].running && !engine_peer(s, &s->workers[i].with))
			exchange_cancel(s->workers[i].running);
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	/* Not before: an older reading must not replace a newer, or who was removed is back. */
	pthread_mutex_unlock(&s->local_lock);
	return NULL;
}

/* --- what the listener tells --- */
bool engine_approved(void *ctx, const struct pubkey *key)
{
	struct sync *s = ctx;
	const struct peer *p;
	bool yes;

	pthread_mutex_lock(&s->lock);
	p = engine_peer(s, key);
	yes = engine_is_self(s, key);
	yes |= p && !peer_terms_over(p->until_ms, env_now(s->o.env));
	pthread_mutex_unlock(&s->lock);
	return yes;
}

bool engine_known(struct sync *s, const struct pubkey *key)
{
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = engine_peer(s, key) != NULL;
	for (size_t i = 0; i < s->n_paused; i++)
		yes |= pubkey_eq(&s->paused[i], key);
	pthread_mutex_unlock(&s->lock);
	return yes;
}

/* Has it knocked within the last minute? Else it has now. With the lock. */
static bool knocked_lately(struct sync *s, const struct pubkey *key, int64_t now)
{
	for (size_t i = 0; i < ARRAY_LEN(s->knocked); i++)
		if (s->knocked[i].at && now - s->knocked[i].at < KNOCK_AGAIN_MS &&
		    pubkey_eq(&s->knocked[i].key, key))
			return true;
	s->knocked[s->next_knocked].key = *key;
	s->knocked[s->next_knocked].at = now;
	s->next_knocked = (s->next_knocked + 1) % ARRAY_LEN(s->knocked);
	return false;
}

void engine_knocked(void *ctx, const struct knock *k)
{
	struct sync *s = ctx;

	pthread_mutex_lock(&s->lock);
	/* More at once than fit are no visitors but a flood: they are not worth a disk's wear. */
	if (s->n_knocks < KNOCKS && !knocked_lately(s, &k->key, env_mono(s->o.env))) {
		s->knocks[s->n_knocks++] = *k;
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
}

bool engine_invited(void *ctx, const struct knock *k, const uint8_t proof[PEER_CLAIM])
{
	struct sync *s = ctx;
	const struct sync_host *host = &s->o.host;

	if (!host->invited || !host->invited(host->ctx, k, proof))
		return false;
	error_free(engine_load_peers(s));
	return engine_approved(s, &k->key);
}

void engine_met(void *ctx, const struct pubkey *key, const char *address)
{
	struct sync *s = ctx;

	pthread_mutex_lock(&s->lock);
	schedule_hint(s->schedule, key, address, env_mono(s->o.env));
	schedule_served(s->schedule, key, env_mono(s->o.env));
	pthread_mutex_unlock(&s->lock);
}

void engine_network(void *ctx)
{
	struct sync *s = ctx;

	pthread_mutex_lock(&s->lock);
	schedule_network(s->schedule, env_mono(s->o.env));
	s->say_anew = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

void engine_stored(void *ctx)
{
	sync_poke(ctx);
}

void engine_ended(void *ctx, const struct pubkey *key, const struct sync_report *report,
		  const char *error)
{
	struct sync *s = ctx;
	struct outcome o = {.key = *key, .report = report, .error = error, .by_peer = true};

	pthread_mutex_lock(&s->lock);
	schedule_served(s->schedule, key, env_mono(s->o.env));
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	engine_note(s, &o);
}

/* --- writing --- */
static bool moved_entries(const struct sync_report *r)
{
	return r->received || r->filled || r->sent || r->forks || r->new_incarnation;
}

static bool moved_anything(const struct sync_report *r)
{
	return moved_entries(r) || r->refusals;
}

struct outcome_job {
	const struct outcome *o;
	int64_t now;
	bool note, receipt, refused;
};

static struct error *write_outcome(struct sync_writing *w, void *arg)
{
	const struct outcome_job *job = arg;
	const struct outcome *o = job->o;
	struct peer_outcome note = {.key = o->key,
				    .when_ms = job->now,
				    .error = o->error,
				    .address = o->address,
				    .name = o->report->peer_name};
	struct receipt r = {
		.peer = o->key, .when_ms = job->now, .by_peer = o->by_peer, .report = *o->report};

	snprintf(r.error, sizeof(r.error), "%s", o->error ? o->error : "");
	if (job->note)
		TRY(peer_note(w->local, &note));
	for (size_t i = 0; i < o->n_theirs; i++)
		TRY(known_met(w->local, w->log, &o->key, &o->theirs[i],
			      o->report->peer_incarnation, job->now));
	return job->receipt ? receipt_put(w->local, &r) : NULL;
}

struct error *outcome_write(const struct sync_host *host, const struct env *env,
			    const struct outcome *o)
{
	struct outcome_job job = {.o = o, .now = env_now(env), .note = true, .receipt = true};

	return host->write(host->ctx, write_outcome, &job);
}

/* What is news is written; that nothing happened again is not worth a commit. */
void engine_note(struct sync *s, const struct outcome *o)
{
	struct outcome_job job = {.o = o, .now = env_now(s->o.env)};
	struct peer *p;

	pthread_mutex_lock(&s->lock);
	p = engine_peer(s, &o->key);
	if (p) {
		bool same = strcmp(p->last_error, o->error ? o->error : "") == 0;
		int64_t age = job.now - (o->error ? p->last_try_ms : p->last_ok_ms);

		/* Somebody else decides how often that happens. */
		job.refused = o->by_peer && o->error && !o->report->signed_too &&
			      !moved_entries(o->report);
		job.receipt = !job.refused &&
			      (o->asked || o->report->signed_too || moved_anything(o->report) ||
			       (o->error && !same));
		/* The error of a request of theirs is in the receipt; what the row tells is
		 * whether we reach them. */
		job.note = !(o->by_peer && o->error) &&
			   (job.receipt || !same || age < 0 || age > NOTE_AGAIN_MS ||
			    (!p->address[0] && o->address));
		if (job.note) {
			snprintf(p->last_error, sizeof(p->last_error), "%s",
				 o->error ? o->error : "");
			p->last_try_ms = job.now;
			if (!o->error) {
				p->last_ok_ms = job.now;
				p->has_claim = false;
			}
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (job.refused)
		engine_refused(s, o);
	if (job.note || job.receipt) /* a full disk must not stop the exchanges */
		error_free(s->o.host.write(s->o.host.ctx, write_outcome, &job));
	engine_twin_outcome(s, o);
	if (!o->by_peer && !o->error && s->o.host.ended)
		s->o.host.ended(s->o.host.ctx, &o->key, o->report);
	/* A clock that nothing vouches for is no news to anybody else's. */
	if (!o->by_peer && !o->error && s->o.host.clock && !engine_is_self(s, &o->key) &&
	    o->report->clock_said != HELLO_CLOCK_SEEN && o->report->clock_said != HELLO_CLOCK_UNSURE)
		s->o.host.clock(s->o.host.ctx, &o->key, o->report->clock_skew_ms);
}

struct knock_job {
	struct knock rows[KNOCKS];
	size_t n;
};

static struct error *write_knocks(struct sync_writing *w, void *arg)
{
	const struct knock_job *job = arg;

	for (size_t i = 0; i < job->n; i++)
		TRY(knock_put(w->local, &job->rows[i]));
	return NULL;
}

void engine_write_knocks(struct sync *s)
{
	struct knock_job job;

	pthread_mutex_lock(&s->lock);
	memcpy(job.rows, s->knocks, sizeof(job.rows));
	job.n = s->n_knocks;
	s->n_knocks = 0;
	pthread_mutex_unlock(&s->lock);
	if (job.n)
		error_free(s->o.host.write(s->o.host.ctx, write_knocks, &job));
}
