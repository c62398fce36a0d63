/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What must hold at the end, and the bounds that hold all the time. */
#include "tests/sim/world.h"
#include "tests/appliance/community/anew.h"
#include <malloc.h>

enum {
	BOX_MEMORY = 12 << 20, /* of the process, for each box that is up */
	CALL_MEMORY = 2 << 20, /* for each exchange: a frame, and what it is decoded to */
	BOX_DISK = 48 << 20,   /* three write-ahead logs, each may grow to 16 MB before its checkpoint */
};

/* Without the disks. A sanitizer's allocator does not tell: then nothing is known. */
static uint64_t memory_used(void)
{
	struct mallinfo2 m = mallinfo2();
	uint64_t all = m.uordblks + m.hblkhd, disks = disks_bytes();

	return all > disks ? all - disks : 0;
}

void world_check_bounds(struct world *w)
{
	uint64_t used = memory_used();
	uint64_t bound = 32 << 20;

	bound += (uint64_t)w->s.n * BOX_MEMORY + (uint64_t)w->n_calls * CALL_MEMORY;
	if (used > bound) {
		sim_say(&w->s, "%llu bytes of memory, %d boxes, %d calls", (unsigned long long)used,
			w->s.n, w->n_calls);
		sim_die(&w->s, "more memory than its bound", NULL, __FILE__, __LINE__);
	}
	for (int i = 0; i < w->s.n; i++)
		if (disk_facts(w->at[i].disk).peak > BOX_DISK)
			sim_die(&w->s, "more on a disk than its bound", NULL, __FILE__, __LINE__);
}

/* --- all the same --- */
/* All zero for a box that does not carry the space (yet). */
static struct hash shown(struct world *w, int box)
{
	struct hash h = {{0}};
	struct error *err = community_digest(w->s.box[box].c, &w->s.space, &h);

	if (!error_is(err, ERR_NOT_FOUND))
		NEED(&w->s, err);
	else
		error_free(err);
	return h;
}

/* The same, from the log alone. */
static struct hash shown_anew(struct world *w, int box)
{
	struct hash h = {{0}};
	struct error *err = digest_anew(w->s.box[box].c, &w->s.space, &h);

	if (!error_is(err, ERR_NOT_FOUND))
		NEED(&w->s, err);
	else
		error_free(err);
	return h;
}

static struct error *say_state(void *ctx, const struct stored *e)
{
	static const char *const names[] = {"held", "not held", "sealed", "erased"};
	struct world *w = ctx;

	if (e->state != PAYLOAD_HELD)
		sim_say(&w->s, "  entry %llu, op %s: %s", (unsigned long long)e->seq,
			ID_SHORT(&e->op_id), names[e->state]);
	return NULL;
}

