/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Partial boxes: choices that change, and letting go of messages and files behind the proofs of
 * other boxes. The passes are those of appliance/partial; between their two halves the questions and
 * answers are on their way, and meanwhile power fails, disks fill up, choices change, and hostile
 * boxes answer with whatever they have.
 *
 * What a proof can't tell is whether who holds something will give it away: hostile boxes prove
 * nothing here that is true, or they could be handed the last copy.
 */
#include "tests/sim/world.h"
#include "appliance/partial/partial_priv.h"
#include "sync/replicate/held.h"

enum { TURN_MS = 1200, WRITE_MS = 4000, PIECES = 3 };

/* One pass of a box, while it asks others. */
struct letting {
	struct letting *next;
	struct world *w;
	int box;
	bool dead;	/* the box went down meanwhile */
	unsigned disks; /* world.disks_lost when it began */
	struct pass pass;
	int asked, peer; /* so many were asked, the one that is asked now */
	size_t first;	 /* of the pass's ops: what is asked about next */
	struct held_entry e[HELD_ENTRIES];
	size_t which[HELD_ENTRIES], n;
	int file; /* of the world: the one that is asked about; -1: none */
	struct held_piece piece[PIECES];
	size_t pieces;
	struct hash nonce;
	struct buf question, answer;
	bool by_partial; /* who answered keeps a part only, and may let go of it, too */
};

/* --- who may be asked --- */
struct end {
	struct world *w;
	int self, peer;
};

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct end *e = ctx;

	return box_shares(e->w, e->self, peer, space);
}

static bool follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct end *e = ctx;

	return box_follows(e->w, e->self, peer, space);
}

static bool keeps_blob(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	const struct end *e = ctx;

	for (int i = 0; i < e->w->n_files; i++)
		if (hash_eq(&e->w->file[i].hash, blob))
			return box_shares(e->w, e->self, peer,
					  &e->w->space[e->w->file[i].space].id);
	return false;
}

static const struct pubkey *key_of(const struct world *w, int box)
{
	return secret_pubkey(w->s.box[box].key);
}

static bool may_ask(const struct world *w, int from, int to)
{
	return w->at[from].link[to] && w->at[to].up && w->s.apart[from] == w->s.apart[to] &&
	       !pubkey_eq(key_of(w, from), key_of(w, to));
}

struct error *partial_answers(struct world *w, int box, int asker, struct span question,
			      struct buf *out)
{
	struct end e = {w, box, asker};
	struct box *b = &w->s.box[box];
	struct session_options o = {.self = b->key,
				    .peer = *key_of(w, asker),
				    .env = &b->env.env,
				    .name = "box",
				    .keep = w->at[box].keep,
				    .ctx = &e,
				    .shares = shares,
				    .follows = follows,
				    .blobs = w->at[box].blobs,
				    .keeps_blob = keeps_blob};

	world_clock(w, box);
	return held_answer(&o, b->c->log, question, out);
}

/* --- asking --- */
static void free_letting(struct letting *l)
{
	struct letting **at = &l->w->lettings;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	if (!l->dead)
		l->w->at[l->box].letting = NULL;
	pass_release(&l->pass);
	buf_release(&l->question);
	buf_release(&l->answer);
	free(l);
}

/* One that is about files asks about one at a time: mostly quickly, or it never ends. */
static int64_t on_its_way(const struct letting *l)
{
	struct sim *s = &l->w->s;
	uint64_t what = sim_below(s, l->pass.files ? 400 : 100);

	return 1 + (int64_t)sim_below(s, what < 2 ? 30000 : what < 20 ? 5000 : 100);
}

/* Does it concern ops that nobody has proved, and that this peer may be told of? */
static bool make_question(struct letting *l)
{
	struct pass *p = &l->pass;
	size_t most = 1 + (size_t)sim_below(&l->w->s, 60);

	l->n = 0;
	for (; l->first < pass_n(p) && l->n < most; l->first++) {
		const struct loose_op *op = &pass_ops(p)[l->first];

		if (p->safe[l->first] ||
		    !box_shares(l->w, l->box, key_of(l->w, l->peer), &op->space))
			continue;
		l->which[l->n] = l->first;
		l->e[l->n++] = (struct held_entry){.id = op->log, .seq = op->seq};
	}
	held_sort(l->e, &l->n); /* (they are in order) */
	return l->n != 0;
}

