/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Receipts: what moved in an exchange, in one statement that both boxes sign (PROTOCOL.md section
 * 7.1), so that two houses have the same paper in their hands. Each side counts alone, what went
 * over the wire (sync/replicate/tally.h); the one that asked writes the statement, the one that
 * answered signs the same bytes if its own counts agree, and else signs its own version: then both
 * keep both, and the pages say where they differ.
 *
 *   receipt_of_tally, receipt_write, receipt_sign        the asker's, or a stick's
 *   receipt_read, receipt_own_version                    the answerer weighs it
 *
 * Invariants
 *  1. What a box signs is what it counted, or what only the other can know of itself (the table in
 *     section 7.1 says which). It names no space that the other may not see.
 *  2. A statement has one form in bytes: rows rise, each once, and reading takes nothing else.
 *
 * All of this is pure, for any thread; the store at the end is local.db's: read through any
 * connection, written on the writer only.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/db/db.h"
#include "sync/replicate/report.h"
#include "sync/replicate/tally.h"

enum {
	RECEIPT_ERROR = 400,
	RECEIPT_EXCHANGE = REPORT_EXCHANGE,		    /* bytes that name an exchange, drawn by who asks */
	RECEIPT_REFUSALS = 2 * TALLY_NOTES, /* (P) rows of what was refused */
	PEER_RECEIPTS = 500,		    /* kept of each kind, of all peers together */
	RECEIPT_FAILED = 20, /* lines of one peer's failures that are kept, each of what is the same */
	RECEIPT_CLOCK_SLACK_MS = 86400000,  /* how far the said clock may be from ours by now */
};

enum receipt_kind {
	RECEIPT_MET = 1,     /* an exchange of two boxes: both sign */
	RECEIPT_WRITTEN = 2, /* a bundle was written: who wrote it signs; the other is who it is
				for, or zero */
	RECEIPT_TAKEN =
		3, /* a bundle was read in: who read it signs; the other wrote it, or zero */
};

/* The two sides, as indexes: what [0] sent to [1] is entries[0]. In a bundle's receipt the asker is
 * who signs. */
enum { ASKER = 0, ANSWERER = 1 };

struct receipt_space {
	struct hash space;
	struct hash heads[2]; /* digest at the end, of either side */
	uint8_t missing[2][16];
	uint64_t entries[2]; /* in frames, by who sent them */
	uint32_t forks[2];
	uint32_t conflicts; /* documents of which two versions wait for people */
};

struct receipt_refusal {
	uint8_t by; /* ASKER or ANSWERER refused … */
	struct log_id id;
	enum error_code why;
};

struct receipt_body {
	enum receipt_kind kind;
	struct pubkey box[2];
	uint8_t exchange[RECEIPT_EXCHANGE];
	int64_t clock_ms[2];
	uint64_t bytes[2]; /* of streams, by who sent them */
	uint64_t fresh[2],
		filled[2]; /* new entries, payloads that were missing: by who took them */
	uint64_t blobs;	   /* files that the asker took whole */
	struct receipt_space *spaces; /* rising */
	size_t n_spaces;
	struct receipt_refusal *refusals; /* rising */
	size_t n_refusals;
};

/* --- the statement --- */
void receipt_write(const struct receipt_body *b, struct buf *out);
/* ERR_MALFORMED: not the one form. Rows live in the arena. */
struct error *receipt_read(struct span bytes, struct arena *a, struct receipt_body *ret) MUST;
/* Of a statement in its form. */
enum receipt_kind receipt_kind_of(struct span bytes);
/* Over "lliure-receipt-1" ‖ bytes. */
struct signature receipt_sign(const struct secret *self, struct span bytes);
bool receipt_signed_by(const struct pubkey *who, struct span bytes, const struct signature *sig);
/* Its name: H of what is signed. Its first letters are the short word that people compare. */
struct hash receipt_id(struct span bytes);
/* Did both sides hold the same in every space at the end? */
bool receipt_equal(const struct receipt_body *b);
bool receipt_space_equal(const struct receipt_space *s);

/* What the asker says, from its tally and its report; exchange, kind, keys and clocks are in *io
 * already. Rows live in the arena. */
void receipt_of_tally(struct wire_tally *t, const struct sync_report *r, struct arena *a,
		      struct receipt_body *io);

/* The answerer's own version of what was claimed: everything that it can know by itself is its
 * own, the rest stays. The same bytes come out when both agree. */
struct receipt_weighing {
	const struct pubkey *self, *peer;
	int64_t now_ms;
	struct wire_tally *tally; /* of this exchange; NULL: nothing was counted */
	struct log_store *log;
	void *ctx;
	bool (*shares)(void *ctx, const struct pubkey *peer, const struct hash *space);
};
struct error *receipt_own_version(const struct receipt_weighing *w,
				  const struct receipt_body *claim, struct arena *a,
				  struct receipt_body *ret) MUST;

/* --- the store: every exchange that is worth a line, signed or not, newest first; and the receipts
 * of bundles, which have no line here but in the record of who carried them --- */
extern const char *const receipt_migrations[]; /* "receipt"; after those of peer.h */
extern const int receipt_migrations_n;

enum receipt_state {
	RECEIPT_UNSIGNED, /* it failed, or nobody asked for a signature, or the peer knows none */
	RECEIPT_ALONE,	  /* signed by the asker only: a bundle, or the other did not answer */
	RECEIPT_AGREED,	  /* both signed the same */
	RECEIPT_DISPUTED, /* each signed its own version */
};

struct receipt {
	struct pubkey peer;
	int64_t when_ms;
	bool by_peer; /* the peer asked, we answered */
	struct sync_report report;
	char error[RECEIPT_ERROR]; /* empty when it went well */
	uint32_t times;		   /* that it failed so; put: 0 counts as 1 */
	/* read only */
	int64_t since_ms; /* when the first of these was; when_ms is the last */
	int64_t num;
	enum receipt_state state;
	struct hash id; /* unless unsigned */
};
typedef struct error *receipt_fn(void *ctx, const struct receipt *r);
/* The exchanges, at most max (PEER_RECEIPTS are kept). peer NULL: of all. */
struct error *receipt_each(struct db *local, const struct pubkey *peer, size_t max, receipt_fn *fn,
			   void *ctx) MUST;
/* A line of an exchange. One whose report names it joins its signed receipt. A failure that is
 * the same as one of that day is counted with it; of others a peer has RECEIPT_FAILED lines. Of
 * too many of a kind the oldest of the peer that has most goes: nobody can push the others' out. */
struct error *receipt_put(struct db *local, const struct receipt *r) MUST;

struct receipt_signed {
	struct pubkey peer; /* the other one; of a bundle who it is for or from, or zero */
	int64_t when_ms;
	bool by_peer;
	uint8_t exchange[RECEIPT_EXCHANGE];
	/* [ASKER] is there always. [ANSWERER]: p NULL when it did not sign; the same bytes when it
	 * agreed. */
	struct span bytes[2];
	struct signature sig[2];
};
enum receipt_state receipt_state_of(const struct receipt_signed *s);
/* The first of an exchange stays: who signs twice changes nothing. */
struct error *receipt_put_signed(struct db *local, const struct receipt_signed *s) MUST;
/* Bytes are copied to the arena. ERR_NOT_FOUND. */
struct error *receipt_get_signed(struct db *local, const struct hash *id, struct arena *a,
				 struct receipt_signed *ret) MUST;
