/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What had no room today, of each peer: so that it comes once a day, and not with every exchange.
 */
#include "sync/base/limits.h"
#include "sync/peer/ledger_priv.h"
#include "sync/peer/room.h"
#include <string.h>

static int compare(const struct ledger_refused *a, const struct ledger_refused *b)
{
	int c = memcmp(a->peer.b, b->peer.b, sizeof(a->peer.b));

	if (!c)
		c = (a->there > b->there) - (a->there < b->there);
	return c ? c : log_id_cmp(&a->log, &b->log);
}

static struct ledger_refused *rows_of(const struct ledger *l, size_t *ret_n)
{
	*ret_n = l->refused.n / sizeof(struct ledger_refused);
	return (struct ledger_refused *)(void *)l->refused.p;
}

static size_t place(const struct ledger *l, const struct ledger_refused *r)
{
	size_t low = 0, high;
	const struct ledger_refused *rows = rows_of(l, &high);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&rows[mid], r) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool has(const struct ledger *l, const struct ledger_refused *r)
{
	size_t n, at = place(l, r);
	const struct ledger_refused *rows = rows_of(l, &n);

	return at < n && compare(&rows[at], r) == 0;
}

/* Words about whole spaces are few, and always find a place. false: no more logs are remembered, of
 * this peer or in all. */
static bool insert(struct ledger *l, const struct ledger_refused *r)
{
	struct ledger_refused first = {.peer = r->peer, .there = r->there};
	size_t n, at = place(l, r), from = place(l, &first), of_peer = 0;
	size_t most = LIMIT_PEER_REFUSED;
	struct ledger_refused *rows = rows_of(l, &n);

	if (has(l, r))
		return true;
	for (size_t i = from; i < n && pubkey_eq(&rows[i].peer, &r->peer); i++)
		of_peer += rows[i].there == r->there;
	most += pubkey_is_zero(&r->log.appliance) ? 2 * LIMIT_SPACES : 0;
	if (of_peer >= most || n >= LIMIT_REFUSED / LIMIT_PEER_REFUSED * most)
		return false;
	buf_add(&l->refused, r, sizeof(*r));
	rows = rows_of(l, &n);
	memmove(&rows[at + 1], &rows[at], (n - 1 - at) * sizeof(*rows));
	rows[at] = *r;
	return true;
}

static void drop(struct ledger *l, size_t at, size_t many)
{
	size_t n;
	struct ledger_refused *rows = rows_of(l, &n);

	if (!many) /* of an empty list there is no row to begin at */
		return;
	memmove(&rows[at], &rows[at + many], (n - at - many) * sizeof(*rows));
	l->refused.n -= many * sizeof(*rows);
}

/* The whole space, in the place of what was said of it. */
static void shut(struct ledger *l, const struct pubkey *peer, const struct hash *space)
{
	struct ledger_refused r = {.peer = *peer, .log = {.space = *space}};
	size_t n, at = place(l, &r), many = 0;
	const struct ledger_refused *rows = rows_of(l, &n);

	while (at + many < n && pubkey_eq(&rows[at + many].peer, peer) && !rows[at + many].there &&
	       hash_eq(&rows[at + many].log.space, space))
		many++;
	drop(l, at, many);
	insert(l, &r);
}

/* Yesterday's are forgotten together. */
static void begin_day(struct ledger *l)
{
	int64_t day = ledger_day(l);

	if (day != l->refused_day)
		buf_clear(&l->refused);
	l->refused_day = day;
}

/* What the peer brought in vain today; NULL: there is no line for it. */
static uint64_t *in_vain(struct ledger *l, const struct pubkey *peer)
{
	static const struct hash of_peer;
	struct ledger_line *line = ledger_line(l, peer, &of_peer);

	if (!line)
		return NULL;
	if (line->refused_day != l->refused_day)
		line->refused = 0;
	line->refused_day = l->refused_day;
	return &line->refused;
}

/* Would no other log of the space have room either? */
static bool is_all(int over)
{
	return over == LEDGER_BYTES || over == LEDGER_ENTRIES || over == LEDGER_FOUNDER;
}

static bool has_of_space(const struct ledger *l, const struct pubkey *peer,
			 const struct hash *space, uint64_t what)
{
	const struct ledger_refused r = {.peer = *peer, .log = {*space, {{0}}, what}};

	return has(l, &r);
}

