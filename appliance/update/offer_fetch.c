/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is wanted comes from whoever passes it on, and is looked at before anybody sees it. */
#include "appliance/box/box.h"
#include "appliance/peers/peers.h"
#include "appliance/update/offer_priv.h"
#include <sys/statvfs.h>

enum {
	DAY_MS = 24 * 3600 * 1000,
	SHUN_MS = 7 * DAY_MS,
	LOOK_MOST_MS = 6 * 60 * 1000,
	LOOK_EVERY_MS = 100,
	ROUNDS = 3,	     /* so often is tried what does not come, or is not looked at */
	COMES = 1024 * 1024, /* a round that brought so much is none in vain */
};

/* --- choosing --------------------------------------------------------------------------------- */


static struct error *see_misdeed(void *ctx, const struct conduct *c)
{
	int64_t *last = ctx;

	if (c->what == MISDEED_UPDATE && c->count && c->last_ms > *last)
		*last = c->last_ms;
	return NULL;
}

struct error *offer_shunned_until(struct conn *c, const struct pubkey *peer, int64_t *ret_ms)
{
	int64_t last = env_now(c->env) - SHUN_MS, none = last;

	TRY(conduct_each(c->local, peer, see_misdeed, &last));
	*ret_ms = last > none ? last + SHUN_MS : 0;
	return NULL;
}

struct error *offer_shunned(struct conn *c, const struct pubkey *peer, bool *ret)
{
	int64_t until;

	TRY(offer_shunned_until(c, peer, &until));
	*ret = until != 0;
	return NULL;
}

/* Was this version given up here, or this file found bad, or did a volunteer not want it? */
struct refusing {
	const struct system_said *said;
	bool found;
};

static struct error *see_row(void *ctx, const struct offer_file *f)
{
	struct refusing *k = ctx;
	bool same = hash_eq(&f->blob, &k->said->blob);

	k->found |= (f->state == OFFER_BAD || f->state == OFFER_DECLINED) &&
		    (same ||
		     (f->why != WHY_NOTHING && f->name[0] && !strcmp(f->version, k->said->offer)));
	k->found |= same && (f->state == OFFER_READY || f->state == OFFER_GIVEN);
	return NULL;
}

static struct error *by_itself(struct offers *o, const struct offer_plan *p,
			       const struct offer_all *all, const struct system_said *said,
			       bool *ret)
{
	struct refusing k = {said, false};
	bool shunned;

	*ret = p->ahead || offer_weigh(p, said->offer, all->h, all->n).may;
	if (!*ret)
		return NULL;
	TRY(offer_file_each(o->conn, see_row, &k));
	TRY(offer_shunned(o->conn, &said->key, &shunned));
	*ret = !k.found && !shunned;
	return NULL;
}

struct choice {
	const struct system_said *said;
	int64_t since,
		later; /* when it, or another of that peer, was put off last; 0: it was not */
};

static struct error *see_later(void *ctx, const struct offer_file *f)
{
	struct choice *k = ctx;

	if (f->state == OFFER_LATER && f->when_ms > k->since && f->when_ms > k->later &&
	    (hash_eq(&f->blob, &k->said->blob) || pubkey_eq(&f->peer, &k->said->key)))
		k->later = f->when_ms;
	return NULL;
}

/* What was not put off, then what was so longest ago: so nobody stands before the others for long.
 */
static bool is_better(const struct choice *a, const struct choice *b)
{
	if (!b->said || a->later != b->later)
		return !b->said || a->later < b->later;
	return version_compare(a->said->offer, b->said->offer) > 0;
}

static struct error *choose_of(struct offers *o, const char *version, const struct offer_all *all,
			       struct choice *best)
{
	struct offer_plan p;

	TRY(offer_plan_get(o->conn, &p));
	for (size_t i = 0; i < all->n; i++) {
		struct choice one = {&all->h[i].said, env_now(o->app->env) - DAY_MS, 0};
		bool may = false;

		if (!offer_fits(offer_machine(), version, one.said))
			continue;
		TRY(by_itself(o, &p, all, one.said, &may));
		if (!may)
			continue;
		TRY(offer_file_each(o->conn, see_later, &one));
		if (is_better(&one, best))
			*best = one;
	}
	return NULL;
}

static struct error *want(struct offers *o, const struct system_said *best)
{
	struct offer_file f = {.blob = best->blob, .size = best->size, .peer = best->key};

	snprintf(f.version, sizeof(f.version), "%s", best->offer);
	return offer_row(o, &f, OFFER_WANTED);
}

/* Of what is newer than what runs, and than what is here already. */
struct error *offer_choose(struct offers *o, const struct update_state *u)
{
	struct choice best = {.said = NULL};
	struct offer_all all = {.n = 0};
	const char *version = u->version;
	struct offer_file f, ready;
	struct error *e;
	bool any;

