/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The opened box: what main wires together and everything above community/ is handed. Made by
 * appliance/app.c; immutable after app_open but for what its parts do themselves. */
#pragma once
#include "appliance/community/writer.h"

struct templates; /* appliance/page/templates.h */
struct languages; /* appliance/page/language.h */
struct language;
struct sync;
struct carry;
struct sieves;
struct portal;	  /* firmware/portal/portal.h */
struct health;
struct peers;	  /* appliance/peers/peers.h */
struct ended;
struct ask;	  /* appliance/recovery/ask.h */

/* Where the machine beneath is found, when it is a box (serve --box): all below one root, "" in an
 * image. Empty texts: it is no box. */
enum { BOX_PATH = 300 };
struct app_box {
	char helper[BOX_PATH];	/* the root helper's socket */
	char state[BOX_PATH];	/* what root keeps of the machine and of updates */
	char updates[BOX_PATH]; /* where bundles are put for it */
	char release[BOX_PATH]; /* says which version of the image runs */
	char sticks[BOX_PATH];	/* where the helper mounts them */
	char left[BOX_PATH];	/* what the first program of the start left */
	char avahi[BOX_PATH];	/* its socket */
	char network[BOX_PATH]; /* what dnsmasq reads of us */
	char label[BOX_PATH];	/* the words of the label and the screen */
	char zones[BOX_PATH];	/* of time */
	char share[BOX_PATH];	/* what was installed beside the program; also where it is no box */
	char sys[BOX_PATH], proc[BOX_PATH];
};

struct app {
	char *dir;
	char name[LIMIT_NAME + 1]; /* the box's name */
	const struct env *env;
	struct clock_env *clock; /* behind env; NULL when not serving */
	struct secret *self;
	struct writer *writer;
	struct sync *sync; /* NULL when not serving */
	int http_port;	   /* of the pages at the plain door; 0 when not serving */
	_Atomic bool ending;   /* backups and questions to peers are broken off */
	struct partial_thread *partial; /* appliance/partial/; NULL when not serving */
	struct files_thread *files; /* appliance/files/; likewise */
	struct offers *offers; /* appliance/update/offer.h; likewise */
	struct keeper *keeper; /* likewise: appliance/recovery/recovery.h */
	struct blob_store *blobs;
	struct peers *peers; /* what sync/ asks of us about peers */
	struct ended *ended; /* sessions that could not be written off: appliance/member/ended.h */
	struct ask *ask; /* what is asked of them before a lost box is signed out */
	struct templates *templates; /* NULL when not serving */
	struct languages *languages;
	/* The house's own: of a reader whose device asks for none of ours. NULL: nobody has said. */
	_Atomic(const struct language *) speaks;
	struct password_cost password_cost;
	struct sieves *sieves; /* helpers that read foreign files (appliance/carry/sieve.h) */
	/* Begin again, soon: this box has another key now. NULL when not serving. */
	void (*again)(struct app *a);
	struct portal *portal; /* of the box's own Wi-Fi; NULL when not serving */
	struct carry *carry;  /* sticks and phones (appliance/carry/); NULL when not serving */
	struct app_box box;
	struct network *network; /* appliance/network/; NULL when not serving, or no box */
	struct health *health; /* appliance/health/; NULL when not serving */
};
/* One more reading connection for the calling thread; yours. */
struct error *app_conn(struct app *a, struct conn **ret) MUST;

/* What sync/ is started with; the paths live in *ret_paths. Listens nowhere unless the caller says
 * so. */
struct app_paths {
	char log[4200], local[4200], blobs[4200], kept[4200];
};
struct sync_options app_sync_options(struct app *a, struct app_paths *ret_paths);
