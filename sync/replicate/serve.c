/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/serve.h"
#include "sync/replicate/inlet.h"
#include "sync/replicate/ranges.h"
#include "sync/replicate/sender.h"
#include <assert.h>

enum { LIMIT_MISSING_FRAMES = 4096 };

/* What a pull says about one space. */
struct asked {
	struct hash space;
	struct buf heads;   /* struct head */
	bool has_heads;
	struct span ranges; /* the body of a RANGES frame, in the arena; empty: none came */
	bool only_ranges;   /* it asks where we differ, and for nothing yet */
	bool since;	    /* it says what it holds by a state that both had … */
	struct hash state;
	const struct head *changed; /* … and what is otherwise now, in the arena */
	size_t n_changed;
	uint64_t added, filled, known; /* of what was pushed */
};

struct lacking {
	struct log_id id;
	const struct seq_range *ranges;
	size_t n;
};

/* A run that differs from ours and is not signed where it does: ours from there on, if it is
 * signed, is what they are to have. */
struct better {
	struct log_id id;
	struct seq_range range;
};

struct serving {
	struct session_options o;
	enum serving_kind kind;
	struct sync_report report;
	struct inlet in;
	struct sender *out;
	struct arena arena;
	struct asked *spaces; /* of a pull: asked for; of a push: touched */
	size_t n_spaces;
	size_t n_heads;
	struct buf lacking; /* struct lacking; ranges in the arena */
	struct buf forks;   /* struct log_id: forks that came to light */
	struct buf better;  /* struct better */
	size_t full_notes; /* NOTEs of what there is no room for */
	bool opens; /* a pull that begins the exchange: it is told the status, too */
	bool ended;
};

static bool serving_follows(void *ctx, const struct hash *space)
{
	const struct serving *v = ctx;

	return !v->o.follows || v->o.follows(v->o.ctx, &v->o.peer, space);
}

static bool serving_shares(const struct serving *v, const struct hash *space)
{
	return !v->o.shares || v->o.shares(v->o.ctx, &v->o.peer, space);
}

/* Is it here, and for them? What is not here and what is kept from them get the same answer, or
 * whoever has heard an id could ask which boxes carry the space. Both are looked at in any case. */
static bool serving_shows(const struct serving *v, struct log_store *log, const struct hash *space)
{
	bool here = log_holds_space(log, space), may = serving_shares(v, space);

	return here && may;
}

/* --- status --- */

static bool status_shares(void *ctx, const struct hash *space)
{
	const struct session_options *o = ctx;

	return !o->shares || o->shares(o->ctx, &o->peer, space);
}

static const struct asked *asked_of(const struct serving *v, const struct hash *space)
{
	for (size_t i = 0; v && i < v->n_spaces; i++)
		if (hash_eq(&v->spaces[i].space, space))
			return &v->spaces[i];
	return NULL;
}

/* How much there is, for whoever has a large first sync before them: not of what they hold but for
 * the news. */
static struct error *say_counts(struct stream_writer *w, struct log_store *log,
				const struct serving *v, const struct space_digest *rows, size_t n)
{
	struct space_count counts[LIMIT_SPACES];
	struct log_counts c;
	size_t said = 0;

	for (size_t i = 0; i < n; i++) {
		const struct asked *a = asked_of(v, &rows[i].space);

		if (a && a->since)
			continue;
		TRY(log_count(log, &rows[i].space, &c));
		counts[said++] = (struct space_count){rows[i].space, c.entries};
	}
	if (said)
		stream_put_counts(w, counts, said);
	return NULL;
}

static struct error *say_partial(const struct session_options *o, struct log_store *log,
				 const struct space_digest *rows, size_t n, struct stream_writer *w)
{
	struct hash unkept[LIMIT_SPACES];
	bool wanting = false;
	size_t dropped = 0;

	for (size_t i = 0; i < n && o->drops; i++)
		if (o->drops(o->ctx, &rows[i].space))
			unkept[dropped++] = rows[i].space;
	if (!dropped && !keep_is_partial(&o->keep))
		return NULL;
	for (size_t i = 0; i < n && !wanting; i++)
		TRY(sender_lacks(log, &rows[i].space, keep_since(&o->keep, o->env), &wanting));
	stream_put_partial(w, &o->keep, wanting, unkept, dropped);
	return NULL;
}

