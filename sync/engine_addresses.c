/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where peers are: what they say of themselves, directly and through others, and what worked. */
#include "sync/engine_priv.h"
#include "sync/replicate/stream.h"

enum {
	STATEMENT_ROOM = 8192,
	TELL_AGAIN_MS = 12 * 3600000,
	NOTE_WORKED_MS = 3600000,
	FAILURES_NOTED = 4
};

/* --- the table in memory; with the lock --- */
static struct reach *reach_of(struct sync *s, const struct pubkey *key, bool make)
{
	struct reach *r;

	for (size_t i = 0; i < s->n_reaches; i++)
		if (pubkey_eq(&s->reaches[i].key, key))
			return &s->reaches[i];
	if (!make || s->n_reaches > LIMIT_PEERS)
		return NULL;
	s->reaches = reallocarray(s->reaches, s->n_reaches + 1, sizeof(*r));
	if (!s->reaches)
		abort();
	r = &s->reaches[s->n_reaches++];
	memset(r, 0, sizeof(*r));
	r->key = *key;
	return r;
}

static void set_said(struct reach *r, uint64_t number, struct span body)
{
	buf_clear(&r->said);
	buf_add_span(&r->said, body);
	r->number = number;
}

/* To the schedule, in order, with the address that the volunteer gave. */
static void tell_schedule(struct sync *s, const struct reach *r)
{
	struct known_address all[KNOWN_ADDRESSES + 1];
	char list[SCHEDULE_KNOWN][PEER_ADDRESS];
	const struct peer *p = engine_peer(s, &r->key);
	size_t n = r->n, kept = 0;
	bool there = !p || !p->address[0];

	memcpy(all, r->known, n * sizeof(*all));
	for (size_t i = 0; i < n && !there; i++)
		there = strcmp(all[i].address, p->address) == 0;
	if (!there) {
		all[n] = (struct known_address){.source = ADDRESS_BY_HAND};
		snprintf(all[n].address, sizeof(all[n].address), "%s", p->address);
		n++;
	}
	addresses_order(all, n);
	for (size_t i = 0; i < n && kept < SCHEDULE_KNOWN; i++)
		memcpy(list[kept++], all[i].address, PEER_ADDRESS);
	schedule_addresses(s->schedule, &r->key, list, kept, env_mono(s->o.env));
}

/* --- what is on disk --- */
static struct error *load_statement(void *ctx, const struct pubkey *via, struct span body)
{
	struct sync *s = ctx;
	struct statement said;
	struct error *err = statement_read(body, &said);
	struct reach *r = err ? NULL : reach_of(s, &said.key, true);

	error_free(err);
	if (r && said.number > r->number)
		set_said(r, said.number, body);
	return NULL;
}

static struct error *load_known(struct sync *s, const struct pubkey *key)
{
	struct reach *r = reach_of(s, key, true);

	if (!r)
		return NULL;
	TRY(allowance_get(s->local, key, &r->allowance));
	return address_list(s->local, key, r->known, &r->n);
}

struct reach *engine_reach(struct sync *s, const struct pubkey *key)
{
	return reach_of(s, key, false);
}

struct error *engine_load_known(struct sync *s)
{
	for (size_t i = 0; i < s->n_peers; i++)
		TRY(load_known(s, &s->peers[i].key));
	return NULL;
}

struct error *engine_load_addresses(struct sync *s)
{
	TRY(statement_each(s->local, load_statement, s));
	s->say_anew = true;
	return NULL;
}

void engine_tell_schedule(struct sync *s)
{
	for (size_t i = 0; i < s->n_reaches; i++)
		tell_schedule(s, &s->reaches[i]);
}

/* --- what we say --- */
struct saying {
	struct statement said;
	struct buf body;
	struct pubkey via;
	int64_t now;
};

static struct error *write_saying(struct sync_writing *w, void *arg)
{
	const struct saying *job = arg;

	return statement_put(w->local, &job->said, buf_span(&job->body), &job->via, job->now);
}

