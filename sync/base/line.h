/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One line of foreign text made fit to be shown: names of boxes from the network. */
#pragma once
#include "sync/base/span.h"

/* Copy `in` to out[size] as one line of valid UTF-8, always terminated, cut between characters.
 * What is not UTF-8, control characters, line and paragraph separators, bidirectional controls and
 * invisible spaces are left out; white space at the ends too. Returns the length, 0 when nothing
 * is left. */
size_t line_clean(struct span in, char *out, size_t size);
/* One character: its length in bytes (1 to 4) and its number, or 0 when `s` does not begin with a
 * valid one (overlong forms, surrogates and numbers beyond U+10FFFF are not). */
size_t utf8_next(struct span s, uint32_t *ret);
