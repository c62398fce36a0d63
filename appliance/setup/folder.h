/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The data folder before there is a box in it. A folder holds a box once its key file is there, and
 * that is written last, so a power cut in between leaves a folder that can simply be tried again. A
 * folder that holds a box, or anything that is not ours, is never touched.
 */
#pragma once
#include "sync/sync.h"

/* Is there a box? */
bool setup_is_box(const char *dir);
/* Make the folder if it is missing. ERR_EXISTS when it holds a box, or files that are not ours. */
struct error *setup_folder_check(const char *dir) MUST;
/* Remove what an interrupted try left; the caller holds the lock, and has checked. keep: not what
 * the first run in the browser needs itself. */
struct error *setup_folder_clear(const char *dir, bool keep) MUST;
