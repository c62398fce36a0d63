/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sessions and keys for programs that their owner ended while the disk was so full that not even
 * this could be written down: from that moment they are refused from memory, and written down with
 * the first request that finds room. A box that is switched off before knows nothing of them; where
 * it is full to the last byte it makes room at its start, so that they can be ended again.
 *
 * Invariant: one is remembered only if it was there, so that a person takes up no more places than
 * they have sessions and keys. Any thread.
 */
#pragma once
#include "appliance/member/session.h"

enum { ENDED_MOST = 1024 };
enum ended_kind { ENDED_SESSION, ENDED_TOKEN };

struct ended;
struct ended *ended_new(void);
void ended_free(struct ended *x);
/* False: there is no place for more. */
bool ended_note(struct ended *x, enum ended_kind kind, int64_t account, int64_t id, int64_t now_ms);
/* since_ms: when the one that is looked at began. A number may be given again once it was written
 * down. */
bool ended_has(struct ended *x, enum ended_kind kind, int64_t account, int64_t id,
	       int64_t since_ms);
/* There is something, and room to write it down. */
bool ended_waits(struct ended *x, struct writer *w);
/* Writes down what waits, if there is room for it; else it goes on waiting. Not on the writer. */
void ended_settle(struct ended *x, struct writer *w);
