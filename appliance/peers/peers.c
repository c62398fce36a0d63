/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/copy/copy.h"
#include "appliance/files/files.h"
#include "appliance/forum/forum.h"
#include "appliance/library/library.h"
#include "appliance/partial/partial.h"
#include "appliance/peers/announced.h"
#include "appliance/peers/peers_priv.h"
#include "appliance/config/config.h"
#include "appliance/recovery/recovery.h"
#include "appliance/trust/trust.h"
#include "appliance/update/offer.h"
#include "sync/peer/keep.h"
#include <pthread.h>

/* --- what sync/ is given ---------------------------------------------------------------------- */

struct host_write {
	sync_write_fn *fn;
	void *arg;
};

/* What sync wrote is in the views before it is told that it is done. */
static struct error *host_job(struct conn *c, void *arg)
{
	struct host_write *w = arg;

	TRY(w->fn(&(struct sync_writing){.log = c->log, .local = c->local}, w->arg));
	return community_take_in(c);
}

static struct error *host_run(void *ctx, sync_write_fn *fn, void *arg)
{
	struct app *a = ctx;
	struct host_write w = {fn, arg};

	return writer_run_large(a->writer, host_job, &w);
}

enum { NAMES_LOOKED_AT = 32768 }; /* of files, in one exchange */

/* One connection for all threads of the engine: they ask seldom and shortly. */
struct peers {
	struct app *app;
	pthread_mutex_t lock;
	struct conn *conn; /* NULL: not opened yet */
	struct coming_memo coming;
	struct announced announced;
	struct {
		struct pubkey peer;
		uint32_t days;
		struct hash unkept[REPORT_UNKEPT];
		size_t unkept_n;
	} part[LIMIT_PEERS]; /* peers that say that they are partial boxes, or were */
	size_t part_n;
	struct {
		struct pubkey peer;
		int64_t before;
	} asked[64]; /* peers that had none of many files in a row, and how far they were asked */
	size_t asked_next;
};

struct peers *peers_new(struct app *a)
{
	struct peers *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->app = a;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	conn_close(p->conn);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

bool peers_coming_known(struct app *a, struct coming_memo *io)
{
	struct peers *p = a->peers;
	bool known;

	pthread_mutex_lock(&p->lock);
	known = p->coming.generation == io->generation && p->coming.change == io->change &&
		p->coming.entries;
	if (known)
		*io = p->coming;
	pthread_mutex_unlock(&p->lock);
	return known;
}

void peers_coming_is(struct app *a, const struct coming_memo *m)
{
	pthread_mutex_lock(&a->peers->lock);
	a->peers->coming = *m;
	pthread_mutex_unlock(&a->peers->lock);
}

struct error *peers_may_see(struct conn *c, const struct pubkey *key, const struct hash *space,
			    bool *ret)
{
	*ret = space_shared_with(c, space, key);
	return NULL;
}

/* Until it is given back nobody else has it. NULL: it can't be opened, and is given back, too. */
static struct conn *borrow(struct peers *p)
{
	pthread_mutex_lock(&p->lock);
	if (!p->conn)
		error_free(app_conn(p->app, &p->conn));
	return p->conn;
}

static void give_back(struct peers *p)
{
	pthread_mutex_unlock(&p->lock);
}

struct founding {
	size_t logs;
	bool checked; /* all that could found it were looked at */
};

static struct error *look_at_audit(void *ctx, const struct log_info *info)
{
	struct founding *f = ctx;

	f->logs++;
	f->checked &= info->audited > 0 || info->ended == 1;
	return NULL;
}

/* What no valid op founded nobody can see, choose or let go of: it is passed on to nobody. Until its
 * author's signature was checked it may be one, and what is not here at all is no junk. */
static struct error *is_junk(struct conn *c, const struct hash *space, bool *ret)
{
	struct founding f = {.checked = true};
	struct space_info info;
	struct error *e = space_get_here(c, space, &info);