static void question_arrives(struct world *w, int unused, void *arg);
static void record(struct letting *l);

/* The next question, to this peer or the next. */
static void ask(struct letting *l)
{
	struct world *w = l->w;

	for (; l->asked < w->s.n; l->asked++, l->first = 0) {
		l->peer = (l->box + 1 + l->asked) % w->s.n;
		if (!may_ask(w, l->box, l->peer) || !make_question(l))
			continue;
		env_random(&w->s.box[l->box].env.env, l->nonce.b, sizeof(l->nonce.b));
		buf_clear(&l->question);
		held_question(&l->nonce, l->e, l->n, &l->question);
		w->tally.asked++;
		world_later(w, on_its_way(l), question_arrives, -1, l);
		return;
	}
	record(l);
}

static void check_believed(struct letting *l)
{
	if (l->w->at[l->peer].hostile || l->by_partial)
		sim_die(&l->w->s, "a proof was believed that proves nothing", NULL, __FILE__,
			__LINE__);
}

static void weigh(struct letting *l)
{
	struct world *w = l->w;
	struct box *b = &w->s.box[l->box];
	struct error *err;
	size_t proved = 0;

	err = held_weigh(secret_pubkey(b->key), key_of(w, l->peer), b->c->log, &l->nonce, l->e,
			 l->n, buf_span(&l->answer));
	if (error_is(err, ERR_INTERNAL) || error_is(err, ERR_CORRUPT))
		sim_die(&w->s, "weighing a proof", err, __FILE__, __LINE__);
	for (size_t i = 0; i < l->n && !err; i++) {
		l->pass.safe[l->which[i]] |= l->e[i].held;
		proved += l->e[i].held;
	}
	error_free(err);
	l->pass.answered = true;
	if (proved)
		check_believed(l);
	if (proved)
		buf_add(&l->pass.at,
			&(struct partial_at){.box = *key_of(w, l->peer), .ops = (int64_t)proved},
			sizeof(struct partial_at));
}

static void answer_arrives(struct world *w, int unused, void *arg)
{
	struct letting *l = arg;

	if (l->dead) {
		free_letting(l);
		return;
	}
	world_clock(w, l->box);
	if (l->answer.n && sim_chance(&w->s, 3))
		l->answer.n = (size_t)sim_below(&w->s, l->answer.n);
	if (l->answer.n)
		weigh(l);
	else
		l->first = pass_n(&l->pass); /* it did not answer: no more of it */
	ask(l);
}

/* What the other side says; nothing: it does not answer. */
static void answer(struct letting *l)
{
	struct world *w = l->w;
	struct error *err = NULL;

	buf_clear(&l->answer);
	if (!may_ask(w, l->box, l->peer) || disk_facts(w->at[l->peer].disk).failed)
		return;
	l->by_partial = keep_is_partial(&w->at[l->peer].keep);
	if (w->at[l->peer].hostile)
		hostile_proves(w, l->peer, l->box, buf_span(&l->question), &l->answer);
	else
		err = partial_answers(w, l->peer, l->box, buf_span(&l->question), &l->answer);
	NEED(&w->s, err);
}

static void question_arrives(struct world *w, int unused, void *arg)
{
	struct letting *l = arg;

	if (l->dead) {
		free_letting(l);
		return;
	}
	answer(l);
	world_later(w, on_its_way(l), answer_arrives, -1, l);
}

/* --- what came of it --- */
/* A box that is down holds what is on its disk. */
static bool somebody_holds(struct world *w, const struct hash *op)
{
	for (int i = 0; i < w->s.n; i++)
		if (!w->at[i].hostile && payload_at(w, i, op))
			return true;
	return false;
}

/* What an honest box acknowledged, or NULL. */
static struct sim_op *acknowledged(struct world *w, const struct hash *id)
{
	for (int i = 0; i < w->s.ops_n; i++)
		if (hash_eq(&w->s.ops[i].id, id))
			return w->at[w->s.ops[i].box].hostile ? NULL : &w->s.ops[i];
	return NULL;
}

