/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/files/files.h"

enum files_sql {
	FILE_ADD,
	FILE_RESET,
	FILE_SETTLE,
	FILE_HIDE,
	FILE_BY_ID,
	FILE_BY_PATH,
	FILE_EACH,
	FILE_OF_BLOB,
	VERSION_ADD,
	VERSION_RESET,
	VERSION_EACH,
	VERSION_GET,
	VERSION_CONTENT,
	VERSION_BLOBS,
	VERSION_NAMES,
	VERSION_SHOWS,
	VERSION_WANTED,
	VERSION_NAMED,
	VERSION_SENT,
	VERSION_LIVES,
	VERSION_SHA256,
	FILES_STAMP,
	FILE_PARENT_ADD,
	FILE_PARENT_RESET,
	FILE_PARENT_LOSES_HEAD,
	FILE_PARENT_EACH,
	FILE_DIGEST,
	CARRIED_ADD,
	CARRIED_BOX,
	CARRIED_LATE,
	CARRIED_MORE,
	CARRIED_OLDEST,
	CARRIED_OUT_ROW,
	CARRIED_MARK,
	CARRIED_WHOSE,
	CARRIED_NEWEST_OUT,
	CARRIED_BACK_ROW,
	CARRIED_LESS,
	CARRIED_RESET,
	CARRIED_BEFORE,
	CARRIED_NEEDS,
	CARRIED_IN,
	CARRIED_AFTER,
	CARRIED_LOOKED,
	CARRIED_LAST,
	CARRIED_DIGEST,
	CARRIED_OWED,
	FILES_SQL
};
enum files_local_sql {
	LEFT_ADD,
	LEFT_EACH,
	LEFT_GONE,
	LEFT_FORGET,
	BLOB_WISH_ADD,
	BLOB_WISH_SINCE,
	BLOB_WISH_FORGET,
	SENT_ADD,
	SENT_DONE,
	SENT_LAST,
	SENT_EACH,
	FILES_LOCAL_SQL
};
enum { FILES_MIGRATIONS = 3, FILES_LOCAL_MIGRATIONS = 2 };
extern const char *const files_migrations[FILES_MIGRATIONS];
extern const char *const files_sql[FILES_SQL];
extern const char *const files_local_migrations[FILES_LOCAL_MIGRATIONS];
extern const char *const files_local_sql[FILES_LOCAL_SQL];
struct error *files_reset(struct fold *f) MUST;
struct error *files_digest(struct conn *c, const struct hash *space, struct hash_state *h) MUST;

/* --- on the writer, while folding (files_store.c) --- */
struct error *file_add(struct fold *f, const struct op *op, const char *path,
		       const char *title) MUST;
struct error *file_folded(struct fold *f, struct file *ret) MUST; /* ERR_NOT_FOUND */
struct error *file_set_hidden(struct fold *f, bool hidden) MUST;
/* content: of an `inside` one; p NULL: none. */
struct error *file_version_add(struct fold *f, const struct file *file, const struct op *op,
			       const struct file_version *what, struct span content,
			       const struct hash *parents, size_t n) MUST;
struct error *file_version_folded(struct fold *f, const struct file *file, const struct hash *id,
				  struct file_version *ret) MUST;
size_t file_parents(struct conn *c, const struct file_version *v, struct hash *out) MUST;
/* Bytes of versions that the person wrote since. */
struct error *files_sent_since(struct conn *c, const struct pubkey *author, int64_t since,
			       int64_t *ret) MUST;

/* --- blobs whose version went out of the view, perhaps erased (local.db) --- */
struct left_blob {
	struct hash op, blob;
	int64_t gone_ms; /* when it went from here; 0: not yet */
};
typedef struct error *left_fn(void *ctx, const struct left_blob *l);
struct error *left_each(struct conn *c, left_fn *fn, void *ctx) MUST;
struct error *left_is_gone(struct conn *c, const struct left_blob *l) MUST;
struct error *left_forget(struct conn *c, const struct left_blob *l) MUST;
/* --- blobs that are being sent in: here, perhaps, and not named yet (local.db) --- */
/* Before it has its name. */
struct error *sent_add(struct conn *c, const struct hash *blob) MUST;
/* A version names it now, or it is gone. */
struct error *sent_done(struct conn *c, const struct hash *blob) MUST;
/* So many were noted until now. */
struct error *sent_last(struct conn *c, int64_t *ret) MUST;
/* On the writer, not behind: it goes unless something needs it, and is noted no more. */
struct error *sent_settle(struct conn *c, struct blob_store *blobs, const struct hash *blob) MUST;
/* On the writer, not behind: of those up to `last`, what was broken off before a version named it
 * goes. */
struct error *sent_clear(struct conn *c, struct blob_store *blobs, int64_t last) MUST;
/* Does a version name it (a hidden file's, too, an erased one not) in a space of which fn says yes?
 * fn NULL: in any. */
struct error *blob_named_in(struct conn *c, const struct hash *blob, files_takes_fn *fn, void *ctx,
			    bool *ret) MUST;