static size_t own_addresses(const struct sync *s, char (*out)[PEER_ADDRESS])
{
	size_t n = 0;

	if (!s->listener)
		return 0;
	for (size_t i = 0; i < LIMIT_PUBLIC && s->uplink.address[i][0] && n < LIMIT_STATED; i++)
		memcpy(out[n++], s->uplink.address[i], PEER_ADDRESS);
	return n + addresses_of_machine(s->listen, listener_port(s->listener), out + n,
					LIMIT_STATED - n);
}

size_t sync_own_addresses(struct sync *s, char (*out)[PEER_ADDRESS], size_t max)
{
	char all[LIMIT_STATED][PEER_ADDRESS];
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = own_addresses(s, all);
	pthread_mutex_unlock(&s->lock);
	n = n < max ? n : max;
	memcpy(out, all, n * sizeof(*all));
	return n;
}

static bool says_the_same(const struct statement *old, char (*addresses)[PEER_ADDRESS], size_t n,
			  const struct pubkey *tell, size_t n_tell)
{
	bool same = old->n == n && old->n_tags == (n_tell < LIMIT_TOLD ? n_tell : LIMIT_TOLD);

	for (size_t i = 0; same && i < n; i++)
		same = strcmp(old->address[i], addresses[i]) == 0;
	for (size_t i = 0; same && i < n_tell && i < LIMIT_TOLD; i++)
		same = statement_is_for(old, &tell[i]);
	return same;
}

static size_t whom_to_tell(const struct sync *s, struct pubkey out[LIMIT_TOLD])
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_peers && n < LIMIT_TOLD; i++)
		out[n++] = s->peers[i].key;
	return n;
}

void engine_say(struct sync *s)
{
	const struct pubkey *self = secret_pubkey(s->o.self);
	char addresses[LIMIT_STATED][PEER_ADDRESS];
	struct pubkey tell[LIMIT_TOLD];
	struct saying job = {.via = *self, .now = env_now(s->o.env)};
	size_t n = own_addresses(s, addresses), n_tell;
	struct statement old = {.n = 0};
	struct reach *r;
	struct error *err;
	uint64_t number;

	s->say_anew = false;
	n_tell = whom_to_tell(s, tell);
	r = reach_of(s, self, true);
	if (!r)
		return;
	err = r->said.n ? statement_read(buf_span(&r->said), &old) : NULL;
	if (r->said.n && !err && says_the_same(&old, addresses, n, tell, n_tell))
		return;
	error_free(err);
	number = job.now > 0 && (uint64_t)job.now > r->number ? (uint64_t)job.now : r->number + 1;
	statement_make(s->o.self, number, addresses, n, tell, n_tell, &job.body);
	set_said(r, number, buf_span(&job.body));
	s->said_generation++;
	for (size_t i = 0; i < s->n_peers; i++)
		schedule_anew(s->schedule, &s->peers[i].key, env_mono(s->o.env));
	pthread_mutex_unlock(&s->lock);
	err = statement_read(buf_span(&job.body), &job.said);
	if (!err)
		err = s->o.host.write(s->o.host.ctx, write_saying, &job);
	error_free(err);
	buf_release(&job.body);
	pthread_mutex_lock(&s->lock);
}

/* Ours, and those of peers that name this reader. */
static bool may_tell(struct sync *s, const struct reach *r, const struct pubkey *reader)
{
	struct statement said;
	struct error *err;

	if (!r->said.n || pubkey_eq(&r->key, reader))
		return false;
	if (pubkey_eq(&r->key, secret_pubkey(s->o.self)))
		return true;
	err = statement_peek(buf_span(&r->said), &said); /* checked when it came */
	if (err) {
		error_free(err);
		return false;
	}
	return engine_peer(s, &r->key) && statement_is_for(&said, reader);
}

/* Then it counts as told. */
static bool is_due(struct sync *s, const struct pubkey *reader, bool always)
{
	int64_t now = env_mono(s->o.env);
	struct reach *to;
	bool due;

	pthread_mutex_lock(&s->lock);
	to = engine_peer(s, reader) ? reach_of(s, reader, true) : NULL;
	due = to && (always || to->told_generation != s->said_generation || !to->told_at ||
		     now - to->told_at > TELL_AGAIN_MS);
	if (due) {
		to->told_generation = s->said_generation;
		to->told_at = now ? now : 1;
	}
	pthread_mutex_unlock(&s->lock);
	return due;
}

