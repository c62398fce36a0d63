/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/ledger_priv.h"
#include "sync/base/day.h"
#include "sync/base/limits.h"
#include <string.h>
#include <sys/statvfs.h>

enum { DAY_MS = 86400000, MINUTE_MS = 60000, THOUSAND = 1000 };

struct item_row {
	const char *name;
	uint64_t quota[2][2]; /* [space][total] */
};
#define ROW(NAME, name, day, total, space_day, space_total)                                        \
	[NAME] = {name, {{day, total}, {space_day, space_total}}},
static const struct item_row items[LEDGER_ITEMS] = {LEDGER_TABLE(ROW)};
#undef ROW

const char *ledger_item_name(int item)
{
	return item == LEDGER_DISK     ? "disk"
	       : item == LEDGER_WRITER ? "writer"
	       : item == LEDGER_FOUNDER ? "founder"
				       : items[item].name;
}

static uint64_t quota_of(enum ledger_item item, bool space, bool total, unsigned times)
{
	uint64_t usual = items[item].quota[space][total];

	return usual && times ? usual * times : UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ledger_most(enum ledger_item item, bool total, unsigned times, uint64_t take_bytes,
		     uint64_t give_bytes)
{
	uint64_t most = quota_of(item, false, total, times);

	if (total && item == LEDGER_BYTES && take_bytes)
		most = least(most, take_bytes);
	if (!total && item == LEDGER_OUT && give_bytes)
		most = least(most, give_bytes);
	return most;
}

uint64_t ledger_most_in(enum ledger_item item, bool total, unsigned times)
{
	return quota_of(item, true, total, times);
}

struct ledger *ledger_new(const struct env *env)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->env = env;
	l->day_minute = -1;
	l->writers_stored = -1;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->lines[i]);
	free(l->lines);
	free(l->writers);
	free(l->brought);
	buf_release(&l->refused);
	free(l->folder);
	buf_release(&l->gone);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* --- lines --- */
static int compare(const struct ledger_row *a, const struct pubkey *peer, const struct hash *space)
{
	int c = memcmp(a->peer.b, peer->b, sizeof(peer->b));

	return c ? c : hash_cmp(&a->space, space);
}

/* Where it is, or would be. */
static size_t place(const struct ledger *l, const struct pubkey *peer, const struct hash *space)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&l->lines[mid]->row, peer, space) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Asked for with every count: reckoned once a minute, for days begin with one. */
int64_t ledger_day(struct ledger *l)
{
	int64_t now = env_now(l->env), minute = now / MINUTE_MS;

	if (minute != l->day_minute) {
		l->day_minute = minute;
		l->day = day_of(now);
	}
	return l->day;
}

static struct ledger_line *insert(struct ledger *l, size_t at, const struct pubkey *peer,
				  const struct hash *space)
{
	struct ledger_line *line = calloc(1, sizeof(*line));

	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->lines = reallocarray(l->lines, l->room, sizeof(struct ledger_line *));
	}
	if (!line || !l->lines)
		abort();
	memmove(&l->lines[at + 1], &l->lines[at], (l->n - at) * sizeof(struct ledger_line *));
	l->lines[at] = line;
	l->n++;
	line->row.peer = *peer;
	line->row.space = *space;
	line->row.day = ledger_day(l);
	line->times = 1;
	return line;
}

static const struct hash of_peer; /* zero: the line of the whole peer */
const struct hash ledger_strangers = {.b = "strangers"}; /* nothing has such an id */

static bool has_line(const struct ledger *l, const struct pubkey *peer, const struct hash *space)
{
	size_t at = place(l, peer, space);

	return at < l->n && compare(&l->lines[at]->row, peer, space) == 0;
}

/* Of a peer that has as many lines as it may: the one that was used longest ago gives way, if that was not
 * today. */
static bool make_room(struct ledger *l, const struct pubkey *peer)
{
	size_t at = place(l, peer, &of_peer) + 1, oldest = 0;
	int64_t day = ledger_day(l);

	for (; at < l->n && pubkey_eq(&l->lines[at]->row.peer, peer); at++)
		if (l->lines[at]->row.day < day &&
		    !hash_eq(&l->lines[at]->row.space, &ledger_strangers)) {
			day = l->lines[at]->row.day;
			oldest = at;
		}
	if (!oldest)
		return false;
	buf_add(&l->gone, peer->b, sizeof(peer->b));
	buf_add(&l->gone, l->lines[oldest]->row.space.b, sizeof(struct hash));
	free(l->lines[oldest]);
	l->n--;
	memmove(&l->lines[oldest], &l->lines[oldest + 1],
		(l->n - oldest) * sizeof(struct ledger_line *));
	l->changed = true;
	return true;
}

