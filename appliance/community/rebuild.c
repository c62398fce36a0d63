/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making the view anew beside the one that is served. */
#include "appliance/community/community_priv.h"
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char *path_beside(const struct conn *c)
{
	size_t n = strlen(c->community->view_path) + sizeof(VIEW_BESIDE);
	char *path = malloc(n);

	if (!path)
		abort();
	snprintf(path, n, "%s" VIEW_BESIDE, c->community->view_path);
	return path;
}

bool rebuild_was_cut(const struct conn *c)
{
	_cleanup_(freep) char *path = path_beside(c);

	return !access(path, F_OK);
}

struct error *rebuild_clear(struct conn *c)
{
	_cleanup_(freep) char *path = path_beside(c);

	conn_close(STEAL(c->community->next));
	return db_remove(path);
}

/* The new file, and the write-ahead log while it takes the old one's place. */
static struct error *check_room(struct conn *c)
{
	struct statvfs fs;
	struct stat st;

	if (stat(c->community->view_path, &st) || statvfs(c->community->view_path, &fs))
		return NULL;
	ENSURE((uint64_t)fs.f_bavail * fs.f_frsize >= (uint64_t)st.st_size * 5 / 2,
	       error_new(ERR_FULL,
			 N_("There is not enough room on this box's disk to make its pages anew"
			    " beside the old ones.")));
	return NULL;
}

static struct error *take_a_part(struct conn *next, bool *ret_more)
{
	struct error *err = conn_begin(next);

	if (!err)
		err = catch_up_part(next, ret_more);
	if (!err)
		err = conn_commit(next);
	if (err)
		conn_rollback(next);
	/* A view that can't be committed is given up, not caught up. */
	if (!err && next->community->behind)
		err = error_new(ERR_FULL,
				N_("There is not enough room on this box's disk to make its"
				   " pages anew beside the old ones."));
	return err;
}

/* Pages are numbered on: nobody who remembers a number of the old view takes the new one for it. */
static struct error *put_in_place(struct conn *c, struct conn *next)
{
	struct community *k = c->community;
	uint64_t generation = k->generation + 1;

	TRY(go_without_dropped(next)); /* that went behind the part that has it */
	TRY(meta_set(next, META_GENERATION, (int64_t)generation));
	TRY(db_commit(next->view));
	TRY(db_copy(next->view, c->view));
	memory_drop(c);
	k->generation = generation;
	k->changed = k->scrub = true;
	k->behind = false;
	return NULL;
}

static struct error *step(struct conn *c, bool *ret_more)
{
	struct community *k = c->community;

	if (!k->next) {
		TRY(check_room(c));
		TRY(conn_beside(c, &k->next));
	}
	TRY(take_a_part(k->next, ret_more));
	return *ret_more ? NULL : put_in_place(c, k->next);
}

struct error *community_rebuild_step(struct conn *c, bool *ret_more)
{
	struct error *err, *unclear = NULL;

	c->community->changed = false;
	err = step(c, ret_more);
	if (err || !*ret_more)
		unclear = rebuild_clear(c);
	if (!err)
		return unclear;
	error_free(unclear);
	return err;
}

struct error *community_rebuild(struct conn *c)
{
	bool more = true;

	while (more)
		TRY(community_rebuild_step(c, &more));
	return NULL;
}
