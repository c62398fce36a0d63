/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/sender.h"
#include "sync/replicate/stream_priv.h"
#include "sync/base/file.h"
#include <errno.h>

enum item_type {
	ITEM_HELLO,
	ITEM_DIGESTS,
	ITEM_HEADS,
	ITEM_RANGES,
	ITEM_SINCE,
	ITEM_NOTE,
	ITEM_RESULT,
	ITEM_FORK,
	ITEM_LOCATOR,
	ITEM_MISSING,
	ITEM_RANGE,
	ITEM_BLOB,
	ITEM_FRAMES
};

struct item {
	enum item_type type;
	enum sender_range what;
	int64_t log; /* log_info.num */
	struct log_id id;
	struct seq_range range; /* of a locator: .last is where it begins */
	uint64_t whole_from;	/* of SEND_SPARSE */
	enum error_code why;
	const void *rows; /* in the arena */
	size_t n;
	uint64_t numbers[3];
	struct hash space; /* of a blob: its name */
	struct hash state;
	struct blob_store *blobs;
};

struct sender {
	struct arena arena;
	struct buf items; /* struct item, one after the other */
	size_t at;	  /* the item in hand */
	uint64_t next;	  /* of a range in hand: next sequence; 0: at its beginning */
	struct stream_writer w;
	bool begun, ended, gives;
	unsigned located, missing;
	uint64_t wished; /* entries that were asked for by their numbers */
	uint64_t entries;
	uint64_t newest_from;
	struct buf named; /* the first eight bytes of ops that are named as rules, sorted */
	bool named_loaded;
	sender_first_fn *first;
	void *first_ctx;
	struct hash first_space; /* whose are in `firsts`, like those in `named` */
	struct buf firsts;
	struct wire_tally *tally; /* may be NULL */
};

struct sender *sender_new(void)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	return s;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	arena_release(&s->arena);
	buf_release(&s->items);
	buf_release(&s->named);
	buf_release(&s->firsts);
	free(s);
}

void sender_tally(struct sender *s, struct wire_tally *t)
{
	s->tally = t;
}

void sender_newest_first(struct sender *s, uint64_t from)
{
	s->newest_from = from;
}

void sender_first(struct sender *s, sender_first_fn *first, void *ctx)
{
	s->first = first;
	s->first_ctx = ctx;
}

/* --- the plan --- */

static void add(struct sender *s, const struct item *item)
{
	buf_add(&s->items, item, sizeof(*item));
}

void sender_hello(struct sender *s, int64_t clock_ms, const char *name)
{
	add(s, &(struct item){.type = ITEM_HELLO,
			      .numbers = {(uint64_t)clock_ms},
			      .rows = arena_str(&s->arena, name ? name : "")});
}

void sender_digests(struct sender *s, const struct space_digest *rows, size_t n)
{
	add(s, &(struct item){.type = ITEM_DIGESTS,
			      .rows = arena_copy(&s->arena, rows, n * sizeof(*rows)),
			      .n = n});
}

void sender_heads(struct sender *s, const struct hash *space, const struct head *heads, size_t n)
{
	add(s, &(struct item){.type = ITEM_HEADS,
			      .space = *space,
			      .rows = arena_copy(&s->arena, heads, n * sizeof(*heads)),
			      .n = n});
}

void sender_since(struct sender *s, const struct hash *space, const struct hash *state,
		  const struct head *rows, size_t n)
{
	add(s, &(struct item){.type = ITEM_SINCE,
			      .space = *space,
			      .state = state ? *state : (struct hash){{0}},
			      .rows = arena_copy(&s->arena, rows, n * sizeof(*rows)),
			      .n = n});
}

void sender_ranges(struct sender *s, struct span body)
{
	add(s, &(struct item){.type = ITEM_RANGES,
			      .rows = arena_copy(&s->arena, body.p, body.n),
			      .n = body.n});
}

void sender_note(struct sender *s, const struct log_id *id, uint64_t seq, enum error_code why)
{
	add(s, &(struct item){.type = ITEM_NOTE, .id = *id, .range = {.first = seq}, .why = why});
}

void sender_result(struct sender *s, uint64_t added, uint64_t filled, uint64_t known)
{
	add(s, &(struct item){.type = ITEM_RESULT, .numbers = {added, filled, known}});
}

