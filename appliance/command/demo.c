/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/demo.h"

struct demo {
	struct conn *c;
	struct hash space;
	const struct secret *steward;
	int64_t now;
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static struct error *submit(struct demo *d, const char *type, const struct hash *object,
			    const struct secret *author, int64_t hours_ago, json_t *take_body,
			    struct hash *ret)
{
	return community_submit(d->c,
				&(struct draft){.type = type,
						.space = d->space,
						.object = object,
						.author = author,
						.time = d->now - hours_ago * 3600 * 1000,
						.take_body = take_body},
				ret);
}

/* The posts after the first, which is the topic's own. */
static struct error *add_posts(struct demo *d, const struct hash *topic, const json_t *posts)
{
	struct hash id;
	json_t *post;
	size_t i;

	json_array_foreach(posts, i, post)
	{
		if (i == 0)
			continue;
		TRY(submit(d, "post.create", topic, NULL,
			   json_integer_value(json_object_get(post, "hours")),
			   json_pack("{s:s, s:{s:s, s:s}}", "text", text_of(post, "text"), "by",
				     "name", text_of(post, "by"), "kind", "guest"),
			   &id));
	}
	return NULL;
}

static struct error *add_topics(struct demo *d, const struct hash *forum, const json_t *topics)
{
	json_t *topic;
	size_t i;

	json_array_foreach(topics, i, topic)
	{
		const json_t *posts = json_object_get(topic, "posts");
		const json_t *first = json_array_get(posts, 0);
		struct hash id;

		TRY(submit(d, "topic.create", NULL, NULL,
			   json_integer_value(json_object_get(first, "hours")),
			   json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "forum", ID(forum), "title",
				     text_of(topic, "title"), "text", text_of(first, "text"), "by",
				     "name", text_of(first, "by"), "kind", "guest"),
			   &id));
		TRY(add_posts(d, &id, posts));
	}
	return NULL;
}

static struct error *add_forums(struct demo *d, const json_t *forums)
{
	json_t *forum;
	size_t i;

	json_array_foreach(forums, i, forum)
	{
		struct hash id;

		TRY(submit(d, "forum.create", NULL, d->steward, 400,
			   json_pack("{s:s, s:s, s:s}", "slug", text_of(forum, "slug"), "title",
				     text_of(forum, "title"), "about", text_of(forum, "about")),
			   &id));
		TRY(add_topics(d, &id, json_object_get(forum, "topics")));
	}
	return NULL;
}

static struct error *add_pages(struct demo *d, const json_t *pages)
{
	json_t *page;
	size_t i;

	json_array_foreach(pages, i, page)
	{
		struct hash id;

		TRY(submit(d, "doc.create", NULL, d->steward, 80,
			   json_pack("{s:s, s:s, s:s}", "path", text_of(page, "path"), "title",
				     text_of(page, "title"), "text", text_of(page, "text")),
			   &id));
	}
	return NULL;
}

struct error *demo_fill(struct conn *c, const struct hash *space, const struct secret *steward,
			int fd, const char *file_name)
{
	struct demo d = {.c = c, .space = *space, .steward = steward, .now = env_now(c->env)};
	json_error_t why;
	json_auto_t *demo = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);

	ENSURE(demo, error_new(ERR_MALFORMED, N_("%s can't be read: %s"), file_name, why.text));
	TRY(add_forums(&d, json_object_get(demo, "forums")));
	return add_pages(&d, json_object_get(demo, "pages"));
}
