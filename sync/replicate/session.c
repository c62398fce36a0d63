/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/inlet.h"
#include "sync/replicate/ranges.h"
#include "sync/replicate/sender.h"
#include <assert.h>

/* A space that we carry and they do not list is named to them once, and given if they want it. */
enum offer { OFFER_NONE, OFFER_MADE, OFFER_LEFT };

/* One space that both sides carry, or that we are about to follow, or that is offered. */
struct shared {
	enum offer offer;	    /* OFFER_NONE also when they want it: as any other */
	struct space_digest theirs; /* as they said last */
	struct space_digest ours;   /* when they were compared last */
	bool took_part;		    /* differed at some time in this exchange */
	bool differs;		    /* asked for in this round */
	bool same_heads;	    /* only payloads are missing */
	bool heard;		    /* they answered with ranges */
	bool opened;		    /* asked for in OPEN, by a state that both had */
	bool listed;		    /* and the answer lists it */
	bool was_offer;		    /* they did not list it, and want it */
	bool left_out;		    /* of all that it has there is no room, and no way to say so */
	struct full full;	    /* what has no room today */
	struct hash state;	    /* that state */
	struct buf changed;	    /* struct head: our rows that are otherwise now */
	struct ranges_asker *asker; /* many rows: where do we differ? NULL: they are all sent */
	struct buf heads; /* struct head: what we think they hold; sorted up to `sorted` */
	size_t sorted;
};

enum state { ST_START, ST_STATUS, ST_OPEN, ST_RANGES, ST_PULL,
	     ST_PLAN, ST_PUSH, ST_CHECK, ST_BLOBS, ST_DONE };
enum phase { PH_BUILD, PH_ASKED, PH_ANSWER };

struct session {
	struct session_options o;
	enum state state;
	enum phase phase;
	struct sync_report report;
	struct inlet in;
	struct sender
		*out; /* the body of the request in hand; while pulling also collects the push */
	struct sender *give;
	struct shared *spaces;
	size_t n_spaces;
	bool weighed; /* what both hold was compared whole, after STATUS or OPEN */
	bool answered;
	int http_status;
	uint64_t filled_before;
	uint64_t moved_before; /* what had moved when this round began */
	struct hash blob;
	bool blob_asked;
	uint32_t abilities; /* theirs */
	bool partial, wanting; /* they keep only a part; and lack something of it */
	bool cut;	       /* a request was given up for want of room: ask anew without that */
	unsigned refused_pushes;
};

/* Of one exchange: pushes that were refused, after which it goes on; rounds, when some are cut short. */
enum { REFUSED_PUSHES = 15, ROUNDS_CUT = 16 };

static bool is_offer(const struct shared *sp)
{
	return sp->offer != OFFER_NONE;
}

/* The requests: what may come back, how the body is made, what a frame does, and what follows. */
struct request {
	const char *method, *path;
	unsigned expect;
	struct error *(*build)(struct session *s, struct log_store *log);
	struct error *(*frame)(struct session *s, struct log_store *log, const struct frame *f);
	struct error *(*answered)(struct session *s, struct log_store *log);
};

static void begin_give(struct session *s);
static struct error *collect_rows(struct log_store *log, struct shared *sp);
static void find_full(struct session *s, struct shared *sp);
static struct error *begin_round(struct session *s, struct log_store *log);
static struct error *status_frame(struct session *s, struct log_store *log, const struct frame *f);
static struct error *status_answered(struct session *s, struct log_store *log);
static struct error *open_build(struct session *s, struct log_store *log);
static struct error *open_frame(struct session *s, struct log_store *log, const struct frame *f);
static struct error *open_answered(struct session *s, struct log_store *log);
static struct error *ranges_build(struct session *s, struct log_store *log);
static struct error *ranges_frame(struct session *s, struct log_store *log, const struct frame *f);
static struct error *ranges_answered(struct session *s, struct log_store *log);
static struct error *pull_build(struct session *s, struct log_store *log);
static struct error *pull_frame(struct session *s, struct log_store *log, const struct frame *f);
static struct error *pull_answered(struct session *s, struct log_store *log);
static struct error *push_frame(struct session *s, struct log_store *log, const struct frame *f);
static struct error *push_answered(struct session *s, struct log_store *log);

enum {
	STATUS_FRAMES = FRAME_BIT(FRAME_HELLO) | FRAME_BIT(FRAME_PARTIAL) |
			FRAME_BIT(FRAME_DIGESTS) | FRAME_BIT(FRAME_COUNTS),
	PULL_FRAMES = FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_FORK) | FRAME_BIT(FRAME_HEADS) |
		      FRAME_BIT(FRAME_LOCATOR) | FRAME_BIT(FRAME_MISSING) | FRAME_BIT(FRAME_NOTE) |
		      FRAME_BIT(FRAME_DIGESTS),
};

