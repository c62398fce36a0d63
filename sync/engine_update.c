/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which system boxes run, and fetching an update that a peer passes on. PROTOCOL.md section 20. */
#include "sync/engine_priv.h"

enum { LOOK_EVERY = 1 << 20, DRIBBLE = 1 << 16 };

/* --- what is said --- */
void sync_system_is(struct sync *s, const struct system_said *said)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct system_said own;

	if (said) {
		own = *said;
		own.when_ms = env_now(s->o.env);
		system_make(s->o.self, &own, &body);
	}
	pthread_mutex_lock(&s->lock);
	if (!system_same(buf_span(&body), buf_span(&s->system))) {
		buf_clear(&s->system);
		buf_add_span(&s->system, buf_span(&body));
		s->said_generation++;
		for (size_t i = 0; i < s->n_peers; i++)
			schedule_anew(s->schedule, &s->peers[i].key, env_mono(s->o.env));
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
}

void engine_tell_system(struct sync *s, struct stream_writer *w)
{
	if (s->system.n)
		stream_put_system(w, buf_span(&s->system));
}

void engine_told_system(struct sync *s, const struct pubkey *by, struct span body)
{
	const struct sync_host *host = &s->o.host;
	struct system_said said;
	struct error *err;

	if (!host->heard_system)
		return;
	err = system_read(body, &said);
	if (!err && pubkey_eq(&said.key, by))
		host->heard_system(host->ctx, &said, body);
	else if (!error_is(err, ERR_VERSION))
		engine_misdeed(s, by,
			       error_is(err, ERR_MALFORMED) ? MISDEED_RUBBISH : MISDEED_FORGED,
			       err ? error_stored(err) : "");
	error_free(err);
}

/* --- fetching --- */
struct fetch {
	struct sync *s;
	const struct sync_fetch *f;
	struct client *client;
	struct blob_writer *w;
	uint64_t have, skip, since_look;
	bool near; /* on this network */
	bool guilty; /* it is whole and another, and all of it was this peer's */
};

/* Both are as for any exchange: the volunteers' hours and budget, and what one peer may bring. */
static struct error *may_go_on(struct fetch *k)
{
	ENSURE(k->near || !engine_closed(k->s, &k->f->peer),
	       error_new(ERR_BUSY, N_("The line of this box is counted, and closed for now. The "
				      "update is fetched on when it is open.")));
	ENSURE(ledger_left(k->s->ledger, &k->f->peer, LEDGER_BYTES) > 0 &&
		       ledger_left(k->s->ledger, &k->f->peer, LEDGER_IN) > 0,
	       error_new(ERR_RATE, N_("The other box has brought as much as it may for now. The "
				      "update is fetched on tomorrow.")));
	return NULL;
}

static struct error *take(struct fetch *k, struct span bytes)
{
	size_t cut = k->skip < bytes.n ? (size_t)k->skip : bytes.n;

	k->skip -= cut;
	ledger_charge(k->s->ledger, &k->f->peer, LEDGER_BYTES, bytes.n - cut);
	ledger_passed(k->s->ledger, &k->f->peer, LEDGER_IN, bytes.n, k->near);
	TRY(blob_write(k->w, span_of(bytes.p + cut, bytes.n - cut)));
	k->since_look += bytes.n;
	if (k->since_look < LOOK_EVERY)
		return NULL;
	k->since_look = 0;
	return may_go_on(k);
}

static struct error *longer_than_said(void)
{
	return error_new(ERR_LIMIT, N_("The update is longer than the other box said."));
}

/* Before a byte is written: does its answer keep to what it said? */
static struct error *length_fits(struct fetch *k)
{
	uint64_t n = client_length(k->client), from = client_status(k->client) == 206 ? k->have : 0;

	ENSURE(n == CLIENT_UNSAID || n <= k->f->size - from, longer_than_said());
	return NULL;
}

static struct error *receive(struct fetch *k, int *ret_status)
{
	_cleanup_(buf_release) struct buf bytes = {0};
	char path[128];
	bool first = true;

	client_expect(k->client, k->f->size + DRIBBLE);
	snprintf(path, sizeof(path), SYNC_PATH_UPDATE "%s", ID(&k->f->blob));
	TRY(client_request(k->client, "GET", path, false, k->have));
	while (client_receive(k->client, true, &bytes)) {
		if (first && client_status(k->client) == 200)
			k->skip = k->have; /* it began at the beginning all the same */
		if (first)
			TRY(length_fits(k));
		first = false;
		TRY(take(k, buf_span(&bytes)));
	}
	return client_result(k->client, ret_status);
}

