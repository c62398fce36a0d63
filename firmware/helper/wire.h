/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What passes between the daemon and the root helper, over a SOCK_SEQPACKET socket: one message
 * asks, one message answers, and the connection ends.
 *
 *   request  words, each ended by a zero byte: the verb and its arguments
 *   answer   the name of a fault ("ok" when it was done), its detail, each ended by a zero byte,
 * and then bytes that the verb gives back, to the end of the message
 *
 * A word can't hold a zero byte, an argument can't be absent in the middle, and there is nothing to
 * quote: there is no other grammar to get wrong as root. Pure; any thread.
 */
#pragma once
#include "firmware/helper/fault.h"
#include "sync/base/buf.h"
#include <stdbool.h>

enum {
	HELPER_WORDS = 4,	   /* the verb, and its arguments */
	HELPER_WORD = 255,	   /* bytes of one */
	HELPER_REQUEST = 1024,	   /* bytes of a request */
	HELPER_ANSWER = 64 * 1024, /* bytes of an answer */
	HELPER_DETAIL = 120,	   /* bytes of a fault's detail */
};
#define HELPER_SOCKET "/run/lliure-helper.sock"

struct words {
	const char *v[HELPER_WORDS]; /* borrowed from the message */
	size_t n;
};
/* false: no words, too many, one that is empty or too long, or bytes behind the last zero. */
bool words_parse(struct span message, struct words *ret);
/* false: it would not be read again as the same words. */
bool words_write(struct buf *out, const char *const *v, size_t n);

struct answer {
	enum fault fault;
	char detail[HELPER_DETAIL + 1]; /* one clean line: which object, for the sentence */
	struct buf out;			/* what the verb gives back */
};
/* What is too long of `out` is left out. */
void answer_write(struct buf *message, const struct answer *a);
/* false: it is no answer. `ret->out` is to be released in either case. */
bool answer_parse(struct span message, struct answer *ret);
