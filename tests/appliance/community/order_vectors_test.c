/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * tests/vectors/order.json: small histories of one space, entry by entry, and what every box must
 * show of them (PROTOCOL.md 4.1 to 4.3). Each is taken in several orders. `--write` makes the file
 * anew.
 */
#include "tests/appliance/community/town.h"
#include "appliance/community/community_priv.h"
#include "sync/base/file.h"

#define VECTORS "tests/vectors/order.json"

/* --- writing --- */
static json_t *hex(const void *p, size_t n)
{
	struct buf b = {0};
	json_t *v;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%02x", ((const uint8_t *)p)[i]);
	v = json_string(buf_str(&b));
	buf_release(&b);
	return v;
}

static struct error *write_entry(void *ctx, const struct stored *e)
{
	json_t *row = json_pack("{s:o, s:s, s:s}", "header", hex(e->raw.b, ENTRY_HEADER), "op",
				ID(&e->op_id), "state",
				e->state == PAYLOAD_HELD     ? "held"
				: e->state == PAYLOAD_ERASED ? "erased"
							     : "not held");

	if (e->state == PAYLOAD_HELD) {
		json_object_set_new(row, "salt", hex(e->salt, ENTRY_SALT));
		json_object_set_new(row, "payload",
				    json_stringn((const char *)e->payload.p, e->payload.n));
	}
	return json_array_append_new(ctx, row) ? error_new(ERR_NOMEM, "no memory") : NULL;
}

static struct error *write_member(void *ctx, const struct member *m)
{
	json_object_set_new(ctx, ID(&m->key), json_string(role_name(m->role)));
	return NULL;
}

static struct error *write_box(void *ctx, const struct admitted *a)
{
	json_object_set_new(ctx, ID(&a->key),
			    json_string(a->keeper  ? "keeper"
					: a->write ? "write"
						   : "read"));
	return NULL;
}

static struct error *write_post(void *ctx, const struct post *p)
{
	json_array_append_new(ctx, json_pack("{s:s, s:s, s:b, s:b}", "op", ID(&p->id), "text",
					     p->erased ? "" : p->text, "hidden", p->hidden,
					     "erased", p->erased));
	return NULL;
}

/* What a box shows of the space, and of the posts of one topic in order. */
static json_t *shown_by(struct conn *c, const struct hash *space, const struct hash *topic)
{
	json_t *members = json_object(), *boxes = json_object(), *posts = json_array();
	struct topic row;
	struct error *err;

	assert_ok(member_each(c, space, write_member, members));
	assert_ok(admitted_each(c, space, write_box, boxes));
	err = topic_get(c, topic, &row);
	if (!err)
		assert_ok(post_page(c, row.num, 1, 1000, write_post, posts));
	error_free(err);
	return json_pack("{s:o, s:o, s:o}", "members", members, "boxes", boxes, "posts", posts);
}

static void write_case(struct town *t, json_t *all, const char *name, const char *why)
{
	struct logs_of logs = {.n = 0};
	json_t *list = json_array();

	meet(&t->a, &t->b);
	assert_agree(t);
	assert_ok(log_each(t->a.c->log, &t->space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++) {
		json_t *entries = json_array();

		assert_ok(log_range(t->a.c->log, logs.info[i].num, 1, logs.info[i].live,
				    write_entry, entries));
		json_array_append_new(list, entries);
	}
	json_array_append_new(all,
			      json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", name, "why", why,
					"space", ID(&t->space), "topic", ID(&t->topic), "logs",
					list, "shown", shown_by(t->a.c, &t->space, &t->topic)));
	town_close(t);
}

static void clocks_do_not_count(json_t *all)
{
	struct town t;

	town_open(&t);
	t.a.env.now = 4000000000000;
	assert_ok(post(&t, &t.a, FOUNDER, "from 2096", NULL));
	meet(&t.a, &t.b);
	t.b.env.now = 0;
	assert_ok(post(&t, &t.b, MEMBER, "from 1970, and saw it", NULL));
	write_case(&t, all, "seen before clocks",
		   "Who saw the other comes later, whatever the clocks say.");
}

static void concurrent_by_time(json_t *all)
{
	struct town t;
	char text[8];

	town_open(&t);
	for (int i = 0; i < 3; i++) {
		t.a.env.now = 1000000 + i * 20;
		t.b.env.now = 1000000 + i * 20 + (i % 2 ? 10 : -10);
		snprintf(text, sizeof(text), "a%d", i);
		assert_ok(post(&t, &t.a, FOUNDER, text, NULL));
		snprintf(text, sizeof(text), "b%d", i);
		assert_ok(post(&t, &t.b, MEMBER, text, NULL));
	}
	write_case(&t, all, "concurrent by time", "What is concurrent, by (time, op id).");
}

