/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The lives of boxes: opened, crashed, full, restored, copied, and their clocks. */
#include "tests/sim/world.h"
#include "appliance/config/config.h"
#include "appliance/forum/forum.h"
#include "appliance/erased/erased.h"
#include "appliance/library/library.h"
#include "appliance/partial/partial.h"
#include "appliance/search/search.h"
#include "sync/base/file.h"
#include <assert.h>

/* --- up and down --- */
static void wipe(struct world *w, int box)
{
	conn_close(STEAL(w->s.box[box].c));
	disk_power_off(w->at[box].disk);
	disk_power_on(w->at[box].disk);
	disk_wipe(w->at[box].disk);
	files_wipe(w, box);
	w->disks_lost++;
	w->tally.wiped++;
	sim_say(&w->s, "box %d begins with an empty disk", box);
}

/* Is everything that is in its log as it must be? What a liar has damaged is found. */
static bool is_whole(struct world *w, int box)
{
	struct verify_report report;
	struct error *fault = NULL, *err;

	err = log_verify(w->s.box[box].c->log, NULL, NULL, &report, &fault);
	if (!err && !fault)
		return true;
	sim_say(&w->s, "box %d is damaged: %s", box, error_english(err ? err : fault));
	error_free(err);
	error_free(fault);
	return false;
}

/* Damage is looked for in the log alone. What is derived from it, and what is only this box's own,
 * begins anew. */
static struct error *anew_but_the_log(struct world *w, int box)
{
	static const char *const names[] = {"view.db", "local.db"};
	struct box *b = &w->s.box[box];

	conn_close(STEAL(b->c));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *path = path_join(b->dir, names[i]);

		TRY(db_remove(path));
	}
	return box_open(b);
}

/* What the volunteer does after such a disk: verify, and rebuild; if the log is damaged, begin with
 * an empty disk, and get everything from the peers. */
static void open_damaged(struct world *w, int box, struct error *take_err)
{
	struct box *b = &w->s.box[box];

	disk_set_room(w->at[box].disk, 0); /* he makes room first */
	/* Only a disk that lost what it had said was safe, and not in order, may do that. */
	if (take_err && w->at[box].honesty != DISK_LIES_LOOSELY)
		sim_die(&w->s, "a box does not come up again", take_err, __FILE__, __LINE__);
	if (!take_err && is_whole(w, box)) {
		if (w->at[box].honesty != DISK_LIES_LOOSELY)
			return;
		take_err = anew_but_the_log(w, box);
		if (!take_err)
			return;
	}
	if (w->at[box].honesty != DISK_LIES_LOOSELY)
		sim_die(&w->s, "a log is damaged", NULL, __FILE__, __LINE__);
	error_free(take_err);
	wipe(w, box);
	NEED(&w->s, box_open(b));
}

/* What is here now need not be what was here before. */
static void forgets(struct world *w, int box)
{
	w->at[box].lives++;
	w->disks_lost++;
	free(STEAL(w->at[box].said_gone));
}

void world_open(struct world *w, int box)
{
	struct box *b = &w->s.box[box];
	bool forgot = disk_facts(w->at[box].disk).forgot;
	struct error *err;

	assert(!w->at[box].up);
	world_look_away(w, box);
	world_clock(w, box);
	err = box_open(b);
	if (error_is(err, ERR_FULL)) {
		error_free(err);
		disk_set_room(w->at[box].disk, 0);
		err = box_open(b);
	}
	if (err && disk_facts(w->at[box].disk).failed) {
		/* It fails while the box comes up: once more, from the beginning. */
		error_free(err);
		disk_power_off(w->at[box].disk);
		disk_power_on(w->at[box].disk);
		forgot |= disk_facts(w->at[box].disk).forgot;
		err = box_open(b);
	}
	if (err || forgot)
		open_damaged(w, box, err);
	w->at[box].up = true;
	w->at[box].pasts = pasts_new();
	if (forgot) {
		forgets(w, box);
		world_note_lost(w, box);
	}
	w->at[box].may_fork |= forgot;
	files_open(w, box);
	quota_open(w, box);
	timetable_anew(w, box);
	partials_open(w, box);
	sim_say(&w->s, "box %d is up, incarnation %016llx", box,
		(unsigned long long)log_incarnation(b->c->log));
	if (w->n_spaces)
		tidy_check(w, box);
}