static const struct request requests[] = {
	[ST_STATUS] = {"GET", SYNC_PATH_STATUS, STATUS_FRAMES, NULL, status_frame,
		       status_answered},
	[ST_OPEN] = {"POST", SYNC_PATH_PULL, STATUS_FRAMES | PULL_FRAMES | FRAME_BIT(FRAME_SINCE),
		     open_build, open_frame, open_answered},
	[ST_RANGES] = {"POST", SYNC_PATH_PULL, FRAME_BIT(FRAME_RANGES) | FRAME_BIT(FRAME_NOTE),
		       ranges_build, ranges_frame, ranges_answered},
	[ST_PULL] = {"POST", SYNC_PATH_PULL, PULL_FRAMES, pull_build, pull_frame, pull_answered},
	[ST_PUSH] = {"POST", SYNC_PATH_PUSH,
		     FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_FORK) | FRAME_BIT(FRAME_NOTE) |
			     FRAME_BIT(FRAME_DIGESTS) | FRAME_BIT(FRAME_RESULT),
		     NULL, push_frame, push_answered},
};

static const struct request *request_of(const struct session *s)
{
	return (size_t)s->state < ARRAY_LEN(requests) && requests[s->state].path
		       ? &requests[s->state]
		       : NULL;
}

/* The one function that moves the state. */
static void move(struct session *s, enum state to)
{
	s->state = to;
	s->phase = PH_BUILD;
}

static bool follows(void *ctx, const struct hash *space)
{
	const struct session *s = ctx;

	return !s->o.follows || s->o.follows(s->o.ctx, &s->o.peer, space);
}

static bool shares(const struct session *s, const struct hash *space)
{
	return !s->o.shares || s->o.shares(s->o.ctx, &s->o.peer, space);
}

struct session *session_new(const struct session_options *o)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->o = *o;
	s->in = (struct inlet){.self = o->self,
			       .ctx = s,
			       .takes = follows,
			       .room = o->room,
			       .unused = o->unused,
			       .in_vain_too = o->in_vain,
			       .room_ctx = o->ctx,
			       .take_limit = o->take_limit,
			       .repeat_limit = LIMIT_REPETITIONS,
			       .report = &s->report};
	return s;
}

static void shared_release(struct shared *sp)
{
	ranges_asker_free(STEAL(sp->asker));
	buf_release(&sp->heads);
	buf_release(&sp->changed);
	full_release(&sp->full);
}

void session_free(struct session *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_spaces; i++)
		shared_release(&s->spaces[i]);
	free(s->spaces);
	inlet_release(&s->in);
	sender_free(s->out);
	sender_free(s->give);
	free(s);
}

/* Also of a space that was offered, and turned out to be there: it came up after their status. */
static bool was_moved(const struct session *s, const struct shared *sp)
{
	for (size_t i = 0; s->o.tally && i < tally_spaces(s->o.tally); i++) {
		const struct tally_space *t = tally_at(s->o.tally, i);

		if (hash_eq(&t->space, &sp->theirs.space))
			return t->sent || t->came || t->forks_sent || t->forks_came;
	}
	return false;
}

void session_weighed(const struct session *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_spaces; i++)
		any |= s->spaces[i].took_part;
	for (size_t i = 0; i < s->n_spaces; i++)
		if ((!is_offer(&s->spaces[i]) && (s->spaces[i].took_part || !any)) ||
		    was_moved(s, &s->spaces[i]))
			tally_digests(s->o.tally, &s->spaces[i].ours, &s->spaces[i].theirs);
}

const struct sync_report *session_report(const struct session *s)
{
	return &s->report;
}

static struct shared *shared_find(struct session *s, const struct hash *space)
{
	for (size_t i = 0; i < s->n_spaces; i++)
		if (hash_eq(&s->spaces[i].theirs.space, space))
			return &s->spaces[i];
	return NULL;
}

/* --- status --- */

/* Is there something for one of us in this space? Where one side keeps only a part, other payloads
 * are missing for ever, and that is no reason to meet again. */
static struct error *differs(const struct session *s, struct log_store *log,
			     const struct space_digest *a, const struct space_digest *b, bool *ret)
{
	*ret = !hash_eq(&a->heads, &b->heads);
	if (*ret || memcmp(a->missing, b->missing, sizeof(a->missing)) == 0)
		return NULL;
	*ret = s->wanting || !(s->partial || keep_is_partial(&s->o.keep));
	if (*ret)
		return NULL;
	return sender_lacks(log, &a->space, keep_since(&s->o.keep, s->o.env), ret);
}

static struct error *status_frame(struct session *s, struct log_store *log, const struct frame *f)
{
	if (f->type == FRAME_HELLO) {
		s->report.clock_skew_ms =
			(int64_t)((uint64_t)f->hello.clock_ms - (uint64_t)env_now(s->o.env));
		snprintf(s->report.peer_name, sizeof(s->report.peer_name), "%s", f->hello.name);
		s->abilities = f->hello.abilities & ~s->o.without;
		s->report.clock_said = f->hello.clock;
		s->report.peer_incarnation = f->hello.incarnation;
		return NULL;
	}
	if (f->type == FRAME_PARTIAL) {
		s->partial = keep_is_partial(&f->partial.keep);
		s->wanting = f->partial.wanting;
		s->report.keeps_days = f->partial.keep.payload_days;
		s->report.unkept_n = 0;
		while (s->report.unkept_n < f->partial.n && s->report.unkept_n < REPORT_UNKEPT) {
			s->report.unkept[s->report.unkept_n] = f->partial.unkept[s->report.unkept_n];
			s->report.unkept_n++;
		}
	}
	for (size_t i = 0; f->type == FRAME_COUNTS && i < f->counts.n && s->o.announced; i++)
		if (follows(s, &f->counts.rows[i].space))
			s->o.announced(s->o.ctx, &f->counts.rows[i]);
	if (f->type != FRAME_DIGESTS)
		return NULL;
	ENSURE(!s->spaces, error_new(ERR_MALFORMED, N_("The other box lists its spaces twice.")));
	s->spaces = calloc(f->digests.n + 1, sizeof(*s->spaces));
	if (!s->spaces)
		abort();
	for (size_t i = 0; i < f->digests.n; i++) {
		if (follows(s, &f->digests.rows[i].space))
			s->spaces[s->n_spaces++].theirs = f->digests.rows[i];
		else
			s->report.unknown_spaces = true;
	}
	return NULL;
}