static void revocation_with_cut(json_t *all)
{
	struct town t;
	uint64_t cut;

	town_open(&t);
	assert_ok(post(&t, &t.b, MEMBER, "within", NULL));
	cut = own_head(&t, &t.b);
	assert_ok(post(&t, &t.b, MEMBER, "beyond", NULL));
	assert_ok(post(&t, &t.b, MODERATOR, "somebody else's", NULL));
	meet(&t.a, &t.b);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, MEMBER),
			     cut_at(&t, &t.a, secret_pubkey(t.b.key), cut)));
	town_add(&t, &t.a, t.who[STEWARD], MEMBER, "member");
	meet(&t.a, &t.b);
	assert_ok(post(&t, &t.b, MEMBER, "added again", NULL));
	write_case(&t, all, "revocation with a cut",
		   "Beyond the cut all is void, until rules that know the revocation.");
}

static void mutual_revocation(json_t *all)
{
	struct town t;

	town_open(&t);
	t.a.env.now = 4000000000000;
	t.b.env.now = 0;
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, STEWARD),
			     cut_at(&t, &t.a, NULL, 0)));
	assert_ok(revoke_key(&t, &t.b, STEWARD, "member.revoke", KEY(&t, FOUNDER),
			     cut_at(&t, &t.b, NULL, 0)));
	assert_ok(post(&t, &t.b, STEWARD, "I won", NULL));
	meet(&t.a, &t.b);
	assert_ok(post(&t, &t.b, MEMBER, "peace", NULL));
	write_case(&t, all, "two stewards revoke each other",
		   "The senior stays; an appliance joins the two heads before it writes on.");
}

/* The rules that a thrown out steward names are those of before; a sign-up stands between. */
static void thrown_out(json_t *all)
{
	struct town t;
	struct hash before;

	town_open(&t);
	assert_true(rules_heads(space_of(t.a.c, &t.space)->rules, &before, 1) == 1);
	assert_ok(box_submit(&t.a, &t.space, "member.add", NULL, NULL,
			     json_pack("{s:s,s:s,s:s,s:s}", "key", ID(KEY(&t, STRANGER)), "name",
				       "Nou", "role", "member", "home",
				       ID(secret_pubkey(t.a.key))),
			     NULL));
	meet(&t.a, &t.b);
	assert_ok(revoke_key(&t, &t.a, FOUNDER, "member.revoke", KEY(&t, STEWARD),
			     cut_at(&t, &t.a, NULL, 0)));
	meet(&t.a, &t.b);
	append_raw(&t, &t.b, STEWARD, &before,
		   json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "type", "member.role", "object",
			     ID(&t.space), "key", ID(KEY(&t, MEMBER)), "role", "steward", "seen",
			     ID(&before)));
	write_case(&t, all, "a steward who was thrown out",
		   "What a revocation strikes has no effect.");
}

static void put_lower(json_t *all)
{
	struct town t;
	struct hash id;

	town_open(&t);
	assert_ok(post(&t, &t.a, MEMBER, "one", &id));
	meet(&t.a, &t.b);
	assert_ok(set_role(&t, &t.a, FOUNDER, MODERATOR, "member"));
	assert_ok(box_submit(&t.b, &t.space, "post.hide", &t.topic, t.who[MODERATOR],
			     json_pack("{s:s,s:b}", "post", ID(&id), "hidden", 1), NULL));
	assert_ok(post(&t, &t.b, MODERATOR, "as a member, still", NULL));
	write_case(&t, all, "a lower role, with a cut",
		   "Beyond the cut only what is left of the role counts.");
}

static void self_promotion(json_t *all)
{
	struct town t;
	struct hash never = {{7}};

	town_open(&t);
	append_raw(&t, &t.b, MEMBER, &t.space,
		   json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "type", "member.role", "object",
			     ID(&t.space), "key", ID(KEY(&t, MEMBER)), "role", "steward", "seen",
			     ID(&t.space)));
	append_raw(&t, &t.b, STRANGER, &never,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "void", "seen", ID(&t.topic)));
	append_raw(&t, &t.a, MEMBER, &never,
		   json_pack("{s:s,s:s,s:s,s:[s]}", "type", "post.create", "object", ID(&t.topic),
			     "text", "judged by what its log had named", "seen", ID(&t.topic)));
	append_raw(&t, &t.a, FOUNDER, &t.space, json_pack("{s:s}", "type", "post.create"));
	write_case(&t, all, "what gives nothing",
		   "Making oneself steward, rules that never existed, malformed ops.");
}

static void erased_between(json_t *all)
{
	struct town t;
	struct hash id;

	town_open(&t);
	t.b.env.now = 4000000000000;
	assert_ok(post(&t, &t.b, MEMBER, "one", NULL));
	assert_ok(post(&t, &t.b, MEMBER, "gone", &id));
	t.b.env.now = 1000;
	assert_ok(post(&t, &t.b, MODERATOR, "three", NULL));
	assert_ok(box_erase(&t.b, &t.space, &id, t.who[MODERATOR]));
	write_case(&t, all, "erased between two",
		   "What is erased keeps its place; nothing of it but its header is used.");
}