void world_down(struct world *w, int box, bool crash)
{
	struct box *b = &w->s.box[box];

	calls_break(w, box);
	partials_down(w, box);
	numbers_down(w, box);
	w->at[box].up = false;
	pasts_free(STEAL(w->at[box].pasts));
	blob_close(STEAL(w->at[box].blobs));
	if (crash)
		disk_power_off(w->at[box].disk);
	conn_close(STEAL(b->c));
	if (!crash)
		return;
	disk_power_on(w->at[box].disk);
	w->tally.crashes++;
	w->tally.forgot += disk_facts(w->at[box].disk).forgot;
	w->disks_lost += disk_facts(w->at[box].disk).forgot;
	sim_say(&w->s, "box %d loses its power%s", box,
		disk_facts(w->at[box].disk).forgot ? ", and forgets" : "");
}

static void come_up(struct world *w, int box, void *arg)
{
	if (!w->at[box].up)
		world_open(w, box);
}

static void make_room(struct world *w, int box, void *arg)
{
	disk_set_room(w->at[box].disk, 0);
}

/* A writer goes on after a full disk, and ends after any other fault of it: community/writer.c. */
void world_disk_failed(struct sim *s, int box, struct error *take_err)
{
	struct world *w = world_of(s);

	if (!disk_facts(w->at[box].disk).failed)
		sim_die(s, "an error without a cause", take_err, __FILE__, __LINE__);
	sim_say(s, "box %d: %s", box, error_english(take_err));
	if (error_is(take_err, ERR_FULL)) {
		w->tally.full++;
		conn_rollback(s->box[box].c);
		world_later(w, 1 + (int64_t)sim_below(s, 10000), make_room, box, NULL);
	} else {
		w->tally.disk_faults++;
		world_down(w, box, true);
		world_later(w, 1 + (int64_t)sim_below(s, 10000), come_up, box, NULL);
	}
	error_free(take_err);
}

static struct error *commit(struct conn *c, struct error *(*fn)(struct conn *, void *), void *arg)
{
	struct error *err = conn_begin(c);

	if (!err) {
		err = fn(c, arg);
		if (!err)
			err = conn_commit(c);
		if (err)
			conn_rollback(c);
	}
	return err;
}

struct writing {
	sync_write_fn *fn;
	void *arg;
};

static struct error *as_sync_writes(struct conn *c, void *arg)
{
	struct sync_writing sw = {c->log, c->local};
	const struct writing *x = arg;

	return x->fn(&sw, x->arg);
}

struct error *world_write(struct world *w, int box, sync_write_fn *fn, void *arg)
{
	struct writing x = {fn, arg};

	return commit(w->s.box[box].c, as_sync_writes, &x);
}

bool world_commit(struct world *w, int box, struct error *(*fn)(struct conn *, void *), void *arg)
{
	struct error *err = commit(w->s.box[box].c, fn, arg);

	if (err)
		world_disk_failed(&w->s, box, err);
	return !err;
}

static struct error *audit(struct world *w, int box, bool appliances, size_t *ret_n)
{
	struct box *b = &w->s.box[box];
	struct audit_job jobs[64];
	bool ok[64], more;

	TRY(appliances ? log_prove_next(b->c->log, jobs, 64, ret_n)
		       : log_audit_next(b->c->log, jobs, 64, ret_n));
	for (size_t i = 0; i < *ret_n; i++) {
		ok[i] = jobs[i].appliance ? entry_verify_appliance(&jobs[i].raw)
					  : entry_verify_author(&jobs[i].raw);
		w->tally.audited_bad += !ok[i];
	}
	if (!*ret_n)
		return NULL;
	TRY(conn_begin(b->c));
	TRY(log_audit_done(b->c->log, jobs, ok, *ret_n));
	TRY(community_catch_up(b->c, 0, &more));
	return conn_commit(b->c);
}