/* Of a space all of which is full, or all that is not known, only who answers ranges can be asked so
 * that nothing of that comes. */
static bool can_close(const struct session *s, const struct shared *sp)
{
	return s->abilities & ABILITY_RANGES && sp->sorted <= RANGES_ROWS;
}

/* Which spaces differ now. */
static struct error *compare(struct session *s, struct log_store *log, size_t *ret_n)
{
	size_t n = 0;

	s->report.heads_differ = false;
	for (size_t i = 0; i < s->n_spaces; i++) {
		struct space_digest ours;

		if (is_offer(&s->spaces[i]))
			continue;
		TRY(pasts_digest(s->o.pasts, log, &s->spaces[i].theirs.space, &ours));
		TRY(differs(s, log, &ours, &s->spaces[i].theirs, &s->spaces[i].differs));
		s->spaces[i].same_heads = hash_eq(&ours.heads, &s->spaces[i].theirs.heads);
		s->spaces[i].ours = ours;
		n += s->spaces[i].differs;
		s->report.heads_differ |= !hash_eq(&ours.heads, &s->spaces[i].theirs.heads);
		s->spaces[i].took_part |= s->spaces[i].differs;
		if (s->spaces[i].differs)
			find_full(s, &s->spaces[i]);
	}
	*ret_n = n;
	return NULL;
}

/* Where both hold the same, and we hold what stood behind a fork of theirs and is in no live log: they
 * may have forgotten it, and nobody else but we tells them. */
static struct error *find_disputed(struct session *s, struct log_store *log, size_t *io_n)
{
	for (size_t i = 0; i < s->n_spaces; i++) {
		struct shared *sp = &s->spaces[i];

		if (sp->differs || sp->opened || is_offer(sp) || !shares(s, &sp->theirs.space))
			continue;
		TRY(sender_disputed(log, &sp->theirs.space, &s->o.peer, &sp->differs));
		sp->took_part |= sp->differs;
		*io_n += sp->differs;
	}
	return NULL;
}

static uint64_t moved(const struct session *s)
{
	const struct sync_report *r = &s->report;

	return r->received + r->filled + r->accepted + r->forks + r->new_incarnation;
}

/* --- offers: what they do not list --- */

static bool offers(void *ctx, const struct hash *space)
{
	struct session *s = ctx;

	return !shared_find(s, space) && shares(s, space) && follows(s, space) &&
	       !(s->o.is_unwanted && s->o.is_unwanted(s->o.ctx, space));
}

/* Who is only ever called would never hear of a space that began with the one who calls. */
static struct error *find_offers(struct session *s, struct log_store *log, size_t *ret_n)
{
	struct space_digest rows[LIMIT_SPACES];
	struct shared *all;

	TRY(heads_all(log, offers, s, rows, LIMIT_SPACES - s->n_spaces, ret_n));
	all = realloc(s->spaces, (s->n_spaces + *ret_n + 1) * sizeof(*all));
	if (!all)
		abort();
	s->spaces = all;
	for (size_t i = 0; i < *ret_n; i++)
		s->spaces[s->n_spaces++] = (struct shared){
			.offer = OFFER_MADE, .theirs.space = rows[i].space, .ours = rows[i]};
	return NULL;
}

/* One head of ours: who lacks the space and follows it says in the answer that it has none. */
static struct error *make_offer(struct session *s, struct log_store *log, struct shared *sp)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct head *heads;
	size_t n;

	TRY(heads_collect(log, &sp->theirs.space, &a, &heads, &n));
	if (n == 0) {
		sp->offer = OFFER_LEFT;
		return NULL;
	}
	buf_clear(&sp->heads);
	buf_add(&sp->heads, &heads[0], sizeof(heads[0]));
	sender_heads(s->out, &sp->theirs.space, heads, 1);
	return NULL;
}

/* From here on it is a space as any other, of which they hold nothing. */
static void hear_offer(struct session *s, struct shared *sp, const struct frame *f)
{
	const struct head *named = (const struct head *)sp->heads.p;

	if (sp->offer != OFFER_MADE)
		return;
	for (size_t i = 0; i < f->heads.n; i++)
		if (log_id_cmp(&f->heads.heads[i].id, &named->id) == 0 && !f->heads.heads[i].seq) {
			sp->offer = OFFER_NONE;
			sp->differs = sp->took_part = sp->was_offer = true;
			s->report.spaces++;
			s->report.equal = false;
			buf_clear(&sp->heads);
			sp->sorted = 0;
			return;
		}
}

static bool is_offered(struct session *s, const struct hash *space)
{
	const struct shared *sp = shared_find(s, space);

	return sp && is_offer(sp);
}

