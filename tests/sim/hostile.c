/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a hostile appliance does beyond writing odd ops into its own log (sim_misbehave): all that
 * somebody who holds an admitted key, and a person's key, can put into a stream. It keeps branches
 * of logs in its own name, tells one box this and another that, and sends again what passed by.
 */
#include "tests/sim/world.h"
#include <assert.h>

enum { BRANCHES = 10, LENGTH = 48, KEPT = 6, PAYLOAD_MOST = 40000 };

struct forged {
	struct entry_bytes raw;
	uint8_t salt[ENTRY_SALT];
	struct buf payload;
};

struct branch {
	struct log_id id;
	struct forged e[LENGTH];
	int n;
};

struct hostile {
	struct branch branch[BRANCHES];
	int n;
	struct buf kept[KEPT];
	struct hash space; /* that it founded; zero: none */
};

void hostile_init(struct world *w, int box)
{
	w->at[box].own = calloc(1, sizeof(struct hostile));
	if (!w->at[box].own)
		abort();
}

void hostile_free(struct world *w, int box)
{
	struct hostile *h = w->at[box].own;

	if (!h)
		return;
	for (int i = 0; i < BRANCHES; i++)
		for (int k = 0; k < LENGTH; k++)
			buf_release(&h->branch[i].e[k].payload);
	for (int i = 0; i < KEPT; i++)
		buf_release(&h->kept[i]);
	free(h);
}

void hostile_keep(struct world *w, int box, struct span bytes)
{
	struct hostile *h = w->at[box].own;

	if (!h || !sim_chance(&w->s, 30))
		return;
	/* Most begin at a stream's first byte, some in the middle. */
	struct buf *to = &h->kept[sim_below(&w->s, KEPT)];

	buf_clear(to);
	buf_add_span(to, bytes);
}

/* --- entries --- */
static void fill(struct world *w, struct buf *b, size_t n)
{
	uint8_t *to = buf_reserve(b, n);

	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)test_rand(&w->s.rand);
	b->n += n;
}

static void write_payload(struct world *w, struct buf *b)
{
	struct sim_op *topic = sim_any(&w->s, SIM_TOPIC);
	uint64_t what = sim_below(&w->s, 100);

	buf_clear(b);
	if (what < 50 && topic) {
		buf_printf(b,
			   "{\"type\":\"post.create\",\"object\":\"%s\",\"text\":\"forged %llu\","
			   "\"by\":{\"name\":\"x\",\"kind\":\"guest\"}}",
			   ID(&topic->id), (unsigned long long)test_rand(&w->s.rand));
	} else if (what < 65) {
		buf_printf(b,
			   "{\"type\":\"member.role\",\"object\":\"%s\",\"key\":\"%s\",\"role\":"
			   "\"steward\"}",
			   ID(&w->s.space), ID(secret_pubkey(w->s.people[5])));
	} else if (what < 95) {
		fill(w, b, (size_t)sim_below(&w->s, 400));
	} else {
		fill(w, b, (size_t)sim_below(&w->s, PAYLOAD_MOST));
	}
}

static struct hash any_rules(struct world *w)
{
	struct sim_op *op = sim_any(&w->s, SIM_RULES);
	struct hash rules = op && sim_chance(&w->s, 50) ? op->id : w->s.space;

	if (sim_chance(&w->s, 10))
		rules.b[3] ^= 1;
	return rules;
}

/* One more entry on the branch, good or bad. */
static void extend(struct world *w, int box, struct branch *b)
{
	struct forged *f = &b->e[b->n];
	bool by_person = sim_chance(&w->s, 50);
	struct entry e = {.space = b->id.space,
			  .seq = (uint64_t)b->n + 1,
			  .incarnation = b->id.incarnation,
			  .rules = any_rules(w),
			  .time = sim_chance(&w->s, 50) ? sim_odd_time(&w->s) : w->s.rand.now};
	struct secret *box_key = w->s.box[box].key;

	if (b->n == LENGTH)
		return;
	if (b->n)
		e.prev = entry_hash(&b->e[b->n - 1].raw);
	if (sim_chance(&w->s, 4))
		e.prev.b[9] ^= 1; /* a chain that does not hold */
	if (sim_chance(&w->s, 10)) {
		e.flags = ENTRY_SEALED;
		e.epoch = (uint16_t)sim_below(&w->s, 4);
	}
	write_payload(w, &f->payload);
	for (int i = 0; i < ENTRY_SALT; i++)
		f->salt[i] = (uint8_t)test_rand(&w->s.rand);
	entry_make(&e, by_person ? w->s.people[5] : NULL, box_key, f->salt, buf_span(&f->payload),
		   &f->raw);
	if (by_person && sim_chance(&w->s, 15)) {
		/* In the name of somebody else, who did not sign; the box vouches for it. */
		entry_decode(&f->raw, &e);
		e.author = *secret_pubkey(w->s.people[sim_below(&w->s, 4)]);
		entry_encode(&e, &f->raw);
		entry_carry(&f->raw, e.seq, e.incarnation, &e.prev, box_key, &f->raw);
	}
	if (sim_chance(&w->s, 6))
		f->raw.b[300] ^= 1; /* not signed; what comes behind it may be */
	b->n++;
}