void sender_fork(struct sender *s, const struct log_info *log)
{
	s->gives = true;
	add(s, &(struct item){.type = ITEM_FORK, .log = log->num});
}

void sender_missing(struct sender *s, const struct log_id *id, const struct seq_range *ranges,
		    size_t n)
{
	add(s, &(struct item){.type = ITEM_MISSING,
			      .id = *id,
			      .rows = arena_copy(&s->arena, ranges, n * sizeof(*ranges)),
			      .n = n});
}

void sender_range(struct sender *s, const struct log_info *log, struct seq_range range,
		  enum sender_range what)
{
	s->gives = true;
	add(s, &(struct item){.type = ITEM_RANGE,
			      .log = log->num,
			      .id = log->id,
			      .range = range,
			      .what = what});
}

void sender_blob(struct sender *s, struct blob_store *blobs, const struct hash *hash, uint64_t size)
{
	add(s,
	    &(struct item){.type = ITEM_BLOB, .space = *hash, .numbers = {size}, .blobs = blobs});
}

void sender_frames(struct sender *s, struct span frames, size_t n)
{
	add(s, &(struct item){.type = ITEM_FRAMES,
			      .rows = arena_copy(&s->arena, frames.p, frames.n),
			      .n = frames.n,
			      .numbers = {n}});
}

static void add_locator(struct sender *s, const struct log_info *log, uint64_t from)
{
	if (s->located++ >= SENDER_LOCATED)
		return;
	s->gives = true;
	add(s,
	    &(struct item){
		    .type = ITEM_LOCATOR, .log = log->num, .id = log->id, .range = {.last = from}});
}

/* With the payloads of the newest `keep` entries; 0: of all. */
static void add_run(struct sender *s, const struct log_info *info, struct seq_range r,
		    uint64_t keep)
{
	struct item item = {.type = ITEM_RANGE,
			    .log = info->num,
			    .id = info->id,
			    .range = r,
			    .what = SEND_SPARSE,
			    .whole_from = keep && r.last > keep ? r.last - keep + 1 : 0};

	s->gives = true;
	if (item.whole_from <= r.first)
		item.what = SEND_ENTRIES;
	add(s, &item);
}

/* Is the proof here news to somebody who says `t` of it? */
static bool lacks_fork(const struct log_info *info, const struct head *mine, const struct head *t)
{
	if (mine->mark != HEAD_FORKED || (t->mark && t->mark_seq < info->frozen))
		return false;
	if (t->mark != HEAD_FORKED)
		return true;
	/* Frozen at the first as well: the proof here says that it founds the space. */
	return t->mark_seq != mine->mark_seq ||
	       (info->frozen == 1 && head_founds(mine) && !head_founds(t));
}

/* Both are frozen behind their first entries, of which one founds the space: these two are a fork.
 */
static bool parts_at_first(const struct head *mine, const struct head *t)
{
	return mine->mark == HEAD_FORKED && t->mark == HEAD_FORKED && mine->seq == 1 &&
	       t->seq == 1 && head_founds(mine) != head_founds(t);
}

/* What somebody lacks of one log of which he holds `t`. */
static struct error *plan_log(struct sender *s, struct log_store *log, const struct log_info *info,
			      const struct head *t, uint64_t keep)
{
	struct head mine;
	uint64_t upto;
	struct hash ours;

	TRY(head_of_log(log, info, &mine));
	/* The entry that ended a log travels too: it is the proof. */
	upto = mine.seq + (mine.mark == HEAD_ENDED && mine.mark_seq == mine.seq + 1);
	if (mine.mark == HEAD_FORKED && upto > info->live)
		upto = info->live; /* what founds the space is known by the proof alone */
	if (t->mark && upto >= t->mark_seq)
		upto = t->mark_seq - 1;
	if (t->seq && t->seq <= mine.seq && !head_founds(t) && !head_founds(&mine)) {
		ours = mine.hash; /* most rows are alike: nothing is looked up for these */
		if (t->seq < mine.seq)
			TRY(log_hash_at(log, info->num, t->seq, &ours));
		if (!hash_eq(&ours, &t->hash)) {
			add_locator(s, info, t->seq);
			upto = 0;
		}
	}
	if (upto > t->seq)
		add_run(s, info, (struct seq_range){t->seq + 1, upto}, keep);
	else if (mine.mark == HEAD_ENDED && upto == mine.mark_seq)
		/* They are past it: either they have not audited it yet, or theirs is another
		 * entry, and seeing ours proves the fork. */
		sender_range(s, info, (struct seq_range){upto, upto}, SEND_ENTRIES);
	if (lacks_fork(info, &mine, t))
		sender_fork(s, info);
	else if (parts_at_first(&mine, t))
		sender_range(s, info, (struct seq_range){1, 1}, SEND_HEADERS);
	return NULL;
}

