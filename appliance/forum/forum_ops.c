/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The op types of forums: check decides, apply writes the rows. PROTOCOL.md section 5. */
#include "appliance/forum/forum_priv.h"

/* --- forums ----------------------------------------------------------------------------------- */

static struct error *no_check(struct fold *f, const struct op *op)
{
	return NULL;
}

static struct error *get_folded_forum(struct fold *f, struct forum *ret)
{
	struct error *e = forum_get(f->conn, &f->object, ret);

	if (error_is(e, ERR_NOT_FOUND))
		error_replace(
			&e, error_new(ERR_INVALID, N_("%s is not a forum."), ID_SHORT(&f->object)));
	return e;
}

static struct error *forum_set_check(struct fold *f, const struct op *op)
{
	struct forum forum;

	return get_folded_forum(f, &forum);
}

static struct error *forum_set_apply(struct fold *f, const struct op *op)
{
	struct forum forum;

	TRY(get_folded_forum(f, &forum));
	if (op_str(op, "title"))
		snprintf(forum.title, sizeof(forum.title), "%s", op_str(op, "title"));
	if (op_str(op, "about"))
		snprintf(forum.about, sizeof(forum.about), "%s", op_str(op, "about"));
	forum.closed = op_bool(op, "closed", forum.closed);
	return forum_change(f, &forum);
}

/* --- topics and posts ------------------------------------------------------------------------- */

static struct error *get_topic(struct fold *f, struct topic *ret)
{
	struct error *e = topic_folded(f, ret);

	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_INVALID, N_("%s is not a conversation."),
					    ID_SHORT(&f->object)));
	return e;
}

static struct error *topic_create_check(struct fold *f, const struct op *op)
{
	struct author by;

	TRY(check_text(op));
	return author_of(op, &by);
}

static struct error *topic_create_apply(struct fold *f, const struct op *op)
{
	struct author by;
	struct hash forum;
	struct topic t;

	TRY(author_of(op, &by));
	op_id(op, "forum", &forum);
	TRY(topic_add(f, op, &by, &forum, op_str(op, "title")));
	TRY(get_topic(f, &t));
	return post_add(f, &t, op, &by, op_str(op, "text"));
}

static struct error *post_create_check(struct fold *f, const struct op *op)
{
	struct author by;
	struct topic t;
	bool shut;

	TRY(get_topic(f, &t));
	TRY(check_text(op));
	TRY(author_of(op, &by));
	TRY(topic_shut_for(f, &t, op, &shut));
	ENSURE(!shut, error_new(ERR_DENIED,
				N_("This conversation is closed: nobody can reply any more.")));
	return NULL;
}

static struct error *post_create_apply(struct fold *f, const struct op *op)
{
	struct author by;
	struct topic t;

	TRY(get_topic(f, &t));
	TRY(author_of(op, &by));
	TRY(post_add(f, &t, op, &by, op_str(op, "text")));
	return topic_note(f, &t, op);
}

/* The post that the op names, which must be one of this topic. */
static struct error *named_post(struct fold *f, const struct op *op, struct topic *ret_topic,
				struct hash *ret_id, struct author *ret)
{
	struct error *e;

	TRY(get_topic(f, ret_topic));
	op_id(op, "post", ret_id);
	e = post_author(f, ret_topic, ret_id, ret);
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_INVALID,
					    N_("The message %s is not in this conversation."),
					    ID_SHORT(ret_id)));
	return e;
}

static struct error *post_edit_check(struct fold *f, const struct op *op)
{
	struct author author;
	struct topic t;
	struct hash post;

	TRY(named_post(f, op, &t, &post, &author));
	ENSURE(author.kind == AUTHOR_MEMBER && pubkey_eq(&author.key, &op->author),
	       error_new(ERR_DENIED, N_("Only who wrote a message may change it.")));
	return check_text(op);
}

static struct error *post_edit_apply(struct fold *f, const struct op *op)
{
	struct author author;
	struct topic t;
	struct hash post;

	TRY(named_post(f, op, &t, &post, &author));
	TRY(post_change(f, &post, op, op_str(op, "text")));
	return topic_note(f, &t, op);
}

static struct error *post_hide_check(struct fold *f, const struct op *op)
{
	struct author author;
	struct topic t;
	struct hash post;

