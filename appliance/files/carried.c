/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files of private spaces on boxes that can't read them. What names a blob is sealed, so a carrier
 * is told in clear, by an op of its own, which sealed op needs which blob: no more than that, and
 * only while somebody carries the space (PROTOCOL.md 4.6, 14).
 */
#include "appliance/files/files_priv.h"

enum { TOLD_AT_ONCE = 64 };

/* --- the op ----------------------------------------------------------------------------------- */

const struct op_field carried_fields[] = {
	{"blobs", FIELD_JSON, true, 0},
	{0},
};

static bool read_id(const json_t *row, const char *name, struct hash *ret)
{
	const json_t *v = json_object_get(row, name);

	return json_string_length(v) == BASE32_KEY_LEN && id_parse(json_string_value(v), ret->b);
}

static bool read_row(const json_t *row, struct carried_blob *ret)
{
	json_int_t stored = json_integer_value(json_object_get(row, "stored"));

	ret->stored = (uint64_t)stored;
	return stored > LIMIT_FILE_INLINE && ret->stored <= file_stored_size(LIMIT_UPLOAD) &&
	       read_id(row, "op", &ret->op) && read_id(row, "blob", &ret->blob);
}

/* Twice the same says no more than once. */
static bool is_said_before(const struct carried_blob *rows, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (hash_eq(&rows[j].op, &rows[i].op) && hash_eq(&rows[j].blob, &rows[i].blob))
			return true;
	return false;
}

struct error *carried_check(struct fold *f, const struct op *op)
{
	const json_t *list = json_object_get(op->body, "blobs");
	struct carried_blob rows[TOLD_AT_ONCE];
	bool good = json_is_array(list) && json_array_size(list) > 0 &&
		    json_array_size(list) <= TOLD_AT_ONCE;

	(void)f;
	ENSURE(op->by_appliance,
	       error_new(ERR_DENIED, N_("Only a box itself tells others what to carry.")));
	for (size_t i = 0; good && i < json_array_size(list); i++)
		good = read_row(json_array_get(list, i), &rows[i]) && !is_said_before(rows, i);
	ENSURE(good, error_new(ERR_INVALID, N_("A list of files to carry is malformed.")));
	return NULL;
}

struct error *carried_apply(struct fold *f, const struct op *op)
{
	const json_t *list = json_object_get(op->body, "blobs");

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct carried_blob k = {.said = op->id,
					 .box = op->author,
					 .time = op->time,
					 .place = (unsigned)i};

		if (read_row(json_array_get(list, i), &k))
			TRY(carried_add(f, &k));
	}
	return NULL;
}

/* --- what counts here ------------------------------------------------------------------------- */

/* Who can read a space knows better: its own versions name their blobs, and a row that lies keeps
 * nothing that was erased. */
static struct error *reads(struct conn *c, const struct hash *space, bool *ret)
{
	struct space_info info;

	TRY(space_get_here(c, space, &info));
	*ret = !info.is_private || info.has_key;
	return NULL;
}

struct error *file_op_erased(struct conn *c, const struct hash *op, bool *ret)
{
	struct erased_op gone;
	struct error *e = erased_get(c, op, &gone);

	*ret = !e;
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, NULL);
	return e;
}

struct error *carried_counts(struct conn *c, const struct carried_blob *k, bool *ret)
{
	bool erased;

	TRY(reads(c, &k->space, ret));
	*ret = !*ret && k->stage == CARRIED_KEPT;
	if (!*ret)
		return NULL;
	TRY(file_op_erased(c, &k->op, &erased));
	*ret = !erased;
	return NULL;
}

struct error *carried_before(struct conn *c, int64_t before, struct carried_blob *ret)
{
	struct carried_blob k = {.num = before};
	bool counts = false;

	do {
		TRY(carried_row_before(c, k.num, &k));
		if (k.num)
			TRY(carried_counts(c, &k, &counts));
	} while (k.num && !counts);
	*ret = k;
	return NULL;
}

/* All are looked at, each space and op once: what others name, and erase again, hides no row. */
struct error *carried_in(struct conn *c, const struct hash *blob, uint64_t stored,
			 files_takes_fn *fn, void *ctx, bool *ret)
{
	struct carried_blob k = {.num = 0};

	*ret = false;
	for (;;) {
		bool counts = false, done;

		TRY(carried_need_after(c, blob, stored, &k, &k));
		if (!k.num)
			return NULL;
		TRY(reads(c, &k.space, &done));
		if (!done)
			TRY(carried_counts(c, &k, &counts));
		*ret = counts && (!fn || fn(ctx, &k.space));
		if (*ret)
			return NULL;
		if (done || counts)
			memset(&k.op, 0xff, sizeof(k.op)); /* on to the next space */
	}
}

struct error *blob_is_needed(struct conn *c, const struct hash *blob, bool *ret)
{
	TRY(blob_named_in(c, blob, NULL, NULL, ret));
	return *ret ? NULL : carried_in(c, blob, 0, NULL, NULL, ret);
}