/* How many of the newest entries of each log go with their payloads; 0: all of all. */
static uint64_t newest_to_keep(const struct sender *s, const struct log_info *infos, size_t n,
			       const struct head *theirs, size_t n_theirs)
{
	uint64_t gap = 0, logs = 0, keep, least = NEWEST_KEEP_MIN;

	for (size_t i = 0; i < n && s->newest_from; i++) {
		const struct head *t = heads_find(theirs, n_theirs, &infos[i].id);

		if (infos[i].live <= (t ? t->seq : 0))
			continue;
		gap += infos[i].live - (t ? t->seq : 0);
		logs++;
	}
	if (!s->newest_from || gap <= s->newest_from)
		return 0;
	keep = (s->newest_from / 2 < NEWEST_WHOLE ? s->newest_from / 2 : NEWEST_WHOLE) / logs;
	if (keep > NEWEST_KEEP_MAX)
		keep = NEWEST_KEEP_MAX;
	if (least > s->newest_from)
		least = s->newest_from;
	return keep < least ? least : keep;
}

struct error *sender_plan(struct sender *s, struct log_store *log, const struct hash *space,
			  const struct head *theirs, size_t n)
{
	struct arena a = {0};
	struct log_info *infos;
	size_t n_infos;
	struct error *e = heads_logs(log, space, &a, &infos, &n_infos);
	uint64_t keep = e ? 0 : newest_to_keep(s, infos, n_infos, theirs, n);

	for (size_t i = 0; !e && i < n_infos; i++) {
		const struct head none = {.id = infos[i].id};
		const struct head *t = heads_find(theirs, n, &infos[i].id);

		e = plan_log(s, log, &infos[i], t ? t : &none, keep);
	}
	arena_release(&a);
	return e;
}

/* The row of a log that takes part; *ret_found false otherwise. */
static struct error *find_log(struct log_store *log, const struct log_id *id, struct log_info *ret,
			      bool *ret_found)
{
	struct error *e = log_info_get(log, id, ret);

	*ret_found = !e;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	return log_takes_part(log, ret, ret_found);
}

/* false: no more ranges fit. */
static bool add_held(struct sender *s, const struct log_info *info, uint64_t first, uint64_t last)
{
	if (first > last)
		return true;
	if (s->missing++ >= SENDER_MISSING)
		return false;
	sender_range(s, info, (struct seq_range){first, last}, SEND_PAYLOADS);
	return true;
}

/* What of the range is held here: between those that are not, which an index names. */
static struct error *plan_held(struct sender *s, struct log_store *log, const struct log_info *info,
			       struct seq_range r)
{
	uint64_t absent[256], at = r.first;
	size_t n = ARRAY_LEN(absent);

	while (at <= r.last && n == ARRAY_LEN(absent)) {
		TRY(log_absent(log, info->num, at - 1, absent, ARRAY_LEN(absent), &n));
		for (size_t i = 0; i < n && absent[i] <= r.last; i++) {
			if (!add_held(s, info, at, absent[i] - 1))
				return NULL;
			at = absent[i] + 1;
		}
		if (n && absent[n - 1] > r.last)
			break;
	}
	add_held(s, info, at, r.last);
	return NULL;
}

struct error *sender_plan_missing(struct sender *s, struct log_store *log, const struct log_id *id,
				  const struct seq_range *ranges, size_t n)
{
	struct log_info info;
	bool found;

	if (s->missing >= SENDER_MISSING)
		return NULL;
	TRY(find_log(log, id, &info, &found));
	for (size_t i = 0; found && i < n && ranges[i].first <= info.live; i++) {
		struct seq_range r = ranges[i];

		if (r.last > info.live)
			r.last = info.live;
		s->wished += r.last - r.first + 1;
		if (s->wished > SENDER_WISHED || s->missing >= SENDER_MISSING)
			return NULL;
		TRY(plan_held(s, log, &info, r));
	}
	return NULL;
}

