/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who calls whom and when, as the real schedule says: after a write, after somebody else's change,
 * when it failed, from time to time. On half of these networks boxes hear each other's
 * announcements. At the end there is no meeting by decree: left alone, they must come to agree.
 */
#include "tests/sim/world.h"
#include "sync/peer/exchange.h"

enum { TURN_MS = 500, HOURS_3 = 3 * 3600 * 1000 };

static bool may_call(const struct world *w, int from, int to)
{
	return w->at[from].link[to] && w->at[to].up && w->s.apart[from] == w->s.apart[to];
}

/* Of several boxes with one key, the first that can be reached. */
static int box_of(struct world *w, int from, const struct pubkey *key)
{
	for (int i = 0; i < w->s.n; i++)
		if (may_call(w, from, i) && pubkey_eq(secret_pubkey(w->s.box[i].key), key))
			return i;
	return -1;
}

static void tell_peers(struct world *w, int box)
{
	struct peer *peers = calloc((size_t)w->s.n + 1, sizeof(*peers));
	const struct pubkey *self = secret_pubkey(w->s.box[box].key);
	size_t n = 0;

	if (!peers)
		abort();
	for (int i = 0; i < w->s.n; i++) {
		const struct pubkey *key = secret_pubkey(w->s.box[i].key);
		bool known = !w->at[box].link[i] || pubkey_eq(key, self);

		for (size_t k = 0; k < n; k++)
			known |= pubkey_eq(&peers[k].key, key);
		if (known)
			continue;
		peers[n].key = *key;
		snprintf(peers[n++].address, PEER_ADDRESS, "10.0.0.%d:1", i);
	}
	schedule_peers(w->at[box].timetable, peers, n, w->s.rand.mono);
	free(peers);
}

/* Of two boxes with one key the row says what the one that was heard last announces, as the table of
 * sync/discovery/ does. */
static bool is_heard(const struct world *w, int box, int i)
{
	const struct pubkey *key = secret_pubkey(w->s.box[i].key);

	if (!may_call(w, box, i) || w->at[i].hostile ||
	    pubkey_eq(key, secret_pubkey(w->s.box[box].key)))
		return false;
	for (int k = 0; k < w->s.n; k++)
		if (k != i && may_call(w, box, k) && !w->at[k].hostile &&
		    pubkey_eq(key, secret_pubkey(w->s.box[k].key)) &&
		    (w->at[k].told_at > w->at[i].told_at ||
		     (w->at[k].told_at == w->at[i].told_at && k < i)))
			return false;
	return true;
}

static void tell_seen(struct world *w, int box)
{
	struct seen_box *seen = calloc((size_t)w->s.n + 1, sizeof(*seen));
	size_t n = 0;

	if (!seen)
		abort();
	for (int i = 0; i < w->s.n; i++) {
		if (!is_heard(w, box, i))
			continue;
		seen[n].key = *secret_pubkey(w->s.box[i].key);
		snprintf(seen[n].address[0], SEEN_ADDRESS, "10.0.0.%d:1", i);
		seen[n].addresses = 1;
		seen[n].has_digest = w->at[i].has_told;
		memcpy(seen[n].digest, w->at[i].told, DISCOVERY_DIGEST);
		n++;
	}
	schedule_seen(w->at[box].timetable, seen, n, w->s.rand.mono);
	free(seen);
}

static void tell_ours(struct world *w, int box)
{
	struct site *p = &w->at[box];
	struct log_store *l = w->s.box[box].c->log;
	uint8_t all[DISCOVERY_DIGEST];

	NEED(&w->s, exchange_digest(l, all));
	NEED(&w->s, exchange_announced(l, p->told));
	p->has_told = true;
	p->told_at = w->s.rand.mono;
	schedule_ours(p->timetable, all, w->s.rand.mono);
}

/* Two boxes with one key find each other by what they announce. */
static void call_twins(struct world *w, int box)
{
	const struct pubkey *self = secret_pubkey(w->s.box[box].key);

	for (int i = 0; i < w->s.n; i++)
		if (may_call(w, box, i) && pubkey_eq(secret_pubkey(w->s.box[i].key), self) &&
		    sim_chance(&w->s, 2))
			call_start(w, box, i);
}