	TRY(offer_of_state(o->conn, OFFER_WANTED, &f, &any));
	if (any)
		return NULL;
	TRY(offer_of_state(o->conn, OFFER_READY, &ready, &any));
	if (any && version_compare(ready.version, version) > 0)
		version = ready.version;
	TRY(offer_all_heard(o->conn, &all));
	e = choose_of(o, version, &all, &best);
	if (!e && best.said)
		e = want(o, best.said);
	offer_all_release(&all);
	return e;
}

static struct error *nobody_has_it(void)
{
	return error_new(ERR_NOT_FOUND, N_("No connected house passes this update on now. It is "
					   "fetched when one does."));
}

/* --- fetching --------------------------------------------------------------------------------- */

static struct error *disk_has_room(struct offers *o, const struct system_said *said)
{
	uint64_t here = blob_part(o->store, &said->blob);
	uint64_t left = said->size > here ? said->size - here : 0;
	uint64_t size, free_bytes;
	struct statvfs v;

	if (statvfs(o->app->dir, &v))
		return NULL; /* then writing says so */
	size = (uint64_t)v.f_blocks * v.f_frsize;
	free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	ENSURE(free_bytes > left && !ledger_keeps_disk(size, free_bytes - left),
	       error_new(ERR_FULL, N_("There is no room on the disk to fetch the update. Free some "
				      "space first.")));
	return NULL;
}

/* Where it is found; who only ever calls us has said where it listens. */
static struct error *address_of(struct offers *o, const struct pubkey *peer, char out[PEER_ADDRESS])
{
	struct known_address known[KNOWN_ADDRESSES];
	struct error *e = peers_reach_at(o->app, o->conn, peer, out, PEER_ADDRESS);
	size_t n;

	if (!error_is(e, ERR_NET))
		return e;
	error_replace(&e, address_list(o->conn->local, peer, known, &n));
	TRY(e);
	ENSURE(n, error_new(ERR_NET, N_("A connected house has this update, but this box knows no "
					"address at which it can be reached. Give one on its page, or "
					"bring the update on a stick.")));
	memcpy(out, known[0].address, PEER_ADDRESS);
	return NULL;
}

/* As long as this peer says that it is: what others say of its size is theirs. */
static struct error *fetch_from(struct offers *o, const struct system_said *said)
{
	struct sync_fetch fetch = {
		.peer = said->key, .blob = said->blob, .size = said->size, .store = o->store};
	char address[PEER_ADDRESS];

	TRY(disk_has_room(o, said));
	TRY(address_of(o, &said->key, address));
	fetch.address = address;
	return sync_fetch_update(o->app->sync, &fetch);
}

enum { FIRST_TURN, FAILED_TURN, TURNS };

/* When it is asked for this file; TURNS: never. */
static unsigned turn_of(struct offers *o, const struct offer_file *f,
			const struct system_said *said)
{
	bool shunned = true;
	struct error *e;

	if (!*said->offer || !hash_eq(&said->blob, &f->blob))
		return TURNS;
	e = offer_shunned(o->conn, &said->key, &shunned);
	shunned |= e != NULL;
	error_free(e);
	if (shunned)
		return TURNS;
	return pubkey_eq(&said->key, &o->failed) ? FAILED_TURN : FIRST_TURN;
}

