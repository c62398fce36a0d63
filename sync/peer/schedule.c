/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/schedule.h"
#include "sync/peer/addresses.h"
#include <assert.h>

enum state { IDLE, WAITING, RUNNING };

/* The digests of both sides at a moment. */
struct pair {
	bool known, has_theirs;
	uint8_t ours[DISCOVERY_DIGEST], theirs[DISCOVERY_DIGEST];
};

enum { ADDRESSES = SEEN_ADDRESSES + SCHEDULE_KNOWN + 2 };

struct row {
	struct pubkey key;
	enum state state;
	char fixed[PEER_ADDRESS];		  /* set by hand, or the last that worked */
	char known[SCHEDULE_KNOWN][PEER_ADDRESS]; /* the most promising first */
	size_t n_known;
	char hint[PEER_ADDRESS]; /* where it came from last */
	struct seen_box box;
	bool seen, listed;
	bool moved;		   /* `fixed` is another one, and not tried yet */
	bool asked, running_asked; /* a person waits: for the next exchange, for this one */
	int64_t due;		   /* when WAITING */
	int64_t not_before;	   /* failures, courtesy */
	int64_t regular;	   /* a look in any case */
	int64_t held_until;	   /* by schedule_hold */
	int64_t started_at;
	bool courteous;	   /* waited for its change already, since the last exchange began */
	bool anew;	   /* schedule_anew while it runs */
	bool slow;	   /* the last exchange took its time */
	unsigned failures; /* in a row */
	unsigned address;  /* which of its addresses is tried next */
	unsigned tried;	   /* of them, since the last wait */
	struct pair settled, started;
};

struct schedule {
	const struct env *env;
	struct row *rows[LIMIT_PEERS];
	size_t n;
	uint8_t ours[DISCOVERY_DIGEST];
	bool has_ours, poked;
	int64_t poke_at;
	int64_t closed_until;
	bool closed_here; /* also what goes over the loopback */
};

struct schedule *schedule_new(const struct env *env)
{
	struct schedule *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->env = env;
	s->poked = true; /* nothing is known of our own digest yet */
	s->poke_at = INT64_MIN;
	return s;
}

void schedule_free(struct schedule *s)
{
	if (!s)
		return;
	while (s->n)
		free(s->rows[--s->n]);
	free(s);
}

static struct row *find(struct schedule *s, const struct pubkey *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (pubkey_eq(&s->rows[i]->key, key))
			return s->rows[i];
	return NULL;
}

/* ms, a fifth more or less: boxes that started together drift apart. */
static int64_t about(struct schedule *s, int64_t ms)
{
	uint32_t r;

	env_random(s->env, &r, sizeof(r));
	return ms - ms / 5 + (int64_t)(r % (uint64_t)(ms / 5 * 2 + 1));
}

/* --- where --- */
/* Distinct addresses, the likeliest first. */
static unsigned addresses_of(const struct row *r, const char *ret[ADDRESSES])
{
	const char *all[ADDRESSES];
	unsigned n = 0, kept = 0;

	for (size_t i = 0; r->seen && i < r->box.addresses; i++)
		all[n++] = r->box.address[i];
	for (size_t i = 0; i < r->n_known; i++)
		all[n++] = r->known[i];
	all[n++] = r->fixed;
	all[n++] = r->hint;
	for (unsigned i = 0; i < n; i++) {
		bool twice = !all[i][0];

		for (unsigned k = 0; k < kept; k++)
			twice |= strcmp(ret[k], all[i]) == 0;
		if (!twice)
			ret[kept++] = all[i];
	}
	return kept;
}

/* Is it tried on this machine next? No line of the house is between. */
static bool is_on_loopback(const struct row *r)
{
	const char *addresses[ADDRESSES];
	unsigned n = addresses_of(r, addresses);

	return n && address_is_loopback(addresses[r->address % n]);
}

/* --- whether --- */
static bool announces(const struct row *r)
{
	return r->seen && r->box.has_digest;
}

static struct pair pair_now(const struct schedule *s, const struct row *r)
{
	struct pair p = {.known = s->has_ours, .has_theirs = announces(r)};

