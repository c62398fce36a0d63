/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The community: what all features share. Ops enter through community_submit (people) or from the
 * log (peers), are decided by the rules they name, ordered without clocks along `seen`, and folded
 * into the view. The view is never truth: deleted and rebuilt at will, the same on every box that
 * holds the same entries.
 *
 * Invariants
 *  1. The rows of an object are a pure function of the set of live, held, allowed ops about it.
 *  2. Objects fold in Kahn's order along `seen`, the smallest (time, op id) first among what is
 *     free; the creating op comes first; references to absent ops count as absent until they come.
 *  3. Whether an op is allowed depends on the newest rules ops that its log had named when it was
 *     written there, on their ancestors, and on revocations (with cut) in the space: never on
 *     arrival (PROTOCOL.md 4.3).
 *  4. An op that waits for its rules op, or for its creating op, has no effect until it comes.
 */
#pragma once
#include "appliance/community/feature.h"

struct community;

/* --- one thread's connections --- */
/* In the data folder, when the box has had another key before: the first, 52 letters. The spaces that
 * were founded under it are its own. */
#define COMMUNITY_ORIGIN "origin"

struct community_open {
	const char *dir; /* log.db, view.db, local.db live here */
	const struct env *env;
	struct pubkey self;
	const struct secret *appliance; /* signs; the writer needs it, readers may leave NULL */
	enum db_mode mode;		/* DB_READER, DB_WRITER, DB_TEST_NOSYNC */
	const char *whereabouts;	/* see log_open */
	const char *name; /* the box's name, said in the spaces it founds; may be NULL */
	const struct feature *const *features; /* NULL: the program's (appliance/features.c) */
};
/* Opening as a writer migrates, and catches the view up with the log. A view of another version, or
 * one that does not open, is made anew. */
struct error *conn_open(const struct community_open *how, struct conn **ret) MUST;
void conn_close(struct conn *c);
DEFINE_CLEANUP(struct conn *, conn_close)
/* The sum of db_format of log.db and local.db when this program's writer has opened them. */
int64_t conn_format(void);

/* --- on the writer's thread, inside writer_run (or a test's own transaction) --- */
struct error *conn_begin(struct conn *c) MUST;	/* log, view and local together */
struct error *conn_commit(struct conn *c) MUST; /* log first (durable), then local, then view */
void conn_rollback(struct conn *c);
struct error *conn_savepoint(struct conn *c) MUST;
struct error *conn_release(struct conn *c) MUST;
void conn_undo(struct conn *c);
/* Outside a transaction: what was erased since the last time goes out of the files' free bytes,
 * too. ERR_BUSY while readers are in the way: then again, later. */
struct error *conn_scrub(struct conn *c) MUST;
/* Outside a transaction: the write-ahead logs are emptied into the files, for the room that they take.
 * What conn_scrub says of readers holds here, too. */
struct error *conn_settle(struct conn *c) MUST;
/* So much the three files grow by that; *ret_least: that of them which grows least, of those that grow. */
uint64_t conn_debt(const struct conn *c, uint64_t *ret_least);
/* Room inside the files of log and view: what was erased and let go of leaves it to what is written next. */
uint64_t conn_unused(struct conn *c);
uint64_t conn_ahead(const struct conn *c); /* bytes of the write-ahead logs; any thread */
/* In a transaction: what a feature only now let go of is scrubbed after it. */
void conn_scrub_later(struct conn *c);
/* Outside a transaction, when nobody writes: a piece of db_sweep, a fraction of a second's work. And is there
 * more of it, perhaps? */
struct error *conn_sweep(struct conn *c) MUST;
bool conn_sweeps(const struct conn *c);
/* Is all of it done? Until then copies of what is erased may lie where an older program left them: conn_scrub
 * does not know of those, and nobody is told that they are gone. */
struct error *conn_is_swept(struct conn *c, bool *ret) MUST;
bool conn_scrub_waits(const struct conn *c); /* is there anything to scrub? */
/* Outside a transaction: a view that could not follow the log (a disk that was full at the moment of
 * its commit) is caught up; what was in the log then is durable and was acknowledged, only pages lack it.
 * And of what was put off during a large sync (community_take_in) a piece is done, of bounded work: again
 * as long as conn_is_behind. */
struct error *conn_follow(struct conn *c) MUST;
/* A piece folds an object as a whole, and of fifty thousand ops that takes seconds. Meanwhile this is
 * asked now and then, on the conn's thread: true, somebody waits to write, and the piece is given up
 * with ERR_BUSY, as if it had not begun. NULL: it is never given up. */
