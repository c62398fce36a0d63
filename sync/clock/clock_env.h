/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The clock of a running box: clock.h around the system's, as a struct env that everything else is
 * given. What it knows is kept in a small file, so that a box whose clock begins at 1970 goes on
 * from where it was. Never goes back within a run, except when the system's clock becomes SURE, a
 * person says so, or enough peers agree where fewer had said something. Any thread.
 */
#pragma once
#include "sync/base/env.h"
#include "sync/base/error.h"
#include "sync/clock/clock.h"

struct clock_env;
/* `path`: where what is known is kept; need not be there. `under`: the system's, borrowed.
 * synced: does the system say that its clock is synchronised? NULL: ask it (adjtimex).
 * hardware: what does the machine's own clock say, which goes on while it is off? Milliseconds; 0:
 * it has none; CLOCK_HARDWARE_UNKNOWN: it can't be asked, as in many containers. NULL: ask the kernel.
 * One that is far behind what is known has no battery, and is none. */
#define CLOCK_HARDWARE_UNKNOWN INT64_MAX
struct clock_env *clock_env_new(const char *path, const struct env *under, bool (*synced)(void),
				int64_t (*hardware)(void));
void clock_env_free(struct clock_env *c); /* keeps what it knows; NULL does nothing */
const struct env *clock_env_get(struct clock_env *c);
void clock_env_seen(struct clock_env *c, int64_t time_ms);
/* A person tells the time. false: earlier than what is known, not taken. It is kept apart from that in
 * the file, so that a mistyped year does not stay known for ever. */
bool clock_env_told(struct clock_env *c, int64_t time_ms);
/* An own entry says that time: it was. Not believed when it is later than what was known by more than the
 * time between two writings of the file: then something that is not to be known dated it. */
void clock_env_wrote(struct clock_env *c, int64_t time_ms);
/* An approved peer's clock is that much ahead of ours. */
void clock_env_heard(struct clock_env *c, const struct pubkey *key, int64_t ahead_ms);
struct clock_state {
	enum clock_quality quality;
	int64_t offset_ms; /* ours minus the system's */
	bool told;	   /* it rests on a person's word, perhaps of before the restart */
	bool agreed;	   /* by CLOCK_QUORUM peers or more */
	enum clock_word word;
};
struct clock_state clock_env_state(struct clock_env *c);
/* What a run left in its file, for a command beside it; `word` is not in it. false: nothing. */
bool clock_file_read(const char *path, struct clock_state *ret, int64_t *ret_known);
