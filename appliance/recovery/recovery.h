/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The care that a box takes of its own death: backups by themselves to the places a volunteer
 * chose (a folder of a disk or stick, a peer that agreed), the newest at each place tried out every
 * month, and what there is to tell about it. Rows in local.db.
 *
 * A whole backup holds the words that were erased after it was made. So after an erasure the next
 * whole one is made a day after the last, not a week, and when it was tried out the older ones are
 * removed; a disk or stick that is not plugged in has its turn when it is.
 *
 * Reading and writing rows: like any feature, with a conn; writing on the writer.
 */
#pragma once
#include "appliance/recovery/plan.h"

extern const struct feature recovery_feature;

enum { RECOVERY_PLACES = 16, RECOVERY_PLACE = 1024, RECOVERY_TEXT = 500 };

/* Where backups go. */
enum place_kind { PLACE_FOLDER = 1, PLACE_PEER = 2 };
struct place {
	int64_t id;
	enum place_kind kind;
	char where[RECOVERY_PLACE]; /* the folder's path, or the peer's key as text */
	int64_t added_ms;
	/* the newest of each scope that is there, and the last try */
	int64_t small_ms, whole_ms, tried_ms;
	int64_t proved_ms;	 /* the newest there was restored, and was right; 0: never */
	int64_t proof_tried_ms; /* the last try, also when the place could not be reached */
	char proof_problem[RECOVERY_TEXT]; /* why the newest there could not be restored, or "" */
	/* No whole backup there holds what was erased until then, when the box had erased so often. */
	int64_t forgot_ms, erasures;
	char problem[RECOVERY_TEXT]; /* of the last try; "" when it went well */
};
typedef struct error *place_fn(void *ctx, const struct place *p);
struct error *place_each(struct conn *c, place_fn *fn, void *ctx) MUST; /* oldest first */
struct error *place_get(struct conn *c, int64_t id, struct place *ret) MUST;
/* On the writer. ERR_EXISTS, ERR_LIMIT. */
struct error *place_add(struct conn *c, enum place_kind kind, const char *where) MUST;
struct error *place_remove(struct conn *c, int64_t id) MUST;
/* scope of what was tried; problem NULL: it went well. */
struct error *place_note(struct conn *c, int64_t id, enum backup_scope scope, int64_t now_ms,
			 const char *problem) MUST;

/* On the writer: the newest backup there was tried out; problem NULL: it was right. */
struct error *place_proved(struct conn *c, int64_t id, int64_t now_ms, const char *problem) MUST;
/* On the writer: there was nothing to try out, for the place can't be reached now. */
struct error *place_unreached(struct conn *c, int64_t id, int64_t now_ms) MUST;

/* On the writer: the whole backups from before that moment are gone from there. */
struct error *place_forgot(struct conn *c, int64_t id, int64_t when_ms, int64_t erasures) MUST;

/* The last time a backup was tried out, and the last sheets. */
struct recovery_state {
	int64_t proved_ms; /* 0: never */
	char proof_of[RECOVERY_PLACE];
	char proof_problem[RECOVERY_TEXT]; /* "" when it went well */
	int64_t proof_entries;
	bool proof_compared;
	int64_t sheets_ms; /* 0: never */
	char sheets_set[9];
	int64_t checked_ms; /* two sheets of that set were seen to fit; 0: never */
};
struct error *recovery_state(struct conn *c, struct recovery_state *ret) MUST;
struct error *recovery_note_proof(struct conn *c, const struct recovery_state *s) MUST;
struct error *recovery_note_sheets(struct conn *c, const char *set, int64_t now_ms) MUST;
/* The sets that were printed here, by name: the newest RECOVERY_SETS are remembered. */
enum { RECOVERY_SETS = 64 };
struct recovery_set {
	int64_t printed_ms; /* 0: not known here */
	int64_t checked_ms; /* 0: never */
	bool newest;
};
struct error *recovery_set_get(struct conn *c, const char *set, struct recovery_set *ret) MUST;
/* On the writer: two of its sheets were seen to be this box's key. */
struct error *recovery_note_checked(struct conn *c, const char *set, int64_t now_ms) MUST;

/* Peers whose backup this box keeps. */
struct error *keep_allow(struct conn *c, const struct pubkey *peer, bool allow) MUST;
struct error *keep_allowed(struct conn *c, const struct pubkey *peer, bool *ret) MUST;
/* The folder of what is kept for others (sync/peer/keep.h): DIR/kept. Yours. */
char *keep_dir(const struct app *a);
/* What is kept of that box's: 0 bytes when nothing is. */
uint64_t keep_bytes(const struct app *a, const struct pubkey *peer);
/* For sync_host.keeps; ctx is the app. */
bool recovery_keeps(void *ctx, const struct pubkey *peer);

/*
 * What a backup brings back is as old as the backup: a house that was disconnected since is a peer again.
 * So each peer that came with one is doubted until a volunteer says that it still is one: it is given
 * nothing and no backup of its is taken; what it brings is taken, since that is checked anyway and is how
 * a restored box comes to know what happened. Nothing that was withdrawn in a community's log comes back
 * by this: saying "still connected" admits nobody anywhere.
 */
/* On the writer, once, after a restore: all peers. made_ms: the backup's date, 0 where it has none. */
struct error *restored_doubt(struct conn *c, int64_t made_ms) MUST;
struct error *restored_doubted(struct conn *c, const struct pubkey *peer, bool *ret) MUST;
/* How many are doubted, and the date of the backup. */
struct error *restored_open(struct conn *c, int64_t *ret_n, int64_t *ret_made_ms) MUST;
/* On the writer: it still is a peer, or it is none any more. */
struct error *restored_settle(struct conn *c, const struct pubkey *peer) MUST;

/* For the page of volunteers: a sentence (message id) about what needs them, NULL when all is well.
 * *ret_grave: there were backups that can be counted on, and now there are none. */
struct error *recovery_warning(struct conn *c, int64_t now_ms, const char **ret_msgid,
			       bool *ret_grave) MUST;

/* --- the thread --- */
struct keeper;
struct keeper_options {
	const char *backups, *sticks; /* folders in which places may be; may be NULL */
};
struct error *keeper_start(struct app *app, const struct keeper_options *o,
			   struct keeper **ret) MUST;
void keeper_stop(struct keeper *k);
/* Do it now: backups of both scopes, or the trial. */
void keeper_back_up_now(struct keeper *k);
void keeper_prove_now(struct keeper *k);
/* What it is at: 0 nothing, 1 a backup, 2 the trial. */
int keeper_at_work(struct keeper *k);
/* The folders that may be places: the one named, the folders directly in it, and the sticks that
 * are plugged in. At most max. */
size_t keeper_folders(struct keeper *k, char out[][RECOVERY_PLACE], size_t max);