/* Of shown files only, whose version says that it has at least `stored` bytes. */
struct error *blob_shown_in(struct conn *c, const struct hash *blob, uint64_t stored,
			    files_takes_fn *fn, void *ctx, bool *ret) MUST;
/* --- blobs of private spaces, as boxes that only carry them are told (carried.c, carried_store.c)
 * --- */
enum carried_stage {
	CARRIED_KEPT,
	CARRIED_OUT,   /* beyond what is kept for its box; its blob was not looked at yet */
	CARRIED_SEEN,  /* looked at once; and twice more, for a transfer that ran meanwhile */
	CARRIED_AGAIN, /* an hour passes between these two */
	CARRIED_DONE,  /* nobody looks at it any more; what is newer may go, and then it is kept again */
};
struct carried_blob {
	int64_t num;
	struct hash said; /* the op that names it */
	struct hash op;	  /* the sealed op that needs it, and with which it is erased */
	struct hash space, blob;
	struct pubkey box; /* whose op it is */
	uint64_t stored;
	int64_t time; /* of `said`; and the row's place in it */
	unsigned place;
	enum carried_stage stage;
};
extern const struct op_field carried_fields[];
struct error *carried_check(struct fold *f, const struct op *op) MUST;
struct error *carried_apply(struct fold *f, const struct op *op) MUST;
/* Rows of one box in one space have LIMIT_FILE_CARRIED bytes at most, by (time, said, place) the last
 * ones: which that are follows from the ops alone, in whatever order they come and go. */
struct error *carried_add(struct fold *f, const struct carried_blob *k) MUST;
struct error *carried_reset(struct fold *f) MUST;
/* The newest one numbered below `before` that is not over; *ret num 0: none. */
struct error *carried_row_before(struct conn *c, int64_t before, struct carried_blob *ret) MUST;
/* The first of that stage numbered above `after`. */
struct error *carried_row_after(struct conn *c, enum carried_stage stage, int64_t after,
				struct carried_blob *ret) MUST;
/* On the writer: one that is not kept goes on to the next stage. */
struct error *carried_looked(struct conn *c, const struct carried_blob *k) MUST;
/* So many of those of the space that are kept, by blob. */
typedef struct error *carried_fn(void *ctx, const struct carried_blob *k);
struct error *carried_each_in(struct conn *c, const struct hash *space, int64_t most,
			      carried_fn *fn, void *ctx) MUST;
struct error *carried_last(struct conn *c, int64_t *ret) MUST;
/* Of those that name the blob, not over, with at least `stored` bytes: by space and op, the first
 * behind that one. Each pair comes once, however many rows have it; *ret num 0: none. */
struct error *carried_need_after(struct conn *c, const struct hash *blob, uint64_t stored,
				 const struct carried_blob *after, struct carried_blob *ret) MUST;
/* Shown versions of the space, sealed, whose blob neither their own box nor this one has told
 * carriers of: what another has said it may push out again. */
typedef bool owed_fn(void *ctx, const struct hash *op, const struct pubkey *box,
		     const struct hash *blob, uint64_t stored); /* false: that is enough */
struct error *carried_owed_each(struct conn *c, const struct hash *space, owed_fn *fn,
				void *ctx) MUST;

/* Was the op erased? */
struct error *file_op_erased(struct conn *c, const struct hash *op, bool *ret) MUST;
/* Does a row count on this box: it can't read the space, and what needs the blob was not erased? */
struct error *carried_counts(struct conn *c, const struct carried_blob *k, bool *ret) MUST;
/* The newest below `before` that counts. */
struct error *carried_before(struct conn *c, int64_t before, struct carried_blob *ret) MUST;
/* Does one of at least `stored` bytes count in a space of which fn says yes? fn NULL: in any. */
struct error *carried_in(struct conn *c, const struct hash *blob, uint64_t stored,
			 files_takes_fn *fn, void *ctx, bool *ret) MUST;
/* Does a version name the blob (as in blob_named_in), or count what was told to carriers? */
struct error *blob_is_needed(struct conn *c, const struct hash *blob, bool *ret) MUST;
/* Has this box something to tell carriers? Any conn. And, on the writer: tell it. */
struct error *carried_owes(struct conn *c, bool *ret) MUST;
struct error *carried_tell(struct conn *c) MUST;

/* The newest version that names the blob, of a file that the conn sees. */
struct error *file_of_blob(struct conn *c, struct arena *a, const struct hash *blob, struct file *f,
			   struct file_version *v, bool *ret_found) MUST;
/* The newest version numbered below `before` that is shown and is a blob; *ret_num 0: none. */
struct named_blob {
	int64_t num;
	struct hash blob, space;
	uint64_t stored;
};
struct error *blob_before(struct conn *c, int64_t before, struct named_blob *ret) MUST;
/* The same, hidden ones, too; each blob once, with the newest of its versions. */
struct error *blob_named_before(struct conn *c, int64_t before, struct named_blob *ret) MUST;
/* Was it wished for after that time (-1: at any)? */
struct error *wish_since(struct conn *c, const struct hash *blob, int64_t since, bool *ret) MUST;
struct error *wish_forget(struct conn *c, const struct hash *blob) MUST;