void conn_give_way(struct conn *c, bool (*waits)(void *ctx), void *ctx);
bool conn_is_behind(const struct conn *c);
bool conn_lacks(const struct conn *c); /* only: it could not follow */
const struct pubkey *conn_self(const struct conn *c); /* whose box this is */
bool conn_changed(struct conn *c);	     /* did the last transaction change the view? */

struct draft {
	const char *type;
	struct hash space;
	const struct hash *object;   /* NULL for types that create theirs (and for OP_ON_RULES) */
	const struct secret *author; /* NULL: the appliance itself */
	int64_t time;		     /* 0: now */
	json_t *take_body;	     /* the type's own fields; consumed, also on failure */
};
/* Of one that was perhaps never submitted, for the writer took nothing: its body goes. */
static inline void draft_release(struct draft *d)
{
	json_decref(STEAL(d->take_body));
}
/* Check as any box will (role under the current rules, the type's check), write the op with
 * `seen` and `rules` filled in, append, and fold. Joins several heads of the rules first. */
struct error *community_submit(struct conn *c, struct draft *d, struct hash *ret_id) MUST;
/* Erase the payload of a content op, here and on every box that hears of it, for ever. Its author
 * may, and moderators. `keep` (consumed, may be NULL) is what its feature needs to show that
 * something was here. Edits of the op are ops of their own, to be erased one by one. ERR_NOT_FOUND,
 * ERR_DENIED. */
struct error *community_erase(struct conn *c, const struct hash *space, const struct hash *target,
			      const struct secret *author, json_t *take_keep) MUST;
/* Whatever comes to be erased here, by an erase op that may, and whether it was ever held or not, is
 * owed to the others (log_owe in sync/log/log.h). The space of such an op; ERR_NOT_FOUND: it is not
 * erased (any more). The writer's conn. */
struct error *erased_space(struct conn *c, const struct hash *target, struct hash *ret) MUST;
/* How many erase ops name something: grows when anything may have been erased. Any conn. */
struct error *erased_count(struct conn *c, int64_t *ret) MUST;
/* Of what the log counts as missing (log_counts), how many were erased before this box could hold them and
 * so never come: of a space, or of all (NULL). Any conn. */
struct error *erased_lacking(struct conn *c, const struct hash *space, uint64_t *ret) MUST;
/* One of them, on any conn: its space, author, and when it was erased, by its eraser's clock.
 * ERR_NOT_FOUND: it is not erased here. */
struct erased_op {
	struct hash space;
	struct pubkey author, appliance;
	bool by_appliance;
	int64_t erased_ms;
};
struct error *erased_get(struct conn *c, const struct hash *target, struct erased_op *ret) MUST;
/* --- letting go of what other boxes hold (a partial box: appliance/partial/) --- */
/* A content op whose payload is held, and that nobody needs to judge others by. */
struct loose_op {
	struct hash id, space, object;
	const char *type;  /* its name, for ever */
	struct hash about; /* what its field "post" names; zero without */
	int64_t time;
	uint64_t bytes; /* of its payload as stored */
	struct log_id log; /* the best of its places */
	uint64_t seq;
};
typedef struct error *loose_fn(void *ctx, const struct loose_op *op);
/* Of the first object behind the row `after`, its loose ops; *ret_row is 0 behind the last. *ret_ruled: it
 * has ops with authority, too (closings, hidings), or such as this box does not know. The writer's conn. */
struct error *loose_next(struct conn *c, int64_t after, loose_fn *fn, void *ctx, int64_t *ret_row,
			 bool *ret_ruled) MUST;
/* In a transaction: their payloads become "not held" in the log, and the view is without them, as on a box
 * that never fetched them. Only what loose_next gives goes, and is counted; the caller knows that
 * another box has it. */
struct loosened {
	uint64_t ops, bytes;
};
struct error *community_let_go(struct conn *c, const struct hash *ops, size_t n,
			       struct loosened *ret) MUST;
/* In a transaction: pages that are kept until the view changes show something else now. */
struct error *community_repaint(struct conn *c) MUST;
/* Ops that the object's ops name and that are not here, at most max; any conn. */
struct error *object_misses(struct conn *c, const struct hash *space, const struct hash *object,
			    struct hash *out, size_t max, size_t *ret_n) MUST;
/* What is here only as a header: its space, time, size; ERR_NOT_FOUND. Any conn. */
struct absent_op {
	struct hash space;
	int64_t time;
	uint64_t bytes;
	bool erased; /* then it comes no more */
};
struct error *absent_get(struct conn *c, const struct hash *op, struct absent_op *ret) MUST;
/* What a partial box still needs of what is older than what it keeps: that by which objects began of
 * which it holds something, and the small payloads of those who moderate, for what was hidden stays hidden.
 * They are asked for from now on (log_need): *ret_n more. *io_from: where the last call stopped, 0 to look
 * through all again; bounded work a call. The writer's conn, in a transaction. */
