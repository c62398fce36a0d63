/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The sieve: a short-lived helper that reads a foreign bundle without a key, a network or a file
 * (sandbox.h), so that whatever a stick or a stranger's phone brings is parsed there first.
 *
 *   daemon                          helper: `lliure sieve`
 *   open file ----- descriptor 0 -----> frames whose check and body hold
 *   socket <------- descriptor 1 ------ the same frames, and nothing else; or a summary
 *
 * What is whole behind a fault is handed on, too, as a stream of its own behind a frame that can't hold.
 * It runs this program again (struct sieve_how), so nothing of the daemon's memory is in it. What
 * comes out is verified as if it came over the network: the sieve adds a wall, not trust.
 */
#pragma once
#include "appliance/carry/sandbox.h"
#include "sync/sync.h"

enum sieve_mode { SIEVE_FRAMES, SIEVE_SUMMARY };
enum {
	SIEVE_LOGS = 4096,
	SIEVE_SUMMARY_MAX = 2 * 1024 * 1024,
	SIEVE_SILENCE_S = 120,
	SIEVE_SUMMARY_S = 1800,
	SIEVES = 32,
	SIEVE_NO_WALLS = 3, /* how the helper ends that could not put its walls up */
};

/* --- the daemon's side --- */
/* The helpers that run, of all threads, so that a daemon which is about to stop waits for none: a
 * stick can be as slow as it likes. */
struct sieves;
/* program: the path of this program; it must outlive them. */
struct sieves *sieves_new(const char *program);
void sieves_free(struct sieves *all); /* none runs any more */
void sieves_stop(struct sieves *all); /* ends those that run; no other begins */

/* The walls behind which foreign files are read on this machine: tried out once. ERR_DENIED: the
 * kernel has one that could not be raised, and so nothing foreign is read. */
struct error *sieves_walls(struct sieves *all, struct walls *ret) MUST;

struct sieve {
	int fd;	  /* what it says; -1 when ended */
	int code; /* when ended: how the helper ended by itself, else -1 */
	pid_t pid;
	struct sieves *all;
};
/* fd: the bundle, read from where it stands; borrowed. Reading from ret->fd fails when the helper
 * says nothing for SIEVE_SILENCE_S (in a summary, SIEVE_SUMMARY_S: it speaks at its end).
 * ERR_STOPPED, ERR_BUSY, and of sieves_walls. */
struct error *sieve_start(struct sieves *all, int fd, enum sieve_mode mode, struct sieve *ret) MUST;
void sieve_end(struct sieve *s); /* ends it if it runs; also twice */

struct sieve_log {
	struct log_id id;
	uint64_t first, last;
};
/* What is in a bundle, as far as it can be read; nothing of it is verified but the claim. */
struct sieve_summary {
	uint64_t bytes, frames, entries, payloads, forks, blobs, logs_n, spaces_n;
	uint64_t parts; /* bundles that stand in it, one behind the other */
	bool whole;    /* it ended with its END, and so did each before it */
	bool damaged;  /* something in it is not what was written; else it is only cut off */
	bool has_name; /* it says who wrote it: */
	char name[LIMIT_NAME + 1];
	bool claimed; /* … and signed that (sync/bundle/claim.h): */
	struct pubkey writer, receiver;
	int64_t time_ms; /* the writer's clock; of the hello when it is not signed */
	struct hash spaces[LIMIT_SPACES];
	struct sieve_log *logs; /* the first SIEVE_LOGS of them */
	size_t logs_kept;
	struct walls walls;
};
void sieve_summary_release(struct sieve_summary *s);
/* Runs the helper and reads what it found. ERR_IO when it did not come to its end. */
struct error *sieve_check(struct sieves *all, int fd, struct sieve_summary *ret) MUST;

/* --- the helper's side --- */
/* Never returns: reads descriptor 0, writes descriptor 1, and ends the process. */
_Noreturn void sieve_run(enum sieve_mode mode);
/* Without process and walls, for tests: from `in` to `out`. False: out could not be written. */
bool sieve_frames(int in, int out);
bool sieve_summarize(int in, struct walls walls, struct buf *out);
struct error *sieve_parse_summary(struct span json, struct sieve_summary *ret) MUST;