	*ret = false;
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	TRY(log_each(c->log, space, look_at_audit, &f));
	*ret = f.logs && f.checked;
	return NULL;
}

/* With the connection borrowed. */
static struct error *read_ways(struct peers *p, const struct pubkey *key, const struct hash *space,
			       unsigned *ret)
{
	struct peer_terms t;
	struct peer peer;
	unsigned ways;
	bool may, kept, doubted, junk;

	TRY(peer_get(p->conn->local, key, &peer));
	TRY(peer_terms_get(p->conn->local, key, &t));
	if (peer_terms_over(t.until_ms, env_now(p->app->env)))
		return NULL;
	ways = peer_terms_ways(&t, space);
	TRY(peers_may_see(p->conn, key, space, &may));
	TRY(restored_doubted(p->conn, key, &doubted));
	TRY(partial_keeps_space(p->conn, space, &kept));
	TRY(is_junk(p->conn, space, &junk));
	if (!may || doubted || junk)
		ways &= ~(unsigned)PEER_GIVE;
	*ret = kept ? ways : ways & ~(unsigned)PEER_TAKE;
	return NULL;
}

unsigned peers_ways(struct app *a, const struct pubkey *peer, const struct hash *space)
{
	struct peers *p = a->peers;
	unsigned ways = 0;

	/* What can't be read, and who is not (any more) a peer, gets and gives nothing. */
	if (borrow(p))
		error_free(read_ways(p, peer, space, &ways));
	give_back(p);
	return ways;
}

bool peers_has_invited(struct app *a, const struct pubkey *who, const uint8_t proof[PEER_CLAIM])
{
	struct conn *c = borrow(a->peers);
	struct invite i;
	bool has = false;

	if (c) {
		struct error *e = invite_match(c->local, secret_pubkey(a->self), who, proof,
					       env_now(a->env), &i);

		has = !e;
		error_free(e);
	}
	give_back(a->peers);
	return has;
}

static bool host_is_peer(void *ctx, const struct pubkey *key)
{
	struct peers *p = ((struct app *)ctx)->peers;
	struct peer peer;
	bool is = false;

	if (borrow(p)) {
		struct error *e = peer_get(p->conn->local, key, &peer);

		is = !e;
		error_free(e);
	}
	give_back(p);
	return is;
}

static bool host_founds(void *ctx, const struct ingest *run)
{
	struct peers *p = ((struct app *)ctx)->peers;
	bool founds = false;

	if (borrow(p))
		founds = run->payloads[0].state == PAYLOAD_HELD &&
			 community_founds(p->conn, &run->headers[0],
					  run->payloads[0].bytes);
	give_back(p);
	return founds;
}

static void host_crowded(void *ctx, const struct pubkey *bringer)
{
	partial_crowded(((struct app *)ctx)->partial, bringer);
}

static bool host_shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return peers_ways(ctx, peer, space) & PEER_GIVE;
}

static bool host_follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return peers_ways(ctx, peer, space) & PEER_TAKE;
}

static uint32_t host_conflicts(void *ctx, const struct hash *space)
{
	struct peers *p = ((struct app *)ctx)->peers;
	int64_t n = 0;

	if (borrow(p))
		error_free(library_conflicts(p->conn, space, &n));
	give_back(p);
	return n > 0 && n < UINT32_MAX ? (uint32_t)n : 0;
}

struct asking {
	struct peers *p;
	const struct pubkey *peer;
	unsigned way;
};

/* With the connection borrowed. */
static bool goes_that_way(void *ctx, const struct hash *space)
{
	const struct asking *k = ctx;
	unsigned ways = 0;

	error_free(read_ways(k->p, k->peer, space, &ways));
	return (ways & k->way) == k->way;
}

/* A blob's name says that the space is here, and how it goes on: it is said to none whom the space did
 * not admit, though entries are taken from them. */
static bool may_be_asked(void *ctx, const struct hash *space)
{
	const struct asking *k = ctx;
	bool may = false;

	error_free(peers_may_see(k->p->conn, k->peer, space, &may));
	return may && goes_that_way(ctx, space);
}