/* v: the pull that it is said with; NULL: it is asked for alone. */
static struct error *say_status(const struct session_options *o, struct log_store *log,
				const struct serving *v, struct stream_writer *w)
{
	enum { ABILITIES = ABILITY_RANGES | ABILITY_SINCE };
	struct space_digest rows[LIMIT_SPACES];
	size_t n;

	TRY(heads_all(log, status_shares, (void *)o, rows, ARRAY_LEN(rows), &n));
	for (size_t i = 0; i < n; i++)
		TRY(pasts_digest(o->pasts, log, &rows[i].space, &rows[i]));
	stream_put_greeting(w, env_now(o->env), o->name, ABILITIES & ~o->without, o->clock,
			    log_incarnation(log));
	TRY(say_partial(o, log, rows, n, w));
	stream_put_digests(w, rows, n);
	TRY(say_counts(w, log, v, rows, n));
	for (size_t i = 0; i < n; i++)
		tally_digests(o->tally, &rows[i], NULL);
	return NULL;
}

struct error *serve_status(const struct session_options *o, struct log_store *log, struct buf *out)
{
	struct stream_writer w;

	stream_begin(&w, out);
	TRY(say_status(o, log, NULL, &w));
	stream_put_end(&w);
	return NULL;
}

/* --- taking the request in --- */

struct serving *serving_new(const struct session_options *o, enum serving_kind kind)
{
	struct serving *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->o = *o;
	v->kind = kind;
	v->out = sender_new();
	sender_newest_first(v->out, o->newest_from ? o->newest_from : NEWEST_FROM);
	sender_first(v->out, o->first, o->ctx);
	sender_tally(v->out, o->tally);
	v->spaces = calloc(LIMIT_SPACES, sizeof(*v->spaces));
	if (!v->spaces)
		abort();
	v->in = (struct inlet){.self = o->self,
			       .ctx = v,
			       .takes = serving_follows,
			       .room = o->room,
			       .unused = o->unused,
			       .in_vain_too = o->in_vain,
			       .room_ctx = o->ctx,
			       .take_limit = o->take_limit,
			       .repeat_limit = LIMIT_REPETITIONS,
			       .report = &v->report,
			       .tally = o->tally};
	inlet_begin(&v->in, kind == SERVE_PULL ? FRAME_BIT(FRAME_HEADS) | FRAME_BIT(FRAME_RANGES) |
							 FRAME_BIT(FRAME_MISSING) |
							 FRAME_BIT(FRAME_SINCE)
					       : FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_FORK) |
							 FRAME_BIT(FRAME_LOCATOR));
	return v;
}

void serving_free(struct serving *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_spaces; i++)
		buf_release(&v->spaces[i].heads);
	free(v->spaces);
	buf_release(&v->lacking);
	buf_release(&v->forks);
	buf_release(&v->better);
	arena_release(&v->arena);
	inlet_release(&v->in);
	sender_free(v->out);
	free(v);
}

const struct sync_report *serving_report(const struct serving *v)
{
	return &v->report;
}

struct in_vain serving_in_vain(const struct serving *v)
{
	return v->in.in_vain;
}

void serving_feed(struct serving *v, struct span bytes)
{
	inlet_feed(&v->in, bytes);
}

static struct error *space_of(struct serving *v, const struct hash *space, struct asked **ret)
{
	for (size_t i = 0; i < v->n_spaces; i++)
		if (hash_eq(&v->spaces[i].space, space)) {
			*ret = &v->spaces[i];
			return NULL;
		}
	ENSURE(v->n_spaces < LIMIT_SPACES,
	       error_new(ERR_LIMIT, N_("The other box speaks of more spaces than may be in one "
				       "exchange.")));
	*ret = &v->spaces[v->n_spaces++];
	(*ret)->space = *space;
	return NULL;
}

/* Rows that they name, of a space of which they say what they hold in this way. */
static struct error *count_rows(struct serving *v, const struct hash *space, size_t n, bool heads,
				struct asked **ret)
{
	struct asked *a;

	TRY(space_of(v, space, &a));
	v->n_heads += n;
	ENSURE(v->n_heads <= LIMIT_HEADS,
	       error_new(ERR_LIMIT, N_("The other box lists more logs than may be in one "
				       "exchange.")));
	/* HEADS of one space may come in several frames */
	ENSURE(!a->ranges.n && !a->since && (heads || !a->has_heads),
	       error_new(ERR_MALFORMED, N_("The other box says what it holds in two ways.")));
	*ret = a;
	return NULL;
}

static struct error *note_heads(struct serving *v, const struct frame *f)
{
	struct asked *a;

