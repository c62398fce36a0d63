/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What stays of a post that was erased: its place, its date and who wrote it; for a guest not even
 * the name.
 *
 * What the erased op was is told by the one who erased it (`was`, `keep`), who is its author or a
 * moderator and may lie: so nothing here may touch another post than one of the same author.
 */
#include "appliance/forum/forum_priv.h"

json_t *post_keep(const struct topic *t, const struct hash *post, const struct hash *op)
{
	if (hash_eq(op, &t->id))
		return json_pack("{s:s}", "forum", ID(&t->forum));
	if (!hash_eq(op, post))
		return json_pack("{s:s}", "post", ID(post));
	return json_object();
}

static bool kept_id(const struct op *erase, const char *name, struct hash *ret)
{
	const json_t *keep = json_object_get(erase->body, "keep");
	const char *text = json_string_value(json_object_get(keep, name));

	return text && id_parse(text, ret->b);
}

static struct author author_gone(const struct op *gone)
{
	return (struct author){.key = gone->author,
			       .kind = gone->by_appliance ? AUTHOR_GUEST : AUTHOR_MEMBER};
}

static struct error *erased_topic(struct fold *f, const struct op *gone, const struct op *erase)
{
	struct author by = author_gone(gone);
	struct hash forum = {0};
	struct topic t;

	kept_id(erase, "forum", &forum);
	TRY(topic_add(f, gone, &by, &forum, ""));
	TRY(topic_folded(f, &t));
	return post_add(f, &t, gone, &by, NULL);
}

static struct error *erased_edit(struct fold *f, const struct op *gone, const struct op *erase,
				 const struct topic *t)
{
	struct author author;
	struct hash post;
	struct error *e;

	if (!kept_id(erase, "post", &post))
		return NULL;
	e = post_author(f, t, &post, &author);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (author.kind != AUTHOR_MEMBER || !pubkey_eq(&author.key, &gone->author))
		return NULL;
	return post_change(f, &post, gone, NULL);
}

struct error *forum_erased(struct fold *f, const struct op *gone, const struct op *erase)
{
	const char *was = op_str(erase, "was");
	struct author by = author_gone(gone);
	struct topic t;
	struct error *e;

	if (hash_eq(&gone->id, &f->object))
		return was && !strcmp(was, "topic.create") ? erased_topic(f, gone, erase) : NULL;
	e = topic_folded(f, &t);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (was && !strcmp(was, "post.create"))
		return post_add(f, &t, gone, &by, NULL);
	if (was && !strcmp(was, "post.edit"))
		return erased_edit(f, gone, erase, &t);
	return NULL;
}