/* Who had none of what was asked for is asked from there on the next time: so for all in turn. */
static int64_t *asked_up_to(struct peers *p, const struct pubkey *peer)
{
	for (size_t i = 0; i < ARRAY_LEN(p->asked); i++)
		if (pubkey_eq(&p->asked[i].peer, peer))
			return &p->asked[i].before;
	p->asked_next = (p->asked_next + 1) % ARRAY_LEN(p->asked);
	p->asked[p->asked_next].peer = *peer;
	p->asked[p->asked_next].before = 0;
	return &p->asked[p->asked_next].before;
}

/* Between two looks others have their turn. */
static bool look_for_blob(struct app *a, const struct pubkey *peer, struct blob_walk *w,
			  struct hash *ret, uint64_t *ret_size)
{
	struct peers *p = a->peers;
	struct asking k = {p, peer, PEER_TAKE};
	bool any = false;

	w->more = false;
	if (borrow(p)) {
		int64_t *before = asked_up_to(p, peer);

		if (!w->before)
			w->before = *before;
		any = files_next_blob(p->conn, a->blobs, may_be_asked, &k, w, ret, ret_size);
		*before = !any && (w->missed || w->more) ? w->before : 0;
	}
	give_back(p);
	return any;
}

/* Who names more than is ever looked at in one exchange holds up none: the next goes on from there. */
static bool host_next_blob(void *ctx, const struct pubkey *peer, struct blob_walk *w,
			   struct hash *ret, uint64_t *ret_size)
{
	bool any;

	do
		any = look_for_blob(ctx, peer, w, ret, ret_size);
	while (!any && w->more && w->looked < NAMES_LOOKED_AT);
	return any;
}

static bool host_gives_blob(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	struct peers *p = ((struct app *)ctx)->peers;
	struct asking k = {p, peer, PEER_GIVE};
	bool gives = false;

	if (borrow(p))
		gives = files_names_blob(p->conn, blob, goes_that_way, &k);
	give_back(p);
	return gives;
}

/* Of a space that goes both ways, as for entries. */
static bool host_keeps_blob(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	struct app *a = ctx;
	struct peers *p = a->peers;
	struct asking k = {p, peer, PEER_GIVE | PEER_TAKE};
	bool keeps = false;

	if (borrow(p))
		keeps = files_keeps_blob(p->conn, blob, goes_that_way, &k);
	give_back(p);
	return keeps;
}

static void host_first(void *ctx, const struct hash *space, log_named_fn *fn, void *fn_ctx)
{
	struct peers *p = ((struct app *)ctx)->peers;

	if (borrow(p))
		error_free(forum_ops(p->conn, space, fn, fn_ctx));
	give_back(p);
}

/* --- the system and its updates: appliance/update/ --- */
static bool host_tells_system(void *ctx, const struct pubkey *peer)
{
	struct peers *p = ((struct app *)ctx)->peers;
	bool tells = false;

	if (borrow(p))
		tells = offer_tells(p->conn, peer);
	give_back(p);
	return tells;
}

static bool host_gives_update(void *ctx, const struct pubkey *peer, const struct hash *blob,
			      int *ret_fd, uint64_t *ret_size)
{
	struct app *a = ctx;
	struct peers *p = a->peers;
	bool gives = false;

	if (borrow(p))
		gives = offer_tells(p->conn, peer) &&
			offer_gives(a->offers, p->conn, blob, ret_fd, ret_size);
	give_back(p);
	return gives;
}

struct hearing {
	const struct system_said *said;
	struct span body;
};

static struct error *hear_job(struct conn *c, void *arg)
{
	const struct hearing *h = arg;

	return offer_hear(c, h->said, h->body);
}

static void host_heard_system(void *ctx, const struct system_said *said, struct span body)
{
	struct app *a = ctx;
	struct peers *p = a->peers;
	struct hearing h = {said, body};
	bool news = true;

	if (borrow(p))
		news = offer_is_news(p->conn, said);
	give_back(p);
	if (!news)
		return;
	error_free(writer_run(a->writer, hear_job, &h)); /* it is said again */
	offer_poke(a->offers);
}

