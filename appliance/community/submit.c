/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What people do here: drafts become ops, checked as any box will check them, and written. */
#include "appliance/community/community_priv.h"

struct writing {
	struct conn *c;
	const struct draft *d;
	const struct op_type *type;
	struct space *space;
	struct hash rules; /* the head of the rules that it will name */
	bool before; /* it names those of before, which permit it: see see_before */
	struct arena arena;
	struct op op;
	json_t *body;
	char *text;
	size_t text_n;
	bool whole; /* the payload is sealed */
	struct space_key key;
	struct buf sealed;
};

static void writing_release(struct writing *w)
{
	arena_release(&w->arena);
	json_decref(w->body);
	free(w->text);
	buf_release(&w->sealed);
}

static json_t *ids_json(const struct hash *ids, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(ID(&ids[i])));
	return list;
}

/* --- what it has seen --- */
/* Of the object: its heads; when they are more than an op may name, the newest. */
static struct error *see_object(struct writing *w, struct hash *seen, size_t *ret_n)
{
	struct object o;
	size_t n;

	TRY(object_find(w->c, w->d->object, w->space->num, &o));
	ENSURE(o.num && (o.flags & OBJECT_MADE),
	       error_new(ERR_NOT_FOUND, N_("What this is about is not here (any more).")));
	n = o.nheads > MAX_HEADS ? MAX_HEADS : o.nheads;
	*ret_n = n < LIMIT_SEEN ? n : LIMIT_SEEN;
	memcpy(seen, o.heads + (n - *ret_n), *ret_n * sizeof(*seen));
	return NULL;
}

/* Of the rules: their heads, and some ancestors that lie in other logs. */
static size_t see_rules(const struct space *s, struct hash *seen)
{
	enum { ANCHORS = 4 };
	size_t n = rules_heads(s->rules, seen, LIMIT_SEEN - ANCHORS);

	n = n < LIMIT_SEEN - ANCHORS ? n : LIMIT_SEEN - ANCHORS;
	return n + rules_anchors(s->rules, seen, n, seen + n, ANCHORS);
}

/* --- what it takes away --- */
/* Does it leave a person or an appliance less than they have now? */
static bool takes_away(const struct writing *w, struct pubkey *ret_key, bool *ret_person)
{
	const struct rules *rules = w->space->rules;
	const char *key = json_string_value(json_object_get(w->body, "key"));
	const char *role = json_string_value(json_object_get(w->body, "role"));
	const char *mode = json_string_value(json_object_get(w->body, "mode"));
	struct rules_appliance now;
	uint32_t at;
	enum role then;

	*ret_person = role != NULL;
	if (!key || !id_parse(key, ret_key->b))
		return false;
	if (role)
		return role_parse(role, &then) &&
		       then < state_role(rules, rules_now(w->space->rules), ret_key);
	at = rules_key(rules, ret_key);
	return mode && at != RULES_NONE && rules_appliance_now(w->space->rules, at, &now) &&
	       ((now.mode == MODE_WRITE && strcmp(mode, "write") != 0) ||
		(now.keeper && !json_is_true(json_object_get(w->body, "keeper"))));
}

/* What had effect by what is taken stays as far as it is known here. Without a cut whoever knows nothing of
 * this op, or says so, would keep what it takes for ever. */
static struct error *add_cut(struct writing *w)
{
	struct pubkey key;
	json_t *cut;
	bool person;

	if (!(w->type->flags & OP_ON_RULES) || json_object_get(w->body, "cut") ||
	    !takes_away(w, &key, &person))
		return NULL;
	TRY(cut_json(w->c, &w->d->space, &key, person, 0, &cut));
	json_object_set_new(w->body, "cut", cut);
	return NULL;
}

/* An op whose cut lies before what is here, and which is to undo that, too, does not build on it. */
static size_t see_before(struct writing *w, struct hash *seen)
{
	struct op op = {.space = w->d->space,
			.object = w->d->space,
			.type = w->type,
			.author = w->d->author ? *secret_pubkey(w->d->author)
					       : w->c->community->self,
			.appliance = w->c->community->self,
			.by_appliance = !w->d->author,
			.body = w->body};
	size_t n = 0;

	if (json_object_get(w->body, "cut"))
		n = rules_heads_before(w->space->rules, &op, seen, LIMIT_SEEN);
	w->before = n > 0;
	if (n)
		w->rules = seen[0];
	return n;
}

