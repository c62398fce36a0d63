/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What people and boxes of the simulations do. Included once in a program. */
#pragma once
#include "tests/appliance/community/sim.h"

static bool sim_is_known(struct sim *s, const struct sim_op *op)
{
	struct hash object, space;
	struct error *err = object_of_op(s->box[s->acting].c, &op->id, &object, &space);

	error_free(err);
	return !err;
}

struct sim_op *sim_any(struct sim *s, enum sim_kind kind)
{
	int from = s->ops_n ? (int)sim_below(s, (uint64_t)s->ops_n) : 0;
	struct sim_op *found = NULL;

	for (int i = 0; i < s->ops_n; i++) {
		struct sim_op *op = &s->ops[(from + i) % s->ops_n];

		if (op->kind != kind || !hash_eq(&op->space, &s->space))
			continue;
		found = op;
		if (sim_is_known(s, op) || sim_chance(s, 5))
			break;
	}
	return found;
}

int64_t sim_odd_time(struct sim *s)
{
	static const int64_t odd[] = {0, 1000, 2147483647000, 4294967295000, -62135596800000};
	const int64_t year = 365LL * 86400 * 1000;
	int64_t t = 1764000000000 + (int64_t)sim_below(s, 100 * (uint64_t)year) - 50 * year;

	return sim_chance(s, 20) ? odd[sim_below(s, ARRAY_LEN(odd))] : t;
}

/* The disk's errors, and whether there is a disk that may have any. */
static bool sim_disk_failed(struct sim *s, int box, struct error *err)
{
	if (!s->disk_failed || !err ||
	    !(error_is(err, ERR_IO) || error_is(err, ERR_FULL) || error_is(err, ERR_DB) ||
	      error_is(err, ERR_CORRUPT)))
		return false;
	s->disk_failed(s, box, err);
	return true;
}

static void sim_note(struct sim *s, enum sim_kind kind, const struct hash *id,
		     const struct hash *object)
{
	if (s->ops_n < SIM_IDS)
		s->ops[s->ops_n++] =
			(struct sim_op){.id = *id,
					.object = object ? *object : *id,
					.kind = kind,
					.box = s->acting,
					.space = s->space};
}

/* The same, of one whose text has the number of this step in it. */
static void sim_note_word(struct sim *s, enum sim_kind kind, const struct hash *id,
			  const struct hash *object)
{
	sim_note(s, kind, id, object);
	s->ops[s->ops_n - 1].word = hash_eq(&s->ops[s->ops_n - 1].id, id) ? s->step : 0;
}

static const struct secret *sim_person(struct sim *s)
{
	/* The first are stewards, at first; the last belong to nobody. */
	return s->people[sim_chance(s, 75) ? sim_below(s, 4) : sim_below(s, SIM_PEOPLE)];
}

/* Refusals are part of life. */
bool sim_submit(struct sim *s, int box, const char *type, const struct hash *object,
		       const struct secret *author, json_t *body, struct hash *ret)
{
	struct error *err;

	s->acting = box;
	err = box_submit(&s->box[box], &s->space, type, object, author, body, ret);

	if (sim_disk_failed(s, box, err))
		return false;
	if (!err && !object && strncmp(type, "member.", 7) == 0)
		sim_note(s, SIM_RULES, ret, &s->space);
	sim_say(s, "box %d %s %s by %s: %s", box, type, object ? ID_SHORT(object) : "-",
		author ? ID_SHORT(secret_pubkey(author)) : "itself",
		err ? error_english(err) : ID_SHORT(ret));
	if (error_is(err, ERR_DB) || error_is(err, ERR_INTERNAL) || error_is(err, ERR_IO) ||
	    error_is(err, ERR_CORRUPT) || error_is(err, ERR_MALFORMED))
		sim_die(s, type, err, __FILE__, __LINE__);
	error_free(err);
	return !err;
}

static json_t *by_guest(struct sim *s, const struct secret *author, json_t *body)
{
	if (!author)
		json_object_set_new(body, "by",
				    json_pack("{s:s,s:s}", "name", "Anna", "kind", "guest"));
	return body;
}

