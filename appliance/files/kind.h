/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a file is: one of a short list, decided by this box from the file's own first bytes. The
 * name that somebody gave it only chooses among what looks alike from inside (a spreadsheet is a
 * ZIP archive). Nothing on the list is ever run or shown as a page: pictures, PDF and plain text
 * are shown as such, all else is saved. Pure, any thread.
 */
#pragma once
#include "sync/base/span.h"
#include <stdbool.h>

enum { FILE_HEAD = 4096, FILE_KIND_NAME = 16 }; /* bytes that are looked at */
struct file_kind {
	const char *name;  /* in operations: "pdf" */
	const char *end;   /* of the file's name when it is saved: ".pdf" */
	const char *words; /* N_() */
};
/* By the first bytes (all of a shorter file), and the name it came with. Never NULL. */
const struct file_kind *file_kind_find(struct span head, const char *name);
/* By name in an operation; what is not on the list is the kind "other". Never NULL. */
const struct file_kind *file_kind_named(const char *name);
/* Does a name end like a file of a kind that is on the list? */
bool file_end_is_ours(const char *name);
