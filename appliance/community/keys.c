/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Handing the keys of a private space out: the first, a new one as soon as somebody has the newest
 * who may not read any more, the newest to who lacks it, and older ones to all who have the newest.
 * What is owed is a function of the rules as they are now, so it is found out again at any time,
 * after whatever others did meanwhile; two keepers who do it at the same time do no harm (two keys
 * of one number: the later in the order of the rules is written with, and wraps the other).
 */
#include "appliance/community/community_priv.h"

/* What is known of the newest key: who has it, and which others can be reached from it. */
struct handed {
	const struct space *s;
	struct hash newest;
	struct idmap to, reach;
	struct buf boxes;   /* struct rules_box * that wrap */
	struct buf reached; /* struct hash, as reach */
};

/* A wrap leads somewhere unless we can see that it does not: what a hostile keeper says of a key must
 * not keep the others from handing it out. */
static bool leads(const struct space *s, struct rules_box *b)
{
	uint8_t key[SPACE_KEY];
	struct space_key under;

	if (b->tried == BOX_NEW && keyring_find(&s->ring, &b->under, &under)) {
		bool ok = unwrap_key(&under, &s->id, &b->name, b->epoch, b->bytes, key);

		b->tried = ok ? BOX_OPENS : BOX_DUD;
		crypto_wipe(key, sizeof(key));
	}
	return b->tried != BOX_DUD;
}

static void note_handed(void *ctx, struct rules_box *b)
{
	struct handed *h = ctx;

	if (b->wrapped && leads(h->s, b))
		buf_add(&h->boxes, &b, sizeof(b));
	else if (!b->wrapped && hash_eq(&b->name, &h->newest))
		idmap_put(&h->to, &b->to, 0);
}

static int by_under(const void *a, const void *b)
{
	const struct rules_box *const *x = a, *const *y = b;

	return hash_cmp(&(*x)->under, &(*y)->under);
}

static void reach_key(struct handed *h, const struct hash *name)
{
	if (idmap_get(&h->reach, name) != IDMAP_NONE)
		return;
	idmap_put(&h->reach, name, 0);
	buf_add(&h->reached, name, sizeof(*name));
}

static void follow_wraps(struct handed *h)
{
	struct rules_box **boxes = (struct rules_box **)(void *)h->boxes.p;
	size_t n = h->boxes.n / sizeof(*boxes);

	if (n)
		qsort(boxes, n, sizeof(*boxes), by_under);
	reach_key(h, &h->newest);
	for (size_t k = 0; k < h->reached.n / sizeof(struct hash); k++) {
		struct hash under;
		size_t low = 0, high = n;

		memcpy(&under, h->reached.p + k * sizeof(under), sizeof(under));
		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (hash_cmp(&boxes[mid]->under, &under) < 0)
				low = mid + 1;
			else
				high = mid;
		}
		for (; low < n && hash_eq(&boxes[low]->under, &under); low++)
			reach_key(h, &boxes[low]->name);
	}
}

static void look(struct handed *h, const struct space *s, const struct hash *newest)
{
	*h = (struct handed){.s = s, .newest = *newest};
	rules_each_box(s->rules, note_handed, h);
	follow_wraps(h);
}

static void handed_release(struct handed *h)
{
	idmap_release(&h->to);
	idmap_release(&h->reach);
	buf_release(&h->boxes);
	buf_release(&h->reached);
}

static bool may_read(const struct space *s, uint32_t key)
{
	struct rules_appliance a;

	return rules_appliance_now(s->rules, key, &a) &&
	       (a.mode == MODE_READ || a.mode == MODE_WRITE);
}

/* Does somebody have the newest who may not read (any more)? */
static bool is_known_outside(const struct handed *h)
{
	if (rules_key_outside(h->s->rules))
		return true;
	for (uint32_t i = 0; i < rules_keys(h->s->rules); i++) {
		struct pubkey key = rules_key_at(h->s->rules, i);

		if (idmap_get(&h->to, &key) != IDMAP_NONE && !may_read(h->s, i))
			return true;
	}
	return false;
}

/* --- writing --- */
static json_t *letters(const uint8_t *bytes, size_t n)
{
	char text[BASE32_LEN(BOXED_KEY) + 1];

	return json_string(base32_encode(bytes, n, text));
}

/* {"to", "box"} for those who may read and lack it, at most LIMIT_KEY_BOXES. */
static json_t *box_to_readers(const struct space *s, const struct space_key *key,
			      const struct idmap *have)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < rules_keys(s->rules); i++) {
		struct pubkey to = rules_key_at(s->rules, i);
		uint8_t box[BOXED_KEY];

		if (json_array_size(list) == LIMIT_KEY_BOXES || !may_read(s, i) ||
		    (have && idmap_get(have, &to) != IDMAP_NONE) || !box_key(&to, key, box))
			continue;
		json_array_append_new(list, json_pack("{s:s, s:o}", "to", ID(&to), "box",
						      letters(box, sizeof(box))));
	}
	return list;
}