	return named_post(f, op, &t, &post, &author);
}

static struct error *post_hide_apply(struct fold *f, const struct op *op)
{
	const char *reason = op_str(op, "reason");
	struct author author;
	struct topic t;
	struct hash post;

	TRY(named_post(f, op, &t, &post, &author));
	TRY(post_set_hidden(f, &post, op_bool(op, "hidden", true), reason ? reason : ""));
	return topic_note(f, &t, op);
}

static struct error *topic_set_check(struct fold *f, const struct op *op)
{
	struct topic t;

	TRY(get_topic(f, &t));
	return check_topic_set(&t, op);
}

static struct error *topic_set_apply(struct fold *f, const struct op *op)
{
	struct topic t;

	TRY(get_topic(f, &t));
	if (op_str(op, "title"))
		snprintf(t.title, sizeof(t.title), "%s", op_str(op, "title"));
	t.closed = op_bool(op, "closed", t.closed);
	t.pinned = op_bool(op, "pinned", t.pinned);
	op_id(op, "forum", &t.forum);
	TRY(topic_change(f, &t));
	return topic_note(f, &t, op);
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct op_field forum_create_fields[] = {
	{"slug", FIELD_SLUG, true, LIMIT_SLUG},
	{"title", FIELD_LINE, true, LIMIT_TITLE},
	{"about", FIELD_TEXT, false, LIMIT_ABOUT},
	{0},
};
static const struct op_field forum_set_fields[] = {
	{"title", FIELD_LINE, false, LIMIT_TITLE},
	{"about", FIELD_TEXT, false, LIMIT_ABOUT},
	{"closed", FIELD_BOOL, false, 0},
	{0},
};
static const struct op_field topic_create_fields[] = {
	{"forum", FIELD_ID, true, 0},
	{"title", FIELD_LINE, true, LIMIT_TITLE},
	{"text", FIELD_TEXT, true, LIMIT_TEXT},
	{"by", FIELD_JSON, false, 0},
	{"source", FIELD_LINE, false, LIMIT_SOURCE},
	{0},
};
static const struct op_field post_create_fields[] = {
	{"text", FIELD_TEXT, true, LIMIT_TEXT},
	{"reply_to", FIELD_ID, false, 0},
	{"by", FIELD_JSON, false, 0},
	{"source", FIELD_LINE, false, LIMIT_SOURCE},
	{0},
};
static const struct op_field post_edit_fields[] = {
	{"post", FIELD_ID, true, 0},
	{"text", FIELD_TEXT, true, LIMIT_TEXT},
	{0},
};
static const struct op_field post_hide_fields[] = {
	{"post", FIELD_ID, true, 0},
	{"hidden", FIELD_BOOL, true, 0},
	{"reason", FIELD_LINE, false, LIMIT_REASON},
	{0},
};
static const struct op_field topic_set_fields[] = {
	{"title", FIELD_LINE, false, LIMIT_TITLE},
	{"closed", FIELD_BOOL, false, 0},
	{"pinned", FIELD_BOOL, false, 0},
	{"forum", FIELD_ID, false, 0},
	{0},
};

const struct op_type forum_types[] = {
	{"forum.create", forum_create_fields, ROLE_STEWARD, OP_CREATES | OP_AUTHORITY, no_check,
	 forum_add},
	{"forum.set", forum_set_fields, ROLE_STEWARD, OP_AUTHORITY, forum_set_check,
	 forum_set_apply},
	{"topic.create", topic_create_fields, ROLE_MEMBER, OP_CREATES | OP_BY_APPLIANCE,
	 topic_create_check, topic_create_apply},
	{"post.create", post_create_fields, ROLE_MEMBER, OP_BY_APPLIANCE, post_create_check,
	 post_create_apply},
	{"post.edit", post_edit_fields, ROLE_MEMBER, 0, post_edit_check, post_edit_apply},
	{"post.hide", post_hide_fields, ROLE_MODERATOR, OP_AUTHORITY, post_hide_check,
	 post_hide_apply},
	{"topic.set", topic_set_fields, ROLE_MEMBER, OP_AUTHORITY, topic_set_check,
	 topic_set_apply},
	{0},
};