void sim_write_topic(struct sim *s, int box)
{
	const struct secret *author = sim_chance(s, 80) ? sim_person(s) : NULL;
	struct sim_op *forum = sim_any(s, SIM_FORUM);
	char text[32];
	struct hash id;

	if (!forum)
		return;
	snprintf(text, sizeof(text), SIM_CANARY " %06d", s->step);
	if (sim_submit(s, box, "topic.create", NULL, author,
		       by_guest(s, author,
				json_pack("{s:s,s:s,s:s}", "forum", ID(&forum->id), "title", "T",
					  "text", text)),
		       &id)) {
		sim_note(s, SIM_TOPIC, &id, NULL);
		sim_note_word(s, SIM_POST, &id, &id);
	}
}

void sim_write_post(struct sim *s, int box)
{
	const struct secret *author = sim_chance(s, 80) ? sim_person(s) : NULL;
	struct sim_op *topic = sim_any(s, SIM_TOPIC);
	char text[32];
	struct hash id;

	snprintf(text, sizeof(text), SIM_CANARY " %06d", s->step);
	if (topic && sim_submit(s, box, "post.create", &topic->id, author,
				by_guest(s, author, json_pack("{s:s}", "text", text)), &id))
		sim_note_word(s, SIM_POST, &id, &topic->id);
}

static void change_post(struct sim *s, int box)
{
	struct sim_op *post = sim_any(s, SIM_POST);
	const struct secret *who = sim_person(s);
	char text[32];
	struct hash id;

	if (!post)
		return;
	snprintf(text, sizeof(text), SIM_CANARY " %06d", s->step);
	if (sim_chance(s, 60)) {
		if (sim_submit(s, box, "post.edit", &post->object, who,
			       json_pack("{s:s,s:s}", "post", ID(&post->id), "text", text), &id))
			sim_note_word(s, SIM_OTHER, &id, &post->object);
	} else if (sim_submit(s, box, "post.hide", &post->object, who,
			      json_pack("{s:s,s:b}", "post", ID(&post->id), "hidden",
					(int)sim_below(s, 2)),
			      &id)) {
		sim_note(s, SIM_OTHER, &id, &post->object);
	}
}

static void change_topic(struct sim *s, int box)
{
	struct sim_op *topic = sim_any(s, SIM_TOPIC);
	char title[32];
	struct hash id;

	snprintf(title, sizeof(title), SIM_CANARY " title %d", s->step);
	if (topic &&
	    sim_submit(s, box, "topic.set", &topic->id, sim_person(s),
		       json_pack("{s:s,s:b}", "title", title, "closed", (int)sim_below(s, 3) == 0),
		       &id))
		sim_note(s, SIM_OTHER, &id, &topic->id);
}

static void write_doc(struct sim *s, int box)
{
	struct sim_op *doc = sim_chance(s, 70) ? sim_any(s, SIM_DOC) : NULL;
	char text[32];
	struct hash id;

	snprintf(text, sizeof(text), "page%d", s->step);
	if (!doc) {
		if (sim_submit(
			    s, box, "doc.create", NULL, sim_person(s),
			    json_pack("{s:s,s:s,s:s}", "path", text, "title", text, "text", text),
			    &id))
			sim_note(s, SIM_DOC, &id, NULL);
		return;
	}
	if (sim_submit(s, box, "doc.revise", &doc->id, sim_person(s),
		       json_pack("{s:[s],s:s}", "parents", ID(&doc->id), "text", text), &id))
		sim_note(s, SIM_OTHER, &id, &doc->id);
}

/* A topic is a post, too. */
static void sim_erasing(struct sim *s, const struct hash *id)
{
	for (int i = 0; i < s->ops_n; i++)
		s->ops[i].erasing |= hash_eq(&s->ops[i].id, id);
}