static json_t *wrap_json(const struct space *s, const struct space_key *under,
			 const struct space_key *key)
{
	uint8_t box[WRAPPED_KEY];

	wrap_key(under, &s->id, key, box);
	return letters(box, sizeof(box));
}

/* Keys of the ring (and orphans) that the newest does not lead to. */
static void collect_apart(const struct keyring *k, const struct handed *h,
			  const struct space_key **out, size_t *n)
{
	for (size_t i = 0; i < k->n && *n < LIMIT_KEY_BOXES; i++)
		if (!h || idmap_get(&h->reach, &k->keys[i].name) == IDMAP_NONE)
			out[(*n)++] = &k->keys[i];
}

/* The newest, and what it does not lead to, under the new one. h NULL: there was none. */
static json_t *wrap_older(const struct space *s, const struct handed *h,
			  const struct space_key *under)
{
	const struct space_key *apart[LIMIT_KEY_BOXES + 1];
	struct space_key newest;
	json_t *list = json_array();
	size_t n = 0;

	if (h && keyring_find(&s->ring, &h->newest, &newest))
		apart[n++] = &newest;
	collect_apart(&s->ring, h, apart, &n);
	collect_apart(&s->orphans, h, apart, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:i, s:o}", "key", ID(&apart[i]->name),
						      "epoch", (int)apart[i]->epoch, "box",
						      wrap_json(s, under, apart[i])));
	return list;
}

struct hand {
	struct conn *c;
	struct hash space;
	const struct secret *author; /* NULL: this appliance, a keeper */
};

static struct error *write_keys(const struct hand *by, const char *type, json_t *take_body)
{
	struct hash id;

	return write_op(by->c,
			&(struct draft){.type = type, .space = by->space, .author = by->author},
			take_body, &id);
}

static struct error *rotate(const struct hand *by, const struct handed *h)
{
	struct space *s = space_of(by->c, &by->space);
	uint8_t *bytes = guarded_new(SPACE_KEY);
	struct space_key key = {.bytes = bytes}, newest;
	/* What a key leads to that we were not given, we can't know: then all of ours are wrapped. */
	bool held = h && keyring_find(&s->ring, &h->newest, &newest);
	struct error *err;
	struct hash before;
	json_t *body;

	/* There is no last key, or whoever uses the numbers up keeps it: names tell keys apart. */
	if (!rules_key_now(s->rules, &before, &key.epoch) || key.epoch < LIMIT_EPOCHS)
		key.epoch++;
	env_random(by->c->env, bytes, SPACE_KEY);
	key.name = space_key_name(&s->id, key.epoch, bytes);
	body = json_pack("{s:s, s:i, s:o, s:o}", "key", ID(&key.name), "epoch", (int)key.epoch,
			 "keys", box_to_readers(s, &key, NULL), "older",
			 wrap_older(s, held ? h : NULL, &key));
	err = write_keys(by, "space.key", body);
	guarded_free(bytes);
	return err;
}

/* Who lacks the newest gets it; what it does not lead to is wrapped under it. */
static struct error *give(const struct hand *by, const struct handed *h,
			  const struct space_key *newest, bool *ret_more)
{
	const struct space_key *apart[LIMIT_KEY_BOXES];
	json_t *boxes = box_to_readers(h->s, newest, &h->to);
	const struct space_key *key = newest;
	size_t n = 0;

	*ret_more = true;
	if (json_array_size(boxes) == 0) {
		collect_apart(&h->s->ring, h, apart, &n);
		collect_apart(&h->s->orphans, h, apart, &n);
		if (n) {
			key = apart[0];
			json_array_append_new(boxes,
					      json_pack("{s:s, s:o}", "under", ID(&newest->name),
							"box", wrap_json(h->s, newest, key)));
		}
	}
	if (json_array_size(boxes) == 0) {
		json_decref(boxes);
		*ret_more = false;
		return NULL;
	}
	return write_keys(by, "space.give",
			  json_pack("{s:s, s:i, s:o}", "key", ID(&key->name), "epoch",
				    (int)key->epoch, "keys", boxes));
}

/* --- what is owed --- */
static bool is_keeper(const struct conn *c, const struct space *s)
{
	struct rules_appliance a;
	uint32_t self = rules_key(s->rules, &c->community->self);

	return self != RULES_NONE && rules_appliance_now(s->rules, self, &a) && a.keeper &&
	       a.mode == MODE_WRITE;
}

static bool may_hand_out(struct conn *c, const struct space *s, const struct secret **author)
{
	const struct rules_state *now = rules_now(s->rules);

	if (!c->community->appliance || !rules_private(s->rules) ||
	    !state_writes(s->rules, now, &c->community->self))
		return false;
	if (is_keeper(c, s)) {
		*author = NULL;
		return true;
	}
	return *author && state_role(s->rules, now, secret_pubkey(*author)) == ROLE_STEWARD;
}

/* One thing that is owed; *ret_more: there may be another. */
static struct error *settle_one(const struct hand *by, bool *ret_more)
{
	struct space *s = space_of(by->c, &by->space);
	_cleanup_(handed_release) struct handed h = {0};
	struct space_key newest;
	struct hash name;
	uint16_t epoch;
	bool held;