static void write_vectors(void)
{
	json_t *all = json_array();
	char *text;

	clocks_do_not_count(all);
	concurrent_by_time(all);
	revocation_with_cut(all);
	mutual_revocation(all);
	thrown_out(all);
	put_lower(all);
	self_promotion(all);
	erased_between(all);
	text = json_dumps(all, JSON_INDENT(1));
	assert_ok(file_write(VECTORS, span_str(text), 0644));
	free(text);
	json_decref(all);
}

/* --- reading --- */
/* Entries at … at + n - 1 of a log, if the box takes them. */
static void take_run(struct box *b, const json_t *log, size_t at, size_t n)
{
	_cleanup_(freep) struct entry_bytes *raw = calloc(n, sizeof(*raw));
	_cleanup_(freep) struct ingest_payload *list = calloc(n, sizeof(*list));
	_cleanup_(freep) uint8_t *salts = calloc(n, ENTRY_SALT);
	struct ingest_result result;
	struct error *refused = NULL;
	struct log_id id;
	struct hash op;
	bool more;

	for (size_t i = 0; i < n; i++) {
		const json_t *e = json_array_get(log, at + i),
			     *payload = json_object_get(e, "payload");

		test_unhex(json_string_value(json_object_get(e, "header")), raw[i].b, ENTRY_HEADER);
		op = entry_op_id(&raw[i]);
		assert_string_equal(ID(&op), json_string_value(json_object_get(e, "op")));
		list[i].state = payload ? PAYLOAD_HELD : PAYLOAD_NOT_HELD;
		if (!payload)
			continue;
		test_unhex(json_string_value(json_object_get(e, "salt")), salts + i * ENTRY_SALT, ENTRY_SALT);
		list[i].salt = salts + i * ENTRY_SALT;
		list[i].bytes = span_of(json_string_value(payload), json_string_length(payload));
	}
	id = entry_log(&raw[0]);
	assert_ok(conn_begin(b->c));
	assert_ok(log_ingest(
		b->c->log,
		&(struct ingest){
			.id = &id, .first = at + 1, .headers = raw, .payloads = list, .n = n},
		&result, &refused));
	assert_null(refused);
	assert_ok(community_catch_up(b->c, 0, &more));
	assert_ok(conn_commit(b->c));
}

enum { WHOLE_LOGS, LOGS_BACKWARDS, ONE_BY_ONE, ORDERS };

static void take_logs(struct box *b, const json_t *logs, int order)
{
	size_t n = json_array_size(logs);

	for (size_t i = 0; i < n && order != ONE_BY_ONE; i++) {
		const json_t *log = json_array_get(logs, order == WHOLE_LOGS ? i : n - 1 - i);

		take_run(b, log, 0, json_array_size(log));
	}
	for (size_t at = 0, left = 1; left && order == ONE_BY_ONE; at++) {
		left = 0;
		for (size_t i = n; i-- > 0;) {
			const json_t *log = json_array_get(logs, i);

			if (at < json_array_size(log))
				take_run(b, log, at, 1);
			left += at < json_array_size(log);
		}
	}
}

static void check_case(const json_t *v, int order)
{
	struct hash space, topic;
	struct box b;
	json_t *shown;

	assert_true(id_parse(json_string_value(json_object_get(v, "space")), &space));
	assert_true(id_parse(json_string_value(json_object_get(v, "topic")), &topic));
	box_init(&b, 9, 0);
	assert_ok(box_open(&b));
	take_logs(&b, json_object_get(v, "logs"), order);
	shown = shown_by(b.c, &space, &topic);
	if (!json_equal(shown, json_object_get(v, "shown"))) {
		char *text = json_dumps(shown, JSON_INDENT(1));

		print_message("# %s, order %d: %s\n", json_string_value(json_object_get(v, "name")),
			      order, text);
		free(text);
		fail();
	}
	json_decref(shown);
	box_release(&b);
}

static void every_history_is_shown_as_the_vectors_say_in_whatever_order_it_comes(void **state)
{
	size_t n;
	char *text = test_source_file(VECTORS, &n);
	json_t *all = json_loadb(text, n, 0, NULL);

	assert_true(json_array_size(all) >= 6);
	for (size_t i = 0; i < json_array_size(all); i++)
		for (int order = 0; order < ORDERS; order++)
			check_case(json_array_get(all, i), order);
	json_decref(all);
	free(text);
}

static void vectors_are_written(void **state)
{
	write_vectors();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest writing[] = {
		cmocka_unit_test(vectors_are_written),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_history_is_shown_as_the_vectors_say_in_whatever_order_it_comes),
	};

	if (argc > 1 && strcmp(argv[1], "--write") == 0)
		return run_group(writing);
	return run_group(tests);
}