bool world_audit(struct world *w, int box)
{
	size_t authors, appliances;

	do {
		struct error *err = audit(w, box, false, &authors);

		if (!err && !authors)
			err = audit(w, box, true, &appliances);
		if (err) {
			world_disk_failed(&w->s, box, err);
			return false;
		}
	} while (authors || appliances);
	return true;
}

/* --- boxes come --- */
void world_link(struct world *w, int a, int b)
{
	if (a != b)
		w->at[a].link[b] = w->at[b].link[a] = true;
}

/* What the acts of people are about. */
static const struct feature *const few_features[] = {&forum_feature, &library_feature, &config_feature,
						     &partial_feature, NULL};
static const struct feature *const erasing_features[] = {
	&forum_feature,	  &library_feature, &config_feature, &erased_feature,
	&partial_feature, &search_feature,  NULL};

static const struct feature *const *features_of(const struct world *w)
{
	return w->whole ? NULL : w->erases ? erasing_features : few_features;
}

/* Making the tables takes as long as a minute of the world: once, for all that begin. A box that finds
 * itself somewhere else than where its disk was made begins an incarnation of its own. */
void world_factory(struct world *w)
{
	const char *dir;
	struct box b = {.key = test_key(999), .mode = DB_WRITER, .where = "factory"};

	w->factory = disk_new(&dir);
	b.dir = (char *)dir;
	b.features = features_of(w);
	test_env_init(&b.env, 0, test_rand(&w->s.rand));
	NEED(&w->s, box_open(&b));
	conn_close(b.c);
	secret_free(b.key);
}

int world_add(struct world *w, unsigned key, bool hostile)
{
	struct sim *s = &w->s;
	int i = s->n++;
	struct box *b = &s->box[i];
	const char *dir;

	w->at[i] = (struct site){.disk = disk_new(&dir), .hostile = hostile};
	*b = (struct box){.dir = (char *)dir, .key = test_key(1000 + key), .mode = DB_WRITER};
	b->features = features_of(w);
	disk_copy(w->factory, w->at[i].disk);
	test_env_init(&b->env, 0, test_rand(&s->rand));
	snprintf(b->where, sizeof(b->where), "place %d", i);
	if (sim_chance(s, 40))
		w->at[i].skew = sim_odd_time(s) - s->rand.now;
	world_open(w, i);
	if (hostile)
		hostile_init(w, i);
	/* Box 0 keeps its word: somebody has to. */
	if (!hostile && i && sim_chance(s, 15))
		w->at[i].honesty = sim_chance(s, 50) ? DISK_LIES : DISK_LIES_LOOSELY;
	disk_set_honesty(w->at[i].disk, w->at[i].honesty);
	if (w->at[i].honesty)
		sim_say(s, "box %d's disk lies%s", i,
			w->at[i].honesty == DISK_LIES_LOOSELY ? ", loosely" : "");
	return i;
}

/* --- what may be lost --- */
static struct error *see_any(void *ctx, const struct stored *e)
{
	*(bool *)ctx = true;
	return NULL;
}

/* As it would come up; the disk itself stays as it is. */
static void look_at_disk(struct world *w, int box)
{
	struct site *p = &w->at[box];
	const char *dir;

	if (!p->copy) {
		p->copy = disk_new(&dir);
		p->seen.dir = (char *)dir;
	}
	disk_copy(p->disk, p->copy);
	dir = p->seen.dir;
	p->seen = w->s.box[box];
	p->seen.dir = (char *)dir;
	NEED(&w->s, box_open(&p->seen));
}

