/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A file that is read as far as a failing stick or disk gives it. A page that can't be read (EIO) is
 * lost, and what is behind it is read: zeros stand in its place, so that everything keeps its distance,
 * and the check of the frame that it was in does not hold (PROTOCOL.md section 9). Each attempt on a dead
 * sector may take a drive many seconds, and of a stick that was pulled out every page fails: so pages that
 * are lost one behind the other are passed over in longer and longer steps, and SOURCE_LOST of them end it.
 *
 * Only a file with an end and a position is read so; of a pipe an error is an error. Embedded; no memory.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SOURCE_PAGE = 4096, SOURCE_STEP = 1024 * 1024, SOURCE_LOST = 64 };

struct source {
	int fd;
	unsigned lost;	/* so often something could not be read */
	uint64_t blank; /* zeros that stand for it and were not given yet */
	uint64_t step;	/* what is passed over when the next read fails, too */
};

void source_init(struct source *s, int fd);
/* As read(2), and never EINTR: bytes given, 0 at the end, -1 with errno. */
ssize_t source_read(struct source *s, void *p, size_t n);
