/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Topics from elsewhere become ops of this appliance, with the foreign author's name on each post.
 * A topic is taken in whole or not at all, and only once: its posts say where they come from. */
#include "appliance/command/cmd.h"
#include "appliance/forum/forum.h"
#include "appliance/import/discourse.h"
#include "appliance/import/html_markdown.h"

struct import {
	struct command_run *run;
	struct hash space;
	struct forum forum;
	const struct discourse_topic *topic;
	struct arena arena; /* of one topic */
	bool known;
	uint64_t topics, posts, skipped, broken;
};

static struct error *first_forum(void *ctx, const struct forum *f)
{
	struct import *im = ctx;

	if (hash_is_zero(&im->forum.id))
		im->forum = *f;
	return NULL;
}

static struct error *find_forum(struct import *im, struct conn *c)
{
	const char *slug = command_option(im->run, "--forum");
	struct space_info space;
	struct error *e;

	TRY(space_home(c, &space));
	im->space = space.id;
	if (!slug) {
		TRY(forum_each(c, &space.id, first_forum, im));
		ENSURE(!hash_is_zero(&im->forum.id),
		       error_new(ERR_NOT_FOUND,
				 N_("%s has no forum yet to import into. Open one first."),
				 space.name));
		return NULL;
	}
	e = forum_by_name(c, &space.id, slug, &im->forum);
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_NOT_FOUND, N_("There is no forum “%s”."), slug));
	return e;
}

/* "discourse:ID:SLUG/NUMBER"; a very long slug gives way to its hash. */
static const char *source_of(struct import *im, const struct discourse_post *p)
{
	const char *key = im->topic->key;

	if (strlen(key) > LIMIT_SOURCE - 24) {
		struct hash h = hash_bytes(span_str(key));

		key = arena_printf(&im->arena, "discourse:%s", ID(&h));
	}
	return arena_printf(&im->arena, "%s/%lld", key, (long long)p->number);
}

/* The post as Markdown; what can't be turned (too long) is said instead, so that its place is kept.
 */
static const char *text_of(struct import *im, const struct discourse_post *p)
{
	_cleanup_(buf_release) struct buf text = {0};
	struct error *e = html_to_markdown(p->cooked, NULL, &text);

	if (e) {
		fprintf(im->run->note, "lliure: post %lld of “%s”: %s\n", (long long)p->number,
			im->topic->title, error_english(e));
		error_free(e);
		buf_clear(&text);
	}
	return text.n ? arena_str(&im->arena, buf_str(&text)) : "…";
}

static struct error *submit(struct import *im, struct conn *c, const char *type,
			    const struct hash *object, const struct discourse_post *p,
			    json_t *take_body, struct hash *ret)
{
	json_object_set_new(take_body, "text", json_string(text_of(im, p)));
	json_object_set_new(take_body, "source", json_string(source_of(im, p)));
	json_object_set_new(take_body, "by",
			    json_pack("{s:s, s:s}", "name", *p->name ? p->name : p->username,
				      "kind", "discourse"));
	return community_submit(c,
				&(struct draft){.type = type,
						.space = im->space,
						.object = object,
						.time = p->created_ms,
						.take_body = take_body},
				ret);
}

static struct error *topic_job(struct conn *c, void *arg)
{
	struct import *im = arg;
	const struct discourse_topic *t = im->topic;
	struct hash topic, post;

	TRY(forum_has_source(c, &im->space, source_of(im, &t->posts[0]), &im->known));
	if (im->known)
		return NULL;
	TRY(submit(im, c, "topic.create", NULL, &t->posts[0],
		   json_pack("{s:s, s:s}", "forum", ID(&im->forum.id), "title", t->title), &topic));
	for (size_t i = 1; i < t->posts_n; i++)
		TRY(submit(im, c, "post.create", &topic, &t->posts[i], json_object(), &post));
	return NULL;
}

static struct error *take_topic(struct import *im)
{
	if (!im->topic->posts_n) {
		im->skipped++;
		return NULL;
	}
	TRY(writer_run(im->run->app->writer, topic_job, im));
	if (im->known) {
		im->skipped++;
		return NULL;
	}
	im->topics++;
	im->posts += im->topic->posts_n;
	if (im->topics % 100 == 0)
		fprintf(im->run->note, "%llu topics …\n", (unsigned long long)im->topics);
	return NULL;
}

/* A topic that can't be read is named and passed over; the rest is taken in. */
static struct error *take_all(struct import *im, struct discourse_reader *reader)
{
	for (;;) {
		struct discourse_topic *t;
		struct error *e;

		arena_release(&im->arena);
		e = discourse_next(reader, &im->arena, &t);
		if (error_is(e, ERR_MALFORMED)) {
			fprintf(im->run->note, "lliure: %s\n", error_english(e));
			error_free(e);
			im->broken++;
			continue;
		}
		TRY(e);
		if (!t)
			return NULL;
		im->topic = t;
		TRY(take_topic(im));
	}
}

struct error *cmd_import_discourse(struct command_run *run)
{
	_cleanup_(fclosep) FILE *f = fdopen(dup(run->arg_fds[0]), "r");
	_cleanup_(discourse_reader_freep) struct discourse_reader *reader = NULL;
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct import im = {.run = run};
	struct error *e;

	ENSURE(f, error_new(ERR_IO, N_("%s can't be read."), run->args[0]));
	TRY(app_conn(run->app, &c));
	TRY(find_forum(&im, c));
	TRY(discourse_reader_new(f, &reader));
	e = take_all(&im, reader);
	arena_release(&im.arena);
	fprintf(run->out,
		"Imported %llu topics with %llu posts into %s; %llu were here already or empty.\n",
		(unsigned long long)im.topics, (unsigned long long)im.posts, im.forum.title,
		(unsigned long long)im.skipped);
	TRY(e);
	ENSURE(!im.broken,
	       error_new(ERR_MALFORMED, N_("Some of %s could not be read; the rest was imported."),
			 run->args[0]));
	return NULL;
}