struct error *sender_plan_located(struct sender *s, struct log_store *log, const struct log_id *id,
				  const struct locator_sample *samples, size_t n)
{
	struct log_info info;
	struct seq_range range;
	bool found, differs;

	if (s->located++ >= SENDER_LOCATED)
		return NULL;
	TRY(find_log(log, id, &info, &found));
	if (!found)
		return NULL;
	TRY(heads_locate(log, &info, samples, n, &range, &differs));
	if (differs)
		sender_range(s, &info, range, SEND_HEADERS);
	return NULL;
}

struct disputed {
	struct log_store *log;
	uint64_t first; /* the first op that is in no live log, 0 for none */
	bool live;
};

static struct error *note_live(void *ctx, const struct stored *e)
{
	((struct disputed *)ctx)->live |= e->live;
	return NULL;
}

/* Ends a reading where enough was read. Caught by who began it, and no sentence for people. */
static struct error *enough(void)
{
	return error_new(ERR_STOPPED, "enough was read");
}

static struct error *find_disputed(void *ctx, const struct stored *e)
{
	struct disputed *d = ctx;

	d->live = false;
	TRY(log_op(d->log, &e->op_id, note_live, d));
	if (d->live)
		return NULL;
	/* An honest box has none that its author did not sign, and nothing behind it. */
	if (entry_verify_author(&e->raw))
		d->first = e->seq;
	return enough();
}

static struct error *first_disputed(struct log_store *log, const struct log_info *info,
				    uint64_t *ret)
{
	struct disputed d = {.log = log};
	struct error *e = log_range(log, info->num, info->frozen, info->head, find_disputed, &d);

	if (error_is(e, ERR_STOPPED))
		error_replace(&e, NULL);
	TRY(e);
	*ret = d.first;
	return NULL;
}

/* Logs of one owner that are forked, and what of them is disputed. */
struct owned {
	struct log_store *log;
	const struct pubkey *owner;
	struct sender *s; /* to be told; NULL: only whether there is any */
	bool disputed;
};

static struct error *see_owned(void *ctx, const struct log_info *info)
{
	struct owned *o = ctx;
	uint64_t first = 0;
	bool part;

	if ((o->disputed && !o->s) || !info->frozen || !pubkey_eq(&info->id.appliance, o->owner))
		return NULL;
	TRY(log_takes_part(o->log, info, &part));
	if (part)
		TRY(first_disputed(o->log, info, &first));
	o->disputed |= first != 0;
	if (first && o->s)
		sender_range(o->s, info, (struct seq_range){first, info->head}, SEND_ENTRIES);
	return NULL;
}

static struct error *each_owned(struct log_store *log, const struct hash *space,
				const struct pubkey *owner, struct sender *s, bool *ret)
{
	struct owned o = {log, owner, s, false};

	TRY(log_each(log, space, see_owned, &o));
	*ret = o.disputed;
	return NULL;
}

struct error *sender_plan_disputed(struct sender *s, struct log_store *log,
				   const struct hash *space, const struct pubkey *owner)
{
	bool any;

	return each_owned(log, space, owner, s, &any);
}

struct error *sender_disputed(struct log_store *log, const struct hash *space,
			      const struct pubkey *owner, bool *ret)
{
	return each_owned(log, space, owner, NULL, ret);
}

static void keep_named(void *ctx, const struct hash *op)
{
	buf_add(ctx, op->b, sizeof(uint64_t));
}

