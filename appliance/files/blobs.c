/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which blobs belong here, and which of them are. */
#include "appliance/files/files_priv.h"
#include "appliance/partial/partial.h"
#include <sys/statvfs.h>

enum {
	MISSED_MOST = 16,   /* a peer that has none of so many in a row is asked no more */
	LOOK_AT_ONCE = 500, /* names, before others have their turn with the connection */
	SPACES_SEEN = 64,   /* about which is asked once in a look */
};
#define WISH_MS                                                                                    \
	((int64_t)30 * 24 * 3600 * 1000) /* what somebody asked for is not let go of so long */

/* Does this box, which keeps that, want a blob of that size? */
static struct error *is_kept_size(struct conn *c, const struct keep *keep, const struct hash *blob,
				  uint64_t stored, bool *ret)
{
	*ret = !keep->blob_max || stored <= keep->blob_max;
	return *ret ? NULL : wish_since(c, blob, -1, ret);
}

static struct error *is_wanted(struct conn *c, const struct hash *blob, uint64_t stored, bool *ret)
{
	struct keep keep;

	TRY(partial_choice(c, &keep));
	return is_kept_size(c, &keep, blob, stored, ret);
}

/* For files: some of the disk is left for what people write. */
static uint64_t disk_room(struct conn *c)
{
	struct statvfs fs;
	uint64_t room;

	if (statvfs(db_path(c->view), &fs))
		return UINT64_MAX;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	return room > LIMIT_FILE_ROOM ? room - LIMIT_FILE_ROOM : 0;
}

static bool has_room(struct conn *c, uint64_t size)
{
	return disk_room(c) > size;
}

struct error *file_here(struct conn *c, struct blob_store *blobs, const struct file_version *v,
			enum file_here *ret)
{
	bool wanted;

	*ret = FILE_HERE;
	if (v->inside || blob_has(blobs, &v->blob, NULL))
		return NULL;
	TRY(is_wanted(c, &v->blob, v->stored, &wanted));
	*ret = !wanted ? FILE_TOO_LARGE : has_room(c, v->stored) ? FILE_COMING : FILE_NO_ROOM;
	return NULL;
}

/* Behind the versions that this box can read come those blobs that it carries for others, numbered
 * below zero: one walk, the newest first in both. */
typedef struct error *before_fn(struct conn *c, int64_t before, struct named_blob *ret);
typedef struct error *carried_before_fn(struct conn *c, int64_t before, struct carried_blob *ret);

static struct error *walk_before(struct conn *c, before_fn *fn, carried_before_fn *carried,
				 int64_t before, struct named_blob *ret)
{
	struct carried_blob k;

	if (before >= 0) {
		TRY(fn(c, before ? before : INT64_MAX, ret));
		if (ret->num)
			return NULL;
		before = -INT64_MAX;
	}
	TRY(carried(c, -before, &k));
	*ret = (struct named_blob){
		.num = -k.num, .blob = k.blob, .space = k.space, .stored = k.stored};
	return NULL;
}

static struct error *named_before(struct conn *c, int64_t before, struct named_blob *ret)
{
	return walk_before(c, blob_before, carried_before, before, ret);
}

/* A look at some of what is named. */
struct look {
	struct conn *c;
	struct blob_store *blobs;
	files_takes_fn *takes;
	void *ctx;
	struct blob_walk *w;
	struct keep keep;
	uint64_t room; /* on the disk */
	struct {
		struct hash space;
		bool any; /* may anything of it come now? */
	} seen[SPACES_SEEN];
	size_t n;
};

static bool takes_any(struct look *k, const struct hash *space)
{
	static const struct hash none;
	size_t i = k->n % SPACES_SEEN;

	for (size_t j = 0; j < SPACES_SEEN && j < k->n; j++)
		if (hash_eq(&k->seen[j].space, space))
			return k->seen[j].any;
	k->n++;
	k->seen[i].space = *space;
	k->seen[i].any = k->takes(k->ctx, space) &&
			 (!k->w->room || k->w->room(k->w->room_ctx, space, &none, 1));
	return k->seen[i].any;
}

/* Of a row that was told to carriers: does it count here? */
static struct error *row_counts(struct conn *c, int64_t num, bool *ret)
{
	struct carried_blob k;

	*ret = num > 0;
	if (*ret)
		return NULL;
	TRY(carried_row_before(c, 1 - num, &k));
	return k.num == -num ? carried_counts(c, &k, ret) : NULL;
}

/* What costs least is asked first: somebody may name more than will ever come. */
static struct error *is_next(struct look *k, const struct named_blob *b, bool *ret)
{
	*ret = takes_any(k, &b->space) && k->room > b->stored &&
	       !blob_has(k->blobs, &b->blob, NULL) &&
	       (!k->w->room || k->w->room(k->w->room_ctx, &b->space, &b->blob, b->stored));
	if (*ret)
		TRY(row_counts(k->c, b->num, ret));
	return *ret ? is_kept_size(k->c, &k->keep, &b->blob, b->stored, ret) : NULL;
}

static struct error *next_blob(struct look *k, struct named_blob *ret)
{
	bool found = false;

	TRY(partial_choice(k->c, &k->keep));
	k->room = disk_room(k->c);
	for (int i = 0; i < LOOK_AT_ONCE; i++) {
		struct named_blob b;

		TRY(walk_before(k->c, blob_before, carried_row_before, k->w->before, &b));
		if (!b.num)
			return NULL;
		k->w->before = b.num;
		k->w->looked++;
		TRY(is_next(k, &b, &found));
		if (found) {
			*ret = b;
			return NULL;
		}
	}
	k->w->more = true;
	return NULL;
}