/* Of what went, whether it was proved or not: somebody else holds it. Unless a disk went since it
 * was proved: that is as if its box had. */
static void check_last_copies(struct letting *l)
{
	struct world *w = l->w;

	for (size_t i = 0; i < pass_n(&l->pass); i++) {
		const struct hash *op = &pass_ops(&l->pass)[i].id;
		struct sim_op *known;

		if (payload_at(w, l->box, op))
			continue;
		w->tally.let_go++;
		w->tally.unsure += w->disks_lost != l->disks;
		known = acknowledged(w, op);
		if (!known || known->erasing || somebody_holds(w, op))
			continue;
		if (w->disks_lost != l->disks) {
			known->bare = true;
			continue;
		}
		sim_say(&w->s, "box %d lets go of op %s", l->box, ID_SHORT(op));
		sim_die(&w->s, "the last copy went", NULL, __FILE__, __LINE__);
	}
}

/* Is what the pass began under still so? */
static bool goes_on(struct letting *l)
{
	struct partial_run now;

	NEED(&l->w->s, partial_run_get(l->w->s.box[l->box].c, &now));
	return now.state == PARTIAL_LETTING_GO && now.begun_ms == l->pass.run.begun_ms &&
	       keep_eq(&now.keep, &l->pass.run.keep);
}

static size_t held_of_pass(struct letting *l)
{
	size_t n = 0;

	for (size_t i = 0; i < pass_n(&l->pass); i++)
		n += payload_at(l->w, l->box, &pass_ops(&l->pass)[i].id) == PAYLOAD_IS_HELD;
	return n;
}

static void record(struct letting *l)
{
	struct world *w = l->w;
	struct partial_run now;
	bool went, same = goes_on(l);
	size_t held = held_of_pass(l);

	if (pass_n(&l->pass) && !l->pass.answered)
		l->pass.problem = PARTIAL_NOBODY;
	else
		l->pass.answered = true;
	NEED(&w->s, partial_run_get(w->s.box[l->box].c, &now));
	went = now.state == PARTIAL_LETTING_GO && !l->pass.problem;
	if (went && !world_commit(w, l->box, pass_note, &l->pass)) {
		free_letting(l);
		return;
	}
	if (world_commit(w, l->box, pass_record, &l->pass)) {
		struct partial_run r;

		if (!same && held_of_pass(l) < held)
			sim_die(&w->s, "something went by proofs for another choice", NULL,
				__FILE__, __LINE__);
		NEED(&w->s, partial_run_get(w->s.box[l->box].c, &r));
		/* (a run that somebody ended meanwhile let nothing go) */
		if (went && r.state == PARTIAL_LETTING_GO && r.row != now.row)
			check_last_copies(l);
		sim_say(&w->s, "box %d: a pass of %zu, run %d at %lld: %lld of %lld",
			l->box, pass_n(&l->pass), (int)r.state, (long long)r.row,
			(long long)r.safe_ops, (long long)r.ops);
	}
	free_letting(l);
}

/* --- files, one at a time --- */
static struct error *end_run(struct conn *c, void *arg)
{
	const struct partial_run *was = arg;
	struct partial_run r;

	TRY(partial_run_get(c, &r));
	if (r.state != was->state || r.begun_ms != was->begun_ms)
		return NULL;
	r.state = r.state == PARTIAL_LOOKING ? PARTIAL_LOOKED : PARTIAL_DONE;
	return run_set(c, &r);
}

static bool is_loose(const struct world *w, int box, int file)
{
	const struct file_of *f = &w->file[file];
	const struct keep *k = &w->at[box].keep;
	uint64_t size;

	return k->blob_max && f->size > k->blob_max &&
	       blob_has(w->at[box].blobs, &f->hash, &size);
}

/* Cut anywhere, so that pieces meet: all of them make the file. */
static void make_pieces(struct letting *l)
{
	const struct file_of *f = &l->w->file[l->file];
	uint64_t at = 0;

	l->pieces = 0;
	while (at < f->size) {
		uint64_t left = f->size - at;
		uint64_t n = l->pieces + 1 == PIECES ? left : 1 + sim_below(&l->w->s, left);

		l->piece[l->pieces++] = (struct held_piece){.what = {f->hash, at, n}};
		at += n;
	}
}