/* --- writing --- */
static struct error *to_text(struct writing *w)
{
	free(w->text);
	w->text = json_dumps(w->body, JSON_COMPACT);
	ENSURE(w->text, error_new(ERR_INVALID, N_("The text is not valid UTF-8.")));
	w->text_n = strlen(w->text);
	ENSURE(w->text_n <= LIMIT_PAYLOAD,
	       error_new(ERR_LIMIT, N_("This is too long for one entry. Attach it as a file.")));
	return NULL;
}

static void add_word(struct writing *w, const struct rules_words *words, const char *field)
{
	char text[1001];

	if (json_object_get(w->body, field))
		return;
	word_open(w->c, w->space, words, field, "", text, sizeof(text));
	if (*text)
		json_object_set_new(w->body, field, json_string(text));
}

/* Who can't open the words of a space can't tell which they are: each time all are said. */
static void say_all_words(struct writing *w)
{
	struct rules_space about;

	if (!rules_private(w->space->rules) || !rules_about(w->space->rules, &about) ||
	    (!json_object_get(w->body, "name") && !json_object_get(w->body, "about")))
		return;
	add_word(w, &about.name, "name");
	add_word(w, &about.about, "about");
}

static struct error *fill_in(struct writing *w)
{
	struct hash seen[LIMIT_SEEN];
	size_t n = 0;

	json_object_set_new(w->body, "type", json_string(w->type->name));
	if (w->type->flags & OP_ON_RULES) {
		TRY(add_cut(w));
		n = see_before(w, seen);
		if (!n)
			n = see_rules(w->space, seen);
		json_object_set_new(w->body, "object", json_string(ID(&w->d->space)));
		if (strcmp(w->type->name, "space.set") == 0)
			say_all_words(w);
	} else if (!(w->type->flags & OP_CREATES)) {
		ENSURE(w->d->object, error_new(ERR_INVALID, N_("What is this about?")));
		TRY(see_object(w, seen, &n));
		json_object_set_new(w->body, "object", json_string(ID(w->d->object)));
	}
	if (n)
		json_object_set_new(w->body, "seen", ids_json(seen, n));
	return to_text(w);
}

/* --- sealing --- */
static bool has_words(const struct writing *w)
{
	for (const struct op_field *f = w->type->fields; f && f->name; f++)
		if (f->word && json_object_get(w->body, f->name))
			return true;
	return false;
}

static struct error *find_key(struct writing *w)
{
	struct hash name;
	uint16_t epoch;

	/* The key of now may be one that went with them: another would be given to who was removed. */
	ENSURE(!w->space->lacking,
	       error_new(ERR_NOT_ADMITTED,
			 N_("A part of the rules of this private space is damaged on this box's "
			    "disk. Nothing can be written in it until that has come again from "
			    "another box.")));
	ENSURE(rules_key_now(w->space->rules, &name, &epoch) &&
		       keyring_find(&w->space->ring, &name, &w->key),
	       error_new(ERR_NOT_ADMITTED, N_("This box was not given the newest key of this "
					      "private space yet. It comes"
					      " with the next exchange with a box that has it.")));
	return NULL;
}

static struct seal_for sealed_for(const struct writing *w, const char *type)
{
	return (struct seal_for){.space = w->d->space, .author = w->op.author, .type = type};
}

/* What an op that stays in clear says in words goes into its member `sealed`. */
static struct error *seal_words(struct writing *w)
{
	_cleanup_(freep) char *text = NULL, *letters = NULL;
	const struct seal_for f = sealed_for(w, w->type->name);
	json_t *words = json_object();

