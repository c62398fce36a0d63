/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What one writer's entries take in a day, whoever brings them. */
#include "sync/base/limits.h"
#include "sync/peer/ledger_priv.h"
#include <string.h>

/* Rows of a writer that are of no space: nothing has such an id. */
static const struct hash everywhere = {{0}}, by_visitors = {.b = "visitors"};

/* By writer, space, and whether it is of what is void. */
static int compare(const struct ledger_writer *a, const struct ledger_writer *b)
{
	int c = memcmp(a->writer.b, b->writer.b, sizeof(a->writer.b));

	if (!c)
		c = hash_cmp(&a->space, &b->space);
	return c ? c : (int)a->is_void - (int)b->is_void;
}

static size_t place(const struct ledger *l, const struct ledger_writer *key)
{
	size_t low = 0, high = l->n_writers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&l->writers[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct ledger_writer *find(struct ledger *l, const struct ledger_writer *key)
{
	size_t at = place(l, key);

	return at < l->n_writers && compare(&l->writers[at], key) == 0 ? &l->writers[at] : NULL;
}

static struct ledger_writer *insert(struct ledger *l, const struct ledger_writer *key)
{
	size_t at = place(l, key);
	struct ledger_writer *w;

	if (l->n_writers == l->room_writers) {
		l->room_writers = l->room_writers ? l->room_writers * 2 : 64;
		l->writers = reallocarray(l->writers, l->room_writers, sizeof(*l->writers));
		if (!l->writers)
			abort();
	}
	w = &l->writers[at];
	memmove(w + 1, w, (l->n_writers - at) * sizeof(*w));
	l->n_writers++;
	*w = *key;
	return w;
}

/* Yesterday's are forgotten together. */
static void begin_day(struct ledger *l)
{
	int64_t day = ledger_day(l);

	if (day != l->writers_day)
		l->n_writers = 0;
	l->writers_day = day;
}

/* --- the bounds --- */
struct bound {
	struct ledger_writer row; /* its key */
	uint64_t bytes, entries, logs;
	unsigned times; /* 0: none */
};
enum { BOUNDS = 3 };

static struct ledger_writer row_of(const struct ledger_claim *c, const struct hash *space)
{
	return (struct ledger_writer){.writer = c->log->appliance, .space = *space};
}

/* Keys cost nothing: who founds a space may have thousands write in it. Of one space at most a third of the
 * rows that are left are made; whoever writes there and has none then shares one with the others. So no space
 * takes the rows of another, and nobody is shut out. */
static bool is_in_crowd(struct ledger *l, const struct ledger_claim *c)
{
	struct ledger_writer key = row_of(c, &c->log->space);
	size_t of_space = 0;

	for (int is_void = 0; is_void < 2; is_void++) {
		key.is_void = is_void;
		if (find(l, &key))
			return false;
	}
	for (size_t i = 0; i < l->n_writers; i++)
		of_space += hash_eq(&l->writers[i].space, &c->log->space);
	return l->n_writers >= LIMIT_WRITERS || of_space > (LIMIT_WRITERS - l->n_writers) / 4;
}

/* In the row that many share: of nobody. Its bounds are in that space alone. */
static size_t bounds_of(struct ledger *l, const struct ledger_claim *c, struct bound b[BOUNDS])
{
	bool crowd = is_in_crowd(l, c);
	unsigned times = crowd ? LIMIT_CROWD * (c->times ? c->times : 1) : c->times;
	size_t n = 0;

	if (!crowd)
		b[n++] = (struct bound){.row = row_of(c, &everywhere),
					.bytes = LIMIT_WRITER_DAY_BYTES,
					.entries = LIMIT_WRITER_DAY_ENTRIES,
					.logs = LIMIT_WRITER_DAY_LOGS_ALL,
					.times = times};
	b[n] = (struct bound){.row = row_of(c, &c->log->space),
			      .bytes = crowd ? LIMIT_WRITER_DAY_BYTES : UINT64_MAX,
			      .entries = crowd ? LIMIT_WRITER_DAY_ENTRIES : UINT64_MAX,
			      .logs = LIMIT_WRITER_DAY_LOGS,
			      .times = times};
	if (c->is_void)
		b[n] = (struct bound){.row = row_of(c, &c->log->space),
				      .bytes = LIMIT_VOID_DAY_BYTES,
				      .entries = LIMIT_VOID_DAY_ENTRIES,
				      .logs = LIMIT_VOID_DAY_LOGS,
				      .times = 1};
	b[n++].row.is_void = c->is_void;
	if (c->visitor)
		b[n++] = (struct bound){.row = row_of(c, &by_visitors),
					.bytes = LIMIT_VISITORS_DAY_BYTES / LIMIT_VISITORS_WRITER,
					.entries =
						LIMIT_VISITORS_DAY_ENTRIES / LIMIT_VISITORS_WRITER,
					.logs = LIMIT_VISITORS_DAY_LOGS / LIMIT_VISITORS_WRITER,
					.times = 1};
	for (size_t i = 0; crowd && i < n; i++)
		b[i].row.writer = (struct pubkey){{0}};
	return n;
}

static bool fits(uint64_t used, uint64_t more, uint64_t most, unsigned times)
{
	return !times || !more || most == UINT64_MAX || used + more <= most * times;
}

/* Of what is void the first of a day is taken however large it is: else one frame could wait for
 * ever. */
static bool has_room(const struct ledger_writer *w, const struct bound *b,
		     const struct ledger_claim *c)
{
	return (b->row.is_void && !w->entries) ||
	       (fits(w->bytes, c->bytes, b->bytes, b->times) &&
		fits(w->entries, c->entries, b->entries, b->times) &&
		fits(w->logs, c->begins, b->logs, b->times));
}

static void charge(struct ledger *l, const struct ledger_claim *c, const struct ledger_writer *key)
{
	struct ledger_writer *w = find(l, key);

	if (!w)
		w = insert(l, key);
	w->bytes += c->bytes;
	w->entries += c->entries;
	w->logs += c->begins;
	w->changed = l->changed = true;
}

bool ledger_writer_room(struct ledger *l, const struct ledger_claim *c)
{
	static const struct ledger_writer none = {.bytes = 0};
	struct bound b[BOUNDS];
	size_t n;
	bool ok = true;

	pthread_mutex_lock(&l->lock);
	begin_day(l);
	n = bounds_of(l, c, b);
	for (size_t i = 0; i < n; i++) {
		const struct ledger_writer *w = find(l, &b[i].row);

		ok &= has_room(w ? w : &none, &b[i], c);
	}
	for (size_t i = 0; ok && i < n; i++)
		charge(l, c, &b[i].row);
	pthread_mutex_unlock(&l->lock);
	return ok;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0; /* another day may have begun */
}

static void take_off(struct ledger *l, const struct ledger_claim *c,
		     const struct ledger_writer *key)
{
	struct ledger_writer *w = find(l, key);

	if (!w)
		return;
	w->bytes = less(w->bytes, c->bytes);
	w->entries = less(w->entries, c->entries);
	w->logs = less(w->logs, c->begins);
	w->changed = l->changed = true;
	if (w->bytes || w->entries || w->logs || w->stored)
		return;
	/* rubbish takes no place */
	memmove(w, w + 1, (size_t)(&l->writers[l->n_writers] - (w + 1)) * sizeof(*w));
	l->n_writers--;
}

void ledger_writer_back(struct ledger *l, const struct ledger_claim *c)
{
	struct bound b[BOUNDS];
	size_t n;

	pthread_mutex_lock(&l->lock);
	begin_day(l);
	n = bounds_of(l, c, b);
	for (size_t i = 0; i < n; i++)
		take_off(l, c, &b[i].row);
	pthread_mutex_unlock(&l->lock);
}

void ledger_writer_load(struct ledger *l, const struct ledger_writer *w, int64_t day)
{
	struct ledger_writer *here;

	begin_day(l);
	if (day != l->writers_day || l->n_writers >= LIMIT_WRITERS)
		return;
	here = find(l, w);
	if (!here)
		here = insert(l, w);
	*here = *w;
	here->stored = true;
}
