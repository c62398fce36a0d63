/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of community/ share: the view's own tables, and what the writer remembers of them.
 *
 * The memory (struct memory) only repeats what view.db and log.db say. Whoever changes it calls
 * memory_touch; when the transaction or the part of it is undone, it is dropped and read again when
 * it is next needed.
 */
#pragma once
#include "appliance/community/community.h"
#include "appliance/community/op_text.h"
#include "appliance/community/rules.h"

/* --- op.c, op_text.c --- */
struct op_row {
	const struct op_type *type;
	int feature; /* index in the list of features; -1: the community itself */
};
struct op_table {
	struct op_row *rows; /* sorted by name */
	size_t n;
};
int op_type_feature(const struct op_table *t, const struct op_type *type);
/* --- op_json.c: the object that a payload is, if it is of the plain kind; NULL: ask jansson --- */
json_t *op_json_plain(struct span payload);

/* --- the view's own rows (view_store.c) --- */
enum op_kind {
	OP_NOT_HELD = 0, /* its payload is not here: counts as absent */
	OP_CONTENT = 1,
	OP_UNKNOWN = 2,	  /* a type of the future: keeps its place in the order, does nothing */
	OP_MALFORMED = 3, /* counts as absent */
	OP_RULES = 4,
	OP_ERASE = 5,
	OP_GONE = 6, /* erased: keeps its place in the order */
	OP_SEALED =
		7 /* held, but sealed with a key that this box was not given: counts as absent */
};
enum { ROLE_ABSENT = -1 }; /* no entry that counts carries it (yet) */
enum op_row_flags {
	OP_MANY_PLACES = 1,
	OP_CHECKED_AUTHOR = 2,
	OP_IS_SEALED = 4,
	OP_IS_CLEAR = 8 /* its type is (OP_CLEAR) */
};

struct op_at {
	int64_t log;
	uint64_t seq;
};
struct op_rec {
	int64_t num; /* this box's own */
	struct hash id;
	int64_t space, object; /* numbers; object 0: none (yet) */
	enum op_kind kind;
	struct op_at at; /* the best of its places: see place_best */
	int64_t author;	 /* number of the key */
	bool by_appliance;
	int64_t time;
	int role; /* of its author as judged, or ROLE_ABSENT */
	unsigned flags;
	struct hash seen[LIMIT_SEEN];
	size_t nseen;
};

enum { FEATURES_MAX = 64 }; /* a bit each in object.features */
/* OBJECT_LATE: older ops of it came, and folding it again was put off (batch.lazy). */
enum { OBJECT_MADE = 1, OBJECT_MISSES = 2, OBJECT_LATE = 4, MAX_HEADS = 64 };
struct object {
	int64_t num;
	struct hash id;
	int64_t space;
	unsigned flags;
	uint64_t features; /* whose rows it may have */
	struct hash heads[MAX_HEADS + 1];
	size_t nheads; /* MAX_HEADS + 1: more, and it is always folded again */
	int64_t max_time;
	struct hash max_id;
	bool changed, dirty; /* to be stored; to be folded again at the end of this batch */
};

/* --- what the writer remembers --- */
struct run {
	uint64_t seq; /* from here on the log names these rules */
	struct hash rules;
	uint32_t floor; /* number of the rules op by which it is judged, or RULES_NONE */
	bool used;	/* something was judged by it */
};
struct vlog {
	int64_t num;
	struct log_id id;
	size_t space;	      /* index in memory.spaces */
	uint64_t stop;	      /* nothing from here on is live; 0: no such place */
	uint64_t top;	      /* highest sequence taken into the view */
	struct hash top_hash; /* of its header */
	struct run *runs;
	size_t n, cap;
	size_t settled; /* so many runs have their final floor, as long as the epoch is the same */
	uint64_t epoch;
	bool changed; /* its row is to be stored */
};
/* The keys of a private space that this box was given: memory only, made of the ops and of the
 * box's own key. */
