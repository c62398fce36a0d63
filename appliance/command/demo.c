/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/demo.h"

/* How long ago the forums were opened, and the pages of the library written. Dates from more than
 * 48 hours before a community was founded are not believed (PROTOCOL.md 4.1). */
enum { FORUMS_HOURS = 47, PAGES_HOURS = 8 };

struct demo {
	struct conn *c;
	struct hash space;
	const struct secret *steward;
	struct secret *writer; /* of the pages: a member whose key nobody has afterwards */
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

/* How many hours ago it was written; nothing is older than the forums. */
static int64_t hours_of(const json_t *post)
{
	int64_t hours = json_integer_value(json_object_get(post, "hours"));

	return hours < 0 ? 0 : hours > FORUMS_HOURS ? FORUMS_HOURS : hours;
}

/* The first post is the topic's own. What others answer to is noted in the file's own tree: "id".
 */
static struct error *add_topic(struct demo *d, const json_t *forum, json_t *topic, int64_t hours)
{
	const json_t *first = json_array_get(json_object_get(topic, "posts"), 0);
	struct hash id;

	if (hours_of(first) != hours)
		return NULL;
	TRY(submit(d, "topic.create", NULL, NULL, hours,
		   json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "forum", text_of(forum, "id"),
			     "title", text_of(topic, "title"), "text", text_of(first, "text"), "by",
			     "name", text_of(first, "by"), "kind", "guest"),
		   &id));
	json_object_set_new(topic, "id", json_string(ID(&id)));
	return NULL;
}

static struct error *add_posts(struct demo *d, const json_t *topic, int64_t hours)
{
	struct hash topic_id, id;
	json_t *post;
	size_t i;

	if (!id_parse(text_of(topic, "id"), topic_id.b))
		return NULL; /* the topic itself comes later: so do its answers */
	json_array_foreach(json_object_get(topic, "posts"), i, post)
	{
		if (i == 0 || hours_of(post) != hours)
			continue;
		TRY(submit(d, "post.create", &topic_id, NULL, hours,
			   json_pack("{s:s, s:{s:s, s:s}}", "text", text_of(post, "text"), "by",
				     "name", text_of(post, "by"), "kind", "guest"),
			   &id));
	}
	return NULL;
}

/* What was written in that hour, in whichever forum. */
static struct error *add_hour(struct demo *d, const json_t *forums, int64_t hours)
{
	json_t *forum, *topic;
	size_t i, j;

	json_array_foreach(forums, i, forum)
	{
		json_array_foreach(json_object_get(forum, "topics"), j, topic)
		{
			TRY(add_topic(d, forum, topic, hours));
			TRY(add_posts(d, topic, hours));
		}
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

		TRY(submit(d, "forum.create", NULL, d->steward, FORUMS_HOURS,
			   json_pack("{s:s, s:s, s:s}", "slug", text_of(forum, "slug"), "title",
				     text_of(forum, "title"), "about", text_of(forum, "about")),
			   &id));
		json_object_set_new(forum, "id", json_string(ID(&id)));
	}
	return NULL;
}

/* Not the steward: who claims the box would be said to have written all of them. */
static struct error *add_writer(struct demo *d, const char *name)
{
	struct hash id;

	d->writer = secret_new();
	return submit(d, "member.add", NULL, d->steward, FORUMS_HOURS,
		      json_pack("{s:s, s:s, s:s, s:s}", "key", ID(secret_pubkey(d->writer)), "name", name,
				"role", role_name(ROLE_MEMBER), "home", ID(conn_self(d->c))),
		      &id);
}

static struct error *add_pages(struct demo *d, const json_t *pages)
{
	json_t *page;
	size_t i;

	json_array_foreach(pages, i, page)
	{
		struct hash id;

		TRY(submit(d, "doc.create", NULL, d->writer, PAGES_HOURS,
			   json_pack("{s:s, s:s, s:s}", "path", text_of(page, "path"), "title",
				     text_of(page, "title"), "text", text_of(page, "text")),
			   &id));
	}
	return NULL;
}

static struct error *fill(struct demo *d, const json_t *demo)
{
	const json_t *forums = json_object_get(demo, "forums");

	TRY(add_writer(d, text_of(demo, "writer")));
	TRY(add_forums(d, forums));
	/* Oldest first, as it would have come about: what follows a later entry is not believed
	 * to be older than it. */
	for (int64_t hours = FORUMS_HOURS; hours >= 0; hours--) {
		if (hours == PAGES_HOURS)
			TRY(add_pages(d, json_object_get(demo, "pages")));
		TRY(add_hour(d, forums, hours));
	}
	return NULL;
}

struct error *demo_fill(struct conn *c, const struct hash *space, const struct secret *steward,
			int fd, const char *file_name)
{
	struct demo d = {.c = c, .space = *space, .steward = steward, .now = env_now(c->env)};
	json_error_t why;
	json_auto_t *demo = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why);
	struct error *e;

	ENSURE(demo, error_new(ERR_MALFORMED, N_("%s can't be read: %s"), file_name, why.text));
	e = fill(&d, demo);
	secret_free(d.writer);
	return e;
}