static bool file_is_proved(struct letting *l)
{
	struct world *w = l->w;
	struct box *b = &w->s.box[l->box];
	bool all = true;
	struct error *err;

	err = held_pieces_weigh(secret_pubkey(b->key), key_of(w, l->peer), w->at[l->box].blobs,
				&l->nonce, l->piece, l->pieces, buf_span(&l->answer));
	if (error_is(err, ERR_INTERNAL))
		sim_die(&w->s, "weighing a proof", err, __FILE__, __LINE__);
	for (size_t i = 0; i < l->pieces; i++)
		all &= !err && l->piece[i].held;
	error_free(err);
	if (all)
		check_believed(l);
	return all;
}

static void ask_file(struct letting *l);

static void let_file_go(struct letting *l)
{
	struct world *w = l->w;
	const struct file_of *f = &w->file[l->file];

	NEED(&w->s, blob_remove(w->at[l->box].blobs, &f->hash));
	w->tally.files_gone++;
	sim_say(&w->s, "box %d lets go of file %s, which box %d holds", l->box, ID_SHORT(&f->hash),
		l->peer);
	if (w->disks_lost != l->disks)
		w->tally.unsure++;
	else if (!f->hurt && !file_is_held(w, f))
		sim_die(&w->s, "the last copy of a file went", NULL, __FILE__, __LINE__);
}

static void file_answer_arrives(struct world *w, int unused, void *arg)
{
	struct letting *l = arg;

	if (l->dead) {
		free_letting(l);
		return;
	}
	if (l->answer.n && goes_on(l) && is_loose(w, l->box, l->file) && file_is_proved(l)) {
		let_file_go(l);
	}
	ask_file(l);
}

static void file_question_arrives(struct world *w, int unused, void *arg)
{
	struct letting *l = arg;

	if (l->dead) {
		free_letting(l);
		return;
	}
	answer(l);
	world_later(w, on_its_way(l), file_answer_arrives, -1, l);
}

/* Behind the one that was asked last, of this file or the next. */
static bool next_file(struct letting *l)
{
	struct world *w = l->w;

	for (; l->file < w->n_files; l->file++, l->asked = 0) {
		const struct hash *space;

		if (l->file < 0 || !is_loose(w, l->box, l->file))
			continue;
		space = &w->space[w->file[l->file].space].id;
		while (l->asked < w->s.n) {
			l->peer = (l->box + 1 + l->asked++) % w->s.n;
			if (may_ask(w, l->box, l->peer) &&
			    box_shares(w, l->box, key_of(w, l->peer), space))
				return true;
		}
	}
	return false;
}

static void ask_file(struct letting *l)
{
	struct world *w = l->w;

	if (!next_file(l)) {
		world_commit(w, l->box, end_run, &l->pass.run);
		free_letting(l);
		return;
	}
	make_pieces(l);
	env_random(&w->s.box[l->box].env.env, l->nonce.b, sizeof(l->nonce.b));
	buf_clear(&l->question);
	held_pieces_question(&l->nonce, l->piece, l->pieces, &l->question);
	w->tally.asked++;
	world_later(w, on_its_way(l), file_question_arrives, -1, l);
}

/* --- turns --- */
static void begin_pass(struct world *w, int box)
{
	struct letting *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	*l = (struct letting){.w = w, .box = box, .next = w->lettings, .file = -1,
			      .disks = w->disks_lost};
	w->lettings = w->at[box].letting = l;
	if (!world_commit(w, box, pass_gather, &l->pass) || l->pass.idle) {
		free_letting(l);
	} else if (l->pass.files) {
		ask_file(l);
	} else {
		ask(l);
	}
}

static struct error *choose(struct conn *c, void *arg)
{
	return partial_choose(c, arg);
}

static void choose_anew(struct world *w, int box)
{
	static const uint32_t days[] = {1, 30, 365};
	struct keep k = {.payload_days = days[sim_below(&w->s, ARRAY_LEN(days))],
			 .blob_max = sim_chance(&w->s, 75) ? 1 + sim_below(&w->s, 15000) : 0};

	/* Everything again, mostly: what came back may go another time. */
	if (sim_chance(&w->s, keep_is_partial(&w->at[box].keep) ? 75 : 10))
		k = (struct keep){.payload_days = 0};

	if (!world_commit(w, box, choose, &k))
		return;
	w->at[box].keep = k;
	sim_say(&w->s, "box %d keeps %u days, files of %llu bytes", box, k.payload_days,
		(unsigned long long)k.blob_max);
}

