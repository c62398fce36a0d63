/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Conduct: what a peer did that an honest one does not do. Each kind of misdeed is a row of one
 * table; of each peer and kind there is one record with how often, since when, when last and the
 * last words, so that what is kept is bounded however often it happens. The volunteer reads it and
 * decides; the box itself only waits longer before it asks such a peer again (conduct_wait), and
 * lets it ask more seldom.
 *
 * Whether an entry is valid never depends on anything here.
 *
 * A peer that a volunteer paused is treated as one that is not approved, until it is resumed.
 */
#pragma once
#include "sync/crypto/crypto.h"
#include "sync/db/db.h"
#include "sync/log/entry.h"
#include "sync/replicate/report.h"

/* X(NAME, name, severity, sentence). Severity: how much it lengthens the wait; 0 not at all. */
#define MISDEED_TABLE(X)                                                                           \
	X(MISDEED_FLOOD, "flood", 2, N_("It asks far more often than an exchange needs."))         \
	X(MISDEED_LIES, "lies", 1,                                                                 \
	  N_("It says that it holds something else than this box, and never gives it."))           \
	X(MISDEED_RUBBISH, "rubbish", 2, N_("It sent bytes that make no sense."))                  \
	X(MISDEED_STALL, "stall", 1, N_("It kept a connection open and hardly said anything."))    \
	X(MISDEED_LOGS, "many-logs", 2,                                                            \
	  N_("It brought more communities or more boxes' logs than one box may."))                 \
	X(MISDEED_BLOB, "file", 2, N_("It gave a file that is not the one that was asked for."))   \
	X(MISDEED_UPDATE, "update", 2,                                                             \
	  N_("It offered an update of the system that is none, or not one for this box."))         \
	X(MISDEED_REPLAY, "replay", 1, N_("It keeps sending what is here already."))               \
	X(MISDEED_CLAIM, "other-key", 0,                                                           \
	  N_("Something else than this box answers where it was. Addresses can change hands."))    \
	X(MISDEED_QUOTA, "quota", 1, N_("It brought more than this box takes of one peer."))       \
	X(MISDEED_FORGED, "forged", 3,                                                             \
	  N_("It sent entries in the name of a box that did not sign them."))                      \
	X(MISDEED_AUTHOR, "false-author", 3,                                                       \
	  N_("It gave something out as written by a person who did not sign it."))                 \
	X(MISDEED_FORK, "two-histories", 0,                                                        \
	  N_("There are two different histories under its key: two boxes use one key, because a "  \
	     "card was copied, or the box is dishonest."))

#define MISDEED_ENUM_ROW(NAME, name, severity, sentence) NAME,
enum misdeed { MISDEED_TABLE(MISDEED_ENUM_ROW) MISDEEDS };
#undef MISDEED_ENUM_ROW

const char *misdeed_name(enum misdeed what); /* stable, for JSON */
const char *misdeed_msgid(enum misdeed what);
unsigned misdeed_severity(enum misdeed what);
/* Is it proved by what the box itself signed, a log that is frozen or ended (sync/log/log.h)? No bad
 * line, full disk or other box can look like that, and whoever passes the proof on did nothing. */
bool misdeed_is_proved(enum misdeed what);

enum {
	CONDUCT_WORDS = 300,
	CONDUCT_FORGIVEN_MS = 86400000, /* half of it counts after a day, a quarter after two … */
	CONDUCT_WAIT = 30000,		/* for the first; doubles with each more */
	CONDUCT_WAIT_LAST = 6 * 3600000,
	CONDUCT_NO_PROGRESS = 3,  /* exchanges in a row that differ and move nothing */
	CONDUCT_KNOWN = 20000,	  /* entries that were here already, in one exchange … */
	CONDUCT_KNOWN_SHARE = 20, /* … and so many times those that were new */
	CONDUCT_PATIENCE = 8,	  /* the slowest that its bucket of requests fills */
};

struct conduct {
	struct pubkey peer;
	enum misdeed what;
	uint64_t count;
	int64_t first_ms, last_ms; /* by our clock */
	char words[CONDUCT_WORDS]; /* of the last time, as by error_stored; "" when there are none */
	/* a volunteer has looked since; or it weighs nothing and is not proved, so is no news */
	bool seen;
};

/* How long to wait before asking a peer with this record again, beyond what the schedule says; and
 * by how much its bucket of requests fills slower. Pure. More and newer misdeeds never shorten it.
 * A last_ms in the future counts as now. */
int64_t conduct_wait(const struct conduct *rows, size_t n, int64_t now);
unsigned conduct_patience(const struct conduct *rows, size_t n, int64_t now);

/* What a report tells of misdeeds, as a set of bits 1 << misdeed; `error` is what ended the
 * exchange or the request, or ERR_NONE. Pure. (Lies and floods need more than one report.) */
unsigned conduct_of_report(const struct sync_report *r, enum error_code error);
/* Did the exchange end well, with other heads on both sides, and move nothing though nothing was
 * refused? */
bool conduct_no_progress(const struct sync_report *r);

/* --- conduct_store.c: in local.db --- */
extern const char *const conduct_migrations[]; /* db_migrate(local, "conduct", …) */
extern const int conduct_migrations_n;
/* Adds count, and takes last_ms and words over. On the writer. */
struct error *conduct_note(struct db *local, const struct conduct *c) MUST;
typedef struct error *conduct_fn(void *ctx, const struct conduct *c);
/* Newest first; peer NULL: of all. */
struct error *conduct_each(struct db *local, const struct pubkey *peer, conduct_fn *fn,
			   void *ctx) MUST;
/* Once for each log and kind, however often the proof is found again, also when the record was
 * forgotten meanwhile: note it, with c->what one that is proved. *ret_new false: it was noted before.
 * On the writer. */
struct error *conduct_note_proof(struct db *local, const struct conduct *c, const struct log_id *log,
				 bool *ret_new) MUST;
/* Was it? */
struct error *conduct_has_proof(struct db *local, enum misdeed what, const struct log_id *log,
				bool *ret) MUST;
/* Of a box that has no record here, for it is no peer: a volunteer has seen the proof. On the writer. */
struct error *conduct_saw_proof(struct db *local, const struct log_id *log) MUST;
struct error *conduct_has_seen(struct db *local, const struct log_id *log, bool *ret) MUST;
struct error *conduct_saw(struct db *local, const struct pubkey *peer) MUST;	 /* writer */
struct error *conduct_forgive(struct db *local, const struct pubkey *peer) MUST; /* writer */
/* Only that it brought too much: it may bring more now. */
struct error *conduct_forgive_quota(struct db *local, const struct pubkey *peer) MUST; /* writer */
/* Pausing. Setting it again changes nothing. */
struct error *conduct_pause(struct db *local, const struct pubkey *peer, bool on,
			    int64_t now) MUST; /* writer */
/* 0: it is not. */
struct error *conduct_paused(struct db *local, const struct pubkey *peer, int64_t *ret_since) MUST;
typedef struct error *conduct_paused_fn(void *ctx, const struct pubkey *peer);
struct error *conduct_each_paused(struct db *local, conduct_paused_fn *fn, void *ctx) MUST;