struct error *community_need_more(struct conn *c, int64_t *io_from, size_t *ret_n) MUST;

/* Found a space: appends space.found in a new log and folds it. */
struct error *community_found(struct conn *c, const char *name, const struct secret *steward,
			      const char *steward_name, struct hash *ret_space) MUST;
/* What this box is called in the spaces that it founds; else like the space. */
void conn_name(struct conn *c, const char *name);
/* The same, private: only its boxes can read it, only its people see it. In the same transaction
 * its first key is made, and its words and names are written, sealed. */
struct error *community_found_private(struct conn *c, const char *name,
				      const struct secret *steward, const char *steward_name,
				      struct hash *ret_space) MUST;
/* Admit a box, or change how it is admitted; in a private space it gets the keys in the same
 * transaction, or when it is to carry only, everybody else gets a new one. author: a steward; NULL:
 * this box, a keeper. */
enum admission { ADMIT_WRITE, ADMIT_READ, ADMIT_CARRY };
struct error *community_admit(struct conn *c, const struct hash *space, const struct pubkey *key,
			      const char *name, enum admission how,
			      const struct secret *author) MUST;
/* Withdraw a box's admission, with a cut at what is held here; a private space gets a new key. */
struct error *community_remove(struct conn *c, const struct hash *space, const struct pubkey *key,
			       const struct secret *author) MUST;
/* The same of a box that is in strange hands since then (by this box's clock; 0: now): the cut is the last
 * entry of each of its logs that had arrived here before (log_arrived_before). And how many of its entries
 * go with that (R). */
struct error *community_remove_since(struct conn *c, const struct hash *space,
				     const struct pubkey *key, int64_t since_ms,
				     const struct secret *author) MUST;
struct error *community_cut_off(struct conn *c, const struct hash *space, const struct pubkey *key,
				int64_t since_ms, uint64_t *ret_n) MUST;
/* Take a person's role away, with a cut at what is held here: what they wrote stays. */
struct error *community_remove_person(struct conn *c, const struct hash *space,
				      const struct pubkey *key, const struct secret *author) MUST;
/* A new key of a private space, for no reason but that somebody asks. ERR_LIMIT after the last. */
struct error *community_rotate(struct conn *c, const struct hash *space,
			       const struct secret *author) MUST;
/* Take into the view whatever the log has that it has not (arrivals, forks, ends). Called by
 * submit, after an ingest, and at opening. Bounded work per call is `max` arrivals (0: all);
 * *ret_more. */
struct error *community_catch_up(struct conn *c, size_t max, bool *ret_more) MUST;
/* The same of all arrivals, in the middle of an exchange: folding a shown object again for older ops that
 * came may be put off, so that filling a topic does not fold it anew for each batch. Until conn_follow
 * comes to it such an object shows what it showed before, as if they had not come yet. Never put off is
 * what takes something away or moderates: erasures, rules, closings, hidings. The mark is in the view, so
 * nothing of it is lost in a crash. */
struct error *community_take_in(struct conn *c) MUST;
/* Is it put off of this object? Any conn. And then do it now, in a transaction: unless it has so many
 * ops that everybody would wait for it. Who writes in such a one says what was shown, and what they
 * write is shown behind that. */
bool object_is_late(struct conn *c, const struct hash *id);
enum { FRESHEN_OPS = 2000 };
struct error *object_freshen(struct conn *c, const struct hash *space, const struct hash *id) MUST;
/* Make the view anew: outside a transaction. It is folded again from the whole log into a file beside
 * the one that is read (view.db.new), in steps of bounded work and memory, so that others can write in
 * between; the step that finds nothing left puts it into the place of the old one, in one transaction:
 * readers see the one or the other, and a crash at any moment leaves one of them whole. No page of the
 * old one stays in the files. For that while the disk must have room for two more of its size: else
 * ERR_FULL, before anything is done. An error gives up what was begun. */
struct error *community_rebuild_step(struct conn *c, bool *ret_more) MUST;
struct error *community_rebuild(struct conn *c) MUST; /* all steps */

