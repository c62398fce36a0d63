/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * DIR/ballast: room that is kept on a disk which is all the box's own. On a full disk a database with a
 * write-ahead log can't even be opened for reading; then this file is thrown out, and what is stored
 * can be read and removed again. The writer stops before (writer.c); what fills a disk all the same is
 * a file that was being sent, or a fault. Under the folder's lock.
 */
#pragma once
#include <stdbool.h>

/* Makes it when it is not there and there is room for many of it. What fails is tried at the next
 * start. */
void ballast_take_in(const char *dir);
/* Throws it out where there is less room than the writer wants: a start writes, too. */
void ballast_make_room(const char *dir);
/* false: there was none. */
bool ballast_throw_out(const char *dir);
