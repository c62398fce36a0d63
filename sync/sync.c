/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/engine_priv.h"
#include "sync/peer/keep.h"
#include "sync/base/cond.h"

enum {
	REST_MS = 60000,
	ANNOUNCE_AFTER = 300,	/* the exchanges that our change starts come first … */
	ANNOUNCE_WITHIN = 3000, /* … but are not waited for longer than this */
	LOCAL_CACHE_KIB = 256,
};

void engine_wait(struct sync *s, int64_t ms)
{
	struct timespec until;

	if (ms <= 0)
		ms = 1;
	until = cond_in_ms(ms);
	pthread_cond_timedwait(&s->moved, &s->lock, &until);
}

/* --- the keeper: our digest, what others announce, who knocked --- */
struct error *engine_digests(struct log_store *log, struct engine_digests *ret)
{
	TRY(exchange_digest(log, ret->all));
	return exchange_announced(log, ret->open);
}

void engine_digest_is(struct sync *s, const struct engine_digests *d)
{
	int64_t now = env_mono(s->o.env);

	if (!s->has_digest || memcmp(s->digests.open, d->open, DISCOVERY_DIGEST) != 0) {
		s->announced = false;
		s->announce_from = s->has_digest ? now + ANNOUNCE_AFTER : now;
		s->announce_latest = now + ANNOUNCE_WITHIN;
		s->has_digest = true;
	}
	s->digests = *d;
	schedule_ours(s->schedule, d->all, now);
	pthread_cond_broadcast(&s->moved);
}

static bool any_running(const struct sync *s)
{
	for (int i = 0; i < WORKERS; i++)
		if (s->workers[i].running)
			return true;
	return false;
}

/* With the lock; lets go of it meanwhile. */
static void compute_digest(struct sync *s)
{
	struct engine_digests d;
	struct log_store *log;
	struct error *err;

	pthread_mutex_unlock(&s->lock);
	err = readers_take(s->readers, &log);
	if (!err) {
		err = engine_digests(log, &d);
		readers_give(s->readers, log);
	}
	pthread_mutex_lock(&s->lock);
	/* When it can't be read now, what was known stays until the next write. */
	if (err)
		d = s->digests;
	engine_digest_is(s, &d);
	error_free(err);
}

static void take_seen(struct sync *s)
{
	struct seen_box *boxes = calloc(LIMIT_DISCOVERED, sizeof(*boxes));
	size_t n;

	if (!boxes)
		abort();
	s->seen_changed = false;
	pthread_mutex_unlock(&s->lock);
	engine_look_for_twin(s);
	n = discovery_list(s->discovery, boxes, LIMIT_DISCOVERED);
	pthread_mutex_lock(&s->lock);
	schedule_seen(s->schedule, boxes, n, env_mono(s->o.env));
	pthread_cond_broadcast(&s->moved);
	free(boxes);
}

static void announce(struct sync *s)
{
	uint8_t digest[DISCOVERY_DIGEST];

	memcpy(digest, s->digests.open, sizeof(digest));
	s->announced = true;
	pthread_mutex_unlock(&s->lock);
	discovery_announce(s->discovery, digest);
	pthread_mutex_lock(&s->lock);
}

static bool announce_is_due(const struct sync *s, int64_t now)
{
	return s->discovery && s->has_digest && !s->announced && now >= s->announce_from &&
	       (!any_running(s) || now >= s->announce_latest);
}

/* The terms of a peer have ended: it stops at once. By the clock, and so looked at at least every
 * TERMS_EVERY_MS: clocks jump, also back. */
static bool terms_due(const struct sync *s, int64_t mono)
{
	return env_now(s->o.env) >= s->terms_end ||
	       (s->terms_ended && mono - s->terms_seen >= TERMS_EVERY_MS);
}

static void look_at_terms(struct sync *s)
{
	s->terms_seen = env_mono(s->o.env);
	s->terms_end = INT64_MAX; /* when the table can't be read now, in a while */
	s->terms_ended = true;
	pthread_mutex_unlock(&s->lock);
	sync_peers_changed(s);
	pthread_mutex_lock(&s->lock);
}