static void turn(struct world *w, int box, void *arg)
{
	struct site *p = &w->at[box];
	struct schedule_job job;

	world_later(w, TURN_MS, turn, box, NULL);
	if (!p->up || disk_facts(p->disk).failed)
		return;
	tell_peers(w, box);
	if (w->announced)
		tell_seen(w, box);
	if (!p->has_told || schedule_wants_digest(p->timetable, w->s.rand.mono))
		tell_ours(w, box);
	call_twins(w, box);
	while (schedule_next(p->timetable, w->s.rand.mono, &job)) {
		int to = box_of(w, box, &job.key);

		w->tally.planned++;
		if (to < 0 || !call_start(w, box, to))
			schedule_done(p->timetable, &job.key, false, NULL, w->s.rand.mono);
	}
}

void timetables_begin(struct world *w)
{
	w->began = true;
	for (int i = 0; i < w->s.n && w->timetables; i++) {
		if (w->at[i].hostile)
			continue;
		if (!w->at[i].timetable)
			w->at[i].timetable = schedule_new(&w->s.box[i].env.env);
		world_later(w, 1 + (int64_t)sim_below(&w->s, TURN_MS), turn, i, NULL);
	}
}

/* The program was started anew: it knows nothing of what was planned. */
void timetable_anew(struct world *w, int box)
{
	struct site *p = &w->at[box];

	if (!w->timetables || p->hostile)
		return;
	if (!p->timetable && w->began)
		world_later(w, TURN_MS, turn, box, NULL);
	schedule_free(p->timetable);
	p->timetable = schedule_new(&w->s.box[box].env.env);
	p->has_told = false;
}

void timetable_wrote(struct world *w, int box)
{
	if (w->at[box].timetable)
		schedule_poke(w->at[box].timetable, w->s.rand.mono);
}

void timetable_over(struct world *w, int client, int server, const struct timetable_end *end)
{
	const struct pubkey *to = secret_pubkey(w->s.box[server].key);
	struct site *c = &w->at[client], *s = &w->at[server];

	if (s->timetable && end->ok)
		schedule_served(s->timetable, secret_pubkey(w->s.box[client].key), w->s.rand.mono);
	if (!c->timetable)
		return;
	if (c->up && end->moved && !disk_facts(c->disk).failed)
		tell_ours(w, client);
	schedule_done(c->timetable, to, end->ok, end->settled, w->s.rand.mono);
	if (end->ok && end->more)
		schedule_anew(c->timetable, to, w->s.rand.mono);
}

/* --- the end --- */
static bool all_agree(struct world *w, bool say)
{
	for (int k = 0; k < w->n_spaces; k++) {
		const struct space_of *space = &w->space[k];
		struct space_digest first, other;

		NEED(&w->s,
		     heads_space_digest(w->s.box[space->founder].c->log, &space->id, &first));
		for (int i = 0; i < w->s.n; i++) {
			if (!box_takes_part(w, i, k))
				continue;
			NEED(&w->s, heads_space_digest(w->s.box[i].c->log, &space->id, &other));
			if (!hash_eq(&first.heads, &other.heads) ||
			    (!keep_is_partial(&w->at[i].keep) &&
			     memcmp(first.missing, other.missing, sizeof(first.missing)) != 0)) {
				if (say)
					sim_say(&w->s, "space %d: boxes %d and %d differ in %s", k,
						space->founder, i,
						hash_eq(&first.heads, &other.heads) ? "payloads"
										    : "heads");
				return false;
			}
		}
	}
	return true;
}

static void audit_all(struct world *w)
{
	for (int i = 0; i < w->s.n; i++)
		if (w->at[i].up)
			world_audit(w, i);
}

void timetables_settle(struct world *w)
{
	int64_t from = w->s.rand.now;

	if (!w->timetables)
		return;
	timetables_begin(w);
	while (audit_all(w), !all_agree(w, false)) {
		world_pass(w, w->s.rand.now + 10000);
		if (w->s.rand.now - from > HOURS_3) {
			all_agree(w, true);
			sim_die(&w->s, "left alone, the boxes never agree", NULL, __FILE__,
				__LINE__);
		}
	}
	sim_say(&w->s, "left alone, all agree after %lld s",
		(long long)(w->s.rand.now - from) / 1000);
	calls_break(w, -1);
	w->n_queue = 0;
}