static void host_clock(void *ctx, const struct pubkey *peer, int64_t ahead_ms)
{
	const struct app *a = ctx;

	if (a->clock)
		clock_env_heard(a->clock, peer, ahead_ms);
}

static void host_announced(void *ctx, const struct pubkey *peer, const struct hash *space,
			   uint64_t entries)
{
	struct peers *p = ((struct app *)ctx)->peers;
	const struct peers_announced said = {*peer, *space, entries};

	pthread_mutex_lock(&p->lock);
	announced_hear(&p->announced, &said, env_mono(p->app->env));
	pthread_mutex_unlock(&p->lock);
}

size_t peers_announced(struct app *a, struct peers_announced out[PEERS_ANNOUNCED])
{
	struct peers *p = a->peers;
	size_t n;

	if (!p)
		return 0;
	pthread_mutex_lock(&p->lock);
	n = announced_list(&p->announced, env_mono(a->env), out);
	pthread_mutex_unlock(&p->lock);
	return n;
}

void peers_announces_nothing(struct app *a, const struct pubkey *peer)
{
	if (!a->peers)
		return;
	pthread_mutex_lock(&a->peers->lock);
	announced_forget(&a->peers->announced, peer);
	pthread_mutex_unlock(&a->peers->lock);
}

/* What can't be looked up is not here. With the connection borrowed, where there is one. */
static uint64_t left_of(void *ctx, const struct peers_announced *said)
{
	const struct peers *p = ctx;
	struct log_counts n = {.entries = 0};

	if (p->conn)
		error_free(log_count(p->conn->log, &said->space, &n));
	return said->entries > n.entries ? said->entries - n.entries : 0;
}

static void host_ended(void *ctx, const struct pubkey *peer, const struct sync_report *report)
{
	struct peers *p = ((struct app *)ctx)->peers;
	uint32_t days = report->keeps_days;
	size_t i = 0, n = report->unkept_n;

	borrow(p);
	if (report->equal)
		announced_forget(&p->announced, peer);
	announced_ended(&p->announced, peer, report->received + report->filled, left_of, p,
			env_mono(p->app->env));
	while (i < p->part_n && !pubkey_eq(&p->part[i].peer, peer))
		i++;
	if (i == p->part_n && (days || n) && p->part_n < ARRAY_LEN(p->part))
		p->part[p->part_n++].peer = *peer;
	if (i < p->part_n) {
		p->part[i].days = days;
		p->part[i].unkept_n = n;
		memcpy(p->part[i].unkept, report->unkept, n * sizeof(*report->unkept));
	}
	give_back(p);
}

uint32_t peers_keeps_days(struct app *a, const struct pubkey *peer)
{
	struct hash unkept[REPORT_UNKEPT];
	uint32_t days;

	peers_keeps(a, peer, &days, unkept);
	return days;
}

size_t peers_keeps(struct app *a, const struct pubkey *peer, uint32_t *ret_days,
		   struct hash unkept[REPORT_UNKEPT])
{
	struct peers *p = a->peers;
	size_t n = 0;

	*ret_days = 0;
	if (!p)
		return 0;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->part_n; i++) {
		if (!pubkey_eq(&p->part[i].peer, peer))
			continue;
		*ret_days = p->part[i].days;
		n = p->part[i].unkept_n;
		memcpy(unkept, p->part[i].unkept, n * sizeof(*unkept));
	}
	pthread_mutex_unlock(&p->lock);
	return n;
}

static bool host_drops(void *ctx, const struct hash *space)
{
	struct peers *p = ((struct app *)ctx)->peers;
	bool kept = true;

	if (borrow(p))
		error_free(partial_keeps_space(p->conn, space, &kept));
	give_back(p);
	return !kept;
}

static enum clock_quality host_clock_quality(void *ctx)
{
	const struct app *a = ctx;

	return a->clock ? clock_env_state(a->clock).quality : CLOCK_UNSURE;
}