	TRY(count_rows(v, &f->heads.space, f->heads.n, true, &a));
	a->has_heads = true;
	buf_add(&a->heads, f->heads.heads, f->heads.n * sizeof(struct head));
	return NULL;
}

static struct error *note_ranges(struct serving *v, const struct frame *f)
{
	struct span body = f->ranges.body;
	struct asked *a;

	TRY(count_rows(v, &f->ranges.space, f->ranges.n_rows, false, &a));
	a->ranges = span_of(arena_copy(&v->arena, body.p, body.n), body.n);
	a->only_ranges = f->ranges.n > 0;
	return NULL;
}

static struct error *note_since(struct serving *v, const struct frame *f)
{
	struct asked *a;

	TRY(count_rows(v, &f->since.space, f->since.n, false, &a));
	a->since = v->opens = true;
	a->state = f->since.state;
	a->changed = arena_copy(&v->arena, f->since.rows, f->since.n * sizeof(struct head));
	a->n_changed = f->since.n;
	return NULL;
}

static void note_missing(struct serving *v, const struct frame *f)
{
	size_t bytes = f->missing.n * sizeof(struct seq_range);
	struct lacking l = {.id = f->missing.id, .n = f->missing.n};

	if (v->lacking.n / sizeof(l) >= LIMIT_MISSING_FRAMES)
		return;
	l.ranges = arena_copy(&v->arena, f->missing.ranges, bytes);
	buf_add(&v->lacking, &l, sizeof(l));
}

static struct error *take_frame(struct serving *v, struct log_store *log, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HEADS:
		return note_heads(v, f);
	case FRAME_RANGES:
		return note_ranges(v, f);
	case FRAME_SINCE:
		return note_since(v, f);
	case FRAME_MISSING:
		note_missing(v, f);
		return NULL;
	case FRAME_LOCATOR:
		if (!serving_shares(v, &f->locator.id.space))
			return NULL;
		return sender_plan_located(v->out, log, &f->locator.id, f->locator.samples,
					   f->locator.n);
	default:
		return NULL;
	}
}

struct error *serving_next(struct serving *v, struct log_store *log, struct intake **ret)
{
	const struct frame *f;
	bool batch;

	for (;;) {
		TRY(inlet_next(&v->in, &f, &batch));
		*ret = batch ? &v->in.intake : NULL;
		if (batch || !f)
			return NULL;
		TRY(take_frame(v, log, f));
	}
}

void serving_written(struct serving *v)
{
	const struct intake *in = &v->in.intake;
	struct log_id id = in->frame->type == FRAME_FORK ? entry_log(&in->frame->fork.a)
							 : *in->frame->entries.id;
	struct asked *a;
	struct error *e = space_of(v, &id.space, &a);

	/* More spaces than fit are not answered about, but what came is kept. */
	if (!e) {
		a->added += in->result.added;
		a->filled += in->result.filled;
		a->known += in->result.known;
	}
	error_free(e);
	if (in->fork_new && v->forks.n / sizeof(id) < LIMIT_FRAME_ENTRIES)
		buf_add(&v->forks, &id, sizeof(id));
	if (in->refused == ERR_SIGNATURE && in->frame->type == FRAME_ENTRIES &&
	    v->better.n / sizeof(struct better) < SENDER_LOCATED) {
		const struct ingest *run = &in->frame->entries;
		struct better b = {id, {in->refused_seq, run->first + run->n - 1}};

		buf_add(&v->better, &b, sizeof(b));
	}
	inlet_written(&v->in);
}

/* --- the answer --- */

/* Do the entries that this answer brings make their row ours? Then they know it without being told. */
static struct error *is_brought(struct log_store *log, const struct head *mine, const struct head *theirs,
				bool *ret)
{
	struct log_info info;
	struct hash there;

	*ret = !mine->mark && !theirs->mark && mine->seq > theirs->seq;
	if (!*ret || !theirs->seq)
		return NULL;
	TRY(log_info_get(log, &theirs->id, &info));
	TRY(log_hash_at(log, info.num, theirs->seq, &there));
	*ret = hash_eq(&there, &theirs->hash);
	return NULL;
}

static void find_full(const struct serving *v, const struct hash *space, struct full *ret)
{
	if (v->o.full)
		v->o.full(v->o.ctx, space, ret);
}