/* Soon when there is nothing to go, or all went; seldom in the middle of a run. */
static bool thinks_again(struct world *w, int box)
{
	struct partial_run r;

	if (!keep_is_partial(&w->at[box].keep))
		return sim_chance(&w->s, 12);
	NEED(&w->s, partial_run_get(w->s.box[box].c, &r));
	return sim_chance(&w->s, r.state == PARTIAL_DONE ? 25 : 4);
}

/* What the volunteer does when the preview stands, and before. */
static struct error *go_on(struct conn *c, void *arg)
{
	struct partial_run *r = arg;
	size_t more;
	int64_t from = 0;

	TRY(community_need_more(c, &from, &more));
	TRY(partial_run_get(c, r));
	if (r->state == PARTIAL_LOOKED) {
		struct keep now;

		TRY(partial_choice(c, &now));
		return keep_eq(&r->keep, &now) ? partial_let_go(c) : partial_look(c);
	}
	if (r->state == PARTIAL_NO_RUN || r->state == PARTIAL_DONE)
		return partial_look(c);
	return NULL;
}

/* What the writer does when nobody writes. false: it can't, now. */
static bool follows_all(struct world *w, int box)
{
	struct conn *c = w->s.box[box].c;
	struct error *err = NULL;

	while (!err && conn_is_behind(c)) {
		err = conn_follow(c);
		if (!err && conn_lacks(c)) /* the view's disk is full */
			return false;
	}
	if (error_is(err, ERR_BUSY)) {
		error_free(err);
		return false;
	}
	if (err)
		world_disk_failed(&w->s, box, err);
	return !err;
}

static void turn(struct world *w, int box, void *arg);

static void has_turns(struct world *w, int box)
{
	w->at[box].turns = true;
	world_later(w, 1 + (int64_t)sim_below(&w->s, TURN_MS), turn, box, NULL);
}

static void turn(struct world *w, int box, void *arg)
{
	struct site *p = &w->at[box];
	struct partial_run r;

	has_turns(w, box);
	if (!p->up || disk_facts(p->disk).failed)
		return;
	if (thinks_again(w, box))
		choose_anew(w, box);
	if (!p->up || p->letting || !keep_is_partial(&p->keep))
		return;
	if (!follows_all(w, box) || !world_commit(w, box, go_on, &r))
		return;
	begin_pass(w, box);
}

/* What nobody else has never goes. */
static void somebody_fetches(struct world *w, int box, void *arg)
{
	int from = (int)sim_below(&w->s, (uint64_t)w->s.n), most = 2;

	for (int i = 0; i < w->s.n && most; i++) {
		int to = (from + i) % w->s.n;

		if (w->at[to].hostile || !w->at[to].up || !may_ask(w, to, box))
			continue;
		call_start(w, to, box);
		most--;
	}
}

/* So that there is something to let go of. Many are refused: they try once more. */
static void people_write(struct world *w, int unused, void *arg)
{
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n), before = w->s.ops_n;

	world_later(w, 1 + (int64_t)sim_below(&w->s, WRITE_MS), people_write, -1, NULL);
	if (w->at[box].hostile)
		return;
	world_enter(w, (int)sim_below(&w->s, (uint64_t)w->n_spaces));
	if (!w->at[box].wants[w->here])
		world_enter(w, 0);
	world_clock(w, box);
	for (int i = 0; i < 4 && w->at[box].up && w->s.ops_n == before; i++) {
		w->s.acting = box;
		w->s.step++;
		if (!sim_any(&w->s, SIM_TOPIC))
			sim_write_topic(&w->s, box);
		else if (sim_chance(&w->s, 30) && w->files && !w->s.is_private)
			files_add(w, box);
		else if (sim_chance(&w->s, 80))
			sim_write_post(&w->s, box);
		else
			sim_write(&w->s, box);
	}
	if (w->s.ops_n > before)
		world_later(w, 2000, somebody_fetches, box, NULL);
}

