/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may, what fits, and the three ways out of waiting. */
#include "appliance/moderation/moderation_priv.h"
#include "appliance/forum/forum.h"
#include <strings.h>

enum { HOUR_MS = 3600 * 1000 };
#define DAY_MS (24LL * HOUR_MS)

/* --- who and what ----------------------------------------------------------------------------- */

struct writes {
	const struct pubkey *self;
	bool found;
};

static struct error *is_self(void *ctx, const struct admitted *a)
{
	struct writes *w = ctx;

	w->found |= a->write && pubkey_eq(&a->key, w->self);
	return NULL;
}

struct error *moderation_guests(struct conn *c, const struct space_info *s,
				const struct pubkey *self, bool *ret)
{
	struct writes w = {.self = self};

	if (strcmp(s->guest_posts, "held") == 0)
		TRY(admitted_each(c, &s->id, is_self, &w));
	*ret = w.found;
	return NULL;
}

static int count_links(const char *text)
{
	static const char *const starts[] = {"http:", "https:", "www."};
	int n = 0;

	for (; *text; text++)
		for (size_t i = 0; i < ARRAY_LEN(starts); i++)
			n += strncasecmp(text, starts[i], strlen(starts[i])) == 0;
	return n;
}

struct error *moderation_check(const struct held *h)
{
	bool opens = hash_is_zero(&h->topic);

	ENSURE(author_name_ok(h->name),
	       error_new(ERR_INVALID, N_("Write your name: one line, at most 80 letters.")));
	ENSURE(!opens || line_ok(h->title, LIMIT_TITLE),
	       error_new(ERR_INVALID,
			 N_("Say in a few words what it is about: one line, at most 200"
			    " letters.")));
	ENSURE(h->text[strspn(h->text, " \t\n")],
	       error_new(ERR_INVALID,
			 N_("There is nothing in the message. Write something first.")));
	ENSURE(strlen(h->text) <= HELD_TEXT,
	       error_new(ERR_LIMIT,
			 N_("The message is too long for a guest's. Make it shorter, or ask to"
			    " become a member.")));
	ENSURE(count_links(h->text) + count_links(h->title) + count_links(h->name) <= HELD_LINKS,
	       error_new(ERR_INVALID,
			 N_("A guest's message may have three links at most. Leave some out.")));
	return NULL;
}

/* --- keeping ---------------------------------------------------------------------------------- */

static struct error *check_room(struct conn *c)
{
	int64_t now = env_now(c->env), waiting, recent;

	TRY(held_purge(c, now - HELD_DAYS * DAY_MS));
	TRY(moderation_held_count(c, &waiting));
	ENSURE(waiting < LIMIT_HELD_POSTS,
	       error_new(ERR_FULL,
			 N_("Too many guests' messages wait already. Come back when the volunteers"
			    " have read them, or ask to become a member.")));
	TRY(held_recent(c, now - HOUR_MS, now, &recent));
	ENSURE(recent < HELD_AN_HOUR,
	       error_new(ERR_RATE,
			 N_("Many guests have written in the last hour. Try again later.")));
	return NULL;
}

struct error *moderation_hold(struct conn *c, const struct held *h, char ret_secret[HELD_SECRET])
{
	struct held copy = *h;
	uint8_t random[16];
	struct hash hash;

	TRY(moderation_check(h));
	TRY(check_room(c));
	env_random(c->env, random, sizeof(random));
	base32_encode(random, sizeof(random), ret_secret);
	crypto_wipe(random, sizeof(random));
	hash = hash_bytes(span_str(ret_secret));
	copy.time = env_now(c->env);
	return held_add(c, &copy, &hash);
}

/* --- deciding --------------------------------------------------------------------------------- */

static json_t *body_of(const struct held *h)
{
	json_t *body = json_pack("{s:s, s:{s:s, s:s}}", "text", h->text, "by", "name", h->name,
				 "kind", "guest");

	if (hash_is_zero(&h->topic)) {
		json_object_set_new(body, "forum", json_string(ID(&h->forum)));
		json_object_set_new(body, "title", json_string(h->title));
	}
	return body;
}

/* The log may have it already: local.db is committed after the log, and the power may fail between.
 */
static struct error *publish(struct conn *c, const struct held *h, struct hash *ret_op)
{
	bool opens = hash_is_zero(&h->topic);
	const struct hash *topic = opens ? NULL : &h->topic;
	struct draft d = {.type = opens ? "topic.create" : "post.create",
			  .space = h->space,
			  .object = topic,
			  .time = h->time};
	struct error *e = post_by_guest(c, topic, &h->forum, h->time, h->name, h->text, ret_op);

	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	d.take_body = body_of(h);
	return community_submit(c, &d, ret_op);
}

struct settling {
	struct conn *c;
	enum held_state to;
	const char *reason;
	struct hash op;
};

static struct error *settle(void *ctx, const struct held *h)
{
	struct settling *s = ctx;
	const struct hash *op = NULL;

	if (h->state == s->to) {
		s->op = h->op;
		return NULL;
	}
	ENSURE(h->state == HELD_WAITING,
	       error_new(ERR_CONFLICT,
			 N_("This message was decided already, or its guest took it back.")));
	if (s->to == HELD_APPROVED) {
		TRY(publish(s->c, h, &s->op));
		op = &s->op;
	}
	return held_settle(s->c, h->id, s->to, s->reason, op);
}

struct error *moderation_settle(struct conn *c, int64_t id, enum held_state to, const char *reason,
				struct hash *ret_op)
{
	struct settling s = {.c = c, .to = to, .reason = reason};

	TRY(moderation_get(c, id, settle, &s));
	*ret_op = s.op;
	return NULL;
}
