/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The one writer: a thread that owns the only connections that write. Jobs come from any thread;
 * those that wait together are gathered into one commit (group commit), each under a savepoint of
 * its own, so that one that fails does not take the others along. (A savepoint costs memory for every
 * page that is changed under it: who is alone in its group has none, and large ones always are.) A job
 * is answered after the commit: what it wrote is then durable and readable. If a commit's fsync fails
 * the process ends: a restart is cheaper than a lie. When only the view could not follow (a disk that
 * was full), the writer catches it up by itself, every second until it can; and what was put off during a
 * sync it does in the first quiet moment, or soon after it in spite of all that comes.
 */
#pragma once
#include "appliance/community/community.h"

struct writer;

enum { WRITER_ROOM = 4 * 1024 * 1024 }; /* with less free nothing more is taken in */

typedef struct error *write_fn(struct conn *c, void *arg);

/* Takes the conn (opened as a writer), which from now on belongs to the writer's thread. */
struct error *writer_start(struct conn *take_conn, struct writer **ret) MUST;
void writer_stop(struct writer *w); /* finishes what waits, closes the conn */
/* Run fn(conn, arg) in the next group and wait for its commit. ERR_FULL when little room is left on
 * the disk and inside the files, before anything is tried. Must not be called from inside a job. */
struct error *writer_run(struct writer *w, write_fn *fn, void *arg) MUST;
/* The same, in a group of its own; the room must be on the disk. */
struct error *writer_run_large(struct writer *w, write_fn *fn, void *arg) MUST;
/* The same for what frees room, or writes down that it was freed, in the background: it goes on with
 * the little that is there. */
struct error *writer_run_tidying(struct writer *w, write_fn *fn, void *arg) MUST;
/* The same for what a volunteer does to make room, and what they need for it (to sign in): also on a
 * disk that is full to the last byte, where the reserve gives way (appliance/ballast.h). For nobody
 * else, and for nothing that grows. */
struct error *writer_run_care(struct writer *w, write_fn *fn, void *arg) MUST;
/* From now on there is to be one, as soon as there is room for it: where the disk is the box's own. */
void writer_keep_reserve(struct writer *w);
/* May others write, too? Any thread; NULL: there is nothing to write to. */
bool writer_has_room(struct writer *w);
/* The same outside a transaction, alone: for what makes its own. */
struct error *writer_run_alone(struct writer *w, write_fn *fn, void *arg) MUST;
/* Do what was put off during a sync (community_take_in) now, before something is compared that pages show. */
struct error *writer_follow(struct writer *w) MUST;
/* Called after every commit that changed something, on the writer's thread; must be quick. */
void writer_on_commit(struct writer *w, void (*fn)(void *ctx), void *ctx);
/* Grows with every commit that changed the view; any thread. 0 without a writer. */
uint64_t writer_generation(struct writer *w);