/* Another's op in its own log: that is allowed, and gains it nothing. */
static struct error *copy_op(void *ctx, const struct stored *e)
{
	struct forged *f = ctx;

	if (e->state != PAYLOAD_HELD || f->payload.n)
		return NULL;
	f->raw = e->raw;
	memcpy(f->salt, e->salt, ENTRY_SALT);
	buf_add_span(&f->payload, e->payload);
	return NULL;
}

static void carry_other(struct world *w, int box, struct branch *b)
{
	struct sim_op *op = sim_any(&w->s, SIM_POST);
	struct forged *f = &b->e[b->n];
	struct hash prev = {{0}};
	struct entry e;

	if (!op || b->n == LENGTH)
		return;
	buf_clear(&f->payload);
	NEED(&w->s, log_op(w->s.box[box].c->log, &op->id, copy_op, f));
	if (!f->payload.n)
		return;
	entry_decode(&f->raw, &e);
	if (e.flags & ENTRY_BY_APPLIANCE)
		return;
	if (b->n)
		prev = entry_hash(&b->e[b->n - 1].raw);
	entry_carry(&f->raw, (uint64_t)b->n + 1, b->id.incarnation, &prev, w->s.box[box].key,
		    &f->raw);
	b->n++;
}

/* The first entry of a space of its own, which nobody asked for. */
static void found_space(struct world *w, int box, struct branch *b)
{
	struct forged *f = &b->e[0];
	struct entry e = {.seq = 1, .incarnation = test_rand(&w->s.rand) | 1, .time = w->s.rand.now};

	buf_clear(&f->payload);
	buf_printf(&f->payload,
		   "{\"type\":\"space.found\",\"private\":false,\"name\":\"odd\",\"about\":\"\","
		   "\"steward\":{\"key\":\"%s\",\"name\":\"x\"},\"appliance\":{\"key\":\"%s\","
		   "\"name\":\"x\"}}",
		   ID(secret_pubkey(w->s.people[5])), ID(secret_pubkey(w->s.box[box].key)));
	for (int i = 0; i < ENTRY_SALT; i++)
		f->salt[i] = (uint8_t)test_rand(&w->s.rand);
	entry_make(&e, w->s.people[5], w->s.box[box].key, f->salt, buf_span(&f->payload), &f->raw);
	b->id = (struct log_id){entry_op_id(&f->raw), *secret_pubkey(w->s.box[box].key),
				e.incarnation};
	b->n = 1;
	w->at[box].own->space = b->id.space;
}

/* A new log, or a fork of one of its own. */
static struct branch *branch_new(struct world *w, int box)
{
	struct hostile *h = w->at[box].own;
	struct branch *b = &h->branch[h->n % BRANCHES], *from = NULL;

	if (h->n && sim_chance(&w->s, 65))
		from = &h->branch[sim_below(&w->s, (uint64_t)(h->n < BRANCHES ? h->n : BRANCHES))];
	h->n++;
	b->n = from == b ? b->n : 0;
	if (!from && sim_chance(&w->s, 10)) {
		found_space(w, box, b);
		return b;
	}
	if (!from) {
		b->id = (struct log_id){w->s.space, *secret_pubkey(w->s.box[box].key),
					test_rand(&w->s.rand) | 1};
		return b;
	}
	b->id = from->id;
	for (int i = 0, n = (int)sim_below(&w->s, (uint64_t)from->n + 1); i < n && from != b; i++) {
		b->e[i].raw = from->e[i].raw;
		memcpy(b->e[i].salt, from->e[i].salt, ENTRY_SALT);
		buf_clear(&b->e[i].payload);
		buf_add_span(&b->e[i].payload, buf_span(&from->e[i].payload));
		b->n = i + 1;
	}
	if (from == b)
		b->n = (int)sim_below(&w->s, (uint64_t)b->n + 1);
	return b;
}