/* What is alike now is where the next exchange begins. */
static void settle(struct session *s)
{
	for (size_t i = 0; i < s->n_spaces; i++) {
		const struct shared *sp = &s->spaces[i];

		if (s->abilities & ABILITY_SINCE && !is_offer(sp) &&
		    hash_eq(&sp->ours.heads, &sp->theirs.heads))
			pasts_agree(s->o.pasts, &s->o.peer, &sp->ours);
	}
	move(s, ST_BLOBS);
}

/* A space of which OPEN has told everything: asking again brings nothing, unless something moved. */
static size_t leave_out_told(struct session *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_spaces; i++) {
		struct shared *sp = &s->spaces[i];

		sp->differs &= !sp->opened || s->cut || moved(s) != s->moved_before;
		n += sp->differs;
	}
	return n;
}

/* What both hold is known as a whole, for the first time. */
static struct error *weigh(struct session *s, struct log_store *log)
{
	size_t n, n_offers;

	s->weighed = true;
	TRY(compare(s, log, &n));
	TRY(find_disputed(s, log, &n));
	TRY(find_offers(s, log, &n_offers));
	s->report.equal = n == 0;
	s->report.spaces = 0;
	for (size_t i = 0; i < s->n_spaces; i++)
		s->report.spaces += s->spaces[i].took_part;
	if (leave_out_told(s))
		return begin_round(s, log);
	if (n_offers)
		move(s, ST_PULL);
	else
		settle(s);
	return NULL;
}

static struct error *status_answered(struct session *s, struct log_store *log)
{
	return weigh(s, log);
}

/* --- open: status and pull in one, from where both once were --- */

enum { OPEN_SPACES = 16 }; /* more are said shorter by a status */

static bool opens(void *ctx, const struct hash *space)
{
	struct session *s = ctx;
	struct hash state;

	return pasts_agreed(s->o.pasts, &s->o.peer, space, &state) && shares(s, space) &&
	       follows(s, space);
}

/* Our rows that are not what they were in that state; *ret false: that can't be said shortly. */
static struct error *find_changed(struct session *s, struct log_store *log, struct shared *sp,
				  bool *ret)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct head *then;
	size_t n_then, n = sp->sorted, gone;
	const struct head *now = (const struct head *)sp->heads.p;

	TRY(pasts_rows(s->o.pasts, log, &sp->theirs.space, &sp->state, &a, &then, &n_then, ret));
	if (!*ret)
		return NULL;
	gone = n_then;
	for (size_t i = 0; i < n; i++) {
		const struct head *h = heads_find(then, n_then, &now[i].id);

		gone -= h != NULL;
		if (!h || !head_eq(h, &now[i]))
			buf_add(&sp->changed, &now[i], sizeof(now[i]));
	}
	*ret = !gone && sp->changed.n / sizeof(*now) <= SINCE_ROWS;
	return NULL;
}

static void forget_space(struct session *s, size_t i)
{
	shared_release(&s->spaces[i]);
	memmove(&s->spaces[i], &s->spaces[i + 1], (s->n_spaces - i - 1) * sizeof(*s->spaces));
	s->n_spaces--;
}

static struct error *begin(struct session *s, struct log_store *log)
{
	struct space_digest rows[OPEN_SPACES + 1];
	size_t n = 0;

	if (s->o.pasts && !(s->o.without & ABILITY_SINCE))
		TRY(heads_all(log, opens, s, rows, ARRAY_LEN(rows), &n));
	move(s, ST_STATUS);
	if (n == 0 || n > OPEN_SPACES)
		return NULL;
	s->spaces = calloc(n, sizeof(*s->spaces));
	if (!s->spaces)
		abort();
	for (size_t i = 0; i < n; i++) {
		struct shared *sp = &s->spaces[s->n_spaces++];
		bool can;

		*sp = (struct shared){.theirs.space = rows[i].space, .opened = true};
		find_full(s, sp);
		pasts_agreed(s->o.pasts, &s->o.peer, &rows[i].space, &sp->state);
		TRY(pasts_digest(s->o.pasts, log, &rows[i].space, &sp->ours));
		TRY(collect_rows(log, sp));
		TRY(find_changed(s, log, sp, &can));
		sp->differs = true; /* of the request that is made now */
		if (!can || full_is_wide(&sp->full))
			forget_space(s, s->n_spaces - 1);
	}
	if (s->n_spaces)
		move(s, ST_OPEN);
	else
		free(STEAL(s->spaces));
	return NULL;
}

static struct error *open_build(struct session *s, struct log_store *log)
{
	begin_give(s);
	for (size_t i = 0; i < s->n_spaces; i++) {
		struct shared *sp = &s->spaces[i];

		sender_since(s->out, &sp->theirs.space, &sp->state,
			     (const struct head *)sp->changed.p,
			     sp->changed.n / sizeof(struct head));
		TRY(sender_plan_lack(s->out, log, &sp->theirs.space,
				     keep_since(&s->o.keep, s->o.env), &sp->full));
	}
	return NULL;
}

/* All that they share with us, ours among them. */
static struct error *open_digests(struct session *s, struct log_store *log, const struct frame *f)
{
	struct shared *all = realloc(s->spaces, (s->n_spaces + f->digests.n + 1) * sizeof(*all));