static void erase_by(struct sim *s, int box, const struct secret *who)
{
	struct sim_op *op = sim_any(s, sim_chance(s, 80) ? SIM_POST : SIM_OTHER);
	struct error *err;

	if (!op)
		return;
	sim_erasing(s, &op->id);
	err = box_erase(&s->box[box], &s->space, &op->id, who);
	if (sim_disk_failed(s, box, err))
		return;
	sim_say(s, "box %d erases %s by %s: %s", box, ID_SHORT(&op->id),
		who ? ID_SHORT(secret_pubkey(who)) : "itself", err ? error_english(err) : "done");
	if (error_is(err, ERR_DB) || error_is(err, ERR_INTERNAL))
		sim_die(s, "erase", err, __FILE__, __LINE__);
	error_free(err);
}

void sim_write_forum(struct sim *s, int box)
{
	char slug[32];
	struct hash id;

	snprintf(slug, sizeof(slug), "forum-%d", s->step);
	if (sim_submit(s, box, "forum.create", NULL, s->people[0],
		       json_pack("{s:s,s:s}", "slug", slug, "title", slug), &id))
		sim_note(s, SIM_FORUM, &id, NULL);
}

static void erase_something(struct sim *s, int box)
{
	erase_by(s, box, sim_chance(s, 85) ? sim_person(s) : NULL);
}

void sim_erase(struct sim *s, int box)
{
	erase_by(s, box, s->people[0]);
}

void sim_write(struct sim *s, int box)
{
	uint64_t what = sim_below(s, 100);

	if (what < 5)
		sim_write_forum(s, box);
	else if (what < 17) {
		sim_write_topic(s, box);
	} else if (what < 60) {
		sim_write_post(s, box);
	} else if (what < 72) {
		change_post(s, box);
	} else if (what < 78) {
		change_topic(s, box);
	} else if (what < 90) {
		write_doc(s, box);
	} else {
		erase_something(s, box);
	}
}

