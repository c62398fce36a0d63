/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which of the two systems starts: a few values in one small block, and the only function that
 * moves them. The boot loader (grub/decide.cfg) does the step BOOT_START on the same block; a test
 * holds the two against each other.
 *
 *     value      meaning
 *     n=0        starts since the last healthy one, 0 to 5 and from there 0 again
 *     good=A     the committed slot
 *     ok=A-      the slots that were healthy since they were written
 *     armed=B1   the slot that waits for its first healthy start, and how often it was set to be
 *                tried, 1 to 3; -0 for none
 *     try=B      the slot that is started next, once; cleared before it is started; - for none
 *
 *                  try X                    start (slot X)
 *      SETTLED ------------->  ARMED  ------------------------->  TRIED
 *         ^  ^                 |   ^                               | |
 *         |  |  X is bad       |   |  the good one is healthy      | |
 *         |  +-----------------+   |  again: a power cut, perhaps; | |
 *         |                        +--- at most three times -------+ |
 *         |                                                          |
 *         +--- X is healthy: committed; X is bad; three times -------+
 *
 * A start takes the slot of `try`; otherwise `good`; after three starts that did not become
 * healthy the other slot, if it is ok, three times; and so on in turns.
 *
 * Invariants
 *  1. Every block, torn or foreign, gives a state, and every state gives a slot to start.
 *  2. A slot enters `good` and `ok` only by being healthy while it runs. (`good` also moves when
 *     its slot is about to be written and the other one is ok.)
 *  3. A slot about to be written is in neither `ok` nor `try` when the first byte is written.
 *  4. A new slot is started at most three times before it was healthy once.
 *  5. All of it stands in one sector. Should a disk tear that too, a block of which the first bytes
 *     are new and the rest old still starts a slot that is good, ok or to be tried in the old or
 * the new block, and breaks none of the above: hence the order of the values.
 */
#pragma once
#include "sync/base/span.h"
#include <stdbool.h>

enum {
	BOOT_BLOCK = 1024,  /* bytes of a block; the values stand in the first half: one sector */
	BOOT_UNHEALTHY = 3, /* starts of a slot in vain before the other's turn */
	BOOT_ARMS = 3,
};

enum boot_slot { BOOT_A, BOOT_B, BOOT_NONE };

struct boot_state {
	enum boot_slot good;	   /* never BOOT_NONE */
	enum boot_slot try_next;   /* the armed slot, or BOOT_NONE */
	enum boot_slot armed_slot; /* the one that is not good, or BOOT_NONE */
	unsigned armed;		   /* up to BOOT_ARMS; 0 without a slot */
	bool ok[2];
	unsigned n; /* below 2 * BOOT_UNHEALTHY */
};

/* What a box begins with, and falls back to when its block is lost: A, and both may be started. */
struct boot_state boot_state_new(void);
/* Read a block. What is missing or makes no sense takes the value of a lost block; never fails. */
struct boot_state boot_state_parse(struct span block);
/* In the format of GRUB's environment blocks; every value has always the same place and length. */
void boot_state_format(const struct boot_state *s, uint8_t ret_block[BOOT_BLOCK]);

enum boot_event {
	BOOT_START,   /* the boot loader starts a slot: see boot_state_next */
	BOOT_HEALTHY, /* slot runs and is healthy */
	BOOT_BAD,     /* slot is about to be written, or was judged and found wanting */
	BOOT_TRY,     /* slot was written: start it next */
};
/* Move the state. slot is not used by BOOT_START and never BOOT_NONE otherwise. */
void boot_state_move(struct boot_state *s, enum boot_event event, enum boot_slot slot);
/* The slot that BOOT_START starts from here. */
enum boot_slot boot_state_next(const struct boot_state *s);
/* A new slot waits for its first healthy start. */
bool boot_state_pending(const struct boot_state *s);

enum boot_slot boot_slot_other(enum boot_slot slot);
char boot_slot_char(enum boot_slot slot); /* 'A', 'B', '-' */
/* "A" or "B"; BOOT_NONE for all else. */
enum boot_slot boot_slot_parse(struct span name);
/* The slot of a kernel command line ("… lliure.slot=A …"), BOOT_NONE without one. */
enum boot_slot boot_slot_of_cmdline(struct span cmdline);
