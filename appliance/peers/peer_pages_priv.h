/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the pages of this folder share. JSON that is returned is the caller's. */
#pragma once
#include "appliance/http/http.h"
#include "appliance/peers/peers.h"

struct error *peers_key_param(struct request *r, struct pubkey *ret) MUST; /* ":key" */
const char *peers_letters(struct request *r, const struct pubkey *key);	   /* peers_key_start */
const char *peers_name_of(struct request *r, const char *name, const struct pubkey *key);
/* The state of a peer in a sentence. *ret_ok: nothing is to be looked at. */
struct error *peers_state(struct request *r, const struct peer *p, const char **ret,
			  bool *ret_ok) MUST;

/* --- terms_pages.c --- */
/* `terms` of the template _terms. */
struct error *terms_form(struct request *r, const struct peer_terms *t, json_t **ret) MUST;
/* What was sent, on top of what was; fields that were not sent leave it. */
struct error *terms_read(struct request *r, const struct peer_terms *was,
			 struct peer_terms *ret) MUST;
/* `preview`: exactly what this box (NULL: whoever accepts) can read by these terms, and what not.
 */
struct error *terms_preview(struct request *r, const struct pubkey *key, const struct peer_terms *t,
			    json_t **ret) MUST;
/* Sets context.terms and, when the button for it was pressed (or always), context.preview. */
struct error *terms_into(struct request *r, json_t *context, const struct pubkey *key,
			 const struct peer_terms *t, bool preview) MUST;
bool terms_preview_asked(struct request *r);

/* --- chains --- */
/* context.chains[] {sentences[]}. */
struct error *chains_into(struct request *r, json_t *context, const struct pubkey *key) MUST;

/* context.invites[]. */
struct error *invites_into(struct request *r, json_t *context) MUST;

/* --- peer_pages.c --- */
/* The page of terms before somebody is approved. invitation: what was accepted, "" for none. */
struct candidate {
	struct pubkey key;
	char name[LIMIT_NAME + 1], address[PEER_ADDRESS];
	char known[PEER_ADDRESS]; /* what this box knows of it by itself; "": nothing */
	const char *invitation;
	const char *whole; /* its key as it was typed beside an address; NULL: it was not */
	bool read_only;	   /* as it is to be shown while the form was not sent */
	bool sent;	   /* the form was */
	const char *error;
	int status;
};
struct error *show_candidate(struct request *r, const struct candidate *c) MUST;
/* It is a peer already: its own name, address and way of reading in place of what was heard. False: it
 * is not. */
struct error *candidate_known(struct request *r, struct candidate *c, bool *ret) MUST;
/* The page of a peer, with this in the field of another address and a word about it (NULL: none). */
struct error *show_peer_address(struct request *r, const struct pubkey *key, const char *address,
				const char *error, int status) MUST;

/* --- address_pages.c --- */
/* context.addresses[]. */
struct error *addresses_into(struct request *r, json_t *context, const struct peer *p) MUST;

/* Where the volunteer reaches this box's pages, another box may reach its listener: "HOST:PORT", or "" when
 * they sit at the box itself. */
const char *peers_own_address(struct request *r);
/* The same to be read aloud: then, where they sit at the box itself, its first address on a network. */
const char *peers_shown_address(struct request *r);