static int compare_named(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

static void sort_named(struct buf *ops)
{
	if (ops->n)
		qsort(ops->p, ops->n / sizeof(uint64_t), sizeof(uint64_t), compare_named);
}

static struct error *load_named(struct sender *s, struct log_store *log)
{
	if (s->named_loaded)
		return NULL;
	buf_clear(&s->named);
	TRY(log_named(log, keep_named, &s->named));
	sort_named(&s->named);
	s->named_loaded = true;
	return NULL;
}

static void load_firsts(struct sender *s, const struct hash *space)
{
	if (!s->first || hash_eq(&s->first_space, space))
		return;
	s->first_space = *space;
	buf_clear(&s->firsts);
	s->first(s->first_ctx, space, keep_named, &s->firsts);
	sort_named(&s->firsts);
}

static bool is_named(const struct buf *named, const struct hash *op)
{
	return named->n && bsearch(op->b, named->p, named->n / sizeof(uint64_t), sizeof(uint64_t),
				   compare_named);
}

/* A frame's worth of missing payloads of one log. */
struct lack {
	struct log_id id;
	int64_t time; /* of the newest */
	uint64_t bytes;
	struct seq_range ranges[LIMIT_MISSING_RANGES]; /* falling */
	size_t n;
};

struct lacking {
	struct buf all; /* struct lack */
	struct lack piece;
	size_t entries;
	unsigned pieces; /* of this log */
	int64_t since;
	size_t old;		 /* so many in a row were from before it */
	const struct buf *named; /* what is needed in any case */
	const struct log_info *log;
};

static bool close_piece(struct lacking *k)
{
	if (k->piece.n)
		buf_add(&k->all, &k->piece, sizeof(k->piece));
	k->pieces += k->piece.n > 0;
	k->piece = (struct lack){.id = k->log->id};
	k->entries = 0;
	return k->pieces < LACK_OF_LOG;
}

static bool add_missing(void *ctx, const struct missing_entry *e)
{
	enum { ALL_OLD = 10000 }; /* what lies below that many is older still */
	struct lacking *k = ctx;
	struct lack *p = &k->piece;
	bool joins;

	if (e->time < k->since && !is_named(k->named, &e->op))
		return ++k->old < ALL_OLD;
	k->old = 0;
	joins = p->n && p->ranges[p->n - 1].first == e->seq + 1;

	if (k->entries >= LACK_PIECE || p->bytes >= LIMIT_FRAME ||
	    (!joins && p->n == LIMIT_MISSING_RANGES)) {
		if (!close_piece(k))
			return false;
		joins = false;
	}
	if (joins)
		p->ranges[p->n - 1].first = e->seq;
	else
		p->ranges[p->n++] = (struct seq_range){e->seq, e->seq};
	if (k->entries++ == 0)
		p->time = e->time;
	p->bytes += e->bytes;
	return true;
}

static int newest_lack_first(const void *a, const void *b)
{
	const struct lack *x = a, *y = b;

	if (x->time != y->time)
		return x->time > y->time ? -1 : 1;
	return log_id_cmp(&x->id, &y->id);
}

static struct error *collect_lack(struct log_store *log, const struct log_info *infos, size_t n,
				  const struct full *full, struct lacking *k)
{
	for (size_t i = 0; i < n; i++) {
		if (!infos[i].missing || full_has(full, &infos[i].id, true))
			continue;
		k->log = &infos[i];
		k->pieces = 0;
		k->old = 0;
		k->piece = (struct lack){.id = infos[i].id};
		k->entries = 0;
		TRY(log_missing_newest(log, infos[i].num, infos[i].live + 1, add_missing, k));
		close_piece(k);
	}
	return NULL;
}

static void add_lack(struct sender *s, const struct lack *p)
{
	struct seq_range rising[LIMIT_MISSING_RANGES];

	for (size_t i = 0; i < p->n; i++)
		rising[i] = p->ranges[p->n - 1 - i];
	sender_missing(s, &p->id, rising, p->n);
}

struct error *sender_lacks(struct log_store *log, const struct hash *space, int64_t since,
			   bool *ret)
{
	_cleanup_(sender_freep) struct sender *s = sender_new();

	TRY(sender_plan_lack(s, log, space, since, NULL));
	*ret = s->items.n > 0;
	return NULL;
}

struct error *sender_plan_lack(struct sender *s, struct log_store *log, const struct hash *space,
			       int64_t since, const struct full *full)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct lacking k = {.since = since, .named = &s->named};
	struct log_info *infos;
	const struct lack *pieces;
	uint64_t bytes = 0;
	struct error *e;
	size_t n;

	if (since != INT64_MIN)
		TRY(load_named(s, log));
	TRY(heads_logs(log, space, &a, &infos, &n));
	e = collect_lack(log, infos, n, full, &k);
	n = k.all.n / sizeof(*pieces);
	if (!e && n)
		qsort(k.all.p, n, sizeof(*pieces), newest_lack_first);
	pieces = (const struct lack *)k.all.p;
	for (size_t i = 0; !e && i < n && i < LACK_FRAMES && bytes < LACK_BYTES; i++) {
		add_lack(s, &pieces[i]);
		bytes += pieces[i].bytes;
	}
	buf_release(&k.all);
	return e;
}

bool sender_gives(const struct sender *s)
{
	return s->gives;
}