/* When it can't be read, all is asked for. */
static void host_keeps(void *ctx, struct keep *ret)
{
	struct app *a = ctx;
	struct peers *p = a->peers;
	struct keep keep = {.payload_days = 0};

	if (borrow(p))
		error_free(partial_choice(p->conn, &keep));
	give_back(p);
	*ret = keep;
}

struct sync_host peers_host(struct app *a)
{
	return (struct sync_host){.ctx = a,
				  .write = host_run,
				  .shares = host_shares,
				  .is_peer = host_is_peer,
				  .founds = host_founds,
				  .crowded = host_crowded,
				  .follows = host_follows,
				  .invited = peers_invited,
				  .keeps = recovery_keeps,
				  .twin = copy_twin,
				  .clock = host_clock,
				  .clock_quality = host_clock_quality,
				  .announced = host_announced,
				  .ended = host_ended,
				  .drops = host_drops,
				  .succeeds = copy_succeeds,
				  .next_blob = host_next_blob,
				  .gives_blob = host_gives_blob,
				  .keeps_blob = host_keeps_blob,
				  .first = host_first,
				  .tells_system = host_tells_system,
				  .heard_system = host_heard_system,
				  .gives_update = host_gives_update,
				  .conflicts = host_conflicts,
				  .partial = host_keeps};
}

/* --- who signs ----------------------------------------------------------------------------------
 */

struct standing {
	const struct pubkey *self, *box;
	bool keeper, writes;		       /* we */
	bool admitted, box_writes, box_keeper; /* the other box */
};

static struct error *look_at_admitted(void *ctx, const struct admitted *a)
{
	struct standing *s = ctx;

	if (pubkey_eq(&a->key, s->self)) {
		s->keeper = a->keeper;
		s->writes = a->write;
	}
	if (pubkey_eq(&a->key, s->box)) {
		s->admitted = true;
		s->box_writes = a->write;
		s->box_keeper = a->keeper;
	}
	return NULL;
}

/* Is this person (NULL: nobody) a steward there? */
static struct error *is_steward(struct conn *c, const struct hash *space,
				const struct pubkey *person, bool *ret)
{
	enum role role = ROLE_NONE;

	if (person)
		TRY(role_now(c, space, person, &role));
	*ret = role == ROLE_STEWARD;
	return NULL;
}

struct error *peers_may_revoke(struct conn *c, const struct pubkey *self, const struct hash *space,
			       const struct pubkey *box, const struct pubkey *steward, bool *ret)
{
	struct standing s = {.self = self, .box = box};
	bool by_steward;

	TRY(admitted_each(c, space, look_at_admitted, &s));
	TRY(is_steward(c, space, steward, &by_steward));
	*ret = s.admitted && s.writes && (by_steward || (s.keeper && !s.box_keeper));
	return NULL;
}

/* --- approving -------------------------------------------------------------------------------- */

struct approve_job {
	struct app *app;
	const struct peers_approval *what;
	const char *name;
	struct peer_terms terms;
	struct conn *conn;
};

/* The steward signs where they are one, else this appliance where it is a keeper. */
static struct error *admit_to_space(struct approve_job *j, const struct hash *space)
{
	const struct secret *steward = j->what->steward;
	const struct pubkey *self = secret_pubkey(j->app->self), *key = &j->what->key;
	struct standing s = {.self = self, .box = key};
	bool by_steward;

	TRY(admitted_each(j->conn, space, look_at_admitted, &s));
	TRY(is_steward(j->conn, space, steward ? secret_pubkey(steward) : NULL, &by_steward));
	if (s.box_writes || !s.writes || !(s.keeper || by_steward))
		return NULL;
	return community_admit(j->conn, space, key, j->name, ADMIT_WRITE,
			       by_steward ? steward : NULL);
}

struct spaces {
	struct hash id[LIMIT_SPACES];
	size_t n;
};

static struct error *collect_space(void *ctx, const struct space_info *s)
{
	struct spaces *all = ctx;

	/* To a private space a box is admitted one by one, by its stewards. */
	if (all->n < LIMIT_SPACES && !s->is_private)
		all->id[all->n++] = s->id;
	return NULL;
}

