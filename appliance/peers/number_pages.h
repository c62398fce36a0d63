/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The number that people compare, on the pages of a box that is to be approved. */
#pragma once
#include "appliance/http/http.h"
#include "appliance/peers/peers.h"

/* What the template _pairing shows, and with it how the page loads itself again: context.pairing,
 * .refresh, .still. Loading the page begins no attempt: where there is none for this key it
 * shows a button. Of an attempt the page shows the number alone, so context.compared is true when
 * what follows (the tick) is to be shown. */
struct number_page {
	struct pubkey key;
	const char *address; /* where the box is, as far as this one knows by itself; may be "" */
	const char
		*typed;	  /* where somebody says that it is: called only after a click; may be "" */
	const char *next; /* this page */
};
void number_into(struct request *r, json_t *context, const struct number_page *n);
/* The form was sent: why its key is not compared yet, in the reader's language; NULL: it is, by the
 * number or by the whole key (*ret_how). */
const char *number_missing(struct request *r, const struct pubkey *key, enum peer_how *ret_how);
/* Is the whole key to be compared on this page, in place of a number? */
bool number_by_key(struct request *r);