	memcpy(p.ours, s->ours, sizeof(p.ours));
	if (p.has_theirs)
		memcpy(p.theirs, r->box.digest, sizeof(p.theirs));
	return p;
}

static bool equal_now(const struct schedule *s, const struct row *r)
{
	return s->has_ours && announces(r) && memcmp(s->ours, r->box.digest, DISCOVERY_DIGEST) == 0;
}

static bool is_settled(const struct schedule *s, const struct row *r)
{
	if (equal_now(s, r))
		return true;
	if (!r->settled.known || memcmp(r->settled.ours, s->ours, DISCOVERY_DIGEST) != 0)
		return false;
	return !announces(r) || (r->settled.has_theirs &&
				 memcmp(r->settled.theirs, r->box.digest, DISCOVERY_DIGEST) == 0);
}

/* The one function that moves between IDLE and WAITING. */
static void weigh(struct schedule *s, struct row *r, int64_t now)
{
	const char *addresses[ADDRESSES];
	int64_t due;

	if (r->state == RUNNING)
		return;
	r->state = IDLE;
	if (!addresses_of(r, addresses))
		return;
	due = r->asked || !is_settled(s, r) ? now : r->regular;
	if (due < r->not_before && !r->asked)
		due = r->not_before;
	if (due < r->held_until && !r->asked)
		due = r->held_until;
	if (due < s->closed_until && !r->seen && !r->asked &&
	    (s->closed_here || !is_on_loopback(r)))
		due = s->closed_until;
	r->due = due;
	r->state = WAITING;
}

/* --- events --- */
static void forget(struct schedule *s, size_t i)
{
	free(s->rows[i]);
	s->rows[i] = s->rows[--s->n];
}

void schedule_peers(struct schedule *s, const struct peer *peers, size_t n, int64_t now)
{
	for (size_t i = 0; i < s->n; i++)
		s->rows[i]->listed = false;
	for (size_t i = 0; i < n; i++) {
		struct row *r = find(s, &peers[i].key);
		bool was_here = r;

		if (!r && s->n < LIMIT_PEERS) {
			r = calloc(1, sizeof(*r));
			if (!r)
				abort();
			r->key = peers[i].key;
			r->regular = now + about(s, SCHEDULE_EQUAL);
			s->rows[s->n++] = r;
		}
		if (!r)
			continue;
		r->listed = true;
		if (strcmp(r->fixed, peers[i].address) != 0) {
			r->moved = was_here;
			snprintf(r->fixed, sizeof(r->fixed), "%s", peers[i].address);
			r->not_before = now;
			r->failures = r->address = r->tried = 0;
		}
		weigh(s, r, now);
	}
	for (size_t i = s->n; i-- > 0;)
		if (!s->rows[i]->listed)
			forget(s, i);
}

void schedule_seen(struct schedule *s, const struct seen_box *boxes, size_t n, int64_t now)
{
	for (size_t i = 0; i < s->n; i++)
		s->rows[i]->listed = false;
	for (size_t i = 0; i < n; i++) {
		struct row *r = find(s, &boxes[i].key);
		bool other;

		if (!r)
			continue;
		other = !r->seen || memcmp(r->box.digest, boxes[i].digest, DISCOVERY_DIGEST) != 0;
		if (!r->seen)
			r->not_before = now, r->failures = r->address = r->tried = 0;
		else if (other && !r->failures && !r->courteous) {
			r->courteous = true;
			if (r->not_before < now + SCHEDULE_COURTESY)
				r->not_before = now + SCHEDULE_COURTESY;
		}
		r->box = boxes[i];
		r->seen = r->listed = true;
		weigh(s, r, now);
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i]->seen && !s->rows[i]->listed) {
			s->rows[i]->seen = false;
			weigh(s, s->rows[i], now);
		}
}

void schedule_network(struct schedule *s, int64_t now)
{
	for (size_t i = 0; i < s->n; i++) {
		struct row *r = s->rows[i];

		if (!r->failures || r->not_before <= now + SCHEDULE_NETWORK)
			continue;
		r->not_before = r->regular = now + SCHEDULE_NETWORK;
		r->failures = 1;
		weigh(s, r, now);
	}
}