static struct branch *any_branch(struct world *w, int box)
{
	struct hostile *h = w->at[box].own;
	int n = h->n < BRANCHES ? h->n : BRANCHES;
	struct branch *b = !n || sim_chance(&w->s, 30) ? branch_new(w, box)
						       : &h->branch[sim_below(&w->s, (uint64_t)n)];

	for (uint64_t i = 1 + sim_below(&w->s, sim_chance(&w->s, 5) ? 40 : 4); i > 0; i--)
		if (sim_chance(&w->s, 15))
			carry_other(w, box, b);
		else
			extend(w, box, b);
	return b;
}

/* --- streams --- */
static void put_branch(struct world *w, struct stream_writer *s, const struct branch *b)
{
	int first = sim_chance(&w->s, 25) && b->n ? (int)sim_below(&w->s, (uint64_t)b->n) : 0;

	stream_entries_begin(s, &b->id);
	for (int i = first; i < b->n; i++) {
		const struct forged *f = &b->e[i];
		struct stored e = {.raw = f->raw,
				   .hash = entry_hash(&f->raw),
				   .op_id = entry_op_id(&f->raw),
				   .seq = (uint64_t)i + 1,
				   .payload = buf_span(&f->payload)};

		memcpy(e.salt, f->salt, ENTRY_SALT);
		if (!stream_entries_add(s, &e, sim_chance(&w->s, 5)))
			break;
	}
	stream_entries_end(s);
}

static struct hash any_hash(struct world *w)
{
	struct hash h;

	for (size_t i = 0; i < sizeof(h.b); i++)
		h.b[i] = (uint8_t)test_rand(&w->s.rand);
	return h;
}

/* Of a log that exists or not, whatever. */
static struct log_id any_log(struct world *w)
{
	int of = (int)sim_below(&w->s, (uint64_t)w->s.n);
	struct log_id id = {w->s.space, *secret_pubkey(w->s.box[of].key), test_rand(&w->s.rand)};

	if (sim_chance(&w->s, 70) && w->s.box[of].c)
		id.incarnation = log_incarnation(w->s.box[of].c->log);
	return id;
}

/* Heads that nobody has, of logs that may be real. */
static void put_lies(struct world *w, struct stream_writer *s)
{
	struct head heads[24];
	size_t n = 1 + (size_t)sim_below(&w->s, ARRAY_LEN(heads)), k = 0;

	for (size_t i = 0; i < n; i++)
		heads[i] = (struct head){
			.id = any_log(w), .seq = sim_below(&w->s, 100), .hash = any_hash(w)};
	for (size_t i = 0; i < n; i++) {
		struct head *h = &heads[i];

		if (sim_chance(&w->s, 20))
			h->seq = test_rand(&w->s.rand) >> 2;
		if (sim_chance(&w->s, 30)) {
			h->mark = (enum head_mark)(1 + sim_below(&w->s, 2));
			h->mark_seq = h->seq + 1 + sim_below(&w->s, 3);
		}
		if (!h->seq)
			memset(&h->hash, 0, sizeof(h->hash));
	}
	heads_sort(heads, n);
	for (size_t i = 0; i < n; i++)
		if (!k || log_id_cmp(&heads[k - 1].id, &heads[i].id) != 0)
			heads[k++] = heads[i];
	stream_put_heads(s, &w->s.space, heads, k);
}

static void put_odd_frame(struct world *w, int box, struct stream_writer *s)
{
	struct log_id id = any_log(w);
	struct locator_sample sample = {1 + sim_below(&w->s, 50), any_hash(w)};
	struct seq_range range = {1, test_rand(&w->s.rand) >> 1};
	struct hostile *h = w->at[box].own;
	struct fork_proof proof;

	switch (sim_below(&w->s, 8)) {
	case 0:
		stream_put_locator(s, &id, &sample, 1);
		break;
	case 1:
		stream_put_missing(s, &id, &range, 1);
		break;
	case 2:
		stream_put_note(s, &id, sim_below(&w->s, 9), ERR_LIMIT);
		break;
	case 3:
		stream_put_result(s, test_rand(&w->s.rand), 1, test_rand(&w->s.rand));
		break;
	case 4:
	case 5:
	case 6:
		hostile_put_odd(w, box, s);
		break;
	default:
		/* Two headers that are no fork, in a frame that says so. */
		memset(&proof, 0, sizeof(proof));
		if (h->n && h->branch[0].n > 1)
			proof = (struct fork_proof){h->branch[0].e[0].raw, h->branch[0].e[1].raw};
		stream_put_fork(s, &proof);
	}
}

