/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Updates that boxes pass on to each other. A box keeps the bundle that it was given or that it
 * installed, says to its peers which system it runs and since when it is well (sync/peer/system.h),
 * and lets them fetch the bundle. What a peer offers is fetched in the background, within the
 * line's hours and budget and the peer's quota; then the updater looks at it (signature, machine,
 * version, format of the data), and only what is found good is put before the volunteers, or
 * installed by itself where they chose that.
 *
 *            a volunteer, or the plan             the updater             "Install it", or the plan
 *   offered ------------------------> WANTED --------------> READY -----------------> GIVEN
 *                                      |  |                                             |
 *              a volunteer: DECLINED <-+  +-> BAD <--- refused, failed, taken back -----+--> RUNS
 *
 * What was chosen by the plan and does not come, or not as what it was said to be, is LATER: for a
 * day whatever else is offered goes before it, and before all that the same peer offers. A transfer
 * that fails never makes a file BAD: only what the updater says of the bytes does.
 *
 * A file that a volunteer brings begins as GIVEN. READY and RUNS are passed on. Of each state that
 * holds a file there is at most one row; BAD, DECLINED and LATER are remembered, so that the same
 * is not fetched again by itself.
 */
#pragma once
#include "appliance/community/feature.h"
#include "appliance/update/update.h"

extern const struct feature update_feature;

/* --- what the volunteers chose --- */
enum offer_how {
	OFFER_BY_HAND, /* a volunteer installs */
	OFFER_FIRST,   /* this box goes first */
	OFFER_AFTER,   /* when it has run well at so many peers for so many days */
};
enum { OFFER_PEERS_MOST = 16, OFFER_DAYS_MOST = 90, OFFER_REMEMBERED = 32 };
struct offer_plan {
	enum offer_how how;
	int peers, days; /* of OFFER_AFTER */
	int hour;	 /* 0 to 23, in the box's zone: when it installs by itself */
	bool ahead;	 /* good offers are fetched by themselves, whoever installs them */
	bool tells;	 /* peers are told which system runs, and have its update */
};
struct error *offer_plan_get(struct conn *c, struct offer_plan *ret) MUST;
/* On the writer. ERR_INVALID. */
struct error *offer_plan_set(struct conn *c, const struct offer_plan *p) MUST;

/* --- what peers said --- */
struct offer_heard {
	struct system_said said;
	/* Since when we have heard that it is well with this version, and when we last did, by our
	 * clock; 0: it is not. Its own times decide nothing. */
	int64_t first_ms, last_ms;
};
typedef struct error *offer_heard_fn(void *ctx, const struct offer_heard *h);
/* Of peers that are approved now, on terms that have not ended, and not doubted after a restore. */
struct error *offer_heard_each(struct conn *c, offer_heard_fn *fn, void *ctx) MUST;
/* On the writer: a peer says this now; `body` is how it said and signed it. */
struct error *offer_hear(struct conn *c, const struct system_said *said, struct span body) MUST;

/* Does it say something else than what is kept, or the same after ten minutes? Without that it need
 * not be heard; `said` as system_read gave it. */
bool offer_is_news(struct conn *c, const struct system_said *said);

/* On the writer: of peers that are no peers any more nothing is kept. */
struct error *offer_heard_prune(struct conn *c) MUST;
/* Who gave something else than it offered is not asked again by itself for a week. */
struct error *offer_shunned(struct conn *c, const struct pubkey *peer, bool *ret) MUST;
/* … until when; 0: it is asked. */
struct error *offer_shunned_until(struct conn *c, const struct pubkey *peer,
				  int64_t *ret_ms) MUST;
/* May this peer be told which system runs, and have its update? */
bool offer_tells(struct conn *c, const struct pubkey *peer);

/* --- files --- */
#define OFFER_STATES(X)                                                                            \
	X(OFFER_WANTED, "wanted")                                                                  \
	X(OFFER_READY, "ready")                                                                    \
	X(OFFER_GIVEN, "given")                                                                    \
	X(OFFER_RUNS, "runs")                                                                      \
	X(OFFER_BAD, "bad")                                                                        \
	X(OFFER_DECLINED, "declined")                                                              \
	X(OFFER_LATER, "later")