struct keyring {
	uint8_t *bytes; /* guarded, SPACE_KEY each */
	struct space_key *keys;
	size_t n;
	struct idmap at; /* by name */
};
struct space {
	int64_t num;
	struct hash id;
	struct rules *rules;
	uint64_t epoch; /* of the rules when everything was last judged */
	bool rejudge;	/* judge all again at the end of the batch */
	uint32_t told;	/* so many rules ops were looked at for admissions */
	uint64_t told_epoch;
	struct keyring ring, orphans; /* orphans: their op died, and nobody wrapped them again */
	uint64_t ring_epoch; /* of the rules, and how many boxes they had, when it was made */
	size_t ring_boxes;
	uint64_t keys_epoch; /* likewise, when it was last looked whether keys are owed */
	uint32_t keys_count;
	bool settle;  /* rules changed since the tables of members were written */
	bool written; /* those tables were written since it was loaded */
	bool shared;  /* the log was told to whom it is shown by the rules as they are */
	/* So many rules ops were known here, and what they say is not here any more (a damaged disk): until
	 * they come again nobody is told more than before, and no key is handed out. */
	size_t lacking;
};
struct memory {
	bool loaded;
	struct space **spaces;
	size_t spaces_n;
	struct vlog **logs; /* by number; NULL: not known */
	size_t logs_n;
	struct idmap space_at, key_at, erased; /* erased: targets of erase ops */
	struct pubkey *keys;
	size_t keys_n;	/* keys[num - 1] */
	int64_t last;	/* arrival number */
	int64_t losses; /* log_losses at the last look at all logs */
};

struct community {
	struct op_table *table;
	const struct feature *const *features;
	size_t features_n;
	struct db_stmts *stmts; /* the view's own */
	struct db_stmts **view_stmts, **local_stmts;
	struct pubkey origin; /* the first key of this box; usually self */
	struct pubkey self;
	const struct secret *appliance;
	char name[LIMIT_NAME + 1];
	char *view_path;
	enum db_mode mode;
	struct memory m;
	struct conn *next; /* the view that is being made anew, beside this one; NULL: none is */
	bool beside;	   /* this conn is such a one: log and local are another's */
	bool behind; /* the log was committed, and the view could not follow */
	bool swept; /* nothing of db_sweep is left to do */
	bool hurries, untidy; /* see feature.h; untidy: also when objects are late */
	int64_t late_at;      /* the object that was folded last of those put off */
	/* What is folded again when somebody writes in it; larger objects are not (object_freshen). */
	size_t at_once;
	bool (*waits)(void *ctx); /* conn_give_way; NULL: nobody ever waits */
	void *waits_ctx;
	bool gives_way; /* it is a piece of what was put off that is being done */
	bool touched, part_touched; /* memory changed since begin, since savepoint */
	bool scrub;		    /* something was erased: bytes are still in the files */
	bool changed;		    /* this transaction changed the view */
	uint64_t generation;
	/* For whom this conn reads. */
	bool filtered, has_viewer;
	struct pubkey viewer;
	struct hash asked; /* conn_sees was asked about it last */
	bool asked_known, asked_seen;
};

/* Statements: the rows are in view_store.c. */
enum view_stmt {
	META_GET,
	META_SET,
	SPACE_ADD,
	SPACE_SET,
	SPACE_ALL,
	SPACE_LIST,
	SPACE_ID,
	SPACE_PRIVATE,
	SPACE_SHORT,
	SPACE_NUM,
	KEY_ADD,
	KEY_ALL,
	LOG_ADD,
	LOG_SET,
	LOG_ALL,
	RUN_ADD,
	RUN_CUT,
	RUN_ALL,
	RUN_NAMES,
	OPS_ADD,
	OPS_SET,
	OPS_DROP,
	OPS_BY_ID,
	OPS_BY_NUM,
	OPS_OF_OBJECT,
	OPS_COUNT,
	OPS_OF_SPACE,
	OPS_OF_RULES,
	OPS_NOT_OPENED,
	OPS_THAT_ERASE,
	OPS_SEALED_ALL,
	OPS_IN_LOG,
	OPS_ERASE,
	OPS_OBJECT,
	LOGS_OF_AUTHOR,
	OPS_NEEDED,
	PLACE_ADD,
	PLACE_DROP,
	PLACE_OF,
	PLACE_IN_LOG,
	OBJECT_ADD,
	OBJECT_SET,
	OBJECT_BY_ID,
	OBJECT_BY_NUM,
	OBJECT_OPS,
	OBJECT_AFTER,
	OBJECT_UNMADE,
	OBJECT_IS_LATE,
	OBJECT_NEXT_LATE,
	MISSING_ADD,
	MISSING_GET,
	MISSING_OF,
	MISSING_DROP,
	ERASE_ADD,
	ERASE_DROP,
	ERASE_TARGETS,
	ERASE_COUNT,
	ERASE_ALL,
	MEMBER_CLEAR,
	MEMBER_PUT,
	MEMBER_DROP,
	MEMBER_LIST,
	MEMBER_GET,
	MEMBER_BY_NAME,
	MEMBER_DIGEST,
	BOX_CLEAR,
	BOX_PUT,
	BOX_DROP,
	BOX_LIST,
	BOX_DIGEST,
	VIEW_STMTS
};
extern const char *const view_sql[VIEW_STMTS];
extern const char *const view_schema;
enum meta { META_SCHEMA = 1, META_LAST = 2, META_LAST_OP = 3, META_GENERATION = 4 };

