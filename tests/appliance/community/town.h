/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A space with two boxes and a few people, as the tests of the rules need it. */
#pragma once
#include "tests/appliance/community/boxes.h"
#include "appliance/forum/forum.h"

enum { FOUNDER, STEWARD, MODERATOR, MEMBER, STRANGER, PEOPLE };

struct town {
	struct box a, b; /* a founded it; b may write */
	struct secret *who[PEOPLE];
	struct hash space, forum, topic;
};

#define KEY(t, person) secret_pubkey((t)->who[person])

static inline void town_add(struct town *t, struct box *b, const struct secret *by, int person,
			    const char *role)
{
	assert_ok(box_submit(b, &t->space, "member.add", NULL, by,
			     json_pack("{s:s,s:s,s:s}", "key", ID(KEY(t, person)), "name",
				       role_name(ROLE_MEMBER), "role", role),
			     NULL));
}

static inline void meet(struct box *x, struct box *y)
{
	assert_ok(pull(x, y, 100));
	assert_ok(pull(y, x, 100));
	assert_ok(pull(x, y, 100));
}

static inline struct hash box_digest(struct box *b, const struct hash *space)
{
	struct hash h;

	assert_ok(community_digest(b->c, space, &h));
	return h;
}

#define assert_agree(t)                                                                            \
	do {                                                                                       \
		struct hash x_ = box_digest(&(t)->a, &(t)->space);                                 \
		struct hash y_ = box_digest(&(t)->b, &(t)->space);                                 \
		assert_id_equal(&x_, &y_);                                                         \
	} while (0)

static inline void town_open(struct town *t)
{
	box_init(&t->a, 1, 1764000000000);
	box_init(&t->b, 2, 1764000000000);
	assert_ok(box_open(&t->a));
	assert_ok(box_open(&t->b));
	for (unsigned i = 0; i < PEOPLE; i++)
		t->who[i] = test_key(1 + i);
	assert_ok(box_found(&t->a, t->who[FOUNDER], &t->space));
	assert_ok(box_submit(&t->a, &t->space, "appliance.admit", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(t->b.key)), "name",
				       "B", "mode", "write"),
			     NULL));
	town_add(t, &t->a, t->who[FOUNDER], STEWARD, "steward");
	town_add(t, &t->a, t->who[FOUNDER], MODERATOR, "moderator");
	town_add(t, &t->a, t->who[FOUNDER], MEMBER, "member");
	assert_ok(box_submit(&t->a, &t->space, "forum.create", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s}", "slug", "general", "title", "General"),
			     &t->forum));
	assert_ok(box_submit(&t->a, &t->space, "topic.create", NULL, t->who[FOUNDER],
			     json_pack("{s:s,s:s,s:s}", "forum", ID(&t->forum), "title", "Hola",
				       "text", "first"),
			     &t->topic));
	meet(&t->a, &t->b);
}

static inline void town_close(struct town *t)
{
	box_release(&t->a);
	box_release(&t->b);
	for (unsigned i = 0; i < PEOPLE; i++)
		secret_free(t->who[i]);
}

/* --- writing --- */
static inline struct error *post(struct town *t, struct box *b, int person, const char *text,
				 struct hash *ret)
{
	return box_submit(b, &t->space, "post.create", &t->topic,
			  person < 0 ? NULL : t->who[person],
			  person < 0 ? json_pack("{s:s,s:{s:s,s:s}}", "text", text, "by", "name",
						 "Anna", "kind", "guest")
				     : json_pack("{s:s}", "text", text),
			  ret);
}

static inline struct error *set_role(struct town *t, struct box *b, int by, int person,
				     const char *role)
{
	return box_submit(b, &t->space, "member.role", NULL, t->who[by],
			  json_pack("{s:s,s:s}", "key", ID(KEY(t, person)), "role", role), NULL);
}

/* Whatever the payload, in the box's own log, as a box would that does not keep to the rules. */
static inline struct hash append_raw(struct town *t, struct box *b, int person,
				     const struct hash *rules, json_t *body)
{
	_cleanup_(freep) char *text = json_dumps(body, JSON_COMPACT);
	struct hash id;
	bool more;

	json_decref(body);
	assert_ok(conn_begin(b->c));
	assert_ok(log_append(b->c->log,
			     &(struct log_append){.space = &t->space,
						  .author = person < 0 ? NULL : t->who[person],
						  .appliance = b->key,
						  .rules = *rules,
						  .time = env_now(&b->env.env),
						  .payload = span_str(text)},
			     &id));
	assert_ok(community_catch_up(b->c, 0, &more));
	assert_ok(conn_commit(b->c));
	return id;
}

/* What the box knows of all logs of the space; those of `only` cut at `at` when it is given. */
static inline json_t *cut_at(struct town *t, struct box *b, const struct pubkey *only, uint64_t at)
{
	struct logs_of logs = {.n = 0};
	json_t *cut = json_array();

	assert_ok(log_each(b->c->log, &t->space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++) {
		bool here = !only || pubkey_eq(only, &logs.info[i].id.appliance);
		char incarnation[17];

		snprintf(incarnation, sizeof(incarnation), "%016llx",
			 (unsigned long long)logs.info[i].id.incarnation);
		json_array_append_new(
			cut, json_pack("{s:s,s:s,s:I}", "appliance", ID(&logs.info[i].id.appliance),
				       "incarnation", incarnation, "seq",
				       (json_int_t)(only && here ? at : logs.info[i].live)));
	}
	return cut;
}

static inline uint64_t own_head(struct town *t, struct box *b)
{
	struct logs_of logs = {.n = 0};
	uint64_t head = 0;

	assert_ok(log_each(b->c->log, &t->space, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++)
		if (pubkey_eq(&logs.info[i].id.appliance, secret_pubkey(b->key)))
			head = logs.info[i].head;
	return head;
}

static inline struct error *revoke_key(struct town *t, struct box *b, int by, const char *type,
				       const struct pubkey *key, json_t *cut)
{
	return box_submit(b, &t->space, type, NULL, t->who[by],
			  json_pack("{s:s,s:o}", "key", ID(key), "cut", cut), NULL);
}

/* --- reading --- */
static inline enum role role_at(struct town *t, struct box *b, int person)
{
	enum role r;

	assert_ok(role_now(b->c, &t->space, KEY(t, person), &r));
	return r;
}

struct texts {
	char all[2000];
};

static inline struct error *add_text(void *ctx, const struct post *p)
{
	struct texts *t = ctx;
	size_t n = strlen(t->all);

	snprintf(t->all + n, sizeof(t->all) - n, "%s%s", n ? "|" : "",
		 p->erased   ? "(erased)"
		 : p->hidden ? "(hidden)"
			     : p->text);
	return NULL;
}

/* The texts of the topic's posts in order, with | between. */
static inline struct texts posts_of(struct box *b, const struct hash *topic)
{
	struct texts t = {""};
	struct topic row;

	assert_ok(topic_get(b->c, topic, &row));
	assert_ok(post_page(b->c, row.num, 1, 100, add_text, &t));
	return t;
}

#define assert_posts(b, topic, want)                                                               \
	do {                                                                                       \
		struct texts got_ = posts_of((b), (topic));                                        \
		assert_string_equal(got_.all, want);                                               \
	} while (0)