struct ledger_line *ledger_line(struct ledger *l, const struct pubkey *peer,
				const struct hash *space)
{
	size_t at = place(l, peer, space);
	struct ledger_line *whole, *line;

	if (has_line(l, peer, space)) {
		line = l->lines[at];
	} else if (hash_eq(space, &of_peer)) {
		if (l->peers >= (size_t)LIMIT_PEERS * 4) /* more than were ever approved at once */
			return NULL;
		l->peers++;
		line = insert(l, at, peer, space);
	} else {
		whole = ledger_line(l, peer, &of_peer);
		if (!whole || (whole->spaces >= LIMIT_SPACES && !make_room(l, peer)))
			return NULL;
		whole->spaces += whole->spaces < LIMIT_SPACES;
		line = insert(l, place(l, peer, space), peer, space);
	}
	if (line->row.day != ledger_day(l)) {
		line->row.day = ledger_day(l);
		line->row.today = (struct ledger_counts){{0}};
	}
	return line;
}

/* --- counting --- */
static void add(struct ledger *l, struct ledger_line *line, enum ledger_item item, uint64_t n)
{
	line->row.today.n[item] += n;
	line->row.total.n[item] += n;
	line->changed = l->changed = true;
}

enum { LINES = 3 };

/* The lines in which what is brought in that space counts: the peer's, the space's, and that of what
 * strangers founded; NULL: there are too many, or it counts in no such one. With the lock. */
static void lines_of(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		     struct ledger_line *lines[LINES])
{
	memset(lines, 0, LINES * sizeof(struct ledger_line *));
	lines[0] = ledger_line(l, peer, &of_peer);
	if (space)
		lines[1] = ledger_line(l, peer, space);
	if (lines[1] && lines[1]->row.strange)
		lines[2] = ledger_line(l, peer, &ledger_strangers);
}

void ledger_set_strange(struct ledger *l, const struct pubkey *peer, const struct hash *space,
			bool strange)
{
	struct ledger_line *line;

	pthread_mutex_lock(&l->lock);
	line = has_line(l, peer, space) || strange ? ledger_line(l, peer, space) : NULL;
	if (line && line->row.strange != strange) {
		line->row.strange = strange;
		line->changed = l->changed = true;
	}
	pthread_mutex_unlock(&l->lock);
}

void ledger_charge_in(struct ledger *l, const struct pubkey *peer, const struct hash *space,
		      enum ledger_item item, uint64_t n)
{
	struct ledger_line *lines[LINES];

	if (!n)
		return;
	pthread_mutex_lock(&l->lock);
	lines_of(l, peer, space, lines);
	for (int i = 0; i < LINES; i++)
		if (lines[i])
			add(l, lines[i], item, n);
	pthread_mutex_unlock(&l->lock);
}

void ledger_charge(struct ledger *l, const struct pubkey *peer, enum ledger_item item, uint64_t n)
{
	ledger_charge_in(l, peer, NULL, item, n);
}

void ledger_passed(struct ledger *l, const struct pubkey *peer, enum ledger_item way, uint64_t n,
		   bool near)
{
	if (!l)
		return;
	ledger_charge(l, peer, way, n);
	if (!near)
		ledger_charge(l, peer, LEDGER_LINE, n);
}

static uint64_t left_of(uint64_t used, uint64_t quota)
{
	return quota == UINT64_MAX ? UINT64_MAX : used < quota ? quota - used : 0;
}

/* Of a line that belongs to a peer whose own line is `whole`. */
static uint64_t most_of(const struct ledger_line *line, const struct ledger_line *whole,
			enum ledger_item item, bool total)
{
	return line == whole ? ledger_most(item, total, whole->times, whole->take_bytes,
					   whole->give_bytes)
			     : ledger_most_in(item, total, whole->times);
}

static uint64_t line_left(const struct ledger_line *line, const struct ledger_line *whole,
			  enum ledger_item item)
{
	const struct ledger_row *r = &line->row;

	return least(left_of(r->today.n[item], most_of(line, whole, item, false)),
		     left_of(r->total.n[item], most_of(line, whole, item, true)));
}

void ledger_set_folder(struct ledger *l, const char *path)
{
	pthread_mutex_lock(&l->lock);
	free(l->folder);
	l->folder = path ? strdup(path) : NULL;
	pthread_mutex_unlock(&l->lock);
}

