/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Room that is kept on a disk which is all the box's own, in two files. Under the folder's lock.
 *
 * DIR/ballast is kept for opening. On a full disk a database with a write-ahead log can't even be
 * opened for reading; then this file is thrown out, and what is stored can be read and removed
 * again. The writer stops before (writer.c); what fills a disk all the same is a file that was
 * being sent, or a fault.
 *
 * DIR/reserve is kept for the volunteers. To make room they must sign in and erase, and both are
 * written down first: a disk that is full to the last byte would be a locked door before the only
 * people who can help. (Sessions in memory alone would open that door on a room in which nothing
 * can be moved.) It is let go from its end, as much at a time as one act needs, also for a start
 * that finds no ballast any more; and made whole again when there is room for many of it, the
 * ballast before it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Makes the ballast, when it is not there, of the first room there is; and the reserve when there is room
 * for many of it. What fails is tried at the next start. */
void ballast_take_in(const char *dir);
/* Throws it out where there is less room than the writer wants: a start writes, too. Where that is not
 * enough, so much of the reserve as is. */
void ballast_make_room(const char *dir);
/* And all of the reserve. false: there was none of either. */
bool ballast_throw_out(const char *dir);

/* Let so much of the reserve go that `room` bytes are free for the box, or all there is. False:
 * that was not enough. */
bool reserve_let_go(const char *dir, uint64_t room);
/* Its bytes now; and so many of them again after they were lent, where `leave` bytes stay free. */
uint64_t reserve_size(const char *dir);
void reserve_give_back(const char *dir, uint64_t size, uint64_t leave);
/* Make it whole again where there is room for many of it, the ballast first. False: there is not, or it
 * failed. */
bool reserve_take_in(const char *dir);