/* --- the bytes --- */

/* A frame on its way. It ends on an entry that its appliance signed, and so can be checked by
 * itself: in a run that came vouched for by its newest signature alone, those below may have none,
 * and who has not looked at each yet is honest. */
struct filling {
	struct sender *s;
	const struct item *item;
	uint64_t proved;	 /* each signature up to here was looked at */
	struct entry_bytes last; /* the newest in the frame */
	uint64_t n;		 /* entries in it */
	bool full, beyond;	 /* beyond: behind the range, for its last entry is not signed */
};

static bool may_end(const struct filling *f)
{
	return f->item->what == SEND_PAYLOADS || !f->n || load64(f->last.b + AT_SEQ) <= f->proved ||
	       entry_verify_appliance(&f->last);
}

/* Does the payload of this entry not travel now? */
static bool stays_behind(const struct filling *f, const struct stored *e)
{
	/* No more than fits when the signed one is still far: the headers of any run do. */
	if (f->item->what == SEND_HEADERS || stream_entries_size(&f->s->w) > LIMIT_FRAME / 2)
		return true;
	if (f->item->what != SEND_SPARSE || e->seq >= f->item->whole_from || e->seq == 1)
		return false;
	return !is_named(&f->s->named, &e->op_id) && !is_named(&f->s->firsts, &e->op_id);
}

/* Where no signature vouches for it nothing is said: nobody would take it. */
static void end_frame(struct filling *f)
{
	struct sender *s = f->s;

	if (may_end(f)) {
		stream_entries_end(&s->w);
		s->entries += f->n;
		tally_sent(s->tally, &f->item->id.space, f->n, 0);
	} else {
		stream_entries_drop(&s->w);
	}
	f->n = 0;
}

static struct error *fill(void *ctx, const struct stored *e)
{
	struct filling *f = ctx;
	struct sender *s = f->s;
	uint64_t seq = load64(e->raw.b + AT_SEQ);

	ENSURE(seq == s->next, error_new(ERR_CORRUPT,
					 N_("The log has a hole before entry %s; run "
					    "“lliure verify”."),
					 ID_SHORT(e->hash.b)));
	if (f->item->what == SEND_PAYLOADS && e->state != PAYLOAD_HELD) {
		end_frame(f);
		stream_entries_begin(&s->w, &f->item->id);
		s->next++;
		return NULL;
	}
	/* What is cut off in the middle of a frame is sent again: not too much at a time. */
	f->full = (f->beyond || stream_entries_size(&s->w) >= SENDER_PIECE) && may_end(f);
	if (f->full || !stream_entries_add(&s->w, e, stays_behind(f, e))) {
		f->full = true;
		return enough();
	}
	s->next++;
	f->last = e->raw;
	f->n++;
	return NULL;
}

static struct error *fill_frame(struct filling *f, struct log_store *log,
				const struct log_info *info)
{
	uint64_t last = f->item->range.last;
	struct error *e = log_range(log, f->item->log, f->s->next, last, fill, f);

	f->beyond = !e && !may_end(f) && info->head > last;
	if (f->beyond)
		e = log_range(log, f->item->log, f->s->next, info->head, fill, f);
	if (error_is(e, ERR_STOPPED) && f->full)
		error_replace(&e, NULL);
	return e;
}

/* One frame of a range. The frame is closed in any case: what was read before a fault is good. */
static struct error *send_range(struct sender *s, struct log_store *log, const struct item *item,
				bool *ret_done)
{
	struct filling f = {.s = s, .item = item};
	struct log_info info;
	struct error *e;

	e = log_info_by_num(log, item->log, &info);
	*ret_done = true;
	if (error_is(e, ERR_NOT_FOUND)) { /* its space was given up meanwhile */
		error_free(e);
		return NULL;
	}
	TRY(e);
	f.proved = info.proved;
	if (item->what == SEND_SPARSE) {
		TRY(load_named(s, log));
		load_firsts(s, &item->id.space);
	}
	if (!s->next)
		s->next = item->range.first;
	stream_entries_begin(&s->w, &item->id);
	e = fill_frame(&f, log, &info);
	/* Of what nothing vouches for no more is looked at. */
	*ret_done = f.beyond || !f.full || !may_end(&f);
	end_frame(&f);
	return e;
}

static struct error *send_fork(struct sender *s, struct log_store *log, const struct item *item)
{
	struct fork_proof proof;
	struct log_id id;