/* --- memory.c --- */
void memory_touch(struct conn *c);
void memory_drop(struct conn *c);
struct error *memory_load(struct conn *c) MUST; /* when it is not loaded */
struct error *memory_key(struct conn *c, const struct pubkey *key, int64_t *ret_num) MUST;
const struct pubkey *memory_key_of(struct conn *c, int64_t num);
struct error *memory_space(struct conn *c, const struct hash *id, size_t *ret) MUST;
struct space *space_of(struct conn *c, const struct hash *id); /* NULL: not known */
struct space *space_of_num(struct conn *c, int64_t num);
uint64_t log_stop(const struct log_info *info); /* the first sequence that is not live; 0: none */
/* The log as the view knows it, adding it when it is new. */
struct error *memory_log(struct conn *c, int64_t num, struct vlog **ret) MUST;
struct vlog *vlog_of(struct conn *c, int64_t num);
/* Note which rules the log names up to this entry. */
struct error *note_run(struct conn *c, struct vlog *l, const struct stored *e) MUST;
struct error *meta_get(struct conn *c, enum meta which, int64_t *ret) MUST;
struct error *meta_set(struct conn *c, enum meta which, int64_t value) MUST;

/* --- rec_store.c: rows of ops and objects --- */
struct error *rec_find(struct conn *c, const struct hash *id,
		       struct op_rec *ret) MUST; /* num 0: none */
struct error *rec_by_num(struct conn *c, int64_t num, struct op_rec *ret) MUST;
struct error *rec_add(struct conn *c, struct op_rec *r) MUST; /* sets r->num */
struct error *rec_set(struct conn *c, const struct op_rec *r) MUST;
struct error *rec_drop(struct conn *c, int64_t num) MUST;
void rec_read(sqlite3_stmt *st, struct op_rec *ret);
struct recs {
	struct op_rec *p;
	size_t n, cap;
};
void recs_release(struct recs *l);
/* Everything that one of these statements gives, by one number. */
struct error *recs_load(struct conn *c, enum view_stmt which, int64_t by, struct recs *ret) MUST;
/* The same of a statement that gives it in pages (its ?2 and ?3), one after the other, so that a space
 * of a million ops needs no more memory than one of a thousand. What is walked over may be changed and
 * dropped meanwhile. Of OPS_IN_LOG: those whose best place is in that log, from `from` on. */
enum { RECS_PAGE = 512 };
struct recs_walk {
	enum view_stmt which;
	int64_t by;
	uint64_t from;
	struct recs page;
	size_t at;
	int64_t after; /* the number of the last one given */
};
void recs_walk_release(struct recs_walk *w);
/* The first page of it. */
struct error *recs_page(struct conn *c, enum view_stmt which, int64_t by, struct recs *ret) MUST;
/* The next, borrowed until the call after; NULL: that was all. */
struct error *recs_next(struct conn *c, struct recs_walk *w, struct op_rec **ret) MUST;
struct places {
	struct op_at *p;
	size_t n;
};
/* All places of an op, the best known first. In the arena. */
struct error *rec_places(struct conn *c, const struct op_rec *r, struct arena *a,
			 struct places *ret) MUST;
struct error *object_find(struct conn *c, const struct hash *id, int64_t space,
			  struct object *ret) MUST; /* num 0 */
struct error *object_by_num(struct conn *c, int64_t num, struct object *ret) MUST;
struct error *object_add(struct conn *c, struct object *o) MUST;
struct error *object_set(struct conn *c, const struct object *o) MUST;