/* From the first that has it whole. */
static struct error *fetch_from_any(struct offers *o, const struct offer_file *f,
				    const struct offer_all *all)
{
	_cleanup_(freep) unsigned *turns = calloc(all->n + 1, sizeof(*turns));
	struct error *last = nobody_has_it();

	if (!turns)
		abort();
	for (size_t i = 0; i < all->n; i++) /* before any is asked: it changes with that */
		turns[i] = turn_of(o, f, &all->h[i].said);
	for (unsigned turn = 0; turn < TURNS; turn++)
		for (size_t i = 0; i < all->n && !poked_stops(&o->poked); i++) {
			if (turns[i] != turn)
				continue;
			error_replace(&last, fetch_from(o, &all->h[i].said));
			if (!last || error_is(last, ERR_STOPPED))
				return last;
			o->failed = all->h[i].said.key;
		}
	return last;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool rest(struct offers *o, int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
	return poked_stops(&o->poked);
}

static struct error *not_looked_at(struct offers *o)
{
	o->unseen++;
	return error_new(ERR_TIMEOUT, N_("The update could not be looked at. It is tried again."));
}

/* What the updater says of it; the file is there when it has looked. */
static struct error *wait_for_look(struct offers *o, const char *name, struct outcome *ret)
{
	_cleanup_(freep) char *path = path_join(o->app->box.updates, UPDATE_LOOKED);

	for (int waited = 0; waited < LOOK_MOST_MS; waited += LOOK_EVERY_MS) {
		struct outcome found = {.stage = UPDATE_NONE};

		TRY(update_outcome_read(path, &found));
		if (found.stage != UPDATE_NONE && strcmp(found.file, name) == 0) {
			*ret = found;
			return NULL;
		}
		ENSURE(!rest(o, LOOK_EVERY_MS), error_new(ERR_STOPPED, N_("Stopped.")));
	}
	return not_looked_at(o);
}

static struct error *look_at(struct offers *o, const struct offer_file *f, struct outcome *ret)
{
	char name[UPDATE_FILE];
	struct error *e;

	snprintf(name, sizeof(name), "peer-%.16s.raucb", ID(&f->blob));
	offer_unlink(o, UPDATE_LOOKED);
	TRY(offer_link(o, &f->blob, name));
	e = BOX_ASK(o->app->box.helper, NULL, "look", name);
	if (!e)
		e = wait_for_look(o, name, ret);
	offer_unlink(o, name);
	return e;
}

/* Who offers what nobody signed, what is of another machine, what is not newer though it said so.
 */
static void blame(struct offers *o, const struct offer_file *f, enum update_why why)
{
	if (!offer_by_volunteer(f) && why != WHY_FORMAT)
		sync_misdeed(o->app->sync, &f->peer, MISDEED_UPDATE, update_why_name(why));
}

static struct error *look(struct offers *o, struct offer_file *f)
{
	struct outcome found = {.stage = UPDATE_NONE};

	TRY(look_at(o, f, &found));
	ENSURE(found.stage != UPDATE_FAILED, not_looked_at(o));
	f->why = found.why;
	if (version_ok(found.version))
		snprintf(f->version, sizeof(f->version), "%s", found.version);
	if (found.stage == UPDATE_DONE && version_ok(found.version))
		return offer_row(o, f, OFFER_READY);
	blame(o, f, found.why);
	TRY(offer_row(o, f, OFFER_BAD));
	return blob_erase(o->store, &f->blob);
}

/* --- the two together ------------------------------------------------------------------------- */

static struct error *fetch(struct offers *o, struct offer_file *f)
{
	struct offer_all all = {.n = 0};
	struct error *e = NULL;

	if (!blob_has(o->store, &f->blob, NULL)) {
		TRY(offer_all_heard(o->conn, &all));
		e = fetch_from_any(o, f, &all);
		offer_all_release(&all);
	}
	if (!e)
		blob_has(o->store, &f->blob, &f->size); /* not what somebody said */
	return e;
}

/* A volunteer may have said no meanwhile. */
static struct error *still_wanted(struct offers *o, const struct offer_file *f, bool *ret)
{
	struct offer_file now;
	struct error *e = offer_file_get(o->conn, &f->blob, &now);

	*ret = !e && now.state == OFFER_WANTED;
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, NULL);
	return e;
}

/* Nothing came, though our own line and disk would have had it. */
static bool in_vain(struct offers *o, const struct offer_file *f, uint64_t before,
		    const struct error *e)
{
	return !error_is(e, ERR_STOPPED) && !error_is(e, ERR_FULL) && !error_is(e, ERR_BUSY) &&
	       offer_part(o, &f->blob) < before + COMES;
}

/* What a volunteer asked for stays wanted until it comes, or they ask for something else. */
static struct error *put_off(struct offers *o, struct offer_file *f)
{
	bool wanted;

	if (++o->rounds < ROUNDS || f->by_hand)
		return NULL;
	TRY(still_wanted(o, f, &wanted));
	return wanted ? offer_row(o, f, OFFER_LATER) : NULL;
}

/* It is what the updater can't look at, whoever gave it. */
static struct error *give_up_looking(struct offers *o, struct offer_file *f)
{
	o->unseen = 0;
	f->why = WHY_DAMAGED;
	TRY(offer_row(o, f, OFFER_BAD));
	return blob_erase(o->store, &f->blob);
}

static struct error *bring(struct offers *o, struct offer_file *f)
{
	uint64_t before = offer_part(o, &f->blob);
	struct error *e = fetch(o, f);
	bool any;

	if (e && in_vain(o, f, before, e))
		error_free(put_off(o, f)); /* else at the next round */
	else
		o->rounds = 0;
	TRY(e);
	TRY(still_wanted(o, f, &any));
	if (!any)
		return NULL;
	e = look(o, f);
	if (o->unseen >= ROUNDS)
		error_free(give_up_looking(o, f)); /* likewise */
	return e;
}

struct error *offer_bring(struct offers *o)
{
	struct offer_file f;
	struct error *e;
	bool any;

	TRY(offer_of_state(o->conn, OFFER_WANTED, &f, &any));
	if (!any) {
		offer_note_problem(o, NULL);
		return NULL;
	}
	if (!hash_eq(&o->tried, &f.blob)) {
		o->tried = f.blob;
		o->rounds = o->unseen = 0;
	}
	e = bring(o, &f);
	offer_note_problem(o, error_is(e, ERR_STOPPED) ? NULL : error_copy(e));
	error_free(e);
	return NULL;
}