	if (!all)
		abort();
	s->spaces = all;
	for (size_t i = 0; i < f->digests.n; i++) {
		const struct space_digest *row = &f->digests.rows[i];
		struct shared *sp = shared_find(s, &row->space);

		if (!sp && !follows(s, &row->space)) {
			s->report.unknown_spaces = true;
			continue;
		}
		if (!sp) {
			sp = &s->spaces[s->n_spaces++];
			*sp = (struct shared){.theirs.space = row->space};
		}
		ENSURE(!sp->listed, error_new(ERR_MALFORMED,
					      N_("The other box lists its spaces twice.")));
		sp->listed = true;
		sp->theirs = *row;
		if (sp->opened)
			TRY(differs(s, log, &sp->ours, row, &sp->took_part));
	}
	return NULL;
}

static struct error *open_frame(struct session *s, struct log_store *log, const struct frame *f)
{
	struct shared *sp;

	switch (f->type) {
	case FRAME_HELLO:
	case FRAME_PARTIAL:
	case FRAME_COUNTS:
		return status_frame(s, log, f);
	case FRAME_DIGESTS:
		return open_digests(s, log, f);
	case FRAME_SINCE:
		/* They don't know that state (any more): as any other space, from here on. */
		sp = shared_find(s, &f->since.space);
		if (sp)
			sp->opened = sp->differs = false;
		return NULL;
	case FRAME_NOTE:
		/* It is not listed and not told of any more: that is no refusal of anything. */
		sp = shared_find(s, &f->note.id.space);
		return sp && sp->opened && !sp->listed ? NULL : pull_frame(s, log, f);
	default:
		return pull_frame(s, log, f);
	}
}

/* What they share no more is none of this exchange. */
static void forget_unlisted(struct session *s)
{
	for (size_t i = s->n_spaces; i-- > 0;)
		if (!s->spaces[i].listed)
			forget_space(s, i);
}

static struct error *open_answered(struct session *s, struct log_store *log)
{
	bool any = false;

	forget_unlisted(s);
	for (size_t i = 0; i < s->n_spaces; i++)
		any |= s->spaces[i].took_part;
	s->report.rounds += any;
	move(s, ST_PLAN);
	return NULL;
}

/* --- ranges: where do we differ? --- */

static bool any_open(const struct session *s)
{
	for (size_t i = 0; i < s->n_spaces; i++)
		if (s->spaces[i].asker && ranges_asker_open(s->spaces[i].asker))
			return true;
	return false;
}

static struct error *ranges_build(struct session *s, struct log_store *log)
{
	for (size_t i = 0; i < s->n_spaces; i++) {
		struct shared *sp = &s->spaces[i];
		_cleanup_(buf_release) struct buf body = {0};

		if (!sp->asker || !ranges_asker_open(sp->asker))
			continue;
		sp->heard = false;
		ranges_ask(sp->asker, &body);
		sender_ranges(s->out, buf_span(&body));
	}
	return NULL;
}

static struct error *ranges_frame(struct session *s, struct log_store *log, const struct frame *f)
{
	struct shared *sp;

	if (f->type != FRAME_RANGES)
		return NULL;
	sp = shared_find(s, &f->ranges.space);
	ENSURE(sp && sp->asker && ranges_asker_open(sp->asker) && !sp->heard,
	       error_new(ERR_MALFORMED, N_("The other box answers a question that this one did "
					   "not ask.")));
	sp->heard = true;
	return ranges_hear(sp->asker, &f->ranges);
}

static struct error *ranges_answered(struct session *s, struct log_store *log)
{
	for (size_t i = 0; i < s->n_spaces; i++) {
		struct shared *sp = &s->spaces[i];

		if (!sp->asker)
			continue;
		/* No answer, or one that leads nowhere: all rows are sent instead. */
		if ((ranges_asker_open(sp->asker) && !sp->heard) ||
		    ranges_asker_gives_up(sp->asker))
			ranges_asker_free(STEAL(sp->asker));
	}
	move(s, any_open(s) ? ST_RANGES : ST_PULL);
	return NULL;
}

/* --- pull --- */

/* What was refused today would be refused again: it is neither asked for nor, where all of the space
 * is, the space itself, if that can't be said. */
static void find_full(struct session *s, struct shared *sp)
{
	const struct log_id whole = {.space = sp->theirs.space};
	const struct log_id *logs;

	full_release(&sp->full);
	if (s->o.full)
		s->o.full(s->o.ctx, &sp->theirs.space, &sp->full);
	logs = (const struct log_id *)(const void *)sp->full.logs.p;
	if (full_is_wide(&sp->full))
		report_refusal(&s->report, &whole, 0, ERR_LIMIT, false);
	for (size_t i = 0; !sp->full.all && i < sp->full.logs.n / sizeof(*logs); i++)
		if (i < REPORT_REFUSALS)
			report_refusal(&s->report, &logs[i], 0, ERR_LIMIT, false);
}

/* What we hold, but for what is not wanted of the rest. */
static struct error *collect_rows(struct log_store *log, struct shared *sp)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct head *heads;
	size_t n;

	TRY(heads_collect(log, &sp->theirs.space, &a, &heads, &n));
	full_rows(&sp->full, &a, &heads, &n);
	buf_clear(&sp->heads);
	buf_add(&sp->heads, heads, n * sizeof(*heads));
	sp->sorted = n;
	return NULL;
}

/* … and how it is going to be said. */
static struct error *look_at_space(struct session *s, struct log_store *log, struct shared *sp)
{
	size_t n;

