/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Other boxes, as the volunteer sees them: approving one, swapping logs now, and in words what
 * moved. The table of peers and the exchange itself are sync/'s.
 */
#pragma once
#include "appliance/app.h"

struct peers_approval {
	struct pubkey key;
	const char *address; /* "ADDR:PORT"; NULL or "" when only mDNS knows where it is */
	const char *name;    /* NULL: as it calls itself */
	bool read_only;	     /* it may read from us; its logs are not admitted to our spaces */
	const struct secret *steward; /* who signs the admission; NULL: this appliance */
};
/* Approve a box: keep it as a peer, and unless read_only admit its logs to the spaces of which this
 * box is a keeper. Approving again changes the address and the mode. Any thread. ERR_INVALID for
 * our own key or an address that is none. */
struct error *peers_approve(struct app *a, const struct peers_approval *what) MUST;
/* Forget a peer: exchanges with it end at once. What its people wrote stays. */
struct error *peers_withdraw(struct app *a, const struct pubkey *key) MUST;
/* One exchange now; waits for its end. */
struct error *peers_sync_now(struct app *a, const struct pubkey *key, struct sync_report *ret) MUST;

/* What moved, in words: sentences in the reader's language (translate NULL: English), up to
 * PEERS_SENTENCES of them, in the arena. Returns how many. */
enum { PEERS_SENTENCES = 8 + REPORT_REFUSALS };
size_t peers_report_sentences(const struct sync_report *r, error_translate_fn *translate, void *ctx,
			      struct arena *arena, const char *out[PEERS_SENTENCES]);
/* All of them as one line. */
const char *peers_report_text(const struct sync_report *r, error_translate_fn *translate, void *ctx,
			      struct arena *arena);

/* What sync/ is given by this house. */
struct sync_host peers_host(struct app *a);