static bool has_address(const struct row *r, const char *address)
{
	const char *all[ADDRESSES];
	unsigned n = addresses_of(r, all);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(all[i], address) == 0)
			return true;
	return false;
}

/* Which one is at that place; "" when it can't be reached. */
static void address_at(const struct row *r, char out[PEER_ADDRESS])
{
	const char *all[ADDRESSES];
	unsigned n = addresses_of(r, all);

	snprintf(out, PEER_ADDRESS, "%s", n ? all[r->address % n] : "");
}

void schedule_addresses(struct schedule *s, const struct pubkey *key,
			const char (*addresses)[PEER_ADDRESS], size_t n, int64_t now)
{
	struct row *r = find(s, key);
	const char *all[ADDRESSES];
	char current[PEER_ADDRESS];
	bool news;
	unsigned count;

	if (!r)
		return;
	news = r->moved;
	r->moved = false;
	n = n < SCHEDULE_KNOWN ? n : SCHEDULE_KNOWN;
	for (size_t i = 0; i < n; i++)
		news |= !has_address(r, addresses[i]);
	address_at(r, current);
	memcpy(r->known, addresses, n * sizeof(r->known[0]));
	r->n_known = n;
	count = addresses_of(r, all);
	r->address = 0;
	for (unsigned i = 0; !news && i < count; i++) /* what worked last goes on */
		if (strcmp(all[i], current) == 0)
			r->address = i;
	if (news) {
		r->failures = r->tried = 0;
		r->not_before = now;
		if (r->regular > now) /* whether it works is worth knowing before it is needed */
			r->regular = now;
	}
	weigh(s, r, now);
}

void schedule_hint(struct schedule *s, const struct pubkey *key, const char *address, int64_t now)
{
	struct row *r = find(s, key);

	if (!r || strcmp(r->hint, address) == 0 || !address[0])
		return;
	snprintf(r->hint, sizeof(r->hint), "%s", address);
	weigh(s, r, now);
}

void schedule_served(struct schedule *s, const struct pubkey *key, int64_t now)
{
	struct row *r = find(s, key);

	if (!r)
		return;
	r->failures = r->tried = 0;
	r->not_before = now + SCHEDULE_SERVED;
	weigh(s, r, now);
}

void schedule_poke(struct schedule *s, int64_t now)
{
	if (s->poked)
		return;
	s->poked = true;
	s->poke_at = now + SCHEDULE_POKE;
}

bool schedule_wants_digest(const struct schedule *s, int64_t now)
{
	return s->poked && now >= s->poke_at;
}

void schedule_ours(struct schedule *s, const uint8_t digest[DISCOVERY_DIGEST], int64_t now)
{
	if (s->poked && now >= s->poke_at)
		s->poked = false;
	memcpy(s->ours, digest, DISCOVERY_DIGEST);
	s->has_ours = true;
	for (size_t i = 0; i < s->n; i++)
		weigh(s, s->rows[i], now);
}

bool schedule_ask(struct schedule *s, const struct pubkey *key, int64_t now)
{
	const char *addresses[ADDRESSES];
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		struct row *r = s->rows[i];

		if ((key && !pubkey_eq(&r->key, key)) || !addresses_of(r, addresses))
			continue;
		any = r->asked = true;
		r->tried = 0;
		weigh(s, r, now);
	}
	return any;
}

void schedule_hold(struct schedule *s, const struct pubkey *key, int64_t until, int64_t now)
{
	struct row *r = find(s, key);

	if (!r)
		return;
	r->held_until = until;
	weigh(s, r, now);
}

void schedule_close(struct schedule *s, int64_t until, bool loopback, int64_t now)
{
	if (until == s->closed_until && loopback == s->closed_here)
		return;
	s->closed_until = until;
	s->closed_here = loopback;
	for (size_t i = 0; i < s->n; i++)
		weigh(s, s->rows[i], now);
}

