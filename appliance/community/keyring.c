/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The keys of a private space that this box was given, and what they open. The ring is a function
 * of the valid ops of the rules and of the box's own key: when a fork takes an op that handed a key
 * out, the key goes from the ring, and what it opened from the view, until it is handed out again;
 * so a box that was made anew shows the same. (Keys that went are remembered beside the ring while
 * the box runs, and a keeper hands them out again: keys.c.)
 */
#include "appliance/community/community_priv.h"

void keyring_release(struct keyring *k)
{
	guarded_free(k->bytes);
	free(k->keys);
	idmap_release(&k->at);
	*k = (struct keyring){0};
}

bool keyring_find(const struct keyring *k, const struct hash *name, struct space_key *ret)
{
	uint32_t at = k->n ? idmap_get(&k->at, name) : IDMAP_NONE;

	if (at == IDMAP_NONE)
		return false;
	*ret = k->keys[at];
	return true;
}

/* --- making it --- */
struct making {
	const struct space *s;
	const struct secret *mine;
	struct rules_box **boxed, **wrapped;
	size_t boxed_n, wrapped_n, max;
	struct keyring *ring;
};

static void count_box(void *ctx, struct rules_box *b)
{
	((struct making *)ctx)->max++;
}

static void note_box(void *ctx, struct rules_box *b)
{
	struct making *m = ctx;

	if (b->wrapped)
		m->wrapped[m->wrapped_n++] = b;
	else if (pubkey_eq(&b->to, secret_pubkey(m->mine)))
		m->boxed[m->boxed_n++] = b;
}

static void ring_init(struct keyring *k, size_t max)
{
	*k = (struct keyring){.bytes = guarded_new(max * SPACE_KEY),
			      .keys = calloc(max + 1, sizeof(*k->keys))};
	if (!k->keys)
		abort();
}

static void ring_add(struct keyring *k, const struct hash *name, uint16_t epoch)
{
	k->keys[k->n] = (struct space_key){*name, epoch, k->bytes + k->n * SPACE_KEY};
	idmap_put(&k->at, name, (uint32_t)k->n++);
}

/* What was opened before is in the ring of before, or went from it. */
static bool remembers(const struct space *s, const struct hash *name, uint8_t out[SPACE_KEY])
{
	struct space_key known;

	if (!keyring_find(&s->ring, name, &known) && !keyring_find(&s->orphans, name, &known))
		return false;
	memcpy(out, known.bytes, SPACE_KEY);
	return true;
}

/* Opening one costs as much as checking two signatures: each is tried once. */
static void open_box(struct making *m, struct rules_box *b)
{
	uint8_t *out = m->ring->bytes + m->ring->n * SPACE_KEY;
	struct space_key known, under = {.epoch = 0};
	bool ok;

	if (b->tried == BOX_DUD || keyring_find(m->ring, &b->name, &known))
		return;
	if (b->wrapped && !keyring_find(m->ring, &b->under, &under))
		return;
	ok = b->tried == BOX_OPENS && remembers(m->s, &b->name, out);
	if (!ok && b->wrapped)
		ok = unwrap_key(&under, &m->s->id, &b->name, b->epoch, b->bytes, out);
	else if (!ok)
		ok = unbox_key(m->mine, &m->s->id, &b->name, b->epoch, b->bytes, out);
	b->tried = ok ? BOX_OPENS : BOX_DUD;
	if (ok)
		ring_add(m->ring, &b->name, b->epoch);
}

static int by_under(const void *a, const void *b)
{
	const struct rules_box *const *x = a, *const *y = b;

	return hash_cmp(&(*x)->under, &(*y)->under);
}