static struct error *admit_to_spaces(struct approve_job *j)
{
	struct spaces all = {.n = 0};

	TRY(space_each(j->conn, collect_space, &all));
	for (size_t i = 0; i < all.n; i++)
		if (peer_terms_ways(&j->terms, &all.id[i]) & PEER_TAKE)
			TRY(admit_to_space(j, &all.id[i]));
	return NULL;
}

static void fill_peer(const struct approve_job *j, struct peer *p)
{
	const struct peers_approval *what = j->what;

	if (what->address && *what->address)
		snprintf(p->address, sizeof(p->address), "%s", what->address);
	/* An invitation says what its box calls itself: a name that it has here already stays. */
	if (what->name && *what->name && !(what->claim && *p->name))
		snprintf(p->name, sizeof(p->name), "%s", what->name);
	p->read_only = what->read_only;
	p->has_claim = what->claim != NULL;
	if (what->claim)
		memcpy(p->claim, what->claim, PEER_CLAIM);
}

static struct error *approve_job(struct conn *c, void *arg)
{
	struct approve_job *j = arg;
	struct peer p = {.key = j->what->key, .added_ms = env_now(c->env), .how = j->what->how};
	struct error *e = peer_get(c->local, &p.key, &p);

	if (e && !error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	j->conn = c;
	fill_peer(j, &p);
	j->name = *p.name ? p.name : ID_SHORT(&p.key);
	TRY(peer_put(c->local, &p));
	if (j->what->by_hand && *p.address)
		TRY(address_by_hand(c->local, &p.key, p.address));
	if (j->what->terms)
		TRY(peer_terms_put(c->local, &p.key, j->what->terms));
	TRY(peer_terms_get(c->local, &p.key, &j->terms));
	return p.read_only ? NULL : admit_to_spaces(j);
}

void peers_tell_sync(struct app *a)
{
	if (a->sync)
		sync_peers_changed(a->sync);
}

struct error *peers_approve_in(struct app *a, struct conn *c, const struct peers_approval *what)
{
	struct approve_job j = {.app = a, .what = what};

	ENSURE(!pubkey_eq(&what->key, secret_pubkey(a->self)),
	       error_new(ERR_INVALID,
			 N_("That is this box's own key. Ask the other box for its key.")));
	if (what->address && *what->address)
		TRY(peers_check_address(what->address));
	return approve_job(c, &j);
}

static struct error *not_approved(const struct pubkey *key)
{
	return error_new(ERR_NOT_FOUND, N_("No approved box has the key %s."), ID(key));
}

struct approve_call {
	struct app *app;
	const struct peers_approval *what;
};

static struct error *approve_call(struct conn *c, void *arg)
{
	struct approve_call *call = arg;

	TRY(restored_settle(c, &call->what->key));
	return peers_approve_in(call->app, c, call->what);
}

struct error *peers_approve(struct app *a, const struct peers_approval *what)
{
	struct approve_call call = {a, what};

	TRY(writer_run(a->writer, approve_call, &call));
	peers_tell_sync(a);
	return NULL;
}

static struct error *still_job(struct conn *c, void *arg)
{
	struct peer p;

	TRY(peer_get(c->local, arg, &p));
	return restored_settle(c, arg);
}

struct error *peers_still(struct app *a, const struct pubkey *key)
{
	struct pubkey k = *key;
	struct error *e = writer_run(a->writer, still_job, &k);

	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, not_approved(key));
	TRY(e);
	peers_tell_sync(a);
	return NULL;
}

/* --- terms ------------------------------------------------------------------------------------ */

/* Terms admit where something is taken: not in the name of a backup. */
static struct error *must_be_sure_of(struct conn *c, const struct pubkey *key)
{
	bool doubted;

	TRY(restored_doubted(c, key, &doubted));
	ENSURE(!doubted,
	       error_new(ERR_DENIED, N_("This house came back with a backup. Say first whether it "
					"is still connected.")));
	return NULL;
}