	for (const struct op_field *field = w->type->fields; field->name; field++) {
		json_t *v = field->word ? json_object_get(w->body, field->name) : NULL;

		if (v) {
			json_object_set(words, field->name, v);
			json_object_del(w->body, field->name);
		}
	}
	text = json_dumps(words, JSON_COMPACT);
	json_decref(words);
	ENSURE(text && strlen(text) <= SEALED_LONGEST / 2,
	       error_new(ERR_LIMIT, N_("This is too long for one entry. Attach it as a file.")));
	seal_text(&w->key, &f, span_str(text), &w->sealed);
	letters = malloc(BASE32_LEN(w->sealed.n) + 1);
	if (!letters)
		abort();
	base32_encode(w->sealed.p, w->sealed.n, letters);
	json_object_set_new(w->body, "sealed", json_string(letters));
	buf_clear(&w->sealed);
	return to_text(w);
}

static struct error *seal_payload(struct writing *w)
{
	const struct seal_for f = sealed_for(w, NULL);

	ENSURE(w->text_n <= SEALED_LONGEST,
	       error_new(ERR_LIMIT, N_("This is too long for one entry. Attach it as a file.")));
	seal_text(&w->key, &f, span_of(w->text, w->text_n), &w->sealed);
	w->whole = true;
	return NULL;
}

static struct error *seal_in_private(struct writing *w)
{
	bool clear = w->type->flags & (OP_ON_RULES | OP_CLEAR) || w->type == erase_types;

	if (!rules_private(w->space->rules) || (clear && !has_words(w)))
		return NULL;
	TRY(find_key(w));
	return clear ? seal_words(w) : seal_payload(w);
}

/* The rules see what every box sees: in a private space no words. */
static struct error *check_rules(struct writing *w)
{
	struct op op = w->op;
	json_t *clear = json_copy(w->body);
	struct error *err;

	op.body = clear;
	for (const struct op_field *f = w->type->fields; f->name; f++)
		if (f->word && rules_private(w->space->rules))
			json_object_del(clear, f->name);
	err = rules_check(w->space->rules, &op, &w->c->community->self);
	json_decref(clear);
	return err;
}

static struct error *check_author(struct writing *w)
{
	const struct rules_state *now = rules_now(w->space->rules);
	const struct pubkey *self = &w->c->community->self;

	/* (it may undo that this box, or its author, was thrown out) */
	if (w->before)
		return NULL;
	ENSURE(state_writes(w->space->rules, now, self),
	       error_new(ERR_NOT_ADMITTED,
			 N_("This box may only read this space. Ask a steward to admit it.")));
	w->op.role = w->op.by_appliance ? ROLE_APPLIANCE
					: state_role(w->space->rules, now, &w->op.author);
	if (w->type->flags & OP_ON_RULES)
		return check_rules(w);
	ENSURE(op_allowed(&w->op),
	       error_new(ERR_DENIED, N_("Your role in this space does not allow that.")));
	return NULL;
}

static struct error *check_feature(struct writing *w)
{
	struct fold f = {.conn = w->c,
			 .space = w->d->space,
			 .object = w->op.object,
			 .arena = &w->arena,
			 .live = true};

	return w->type->check ? w->type->check(&f, &w->op) : NULL;
}

static struct error *check_draft(struct writing *w)
{
	json_t *parsed = NULL;
	struct error *err;

	TRY(op_parse(w->c->community->table, span_of(w->text, w->text_n), &w->op, &parsed));
	w->op.space = w->d->space;
	w->op.by_appliance = !w->d->author;
	w->op.author = w->d->author ? *secret_pubkey(w->d->author) : w->c->community->self;
	w->op.appliance = w->c->community->self;
	w->op.time = w->d->time ? w->d->time : env_now(w->c->env);
	w->op.rules = w->rules;
	w->op.sealed = false;
	err = check_author(w);
	if (!err)
		err = check_feature(w);
	json_decref(parsed);
	w->op.body = NULL;
	return err;
}

static struct error *append(struct writing *w, struct hash *ret_id)
{
	struct hash id;