struct counting {
	struct conn *c;
	struct blob_store *blobs;
	struct hash last; /* each content once */
	size_t rows;
	struct files_carried *n;
};

static struct error *count_carried(void *ctx, const struct carried_blob *k)
{
	struct counting *t = ctx;
	bool erased;
	uint64_t size;

	t->n->more = ++t->rows > FILES_COUNTED;
	if (t->n->more || hash_eq(&t->last, &k->blob))
		return NULL;
	TRY(file_op_erased(t->c, &k->op, &erased));
	if (erased)
		return NULL;
	t->last = k->blob;
	if (blob_has(t->blobs, &k->blob, &size)) {
		t->n->here++;
		t->n->bytes += size;
	} else {
		t->n->missing++;
	}
	return NULL;
}

struct error *files_carried_count(struct conn *c, struct blob_store *blobs, const struct hash *space,
				  struct files_carried *ret)
{
	struct counting t = {.c = c, .blobs = blobs, .n = ret};
	bool done;

	*ret = (struct files_carried){.here = 0};
	TRY(reads(c, space, &done));
	return done ? NULL : carried_each_in(c, space, FILES_COUNTED + 1, count_carried, &t);
}

/* --- telling ---------------------------------------------------------------------------------- */

struct telling {
	struct conn *c;
	struct hash space;
	struct buf writers; /* struct pubkey: boxes that may write */
	bool carriers, keeper;
	json_t *blobs; /* NULL: only whether there are any */
	size_t owed; /* those that one op has no room for, too */
};

static struct error *see_box(void *ctx, const struct admitted *a)
{
	struct telling *t = ctx;

	t->carriers |= a->carry;
	if (a->write)
		buf_add(&t->writers, &a->key, sizeof(a->key));
	if (pubkey_eq(&a->key, conn_self(t->c)))
		t->keeper = a->write && a->keeper;
	return NULL;
}

static bool writes(const struct telling *t, const struct pubkey *box)
{
	const struct pubkey *all = (const struct pubkey *)(void *)t->writers.p;

	for (size_t i = 0; i < t->writers.n / sizeof(*all); i++)
		if (pubkey_eq(&all[i], box))
			return true;
	return false;
}

/* Each box tells of its own, and a keeper of those that can't any more. */
static bool owe(void *ctx, const struct hash *op, const struct pubkey *box, const struct hash *blob,
		uint64_t stored)
{
	struct telling *t = ctx;

	if (!pubkey_eq(box, conn_self(t->c)) && (!t->keeper || writes(t, box)))
		return true;
	if (t->blobs && t->owed < TOLD_AT_ONCE)
		json_array_append_new(t->blobs, json_pack("{s:s, s:s, s:I}", "op", ID(op), "blob",
							  ID(blob), "stored", (json_int_t)stored));
	t->owed++;
	return t->blobs;
}

static struct error *list_owed(struct telling *t, size_t *ret_n)
{
	json_decref(t->blobs);
	t->blobs = json_array();
	t->owed = 0;
	TRY(carried_owed_each(t->c, &t->space, owe, t));
	*ret_n = t->owed;
	return NULL;
}

static struct error *tell(struct telling *t)
{
	struct draft d = {.type = "file.carry", .space = t->space};
	struct hash id;
	size_t n, before;

	TRY(list_owed(t, &n));
	while (n) {
		d.take_body = json_pack("{s:O}", "blobs", t->blobs);
		TRY(community_submit(t->c, &d, &id));
		before = n;
		TRY(list_owed(t, &n));
		ENSURE(n < before, error_new(ERR_INTERNAL, N_("What this box tells carriers has no "
							      "effect.")));
	}
	return NULL;
}

struct in_spaces {
	struct conn *c;
	bool *ret; /* only whether there is something to tell; NULL: tell it */
};

static struct error *tell_in_space(void *ctx, const struct space_info *s)
{
	const struct in_spaces *k = ctx;
	struct telling t = {.c = k->c, .space = s->id};
	struct error *e;

	if (!s->is_private || !s->has_key || (k->ret && *k->ret))
		return NULL;
	e = admitted_each(t.c, &s->id, see_box, &t);
	if (!e && t.carriers && writes(&t, conn_self(t.c)))
		e = k->ret ? carried_owed_each(t.c, &t.space, owe, &t) : tell(&t);
	if (k->ret)
		*k->ret = t.owed != 0;
	json_decref(t.blobs);
	buf_release(&t.writers);
	return e;
}

struct error *carried_owes(struct conn *c, bool *ret)
{
	*ret = false;
	return space_each_here(c, tell_in_space, &(struct in_spaces){c, ret});
}

struct error *carried_tell(struct conn *c)
{
	return space_each_here(c, tell_in_space, &(struct in_spaces){c, NULL});
}
