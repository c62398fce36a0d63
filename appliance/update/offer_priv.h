/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the parts of passing updates on share. Included only inside appliance/update/. */
#pragma once
#include "appliance/update/offer.h"
#include "sync/base/poked.h"

struct offers {
	struct app *app;
	struct blob_store *store; /* DATA/update */
	struct conn *conn;	  /* the thread's; NULL until it is started */
	struct poked poked;
	unsigned looks; /* the thread's, and the next */
	bool soon;
	struct hash tried;	 /* the thread's: what is wanted, */
	unsigned rounds, unseen; /* and how often nothing came of it, or the updater said nothing */
	struct pubkey failed;	 /* who was asked last and did not give it: is asked last */

	pthread_mutex_t files; /* rows and files of the store, together; taken before poked.lock */
	char problem[400];     /* under poked.lock */
};

/* Why what is wanted does not come; the error is consumed. NULL: it comes. */
void offer_note_problem(struct offers *o, struct error *take_e);

/* Write one row, on the writer. */
struct error *offer_row(struct offers *o, struct offer_file *f, enum offer_state state);

/* --- offer_fetch.c: what is wanted comes, and is looked at --- */
/* Choose by the plan what is wanted, when nothing is. */
struct error *offer_choose(struct offers *o, const struct update_state *u) MUST;
struct error *offer_bring(struct offers *o) MUST;

/* --- offer_keep.c: what is here --- */
/* What became of what was given to the updater. */
struct error *offer_settle(struct offers *o, const struct update_state *u) MUST;
/* Files and rows of no more use go. */
struct error *offer_tidy(struct offers *o, const struct update_state *u) MUST;
/* What we say of our own system; false: nothing. */
bool offer_say(struct offers *o, struct conn *c, const struct update_state *u,
	       struct system_said *ret);
/* A file of the store, under a name in the updater's folder. */
struct error *offer_link(struct offers *o, const struct hash *blob, const char *name) MUST;
void offer_unlink(struct offers *o, const char *name);
/* Every row that there is of a state; false: none. */
struct error *offer_of_state(struct conn *c, enum offer_state state, struct offer_file *ret,
			     bool *ret_any) MUST;

/* All that peers said, for those who weigh it: *ret is yours. */
struct offer_all {
	struct offer_heard *h;
	size_t n;
};
struct error *offer_all_heard(struct conn *c, struct offer_all *ret) MUST;
void offer_all_release(struct offer_all *a);