	TRY(log_append(w->c->log,
		       &(struct log_append){.space = &w->d->space,
					    .author = w->d->author,
					    .appliance = w->c->community->appliance,
					    .rules = w->rules,
					    .time = w->op.time,
					    .sealed = w->whole,
					    .epoch = w->key.epoch,
					    .payload = w->whole ? buf_span(&w->sealed)
								: span_of(w->text, w->text_n)},
		       &id));
	TRY(catch_up_own(w->c));
	*ret_id = id;
	return NULL;
}

static struct error *write_one(struct conn *c, const struct draft *d, json_t *take_body,
			       struct hash *ret_id)
{
	_cleanup_(writing_release) struct writing w = {.c = c, .d = d, .body = take_body};

	w.type = op_type_find(c->community->table, d->type);
	w.space = space_of(c, &d->space);
	ENSURE(w.type && w.type != &rules_types[0],
	       error_new(ERR_INTERNAL, N_("There is no operation of that type.")));
	ENSURE(w.space && rules_heads(w.space->rules, &w.rules, 1) > 0,
	       error_new(ERR_NOT_FOUND, N_("This box does not carry that space.")));
	ENSURE(c->community->appliance, error_new(ERR_INTERNAL, N_("Only the writer may write.")));
	TRY(fill_in(&w));
	TRY(check_draft(&w));
	TRY(seal_in_private(&w));
	return append(&w, ret_id);
}

/* One head of the rules is named by an op: several are joined first. */
static struct error *join_rules(struct conn *c, const struct hash *space)
{
	struct space *s;
	struct hash head, id;

	/* Each joins twelve: the end is reached, however many there are. */
	while ((s = space_of(c, space)) && rules_heads(s->rules, &head, 1) > 1)
		TRY(write_one(c, &(struct draft){.type = "rules.join", .space = *space},
			      json_object(), &id));
	return NULL;
}

struct error *write_op(struct conn *c, const struct draft *d, json_t *take_body,
		       struct hash *ret_id)
{
	struct error *err = join_rules(c, &d->space);

	/* What undoes that this box was thrown out can't join them, and need not. */
	if (error_is(err, ERR_NOT_ADMITTED) && json_object_get(take_body, "cut"))
		error_replace(&err, NULL);
	if (err) {
		json_decref(take_body);
		return err;
	}
	return write_one(c, d, take_body ? take_body : json_object(), ret_id);
}

struct error *community_submit(struct conn *c, struct draft *d, struct hash *ret_id)
{
	const struct op_type *type = op_type_find(c->community->table, d->type);
	json_t *body = STEAL(d->take_body);
	struct error *err = catch_up_own(c);
	struct space *s;
	struct hash id;

	/* What the author saw, and what may be done, is all that is here. */
	if (!err && d->object)
		err = object_freshen(c, &d->space, d->object);

	if (err) {
		json_decref(body);
		return err;
	}
	TRY(write_op(c, d, body, &id));
	s = space_of(c, &d->space);
	/* Who may read changed, perhaps: the keys follow in the same transaction. */
	if (type->flags & OP_ON_RULES && s)
		TRY(keys_settle(c, s, d->author));
	*ret_id = id;
	return NULL;
}

/* --- founding --- */
static struct error *found(struct conn *c, json_t *take_body, const struct secret *steward,
			   struct hash *ret_space)
{
	_cleanup_(writing_release) struct writing w = {.c = c, .body = take_body};
	json_t *parsed = NULL;

	ENSURE(w.body, error_new(ERR_INVALID, N_("The text is not valid UTF-8.")));
	TRY(to_text(&w));
	TRY(op_parse(c->community->table, span_of(w.text, w.text_n), &w.op, &parsed));
	json_decref(parsed);
	TRY(log_append(c->log,
		       &(struct log_append){.author = steward,
					    .appliance = c->community->appliance,
					    .time = env_now(c->env),
					    .payload = span_of(w.text, w.text_n)},
		       ret_space));
	return catch_up_own(c);
}

struct error *community_found(struct conn *c, const char *name, const struct secret *steward,
			      const char *steward_name, struct hash *ret_space)
{
	const char *box = *c->community->name ? c->community->name : name;

	return found(c,
		     json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}}", "type", "space.found",
			       "name", name, "steward", "key", ID(secret_pubkey(steward)), "name",
			       steward_name, "appliance", "key", ID(&c->community->self), "name",
			       box),
		     steward, ret_space);
}