static void lied(void *ctx, const struct pubkey *by)
{
	engine_misdeed(ctx, by, MISDEED_UPDATE, "");
}

/* What it is in the end; the writer is consumed where it is of no more use. */
static struct error *settle(struct fetch *k, struct error *take_err, int status)
{
	if (error_is(take_err, ERR_LIMIT)) { /* nothing of its rubbish stays */
		error_free(take_err);
		blob_writer_undo(STEAL(k->w));
		return longer_than_said();
	}
	TRY(take_err);
	ENSURE(status == 200 || status == 206 || status == 416,
	       status == 503 || status == 429
		       ? error_new(ERR_RATE, N_("The other box is busy, or its line is closed. "
						"The update is fetched on later."))
		       : error_new(ERR_NOT_FOUND,
				   N_("The other box passes this update on no more.")));
	TRY(blob_writer_settle(STEAL(k->w), &k->guilty));
	blob_judge(k->f->store, &k->f->blob, lied, k->s);
	return NULL;
}

static struct error *connect_to(struct fetch *k)
{
	struct sync *s = k->s;
	_cleanup_(proxy_wipe) struct proxy proxy;

	engine_proxy(s, &proxy);
	return client_new(&(struct client_options){.tls = s->tls,
						   .env = s->o.env,
						   .peer = k->f->peer,
						   .address = k->f->address,
						   .proxy = k->near ? NULL : &proxy,
						   .name = s->name,
						   .ending = &s->fetch_stop},
			  &k->client);
}

/* Where more is here than this peer says that it has, one of the two is wrong, and nobody knows which: then
 * its own is taken apart. */
static struct error *begin_file(struct fetch *k)
{
	const struct sync_fetch *f = k->f;
	struct error *err =
		blob_writer_from(f->store, &f->blob, &f->peer, f->size, &k->w, &k->have);

	if (error_is(err, ERR_LIMIT)) {
		k->have = 0;
		error_replace(&err, blob_writer_apart(f->store, &f->blob, f->size, &k->w));
	}
	return err;
}

/* Once. *ret_guilty: with ERR_CORRUPT, all of it came from this peer. */
static struct error *fetch_once(struct sync *s, const struct sync_fetch *f, bool *ret_guilty)
{
	struct fetch k = {.s = s, .f = f, .near = engine_near(s, &f->peer, f->address)};
	struct error *err;
	int status = 0;

	TRY(may_go_on(&k));
	ENSURE(ledger_left(s->ledger, &f->peer, LEDGER_BLOBS) > 0,
	       error_new(ERR_RATE, N_("The other box has brought as much as it may for now. The "
				      "update is fetched on tomorrow.")));
	TRY(connect_to(&k));
	err = begin_file(&k);
	if (!err) {
		ledger_charge(s->ledger, &f->peer, LEDGER_BLOBS, 1);
		err = receive(&k, &status);
		err = settle(&k, err, status);
	}
	client_free(k.client);
	blob_writer_free(k.w); /* keeps what it has */
	*ret_guilty = k.guilty;
	return err;
}

/* One at a time. */
static bool begin(struct sync *s)
{
	bool may;

	pthread_mutex_lock(&s->lock);
	may = !s->stop && !s->fetching;
	if (may) {
		s->fetching = true;
		s->fetch_stop = false;
	}
	pthread_mutex_unlock(&s->lock);
	return may;
}

static void end(struct sync *s)
{
	pthread_mutex_lock(&s->lock);
	s->fetching = false;
	pthread_mutex_unlock(&s->lock);
}

struct error *sync_fetch_update(struct sync *s, const struct sync_fetch *f)
{
	struct error *err;
	bool guilty = false;

	if (blob_has(f->store, &f->blob, NULL))
		return NULL;
	ENSURE(begin(s), error_new(ERR_STOPPED, N_("Fetching the update was stopped.")));
	err = fetch_once(s, f, &guilty);
	/* Several had a hand in it: from now on each is asked for all of it, this one first. */
	if (!guilty && error_is(err, ERR_CORRUPT))
		error_replace(&err, fetch_once(s, f, &guilty));
	end(s);
	if (error_is(err, ERR_LIMIT) || (guilty && error_is(err, ERR_CORRUPT)))
		engine_misdeed(s, &f->peer, MISDEED_UPDATE, error_stored(err));
	return err;
}

void sync_fetch_cancel(struct sync *s)
{
	pthread_mutex_lock(&s->lock);
	s->fetch_stop = true;
	pthread_mutex_unlock(&s->lock);
}

void sync_misdeed(struct sync *s, const struct pubkey *peer, enum misdeed what, const char *words)
{
	engine_misdeed(s, peer, what, words);
}