	TRY(collect_rows(log, sp));
	n = sp->sorted;
	ranges_asker_free(STEAL(sp->asker));
	sp->left_out = full_is_wide(&sp->full) && !can_close(s, sp);
	if (full_is_wide(&sp->full))
		return NULL;
	if (n < (s->o.ranges_from ? s->o.ranges_from : RANGES_FROM) || !(s->abilities & ABILITY_RANGES))
		return NULL;
	sp->asker = ranges_asker_new(s->o.env, &sp->theirs.space,
				     (const struct head *)sp->heads.p, n);
	if (sp->same_heads)
		ranges_asker_equal(sp->asker);
	return NULL;
}

static struct error *begin_round(struct session *s, struct log_store *log)
{
	s->report.rounds++;
	s->cut = false;
	s->moved_before = moved(s);
	s->filled_before = s->report.filled;
	for (size_t i = 0; i < s->n_spaces; i++)
		if (s->spaces[i].differs)
			TRY(look_at_space(s, log, &s->spaces[i]));
		else
			ranges_asker_free(STEAL(s->spaces[i].asker));
	move(s, any_open(s) ? ST_RANGES : ST_PULL);
	return NULL;
}

static struct error *ask_space(struct session *s, struct log_store *log, struct shared *sp)
{
	_cleanup_(buf_release) struct buf body = {0};

	if (sp->left_out)
		return NULL;
	if (full_is_wide(&sp->full)) {
		ranges_close(s->o.env, &sp->theirs.space, (const struct head *)sp->heads.p,
			     sp->sorted, &body);
		sender_ranges(s->out, buf_span(&body));
	} else if (sp->asker) {
		ranges_ask(sp->asker, &body);
		sender_ranges(s->out, buf_span(&body));
	} else {
		sender_heads(s->out, &sp->theirs.space, (const struct head *)sp->heads.p,
			     sp->sorted);
	}
	return sender_plan_lack(s->out, log, &sp->theirs.space,
				keep_since(&s->o.keep, s->o.env), &sp->full);
}

/* What is going to be pushed is collected while they answer. */
static void begin_give(struct session *s)
{
	s->wanting = false; /* they are going to say */
	sender_free(s->give);
	s->give = sender_new();
	sender_newest_first(s->give, s->o.newest_from ? s->o.newest_from : NEWEST_FROM);
	sender_first(s->give, s->o.first, s->o.ctx);
	sender_tally(s->give, s->o.tally);
}

static struct error *pull_build(struct session *s, struct log_store *log)
{
	begin_give(s);
	for (size_t i = 0; i < s->n_spaces; i++)
		if (s->spaces[i].differs)
			TRY(ask_space(s, log, &s->spaces[i]));
		else if (s->spaces[i].offer == OFFER_MADE)
			TRY(make_offer(s, log, &s->spaces[i]));
	return NULL;
}

static struct head *model_find(struct shared *sp, const struct log_id *id)
{
	struct head *heads = (struct head *)sp->heads.p;
	size_t n = sp->heads.n / sizeof(*heads);
	const struct head *h = heads_find(heads, sp->sorted, id);

	if (h)
		return heads + (h - heads);
	/* New logs come frame after frame: only the newest can be this one. */
	return n > sp->sorted && log_id_cmp(&heads[n - 1].id, id) == 0 ? &heads[n - 1] : NULL;
}

/* What they sent they hold: it need not be offered back. */
static void learn_entries(struct session *s, const struct ingest *run)
{
	struct shared *sp = shared_find(s, &run->id->space);
	struct head h = {.id = *run->id, .seq = run->first + run->n - 1};
	struct head *known = sp ? model_find(sp, run->id) : NULL;

	if (!sp || (known && known->seq >= h.seq))
		return;
	h.hash = entry_hash(&run->headers[run->n - 1]);
	if (known) {
		known->seq = h.seq;
		known->hash = h.hash;
	} else {
		buf_add(&sp->heads, &h, sizeof(h));
	}
}

/* Where they hold something else than we said we do. */
static struct error *learn_heads(struct session *s, const struct frame *f)
{
	struct shared *sp = shared_find(s, &f->heads.space);

	if (sp && is_offer(sp)) {
		hear_offer(s, sp, f);
		return NULL;
	}
	for (size_t i = 0; sp && i < f->heads.n; i++) {
		struct head *known = model_find(sp, &f->heads.heads[i].id);

		/* They were told of every log of ours; what they name beyond we have no use for. */
		if (known)
			*known = f->heads.heads[i];
	}
	return NULL;
}

static void learn_digests(struct session *s, const struct frame *f)
{
	for (size_t i = 0; i < f->digests.n; i++) {
		struct shared *sp = shared_find(s, &f->digests.rows[i].space);

		if (sp)
			sp->theirs = f->digests.rows[i];
	}
}

static struct error *pull_frame(struct session *s, struct log_store *log, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HEADS:
		return learn_heads(s, f);
	case FRAME_DIGESTS:
		learn_digests(s, f);
		return NULL;
	case FRAME_NOTE:
		/* An offer that is not wanted is no refusal of anything. */
		if (is_offered(s, &f->note.id.space))
			return NULL;
		report_refusal(&s->report, &f->note.id, f->note.seq, f->note.why, true);
		tally_note(s->o.tally, &f->note.id, f->note.why, true);
		return NULL;
	case FRAME_LOCATOR:
		if (!shares(s, &f->locator.id.space))
			return NULL;
		return sender_plan_located(s->give, log, &f->locator.id, f->locator.samples,
					   f->locator.n);
	case FRAME_MISSING:
		if (!shares(s, &f->missing.id.space))
			return NULL;
		s->wanting |= s->partial;
		return sender_plan_missing(s->give, log, &f->missing.id, f->missing.ranges,
					   f->missing.n);
	default:
		return NULL;
	}
}

