/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What honest boxes ever sent: of each (log, sequence) one hash, unless a key is in two boxes. */
#include "tests/sim/world.h"

struct place_sent {
	struct hash at; /* of log id and sequence; zero: empty */
	struct hash header;
	bool forked; /* another header of it was sent, too */
};

struct sent {
	struct place_sent *rows;
	size_t n, cap;
};

struct sent *sent_new(void)
{
	struct sent *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->cap = 1024;
	s->rows = calloc(s->cap, sizeof(s->rows[0]));
	return s;
}

void sent_free(struct sent *s)
{
	free(s->rows);
	free(s);
}

static struct place_sent *find(struct sent *s, const struct hash *at)
{
	size_t i;

	memcpy(&i, at->b, sizeof(i));
	while (!hash_is_zero(&s->rows[i % s->cap].at) && !hash_eq(&s->rows[i % s->cap].at, at))
		i++;
	return &s->rows[i % s->cap];
}

static void grow(struct sent *s)
{
	struct sent more = {.cap = s->cap * 2, .n = s->n};

	more.rows = calloc(more.cap, sizeof(more.rows[0]));
	for (size_t i = 0; i < s->cap; i++)
		if (!hash_is_zero(&s->rows[i].at))
			*find(&more, &s->rows[i].at) = s->rows[i];
	free(s->rows);
	*s = more;
}

/* May this key contradict itself: a hostile one, or one that is in two boxes that do not know? */
static bool may_fork(struct world *w, const struct pubkey *key)
{
	for (int i = 0; i < w->s.n; i++)
		if (pubkey_eq(secret_pubkey(w->s.box[i].key), key) &&
		    (w->at[i].hostile || w->at[i].may_fork))
			return true;
	return false;
}

static void see_header(struct world *w, int box, const struct log_id *id, uint64_t seq,
		       const struct hash *header)
{
	uint8_t place[LOG_ID_BYTES + 8];
	struct hash at;
	struct place_sent *row;

	log_id_write(id, place);
	memcpy(place + LOG_ID_BYTES, &seq, 8);
	at = hash_bytes(span_of(place, sizeof(place)));
	if (w->sent->n * 2 > w->sent->cap)
		grow(w->sent);
	row = find(w->sent, &at);
	if (hash_is_zero(&row->at)) {
		*row = (struct place_sent){at, *header, false};
		w->sent->n++;
		return;
	}
	if (hash_eq(&row->header, header))
		return;
	row->forked = true;
	if (!may_fork(w, &id->appliance)) {
		sim_say(&w->s, "box %d sends another entry %llu of %s", box,
			(unsigned long long)seq, ID_SHORT(&id->appliance));
		sim_die(&w->s, "an honest box contradicts itself", NULL, __FILE__, __LINE__);
	}
}

void sent_see(struct world *w, int box, struct stream_reader *r, struct span bytes)
{
	const struct frame *f;
	struct error *err;

	stream_feed(r, bytes);
	for (;;) {
		err = stream_next(r, &f);
		if (err)
			sim_die(&w->s, "an honest box sends what can't be read", err, __FILE__,
				__LINE__);
		if (!f)
			return;
		if (f->type != FRAME_ENTRIES)
			continue;
		for (size_t i = 0; i < f->entries.n; i++) {
			struct hash h = entry_hash(&f->entries.headers[i]);

			see_header(w, box, f->entries.id, f->entries.first + i, &h);
		}
	}
}