bool engine_tell(void *ctx, const struct pubkey *reader, bool always, struct buf *out)
{
	struct sync *s = ctx;
	const struct sync_host *host = &s->o.host;
	struct stream_writer w;
	bool system;

	if (!is_due(s, reader, always))
		return false;
	system = host->tells_system && host->tells_system(host->ctx, reader); /* may wait */
	pthread_mutex_lock(&s->lock);
	stream_begin(&w, out);
	for (size_t i = 0; i < s->n_reaches; i++)
		if (may_tell(s, &s->reaches[i], reader) &&
		    out->n + s->reaches[i].said.n < LIMIT_STATUS - STATEMENT_ROOM)
			stream_put_addresses(&w, buf_span(&s->reaches[i].said));
	if (system)
		engine_tell_system(s, &w);
	stream_put_end(&w);
	pthread_mutex_unlock(&s->lock);
	return true;
}

/* --- what we are told --- */
static void leave_out_loopback(struct statement *said, bool loopback)
{
	size_t kept = 0;

	for (size_t i = 0; i < said->n; i++)
		if (loopback || !address_is_loopback(said->address[i]))
			memmove(said->address[kept++], said->address[i], PEER_ADDRESS);
	said->n = kept;
}

/* Is it news? Then it is in memory, and the schedule knows. */
static bool take_in(struct sync *s, const struct statement *said, struct span body)
{
	struct reach *r;
	bool news;

	pthread_mutex_lock(&s->lock);
	r = engine_peer(s, &said->key) ? reach_of(s, &said->key, true) : NULL;
	news = r && said->number > r->number;
	if (news) {
		set_said(r, said->number, body);
		s->said_generation++;
		for (size_t i = 0; i < s->n_peers; i++) /* whom it may be passed on to */
			if (statement_is_for(said, &s->peers[i].key))
				schedule_anew(s->schedule, &s->peers[i].key, env_mono(s->o.env));
	}
	pthread_mutex_unlock(&s->lock);
	return news;
}

static void read_again(struct sync *s, const struct pubkey *key)
{
	struct error *err;

	pthread_mutex_lock(&s->local_lock);
	pthread_mutex_lock(&s->lock);
	err = load_known(s, key);
	if (!err)
		tell_schedule(s, reach_of(s, key, true));
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->local_lock);
	error_free(err);
}

/* Is it worth a look at its signature? */
static bool would_be_news(struct sync *s, struct span body, struct pubkey *ret_key)
{
	struct statement said;
	struct error *err = statement_peek(body, &said);
	const struct reach *r;
	bool news;

	if (err) {
		error_free(err);
		return false;
	}
	pthread_mutex_lock(&s->lock);
	r = engine_peer(s, &said.key) ? reach_of(s, &said.key, true) : NULL;
	news = r && said.number > r->number;
	pthread_mutex_unlock(&s->lock);
	*ret_key = said.key;
	return news;
}

/* Of several that are news of one box the first counts: each costs a signature to check and a commit. */
static bool looked_at(struct buf *keys, const struct pubkey *key)
{
	const struct pubkey *all = (const struct pubkey *)(const void *)keys->p;

	for (size_t i = 0; i < keys->n / sizeof(*all); i++)
		if (pubkey_eq(&all[i], key))
			return true;
	buf_add(keys, key, sizeof(*key));
	return false;
}

static void told_one(struct sync *s, const struct pubkey *by, struct span body, bool loopback)
{
	struct saying job = {.via = *by, .now = env_now(s->o.env)};
	struct error *err = statement_read(body, &job.said);

	if (error_is(err, ERR_SIGNATURE))
		engine_misdeed(s, by, MISDEED_FORGED, error_stored(err));
	if (err || pubkey_eq(&job.said.key, secret_pubkey(s->o.self))) {
		error_free(err);
		return;
	}
	leave_out_loopback(&job.said, loopback);
	if (!take_in(s, &job.said, body))
		return;
	buf_add_span(&job.body, body);
	err = s->o.host.write(s->o.host.ctx, write_saying, &job);
	buf_release(&job.body);
	if (!err)
		read_again(s, &job.said.key);
	error_free(err);
}