static struct error *pull_answered(struct session *s, struct log_store *log)
{
	for (size_t i = 0; i < s->n_spaces; i++)
		if (s->spaces[i].offer == OFFER_MADE)
			s->spaces[i].offer = OFFER_LEFT;
	move(s, ST_PLAN);
	return NULL;
}

/* --- push --- */

/* What we have and they lack, as far as we know after their answer. */
static struct error *plan_push(struct session *s, struct log_store *log)
{
	for (size_t i = 0; i < s->n_spaces; i++) {
		struct shared *sp = &s->spaces[i];
		struct head *heads = (struct head *)sp->heads.p;
		size_t n = sp->heads.n / sizeof(*heads);

		if (!sp->differs || sp->left_out || !shares(s, &sp->theirs.space))
			continue;
		heads_sort(heads, n);
		if (!sp->opened || sp->took_part)
			TRY(sender_plan(s->give, log, &sp->theirs.space, heads, n));
		TRY(sender_plan_disputed(s->give, log, &sp->theirs.space, &s->o.peer));
	}
	move(s, sender_gives(s->give) ? ST_PUSH : ST_CHECK);
	return NULL;
}

/* They wanted it, and took nothing of it. */
static void note_unwanted(struct session *s, const struct shared *sp)
{
	if (sp && sp->was_offer && s->o.unwanted)
		s->o.unwanted(s->o.ctx, &sp->theirs.space);
}

static struct error *push_frame(struct session *s, struct log_store *log, const struct frame *f)
{
	switch (f->type) {
	case FRAME_RESULT:
		/* Of what went without its payload they may want that, too. */
		s->wanting |= s->partial && f->result.added + f->result.filled;
		s->report.accepted += f->result.added + f->result.filled;
		if (s->o.tally) {
			s->o.tally->theirs_new += f->result.added;
			s->o.tally->theirs_filled += f->result.filled;
		}
		return NULL;
	case FRAME_DIGESTS:
		learn_digests(s, f);
		return NULL;
	case FRAME_NOTE:
		report_refusal(&s->report, &f->note.id, f->note.seq, f->note.why, true);
		tally_note(s->o.tally, &f->note.id, f->note.why, true);
		if (f->note.why == ERR_DENIED && pubkey_is_zero(&f->note.id.appliance))
			note_unwanted(s, shared_find(s, &f->note.id.space));
		return NULL;
	default:
		return NULL;
	}
}

/* It was refused in the middle, for it was too much: what fitted is there, and the next answer to a pull
 * says what need not come. */
static bool push_refused(struct session *s)
{
	if (s->state != ST_PUSH || s->http_status != error_http_status(ERR_LIMIT))
		return false;
	if (s->refused_pushes++ < REFUSED_PUSHES) {
		s->cut = true;
		move(s, ST_CHECK);
		return true;
	}
	for (size_t i = 0; i < s->n_spaces; i++)
		note_unwanted(s, &s->spaces[i]);
	return false;
}

static struct error *push_answered(struct session *s, struct log_store *log)
{
	move(s, ST_CHECK);
	return NULL;
}

/* Only payloads are missing, and some came in this round: then the next ones are asked for. */
static bool may_go_on(const struct session *s)
{
	bool only_payloads = s->report.filled != s->filled_before;

	for (size_t i = 0; i < s->n_spaces; i++)
		only_payloads &= !s->spaces[i].differs || s->spaces[i].same_heads;
	return s->report.rounds < (only_payloads ? SESSION_FILLS
				   : s->cut	   ? ROUNDS_CUT
						   : SESSION_ROUNDS) &&
	       !inlet_is_full(&s->in);
}

static struct error *check(struct session *s, struct log_store *log)
{
	size_t n;

	if (!s->weighed)
		return weigh(s, log);
	TRY(compare(s, log, &n));
	s->report.equal = n == 0;
	if (n && (s->cut || moved(s) != s->moved_before) && may_go_on(s))
		return begin_round(s, log);
	settle(s);
	return NULL;
}

/* --- the machine --- */

static struct error *build(struct session *s, struct log_store *log)
{
	const struct request *q = request_of(s);

	sender_free(STEAL(s->out));
	if (s->state == ST_PUSH) {
		s->out = STEAL(s->give);
	} else if (q->build) {
		s->out = sender_new();
		sender_tally(s->out, s->o.tally);
		TRY(q->build(s, log));
	}
	inlet_begin(&s->in, q->expect);
	s->in.tally = s->state == ST_STATUS ? NULL : s->o.tally;
	s->answered = false;
	s->report.requests++;
	s->phase = PH_ASKED;
	return NULL;
}

static struct error *no_answer(int status)
{
	char number[12];