/* --- a batch: what one call takes in (batch.c) --- */
struct batch {
	struct conn *c;
	struct arena arena; /* of the op in hand */
	bool dropped;	    /* a log lost its tail */
	/* What only waits for older ops may be put off (OBJECT_LATE), but for so many ops. */
	bool lazy;
	size_t spare;
	bool ours; /* what is taken in was written here just now */
	struct idmap object_at;
	struct object **objects;
	size_t objects_n, objects_cap;
	struct hash *erasures; /* targets to look at again */
	size_t erasures_n, erasures_cap, erasures_done;
	struct idmap erasure_at; /* where each was put last: once among those not done is enough */
	void *memo[FEATURES_MAX];
};
void batch_release(struct batch *b);
/* An object by its id, made when there is none yet; *ret_new tells. */
struct error *batch_object(struct batch *b, int64_t space, const struct hash *id,
			   struct object **ret, bool *ret_new) MUST;
/* The object that a row names is to be folded again; 0: none. */
struct error *batch_dirty(struct batch *b, int64_t object) MUST;
void batch_erasure(struct batch *b, const struct hash *target);
/* Settle rules, judge again what must be, erase, fold what is dirty, store. */
struct error *batch_finish(struct batch *b) MUST;

/* --- judge.c --- */
/* Sets r->role, and r->at to the best place (the row is not stored). *ret_changed. */
struct error *judge(struct batch *b, struct op_rec *r, bool *ret_changed) MUST;
/* All ops of a space. */
struct error *judge_space(struct batch *b, struct space *s) MUST;
/* Rules changed: settle them, and set the floors of the space's logs. */
void settle_space(struct conn *c, struct space *s);
/* *ret_moved: by which something was judged. */
void floors_set(struct space *s, struct vlog *l, bool *ret_moved);
/* Of the run that was just added. */
void floors_add(struct space *s, struct vlog *l);
/* --- keyring.c: what is sealed, opened --- */
void keyring_release(struct keyring *k);
/* false: this box was not given it. */
bool keyring_find(const struct keyring *k, const struct hash *name, struct space_key *ret);
/* Make the ring anew if the rules hand out other keys than before. The rules are settled. */
void keyring_update(struct conn *c, struct space *s, bool *ret_gained, bool *ret_lost);
/* What the ring opens now and did not before, or the other way round, is taken again. */
struct error *keyring_retake(struct batch *b, struct space *s, bool gained, bool lost) MUST;
/* Open a whole payload; false: with no key of ours. */
bool payload_open(struct conn *c, const struct op *op, struct span sealed, struct buf *out);
/* Put the sealed words of a clear op among its members. Without the key nothing happens. */
void words_open(struct conn *c, const struct op *op, json_t *body);
/* A word of the rules: the text, or `otherwise` while it can't be opened. In out. */
void word_open(struct conn *c, const struct space *s, const struct rules_words *w,
	       const char *field, const char *otherwise, char *out, size_t n);
/* --- keys.c: handing keys out --- */
/* Make the first key, a new one when somebody has the newest who may not read any more, and give it
 * to who lacks it: as this appliance if it is a keeper, else as `author` if that is a steward. */
struct error *keys_settle(struct conn *c, struct space *s, const struct secret *author) MUST;
struct error *keys_settle_all(struct conn *c) MUST;
/* --- cut.c --- */
/* How far the logs are known in which there is something of that key, a person's or a box's, or were before
 * that time (0: now): the cut of its revocation. The view has what the log has. */
struct error *cut_json(struct conn *c, const struct hash *space, const struct pubkey *key,
		       bool person, int64_t since_ms, json_t **ret) MUST;
/* --- submit.c --- */
/* Write one op, checked; heads of the rules are joined first. Consumes the body. */
struct error *write_op(struct conn *c, const struct draft *d, json_t *take_body,
		       struct hash *ret_id) MUST;

/* --- show.c --- */
/* Write the tables of members and boxes, and tell the log who may write. */
struct error *show_space(struct conn *c, struct space *s) MUST;
/* Tell the log which spaces are open, and to whom the others are shown. The view has what the log has:
 * from half of it who was removed seems to be admitted. */
struct error *show_sharing(struct conn *c) MUST;

/* --- take.c: one entry --- */
struct error *take_entry(struct batch *b, const struct stored *e) MUST;
/* An op whose payload was not here, or not opened, is of that kind now. */
struct error *take_payload(struct batch *b, struct op_rec *r, struct op *op,
			   enum op_kind kind) MUST;
/* --- tail.c --- */
/* Compare with the log's fork and end marks: what was live and is not any more goes. */
struct error *log_look(struct batch *b, const struct log_info *info) MUST;
/* The op's payload is not here any more: it goes out of its object, and back to what its header says. */
struct error *op_without(struct batch *b, struct op_rec *r) MUST;
/* The same where none of the places that count holds it. */
struct error *op_recheck(struct batch *b, struct op_rec *r) MUST;