struct error *engine_told(void *ctx, const struct pubkey *by, struct span stream, bool loopback)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r =
		stream_reader_new(FRAME_BIT(FRAME_ADDRESSES) | FRAME_BIT(FRAME_SYSTEM));
	_cleanup_(buf_release) struct buf keys = {0};
	const struct frame *f;
	struct pubkey key;
	bool system = false;

	stream_feed(r, stream);
	for (;;) {
		TRY(stream_next(r, &f));
		if (!f)
			return stream_finish(r);
		if (f->type == FRAME_ADDRESSES && would_be_news(ctx, f->addresses, &key) &&
		    !looked_at(&keys, &key))
			told_one(ctx, by, f->addresses, loopback);
		if (f->type == FRAME_SYSTEM && !system) {
			engine_told_system(ctx, by, f->system);
			system = true; /* one each time: it costs a signature and a commit */
		}
	}
}

/* --- what worked --- */
struct trying {
	struct pubkey key;
	struct known_address known;
};

static struct error *write_try(struct sync_writing *w, void *arg)
{
	const struct trying *t = arg;

	return address_put(w->local, &t->key, &t->known);
}

/* The row of an address. One that is not there yet takes the place of the least promising of those that
 * no volunteer set. */
static struct known_address *row_of(struct reach *r, const char *address)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (strcmp(r->known[i].address, address) == 0)
			return &r->known[i];
	if (r->n < KNOWN_ADDRESSES)
		i = r->n++;
	else
		do
			i--;
		while (i > 0 && r->known[i].source == ADDRESS_BY_HAND);
	r->known[i] = (struct known_address){.source = ADDRESS_MET};
	snprintf(r->known[i].address, sizeof(r->known[i].address), "%s", address);
	return &r->known[i];
}

/* The row as it is after a try, and whether that is worth a write. */
static bool after_try(struct reach *r, const char *address, bool ok, int64_t now,
		      struct known_address *ret)
{
	struct known_address *a = row_of(r, address), old = *a;

	a->last_try_ms = now;
	a->failures = ok ? 0 : a->failures + 1;
	if (ok)
		a->last_ok_ms = now;
	*ret = *a;
	return ok ? old.failures || !old.last_ok_ms || now - old.last_ok_ms > NOTE_WORKED_MS
		  : old.failures < FAILURES_NOTED;
}

/* Where a peer is announced to be, and is not, is nothing to remember: who announces it may be anybody. */
static bool worth_knowing(const struct reach *r, const struct peer *p, const char *address, bool ok)
{
	bool known = ok || strcmp(p->address, address) == 0;

	for (size_t i = 0; i < r->n; i++)
		known |= strcmp(r->known[i].address, address) == 0;
	return known;
}

void engine_tried(struct sync *s, const struct pubkey *key, const char *address, bool ok)
{
	struct trying t = {.key = *key};
	const struct peer *p;
	bool write = false;
	struct reach *r;

	pthread_mutex_lock(&s->lock);
	p = engine_peer(s, key);
	r = p ? reach_of(s, key, true) : NULL;
	if (r && worth_knowing(r, p, address, ok))
		write = after_try(r, address, ok, env_now(s->o.env), &t.known);
	if (write) {
		addresses_order(r->known, r->n);
		if (ok) /* not while the others are still to be tried */
			tell_schedule(s, r);
	}
	pthread_mutex_unlock(&s->lock);
	if (write)
		error_free(s->o.host.write(s->o.host.ctx, write_try, &t));
}

void engine_free_addresses(struct sync *s)
{
	for (size_t i = 0; i < s->n_reaches; i++)
		buf_release(&s->reaches[i].said);
	free(s->reaches);
}
