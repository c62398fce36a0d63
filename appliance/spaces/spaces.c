/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/spaces/spaces.h"
#include "appliance/partial/strangers.h"

/* --- founding --- */
struct found_job {
	struct app *app;
	const struct spaces_new *what;
	struct hash space;
};

static struct error *found(struct conn *c, void *arg)
{
	struct found_job *j = arg;
	const struct spaces_new *w = j->what;
	struct hash id;

	conn_name(c, j->app->name);
	if (w->is_private)
		TRY(community_found_private(c, w->name, w->steward, w->steward_name, &j->space));
	else
		TRY(community_found(c, w->name, w->steward, w->steward_name, &j->space));
	return community_submit(
		c,
		&(struct draft){.type = "forum.create",
				.space = j->space,
				.author = w->steward,
				.take_body = json_pack("{s:s, s:s, s:s}", "slug", "general",
						       "title", "General", "about", "")},
		&id);
}

struct error *spaces_found(struct app *a, const struct spaces_new *what, struct hash *ret)
{
	struct found_job j = {.app = a, .what = what};

	ENSURE(*what->name && strlen(what->name) <= LIMIT_NAME,
	       error_new(ERR_INVALID, N_("A space's name has 1 to 80 bytes.")));
	TRY(writer_run(a->writer, found, &j));
	*ret = j.space;
	return NULL;
}

/* --- which boxes belong to it --- */
struct box_job {
	const struct hash *space;
	const struct pubkey *key;
	const char *name;
	enum admission how;
	const struct secret *author;
	int64_t since_ms;
};

static struct error *admit(struct conn *c, void *arg)
{
	struct box_job *j = arg;

	return community_admit(c, j->space, j->key, j->name, j->how, j->author);
}

static struct error *remove_box(struct conn *c, void *arg)
{
	struct box_job *j = arg;

	return community_remove_since(c, j->space, j->key, j->since_ms, j->author);
}

static struct error *remove_person(struct conn *c, void *arg)
{
	struct box_job *j = arg;

	return community_remove_person(c, j->space, j->key, j->author);
}

struct person_job {
	const struct hash *space;
	const struct spaces_person *who;
	const struct secret *author;
};

static struct error *add_person(struct conn *c, void *arg)
{
	struct person_job *j = arg;
	struct hash id;

	return community_submit(
		c,
		&(struct draft){.type = "member.add",
				.space = *j->space,
				.author = j->author,
				.take_body = json_pack("{s:s, s:s, s:s, s:s}", "key",
						       ID(&j->who->key), "name", j->who->name,
						       "role", role_name(j->who->role), "home",
						       ID(&j->who->home))},
		&id);
}

struct error *spaces_add_person(struct app *a, const struct hash *space,
				const struct spaces_person *who, const struct secret *author)
{
	return writer_run(a->writer, add_person, &(struct person_job){space, who, author});
}

static struct error *rotate(struct conn *c, void *arg)
{
	struct box_job *j = arg;

	return community_rotate(c, j->space, j->author);
}

/* To whom the space is told has changed: exchanges look again. */
static struct error *run(struct app *a, write_fn *fn, struct box_job *j)
{
	TRY(writer_run(a->writer, fn, j));
	if (a->sync)
		sync_peers_changed(a->sync);
	return NULL;
}

struct error *spaces_admit(struct app *a, const struct hash *space, const struct pubkey *key,
			   const char *name, enum admission how, const struct secret *author)
{
	ENSURE(!pubkey_eq(key, secret_pubkey(a->self)),
	       error_new(ERR_INVALID,
			 N_("That is this box's own key. Ask the other box for its key.")));
	return run(a, admit, &(struct box_job){space, key, name, how, author});
}

struct error *spaces_remove(struct app *a, const struct hash *space, const struct pubkey *key,
			    int64_t since_ms, const struct secret *author)
{
	ENSURE(!pubkey_eq(key, secret_pubkey(a->self)),
	       error_new(ERR_INVALID,
			 N_("A box can't remove itself: another one of the space can.")));
	return run(a, remove_box,
		   &(struct box_job){space, key, .author = author, .since_ms = since_ms});
}

struct error *spaces_rotate(struct app *a, const struct hash *space, const struct secret *author)
{
	return run(a, rotate, &(struct box_job){space, .author = author});
}

struct error *spaces_remove_person(struct app *a, const struct hash *space,
				   const struct pubkey *key, const struct secret *author)
{
	return writer_run(a->writer, remove_person,
			  &(struct box_job){space, key, .author = author});
}

/* --- what is proved against a box that has no record here ------------------------------------- */

static struct error *note_ended(void *ctx, const struct log_info *info)
{
	if (info->ended)
		buf_add(ctx, &info->id, sizeof(info->id));
	return NULL;
}

struct writing {
	const struct pubkey *key;
	bool may;
};

static struct error *look_for_writer(void *ctx, const struct admitted *a)
{
	struct writing *w = ctx;

	w->may |= a->write && pubkey_eq(&a->key, w->key);
	return NULL;
}

static struct error *is_unrecorded(struct conn *c, const struct log_id *id, bool *ret)
{
	struct writing w = {.key = &id->appliance};
	struct peer p;
	struct error *e = peer_get(c->local, &id->appliance, &p);

	*ret = false;
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	TRY(admitted_each(c, &id->space, look_for_writer, &w));
	*ret = w.may;
	return NULL;
}

/* Of spaces that who looks may see, and with which somebody here has to do: in others anybody can do that to
 * himself. Until a volunteer has seen it. */
static struct error *is_news(struct conn *c, const struct log_id *id, bool *ret)
{
	bool seen;

	*ret = false;
	if (!conn_sees(c, &id->space))
		return NULL;
	TRY(conduct_has_seen(c->local, id, &seen));
	if (seen)
		return NULL;
	TRY(is_unrecorded(c, id, ret));
	return *ret ? stranger_matters(c, &id->space, ret) : NULL;
}

struct error *spaces_with_false_author(struct conn *c, const struct pubkey *self, struct hash *ret,
				       bool *ret_any)
{
	_cleanup_(buf_release) struct buf logs = {0};
	bool any = false;

	TRY(log_each_stopped(c->log, NULL, note_ended, &logs));
	for (size_t i = 0; !any && i < logs.n / sizeof(struct log_id); i++) {
		struct log_id id = ((const struct log_id *)(const void *)logs.p)[i];

		if (pubkey_eq(&id.appliance, self))
			continue;
		TRY(is_news(c, &id, &any));
		*ret = id.space;
	}
	*ret_any = any;
	return NULL;
}

struct error *spaces_saw_false_authors(struct conn *c, const struct hash *space)
{
	_cleanup_(buf_release) struct buf logs = {0};

	TRY(log_each_stopped(c->log, space, note_ended, &logs));
	for (size_t i = 0; i < logs.n / sizeof(struct log_id); i++)
		TRY(conduct_saw_proof(c->local,
				      (const struct log_id *)(const void *)logs.p + i));
	return NULL;
}