/* They have more of a log than there is room for: why nothing is to come of it. */
static void note_full(struct serving *v, const struct full *full, const struct head *mine,
		      const struct head *theirs)
{
	struct log_id whole = {.space = mine->id.space};

	if (theirs->seq <= mine->seq || v->full_notes >= REPORT_REFUSALS)
		return;
	if (!full->all && (mine->seq || !full->held_only))
		sender_note(v->out, &mine->id, mine->seq + 1, ERR_LIMIT);
	else if (!v->full_notes)
		sender_note(v->out, &whole, 0, ERR_LIMIT);
	v->full_notes++;
}

/* Where we hold something else than they said they do: heads of their logs only. */
static struct error *plan_differences(struct serving *v, struct log_store *log,
				      const struct asked *a, const struct head *theirs, size_t n,
				      const struct full *full)
{
	struct arena arena = {0};
	struct head *ours, *diff;
	size_t n_ours, n_diff = 0;
	bool brought;
	struct error *e = heads_collect(log, &a->space, &arena, &ours, &n_ours);

	diff = arena_array(&arena, struct head, n ? n : 1);
	for (size_t i = 0; !e && i < n; i++) {
		const struct head none = {.id = theirs[i].id};
		const struct head *mine = heads_find(ours, n_ours, &theirs[i].id);

		if (i && log_id_cmp(&theirs[i - 1].id, &theirs[i].id) == 0)
			continue;
		if (!mine)
			mine = &none;
		if (head_eq(mine, &theirs[i]))
			continue;
		e = is_brought(log, mine, &theirs[i], &brought);
		if (e || brought)
			continue;
		diff[n_diff] = *mine;
		if (full_has(full, &mine->id, mine->seq || mine->mark)) {
			note_full(v, full, mine, &theirs[i]);
			diff[n_diff] = full_head(*mine);
		}
		n_diff++;
	}
	if (!e && n_diff)
		sender_heads(v->out, &a->space, diff, n_diff);
	arena_release(&arena);
	return e;
}

/* What came as ranges: answered as such, or the list of their rows. */
static struct error *plan_ranges(struct serving *v, struct log_store *log, struct asked *a)
{
	_cleanup_(arena_release) struct arena arena = {0};
	_cleanup_(buf_release) struct buf body = {0};
	struct range_frame f;
	struct head *ours;
	size_t n;

	TRY(ranges_read(a->ranges, &arena, &f));
	TRY(heads_collect(log, &a->space, &arena, &ours, &n));
	if (!a->only_ranges) {
		ranges_apply(&f, ours, n, &a->heads);
		return NULL;
	}
	ranges_answer(&f, ours, n, &body);
	sender_ranges(v->out, buf_span(&body));
	return NULL;
}

/* Their rows: those of a state of ours, but for what they say has changed. *ret_known false: we
 * don't know that state, and say so. */
