/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/clock/clock.h"
#include <stdlib.h>

static const char *const names[] = {
	[CLOCK_SURE] = "sure",
	[CLOCK_FROM_PEERS] = "peers",
	[CLOCK_FROM_SEEN] = "seen",
	[CLOCK_UNSURE] = "unsure",
	[CLOCK_TOLD] = "told",
};

const char *clock_quality_name(enum clock_quality q)
{
	return names[q];
}

void clock_synced(struct clock *c, bool synced)
{
	c->synced = synced;
	if (synced)
		clock_backed(c);
}

static int64_t moved_on(int64_t time, int64_t then, int64_t mono)
{
	return time ? time + (mono > then ? mono - then : 0) : 0;
}

int64_t clock_floor(const struct clock *c, int64_t mono)
{
	return moved_on(c->known, c->known_mono, mono);
}

void clock_seen(struct clock *c, int64_t time_ms, int64_t mono)
{
	if (time_ms <= clock_floor(c, mono))
		return;
	c->known = time_ms;
	c->known_mono = mono;
}

bool clock_told(struct clock *c, int64_t time_ms, int64_t mono)
{
	if (time_ms < clock_floor(c, mono))
		return false;
	c->told = time_ms;
	c->told_mono = mono;
	c->told_now = true;
	return true;
}

void clock_was_told(struct clock *c, int64_t time_ms, int64_t mono)
{
	c->told = time_ms;
	c->told_mono = mono;
	c->told_now = false;
}

int64_t clock_of_told(const struct clock *c, int64_t mono)
{
	return moved_on(c->told, c->told_mono, mono);
}

void clock_forget_told(struct clock *c)
{
	c->told = 0;
	c->told_now = false;
}

void clock_heard(struct clock *c, const struct pubkey *key, int64_t said_ms, int64_t mono)
{
	struct clock_peer *row = NULL;

	for (size_t i = 0; i < c->n; i++)
		if (pubkey_eq(&c->peers[i].key, key))
			row = &c->peers[i];
	if (!row && c->n < CLOCK_PEERS)
		row = &c->peers[c->n++];
	for (size_t i = 0; !row && i < c->n; i++)
		if (i == 0 || c->peers[i].mono < row->mono)
			row = &c->peers[i];
	/* Whatever they say: no sum may overflow. */
	if (said_ms < 0)
		said_ms = 0;
	if (said_ms > INT64_MAX / 4)
		said_ms = INT64_MAX / 4;
	*row = (struct clock_peer){.key = *key, .ahead = said_ms - mono, .mono = mono};
}

static int cmp_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

void clock_stood(struct clock *c, bool stood)
{
	c->stood = stood;
}

void clock_backed(struct clock *c)
{
	c->backed = true;
	c->stood = false;
}

/* The median of what fresh peers say it is now: of an even number the earlier of the middle two. */
static size_t peers_say(const struct clock *c, int64_t mono, int64_t *ret)
{
	int64_t said[CLOCK_PEERS];
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (mono - c->peers[i].mono <= CLOCK_FRESH_MS)
			said[n++] = c->peers[i].ahead + mono;
	if (!n)
		return 0;
	qsort(said, n, sizeof(said[0]), cmp_time);
	*ret = said[(n - 1) / 2];
	return n;
}

bool clock_agreed(const struct clock *c, int64_t mono)
{
	int64_t said;

	return peers_say(c, mono, &said) >= CLOCK_QUORUM;
}

int64_t clock_now(const struct clock *c, int64_t system, int64_t mono,
		  enum clock_quality *ret_quality)
{
	int64_t known = clock_floor(c, mono), told = moved_on(c->told, c->told_mono, mono), said = 0;
	size_t n = peers_say(c, mono, &said);

	if (c->synced) {
		*ret_quality = CLOCK_SURE;
		return system;
	}
	*ret_quality = CLOCK_FROM_PEERS;
	if (n >= CLOCK_QUORUM)
		return said > known ? said : known;
	if (c->told_now) {
		*ret_quality = CLOCK_TOLD;
		return told > known ? told : known;
	}
	if (n && (system < known || c->stood) && said >= known && said > system &&
	    said - known <= CLOCK_LEAP_MS)
		return said;
	known = told > known ? told : known;
	*ret_quality = system < known ? CLOCK_FROM_SEEN : CLOCK_UNSURE;
	return system < known ? known : system;
}

enum clock_word clock_word(const struct clock *c, enum clock_quality q, int64_t now, int64_t mono)
{
	int64_t said;

	if (q != CLOCK_UNSURE)
		return q == CLOCK_FROM_SEEN ? CLOCK_AGAINST : CLOCK_FOR;
	if (peers_say(c, mono, &said))
		return llabs(said - now) <= CLOCK_APART_MS ? CLOCK_FOR : CLOCK_AGAINST;
	if (c->backed)
		return CLOCK_FOR;
	return c->stood ? CLOCK_AGAINST : CLOCK_NOTHING;
}
