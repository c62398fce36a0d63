/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What one writer's entries take in a day, whoever brings them. */
#include "sync/base/limits.h"
#include "sync/peer/ledger_priv.h"
#include <string.h>

static int compare(const struct ledger_writer *w, const struct log_id *log)
{
	int c = memcmp(w->writer.b, log->appliance.b, sizeof(w->writer.b));

	return c ? c : hash_cmp(&w->space, &log->space);
}

static size_t place(const struct ledger *l, const struct log_id *log)
{
	size_t low = 0, high = l->n_writers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&l->writers[mid], log) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct ledger *l, size_t at, const struct log_id *log)
{
	return at < l->n_writers && compare(&l->writers[at], log) == 0;
}

static struct ledger_writer *insert(struct ledger *l, size_t at, const struct log_id *log)
{
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
	*w = (struct ledger_writer){.writer = log->appliance, .space = log->space};
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

static bool fits(uint64_t used, uint64_t more, uint64_t most, unsigned times)
{
	return !times || !more || used + more <= most * times;
}

static bool writer_fits(const struct ledger_writer *w, unsigned times,
			const struct ledger_writer *more)
{
	return fits(w->bytes, more->bytes, LIMIT_WRITER_DAY_BYTES, times) &&
	       fits(w->entries, more->entries, LIMIT_WRITER_DAY_ENTRIES, times) &&
	       fits(w->logs, more->logs, LIMIT_WRITER_DAY_LOGS, times);
}

/* The first of a day is taken however large it is: else one frame could wait for ever. */
static bool void_fits(const struct ledger_writer *w, const struct ledger_writer *more)
{
	return !w->entries || (fits(w->bytes, more->bytes, LIMIT_VOID_DAY_BYTES, 1) &&
			       fits(w->entries, more->entries, LIMIT_VOID_DAY_ENTRIES, 1) &&
			       fits(w->logs, more->logs, LIMIT_VOID_DAY_LOGS, 1));
}

bool ledger_writer_room(struct ledger *l, const struct log_id *log, bool is_void, unsigned times,
			uint64_t first, size_t entries, uint64_t bytes)
{
	const struct ledger_writer more = {.bytes = bytes, .entries = entries, .logs = first == 1};
	struct ledger_writer *w;
	size_t at;
	bool ok;

	pthread_mutex_lock(&l->lock);
	begin_day(l);
	at = place(l, log);
	if (is_at(l, at, log))
		w = &l->writers[at];
	else /* more than are counted wait for tomorrow: else rubbish would switch the bounds off */
		w = l->n_writers < LIMIT_WRITERS ? insert(l, at, log) : NULL;
	ok = w && (is_void ? void_fits(w, &more) : writer_fits(w, times, &more));
	if (w && ok) {
		w->bytes += more.bytes;
		w->entries += more.entries;
		w->logs += more.logs;
	}
	pthread_mutex_unlock(&l->lock);
	return ok;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0; /* another day may have begun */
}

void ledger_writer_back(struct ledger *l, const struct log_id *log, size_t logs, size_t entries,
			uint64_t bytes)
{
	size_t at;

	pthread_mutex_lock(&l->lock);
	begin_day(l);
	at = place(l, log);
	if (is_at(l, at, log)) {
		struct ledger_writer *w = &l->writers[at];

		w->bytes = less(w->bytes, bytes);
		w->entries = less(w->entries, entries);
		w->logs = less(w->logs, logs);
		if (!w->bytes && !w->entries && !w->logs) /* rubbish takes no place */
			memmove(w, w + 1, (--l->n_writers - at) * sizeof(*w));
	}
	pthread_mutex_unlock(&l->lock);
}