	TRY(log_fork_proof(log, item->log, &proof));
	stream_put_fork(&s->w, &proof);
	id = entry_log(&proof.a);
	tally_sent(s->tally, &id.space, 0, 1);
	return NULL;
}

static struct error *send_locator(struct sender *s, struct log_store *log, const struct item *item)
{
	struct locator_sample samples[LIMIT_LOCATOR];
	struct log_info info;
	size_t n;

	TRY(log_info_by_num(log, item->log, &info));
	TRY(heads_locator(log, &info, item->range.last, samples, &n));
	stream_put_locator(&s->w, &item->id, samples, n);
	return NULL;
}

/* One piece of a file; s->next is where it begins, plus one. */
static struct error *send_blob(struct sender *s, const struct item *item, bool *ret_done)
{
	enum { PIECE = 256 * 1024 };
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) uint8_t *piece = malloc(PIECE);
	uint64_t at = s->next ? s->next - 1 : 0, size;
	struct error *e = blob_fd(item->blobs, &item->space, &fd, &size);
	ssize_t n;

	if (!piece)
		abort();
	*ret_done = true;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	n = pread(fd, piece, PIECE, (off_t)at);
	ENSURE(n >= 0, file_error(errno, ID_SHORT(&item->space)));
	if (n == 0 || size != item->numbers[0])
		return NULL;
	stream_put_blob(&s->w, &item->space, size, at, span_of(piece, (size_t)n));
	s->next = at + (uint64_t)n + 1;
	*ret_done = at + (uint64_t)n >= size;
	return NULL;
}

static struct error *send_item(struct sender *s, struct log_store *log, const struct item *i,
			       bool *ret_done)
{
	struct stream_writer *w = &s->w;

	*ret_done = true;
	switch (i->type) {
	case ITEM_HELLO:
		stream_put_hello(w, (int64_t)i->numbers[0], i->rows);
		return NULL;
	case ITEM_DIGESTS:
		stream_put_digests(w, i->rows, i->n);
		return NULL;
	case ITEM_HEADS:
		stream_put_heads(w, &i->space, i->rows, i->n);
		return NULL;
	case ITEM_SINCE:
		stream_put_since(w, &i->space, &i->state, i->rows, i->n);
		return NULL;
	case ITEM_RANGES:
		stream_put_ranges(w, span_of(i->rows, i->n));
		return NULL;
	case ITEM_NOTE:
		stream_put_note(w, &i->id, i->range.first, i->why);
		tally_note(s->tally, &i->id, i->why, false);
		return NULL;
	case ITEM_RESULT:
		stream_put_result(w, i->numbers[0], i->numbers[1], i->numbers[2]);
		return NULL;
	case ITEM_MISSING:
		stream_put_missing(w, &i->id, i->rows, i->n);
		return NULL;
	case ITEM_FRAMES:
		buf_add(w->out, i->rows, i->n);
		w->frames += i->numbers[0];
		return NULL;
	case ITEM_FORK:
		return send_fork(s, log, i);
	case ITEM_LOCATOR:
		return send_locator(s, log, i);
	case ITEM_RANGE:
		return send_range(s, log, i, ret_done);
	case ITEM_BLOB:
		return send_blob(s, i, ret_done);
	}
	return NULL;
}

struct error *sender_read(struct sender *s, struct log_store *log, struct buf *out, bool *ret_end)
{
	size_t n = s->items.n / sizeof(struct item), start = out->n;

	if (!s->begun)
		stream_begin(&s->w, out);
	s->begun = true;
	s->w.out = out;
	while (s->at < n && out->n - start < SENDER_PIECE) {
		struct item item;
		bool done;

		memcpy(&item, s->items.p + s->at * sizeof(item), sizeof(item));
		TRY(send_item(s, log, &item, &done));
		if (done) {
			s->at++;
			s->next = 0;
		}
	}
	if (s->at == n && !s->ended) {
		stream_put_end(&s->w);
		s->ended = true;
	}
	*ret_end = s->ended;
	if (s->tally)
		s->tally->bytes_sent += out->n - start;
	return NULL;
}

void sender_rewind(struct sender *s)
{
	s->at = 0;
	s->next = 0;
	s->begun = s->ended = false;
	s->entries = 0;
}

uint64_t sender_entries(const struct sender *s)
{
	return s->entries;
}