struct terms_job {
	struct app *app;
	const struct pubkey *key;
	const struct peer_terms *terms;
	const bool *read_only; /* NULL: as it is */
	const struct secret *steward;
};

static struct error *terms_job(struct conn *c, void *arg)
{
	struct terms_job *t = arg;
	struct peers_approval what = {.key = *t->key, .terms = t->terms, .steward = t->steward};
	struct approve_job j = {.app = t->app, .what = &what};
	struct peer p;

	TRY(peer_get(c->local, t->key, &p));
	TRY(must_be_sure_of(c, t->key));
	what.read_only = t->read_only ? *t->read_only : p.read_only;
	what.claim = p.has_claim ? p.claim : NULL;
	return approve_job(c, &j);
}

struct error *peers_set_terms(struct app *a, const struct pubkey *key, const struct peer_terms *t,
			      const bool *read_only, const struct secret *steward)
{
	struct terms_job job = {a, key, t, read_only, steward};

	TRY(writer_run(a->writer, terms_job, &job));
	peers_tell_sync(a);
	return NULL;
}

/* --- withdrawing ------------------------------------------------------------------------------ */

struct withdraw_job {
	struct app *app;
	const struct peers_withdrawal *what;
};

/* What we hold of its logs counts; what lies behind is void. */
static struct error *revoke_in(struct conn *c, const struct withdraw_job *j,
			       const struct hash *space)
{
	const struct pubkey *self = secret_pubkey(j->app->self), *box = &j->what->key;
	const struct secret *steward = j->what->steward;
	const struct pubkey *person = steward ? secret_pubkey(steward) : NULL;
	bool may, by_steward;

	TRY(peers_may_revoke(c, self, space, box, person, &may));
	TRY(is_steward(c, space, person, &by_steward));
	ENSURE(may, error_new(ERR_DENIED,
			      N_("Box %s can't be withdrawn from that space from here: "
				 "ask one of its stewards."),
			      ID_SHORT(box)));
	return community_remove(c, space, box, by_steward ? steward : NULL);
}

static struct error *withdraw_job(struct conn *c, void *arg)
{
	const struct withdraw_job *j = arg;
	struct error *e = peer_remove(c->local, &j->what->key, env_now(c->env));
	size_t n;

	/* What else is not found below is something else: a space, say. */
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, not_approved(&j->what->key));
	TRY(e);
	TRY(restored_settle(c, &j->what->key));
	TRY(address_forget(c->local, &j->what->key));
	TRY(keep_allow(c, &j->what->key, false));
	TRY(trust_withdraw(c, secret_pubkey(j->app->self), &j->what->key, &n));
	for (size_t i = 0; i < j->what->n; i++)
		TRY(revoke_in(c, j, &j->what->revoke[i]));
	return NULL;
}

static struct error *drop_kept(const struct app *a, const struct pubkey *key)
{
	_cleanup_(freep) char *dir = keep_dir(a);

	return kept_remove(dir, key);
}

struct error *peers_withdraw(struct app *a, const struct peers_withdrawal *what)
{
	struct withdraw_job j = {a, what};

	/* Who misbehaves may be what filled the disk. */
	TRY(writer_run_care(a->writer, withdraw_job, &j));
	peers_announces_nothing(a, &what->key);
	peers_tell_sync(a);
	return what->drop_kept ? drop_kept(a, &what->key) : NULL;
}

void peers_box_name(struct conn *c, const struct admitted *a, char out[LIMIT_NAME + 1])
{
	struct peer p = {.name = ""};
	bool letters = !*a->name || !strcmp(a->name, ID_SHORT(&a->key));

	if (letters)
		error_free(peer_get(c->local, &a->key, &p));
	snprintf(out, LIMIT_NAME + 1, "%s",
		 *p.name    ? p.name
		 : *a->name ? a->name
			    : ID_SHORT(&a->key));
}

struct naming {
	struct conn *conn;
	const struct pubkey *key;
	char *out; /* LIMIT_NAME + 1 bytes; "" until it is found */
};