bool ledger_keeps_disk(uint64_t size, uint64_t free_bytes)
{
	return free_bytes < least(size / 8, LIMIT_DISK_KEPT);
}

/* A disk that can't be asked counts as free: what is written will say it. */
static bool disk_is_nearly_full(const struct ledger *l)
{
	struct statvfs fs;

	if (!l->folder || statvfs(l->folder, &fs))
		return false;
	return ledger_keeps_disk((uint64_t)fs.f_blocks * fs.f_frsize,
				 (uint64_t)fs.f_bavail * fs.f_frsize);
}

bool ledger_disk_is_full(struct ledger *l)
{
	bool full;

	pthread_mutex_lock(&l->lock);
	full = disk_is_nearly_full(l);
	pthread_mutex_unlock(&l->lock);
	return full;
}

/* space NULL: of the peer alone. */
uint64_t ledger_left_in(struct ledger *l, const struct pubkey *peer, const struct hash *space,
			enum ledger_item item)
{
	static const struct ledger_line unused = {.times = 1};
	const struct ledger_line *whole, *line;
	uint64_t left = 0;

	pthread_mutex_lock(&l->lock);
	whole = ledger_line(l, peer, &of_peer);
	if (!space || !whole)
		line = whole;
	else if (has_line(l, peer, space)) /* asking makes none: they are few */
		line = ledger_line(l, peer, space);
	else
		line = &unused;
	if (whole && line)
		left = least(line_left(whole, whole, item), line_left(line, whole, item));
	if (whole && line && line->row.strange) {
		line = ledger_line(l, peer, &ledger_strangers);
		left = line ? least(left, line_left(line, whole, item)) : 0;
	}
	if (item == LEDGER_BYTES && disk_is_nearly_full(l))
		left = 0;
	pthread_mutex_unlock(&l->lock);
	return left;
}

uint64_t ledger_left(struct ledger *l, const struct pubkey *peer, enum ledger_item item)
{
	return ledger_left_in(l, peer, NULL, item);
}

uint64_t ledger_first(struct log_store *log, const struct ingest *run)
{
	struct log_info info;
	struct error *err;

	if (!run || !log || run->first != 1)
		return run ? run->first : 0;
	err = log_info_get(log, run->id, &info);
	if (!err)
		return 2;
	error_free(err);
	return 1;
}

size_t ledger_unbegun(struct log_store *log, const struct ingest *run, size_t entries)
{
	return run && entries == run->n && ledger_first(log, run) == 1;
}

/* Of lines of which the first is the peer's. */
static bool is_over(struct ledger_line *const lines[LINES], enum ledger_item item, uint64_t more)
{
	for (int i = 0; i < LINES; i++)
		if (lines[i] && more > line_left(lines[i], lines[0], item))
			return true;
	return false;
}

int ledger_room(struct ledger *l, const struct pubkey *peer, const struct log_id *log, uint64_t first,
		size_t entries, uint64_t bytes)
{
	struct ledger_counts more = {{0}};
	struct ledger_line *lines[LINES];
	int over = LEDGER_ITEMS;

	more.n[LEDGER_BYTES] = bytes;
	more.n[LEDGER_ENTRIES] = entries;
	more.n[LEDGER_LOGS] = first == 1;
	pthread_mutex_lock(&l->lock);
	lines_of(l, peer, &log->space, lines);
	/* more peers than there are, or spaces in one day */
	if (!lines[0] || !lines[1] || (lines[1]->row.strange && !lines[2]))
		over = LEDGER_LOGS;
	for (int i = 0; over == LEDGER_ITEMS && i < LEDGER_ITEMS; i++)
		if (is_over(lines, (enum ledger_item)i, more.n[i]))
			over = i;
	if (over == LEDGER_ITEMS && disk_is_nearly_full(l))
		over = LEDGER_DISK;
	for (int i = 0; over == LEDGER_ITEMS && i < LEDGER_ITEMS; i++)
		for (int k = 0; more.n[i] && k < LINES; k++)
			if (lines[k])
				add(l, lines[k], (enum ledger_item)i, more.n[i]);
	pthread_mutex_unlock(&l->lock);
	return over;
}

static void take_off(struct ledger_counts *c, const struct ledger_counts *less)
{
	for (int i = 0; i < LEDGER_ITEMS; i++) /* another day may have begun */
		c->n[i] -= least(c->n[i], less->n[i]);
}

