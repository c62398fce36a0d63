/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The block on its partition. It is written in place, whole, and synced: the file never becomes
 * shorter, so that whatever moment the power goes, a block is there. Reading, moving and writing is
 * one step under a lock, so two programs that move it do not lose each other's step.
 *
 * The descriptor is the caller's, open for reading and writing. Any thread.
 */
#pragma once
#include "firmware/boot/state.h"
#include "sync/base/error.h"

/* A block that is lost or cut short reads as a new one; only a failing disk is an error. */
struct error *boot_block_read(int fd, struct boot_state *ret) MUST;
struct error *boot_block_write(int fd, const struct boot_state *s) MUST;
/* Read, move, write: ret (may be NULL) is the state after it. A step that changes nothing writes
 * nothing, unless the bytes that are there are not what we would write: then they are mended. */
struct error *boot_block_move(int fd, enum boot_event event, enum boot_slot slot,
			      struct boot_state *ret) MUST;
