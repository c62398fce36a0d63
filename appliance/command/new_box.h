/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making a data folder: what init and restore share. A folder holds a box once its key file is
 * there, and that is written last, so a power cut in between leaves a folder that can simply be
 * tried again. */
#pragma once
#include "appliance/command/command.h"

/* Make the folder if it is missing, lock it, and clear what an interrupted try left. ERR_EXISTS
 * when it holds a box, or files that are not ours. */
struct error *new_box_folder(const char *dir, int *ret_lock) MUST;
struct error *new_box_key(const char *dir, const struct secret *key) MUST;

/* Take in a bundle from an open file and print what moved (cmd_bundle.c). trusted: our own backup;
 * else new spaces come in only from approved boxes. */
struct error *command_take_bundle(struct command_run *run, struct app *app, int fd,
				  const char *name, bool trusted) MUST;
/* The first line of an open file, without its end: passwords. At most 1,000 bytes; wiped by the
 * caller. */
struct error *command_read_line(int fd, const char *name, char out[1001]) MUST;
