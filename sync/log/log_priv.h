/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of the log store share. Included only inside sync/log/.
 *
 * Nothing about a log is kept in memory between two calls, so that undoing a savepoint or a whole
 * transaction needs to restore nothing: what is remembered (last_num, fresh, last_named) is forgotten
 * then.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/log/log.h"

/* Entries that this transaction put, in order of their numbers: the hashes of their headers, which
 * were worked out when they came, need not be once more when the view takes them in. What is read
 * is looked at all the same: it may have been on the disk meanwhile, for the page cache is small. */
enum { FRESH_MAX = 16384 };
struct fresh_entry {
	struct hash op_id, hash;
	uint64_t mark; /* of the header: that it is still the one, to the bit */
};
struct fresh {
	int64_t first; /* number of the first */
	size_t n, cap;
	struct fresh_entry *p;
};

struct log_store {
	struct db *db;
	struct db_stmts *s;
	const struct env *env;
	struct pubkey self;
	bool writer;
	bool changed;	  /* this transaction has something for views to see */
	int64_t marked_ms; /* when it was last noted how far arrivals were (writer); 0: not yet */
	int64_t unmarked_num, unmarked_ms; /* the last commit since then; 0: none */
	int64_t last_num; /* highest arrival number, 0: not known now (writer) */
	/* Which first bytes of op ids were ever erased: asked before the table, for each entry that
	 * comes in. A set bit may be wrong, a clear one never is. */
	uint8_t erased[8192];
	struct buf body; /* salt and payload, to be stored in one piece */
	void *memo;	 /* log_memo: one piece of malloc'd memory */
	struct hash last_named; /* the rules op that was noted last as named (writer) */
	struct fresh fresh;	/* (writer) */
};

/* Statements: the rows are in store.c. */
enum log_stmt {
	LOG_META_GET,
	LOG_META_SET,
	LOG_META_MORE,
	LOG_META_COUNT,
	LOG_META_LEAST,
	LOG_META_MOST,
	LOG_META_DROP,
	LOG_BY_ID,
	LOG_BY_NUM,
	LOG_INSERT,
	LOG_UPDATE,
	LOG_EACH,
	LOG_EACH_OF_SPACE,
	LOG_EACH_LISTED,
	LOG_STOPPED,
	LOG_STOPPED_OF_SPACE,
	LOG_COUNT,
	LOG_COUNT_OF_SPACE,
	LOG_COUNT_OF_WRITER,
	LOG_HAS_PERSON,
	GO_ADD,
	GO_DROP,
	GO_GET,
	GO_ANY,
	GO_NEWEST,
	LOG_COUNT_BY,
	LOG_FOUNDER,
	LOG_COUNT_FOUNDED,
	LOG_DISPUTED,
	LOG_SPACES,
	LOG_OF_SPACE,
	LOG_WAITING,
	LOG_UNPROVED,
	ENTRY_LAST_NUM,
	ENTRY_INSERT,
	ENTRY_ARRIVALS,
	ENTRY_RANGE,
	ENTRY_BY_OP,
	ENTRY_BY_NUM,
	ENTRY_HEADER_AT,
	ENTRY_HEADERS_FROM,
	ENTRY_MISSING,
	ENTRY_ABSENT,
	ENTRY_MISSING_NEWEST,
	ENTRY_FILL,
	ENTRY_STATE,
	ENTRY_EMPTY,
	ENTRY_DROP,
	ENTRY_CUT,
	PACK_ROWS,
	PACK_BYTES,
	PACK_OUT,
	ENTRY_SUMS,
	FORK_GET,
	FORK_SET,
	DISPUTED_ADD,
	DISPUTED_NEXT,
	DISPUTED_DROP,
	ERASED_ADD,
	ERASED_DROP,
	ERASED_GET,
	ERASED_ALL,
	OWED_ADD,
	OWED_DROP,
	OWED_AFTER,
	OWED_GET,
	DROPPED_ADD,
	DROPPED_AFTER,
	DROPPED_FORGET,
	NAMED_ADD,
	NAMED_ALL,
	NAMED_GET,
	ADMIT_ADD,
	ADMIT_DROP,
	ADMIT_GET,
	OPEN_ADD,
	OPEN_GET,
	SHARE_SET,
	SHARE_GET,
	REVOKED_SET,
	REVOKED_DROP,
	REVOKED_GET,
	OWN_ADD,
	OWN_GET,
	OWN_ANY,
	OWN_BEFORE,
	ARRIVED_SET,
	ARRIVED_FORGET,
	ARRIVED_GET,
	ENTRY_LAST_SEQ,
	LOG_INTEGRITY,
	LOG_STMTS
};