void world_look_away(struct world *w, int box)
{
	conn_close(STEAL(w->at[box].seen.c));
	if (w->at[box].copy)
		disk_wipe(w->at[box].copy);
}

struct log_store *log_at(struct world *w, int box)
{
	struct site *p = &w->at[box];

	if (w->s.box[box].c)
		return w->s.box[box].c->log;
	if (p->honesty == DISK_LIES_LOOSELY && disk_facts(p->disk).forgot)
		return NULL;
	if (!p->seen.c)
		look_at_disk(w, box);
	return p->seen.c->log;
}

static bool is_held(struct world *w, const struct hash *op)
{
	bool found = false;

	for (int i = 0; i < w->s.n && !found; i++)
		if (!w->at[i].hostile && log_at(w, i))
			NEED(&w->s, log_op(log_at(w, i), op, see_any, &found));
	return found;
}

static struct error *see_state(void *ctx, const struct stored *e)
{
	enum payload_at *at = ctx;

	if (e->state == PAYLOAD_HELD)
		*at = PAYLOAD_IS_HELD;
	else if (e->state == PAYLOAD_ERASED && *at == PAYLOAD_ABSENT)
		*at = PAYLOAD_WAS_ERASED;
	return NULL;
}

enum payload_at payload_at(struct world *w, int box, const struct hash *op)
{
	enum payload_at at = PAYLOAD_ABSENT;

	if (log_at(w, box))
		NEED(&w->s, log_op(log_at(w, box), op, see_state, &at));
	return at;
}

static bool is_read(struct world *w, const struct hash *op)
{
	for (int i = 0; i < w->s.n; i++)
		if (!w->at[i].hostile && payload_at(w, i, op))
			return true;
	return false;
}

void world_note_lost(struct world *w, int box)
{
	for (int k = 0; k < w->s.ops_n; k++) {
		struct sim_op *op = &w->s.ops[k];

		op->bare |= !is_read(w, &op->id);
		if (op->lost || is_held(w, &op->id))
			continue;
		op->lost = true;
		w->tally.lost++;
		sim_say(&w->s, "op %s is lost with box %d", ID_SHORT(&op->id), box);
	}
}

/* --- faults --- */
static void back_up(struct world *w, int box)
{
	struct site *p = &w->at[box];
	const char *dir;

	world_down(w, box, false);
	if (!p->backup)
		p->backup = disk_new(&dir);
	disk_copy(p->disk, p->backup);
	sim_say(&w->s, "box %d is backed up", box);
	world_open(w, box);
}

/* Honestly: the place changed; or it can't know (a copy below the file system): it may fork. */
static void restore(struct world *w, int box)
{
	bool knows = sim_chance(&w->s, 60);

	if (!w->at[box].backup) { /* another time */
		back_up(w, box);
		return;
	}
	world_down(w, box, false);
	disk_copy(w->at[box].backup, w->at[box].disk);
	if (knows)
		snprintf(w->s.box[box].where, sizeof(w->s.box[box].where), "disk %d", w->s.step);
	w->at[box].may_fork |= !knows;
	forgets(w, box);
	sim_say(&w->s, "box %d is restored%s", box, knows ? "" : ", without knowing");
	world_open(w, box);
	world_note_lost(w, box);
	w->tally.restores++;
}

/* A card is copied into another box: two with one key. */
static void clone(struct world *w, int box)
{
	struct sim *s = &w->s;
	int first = s->twin_of[box] < 0 ? box : s->twin_of[box], twin;

	if (s->n == SIM_BOXES || w->at[box].hostile || s->n > 12)
		return;
	twin = world_add(w, (unsigned)first, false);
	s->twin_of[twin] = first;
	world_down(w, twin, false);
	world_down(w, box, false);
	disk_copy(w->at[box].disk, w->at[twin].disk);
	memcpy(w->at[twin].wants, w->at[box].wants, sizeof(w->at[twin].wants));
	forgets(w, twin);
	if (sim_chance(s, 50)) {
		memcpy(s->box[twin].where, s->box[box].where, sizeof(s->box[twin].where));
		w->at[twin].may_fork = w->at[box].may_fork = true;
	}
	sim_say(s, "box %d is a clone of box %d", twin, box);
	world_open(w, box);
	world_open(w, twin);
	for (int i = 0; i < twin; i++)
		if (w->at[box].link[i] || i == box)
			world_link(w, twin, i);
	w->tally.clones++;
}

