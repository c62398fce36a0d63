/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a text in an op may be made of. Pure, any thread. */
#pragma once
#include "sync/base/span.h"

/* At least one character; valid UTF-8; no controls (C0, C1, DEL), no line or paragraph separators,
 * nothing that turns the direction of the text around it. */
bool text_is_line(struct span s);
/* Valid UTF-8; of the controls only newline and tab. */
bool text_is_text(struct span s);
/* [a-z0-9] words joined by single '-', at most LIMIT_SLUG. */
bool text_is_slug(struct span s);
/* How many bytes at its beginning are printable ASCII, and neither quote nor backslash. */
size_t text_plain(struct span s);
/* The next code point, or -1 where the bytes are not UTF-8. */
int32_t text_next(const uint8_t **p, const uint8_t *end);
