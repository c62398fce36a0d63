/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What peers cost and how they behave: gathered in memory, written now and then. */
#include "sync/engine_priv.h"

/* --- reading --- */
static struct standing *standing_of(struct sync *s, const struct pubkey *key, bool make)
{
	struct standing *st;

	for (size_t i = 0; i < s->n_standings; i++)
		if (pubkey_eq(&s->standings[i].key, key))
			return &s->standings[i];
	if (!make || s->n_standings >= LIMIT_PEERS)
		return NULL;
	s->standings = reallocarray(s->standings, s->n_standings + 1, sizeof(*st));
	if (!s->standings)
		abort();
	st = &s->standings[s->n_standings++];
	memset(st, 0, sizeof(*st));
	st->key = *key;
	return st;
}

static struct conduct *row_of(struct standing *st, enum misdeed what)
{
	for (size_t i = 0; i < st->n; i++)
		if (st->rows[i].what == what)
			return &st->rows[i];
	st->rows[st->n] = (struct conduct){.peer = st->key, .what = what};
	return &st->rows[st->n++];
}

struct loading {
	struct conduct *rows;
	size_t n;
};

static struct error *load_row(void *ctx, const struct conduct *c)
{
	struct loading *all = ctx;

	all->rows = reallocarray(all->rows, all->n + 1, sizeof(*c));
	if (!all->rows)
		abort();
	all->rows[all->n++] = *c;
	return NULL;
}

/* A wait begins with the misdeed; what is left of one from before a restart begins anew, for
 * restarts are rare. */
static void begin_wait(struct sync *s, struct standing *st)
{
	int64_t wait = conduct_wait(st->rows, st->n, env_now(s->o.env));

	st->held_until = wait ? env_mono(s->o.env) + wait : 0;
}

/* Something may have been forgiven. */
static void shorten_wait(struct sync *s, struct standing *st)
{
	int64_t until = st->held_until;

	begin_wait(s, st);
	if (until && until < st->held_until)
		st->held_until = until;
}

static void hold(struct sync *s, const struct pubkey *key)
{
	const struct standing *st = standing_of(s, key, false);
	int64_t now = env_mono(s->o.env), line = engine_peer_wait(s, engine_reach(s, key));
	int64_t until = st ? st->held_until : 0;

	if (line && now + line > until)
		until = now + line;
	schedule_hold(s->schedule, key, until, now);
}

struct error *engine_load_conduct(struct sync *s)
{
	struct loading all = {.n = 0};
	struct error *err = conduct_each(s->local, NULL, load_row, &all);

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; !err && i < s->n_standings; i++)
		s->standings[i].n = 0;
	for (size_t i = 0; !err && i < all.n; i++) {
		struct standing *st = standing_of(s, &all.rows[i].peer, true);

		if (st)
			*row_of(st, all.rows[i].what) = all.rows[i];
	}
	for (size_t i = 0; !err && i < s->n_standings; i++)
		shorten_wait(s, &s->standings[i]);
	pthread_mutex_unlock(&s->lock);
	free(all.rows);
	return err;
}

void engine_hold(struct sync *s)
{
	for (size_t i = 0; i < s->n_peers; i++)
		hold(s, &s->peers[i].key);
}

/* --- noting --- */
static void add_news(struct sync *s, const struct conduct *c)
{
	for (size_t i = 0; i < s->n_news; i++) {
		struct conduct *old = &s->news[i];

		if (old->what != c->what || !pubkey_eq(&old->peer, &c->peer))
			continue;
		old->count += c->count;
		old->last_ms = c->last_ms;
		memcpy(old->words, c->words, sizeof(old->words));
		return;
	}
	if (s->n_news < NEWS)
		s->news[s->n_news++] = *c;
}

void engine_misdeed(void *ctx, const struct pubkey *key, enum misdeed what, const char *words)
{
	struct sync *s = ctx;
	struct conduct c = {.peer = *key, .what = what, .count = 1, .last_ms = env_now(s->o.env)};
	struct standing *st;

	snprintf(c.words, sizeof(c.words), "%s", words);
	pthread_mutex_lock(&s->lock);
	st = engine_peer(s, key) ? standing_of(s, key, true) : NULL;
	if (st) {
		struct conduct *row = row_of(st, what);

		row->count++;
		row->last_ms = c.last_ms;
		add_news(s, &c);
		begin_wait(s, st);
		hold(s, key);
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
}

unsigned engine_patience(void *ctx, const struct pubkey *key)
{
	struct sync *s = ctx;
	const struct standing *st;
	unsigned patience = 1;

	pthread_mutex_lock(&s->lock);
	st = standing_of(s, key, false);
	if (st)
		patience = conduct_patience(st->rows, st->n, env_now(s->o.env));
	pthread_mutex_unlock(&s->lock);
	return patience;
}

void engine_heard(void *ctx, const struct pubkey *key, const struct ingest *run)
{
	const struct pubkey *writer = &run->id->appliance;
	struct sync *s = ctx;
	struct heard *h = NULL;
	struct entry newest;

	if (pubkey_eq(writer, key))
		return;
	entry_decode(&run->headers[run->n - 1], &newest);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_heard; i++)
		if (pubkey_eq(&s->heard[i].key, writer))
			h = &s->heard[i];
	if (!h && s->n_heard < NEWS && engine_peer(s, writer)) {
		h = &s->heard[s->n_heard++];
		*h = (struct heard){.key = *writer, .newest_ms = newest.time};
	}
	if (h) {
		h->via = *key;
		h->entries += run->n;
		h->when_ms = env_now(s->o.env);
		if (newest.time > h->newest_ms)
			h->newest_ms = newest.time;
	}
	pthread_mutex_unlock(&s->lock);
}