bool files_next_blob(struct conn *c, struct blob_store *blobs, files_takes_fn *takes, void *ctx,
		     struct blob_walk *w, struct hash *ret, uint64_t *ret_size)
{
	struct look k = {.c = c, .blobs = blobs, .takes = takes, .ctx = ctx, .w = w};
	struct named_blob next = {.num = 0};
	struct error *e;

	if (!hash_is_zero(&w->last))
		w->missed = blob_has(blobs, &w->last, NULL) ? 0 : w->missed + 1;
	w->last = (struct hash){{0}};
	w->more = false;
	if (w->missed >= MISSED_MOST)
		return false;
	e = next_blob(&k, &next);
	if (e || !next.num) {
		if (e || !w->more)
			w->missed = 0; /* all were looked at */
		error_free(e);
		return false;
	}
	w->last = *ret = next.blob;
	w->space = next.space;
	*ret_size = next.stored;
	return true;
}

bool files_wants_blob(struct conn *c, const struct hash *blob, uint64_t size, files_takes_fn *takes,
		      void *ctx)
{
	bool named, wanted = false;
	struct error *e = blob_shown_in(c, blob, size, takes, ctx, &named);

	if (!e && !named)
		e = carried_in(c, blob, size, takes, ctx, &named);
	if (!e && named)
		e = is_wanted(c, blob, size, &wanted);
	wanted = wanted && !e && has_room(c, size);
	error_free(e);
	return wanted;
}

bool files_names_blob(struct conn *c, const struct hash *blob, files_takes_fn *gives, void *ctx)
{
	bool named;
	struct error *e = blob_named_in(c, blob, gives, ctx, &named);

	if (!e && !named)
		e = carried_in(c, blob, 0, gives, ctx, &named);
	named = !e && named;
	error_free(e);
	return named;
}

/* A blob that several versions name goes once: with the newest. */
bool files_next_held(struct conn *c, struct blob_store *blobs, files_takes_fn *gives, void *ctx,
		     struct blob_walk *w, struct hash *ret, uint64_t *ret_size)
{
	for (;;) {
		struct named_blob next;
		struct error *e = named_before(c, w->before, &next);
		bool done = e || !next.num;

		error_free(e);
		if (done)
			return false;
		w->before = next.num;
		if (hash_eq(&w->last, &next.blob) || !gives(ctx, &next.space) ||
		    !blob_has(blobs, &next.blob, ret_size))
			continue;
		w->last = *ret = next.blob;
		return true;
	}
}

bool files_keeps_blob(struct conn *c, const struct hash *blob, files_takes_fn *both, void *ctx)
{
	bool named;
	struct error *e = blob_named_in(c, blob, both, ctx, &named);

	named = !e && named;
	error_free(e);
	return named;
}

/* --- what is not wanted here any more --------------------------------------------------------- */

struct keeping {
	struct conn *c;
	struct error *e;
};

static bool keeps_space(void *ctx, const struct hash *space)
{
	struct keeping *k = ctx;
	bool kept = true;

	if (!k->e)
		k->e = partial_keeps_space(k->c, space, &kept);
	return kept;
}

static struct error *is_kept(struct conn *c, const struct hash *blob, bool *ret)
{
	struct keeping k = {.c = c};
	struct error *e;

	TRY(blob_named_in(c, blob, keeps_space, &k, ret));
	e = *ret || k.e ? NULL : carried_in(c, blob, 0, keeps_space, &k, ret);
	if (k.e)
		error_replace(&e, k.e);
	return e;
}

/* size: what lies there, for who names it may say anything. */
static struct error *is_loose(struct conn *c, const struct keep *keep, const struct hash *blob,
			      uint64_t size, bool *ret)
{
	bool large = keep->blob_max && size > keep->blob_max, kept = false, fresh;

	*ret = false;
	if (!large)
		TRY(is_kept(c, blob, &kept));
	if (kept)
		return NULL;
	TRY(wish_since(c, blob, env_now(c->env) - WISH_MS, &fresh));
	return fresh ? NULL : blob_is_needed(c, blob, ret);
}

struct error *files_loose_before(struct conn *c, struct blob_store *blobs, int64_t before,
				 struct loose_blob *ret)
{
	struct named_blob next = {.num = before};
	struct keep keep;
	uint64_t size = 0;
	bool loose = false;

	TRY(partial_choice(c, &keep));
	do {
		TRY(walk_before(c, blob_named_before, carried_before, next.num, &next));
		if (next.num && blob_has(blobs, &next.blob, &size))
			TRY(is_loose(c, &keep, &next.blob, size, &loose));
	} while (next.num && !loose);
	*ret = (struct loose_blob){next.num, next.blob, size};
	return NULL;
}

struct error *files_let_go(struct conn *c, struct blob_store *blobs, const struct loose_blob *l,
			   bool *ret_gone)
{
	struct keep keep;
	uint64_t size;

	TRY(partial_choice(c, &keep));
	*ret_gone = blob_has(blobs, &l->blob, &size);
	if (*ret_gone)
		TRY(is_loose(c, &keep, &l->blob, size, ret_gone));
	if (!*ret_gone)
		return NULL;
	TRY(wish_forget(c, &l->blob));
	return blob_erase(blobs, &l->blob);
}