static struct error *plan_since(struct serving *v, struct log_store *log, struct asked *a,
				bool *ret_known)
{
	_cleanup_(arena_release) struct arena arena = {0};
	struct head *then;
	size_t n;

	TRY(pasts_rows(v->o.pasts, log, &a->space, &a->state, &arena, &then, &n, ret_known));
	if (!*ret_known) {
		sender_since(v->out, &a->space, NULL, NULL, 0);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (!heads_find(a->changed, a->n_changed, &then[i].id))
			buf_add(&a->heads, &then[i], sizeof(then[i]));
	buf_add(&a->heads, a->changed, a->n_changed * sizeof(*a->changed));
	return NULL;
}

/* Do they hold just what we hold? Then there is nothing to look for. */
static struct error *is_alike(struct serving *v, struct log_store *log, const struct asked *a,
			      bool *ret)
{
	struct space_digest ours;

	*ret = false;
	if (!a->since || a->n_changed)
		return NULL;
	TRY(pasts_digest(v->o.pasts, log, &a->space, &ours));
	*ret = hash_eq(&ours.heads, &a->state);
	if (*ret)
		pasts_agree(v->o.pasts, &v->o.peer, &ours);
	return NULL;
}

static struct error *plan_rows(struct serving *v, struct log_store *log, struct asked *a,
			       const struct full *full)
{
	struct head *theirs = (struct head *)a->heads.p;
	size_t n = a->heads.n / sizeof(*theirs);

	heads_sort(theirs, n);
	TRY(sender_plan(v->out, log, &a->space, theirs, n));
	return serving_follows(v, &a->space) ? plan_differences(v, log, a, theirs, n, full) : NULL;
}

/* They name a log of a space that we would follow, and hold nothing of as far as they may know: a
 * closed space whose rules don't know them is none that they may know of. */
static bool wants_offer(struct serving *v, struct log_store *log, const struct asked *a)
{
	bool secret = log_is_closed(log, &a->space) &&
		      !log_shared_with(log, &a->space, &v->o.peer);
	bool here = log_holds_space(log, &a->space) && !secret;

	return a->heads.n && !here && serving_follows(v, &a->space);
}

static struct error *plan_nothing(struct serving *v, struct asked *a)
{
	struct head *rows = (struct head *)a->heads.p;
	size_t n = a->heads.n / sizeof(*rows), kept = 0;

	heads_sort(rows, n);
	for (size_t i = 0; i < n; i++)
		if (!kept || log_id_cmp(&rows[kept - 1].id, &rows[i].id) != 0)
			rows[kept++] = (struct head){.id = rows[i].id};
	sender_heads(v->out, &a->space, rows, kept);
	return NULL;
}

/* What they lack, what we lack, and where they hold something else. */
static struct error *plan_exchange(struct serving *v, struct log_store *log, struct asked *a,
				   bool alike)
{
	_cleanup_(full_release) struct full full = {.all = false};

	find_full(v, &a->space, &full);
	if (!alike)
		TRY(plan_rows(v, log, a, &full));
	TRY(sender_plan_disputed(v->out, log, &a->space, &v->o.peer));
	if (!serving_follows(v, &a->space))
		return NULL;
	return sender_plan_lack(v->out, log, &a->space, keep_since(&v->o.keep, v->o.env), &full);
}

static struct error *plan_space(struct serving *v, struct log_store *log, struct asked *a)
{
	struct log_id about = {.space = a->space};
	bool alike, known = true;

	if (!serving_shows(v, log, &a->space)) {
		if (wants_offer(v, log, a))
			return plan_nothing(v, a);
		sender_note(v->out, &about, 0, ERR_DENIED);
		return NULL;
	}
	if (a->ranges.n)
		TRY(plan_ranges(v, log, a));
	TRY(is_alike(v, log, a, &alike));
	if (a->since && !alike)
		TRY(plan_since(v, log, a, &known));
	return a->only_ranges || !known ? NULL : plan_exchange(v, log, a, alike);
}

/* Digests of the spaces of this request, in the order that the frame wants. */
static int compare_spaces(const void *a, const void *b)
{
	return hash_cmp(&((const struct asked *)a)->space, &((const struct asked *)b)->space);
}

static struct error *plan_digests(struct serving *v, struct log_store *log)
{
	struct space_digest rows[LIMIT_SPACES];
	size_t n = 0;

	qsort(v->spaces, v->n_spaces, sizeof(*v->spaces), compare_spaces);
	for (size_t i = 0; i < v->n_spaces; i++)
		if (!v->spaces[i].only_ranges && serving_shows(v, log, &v->spaces[i].space))
			TRY(pasts_digest(v->o.pasts, log, &v->spaces[i].space, &rows[n++]));
	for (size_t i = 0; i < n; i++)
		tally_digests(v->o.tally, &rows[i], NULL);
	if (n || !v->n_spaces)
		sender_digests(v->out, rows, n);
	return NULL;
}

static struct error *plan_status(struct serving *v, struct log_store *log)
{
	_cleanup_(buf_release) struct buf frames = {0};
	struct stream_writer w = {.out = &frames};

	TRY(say_status(&v->o, log, v, &w));
	sender_frames(v->out, buf_span(&frames), w.frames);
	return NULL;
}

static struct error *plan_pull(struct serving *v, struct log_store *log)
{
	const struct lacking *lacking = (const struct lacking *)v->lacking.p;

	if (v->opens)
		TRY(plan_status(v, log));
	for (size_t i = 0; i < v->n_spaces; i++)
		TRY(plan_space(v, log, &v->spaces[i]));
	for (size_t i = 0; i < v->lacking.n / sizeof(*lacking); i++)
		if (serving_shares(v, &lacking[i].id.space))
			TRY(sender_plan_missing(v->out, log, &lacking[i].id, lacking[i].ranges,
						lacking[i].n));
	/* The status has them all. */
	return v->opens ? NULL : plan_digests(v, log);
}

static struct error *plan_better(struct serving *v, struct log_store *log)
{
	const struct better *b = (const struct better *)v->better.p;

	for (size_t i = 0; i < v->better.n / sizeof(*b); i++) {
		struct seq_range range = b[i].range;
		struct log_info info;
		struct error *e = log_info_get(log, &b[i].id, &info);

		if (error_is(e, ERR_NOT_FOUND)) {
			error_free(e);
			continue;
		}
		TRY(e);
		if (range.last > info.live)
			range.last = info.live;
		if (range.first <= range.last && serving_shares(v, &b[i].id.space))
			sender_range(v->out, &info, range, SEND_ENTRIES);
	}
	return NULL;
}

/* A log of the one who pushed turned out forked by it: what only we hold of the other branch. Both sides may
 * hold the same now and have no reason to ask again. */
static struct error *plan_forked_owner(struct serving *v, struct log_store *log)
{
	const struct log_id *forks = (const struct log_id *)v->forks.p;

	for (size_t i = 0; i < v->forks.n / sizeof(*forks); i++) {
		bool before = !pubkey_eq(&forks[i].appliance, &v->o.peer);

		for (size_t k = 0; k < i && !before; k++)
			before = pubkey_eq(&forks[k].appliance, &v->o.peer) &&
				 hash_eq(&forks[k].space, &forks[i].space);
		if (!before && serving_shares(v, &forks[i].space))
			TRY(sender_plan_disputed(v->out, log, &forks[i].space, &v->o.peer));
	}
	return NULL;
}

static int compare_logs(const void *a, const void *b)
{
	return log_id_cmp(a, b);
}

/* One word a space. */
static void note_hidden(struct serving *v, struct log_id *spaces, size_t n)
{
	qsort(spaces, n, sizeof(*spaces), compare_logs);
	for (size_t i = 0; i < n; i++)
		if (!i || log_id_cmp(&spaces[i - 1], &spaces[i]) != 0)
			sender_note(v->out, &spaces[i], 0, ERR_DENIED);
}

/* What became of it. Of a space that is not shown to them one and the same is said, whatever became
 * of it: else who has heard an id and got hold of entries could push them, and see from what was new
 * and what was refused which boxes carry the space. */
static void plan_outcome(struct serving *v, struct log_store *log)
{
	const struct sync_report *r = &v->report;
	size_t kept = r->refusals < REPORT_REFUSALS ? r->refusals : REPORT_REFUSALS;
	uint64_t added = 0, filled = 0, known = 0;
	struct log_id hidden[LIMIT_SPACES + REPORT_REFUSALS] = {0};
	size_t n_hidden = 0;

	for (size_t i = 0; i < v->n_spaces; i++) {
		const struct asked *a = &v->spaces[i];

		if (!serving_shows(v, log, &a->space)) {
			hidden[n_hidden++].space = a->space;
			continue;
		}
		added += a->added;
		filled += a->filled;
		known += a->known;
	}
	for (size_t i = 0; i < kept; i++) {
		if (serving_shows(v, log, &r->refused[i].id.space))
			sender_note(v->out, &r->refused[i].id, r->refused[i].seq, r->refused[i].why);
		else
			hidden[n_hidden++].space = r->refused[i].id.space;
	}
	note_hidden(v, hidden, n_hidden);
	sender_result(v->out, added, filled, known);
	if (v->o.tally) {
		v->o.tally->ours_new += added;
		v->o.tally->ours_filled += filled;
	}
}

static struct error *plan_push(struct serving *v, struct log_store *log)
{
	const struct log_id *forks = (const struct log_id *)v->forks.p;

	for (size_t i = 0; i < v->forks.n / sizeof(*forks); i++) {
		struct log_info info;

		TRY(log_info_get(log, &forks[i], &info));
		if (info.frozen && serving_shares(v, &forks[i].space))
			sender_fork(v->out, &info);
	}
	TRY(plan_forked_owner(v, log));
	TRY(plan_better(v, log));
	plan_outcome(v, log);
	return plan_digests(v, log);
}

struct error *serving_end(struct serving *v, struct log_store *log)
{
	struct intake *left;

	TRY(serving_next(v, log, &left));
	assert(!left);
	v->report.cut = true;
	TRY(stream_finish(v->in.reader));
	v->report.cut = false;
	v->ended = true;
	return v->kind == SERVE_PULL ? plan_pull(v, log) : plan_push(v, log);
}

struct error *serving_answer(struct serving *v, struct log_store *log, struct buf *out,
			     bool *ret_end)
{
	size_t before = out->n;

	assert(v->ended);
	TRY(sender_read(v->out, log, out, ret_end));
	v->report.bytes_out += out->n - before;
	v->report.sent = sender_entries(v->out);
	return NULL;
}