/* --- store.c --- */
struct error *log_find(struct log_store *l, const struct log_id *id, struct log_info *ret);
/* Begin an empty row for a log that is not there yet, and set info->num. */
struct error *log_create(struct log_store *l, struct log_info *info);
/* Write the row back, with `live` counted anew. */
struct error *log_save(struct log_store *l, struct log_info *info);
/* One more is frozen, or ended. */
struct error *log_stopped(struct log_store *l);
void log_read_row(sqlite3_stmt *st, struct log_info *ret);
/* Is this a log that we are appending to now? */
bool log_is_ours_now(struct log_store *l, const struct log_id *id);

/* --- arrived.c --- */
/* Note how far the arrivals are, when that was long ago. Before a commit. */
struct error *arrived_mark(struct log_store *l);
void arrived_committed(struct log_store *l);

/* --- entries.c --- */
/* The first eight bytes of an op id, as they are stored and indexed. */
int64_t op_prefix(const struct hash *op_id);
struct new_entry {
	const struct entry_bytes *raw;
	struct hash op_id;
	uint64_t seq;
	enum payload_state state;
	struct span body; /* salt and payload, as the header says; empty unless held */
	const struct hash *hash; /* of the header; NULL: not worked out */
};
/* Store one entry behind the head of its log, counting it in info (which the caller saves). */
struct error *entry_put(struct log_store *l, struct log_info *info, const struct new_entry *e,
			int64_t *ret_num);
/* The payload of a known header came: a new arrival number. */
struct error *entry_fill(struct log_store *l, struct log_info *info, uint64_t seq, struct span body,
			 int64_t *ret_num);
/* Payload and salt go. The caller saves info. */
struct error *entry_empty(struct log_store *l, struct log_info *info, uint64_t seq,
			  enum payload_state state);
struct error *entry_header_at(struct log_store *l, int64_t log, uint64_t seq,
			      struct entry_bytes *ret);
/* Salt and payload in one piece; borrows when they lie so, else uses l->body. */
struct span entry_body(struct log_store *l, const uint8_t *salt, struct span payload);
struct error *op_is_erased(struct log_store *l, const struct hash *op_id, bool *ret);
void op_remember_erased(struct log_store *l, const struct hash *op_id);
/* The payload that came for a header: held when it is what the header says, else not. */
enum payload_state payload_judge(const struct entry_bytes *raw, const struct ingest_payload *p,
				 bool *ret_damaged);

/* --- pack.c --- */
/* The row has less in it now than its page has room for. */
struct error *pack_note(struct log_store *l, int64_t num);

/* --- carry.c --- */
/* Our log of that space that we may append to now, or an empty row for it (num 0). */
struct error *own_log(struct log_store *l, const struct hash *space, struct log_info *ret);
/* Put what was just made at the end of our log. */
struct error *put_own(struct log_store *l, struct log_info *log, const struct entry_bytes *raw,
		      const struct hash *op, enum payload_state state, struct span body);
/* An entry of another branch of our own log, to be carried over. */
struct error *disputed_keep(struct log_store *l, const struct ingest *in, size_t i, bool *ret_new);

/* --- fork.c --- */
/* Keep the proof and freeze info at that sequence, when that is lower than before. Both are known
 * to be valid. Saves info. */
struct error *fork_keep(struct log_store *l, struct log_info *info, uint64_t seq,
			const struct entry_bytes *x, const struct entry_bytes *y, bool *ret_new);
/* Find out anew up to where what is held of a frozen log is beyond doubt (log_info.vouched). */
struct error *fork_vouch(struct log_store *l, struct log_info *info);
/* This entry, which is about to be taken, founds the space of a log that is frozen at its first
 * sequence: it is put there, if nothing is, and belongs to the proof. */
struct error *fork_take_founding(struct log_store *l, struct log_info *info,
				 const struct entry_bytes *raw);
/* The payload counts of the log as its rows say, and save it. */
struct error *log_count_anew(struct log_store *l, struct log_info *info);
/* Put back the header that our own chain names at this place, with its payload when it came too. */
struct error *entry_heal(struct log_store *l, struct log_info *info, uint64_t seq,
			 const struct entry_bytes *raw, const struct ingest_payload *p);
/* Forget the log from that sequence on, for its header there was never signed by itself, and trust
 * no run of it any more. Saves info. */
struct error *log_cut(struct log_store *l, struct log_info *info, uint64_t from);
/* If this is the log that we are writing, begin a new incarnation. */
struct error *log_retire(struct log_store *l, const struct log_id *id);