/* For who reads the trace of a failure. */
static void say_logs(struct world *w, int box)
{
	struct logs_of logs = {.n = 0};

	NEED(&w->s, log_each(w->s.box[box].c->log, &w->s.space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++) {
		const struct log_info *l = &logs.info[i];

		sim_say(&w->s,
			"box %d: log %s %016llx head %llu live %llu frozen %llu ended %llu audited "
			"%llu missing %llu",
			box, ID_SHORT(&l->id.appliance), (unsigned long long)l->id.incarnation,
			(unsigned long long)l->head, (unsigned long long)l->live,
			(unsigned long long)l->frozen, (unsigned long long)l->ended,
			(unsigned long long)l->audited, (unsigned long long)l->missing);
		NEED(&w->s, log_range(w->s.box[box].c->log, l->num, 1, l->head, say_state, w));
	}
}

/* Each box's pages as they are, and made anew from its log: which one is the odd one. */
static void say_pages(struct world *w)
{
	for (int i = 0; i < w->s.n; i++) {
		struct hash now, anew;

		if (!box_takes_part(w, i, w->here))
			continue;
		now = shown(w, i);
		NEED(&w->s, community_rebuild(w->s.box[i].c));
		anew = shown(w, i);
		sim_say(&w->s, "box %d shows %s, made anew %s", i, ID_SHORT(&now), ID_SHORT(&anew));
	}
}

/* For hunting: pages against the log after every event (--views). */
static void check_views(struct world *w)
{
	for (int i = 0; i < w->s.n; i++) {
		struct hash now, anew;
		bool more;

		if (!w->at[i].up || w->at[i].hostile || disk_facts(w->at[i].disk).failed)
			continue;
		NEED(&w->s, conn_begin(w->s.box[i].c));
		/* The log is durable first: a view that a disk kept from following is caught up. */
		NEED(&w->s, community_catch_up(w->s.box[i].c, 0, &more));
		for (more = true; more;) /* what was put off */
			NEED(&w->s, tidy_piece(w->s.box[i].c, &more));
		now = shown(w, i);
		anew = shown_anew(w, i);
		conn_rollback(w->s.box[i].c);
		if (!hash_eq(&now, &anew)) {
			sim_say(&w->s, "box %d shows %s, made anew %s", i, ID_SHORT(&now),
				ID_SHORT(&anew));
			sim_die(&w->s, "pages are not what the log says", NULL, __FILE__, __LINE__);
		}
	}
}

void world_check_views(struct world *w)
{
	int was = w->here;

	for (int k = 0; k < w->n_spaces; k++) {
		world_enter(w, k);
		check_views(w);
	}
	world_enter(w, was);
}

/* Not a box that only carries a private space, or was removed from it. */
static bool can_read(struct world *w, int box)
{
	struct space_info info;

	NEED(&w->s, space_get(w->s.box[box].c, &w->s.space, &info));
	return !info.is_private || info.has_key;
}

/* Its heads are everybody's, its pages what its own log says. */
static void check_part(struct world *w, int box, const struct space_digest *first,
		       const struct space_digest *mine, const struct hash *pages)
{
	struct hash anew = shown_anew(w, box);

	if (hash_eq(&first->heads, &mine->heads) && hash_eq(&anew, pages))
		return;
	sim_say(&w->s, "box %d, a partial one: heads %s, pages %s", box,
		hash_eq(&first->heads, &mine->heads) ? "same" : "differ",
		hash_eq(&anew, pages) ? "same" : "differ");
	sim_die(&w->s, "a partial box is not like the others", NULL, __FILE__, __LINE__);
}

static void check_same(struct world *w, const char *when)
{
	struct space_digest first, other;
	int reader = -1, base = w->space[w->here].founder;

	NEED(&w->s, heads_space_digest(w->s.box[base].c->log, &w->s.space, &first));
	for (int i = 0; i < w->s.n; i++) {
		struct hash mine, pages;
		bool reads;

		if (!box_takes_part(w, i, w->here))
			continue;
		NEED(&w->s, heads_space_digest(w->s.box[i].c->log, &w->s.space, &other));
		mine = shown(w, i);
		if (keep_is_partial(&w->at[i].keep)) {
			check_part(w, i, &first, &other, &mine);
			continue;
		}
		reads = can_read(w, i);
		if (reads && reader < 0)
			reader = i;
		pages = reads ? shown(w, reader) : mine;
		w->tally.readers += reads;
		if (hash_eq(&first.heads, &other.heads) && hash_eq(&mine, &pages) &&
		    memcmp(first.missing, other.missing, sizeof(first.missing)) == 0)
			continue;
		sim_say(&w->s, "box %d and box %d differ %s: heads %s, pages %s, missing %s",
			reads ? reader : base, i, when,
			hash_eq(&first.heads, &other.heads) ? "same" : "differ",
			hash_eq(&mine, &pages) ? "same" : "differ",
			memcmp(first.missing, other.missing, 16) ? "differ" : "same");
		say_logs(w, base);
		say_logs(w, i);
		say_pages(w);
		sim_die(&w->s, "two honest boxes differ", NULL, __FILE__, __LINE__);
	}
}

/* --- nothing is lost --- */
static struct error *see_live(void *ctx, const struct stored *e)
{
	*(bool *)ctx |= e->live;
	return NULL;
}

static struct error *see_holder(void *ctx, const struct stored *e)
{
	*(bool *)ctx = true;
	return NULL;
}

/* Of a private space what only a box holds that was withdrawn from it comes no further. */
static bool is_with_withdrawn(struct world *w, const struct sim_op *op)
{
	int k = space_at(w, &op->space);

	for (int i = 0; i < w->s.n && w->space[k].sealed; i++) {
		bool live = false;

		if (w->at[i].hostile || !w->at[i].wants[k] || box_takes_part(w, i, k))
			continue;
		NEED(&w->s, log_op(w->s.box[i].c->log, &op->id, see_live, &live));
		if (live)
			return true;
	}
	return false;
}

/* Its content, too, unless somebody tried to erase it, or the last copy went with a disk. */
static void check_content(struct world *w, const struct sim_op *op, int base)
{
	if (op->bare || op->erasing || payload_at(w, base, &op->id) != PAYLOAD_ABSENT)
		return;
	sim_say(&w->s, "op %s of box %d, space %d, is here without its content", ID_SHORT(&op->id),
		op->box, space_at(w, &op->space));
	for (int i = 0; i < w->s.n; i++)
		if (payload_at(w, i, &op->id) == PAYLOAD_IS_HELD)
			sim_say(&w->s, "  box %d holds it", i);
	sim_die(&w->s, "the content of an acknowledged op is lost", NULL, __FILE__, __LINE__);
}

static void check_kept(struct world *w)
{
	for (int k = 0; k < w->s.ops_n; k++) {
		const struct sim_op *op = &w->s.ops[k];
		int base = w->space[space_at(w, &op->space)].founder;
		bool live = false;

		if (op->lost || w->at[op->box].hostile)
			continue;
		NEED(&w->s, log_op(w->s.box[base].c->log, &op->id, see_live, &live));
		if (is_with_withdrawn(w, op))
			continue;
		if (live)
			check_content(w, op, base);
		if (live)
			continue;
		sim_say(&w->s, "op %s of box %d, space %d, is gone", ID_SHORT(&op->id), op->box,
			space_at(w, &op->space));
		for (int i = 0; i < w->s.n; i++) {
			bool held = false;

			NEED(&w->s, log_op(w->s.box[i].c->log, &op->id, see_holder, &held));
			if (held)
				sim_say(&w->s, "  box %d holds it, not live", i);
		}
		sim_die(&w->s, "an acknowledged op is lost", NULL, __FILE__, __LINE__);
	}
}

/* --- forks --- */
static void check_proof(struct world *w, int box, const struct log_info *info)
{
	struct log_store *l = w->s.box[box].c->log;
	struct fork_proof p;
	struct hash a, b;
	struct log_id ida, idb;
	struct entry ea, eb;

	NEED(&w->s, log_fork_proof(l, info->num, &p));
	a = entry_hash(&p.a);
	b = entry_hash(&p.b);
	ida = entry_log(&p.a);
	idb = entry_log(&p.b);
	entry_decode(&p.a, &ea);
	entry_decode(&p.b, &eb);
	if (memcmp(&a, &b, sizeof(a)) >= 0 || log_id_cmp(&ida, &idb) != 0 ||
	    log_id_cmp(&ida, &info->id) != 0 || ea.seq != eb.seq || ea.seq != info->frozen ||
	    !entry_verify_appliance(&p.a) || !entry_verify_appliance(&p.b))
		sim_die(&w->s, "a proof of a fork that proves nothing", NULL, __FILE__, __LINE__);
	w->tally.proved++;
}

bool box_is_blameless(struct world *w, const struct pubkey *key)
{
	bool known = false;

	for (int i = 0; i < w->s.n; i++)
		if (pubkey_eq(secret_pubkey(w->s.box[i].key), key)) {
			known = true;
			if (w->at[i].hostile || w->at[i].may_fork)
				return false;
		}
	return known;
}

static void check_log(struct world *w, int box, const struct log_info *info)
{
	if (info->frozen)
		check_proof(w, box, info);
	if (box_is_blameless(w, &info->id.appliance) && (info->frozen || info->ended)) {
		sim_say(&w->s, "box %d holds against %s: frozen %llu, ended %llu", box,
			ID_SHORT(&info->id.appliance), (unsigned long long)info->frozen,
			(unsigned long long)info->ended);
		sim_die(&w->s, "somebody was believed against an honest box", NULL, __FILE__,
			__LINE__);
	}
}

/* Two boxes hold different entries in one place: then there is a proof on both, at or before it. */
static void compare_logs(struct world *w, int box, const struct log_info *mine)
{
	struct log_store *base = w->s.box[w->space[w->here].founder].c->log;
	struct log_info first;
	struct error *err = log_info_get(base, &mine->id, &first);
	uint64_t last = mine->head < first.head ? mine->head : first.head;

	if (error_is(err, ERR_NOT_FOUND)) {
		error_free(err);
		return;
	}
	NEED(&w->s, err);
	for (uint64_t seq = 1; seq <= last; seq++) {
		struct hash a, b;

		NEED(&w->s, log_hash_at(base, first.num, seq, &a));
		NEED(&w->s, log_hash_at(w->s.box[box].c->log, mine->num, seq, &b));
		if (hash_eq(&a, &b))
			continue;
		if (!mine->frozen || mine->frozen > seq || first.frozen != mine->frozen) {
			bool ended =
				mine->ended && mine->ended <= seq && first.ended == mine->ended;

			if (!ended)
				sim_die(&w->s, "a fork that is not proved", NULL, __FILE__,
					__LINE__);
		}
		return;
	}
}

static void check_logs(struct world *w)
{
	for (int i = 0; i < w->s.n; i++) {
		struct logs_of logs = {.n = 0};

		if (!box_takes_part(w, i, w->here))
			continue;
		NEED(&w->s, log_each(w->s.box[i].c->log, &w->s.space, collect_info, &logs));
		for (size_t k = 0; k < logs.n; k++) {
			check_log(w, i, &logs.info[k]);
			if (i != w->space[w->here].founder)
				compare_logs(w, i, &logs.info[k]);
		}
	}
}

/* --- and again --- */
void world_check_spaces(struct world *w, const char *when)
{
	for (int i = 0; i < w->s.n; i++)
		if (w->s.box[i].c)
			NEED(&w->s, box_follow(&w->s.box[i]));
	for (int k = 0; k < w->n_spaces; k++) {
		world_enter(w, k);
		check_same(w, when);
	}
}

static void check_rebuilt(struct world *w)
{
	int i = (int)sim_below(&w->s, (uint64_t)w->s.n);

	if (w->at[i].hostile)
		return;
	NEED(&w->s, community_rebuild(w->s.box[i].c));
	world_check_spaces(w, "after a rebuild");
}

static void check_whole(struct world *w)
{
	int i = (int)sim_below(&w->s, (uint64_t)w->s.n);
	struct verify_report report;
	struct error *fault = NULL;

	if (w->at[i].hostile)
		return;
	NEED(&w->s, log_verify(w->s.box[i].c->log, NULL, NULL, &report, &fault));
	NEED(&w->s, fault);
}

void world_check(struct world *w)
{
	world_check_spaces(w, "at the end");
	check_kept(w);
	for (int k = 0; k < w->n_spaces; k++) {
		world_enter(w, k);
		check_logs(w);
	}
	spaces_check(w);
	papers_check(w);
	bundles_check(w);
	files_check(w);
	quotas_check(w);
	for (int i = 0; i < w->s.n; i++)
		tidy_check(w, i);
	world_check_bounds(w);
	if (sim_chance(&w->s, 50))
		check_rebuilt(w);
	if (sim_chance(&w->s, 25))
		check_whole(w);
	/* After a power cut all is as it was. */
	if (sim_chance(&w->s, 25)) {
		world_down(w, 0, true);
		world_open(w, 0);
		world_check_spaces(w, "after the last power cut");
	}
}