static void take_name(struct naming *n, const struct pubkey *key, const char *name)
{
	if (!*n->out && pubkey_eq(key, n->key) && strcmp(name, ID_SHORT(key)) != 0)
		snprintf(n->out, LIMIT_NAME + 1, "%s", name);
}

static struct error *name_of_former(void *ctx, const struct former *f)
{
	take_name(ctx, &f->key, f->name);
	return NULL;
}

static struct error *name_of_admitted(void *ctx, const struct admitted *a)
{
	take_name(ctx, &a->key, a->name);
	return NULL;
}

static struct error *name_in_space(void *ctx, const struct space_info *s)
{
	struct naming *n = ctx;

	return *n->out ? NULL : admitted_each(n->conn, &s->id, name_of_admitted, n);
}

bool peers_known_name(struct conn *c, const struct pubkey *key, char out[LIMIT_NAME + 1])
{
	struct naming n = {c, key, out};
	struct peer p;
	struct error *e = peer_get(c->local, key, &p);

	out[0] = 0;
	if (!e)
		take_name(&n, key, p.name);
	error_free(e);
	if (!*out)
		error_free(former_each(c->local, name_of_former, &n));
	if (!*out)
		error_free(space_each(c, name_in_space, &n));
	return *out != 0;
}

void peers_put_name(struct conn *c, struct peer *io)
{
	if (!*io->name)
		peers_known_name(c, &io->key, io->name);
}

/* --- swapping now ----------------------------------------------------------------------------- */

static struct error *keep_first(void *ctx, const struct receipt *r)
{
	struct sync_report *report = ctx;

	*report = r->report;
	return NULL;
}

/* The daemon's engine does it, and leaves a receipt. */
static struct error *sync_in_daemon(struct app *a, const struct pubkey *key, int timeout_ms,
				    struct sync_report *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(sync_now(a->sync, key, timeout_ms));
	TRY(app_conn(a, &c));
	return receipt_each(c->local, key, 1, keep_first, ret);
}

/* Where it is seen on this network now. False: it is not. */
static bool seen_at(struct app *a, const struct pubkey *key, char *out, size_t size)
{
	_cleanup_(freep) struct found_box *found = calloc(LIMIT_DISCOVERED, sizeof(*found));
	size_t n = a->sync && found ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;
	bool seen = false;

	for (size_t i = 0; i < n; i++)
		if (pubkey_eq(&found[i].key, key)) {
			snprintf(out, size, "%s", found[i].address);
			seen = true;
		}
	return seen;
}

struct error *peers_proxy(struct app *a, struct conn *c, const struct pubkey *key,
			  struct proxy *ret)
{
	char address[PEER_ADDRESS];

	*ret = (struct proxy){.url = ""};
	return seen_at(a, key, address, sizeof(address)) ? NULL : proxy_get(c->local, ret);
}

struct error *peers_reach_at(struct app *a, struct conn *c, const struct pubkey *key, char *out,
			     size_t size)
{
	struct known_address known[PEERS_ADDRESSES];
	struct peer p;
	size_t n;

	TRY(peer_get(c->local, key, &p));
	TRY(peers_addresses(c, &p, known, &n));
	if (!seen_at(a, key, out, size)) /* that is better */
		snprintf(out, size, "%s", n ? known[0].address : "");
	ENSURE(*out, error_new(ERR_NET,
			       N_("Box %s has no address. Give it one, or let the daemon find it on"
				  " this network."),
			       ID_SHORT(key)));
	return NULL;
}

struct error *peers_sync_within(struct app *a, const struct pubkey *key, int timeout_ms,
				struct sync_report *ret)
{
	struct sync_report report = {0};

	if (a->sync) {
		TRY(sync_in_daemon(a, key, timeout_ms, &report));
	} else {
		struct app_paths paths;
		struct sync_options o = app_sync_options(a, &paths);

		TRY(sync_once(&o, key, &report));
	}
	*ret = report;
	return NULL;
}

struct error *peers_sync_now(struct app *a, const struct pubkey *key, struct sync_report *ret)
{
	return peers_sync_within(a, key, 120 * 1000, ret);
}