/* --- reading, any conn --- */
struct space_info {
	struct hash id;
	char name[LIMIT_NAME + 1];
	char about[1001];
	char guest_posts[8]; /* "held" or "no" */
	bool own;	     /* founded by this box */
	bool is_private;     /* sealed to its admitted boxes; its pages to its people */
	bool has_key;	     /* of a private space: this box was given its newest key */
	uint16_t epoch;	     /* of that newest key */
	uint64_t unopened; /* ops that are here, sealed with keys that this box was not given; at
			    * most 100,000 are counted */
	int64_t founded_ms;
};
typedef struct error *space_fn(void *ctx, const struct space_info *s);
/* Public ones first, of them our own, in the order in which they came, then by id. Those that this box let go
 * of (log_let_go) are passed over, and no conn that reads for somebody sees them. */
struct error *space_each(struct conn *c, space_fn *fn, void *ctx) MUST;
/* Whoever reads: for those who run the box, and must know what it carries. Mind what is shown of a
 * space that conn_sees does not. space_get_here also finds one that was let go of. */
struct error *space_each_here(struct conn *c, space_fn *fn, void *ctx) MUST;
struct error *space_get_here(struct conn *c, const struct hash *id, struct space_info *ret) MUST;
struct error *space_get(struct conn *c, const struct hash *id, struct space_info *ret) MUST;
/* By id's first letters (as people see them), at least 8. ERR_NOT_FOUND. */
struct error *space_by_short(struct conn *c, const char *prefix, struct space_info *ret) MUST;
/* The box's home space: the first public one that it founded, else the first it follows; a private
 * one only when there is no other. ERR_NOT_FOUND before the first. */
struct error *space_home(struct conn *c, struct space_info *ret) MUST;

/* Does an entry found a space that people could see? (Its author's signature is another matter.) */
bool community_founds(struct conn *c, const struct entry_bytes *raw, struct span payload);

/* May this box be told of the space, and be sent what we hold of it? A public one: anybody; a private
 * one: whom its rules admit, in whatever way. Whoever decides what a peer sees asks here first; its
 * own terms may only take away from it. */
bool space_shared_with(struct conn *c, const struct hash *space, const struct pubkey *peer);
/* May this person see the space, and anything in it? viewer NULL: somebody who is not signed in. Of a
 * private space only those who have a role in it now; to others it is as if it were not here. An error
 * counts as no. */
bool space_visible_to(struct conn *c, const struct hash *space, const struct pubkey *viewer);
/* From now on this conn reads for that person (NULL: for somebody who is not signed in), and whatever
 * belongs to a space that they may not see is not found through it: so no page can forget to ask. A
 * conn that was never told reads all; http/ tells every request's. */
void conn_see_as(struct conn *c, const struct pubkey *viewer);
bool conn_sees(struct conn *c, const struct hash *space);
/* The ids that it does not see, in hexadecimal, as a JSON array: for statements. */
struct error *conn_unseen(struct conn *c, struct buf *ret) MUST;

struct member {
	struct hash space;
	struct pubkey key, home;
	char name[LIMIT_NAME + 1];
	enum role role; /* ROLE_NONE when revoked */
	int64_t since_ms;
};
typedef struct error *member_fn(void *ctx, const struct member *m);
struct error *member_each(struct conn *c, const struct hash *space, member_fn *fn, void *ctx) MUST;
struct error *member_get(struct conn *c, const struct hash *space, const struct pubkey *key,
			 struct member *ret) MUST;
struct error *member_by_name(struct conn *c, const struct hash *space, const char *name,
			     struct member *ret) MUST;
/* The role a person has now (current heads of the rules), ROLE_NONE for strangers. */
struct error *role_now(struct conn *c, const struct hash *space, const struct pubkey *key,
		       enum role *ret) MUST;
/* An admitted appliance's name in the space, for "written at". ERR_NOT_FOUND. */
struct admitted {
	struct pubkey key;
	char name[LIMIT_NAME + 1];
	bool write, keeper;
	bool carry; /* keeps and passes on what it can't read; without `write` and this: reads */
};
typedef struct error *admitted_fn(void *ctx, const struct admitted *a);
struct error *admitted_each(struct conn *c, const struct hash *space, admitted_fn *fn,
			    void *ctx) MUST;

/* The one hash of a space over its views; the same on every box with the same entries. */
struct error *community_digest(struct conn *c, const struct hash *space, struct hash *ret) MUST;
/* A number that grows whenever the view changed: for page caches and ETags. Any thread, atomic. */
uint64_t community_generation(struct conn *c);

/* The ops of an object, in no order, at most so many. */
typedef void op_id_fn(void *ctx, const struct hash *op);
struct error *object_ops(struct conn *c, const struct hash *object, size_t most, op_id_fn *fn,
			 void *ctx) MUST;
/* The object an op belongs to, and whether it is folded (for "/topic/ID" of something still
 * waiting). */
struct error *object_of_op(struct conn *c, const struct hash *op, struct hash *ret_object,
			   struct hash *ret_space) MUST;