	if (status == 0)
		return error_new(ERR_NET, N_("The connection to the other box broke off. What came "
					     "whole is kept; the rest follows next time."));
	if (status == 401 || status == 403)
		return error_new(ERR_DENIED,
				 N_("The other box does not know this box as a peer yet. Its "
				    "volunteer has to approve this box, too."));
	snprintf(number, sizeof(number), "%d", status);
	return error_new(ERR_NET,
			 N_("The other box answered with an error (HTTP %s). Its volunteer "
			    "finds the reason there."),
			 number);
}

/* Work through what has come. *ret_wait: the action in *ret is to be done first. */
static struct error *answer(struct session *s, struct log_store *log, struct session_action *ret,
			    bool *ret_wait)
{
	const struct request *q = request_of(s);
	const struct frame *f = NULL;
	bool batch = false;

	*ret_wait = true;
	for (;;) {
		if (!s->answered || s->http_status == 200)
			TRY(inlet_next(&s->in, &f, &batch));
		if (batch) {
			*ret = (struct session_action){.type = SESSION_WRITE,
						       .intake = &s->in.intake};
			return NULL;
		}
		if (!f)
			break;
		TRY(q->frame(s, log, f));
	}
	if (!s->answered) {
		*ret = (struct session_action){.type = SESSION_RECEIVE};
		return NULL;
	}
	if (push_refused(s)) {
		*ret_wait = false;
		return NULL;
	}
	s->report.cut = s->http_status != 200;
	ENSURE(s->http_status == 200, no_answer(s->http_status));
	s->report.cut = true;
	TRY(stream_finish(s->in.reader));
	s->report.cut = false;
	*ret_wait = false;
	return q->answered(s, log);
}

static struct error *step_request(struct session *s, struct log_store *log,
				  struct session_action *ret, bool *ret_wait)
{
	const struct request *q = request_of(s);

	if (s->phase == PH_BUILD)
		TRY(build(s, log));
	if (s->phase == PH_ASKED) {
		*ret = (struct session_action){.type = SESSION_REQUEST,
					       .method = q->method,
					       .path = q->path,
					       .body = s->out != NULL};
		*ret_wait = true;
		return NULL;
	}
	return answer(s, log, ret, ret_wait);
}

static bool step_blobs(struct session *s, struct session_action *ret)
{
	if (!s->blob_asked && !(s->o.next_blob && s->o.next_blob(s->o.ctx, &s->blob))) {
		move(s, ST_DONE);
		return false;
	}
	s->blob_asked = true;
	*ret = (struct session_action){.type = SESSION_BLOB, .blob = s->blob};
	return true;
}

struct error *session_next(struct session *s, struct log_store *log, struct session_action *ret)
{
	bool wait = false;

	while (!wait) {
		switch (s->state) {
		case ST_START:
			TRY(begin(s, log));
			break;
		case ST_OPEN:
		case ST_STATUS:
		case ST_RANGES:
		case ST_PULL:
		case ST_PUSH:
			TRY(step_request(s, log, ret, &wait));
			break;
		case ST_PLAN:
			TRY(plan_push(s, log));
			break;
		case ST_CHECK:
			TRY(check(s, log));
			break;
		case ST_BLOBS:
			wait = step_blobs(s, ret);
			break;
		case ST_DONE:
			*ret = (struct session_action){.type = SESSION_DONE};
			wait = true;
			break;
		}
	}
	return NULL;
}

struct error *session_body(struct session *s, struct log_store *log, struct buf *out, bool *ret_end)
{
	size_t before = out->n;

	assert(s->out && s->phase == PH_ASKED);
	TRY(sender_read(s->out, log, out, ret_end));
	s->report.bytes_out += out->n - before;
	return NULL;
}

struct error *session_rewind(struct session *s, struct log_store *log)
{
	if (s->out)
		sender_rewind(s->out);
	return NULL;
}

/* The request is on its way: from here on the answer is worked through. */
static void asked(struct session *s)
{
	if (s->phase == PH_ASKED && s->state == ST_PUSH)
		s->report.sent += sender_entries(s->out);
	s->phase = PH_ANSWER;
}

void session_feed(struct session *s, struct span bytes)
{
	asked(s);
	inlet_feed(&s->in, bytes);
}

void session_answered(struct session *s, int http_status)
{
	asked(s);
	s->answered = true;
	s->http_status = http_status;
}

struct in_vain session_in_vain(const struct session *s)
{
	return s->in.in_vain;
}

/* What they hold is as they said last; what they lack is not known. */
void session_cut(struct session *s)
{
	if (s->state == ST_OPEN)
		forget_unlisted(s);
	s->cut = true;
	s->in.in_vain = (struct in_vain){0};
	move(s, ST_CHECK);
}

void session_written(struct session *s)
{
	const struct frame *f = s->in.intake.frame;

	/* Of a log that is not taken we have nothing to offer back, so it need not be remembered. */
	if ((s->state == ST_PULL || s->state == ST_OPEN) && f->type == FRAME_ENTRIES &&
	    s->in.intake.refused != ERR_NOT_ADMITTED)
		learn_entries(s, &f->entries);
	inlet_written(&s->in);
}

void session_blob_done(struct session *s, bool here)
{
	s->blob_asked = false;
	s->report.blobs += here;
}

size_t session_theirs(const struct session *s, struct space_digest *rows, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_spaces && n < max; i++)
		if (!is_offer(&s->spaces[i]))
			rows[n++] = s->spaces[i].theirs;
	return n;
}