static void lose_power(struct world *w, int box)
{
	world_down(w, box, true);
	world_later(w, 1 + (int64_t)sim_below(&w->s, 20000), come_up, box, NULL);
}

/* All at once, as when the street goes dark. */
static void street_goes_dark(struct world *w, int box)
{
	for (int i = 0; i < w->s.n; i++)
		if (w->at[i].up)
			lose_power(w, i);
}

static void break_disk(struct world *w, int box)
{
	disk_fail_after(w->at[box].disk, 1 + (unsigned)sim_below(&w->s, 40));
	sim_say(&w->s, "box %d's disk will fail", box);
}

static void fill_disk(struct world *w, int box)
{
	uint64_t room = disk_facts(w->at[box].disk).bytes + sim_below(&w->s, 60000);

	disk_set_room(w->at[box].disk, room);
	sim_say(&w->s, "box %d's disk is nearly full", box);
}

static void jump_clock(struct world *w, int box)
{
	w->at[box].skew = sim_odd_time(&w->s) - w->s.rand.now;
	sim_say(&w->s, "box %d's clock jumps", box);
}

static void part(struct world *w, int box)
{
	bool together = sim_chance(&w->s, 40);

	for (int i = 0; i < w->s.n; i++)
		w->s.apart[i] = !together && sim_chance(&w->s, 50);
	sim_say(&w->s, together ? "the network is whole" : "the network parts");
}

static void restart(struct world *w, int box)
{
	world_down(w, box, false);
	world_open(w, box);
}

static void scratch_file(struct world *w, int box)
{
	files_scratch(w, box);
}

static void carry_bundle(struct world *w, int box)
{
	bundle_carry(w);
}

void world_fault(struct world *w)
{
	static const struct {
		unsigned weight;
		void (*happen)(struct world *w, int box);
	} faults[] = {{24, lose_power}, {2, street_goes_dark}, {10, break_disk},
		      {8, fill_disk},	{10, jump_clock},      {12, part},
		      {5, restart},	{10, back_up},	       {6, restore},
		      {3, clone},	{14, carry_bundle},    {4, scratch_file}};
	uint64_t at = sim_below(&w->s, 108);
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n);

	for (size_t i = 0; i < ARRAY_LEN(faults); at -= faults[i++].weight)
		if (at < faults[i].weight) {
			if (w->at[box].up)
				faults[i].happen(w, box);
			return;
		}
}

static struct error *catch_up(struct conn *c)
{
	bool more;

	TRY(conn_begin(c));
	TRY(community_catch_up(c, 0, &more));
	return conn_commit(c);
}

/* The storm is over: what is down comes up, disks have room and do what they say. */
void world_heal(struct world *w)
{
	calls_break(w, -1);
	w->n_queue = 0;
	for (int i = 0; i < w->s.n; i++) {
		w->s.apart[i] = false;
		disk_set_room(w->at[i].disk, 0);
		disk_fail_after(w->at[i].disk, 0);
		if (disk_facts(w->at[i].disk).failed && w->at[i].up)
			world_down(w, i, true);
		if (!w->at[i].up)
			world_open(w, i);
		w->at[i].honesty = DISK_HONEST;
		disk_set_honesty(w->at[i].disk, DISK_HONEST);
		/* As the next write does: a full disk may have kept the view from following the
		 * log. */
		NEED(&w->s, catch_up(w->s.box[i].c));
		files_verify(w, i);
	}
	partials_heal(w);
	quotas_lift(w);
	sim_say(&w->s, "the storm is over");
}
