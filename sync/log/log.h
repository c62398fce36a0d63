/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The log store, log.db: truth. Every entry of every log of every space that this box carries.
 *
 * Invariants
 *  1. Entries of one log are held without gaps from sequence 1 to its head; each names the hash of
 *     the one before. (Payloads may be missing; headers may not.)
 *  2. What is stored was vouched for: in every stored run the newest appliance signature was
 *     checked, and the hash chain down from it.
 *  3. `audited` never passes an entry whose author signature was not checked. An entry whose author
 *     signature fails *ends* its log: it is kept as the proof, and nothing behind it is live.
 *     An entry whose own appliance signature fails was never one, whatever vouched for it: its log
 *     is cut before it, and each signature of that log is checked from then on.
 *  4. Two valid headers for one (log, sequence) are a fork: both are kept, and the log is *frozen*:
 *     nothing at or behind the lowest forked sequence is live, on any box. But nothing casts doubt on
 *     the entry that founds the space: that the space's id is its op id, both branches say. Where it
 *     begins the log that is held, it stays live.
 *  5. An entry is live when it is neither at/behind a fork, nor at/behind the entry that ended its
 *     log. Only live entries are handed to views. Whether an entry is live is a pure
 *     function of the bytes held, never of the order in which they came.
 *  6. Our own log is appended to only in the current incarnation, and a new one is drawn whenever
 *     this box can't be sure that it is the only one that writes (restore, clone, fork, a peer that
 *     holds more of our log than we do).
 *
 * One `struct log_store` is one connection and belongs to one thread. The one opened as a writer
 * (DB_WRITER) may use everything; a reader only what says (R). Writing functions work inside a
 * transaction that the caller opens with log_begin and ends with log_commit: what was appended may
 * be shown, sent or acknowledged only after log_commit has returned NULL. If log_commit fails
 * because fsync failed, the process must end (the caller's duty).
 */
#pragma once
#include "sync/base/env.h"
#include "sync/db/db.h"
#include "sync/log/entry.h"

struct log_store;

enum payload_state {
	PAYLOAD_HELD = 0,
	PAYLOAD_NOT_HELD = 1,
	PAYLOAD_SEALED = 2,
	PAYLOAD_ERASED = 3
};

/* A row of the table of logs. */
struct log_info {
	int64_t num; /* this box's own number of the log, in order of first sight */
	struct log_id id;
	uint64_t head;		/* highest sequence held in the chain, 0 for none */
	struct hash head_hash;	/* of the header at `head` */
	uint64_t audited;	/* author signatures checked up to here */
	uint64_t proved;	/* appliance signatures checked, each, up to here */
	bool strict;		/* its runs are no longer vouched for by their newest signature */
	uint64_t ended;		/* sequence whose author signature failed, 0 for none */
	uint64_t frozen;	/* lowest forked sequence, 0 for none */
	uint64_t vouched;	/* of a frozen log: what is held is beyond doubt up to here; 0: nothing */
	uint64_t live;		/* highest live sequence: min(head, ended-1, log_forked_from-1) */
	uint64_t held, missing; /* payloads: held; neither held nor erased */
	uint64_t bytes;		/* of the held payloads */
};

/* The first sequence that a fork takes from the log as it is held; 0: none. */
static inline uint64_t log_forked_from(const struct log_info *i)
{
	return i->frozen && i->frozen <= i->vouched ? i->vouched + 1 : i->frozen;
}

/* A stored entry, borrowed from the store until the next call on it unless copied. Reading checks:
 * a payload that is no longer what its header says is shown as PAYLOAD_NOT_HELD, and a header that
 * is no longer what was stored is never shown (log_verify finds both, log_repair has them fetched
 * again). */
struct stored {
	int64_t num; /* order of arrival on this box, from 1, grows; never reused */
	int64_t log; /* log_info.num */
	uint64_t seq;
	struct entry_bytes raw;
	struct hash hash, op_id;
	enum payload_state state;
	uint8_t salt[ENTRY_SALT];
	struct span payload; /* empty unless PAYLOAD_HELD */
	bool audited;
	bool live; /* now: not at or behind a fork or the end of its log */
};

/* --- opening --- */
struct log_open {
	const char *path;
	enum db_mode mode;
	const struct env *env;
	struct pubkey self; /* whose box this is */
	/* Where this copy lives (machine id, device, inode …), any text. A writer whose text
	 * differs from the one written at last opening begins a new incarnation (invariant 6).
	 * NULL: never. */
	const char *whereabouts;
};
struct error *log_open(const struct log_open *how, struct log_store **ret) MUST;
int log_format(void); /* the number of migrations that a writer leaves behind: see db_format */
void log_close(struct log_store *l);
DEFINE_CLEANUP(struct log_store *, log_close)
struct db *log_db(struct log_store *l); /* for backup and tests only */

struct error *log_begin(struct log_store *l) MUST;
struct error *log_commit(struct log_store *l) MUST;
void log_rollback(struct log_store *l);
/* A part of the open transaction that can be undone alone (one op of a group commit). */
struct error *log_savepoint(struct log_store *l) MUST;
struct error *log_release(struct log_store *l) MUST;
void log_undo(struct log_store *l);

/* --- writing our own --- */
struct log_append {
	const struct hash *space;    /* NULL founds a new space */
	const struct secret *author; /* NULL: the appliance itself */
	const struct secret *appliance;
	struct hash rules;   /* zero only when founding */
	int64_t time;	     /* usually env_now */
	struct span payload; /* as stored; at most LIMIT_PAYLOAD */
	bool sealed;	     /* with a key of the space, of this epoch */
	uint16_t epoch;
};
/* Append one op to our log of that space, beginning the log when there is none in this incarnation.
 * An op id that is already in one of our own logs gives ERR_EXISTS. */
struct error *log_append(struct log_store *l, const struct log_append *what,
			 struct hash *ret_op_id) MUST;
/* Draw a new incarnation (for all spaces). Disputed own ops are carried over by log_carry. */
struct error *log_new_incarnation(struct log_store *l) MUST;
uint64_t log_incarnation(struct log_store *l); /* (R) */
/* Carry our ops that are held but not live (at or behind a fork of one of our own logs), and those
 * that came of the other branch (ingest_result.disputed), and are in no live log over into a new
 * incarnation, oldest first: same op ids. *ret_n: how many. */
struct error *log_carry(struct log_store *l, const struct secret *appliance, int *ret_n) MUST;
/* A peer holds more of the log we are writing than we do: we are an old copy. True when `head` and
 * `hash` show that; the caller then calls log_new_incarnation. (R) */
bool log_is_behind(struct log_store *l, const struct log_id *id, uint64_t head);
/* Did this box write that log itself, under whatever key it has or had, and not another with its key?
 * (Of what was here before that was noted: all logs of its key.) (R) */
bool log_wrote(struct log_store *l, const struct log_id *id);
/* Entries of this log, new to us, whose newest says that time: are they of another box that writes
 * with our key since we began our incarnation? (By clocks, so a hint for people; what is older is
 * what a restored box gets back.) (R) */
bool log_is_twins(struct log_store *l, const struct log_id *id, int64_t time_ms);

/* --- taking in --- */
struct ingest {
	const struct log_id *id;
	uint64_t first; /* sequence of headers[0] */
	const struct entry_bytes *headers;
	const struct ingest_payload {
		enum payload_state state; /* what the sender says */
		const uint8_t *salt;	  /* ENTRY_SALT bytes when held */
		struct span bytes;
	} * payloads; /* as many as headers */
	size_t n;
	bool alone; /* travels alone: every author signature is checked before it is stored */
	/* log_vouched has looked; so many headers, counted from the first, end with one that its
	 * appliance signed. */
	bool looked;
	size_t vouched;
};
/* The headers up to the newest with a good appliance signature: one is checked, or as many as stand
 * behind it without. Pure, any thread: so that whoever sends 4,096 headers without signatures keeps
 * only his own connection busy, and not the writer. */
size_t log_vouched(const struct ingest *in);
struct ingest_result {
	size_t added;	 /* new entries */
	size_t filled;	 /* payloads that were missing and are here now */
	size_t known;	 /* repetitions */
	bool forked;	 /* a fork was proved by this batch */
	bool vouched;	 /* refused for a signature; yet its appliance signed the run's end: it answers */
	size_t disputed; /* of our own log, not taken, but kept to be carried over (log_carry) */
	int64_t first_num, last_num; /* arrival numbers of what was added; 0 when none */
};
/* Store a contiguous run of one log: checks every header alone, the chain, that it continues what
 * is held, payload hashes, and the newest appliance signature. Refuses by halves nothing: the
 * longest good prefix up to the last header whose vouching holds is stored, and the error about the
 * rest comes in *ret_refused (NULL when all was taken). Errors there: ERR_GAP (first > head + 1),
 * ERR_CHAIN, ERR_SIGNATURE, ERR_MALFORMED, ERR_ENDED, ERR_FORK (the log is frozen; entries from the
 * fork on are not taken). A payload that does not match its hash is refused alone: the header is
 * kept and the payload is "not held". The function's own error is this box's fault (disk). */
struct error *log_ingest(struct log_store *l, const struct ingest *in, struct ingest_result *ret,
			 struct error **ret_refused) MUST;
/* Two valid headers of one (log, sequence), in any order. Checks both and freezes the log.
 * ERR_MALFORMED when they prove nothing. Known or higher than a known one: no change. *ret_new says
 * whether the log's frozen sequence became lower, or that it is a founding log became known. */
struct fork_proof {
	struct entry_bytes a, b; /* a's hash is the lower */
};
struct error *log_ingest_fork(struct log_store *l, const struct fork_proof *proof,
			      bool *ret_new) MUST;
/* The proof behind log_info.frozen. (R) ERR_NOT_FOUND. */
struct error *log_fork_proof(struct log_store *l, int64_t log, struct fork_proof *ret) MUST;
/* Is this what founds the space of its log: the first entry, signed by its author and its appliance?
 * (Its op id is then the space's id.) Pure. */
bool log_is_founding(const struct entry_bytes *raw);
/* Is an entry known that founds the space of this log, which is frozen at its first sequence? Either
 * it is held, or it is one of the two of the proof. (R) */
struct error *log_founding_known(struct log_store *l, const struct log_info *info, bool *ret) MUST;
/* May this appliance write in this space, as far as sync cares? Kept by the layer above, from its
 * rules (log_admit); our own key always may. An appliance that is not admitted is "known, not
 * held". (R) */
bool log_admitted(struct log_store *l, const struct hash *space, const struct pubkey *appliance);
/* The same without the exception for our own key: is it listed by the rules? Others take our log
 * only then, so only then does it count in the digest that both sides compare. (R) */
bool log_listed(struct log_store *l, const struct hash *space, const struct pubkey *appliance);
struct error *log_admit(struct log_store *l, const struct hash *space,
			const struct pubkey *appliance, bool admitted) MUST;
/* The layer above says, from its rules, which appliances are revoked now, and up to where each of their
 * logs counts all the same (one that is not named: not at all). What is behind that is kept and passed on
 * as all else, for boxes must hold the same; but nobody need hurry. log_unrevoke forgets what was said of
 * the space, and comes before it is said anew. */
struct log_cut {
	uint64_t incarnation, seq;
};
struct error *log_revoke(struct log_store *l, const struct hash *space,
			 const struct pubkey *appliance, const struct log_cut *cuts, size_t n) MUST;
struct error *log_unrevoke(struct log_store *l, const struct hash *space) MUST;
/* The highest sequence of the log that can count; UINT64_MAX: its appliance is not revoked. (R) */
uint64_t log_counts_to(struct log_store *l, const struct log_id *id);
/* A space is closed until the layer above says that it is open, which it is from then on for ever (it
 * says so in the op that is the space's id). A closed one is told only to the appliances that the layer
 * above names, from its rules: whoever else asks does not learn that it is here. */
struct error *log_open_space(struct log_store *l, const struct hash *space) MUST;
struct error *log_share(struct log_store *l, const struct hash *space,
			const struct pubkey *appliance, bool may) MUST;
/* (R) What can't be read counts as closed, and as not shared. */
bool log_holds_space(struct log_store *l, const struct hash *space);
bool log_is_closed(struct log_store *l, const struct hash *space);
bool log_shared_with(struct log_store *l, const struct hash *space, const struct pubkey *appliance);
/* Do we take it from that one? Also from one of whom the rules here don't know (yet): it named the
 * space itself. Not from one that was withdrawn, which would learn how far we are. (R) */
bool log_followed_from(struct log_store *l, const struct hash *space,
		       const struct pubkey *appliance);

/* Spaces that this box let go of: their entries stay (others may still have to be shown them), but log_spaces
 * passes them over, so that they take no place, are told to nobody and travel in no bundle. since_ms 0:
 * taken back. A box that let go of one and one that did not hold the same of it. */
struct error *log_let_go(struct log_store *l, const struct hash *space, int64_t since_ms) MUST;
/* 0: it was not. (R) */
struct error *log_let_go_since(struct log_store *l, const struct hash *space, int64_t *ret) MUST;
bool log_is_let_go(struct log_store *l, const struct hash *space); /* what can't be read was not */
struct error *log_let_go_count(struct log_store *l, int64_t *ret) MUST;
struct gone_space {
	struct hash space;
	int64_t since_ms;
};
struct error *log_let_go_newest(struct log_store *l, size_t max, struct gone_space *out,
				size_t *ret_n) MUST;

/* --- auditing: author signatures, behind the ingest, on all cores (sync/log/audit.h) --- */
struct audit_job {
	int64_t log;
	uint64_t seq;
	bool appliance; /* check its signature, not the author's */
	struct entry_bytes raw;
};
/* Up to max entries that wait, contiguous from each log's `audited`+1. (R) Returns how many. */
struct error *log_audit_next(struct log_store *l, struct audit_job *jobs, size_t max,
			     size_t *ret_n) MUST;
/* Entries first..last of a log were found good (they follow `audited`). Or: entry `bad` failed:
 * ends the log there. */
struct error *log_audit_good(struct log_store *l, int64_t log, uint64_t last) MUST;
struct error *log_audit_bad(struct log_store *l, int64_t log, uint64_t bad) MUST;
/* Is there nothing that log_audit_next would give? (R) */
bool log_audited(struct log_store *l);
/* The same for each appliance's own signature: less urgent, when log_audit_next gives nothing.
 * Until then a hostile appliance can make a run that is good as a whole and of which one entry
 * alone is not, so that boxes that got it in other pieces differ. */
struct error *log_prove_next(struct log_store *l, struct audit_job *jobs, size_t max,
			     size_t *ret_n) MUST;
/* Either (appliance: the latter), for a caller whose last verdicts are still on their way to the
 * writer: of the logs in `ahead`, entries up to `seq` are left out. (R) */
struct audit_ahead {
	int64_t log;
	bool appliance;
	uint64_t seq;
};
struct error *log_audit_after(struct log_store *l, bool appliance, const struct audit_ahead *ahead,
			      size_t n_ahead, struct audit_job *jobs, size_t max,
			      size_t *ret_n) MUST;
/* Write the verdicts on what log_audit_next or log_prove_next gave, in the same order. Verdicts on
 * entries that have given way to others in the meantime are passed over. */
struct error *log_audit_done(struct log_store *l, const struct audit_job *jobs, const bool *ok,
			     size_t n) MUST;

/* --- erasing --- */
/* Payload and salt of the op go, in every log that carries it: state PAYLOAD_ERASED for ever (a
 * payload that arrives again is not taken). The bytes are gone from the file after the next
 * log_scrub (secure_delete and a truncating checkpoint), outside a transaction. */
struct error *log_erase(struct log_store *l, const struct hash *op_id) MUST;
/* It turned out that nobody was allowed to erase it: the payload becomes "not held", and is taken
 * when it comes again. */
struct error *log_unerase(struct log_store *l, const struct hash *op_id) MUST;
struct error *log_scrub(struct log_store *l) MUST;
/* The layer above says in the log of what it let go, once the bytes are gone from every file. Until
 * then it owes that, in this database and no other, so that who works with a copy of it (an old
 * backup, a copied card) says for himself when the bytes are gone there, too. `again`: also when
 * this box has said it before. log_unerase ends it. */
struct owed_op {
	struct hash op;
	bool again;
};
struct error *log_owe(struct log_store *l, const struct hash *op_id, bool again) MUST;
struct error *log_owed_drop(struct log_store *l, const struct hash *op_id) MUST;
/* In the order of their ids, those behind `after`, at most max. (R) */
struct error *log_owed(struct log_store *l, const struct hash *after, size_t max,
		       struct owed_op *ops, size_t *ret_n) MUST;
struct error *log_is_owed(struct log_store *l, const struct hash *op_id, bool *ret) MUST; /* (R) */
/* A partial box lets go of what others hold: the payload becomes "not held" in every log that
 * carries the op, and is taken when it comes again; the caller knows that somebody has it. What is
 * erased or not held stays so. *ret_bytes: what was let go of. */
struct error *log_drop(struct log_store *l, const struct hash *op_id, uint64_t *ret_bytes) MUST;
/* Ops that were let go of, in the order in which they went: those behind *io_after (0: all), at most max.
 * What is derived from this store and made durable later than it is without them when it has looked at
 * these. (R) */
struct error *log_dropped(struct log_store *l, int64_t *io_after, struct hash *out, size_t max,
			  size_t *ret_n) MUST;
/* It is durable, and without all of them: they need not be remembered any more. */
struct error *log_dropped_forget(struct log_store *l) MUST;

/* What was let go of leaves pages of this file half empty, which nothing else is written into. In a
 * transaction: a piece of them is packed, of bounded work, and goes on from there the next time; what the
 * rows say is the same. The pages that get empty are room for what is written next (db_unused).
 * *ret_more: again. */
struct error *log_pack(struct log_store *l, bool *ret_more) MUST;
/* Is there anything to pack? (R) */
bool log_packs(struct log_store *l);

/* --- reading (R) --- */
typedef struct error *log_info_fn(void *ctx, const struct log_info *info);
/* Called for each entry. It may use the store for anything but writing and the function that called
 * it. An error ends the reading and is passed on. */
typedef struct error *log_entry_fn(void *ctx, const struct stored *e);
struct error *log_info_get(struct log_store *l, const struct log_id *id, struct log_info *ret) MUST;
struct error *log_info_by_num(struct log_store *l, int64_t num, struct log_info *ret) MUST;
/* All logs of a space (NULL: of all), in order of first sight. */
struct error *log_each(struct log_store *l, const struct hash *space, log_info_fn *fn,
		       void *ctx) MUST;
/* The logs of a space, and whether the rules list their appliances (log_listed), in one go. */
typedef struct error *log_listed_fn(void *ctx, const struct log_info *info, bool listed);
struct error *log_each_listed(struct log_store *l, const struct hash *space, log_listed_fn *fn,
			      void *ctx) MUST;
/* The logs of a space (NULL: of all) that are frozen or ended, in order of first sight: those with a
 * proof against the appliance that signed them. */
struct error *log_each_stopped(struct log_store *l, const struct hash *space, log_info_fn *fn,
			       void *ctx) MUST;
/* The spaces of which something is live and that were not let go of, in order of first sight: a new one
 * never takes the place of an older. */
struct error *log_spaces(struct log_store *l, struct hash *out, size_t max, size_t *ret_n) MUST;
/* Entries in order of arrival, num > after, at most max (0: all), live or not. One whose header is
 * damaged is passed over (it gets a new number when it is repaired). */
struct error *log_arrivals(struct log_store *l, int64_t after, size_t max, log_entry_fn *fn,
			   void *ctx) MUST;
/* The highest arrival number that was given so far; 0: none. */
struct error *log_last_arrival(struct log_store *l, int64_t *ret) MUST;
/* The highest live sequence of the log that had arrived here by that time of this box's own clock (to a
 * quarter of an hour, and rather too little); of what came before such times were noted (400 days, and
 * older databases) up to the first entry that claims to be later. 0: none. (R) */
struct error *log_arrived_before(struct log_store *l, const struct log_info *info, int64_t time_ms,
				 uint64_t *ret_seq) MUST;
/* Entries of one log, from `first` to `last` inclusive; the chain between them is checked:
 * ERR_CORRUPT at the first that is damaged. */
struct error *log_range(struct log_store *l, int64_t log, uint64_t first, uint64_t last,
			log_entry_fn *fn, void *ctx) MUST;
/* Every entry that carries this op (usually one). */
struct error *log_op(struct log_store *l, const struct hash *op_id, log_entry_fn *fn,
		     void *ctx) MUST;
struct error *log_by_num(struct log_store *l, int64_t num, log_entry_fn *fn, void *ctx) MUST;
/* Sequences behind `after` whose payload is neither held nor erased. Returns how many, at most max.
 */
struct error *log_missing(struct log_store *l, int64_t log, uint64_t after, uint64_t *seqs,
			  size_t max, size_t *ret_n) MUST;
/* The same, of all whose payload is not here, erased ones too. */
struct error *log_absent(struct log_store *l, int64_t log, uint64_t after, uint64_t *seqs,
			 size_t max, size_t *ret_n) MUST;
/* The same from the newest down, below `before`, with what their headers say; until fn says false.
 */
struct missing_entry {
	uint64_t seq;
	int64_t time;
	uint32_t bytes; /* of the payload */
	struct hash op;
};
typedef bool log_missing_fn(void *ctx, const struct missing_entry *e);
struct error *log_missing_newest(struct log_store *l, int64_t log, uint64_t before,
				 log_missing_fn *fn, void *ctx) MUST;
/* Every op id that others need to judge by: that the header of some entry names as its rules, or of
 * which the layer above said so. (R) */
typedef void log_named_fn(void *ctx, const struct hash *op);
struct error *log_named(struct log_store *l, log_named_fn *fn, void *ctx) MUST;
/* The layer above: this op is one of the rules, whoever names it. */
struct error *log_need(struct log_store *l, const struct hash *op_id) MUST;
/* Is it? (R) */
struct error *log_is_needed(struct log_store *l, const struct hash *op_id, bool *ret) MUST;
/* Header hash at (log, seq); ERR_NOT_FOUND. */
struct error *log_hash_at(struct log_store *l, int64_t log, uint64_t seq, struct hash *ret) MUST;
struct log_counts {
	uint64_t logs, entries, held, missing, bytes;
};
struct error *log_count(struct log_store *l, const struct hash *space, struct log_counts *ret) MUST;
/* What one appliance wrote there (space NULL: in all spaces together); and how many spaces it founded that
 * are here. (R) */
struct error *log_count_of(struct log_store *l, const struct hash *space,
			   const struct pubkey *appliance, struct log_counts *ret) MUST;
struct error *log_count_founded(struct log_store *l, const struct pubkey *appliance,
				int64_t *ret) MUST;
/* Is there an entry in the log that a person wrote, and not the appliance by itself? (R) */
struct error *log_has_person(struct log_store *l, int64_t log, bool *ret) MUST;
/* The appliance whose log founds the space. (R) ERR_NOT_FOUND: none that is here does. */
struct error *log_founder(struct log_store *l, const struct hash *space,
			  struct pubkey *ret) MUST;
/* A number that grows with every change that views must see: new entry, new audit mark, fork, end,
 * payload filled or dropped; and with every change of who is admitted. */
int64_t log_change(struct log_store *l);
/* A place for what the layer above works out of a reader's rows and keeps until log_change grows;
 * freed with the store. NULL on a writer, whose rows change before the number does. (R) */
void **log_memo(struct log_store *l);
/* A number that grows when entries that were live are no longer (a fork, the end of a log, a header
 * that was never signed): a view that has applied some must take them back, or be made anew. (R) */
int64_t log_losses(struct log_store *l);
/* A number that grows with every log that is frozen, lower than before, or ended. (R) */
int64_t log_stops(struct log_store *l);

/* --- checking --- */
struct verify_report {
	uint64_t logs, entries, payloads;
	uint64_t bad; /* what did not check; the first is described by the error */
};
/* Read everything and check everything: headers, chain, signatures, payload hashes, invariants, and
 * SQLite's own check. progress may be NULL. First fault as *ret_first (NULL when clean). (R) */
struct error *log_verify(struct log_store *l, void (*progress)(void *ctx, uint64_t done), void *ctx,
			 struct verify_report *ret, struct error **ret_first) MUST;
/* Have fetched again what is damaged (signatures are not checked): a damaged payload becomes "not
 * held"; a log whose header is damaged ends before it until a peer sends it again (what is behind
 * stays stored). A writer, in a transaction. *ret_n: how many faults. */
struct error *log_repair(struct log_store *l, uint64_t *ret_n) MUST;
