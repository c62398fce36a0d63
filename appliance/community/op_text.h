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