/* The first that is wrapped under that key, or under one behind it. */
static size_t first_under(const struct making *m, const struct hash *name)
{
	size_t low = 0, high = m->wrapped_n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (hash_cmp(&m->wrapped[mid]->under, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* What lies in boxes to us, then what each key leads to: the ring grows meanwhile. */
static void open_boxes(struct making *m)
{
	for (size_t i = m->boxed_n; i-- > 0;)
		open_box(m, m->boxed[i]);
	if (m->wrapped_n)
		qsort(m->wrapped, m->wrapped_n, sizeof(m->wrapped[0]), by_under);
	for (size_t k = 0; k < m->ring->n; k++) {
		struct hash name = m->ring->keys[k].name;

		for (size_t i = first_under(m, &name);
		     i < m->wrapped_n && hash_eq(&m->wrapped[i]->under, &name); i++)
			open_box(m, m->wrapped[i]);
	}
}

static void make_ring(const struct space *s, const struct secret *mine, struct keyring *ret)
{
	struct making m = {.s = s, .mine = mine, .ring = ret};

	rules_each_box(s->rules, count_box, &m);
	m.boxed = calloc(m.max + 1, sizeof(*m.boxed));
	m.wrapped = calloc(m.max + 1, sizeof(*m.wrapped));
	if (!m.boxed || !m.wrapped)
		abort();
	rules_each_box(s->rules, note_box, &m);
	ring_init(ret, m.boxed_n + m.wrapped_n + 1);
	open_boxes(&m);
	free(m.boxed);
	free(m.wrapped);
}

static bool has_more(const struct keyring *a, const struct keyring *than)
{
	struct space_key known;
	bool more = false;

	for (size_t i = 0; i < a->n; i++)
		more |= !keyring_find(than, &a->keys[i].name, &known);
	return more;
}

static void add_missing(struct keyring *to, const struct keyring *from, const struct keyring *now)
{
	struct space_key known;

	for (size_t i = 0; i < from->n; i++) {
		const struct space_key *k = &from->keys[i];

		if (keyring_find(now, &k->name, &known) || keyring_find(to, &k->name, &known))
			continue;
		memcpy(to->bytes + to->n * SPACE_KEY, k->bytes, SPACE_KEY);
		ring_add(to, &k->name, k->epoch);
	}
}

/* What went from the ring, and what had gone before and did not come again. */
static void keep_orphans(struct space *s, const struct keyring *now)
{
	struct keyring left;

	ring_init(&left, s->ring.n + s->orphans.n);
	add_missing(&left, &s->orphans, now);
	add_missing(&left, &s->ring, now);
	keyring_release(&s->orphans);
	s->orphans = left;
}

void keyring_update(struct conn *c, struct space *s, bool *ret_gained, bool *ret_lost)
{
	size_t boxes = rules_boxes(s->rules);
	struct keyring now;

	*ret_gained = *ret_lost = false;
	if (!c->community->appliance || (boxes == 0 && s->ring.n == 0) ||
	    (s->ring_epoch == rules_epoch(s->rules) && s->ring_boxes == boxes))
		return;
	memory_touch(c);
	s->ring_epoch = rules_epoch(s->rules);
	s->ring_boxes = boxes;
	make_ring(s, c->community->appliance, &now);
	*ret_gained = has_more(&now, &s->ring);
	*ret_lost = has_more(&s->ring, &now);
	keep_orphans(s, &now);
	keyring_release(&s->ring);
	s->ring = now;
}

/* --- what it opens --- */
bool payload_open(struct conn *c, const struct op *op, struct span sealed, struct buf *out)
{
	const struct space *s = space_of(c, &op->space);
	const struct seal_for f = {.space = op->space, .author = op->author};
	struct space_key key;
	struct hash name;

	return s && sealed_key_name(sealed, &name) && keyring_find(&s->ring, &name, &key) &&
	       key.epoch == op->epoch && unseal_text(&key, &f, sealed, out);
}

static json_t *open_words(const struct space *s, const struct rules_words *w)
{
	_cleanup_(buf_release) struct buf plain = {0};
	const struct seal_for f = {.space = s->id, .author = w->author, .type = w->type};
	struct space_key key;
	struct error *err;
	struct hash name;
	json_t *body;

	if (!sealed_key_name(w->sealed, &name) || !keyring_find(&s->ring, &name, &key) ||
	    !unseal_text(&key, &f, w->sealed, &plain))
		return NULL;
	err = op_load(buf_span(&plain), &body);
	if (!err)
		return body;
	error_free(err);
	return NULL;
}

void words_open(struct conn *c, const struct op *op, json_t *body)
{
	const struct space *s = space_of(c, &op->space);
	const json_t *sealed = json_object_get(body, "sealed");
	_cleanup_(freep) uint8_t *bytes = NULL;
	struct rules_words w = {.author = op->author};
	size_t letters = json_string_length(sealed);
	json_t *words;

	if (!json_is_string(sealed) || !s || !op->type || !rules_private(s->rules))
		return;
	w.type = op->type->name;
	w.sealed.n = letters * 5 / 8;
	bytes = malloc(w.sealed.n + 1);
	if (!bytes)
		abort();
	w.sealed.p = bytes;
	if (BASE32_LEN(w.sealed.n) != letters ||
	    !base32_decode(json_string_value(sealed), letters, bytes, w.sealed.n))
		return;
	words = open_words(s, &w);
	if (words && op_words_fit(words, op->type))
		for (const struct op_field *f = op->type->fields; f->name; f++)
			if (f->word && json_object_get(words, f->name))
				json_object_set(body, f->name, json_object_get(words, f->name));
	json_decref(words);
}

void word_open(struct conn *c, const struct space *s, const struct rules_words *w,
	       const char *field, const char *otherwise, char *out, size_t n)
{
	const struct op_type *type = op_type_find(c->community->table, w->type);
	json_t *words = NULL;
	const char *text = w->text;

	if (!text && rules_private(s->rules))
		words = open_words(s, w);
	if (words && type && op_words_fit(words, type))
		text = json_string_value(json_object_get(words, field));
	snprintf(out, n, "%s", text ? text : otherwise);
	json_decref(words);
}

/* --- taking again --- */
static struct error *retake_one(struct batch *b, struct op_rec *r)
{
	enum op_kind kind;
	json_t *body = NULL;
	struct error *err;
	struct op op;

	TRY(rec_parse(b->c, r, &op, &body, &kind));
	err = kind == r->kind || kind == OP_NOT_HELD ? NULL : take_payload(b, r, &op, kind);
	json_decref(body);
	arena_release(&b->arena);
	return err;
}

struct error *keyring_retake(struct batch *b, struct space *s, bool gained, bool lost)
{
	_cleanup_(recs_walk_release) struct recs_walk sealed = {
		.which = lost ? OPS_SEALED_ALL : OPS_NOT_OPENED, .by = s->num};
	_cleanup_(recs_release) struct recs erasing = {0};
	struct op_rec *r;

	for (;;) {
		TRY(recs_next(b->c, &sealed, &r));
		if (!r)
			break;
		TRY(retake_one(b, r));
	}
	/* What was said of erased ops is in words, too. */
	TRY(recs_load(b->c, OPS_THAT_ERASE, s->num, &erasing));
	for (size_t i = 0; i < erasing.n; i++)
		TRY(batch_dirty(b, erasing.p[i].object));
	s->settle = true;
	s->written = false;
	return NULL;
}
