/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files and folders: reading whole, writing whole and durably. Any thread. */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/error.h"
#include <sys/types.h>

/* Read the file into *b (appended), refusing more than `limit` bytes with ERR_LIMIT;
 * ERR_NOT_FOUND when there is none. */
struct error *file_read(const char *path, size_t limit, struct buf *b) MUST;
/* The same from an open file, from its position on. name is what people are told. */
struct error *fd_read_all(int fd, size_t limit, struct buf *b, const char *name) MUST;
/* All of it at the file's position, in as many writes as it takes; not synced. */
struct error *fd_write_all(int fd, struct span s, const char *name) MUST;
/* Write to PATH.tmp, fsync, rename, fsync the folder: either the old or the new content is there
 * after a power cut. ERR_FULL on a full disk. */
struct error *file_write(const char *path, struct span content, mode_t mode) MUST;
/* Make the folder if it is missing (its parents too). */
struct error *dir_make(const char *path, mode_t mode) MUST;
struct error *dir_sync(const char *path) MUST;
/* Remove a folder and what is in it, without following links; fine when it is not there. */
struct error *dir_remove(const char *path) MUST;
/* An open file without a name in that folder's file system, for reading and writing: nothing of it
 * outlives the descriptor, which is yours. */
struct error *file_nameless(const char *dir, int *ret_fd) MUST;
/* An error from errno: ERR_FULL for ENOSPC and EDQUOT, ERR_NOT_FOUND for ENOENT, else ERR_IO.
 * path is what people are told. */
struct error *file_error(int errnum, const char *path) MUST;
/* "DIR/NAME", malloc'd. */
char *path_join(const char *dir, const char *name);
