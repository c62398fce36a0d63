/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is wanted comes from whoever passes it on, and is looked at before anybody sees it. */
#include "appliance/box/box.h"
#include "appliance/peers/peers.h"
#include "appliance/update/offer_priv.h"
#include <sys/statvfs.h>

enum { SHUN_MS = 7 * 24 * 3600 * 1000, LOOK_MOST_MS = 6 * 60 * 1000, LOOK_EVERY_MS = 100 };

/* --- choosing --------------------------------------------------------------------------------- */

struct shunning {
	int64_t since;
	bool found;
};

static struct error *see_misdeed(void *ctx, const struct conduct *c)
{
	struct shunning *k = ctx;

	k->found |= c->what == MISDEED_UPDATE && c->count && c->last_ms > k->since;
	return NULL;
}

/* Who gave something else than it offered is not asked again by itself for a week. */
static struct error *is_shunned(struct offers *o, const struct pubkey *peer, bool *ret)
{
	struct shunning k = {.since = env_now(o->app->env) - SHUN_MS};

	TRY(conduct_each(o->conn->local, peer, see_misdeed, &k));
	*ret = k.found;
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
	TRY(is_shunned(o, &said->key, &shunned));
	*ret = !k.found && !shunned;
	return NULL;
}

static struct error *choose_of(struct offers *o, const struct update_state *u,
			       const struct offer_all *all, const struct system_said **ret_best)
{
	struct offer_plan p;

	TRY(offer_plan_get(o->conn, &p));
	for (size_t i = 0; i < all->n; i++) {
		const struct system_said *said = &all->h[i].said;
		bool may = false;

		if (!offer_fits(offer_machine(), u->version, said) ||
		    (*ret_best && version_compare(said->offer, (*ret_best)->offer) <= 0))
			continue;
		TRY(by_itself(o, &p, all, said, &may));
		if (may)
			*ret_best = said;
	}
	return NULL;
}

/* What is newest, when it is newer than what is here already. */
static struct error *want(struct offers *o, const struct system_said *best)
{
	struct offer_file f = {.blob = best->blob, .size = best->size, .peer = best->key}, ready;
	bool any;

	TRY(offer_of_state(o->conn, OFFER_READY, &ready, &any));
	if (any && version_compare(best->offer, ready.version) <= 0)
		return NULL;
	snprintf(f.version, sizeof(f.version), "%s", best->offer);
	return offer_row(o, &f, OFFER_WANTED);
}

struct error *offer_choose(struct offers *o, const struct update_state *u)
{
	const struct system_said *best = NULL;
	struct offer_all all = {.n = 0};
	struct offer_file f;
	struct error *e;
	bool any;

	TRY(offer_of_state(o->conn, OFFER_WANTED, &f, &any));
	if (any)
		return NULL;
	TRY(offer_all_heard(o->conn, &all));
	e = choose_of(o, u, &all, &best);
	if (!e && best)
		e = want(o, best);
	offer_all_release(&all);
	return e;
}

static struct error *nobody_has_it(void)
{
	return error_new(ERR_NOT_FOUND, N_("No connected house passes this update on now. It is "
					   "fetched when one does."));
}

/* --- fetching --------------------------------------------------------------------------------- */

static struct error *disk_has_room(struct offers *o, const struct offer_file *f)
{
	uint64_t here = blob_part(o->store, &f->blob), left = f->size > here ? f->size - here : 0;
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
	ENSURE(n, nobody_has_it());
	memcpy(out, known[0].address, PEER_ADDRESS);
	return NULL;
}

static struct error *fetch_from(struct offers *o, const struct offer_file *f,
				const struct pubkey *peer)
{
	struct sync_fetch fetch = {
		.peer = *peer, .blob = f->blob, .size = f->size, .store = o->store};
	char address[PEER_ADDRESS];

	TRY(address_of(o, peer, address));
	fetch.address = address;
	return sync_fetch_update(o->app->sync, &fetch);
}

/* The content was not what its hash says: what that peer says is worth nothing, others may have it.
 */
static bool is_a_lie(const struct error *e)
{
	return error_is(e, ERR_CORRUPT) || error_is(e, ERR_LIMIT);
}

/* From the first that has it whole. *ret_lies: all that could be asked gave something else. */
static struct error *fetch_from_any(struct offers *o, const struct offer_file *f,
				    const struct offer_all *all, bool *ret_lies)
{
	struct error *last = nobody_has_it();
	size_t asked = 0, lied = 0;

	for (size_t i = 0; i < all->n && !offer_stops(o); i++) {
		const struct system_said *said = &all->h[i].said;

		if (!*said->offer || !hash_eq(&said->blob, &f->blob) || said->size != f->size)
			continue;
		asked++;
		error_replace(&last, fetch_from(o, f, &said->key));
		if (!last || error_is(last, ERR_STOPPED))
			return last;
		lied += is_a_lie(last);
	}
	*ret_lies = asked && lied == asked;
	return last;
}

/* --- looking ---------------------------------------------------------------------------------- */

static bool rest(struct offers *o, int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
	return offer_stops(o);
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
	return error_new(ERR_TIMEOUT, N_("The update could not be looked at. It is tried again."));
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

static struct error *fetch(struct offers *o, struct offer_file *f, bool *ret_bad)
{
	struct offer_all all = {.n = 0};
	struct error *e;

	if (blob_has(o->store, &f->blob, NULL))
		return NULL;
	TRY(disk_has_room(o, f));
	TRY(offer_all_heard(o->conn, &all));
	e = fetch_from_any(o, f, &all, ret_bad);
	offer_all_release(&all);
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

struct error *offer_bring(struct offers *o, const struct update_state *u)
{
	struct offer_file f;
	bool any, bad = false;
	struct error *e;

	(void)u;
	TRY(offer_of_state(o->conn, OFFER_WANTED, &f, &any));
	if (!any) {
		offer_note_problem(o, NULL);
		return NULL;
	}
	e = fetch(o, &f, &bad);
	if (e && bad) {
		error_free(e);
		f.why = WHY_DAMAGED;
		return offer_row(o, &f, OFFER_BAD);
	}
	if (!e)
		e = still_wanted(o, &f, &any);
	if (!e && any)
		e = look(o, &f);
	offer_note_problem(o, error_is(e, ERR_STOPPED) ? NULL : error_copy(e));
	error_free(e);
	return NULL;
}