void schedule_anew(struct schedule *s, const struct pubkey *key, int64_t now)
{
	struct row *r = find(s, key);

	if (!r)
		return;
	r->anew = r->state == RUNNING;
	r->settled.known = false;
	if (r->regular > now + SCHEDULE_COURTESY)
		r->regular = now + SCHEDULE_COURTESY;
	weigh(s, r, now);
}

bool schedule_is_near(struct schedule *s, const struct pubkey *key)
{
	const struct row *r = find(s, key);

	return r && r->seen;
}

static bool next(struct schedule *s, int64_t now, bool quick, struct schedule_job *ret)
{
	const char *addresses[ADDRESSES];
	struct row *best = NULL;
	unsigned n;

	for (size_t i = 0; i < s->n; i++) {
		struct row *r = s->rows[i];

		if (r->state == WAITING && r->due <= now && !(quick && r->slow) &&
		    (!best || r->due < best->due))
			best = r;
	}
	if (!best)
		return false;
	n = addresses_of(best, addresses);
	assert(n > 0);
	memset(ret, 0, sizeof(*ret));
	ret->key = best->key;
	ret->asked = best->asked;
	snprintf(ret->address, sizeof(ret->address), "%s", addresses[best->address % n]);
	for (size_t i = 0; best->seen && i < best->box.addresses; i++)
		ret->near |= strcmp(ret->address, best->box.address[i]) == 0;
	best->started_at = now;
	best->courteous = false;
	best->state = RUNNING;
	best->running_asked = best->asked;
	best->asked = false; /* asked again meanwhile: again, then */
	best->started = pair_now(s, best);
	return true;
}

bool schedule_next(struct schedule *s, int64_t now, struct schedule_job *ret)
{
	return next(s, now, false, ret);
}

bool schedule_next_quick(struct schedule *s, int64_t now, struct schedule_job *ret)
{
	return next(s, now, true, ret);
}

static void failed(struct schedule *s, struct row *r, int64_t now)
{
	const char *addresses[ADDRESSES];
	int64_t wait = SCHEDULE_RETRY;
	int64_t most = r->seen ? SCHEDULE_RETRY_NEAR : SCHEDULE_RETRY_LAST;

	r->address++;
	if (++r->tried < addresses_of(r, addresses)) {
		r->not_before = now;
		r->asked |= r->running_asked;
		return; /* at once, at its next address */
	}
	r->tried = 0;
	for (unsigned i = 0; i < r->failures && wait < most; i++)
		wait *= 2;
	r->failures++;
	r->not_before = now + about(s, wait < most ? wait : most);
	r->regular = r->not_before;
}

void schedule_done(struct schedule *s, const struct pubkey *key, bool ok,
		   const uint8_t ours[DISCOVERY_DIGEST], int64_t now)
{
	struct row *r = find(s, key);

	if (!r || r->state != RUNNING)
		return;
	r->state = IDLE;
	r->slow = now - r->started_at > SCHEDULE_QUICK;
	if (ok) {
		/* What they announced when it began: if they announce something else by now it is
		 * looked at again. */
		r->settled = r->started;
		r->settled.known = ours != NULL;
		if (ours)
			memcpy(r->settled.ours, ours, DISCOVERY_DIGEST);
		r->failures = r->tried = 0;
		r->not_before = now + SCHEDULE_COURTESY;
		r->regular = now + about(s, equal_now(s, r) ? SCHEDULE_EQUAL : SCHEDULE_REGULAR);
	} else {
		failed(s, r, now);
	}
	if (r->anew)
		schedule_anew(s, key, now);
	weigh(s, r, now);
}

bool schedule_is_asked(struct schedule *s, const struct pubkey *key)
{
	const struct row *r = find(s, key);

	return r && (r->asked || (r->state == RUNNING && r->running_asked));
}

int64_t schedule_wait(const struct schedule *s, int64_t now, int64_t most)
{
	int64_t at = now + most;

	if (s->poked && s->poke_at < at)
		at = s->poke_at;
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i]->state == WAITING && s->rows[i]->due < at)
			at = s->rows[i]->due;
	return at > now ? at - now : 0;
}