/* --- rules --- */
static json_t *sim_cut(struct sim *s, int box)
{
	struct logs_of logs = {.n = 0};
	json_t *cut = json_array();
	bool backdated = sim_chance(s, 40);

	NEED(s, log_each(s->box[box].c->log, &s->space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++) {
		uint64_t seq = backdated ? sim_below(s, logs.info[i].live + 1) : logs.info[i].live;
		char incarnation[17];

		snprintf(incarnation, sizeof(incarnation), "%016llx",
			 (unsigned long long)logs.info[i].id.incarnation);
		json_array_append_new(cut, json_pack("{s:s,s:s,s:I}", "appliance",
						     ID(&logs.info[i].id.appliance), "incarnation",
						     incarnation, "seq", (json_int_t)seq));
	}
	return cut;
}

static const char *sim_role(struct sim *s)
{
	return role_name((enum role)(ROLE_NEW + (int)sim_below(s, 4)));
}

static const char *sim_mode(struct sim *s)
{
	uint64_t what = sim_below(s, 100);

	return what < 75 || (what < 90 && !s->is_private) ? "write" : what < 90 ? "carry" : "read";
}

static struct error *rotate(struct conn *c, const struct hash *space, const struct secret *who)
{
	struct error *err;

	TRY(conn_begin(c));
	err = conn_savepoint(c);
	if (!err) {
		err = community_rotate(c, space, who);
		if (err)
			conn_undo(c);
		else
			err = conn_release(c);
	}
	if (!err)
		err = conn_commit(c);
	if (err)
		conn_rollback(c);
	return err;
}

static void sim_rotate(struct sim *s, int box, const struct secret *who)
{
	struct box *b = &s->box[box];
	struct error *err;

	err = rotate(b->c, &s->space, who);
	if (sim_disk_failed(s, box, err))
		return;
	sim_say(s, "box %d rotates: %s", box, err ? error_english(err) : "done");
	if (error_is(err, ERR_DB) || error_is(err, ERR_INTERNAL))
		sim_die(s, "rotate", err, __FILE__, __LINE__);
	error_free(err);
}

static bool is_box(struct sim *s, int box, const struct pubkey *key)
{
	return box >= 0 && pubkey_eq(key, secret_pubkey(s->box[box].key));
}

void sim_govern(struct sim *s, int box)
{
	const struct pubkey *whom = secret_pubkey(sim_person(s));
	const struct pubkey *other = secret_pubkey(s->box[sim_below(s, (uint64_t)s->n)].key);
	const struct secret *who = sim_chance(s, 60) ? s->people[sim_below(s, 2)] : sim_person(s);
	uint64_t what = sim_below(s, 100);
	struct hash id;

	if (what < 30) {
		if (sim_chance(s, 20))
			who = NULL;
		sim_submit(s, box, "member.add", NULL, who,
			   json_pack("{s:s,s:s,s:s,s:s}", "key", ID(whom), "name", ID_SHORT(whom),
				     "role", who ? sim_role(s) : "member", "home",
				     ID(secret_pubkey(s->box[box].key))),
			   &id);
	} else if (what < 50) {
		sim_submit(s, box, "member.role", NULL, who,
			   json_pack("{s:s,s:s}", "key", ID(whom), "role", sim_role(s)), &id);
	} else if (what < 58) {
		sim_submit(s, box, "member.revoke", NULL, who,
			   json_pack("{s:s,s:o}", "key", ID(whom), "cut", sim_cut(s, box)), &id);
	} else if (s->is_private && what < 62) {
		sim_rotate(s, box, sim_chance(s, 50) ? who : NULL);
	} else if (what < 85) {
		if (is_box(s, s->carrier, other) || is_box(s, s->stays, other))
			return;
		if (sim_chance(s, 30))
			who = NULL;
		sim_submit(s, box, "appliance.admit", NULL, who,
			   json_pack("{s:s,s:s,s:s,s:b}", "key", ID(other), "name", "box", "mode",
				     sim_mode(s), "keeper", who && sim_chance(s, 50)),
			   &id);
	} else if (what < 91) {
		if (is_box(s, s->stays, other))
			return;
		sim_submit(s, box, "appliance.revoke", NULL, who,
			   json_pack("{s:s,s:o}", "key", ID(other), "cut", sim_cut(s, box)), &id);
	} else {
		char name[32];

		snprintf(name, sizeof(name), SIM_CANARY " %d", s->step);
		sim_submit(s, box, "space.set", NULL, who, json_pack("{s:s}", "name", name), &id);
	}
}

/* --- what an honest box never writes --- */
static json_t *sim_odd_ids(struct sim *s)
{
	json_t *list = json_array();

	for (uint64_t n = sim_below(s, 5); n > 0 && s->ops_n; n--) {
		struct hash id = s->ops[sim_below(s, (uint64_t)s->ops_n)].id;

		if (sim_chance(s, 15))
			id.b[0] ^= 1;
		json_array_append_new(list, json_string(ID(&id)));
	}
	return list;
}

/* Rules that somebody changes who may not any more, or who takes from others what he likes. */
static json_t *sim_odd_rules(struct sim *s, int box)
{
	const struct pubkey *whom = secret_pubkey(sim_person(s));
	const struct pubkey *other = secret_pubkey(s->box[sim_below(s, (uint64_t)s->n)].key);
	json_t *body;

	if (is_box(s, s->carrier, other) || is_box(s, s->stays, other))
		other = whom; /* nobody's box */
	switch (sim_below(s, 5)) {
	case 0:
		body = json_pack("{s:s,s:s,s:s}", "type", "member.add", "key", ID(whom), "role",
				 sim_role(s));
		if (!s->is_private)
			json_object_set_new(body, "name", json_string("odd"));
		break;
	case 1:
		body = json_pack("{s:s,s:s,s:s}", "type", "member.role", "key", ID(whom), "role",
				 sim_role(s));
		break;
	case 2:
		body = json_pack("{s:s,s:s,s:s}", "type", "appliance.admit", "key", ID(other),
				 "mode", sim_mode(s));
		if (!s->is_private)
			json_object_set_new(body, "name", json_string("odd"));
		break;
	case 3:
		body = json_pack("{s:s,s:s}", "type", "member.revoke", "key", ID(whom));
		break;
	default:
		body = json_pack("{s:s,s:s}", "type", "appliance.revoke", "key", ID(other));
	}
	if (strstr(json_string_value(json_object_get(body, "type")), "revoke") || sim_chance(s, 50))
		json_object_set_new(body, "cut",
				    sim_chance(s, 70) ? sim_cut(s, box) : json_array());
	json_object_set_new(body, "object", json_string(ID(&s->space)));
	if (sim_chance(s, 50))
		json_object_set_new(body, "seen", sim_odd_ids(s));
	return body;
}

static json_t *sim_odd_body(struct sim *s, int box)
{
	struct sim_op *topic = sim_any(s, SIM_TOPIC), *post = sim_any(s, SIM_POST);
	const struct pubkey *self = secret_pubkey(sim_person(s));

	if (sim_chance(s, 35))
		return sim_odd_rules(s, box);
	switch (topic && post ? sim_below(s, 9) : 2 + sim_below(s, 3)) {
	case 0:
		return json_pack("{s:s,s:s,s:s,s:o}", "type", "post.create", "object",
				 ID(&topic->id), "text", "odd", "seen", sim_odd_ids(s));
	case 1:
		return json_pack("{s:s,s:s,s:o}", "type", "from.the.future", "object",
				 ID(&topic->id), "seen", sim_odd_ids(s));
	case 2:
		return json_pack("{s:s,s:s,s:s,s:s}", "type", "member.role", "object",
				 ID(&s->space), "key", ID(self), "role", "steward");
	case 3:
		return json_pack("{s:s,s:s,s:o}", "type", "rules.of.the.future", "object",
				 ID(&s->space), "seen", sim_odd_ids(s));
	case 4:
		return json_pack("{s:s,s:s}", "type", "post.create", "text", "about nothing");
	case 5:
		sim_erasing(s, &post->id);
		return json_pack("{s:s,s:s,s:o,s:s,s:o}", "type", "erase", "object", ID(&topic->id),
				 "seen", sim_odd_ids(s), "target", ID(&post->id), "after",
				 sim_odd_ids(s));
	case 6:
		return json_pack("{s:s,s:s,s:s,s:b,s:o}", "type", "post.hide", "object",
				 ID(&topic->id), "post", ID(&post->id), "hidden", 1, "seen",
				 sim_odd_ids(s));
	case 7:
		return json_pack("{s:s,s:s,s:s,s:s}", "type", "member.add", "object", ID(&s->space),
				 "key", ID(self), "name", "me");
	default:
		return json_pack("{s:s,s:s,s:s,s:s,s:o}", "type", "post.edit", "object",
				 ID(&topic->id), "post", ID(&post->id), "text", "odd", "seen",
				 sim_odd_ids(s));
	}
}

static struct error *append_odd(struct box *b, const struct log_append *a, struct hash *ret)
{
	bool more;

	TRY(conn_begin(b->c));
	TRY(log_append(b->c->log, a, ret));
	TRY(community_catch_up(b->c, 0, &more));
	return conn_commit(b->c);
}

void sim_misbehave(struct sim *s, int box)
{
	struct box *b = &s->box[box];
	struct log_append a = {.space = &s->space,
			       .author = sim_chance(s, 70) ? sim_person(s) : NULL,
			       .appliance = b->key,
			       .time = env_now(&b->env.env) - (int64_t)sim_below(s, 1000000),
			       .rules = s->space};
	json_t *body = sim_odd_body(s, box);
	char *text = json_dumps(body, JSON_COMPACT);
	struct log_counts counts;
	struct sim_op *rules = sim_any(s, SIM_RULES);
	struct error *err;
	struct hash id;

	NEED(s, log_count(b->c->log, &s->space, &counts));
	a.payload = span_str(text);
	if (sim_chance(s, 20))
		a.payload.n -= 1;
	if (rules && sim_chance(s, 50))
		a.rules = rules->id;
	if (sim_chance(s, 10))
		a.rules.b[5] ^= 1;
	if (counts.entries) {
		err = append_odd(b, &a, &id);
		if (!sim_disk_failed(s, box, err)) {
			NEED(s, err);
			sim_say(s, "box %d writes oddly %s: %s", box, ID_SHORT(&id), text);
		}
	}
	free(text);
	json_decref(body);
}