#define OFFER_ENUM_ROW(id, name) id,
enum offer_state { OFFER_STATES(OFFER_ENUM_ROW) OFFER_STATES_N };
#undef OFFER_ENUM_ROW
const char *offer_state_name(enum offer_state s);

struct offer_file {
	struct hash blob;
	uint64_t size;
	char version[UPDATE_VERSION]; /* as offered; as found once it was looked at; "" not known */
	enum offer_state state;
	struct pubkey peer;	/* who offered it; zero: a volunteer brought it */
	enum update_why why;	/* of OFFER_BAD */
	char name[UPDATE_FILE]; /* under which it was given to the updater; "" */
	int64_t when_ms;	/* of the state */
	int64_t before_ms;	/* of OFFER_GIVEN: when the updater last said something before */
	bool by_hand;		/* a volunteer asked for it */
};
bool offer_by_volunteer(const struct offer_file *f);
typedef struct error *offer_file_fn(void *ctx, const struct offer_file *f);
struct error *offer_file_each(struct conn *c, offer_file_fn *fn, void *ctx) MUST; /* newest first */
/* ERR_NOT_FOUND. */
struct error *offer_file_get(struct conn *c, const struct hash *blob, struct offer_file *ret) MUST;
/* On the writer. Another of the same state makes room, when that is one that holds a file. */
struct error *offer_file_put(struct conn *c, const struct offer_file *f) MUST;
/* A good one that waits for a volunteer: nobody installs it otherwise. false: there is none. */
struct error *offer_waits(struct conn *c, struct offer_file *ret, bool *ret_any) MUST;
struct error *offer_file_forget(struct conn *c, const struct hash *blob) MUST;

/* --- judging: pure, offer_rules.c --- */
/* Does a row of this state hold a file? The others are only remembered. */
bool offer_holds(enum offer_state s);
/* Is it an update for this machine, newer than what runs? */
bool offer_fits(const char *machine, const char *version, const struct system_said *said);
/* "lliure-amd64"; "" for a kind of machine that there is no image of. */
const char *offer_machine(void);
struct offer_weighed {
	size_t well; /* peers with which this version has run well for as long as the plan says */
	bool taken_back; /* a peer says that it gave it up */
	bool may;	 /* the plan says that it is installed by itself */
};
struct offer_weighed offer_weigh(const struct offer_plan *p, const char *version,
				 const struct offer_heard *h, size_t n);
/* Is this the hour, at this minute of the day? */
bool offer_is_hour(const struct offer_plan *p, int minute);

/* --- the box's own part --- */
struct offers;
/* What is kept lies below the data folder. Before sync is started; freed after it was stopped. */
struct error *offer_open(struct app *a, struct offers **ret) MUST;
void offer_free(struct offers *s);
/* The thread. NULL does nothing, in all that follow. */
struct error *offer_start(struct offers *s) MUST;
void offer_stop(struct offers *s);
void offer_poke(struct offers *s);
/* One look of the thread, in the calling one (for tests). */
struct error *offer_look(struct offers *s) MUST;
/* So many bytes of it are here; 0 none. */
uint64_t offer_part(struct offers *s, const struct hash *blob);
/* Why what is wanted does not come, as by error_stored; "" it comes. */
void offer_problem(struct offers *s, char *out, size_t size);
/* Of what a volunteer brought: keep what the descriptor holds, and put it into the updater's
 * folder. */
struct error *offer_take_in(struct offers *s, int fd, const char *name) MUST;
/* The helper did not begin: it is kept no more. */
void offer_not_taken(struct offers *s, const char *name);
/* Install what is READY. ERR_NOT_FOUND, and as update_ask. */
struct error *offer_install(struct offers *s, const struct hash *blob) MUST;

/* The file of that hash, when it is passed on; `c` a reading connection. */
bool offer_gives(struct offers *s, struct conn *c, const struct hash *blob, int *ret_fd,
		 uint64_t *ret_size);