/* Somebody does; where there are few, the others are to have what it lets go of; and sometimes all do,
 * and none may go by what another has that lets go of it, too. */
void partials_begin(struct world *w)
{
	bool all = sim_chance(&w->s, 20);
	int sure = (int)sim_below(&w->s, (uint64_t)w->s.n), honest = 0;

	for (int i = 0; i < w->s.n; i++)
		honest += !w->at[i].hostile;
	while (w->at[sure].hostile)
		sure = (sure + 1) % w->s.n;
	world_later(w, 0, people_write, -1, NULL);
	for (int i = 0; i < w->s.n; i++) {
		if (w->at[i].hostile ||
		    (i != sure && !all && !sim_chance(&w->s, honest < 4 ? 5 : 25)))
			continue;
		has_turns(w, i);
		/* Or nothing would be old in a world of two minutes. */
		if (i == sure || sim_chance(&w->s, 80))
			w->at[i].skew = (int64_t)(1 + sim_below(&w->s, 20000)) * 86400000;
	}
}

/* The program was started anew: its choice is what its disk says. */
void partials_open(struct world *w, int box)
{
	struct site *p = &w->at[box];

	NEED(&w->s, partial_choice(w->s.box[box].c, &p->keep));
	/* (a copied card brings its choice along) */
	if (keep_is_partial(&p->keep) && !p->turns && w->storm)
		has_turns(w, box);
}

void partials_down(struct world *w, int box)
{
	if (w->at[box].letting)
		w->at[box].letting->dead = true;
	w->at[box].letting = NULL;
}

/* --- the end --- */
static void keep_all(struct world *w, int box)
{
	struct keep all = {.payload_days = 0};

	w->at[box].keep = all;
	if (!world_commit(w, box, choose, &all))
		sim_die(&w->s, "a choice", NULL, __FILE__, __LINE__);
}

/* The queue is empty. Who founds a space keeps all of it: so that there is somebody to compare with. */
void partials_heal(struct world *w)
{
	while (w->lettings)
		free_letting(w->lettings);
	for (int k = 0; k < w->n_spaces; k++)
		if (keep_is_partial(&w->at[w->space[k].founder].keep))
			keep_all(w, w->space[k].founder);
}

struct timed {
	bool live;
	int64_t time;
};

static struct error *see_time(void *ctx, const struct stored *e)
{
	struct timed *t = ctx;
	struct entry x;

	entry_decode(&e->raw, &x);
	t->live |= e->live;
	t->time = x.time;
	return NULL;
}

/* What it chose to keep it has, when the founder has it. */
static void check_kept(struct world *w, int box)
{
	int64_t since;

	world_clock(w, box);
	since = keep_since(&w->at[box].keep, &w->s.box[box].env.env);
	for (int k = 0; k < w->s.ops_n; k++) {
		const struct hash *op = &w->s.ops[k].id;
		int space = space_at(w, &w->s.ops[k].space), base = w->space[space].founder;
		struct timed t = {.live = false};

		if (!box_takes_part(w, box, space) ||
		    payload_at(w, base, op) != PAYLOAD_IS_HELD ||
		    payload_at(w, box, op) == PAYLOAD_IS_HELD)
			continue;
		NEED(&w->s, log_op(w->s.box[base].c->log, op, see_time, &t));
		if (!t.live || t.time < since)
			continue;
		sim_say(&w->s, "box %d keeps what is from %lld on, and lacks op %s of %lld", box,
			(long long)since, ID_SHORT(op), (long long)t.time);
		sim_die(&w->s, "a partial box lacks what it keeps", NULL, __FILE__, __LINE__);
	}
}

/* All have told each other what they want to know; then all want to know everything again. */
bool partials_end(struct world *w)
{
	bool any = false;

	for (int i = 0; i < w->s.n; i++) {
		if (w->at[i].hostile || !keep_is_partial(&w->at[i].keep))
			continue;
		check_kept(w, i);
		any = true;
	}
	if (any)
		world_check_spaces(w, "while some keep a part");
	for (int i = 0; i < w->s.n; i++)
		if (!w->at[i].hostile && keep_is_partial(&w->at[i].keep))
			keep_all(w, i);
	return any;
}