/* Milliseconds until then, at most rest. */
static int64_t until_terms(const struct sync *s, int64_t rest)
{
	int64_t left = s->terms_end == INT64_MAX ? rest : s->terms_end - env_now(s->o.env);

	return left < rest ? left : rest;
}

static void *keep(void *arg)
{
	struct sync *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		int64_t now = env_mono(s->o.env);

		if (terms_due(s, now)) {
			look_at_terms(s);
		} else if (s->seen_changed) {
			take_seen(s);
		} else if (now >= s->uplink_from) {
			engine_uplink(s);
		} else if (s->say_anew) {
			engine_say(s);
		} else if (schedule_wants_digest(s->schedule, now)) {
			compute_digest(s);
		} else if (announce_is_due(s, now)) {
			announce(s);
		} else if (now >= engine_news_due(s)) {
			pthread_mutex_unlock(&s->lock);
			engine_write_news(s);
			pthread_mutex_lock(&s->lock);
		} else if (now >= engine_proofs_due(s)) {
			engine_look_for_proofs(s);
		} else if (s->n_knocks && now >= s->knocks_from) {
			s->knocks_from = now + KNOCKS_EVERY_MS;
			pthread_mutex_unlock(&s->lock);
			engine_write_knocks(s);
			pthread_mutex_lock(&s->lock);
		} else {
			int64_t rest = s->announced || !s->discovery ? REST_MS : 100;

			if (s->n_knocks && s->knocks_from - now < rest)
				rest = s->knocks_from - now;
			if (engine_news_due(s) - now < rest)
				rest = engine_news_due(s) - now;
			if (engine_proofs_due(s) - now < rest)
				rest = engine_proofs_due(s) - now;
			rest = until_terms(s, rest);
			engine_wait(s, schedule_wait(s->schedule, now, rest));
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void seen_changed(void *ctx)
{
	struct sync *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->seen_changed = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

/* --- starting and stopping --- */
static struct error *no_thread(void)
{
	return error_new(ERR_INTERNAL, N_("A thread could not be started."));
}

static char *copy(const char *s)
{
	char *c = strdup(s);

	if (!c)
		abort();
	return c;
}

/* Everything but threads and the network. */
static struct error *open_parts(struct sync *s, const struct sync_options *o)
{

	s->o = *o;
	s->log_path = copy(o->log_path);
	s->local_path = copy(o->local_path);
	s->name = copy(o->name);
	s->o.log_path = s->log_path;
	snprintf(s->successor, sizeof(s->successor), "%s", o->successor ? o->successor : "");
	s->o.successor = s->successor;
	s->o.local_path = s->local_path;
	s->o.name = s->name;
	s->listen = o->listen ? copy(o->listen) : NULL;
	if (o->keep_dir) {
		s->keep_dir = strdup(o->keep_dir);
		kept_clean(s->keep_dir);
	}
	s->o.blob_dir = s->o.keep_dir = s->o.listen = NULL; /* borrowed for this call only */
	pthread_mutex_init(&s->local_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	cond_init_monotonic(&s->moved);
	s->schedule = schedule_new(o->env);
	s->ledger = ledger_new(o->env);
	s->pasts = pasts_new();
	s->pairs = pairs_new(o->env, secret_pubkey(o->self));
	ledger_set_folder(s->ledger, s->local_path);
	s->ledger_from = env_mono(o->env) + LEDGER_EVERY_MS;
	s->readers = readers_new(s->log_path, o->env, secret_pubkey(o->self));
	TRY(tls_identity_new(o->self, &s->tls));
	TRY(db_open(s->local_path, DB_READER, LOCAL_CACHE_KIB, &s->local));
	return o->blob_dir ? blob_open(o->blob_dir, &s->blobs) : NULL;
}

static struct error *start_listener(struct sync *s, const char *listen)
{
	struct listener_options o = {.tls = s->tls,
				     .listen = listen,
				     .env = s->o.env,
				     .self = s->o.self,
				     .name = s->name,
				     .host = &s->o.host,
				     .readers = s->readers,
				     .blobs = s->blobs,
				     .keep_dir = s->keep_dir,
				     .ledger = s->ledger,
				     .pasts = s->pasts,
				     .ctx = s,
				     .approved = engine_approved,
				     .knocked = engine_knocked,
				     .succeeds = engine_succeeds,
				     .invited = engine_invited,
				     .met = engine_met,
				     .stored = engine_stored,
				     .patience = engine_patience,
				     .misdeed = engine_misdeed,
				     .heard = engine_heard,
				     .told = engine_told,
				     .tell = engine_tell,
				     .pair = engine_pair,
				     .closed = engine_closed,
				     .near = engine_near,
				     .ended = engine_ended};

	return listener_start(&o, &s->listener);
}

static struct error *start_discovery(struct sync *s)
{
	struct discovery_options o = {.env = s->o.env,
				      .self = *secret_pubkey(s->o.self),
				      .name = s->name,
				      .port = listener_port(s->listener),
				      .http_port = s->o.http_port,
				      .changed = seen_changed,
				      .network = engine_network,
				      .ctx = s};

	return discovery_start(&o, &s->discovery);
}

static struct error *load_addresses(struct sync *s)
{
	struct error *err;

	pthread_mutex_lock(&s->local_lock);
	pthread_mutex_lock(&s->lock);
	err = engine_load_addresses(s);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->local_lock);
	return err;
}

static struct error *start_parts(struct sync *s, const struct sync_options *o)
{
	TRY(auditor_start(&s->o.host, s->readers, &s->auditor));
	TRY(ledger_load(s->ledger, s->local));
	TRY(engine_load_peers(s));
	TRY(load_addresses(s));
	if (o->listen)
		TRY(start_listener(s, o->listen));
	if (o->mdns && s->listener)
		TRY(start_discovery(s));
	s->kept = pthread_create(&s->keeper, NULL, keep, s) == 0;
	ENSURE(s->kept, no_thread());
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &s->workers[i];

		w->s = s;
		w->started = pthread_create(&w->thread, NULL, engine_worker, w) == 0;
		ENSURE(w->started, no_thread());
	}
	return NULL;
}

struct error *sync_start(const struct sync_options *o, struct sync **ret)
{
	struct sync *s = calloc(1, sizeof(*s));
	struct error *err;

	if (!s)
		abort();
	err = open_parts(s, o);
	if (!err)
		err = start_parts(s, o);
	if (err) {
		sync_stop(s);
		return err;
	}
	*ret = s;
	return NULL;
}

void sync_stopping(struct sync *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	for (int i = 0; i < WORKERS; i++)
		if (s->workers[i].running)
			exchange_cancel(s->workers[i].running);
	s->fetch_stop = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

static void stop_exchanges(struct sync *s)
{
	sync_stopping(s);
	for (int i = 0; i < WORKERS; i++)
		if (s->workers[i].started)
			pthread_join(s->workers[i].thread, NULL);
	if (s->pairing)
		pthread_join(s->pairer, NULL);
	if (s->kept)
		pthread_join(s->keeper, NULL);
}

void sync_stop(struct sync *s)
{
	if (!s)
		return;
	/* First who calls, then who is called. */
	stop_exchanges(s);
	discovery_stop(s->discovery);
	listener_stop(s->listener);
	if (s->kept)
		engine_write_news(s);
	auditor_stop(s->auditor);
	blob_close(s->blobs);
	db_close(s->local);
	readers_free(s->readers);
	schedule_free(s->schedule);
	ledger_free(s->ledger);
	proofs_release(&s->proofs);
	pasts_free(s->pasts);
	pairs_free(s->pairs);
	free(s->paused);
	free(s->standings);
	free(s->refused);
	tls_identity_free(s->tls);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->local_lock);
	free(s->peers);
	engine_free_addresses(s);
	buf_release(&s->system);
	crypto_wipe(&s->proxy, sizeof(s->proxy));
	free(s->listen);
	free(s->log_path);
	free(s->local_path);
	free(s->name);
	free(s->keep_dir);
	free(s);
}

/* --- the door --- */
int sync_port(const struct sync *s)
{
	return s->listener ? listener_port(s->listener) : 0;
}

struct ledger *sync_ledger(struct sync *s)
{
	return s->ledger;
}

void sync_poke(struct sync *s)
{
	auditor_wake(s->auditor); /* a bundle, perhaps */
	pthread_mutex_lock(&s->lock);
	s->look_for_proofs = true;
	schedule_poke(s->schedule, env_mono(s->o.env));
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

void sync_peers_changed(struct sync *s)
{
	engine_write_news(s); /* or what is read again would not have it */
	/* When the table can't be read now, what was known stays; the next change reads it again.
	 */
	error_free(engine_load_peers(s));
	if (s->listener)
		listener_recheck(s->listener);
}

bool sync_audited(struct sync *s)
{
	struct log_store *log;
	struct error *err = readers_take(s->readers, &log);
	bool audited = false;

	if (!err) {
		audited = log_audited(log);
		readers_give(s->readers, log);
	}
	error_free(err);
	return audited;
}

size_t sync_found(struct sync *s, struct found_box *out, size_t max)
{
	struct seen_box *boxes = calloc(LIMIT_DISCOVERED, sizeof(*boxes));
	size_t n;

	if (!boxes)
		abort();
	n = s->discovery ? discovery_list(s->discovery, boxes, LIMIT_DISCOVERED) : 0;
	n = n < max ? n : max;
	for (size_t i = 0; i < n; i++) {
		found_box_of(&boxes[i], &out[i]);
		out[i].approved = engine_known(s, &out[i].key);
	}
	free(boxes);
	return n;
}

/* --- a person asks --- */
static struct error *cant_ask(struct sync *s, const struct pubkey *key)
{
	if (!key)
		return error_new(ERR_NOT_FOUND,
				 N_("There is no approved box that can be reached: none has an "
				    "address, and none was seen on this network."));
	if (!engine_peer(s, key))
		return error_new(ERR_NOT_FOUND, N_("The box %s is not among the approved ones."),
				 ID_SHORT(key));
	return error_new(ERR_NET,
			 N_("Box %s has no address and was not seen on this network. It will be "
			    "tried when it appears."),
			 ID_SHORT(key));
}

/* One struct asking for each peer that is asked, linked in front. With the lock. */
static struct asking *put_asking(struct sync *s, const struct pubkey *key, size_t *ret_n)
{
	struct asking *all = calloc(s->n_peers, sizeof(*all));
	size_t n = 0;

	if (!all)
		abort();
	for (size_t i = 0; i < s->n_peers; i++)
		if ((!key || pubkey_eq(key, &s->peers[i].key)) &&
		    schedule_is_asked(s->schedule, &s->peers[i].key)) {
			all[n].key = s->peers[i].key;
			all[n].next = s->asking;
			s->asking = &all[n++];
		}
	*ret_n = n;
	return all;
}

static void drop_asking(struct sync *s, const struct asking *from, size_t n)
{
	struct asking **at = &s->asking;

	while (*at)
		if (*at >= from && *at < from + n)
			*at = (*at)->next;
		else
			at = &(*at)->next;
}

static bool all_answered(struct sync *s, const struct asking *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!all[i].done && engine_peer(s, &all[i].key))
			return false;
	return true;
}

static struct error *wait_for_answers(struct sync *s, struct asking *all, size_t n, int timeout_ms)
{
	int64_t until = env_mono(s->o.env) + timeout_ms;
	struct error *err = NULL;

	while (!s->stop && !all_answered(s, all, n) && env_mono(s->o.env) < until)
		engine_wait(s, until - env_mono(s->o.env));
	if (!all_answered(s, all, n))
		err = s->stop ? error_new(ERR_STOPPED, N_("The box is shutting down."))
			      : error_new(ERR_TIMEOUT,
					  N_("The exchange is not over yet; it goes on."));
	for (size_t i = 0; i < n; i++) {
		if (!err)
			err = STEAL(all[i].err); /* the first that failed */
		error_free(all[i].err);
	}
	return err;
}

struct error *sync_now(struct sync *s, const struct pubkey *peer, int timeout_ms)
{
	struct error *err = NULL;
	struct asking *all;
	size_t n;

	pthread_mutex_lock(&s->lock);
	if (!schedule_ask(s->schedule, peer, env_mono(s->o.env))) {
		err = cant_ask(s, peer);
	} else {
		pthread_cond_broadcast(&s->moved);
		if (timeout_ms > 0) {
			all = put_asking(s, peer, &n);
			err = wait_for_answers(s, all, n, timeout_ms);
			drop_asking(s, all, n);
			free(all);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}
