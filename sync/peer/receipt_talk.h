/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Both ends of POST /sync/1/receipt (PROTOCOL.md section 7.1), and the counts that the answering
 * end keeps meanwhile. A receipt that does not come about is no fault of the exchange.
 */
#pragma once
#include "sync/peer/client.h"
#include "sync/peer/host.h"
#include "sync/peer/receipt.h"

#define SYNC_PATH_RECEIPT "/sync/1/receipt"
enum { RECEIPT_BODY = 256 * 1024 }; /* (P) a request and an answer */

/* --- asking: after the last round, over the same connection --- */
struct receipt_asking {
	struct client *client;
	const struct sync_host *host;
	const struct secret *self;
	struct pubkey peer;
	const struct env *env;
	const uint8_t *exchange; /* RECEIPT_EXCHANGE bytes */
	struct wire_tally *tally;
	const struct sync_report *report;
};
/* Ask for the other's signature and keep what came of it. ERR_NOT_FOUND: it is older and knows no
 * receipts, nothing was kept; whatever else it says, ours is kept alone. */
struct error *receipt_ask(const struct receipt_asking *q) MUST;
/* Its two halves without the network and the store (`client` is not used): the claim as the body of
 * the request, appended; and the other's version out of the answer. Bytes live in the arena. */
void receipt_claim(const struct receipt_asking *q, struct arena *a, struct receipt_signed *ret,
		   struct buf *body);
struct error *receipt_take_answer(const struct receipt_asking *q, struct span answer,
				  struct arena *a, struct receipt_signed *io) MUST;

/* --- answering --- */
/* Weigh the request's body, sign, keep, and append the answer. ERR_MALFORMED, ERR_SIGNATURE. */
struct error *receipt_answer(const struct receipt_weighing *w, const struct secret *self,
			     const struct sync_host *host, const uint8_t exchange[RECEIPT_EXCHANGE],
			     struct span body, struct buf *out) MUST;

/* --- the counts of exchanges under way, by peer and number; any thread --- */
enum { TALLIES = 64, TALLIES_PER_PEER = 4 };
struct tallies;
struct tallies *tallies_new(void);
void tallies_free(struct tallies *t);
/* Ours until given back; begun when there is none. NULL: it is in use, or too many are. */
struct wire_tally *tallies_take(struct tallies *t, const struct pubkey *peer,
			   const uint8_t exchange[RECEIPT_EXCHANGE]);
void tallies_give(struct tallies *t, struct wire_tally *tally);

/* The header that names an exchange: 32 hexadecimal digits. */
void exchange_text(const uint8_t exchange[RECEIPT_EXCHANGE], char out[2 * RECEIPT_EXCHANGE + 1]);
bool exchange_parse(const char *text, uint8_t ret[RECEIPT_EXCHANGE]);