void ledger_give_back(struct ledger *l, const struct pubkey *peer, const struct log_id *log,
		      size_t logs, size_t entries, uint64_t bytes)
{
	struct ledger_counts less = {{0}};
	struct ledger_line *lines[LINES];

	less.n[LEDGER_BYTES] = bytes;
	less.n[LEDGER_ENTRIES] = entries;
	less.n[LEDGER_LOGS] = logs;
	pthread_mutex_lock(&l->lock);
	lines_of(l, peer, &log->space, lines);
	for (int i = 0; i < LINES; i++)
		if (lines[i]) {
			take_off(&lines[i]->row.today, &less);
			take_off(&lines[i]->row.total, &less);
			lines[i]->changed = l->changed = true;
		}
	pthread_mutex_unlock(&l->lock);
}

/* Fills up to LIMIT_PEER_BURST with LIMIT_PEER_RATE a second. */
static void fill(struct ledger_line *line, int64_t now, unsigned patience)
{
	uint64_t most = (uint64_t)LIMIT_PEER_BURST * THOUSAND / patience;
	uint64_t passed = (uint64_t)(now - line->bucket_at);

	if (!line->bucket_filled)
		line->bucket = most;
	else if (passed < DAY_MS)
		line->bucket += passed * LIMIT_PEER_RATE / patience;
	else
		line->bucket = most;
	if (line->bucket > most)
		line->bucket = most;
	line->bucket_filled = true;
	line->bucket_at = now;
}

bool ledger_request(struct ledger *l, const struct pubkey *peer, unsigned weight, unsigned patience)
{
	struct ledger_line *line;
	bool ok = false;

	pthread_mutex_lock(&l->lock);
	line = ledger_line(l, peer, &of_peer);
	if (line) {
		fill(line, env_mono(l->env), patience);
		ok = line->bucket >= (uint64_t)weight * THOUSAND &&
		     line_left(line, line, LEDGER_REQUESTS) > 0;
	}
	if (ok) {
		line->bucket -= (uint64_t)weight * THOUSAND;
		add(l, line, LEDGER_REQUESTS, 1);
	}
	pthread_mutex_unlock(&l->lock);
	return ok;
}

void ledger_request_less(struct ledger *l, const struct pubkey *peer, unsigned weight)
{
	struct ledger_line *line;

	pthread_mutex_lock(&l->lock);
	line = ledger_line(l, peer, &of_peer);
	if (line)
		line->bucket += (uint64_t)weight * THOUSAND;
	pthread_mutex_unlock(&l->lock);
}

/* --- looking --- */
void ledger_get(struct ledger *l, const struct pubkey *peer, struct ledger_row *ret)
{
	const struct ledger_line *line;

	memset(ret, 0, sizeof(*ret));
	pthread_mutex_lock(&l->lock);
	line = ledger_line(l, peer, &of_peer);
	if (line)
		*ret = line->row;
	pthread_mutex_unlock(&l->lock);
}

uint64_t ledger_today(struct ledger *l, enum ledger_item item)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->n; i++) {
		const struct ledger_row *r = &l->lines[i]->row;

		if (hash_eq(&r->space, &of_peer) && r->day == ledger_day(l))
			sum += r->today.n[item];
	}
	pthread_mutex_unlock(&l->lock);
	return sum;
}

bool ledger_set(struct ledger *l, const struct pubkey *peer, unsigned times, uint64_t take_bytes,
		uint64_t give_bytes)
{
	struct ledger_line *line;
	bool changed = false;

	pthread_mutex_lock(&l->lock);
	line = ledger_line(l, peer, &of_peer);
	if (line) {
		changed = line->times != times || line->take_bytes != take_bytes ||
			  line->give_bytes != give_bytes;
		line->times = times;
		line->take_bytes = take_bytes;
		line->give_bytes = give_bytes;
	}
	if (changed)
		ledger_ask_again(l, peer);
	pthread_mutex_unlock(&l->lock);
	return changed;
}

unsigned ledger_times_of(struct ledger *l, const struct pubkey *peer)
{
	const struct ledger_line *line;
	unsigned times;

	pthread_mutex_lock(&l->lock);
	line = ledger_line(l, peer, &of_peer);
	times = line ? line->times : 1;
	pthread_mutex_unlock(&l->lock);
	return times;
}

bool ledger_changed(struct ledger *l)
{
	bool changed;

	pthread_mutex_lock(&l->lock);
	changed = l->changed || l->saving;
	pthread_mutex_unlock(&l->lock);
	return changed;
}