void hostile_again(struct world *w, int box, struct buf *out)
{
	const struct buf *old = &w->at[box].own->kept[sim_below(&w->s, KEPT)];

	buf_add_span(out, buf_span(old));
}

static void rubbish(struct world *w, int box, struct buf *out)
{
	struct hostile *h = w->at[box].own;
	const struct buf *old = &h->kept[sim_below(&w->s, KEPT)];

	if (old->n)
		buf_add_span(out, buf_span(old));
	else
		fill(w, out, (size_t)sim_below(&w->s, 3000));
	if (out->n && sim_chance(&w->s, 30))
		out->p[sim_below(&w->s, out->n)] ^= 4;
}

static void make_stream(struct world *w, int box, bool answer, struct buf *out)
{
	struct stream_writer s;
	struct space_digest digest = {.space = w->s.space, .heads = any_hash(w)};

	if (sim_chance(&w->s, 15)) {
		rubbish(w, box, out);
		return;
	}
	stream_begin(&s, out);
	if (answer && sim_chance(&w->s, 40))
		stream_put_digests(&s, &digest, 1);
	for (uint64_t i = 1 + sim_below(&w->s, 3); i > 0; i--)
		put_branch(w, &s, any_branch(w, box));
	if (answer && sim_chance(&w->s, 40))
		put_lies(w, &s);
	if (sim_chance(&w->s, 30))
		put_odd_frame(w, box, &s);
	if (!sim_chance(&w->s, 10))
		stream_put_end(&s);
}

/* --- the door --- */
bool hostile_answer(struct world *w, int box, const char *path, struct buf *out)
{
	struct space_digest digest = {.heads = any_hash(w)};
	struct stream_writer s;

	if (!sim_chance(&w->s, 50))
		return false;
	world_enter(w, (int)sim_below(&w->s, (uint64_t)w->n_spaces));
	digest.space = w->s.space;
	if (sim_chance(&w->s, 10) && !hash_is_zero(&w->at[box].own->space))
		digest.space = w->at[box].own->space;
	w->tally.hostile++;
	w->s.acting = box;
	if (strcmp(path, SYNC_PATH_STATUS) != 0) {
		make_stream(w, box, true, out);
		return true;
	}
	stream_begin(&s, out);
	stream_put_hello(&s, sim_odd_time(&w->s), "\xe2\x80\xaeodd");
	if (sim_chance(&w->s, 40))
		hostile_put_odd(w, box, &s);
	stream_put_digests(&s, &digest, 1);
	stream_put_end(&s);
	return true;
}

void hostile_act(struct world *w, int box)
{
	_cleanup_(buf_release) struct buf out = {0};
	int victim = (int)sim_below(&w->s, (uint64_t)w->s.n);
	bool push = sim_chance(&w->s, 80);
	struct stream_writer s;

	w->s.acting = box;
	world_enter(w, (int)sim_below(&w->s, (uint64_t)w->n_spaces));
	if (!w->at[victim].up || w->at[victim].hostile || w->s.apart[box] != w->s.apart[victim])
		return;
	if (sim_chance(&w->s, 25)) {
		hostile_lies(w, box, victim);
		return;
	}
	w->tally.hostile++;
	if (push) {
		make_stream(w, box, false, &out);
	} else {
		stream_begin(&s, &out);
		if (sim_chance(&w->s, 50))
			put_lies(w, &s);
		else
			hostile_put_question(w, box, &s);
		if (sim_chance(&w->s, 20))
			hostile_put_odd(w, box, &s);
		stream_put_end(&s);
	}
	sim_say(&w->s, "box %d, hostile, %s %zu bytes to box %d", box,
		push ? "pushes" : "pulls with", out.n, victim);
	call_hostile(w, box, victim, push, &out);
}