/* Its words come behind its first key: the founding op has none. */
static struct error *say_words(struct conn *c, const struct hash *space, const char *name,
			       const struct secret *steward, const char *steward_name)
{
	const char *box = *c->community->name ? c->community->name : name;
	struct draft d = {.space = *space, .author = steward, .type = "space.set"};
	struct hash id;

	d.take_body = json_pack("{s:s}", "name", name);
	TRY(community_submit(c, &d, &id));
	d.type = "member.add";
	d.take_body = json_pack("{s:s, s:s, s:s, s:s}", "key", ID(secret_pubkey(steward)), "name",
				steward_name, "role", role_name(ROLE_STEWARD), "home",
				ID(&c->community->self));
	TRY(community_submit(c, &d, &id));
	d.type = "appliance.admit";
	d.take_body = json_pack("{s:s, s:s, s:s, s:b}", "key", ID(&c->community->self), "name", box,
				"mode", "write", "keeper", true);
	return community_submit(c, &d, &id);
}

struct error *community_found_private(struct conn *c, const char *name,
				      const struct secret *steward, const char *steward_name,
				      struct hash *ret_space)
{
	struct hash space;

	TRY(found(c,
		  json_pack("{s:s, s:b, s:{s:s}, s:{s:s}}", "type", "space.found", "private", true,
			    "steward", "key", ID(secret_pubkey(steward)), "appliance", "key",
			    ID(&c->community->self)),
		  steward, &space));
	TRY(keys_settle(c, space_of(c, &space), steward));
	TRY(say_words(c, &space, name, steward, steward_name));
	*ret_space = space;
	return NULL;
}

/* --- erasing --- */
static struct error *find_target(struct conn *c, const struct hash *space,
				 const struct hash *target, struct op_rec *ret,
				 struct object *ret_object)
{
	const struct space *s = space_of(c, space);

	TRY(rec_find(c, target, ret));
	ENSURE(s && ret->num && ret->space == s->num && ret->object,
	       error_new(ERR_NOT_FOUND, N_("There is nothing here with this address.")));
	ENSURE(ret->kind != OP_GONE, error_new(ERR_GONE, N_("It was erased already.")));
	ENSURE(ret->kind == OP_CONTENT,
	       error_new(ERR_DENIED, N_("That can't be erased: others build on it.")));
	return object_by_num(c, ret->object, ret_object);
}

static bool may_erase_now(struct conn *c, const struct hash *space, const struct secret *author,
			  const struct op_rec *target)
{
	struct rules *r = space_of(c, space)->rules;
	const struct pubkey *key = author ? secret_pubkey(author) : &c->community->self;

	if (pubkey_eq(key, memory_key_of(c, target->author)) && target->by_appliance == !author)
		return true;
	return author && state_role(r, rules_now(r), key) >= ROLE_MODERATOR;
}

struct error *community_erase(struct conn *c, const struct hash *space, const struct hash *target,
			      const struct secret *author, json_t *take_keep)
{
	struct op_rec r;
	struct object o;
	enum op_kind kind;
	json_t *was = NULL, *body;
	struct op op;
	struct hash id;
	struct error *err = catch_up_own(c);

	if (!err)
		err = find_target(c, space, target, &r, &o);
	if (!err && !may_erase_now(c, space, author, &r))
		err = error_new(ERR_DENIED, N_("Only who wrote it and moderators may erase it."));
	if (!err)
		err = rec_parse(c, &r, &op, &was, &kind);
	if (err) {
		json_decref(take_keep);
		return err;
	}
	body = json_pack("{s:s, s:o, s:o?}", "target", ID(target), "after",
			 ids_json(r.seen, r.nseen), "keep", take_keep);
	if (was)
		json_object_set(body, "was", json_object_get(was, "type"));
	json_decref(was);
	return community_submit(c,
				&(struct draft){.type = "erase",
						.space = *space,
						.object = &o.id,
						.author = author,
						.take_body = body},
				&id);
}
