/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A backup is one sealed file (sealed.h). Its parts:
 *
 *	'k'  the box's key: 32 bytes of seed
 *	'l'  local.db: accounts, settings, peers, held posts: SQLite's own copy of it
 *	'b'  a whole backup only: a bundle, every entry and blob that the box carries
 *	'm'  at the end, JSON: what was in it, to compare with after restoring
 *
 * A *small* backup is what a box can't get back from its peers; a *whole* one is everything. The
 * old format 1, in clear, is still restored, but only where no key is given: with a key the backup of
 * that box is asked for, and format 1 proves nothing.
 *
 * A restored box is the same box in a new incarnation, because its data folder is a new one: an old
 * backup never makes a fork. Its key file is written last, so a power cut on the way leaves a
 * folder that can simply be tried again.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/recovery/sealed.h"

enum backup_scope { BACKUP_SMALL = 1, BACKUP_WHOLE = 2 };

struct backup_made {
	uint64_t entries, blobs, bytes;
};
/* Write one, from the file's position on. key.box NULL and passphrase NULL: with the box's own key.
 * Any thread. ERR_FULL. */
struct error *backup_write(struct app *app, enum backup_scope scope, struct sealed_key key, int fd,
			   const char *name, struct backup_made *ret) MUST;

/* What can be known of a backup without a key. old: format 1, in clear, needs none. */
struct backup_about {
	bool old;
	enum sealed_with with;
	enum backup_scope scope;
	struct pubkey box;
	int64_t made_ms;
};
/* Reads the head; the file's position is moved back. ERR_MALFORMED. */
struct error *backup_look(int fd, const char *name, struct backup_about *ret) MUST;

struct restore {
	const char *dir; /* made ready by setup_folder, and locked */
	const struct env *env;
	int fd;
	const char *name; /* of the file, for people */
	struct sealed_key key;
	/* So far, of the whole: in bytes of work. May be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	/* The box is restored, and has no key file yet. May be NULL. */
	struct error *(*made)(void *ctx, struct app *app);
	void *ctx;
	/* Becomes true when it is to be broken off (ERR_STOPPED). May be NULL. */
	const _Atomic bool *ending;
	/* A trial: no key file is written, and the digests are compared with what the backup says.
	 */
	bool trial;
};
struct restore_done {
	enum backup_scope scope;
	struct pubkey box;
	int64_t made_ms;
	uint64_t entries;
	bool compared;	       /* the backup knew its digests, and they are these */
	struct error *damaged; /* yours. Of a bundle that is damaged or cut off: what came whole
				  before that is in the box, and peers give back the rest */
};
/* ERR_CORRUPT, ERR_DENIED (the wrong key), ERR_MALFORMED, ERR_FULL: then there is no box. */
struct error *backup_restore(const struct restore *r, struct restore_done *ret) MUST;