void engine_weigh(struct sync *s, const struct pubkey *key, const struct sync_report *report,
		  bool ok)
{
	bool stuck = ok && conduct_no_progress(report), lies = false;
	struct standing *st;

	pthread_mutex_lock(&s->lock);
	st = standing_of(s, key, stuck);
	if (st) {
		st->no_progress = stuck ? st->no_progress + 1 : 0;
		lies = st->no_progress >= CONDUCT_NO_PROGRESS;
		if (lies)
			st->no_progress = 0;
	}
	pthread_mutex_unlock(&s->lock);
	if (lies)
		engine_misdeed(s, key, MISDEED_LIES, "");
}

/* --- requests of theirs that fail --- */
static struct receipt *refused_like(struct sync *s, const struct outcome *o)
{
	struct receipt *of_peer = NULL;

	for (size_t i = 0; i < s->n_refused; i++) {
		struct receipt *r = &s->refused[i];

		if (!pubkey_eq(&r->peer, &o->key))
			continue;
		if (!strcmp(r->error, o->error))
			return r;
		of_peer = r;
	}
	if (s->n_refused == REFUSED)
		return of_peer; /* a flood: what it says is not worth more than its number */
	if (!s->refused)
		s->refused = calloc(REFUSED, sizeof(*s->refused));
	if (!s->refused)
		abort();
	return &s->refused[s->n_refused++];
}

void engine_refused(struct sync *s, const struct outcome *o)
{
	struct receipt *r;
	uint32_t times;

	pthread_mutex_lock(&s->lock);
	r = engine_peer(s, &o->key) ? refused_like(s, o) : NULL;
	if (r) {
		times = r->times + 1;
		*r = (struct receipt){.peer = o->key,
				      .when_ms = env_now(s->o.env),
				      .by_peer = true,
				      .report = *o->report,
				      .times = times};
		snprintf(r->error, sizeof(r->error), "%s", o->error);
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- writing --- */
int64_t engine_news_due(const struct sync *s)
{
	int64_t due = INT64_MAX;

	if (ledger_changed(s->ledger))
		due = s->ledger_from;
	if ((s->n_news || s->n_heard) && s->news_from < due)
		due = s->news_from;
	return s->n_refused && s->refused_from < due ? s->refused_from : due;
}

struct news_job {
	struct sync *s;
	struct conduct rows[NEWS];
	size_t n;
	struct heard heard[NEWS];
	size_t n_heard;
	struct receipt *refused;
	size_t n_refused;
};

static struct error *write_news(struct sync_writing *w, void *arg)
{
	const struct news_job *job = arg;

	for (size_t i = 0; i < job->n; i++)
		TRY(conduct_note(w->local, &job->rows[i]));
	for (size_t i = 0; i < job->n_heard; i++)
		TRY(heard_put(w->local, &job->heard[i]));
	for (size_t i = 0; i < job->n_refused; i++)
		TRY(receipt_put(w->local, &job->refused[i]));
	return ledger_save(job->s->ledger, w->local);
}

void engine_write_news(struct sync *s)
{
	struct news_job *job = calloc(1, sizeof(*job));
	int64_t now = env_mono(s->o.env);

	if (!job)
		abort();
	job->s = s;
	pthread_mutex_lock(&s->lock);
	memcpy(job->rows, s->news, s->n_news * sizeof(*s->news));
	job->n = s->n_news;
	s->n_news = 0;
	memcpy(job->heard, s->heard, s->n_heard * sizeof(*s->heard));
	job->n_heard = s->n_heard;
	s->n_heard = 0;
	if (now >= s->refused_from || s->stop) {
		job->refused = STEAL(s->refused);
		job->n_refused = s->n_refused;
		s->n_refused = 0;
		s->refused_from = now + REFUSED_EVERY_MS;
	}
	s->news_from = now + KNOCKS_EVERY_MS;
	s->ledger_from = now + LEDGER_EVERY_MS;
	pthread_mutex_unlock(&s->lock);
	if (job->n || job->n_heard || job->n_refused || ledger_changed(s->ledger)) {
		struct error *e = s->o.host.write(s->o.host.ctx, write_news, job);

		if (!e)
			ledger_saved(s->ledger); /* else it is written next time */
		error_free(e);
	}
	free(job->refused);
	free(job);
}
