/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Disks in memory, as a VFS of SQLite: what a power cut, a full card, a failing one and one that
 * lies about fsync do to a database. disks_install makes it the process's default VFS, so the code
 * under test opens its databases by their paths and knows nothing of it. Path "/disk-3/log.db" is
 * file log.db on disk 3.
 *
 * The model. A write goes to the cache: it is seen by who reads, and not yet safe. A sync of a file
 * makes safe all writes to it (a file that was made is found again after its first sync, one that
 * was deleted may come back until the folder is synced). A crash keeps what is safe, and of the
 * rest, on a disk that keeps its word, any part: each sector of 512 bytes of each write may be
 * there or not, or be there in its first part only, in any order. A disk that lies answers most
 * syncs without doing anything, and at a crash is set back to some earlier moment: what was written
 * before it is there, what came later is not. (LIES_LOOSELY: and what came later is there in any
 * part, as above, so the database may be damaged.)
 *
 * One process, one thread. Everything that is drawn comes from the seed.
 */
#pragma once
#include "tests/lib/test.h"
#include "sync/base/span.h"

enum disk_honesty { DISK_HONEST, DISK_LIES, DISK_LIES_LOOSELY };

struct disk;
/* Registers the VFS. `clock` moves with the simulation, its numbers are drawn from for the disks.
 * Once per process. */
void disks_install(struct test_env *clock);
/* A new empty disk; its folder's path is borrowed. At most DISKS of them. */
enum { DISKS = 200 };
struct disk *disk_new(const char **ret_dir);
/* The file is gone, the handles too: for disks whose box is gone. */
void disk_wipe(struct disk *d);
/* Everything that is on `from` now (its files closed) comes onto the empty `to`, safe. */
void disk_copy(const struct disk *from, struct disk *to);

void disk_set_honesty(struct disk *d, enum disk_honesty h);
/* Pull the plug: every call fails from now on, until disk_power_on, which makes of the cache what
 * the model says. Close the files in between. */
void disk_power_off(struct disk *d);
void disk_power_on(struct disk *d);
/* The n-th write or sync from now fails (EIO), and all after it until the power goes. 0: none. */
void disk_fail_after(struct disk *d, unsigned n);
/* Writes that would make the files larger than this together fail for want of space. 0: no end. */
void disk_set_room(struct disk *d, uint64_t bytes);

struct disk_facts {
	uint64_t bytes, peak;	/* of the files */
	uint64_t writes, syncs; /* so far */
	bool failed;		/* it has refused something since the power came on */
	bool forgot;		/* at the last crash it lost what it had said was safe */
};
struct disk_facts disk_facts(const struct disk *d);
/* Do these bytes stand in a file as it is now, or as a power cut may leave it? Then its name is in
 * `where`. */
bool disk_holds(const struct disk *d, struct span bytes, char where[40]);
uint64_t disks_bytes(void); /* of memory, all of them */