/* --- rec.c --- */
/* The op as check and apply see it, without what is in its header and payload only. */
void rec_op(struct conn *c, const struct op_rec *r, struct op *ret);
/* With it: *ret_body is yours, NULL unless it is held and well formed. *ret_kind: OP_NOT_HELD,
 * OP_MALFORMED, OP_UNKNOWN, or what the row says. */
struct error *rec_parse(struct conn *c, const struct op_rec *r, struct op *ret, json_t **ret_body,
			enum op_kind *ret_kind) MUST;
/* What a payload is in that space; op has id and space. *ret_body as above. */
struct error *op_classify(struct conn *c, struct span payload, struct op *op, json_t **ret_body,
			  enum op_kind *ret_kind) MUST;

/* --- fold.c --- */
bool op_allowed(const struct op *op);
/* Check, and apply when allowed. */
struct error *fold_op(struct batch *b, struct object *o, const struct op *op) MUST;
/* An op that is new in its object: put it at the end if that is where it belongs, or mark the
 * object. */
struct error *object_take(struct batch *b, struct object *o, bool is_new, const struct op_rec *r,
			  const struct op *op) MUST;
/* --- refold.c --- */
struct error *object_refold(struct batch *b, struct object *o) MUST;

/* --- erase.c --- */
extern const struct op_type erase_types[];
/* The op that erases this one, by the smallest (time, id); num 0: none may. */
struct error *erase_effective(struct conn *c, const struct op_rec *target, struct op_rec *ret) MUST;
/* The targets of all erase ops there are, whether these may or not: struct hash. */
struct error *erase_targets(struct conn *c, struct buf *targets) MUST;
/* An erase op came. */
struct error *erase_note(struct batch *b, const struct op_rec *r, const struct op *op) MUST;
/* Its target is to be looked at again. */
struct error *erase_queue_target(struct batch *b, const struct op_rec *erase) MUST;
struct error *erase_settle(struct batch *b, const struct hash *target) MUST;
bool erase_known(struct conn *c, const struct hash *target);
/* Something that was held went: what features keep of it elsewhere goes, too. */
struct error *scrub_features(struct conn *c) MUST;

/* --- catch_up.c --- */
struct error *catch_up_own(struct conn *c) MUST; /* without looking for forks and ends */
/* What features put off. */
struct error *tidy_features(struct conn *c) MUST;
/* The same, tidying nothing. */
struct error *catch_up_at_start(struct conn *c, bool *ret_more) MUST;
/* A piece of all that was put off, in a transaction: so many ops of late objects, or, when no object is
 * late any more, what features put off. *ret_more. */
enum { TIDY_PIECE = 4096 };
/* ERR_BUSY when that is being done and somebody waits: asked in what takes long. */
struct error *give_way(const struct conn *c) MUST;
struct error *tidy_piece(struct conn *c, bool *ret_more) MUST;
/* community_take_in, but folding again at once what costs no more than that many ops. */
struct error *catch_up_lazily(struct conn *c, size_t spare) MUST;
/* The next CATCH_UP_PART arrivals, and tidy behind the last; nothing is written into the log but what
 * it must know (who may). */
struct error *catch_up_part(struct conn *c, bool *ret_more) MUST;
/* --- loose.c --- */
/* In a transaction: the view is without what the log let go of, also if it did not hear of it. */
struct error *community_without_dropped(struct conn *c) MUST;
/* --- conn.c --- */
struct error *go_without_dropped(struct conn *c) MUST; /* that, in a transaction of its own */
/* So many arrivals are taken into a view in one transaction while it is caught up with a whole log. */
enum { CATCH_UP_PART = 8192 };
#define VIEW_BESIDE ".new"
struct error *view_make(struct conn *c) MUST; /* empty tables, inside a transaction */
/* An empty view of the same log, in a file of its own beside c's, that is gone with the next start. It
 * shares c's other databases and their transactions, and is closed before c. */
struct error *conn_beside(struct conn *c, struct conn **ret) MUST;
/* --- rebuild.c --- */
/* One that was begun and not ended lies there: the program ended in it. */
bool rebuild_was_cut(const struct conn *c);
struct error *rebuild_clear(struct conn *c) MUST; /* what was begun is given up, and its file deleted */