	*ret_more = true;
	if (!rules_key_now(s->rules, &name, &epoch))
		return rotate(by, NULL);
	look(&h, s, &name);
	held = keyring_find(&s->ring, &name, &newest);
	/* A key that was made past a keeper is none to write with: keepers could hand it to nobody, and
	 * only who made it knows who has it. Any other key of ours leads to the new one. */
	if (is_known_outside(&h) || (!held && is_keeper(by->c, s))) {
		*ret_more = s->ring.n > 0;
		return s->ring.n ? rotate(by, &h) : NULL;
	}
	*ret_more = false;
	/* Others who were not given the newest wait for somebody who was. */
	return held ? give(by, &h, &newest, ret_more) : NULL;
}

struct error *keys_settle(struct conn *c, struct space *s, const struct secret *author)
{
	struct hand by = {.c = c, .space = s->id, .author = author};
	bool more = true;

	/* A bound against mistakes of ours: what is left is done the next time. */
	for (int i = 0; i < 100 && more; i++) {
		s = space_of(c, &by.space);
		if (s->lacking || !may_hand_out(c, s, &by.author))
			return NULL;
		TRY(settle_one(&by, &more));
	}
	return NULL;
}

struct error *keys_settle_all(struct conn *c)
{
	struct memory *m = &c->community->m;

	for (size_t i = 0; i < m->spaces_n; i++) {
		struct space *s = m->spaces[i];

		if (s->keys_epoch == rules_epoch(s->rules) &&
		    s->keys_count == rules_count(s->rules))
			continue;
		TRY(keys_settle(c, s, NULL));
		memory_touch(c);
		s = m->spaces[i];
		s->keys_epoch = rules_epoch(s->rules);
		s->keys_count = rules_count(s->rules);
	}
	return NULL;
}

/* --- what people ask for --- */
struct error *community_rotate(struct conn *c, const struct hash *space,
			       const struct secret *author)
{
	struct hand by = {.c = c, .space = *space, .author = author};
	_cleanup_(handed_release) struct handed h = {0};
	struct space *s;
	struct hash name;
	uint16_t epoch;

	TRY(catch_up_own(c));
	s = space_of(c, space);
	ENSURE(s && rules_private(s->rules),
	       error_new(ERR_NOT_FOUND, N_("This box carries no private space of that name.")));
	ENSURE(may_hand_out(c, s, &by.author),
	       error_new(ERR_DENIED, N_("Only a steward of this space may do that.")));
	/* Of the keys any will do: were it the newest, a hostile keeper could end a space by a key
	 * that nobody has. */
	ENSURE(rules_key_now(s->rules, &name, &epoch) && s->ring.n > 0,
	       error_new(ERR_NOT_ADMITTED, N_("This box was not given the newest key of this "
					      "private space yet. It comes"
					      " with the next exchange with a box that has it.")));
	look(&h, s, &name);
	return rotate(&by, &h);
}

struct error *community_admit(struct conn *c, const struct hash *space, const struct pubkey *key,
			      const char *name, enum admission how, const struct secret *author)
{
	static const char *const modes[] = {
		[ADMIT_WRITE] = "write", [ADMIT_READ] = "read", [ADMIT_CARRY] = "carry"};
	struct hash id;

	ENSURE(how == ADMIT_CARRY || pubkey_can_open(key),
	       error_new(ERR_INVALID, N_("Nothing can be sealed to this key: it is no box's.")));
	return community_submit(
		c,
		&(struct draft){.type = "appliance.admit",
				.space = *space,
				.author = author,
				.take_body = json_pack("{s:s, s:s, s:s}", "key", ID(key), "name",
						       name && *name ? name : ID_SHORT(key), "mode",
						       modes[how])},
		&id);
}

/* `type` of that key, with a cut at what is held here, or was before that time. */
static struct error *take_away(struct conn *c, const char *type, const struct hash *space,
			       const struct pubkey *key, bool person, int64_t since_ms,
			       const struct secret *author)
{
	struct hash id;
	json_t *cut;

	TRY(catch_up_own(c));
	TRY(cut_json(c, space, key, person, since_ms, &cut));
	return community_submit(
		c,
		&(struct draft){.type = type,
				.space = *space,
				.author = author,
				.take_body = json_pack("{s:s, s:o}", "key", ID(key), "cut", cut)},
		&id);
}

struct error *community_remove(struct conn *c, const struct hash *space, const struct pubkey *key,
			       const struct secret *author)
{
	return community_remove_since(c, space, key, 0, author);
}

struct error *community_remove_since(struct conn *c, const struct hash *space,
				     const struct pubkey *key, int64_t since_ms,
				     const struct secret *author)
{
	return take_away(c, "appliance.revoke", space, key, false, since_ms, author);
}

struct error *community_remove_person(struct conn *c, const struct hash *space,
				      const struct pubkey *key, const struct secret *author)
{
	return take_away(c, "member.revoke", space, key, true, 0, author);
}