/* Where there are too many, those of which nothing is held; then, all. */
static void add(struct ledger *l, const struct pubkey *peer, const struct log_id *log,
		bool too_much)
{
	struct ledger_refused r = {.peer = *peer, .log = *log};
	struct ledger_refused fresh = {.peer = *peer, .log = {log->space, {{0}}, LEDGER_NEW}};
	bool only_held = has(l, &fresh), fits;

	if (too_much && !only_held)
		only_held = insert(l, &fresh);
	fits = insert(l, &r);
	if (!fits && !only_held)
		insert(l, &fresh);
	else if (!fits)
		shut(l, peer, &log->space);
}

void ledger_refused(struct ledger *l, const struct pubkey *peer, const struct log_id *log, int over,
		    uint64_t bytes)
{
	uint64_t *vain;

	if (!l || over == LEDGER_DISK)
		return;
	pthread_mutex_lock(&l->lock);
	begin_day(l);
	vain = in_vain(l, peer);
	if (vain)
		*vain += bytes;
	if (!has_of_space(l, peer, &log->space, LEDGER_ALL) && is_all(over))
		shut(l, peer, &log->space);
	else if (!has_of_space(l, peer, &log->space, LEDGER_ALL))
		add(l, peer, log, !vain || *vain > LEDGER_REFUSED_DAY);
	pthread_mutex_unlock(&l->lock);
}

uint64_t ledger_refused_most(struct ledger *l, const struct pubkey *peer)
{
	uint64_t left = LEDGER_REFUSED_DAY;
	const uint64_t *vain;

	if (!l)
		return LEDGER_REFUSED;
	pthread_mutex_lock(&l->lock);
	begin_day(l);
	vain = in_vain(l, peer);
	left = vain && *vain < left ? left - *vain : 0;
	pthread_mutex_unlock(&l->lock);
	return left > LEDGER_REFUSED	     ? LEDGER_REFUSED
	       : left > LEDGER_REFUSED_LEAST ? left
					     : LEDGER_REFUSED_LEAST;
}

void ledger_full(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		 struct full *ret)
{
	struct ledger_refused first = {.peer = *peer, .log = {.space = *space}};
	size_t n;
	const struct ledger_refused *rows;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	begin_day(l);
	rows = rows_of(l, &n);
	for (size_t i = place(l, &first); i < n && pubkey_eq(&rows[i].peer, peer) &&
					  !rows[i].there && hash_eq(&rows[i].log.space, space);
	     i++)
		if (pubkey_is_zero(&rows[i].log.appliance))
			*(rows[i].log.incarnation == LEDGER_ALL ? &ret->all : &ret->held_only) =
				true;
		else
			buf_add(&ret->logs, &rows[i].log, sizeof(rows[i].log));
	pthread_mutex_unlock(&l->lock);
}

void ledger_unwanted(struct ledger *l, const struct pubkey *peer, const struct hash *space)
{
	struct ledger_refused r = {.peer = *peer, .there = true, .log = {.space = *space}};

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	begin_day(l);
	insert(l, &r);
	pthread_mutex_unlock(&l->lock);
}

bool ledger_is_unwanted(struct ledger *l, const struct pubkey *peer, const struct hash *space)
{
	struct ledger_refused r = {.peer = *peer, .there = true, .log = {.space = *space}};
	bool is;

	if (!l)
		return false;
	pthread_mutex_lock(&l->lock);
	begin_day(l);
	is = has(l, &r);
	pthread_mutex_unlock(&l->lock);
	return is;
}

void ledger_ask_again(struct ledger *l, const struct pubkey *peer)
{
	struct ledger_refused first = {.peer = peer ? *peer : (struct pubkey){{0}}};
	size_t n, at = place(l, &first), many = 0;
	const struct ledger_refused *rows = rows_of(l, &n);

	while (at + many < n && (!peer || pubkey_eq(&rows[at + many].peer, peer)))
		many++;
	drop(l, at, many);
}

void ledger_room_again(struct ledger *l)
{
	pthread_mutex_lock(&l->lock);
	ledger_ask_again(l, NULL);
	pthread_mutex_unlock(&l->lock);
}
