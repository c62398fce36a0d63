/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where in damaged bytes it can go on: PROTOCOL.md section 9, "What is left of a damaged file". */
#include "sync/replicate/stream_priv.h"

/* As much of a frame as shows that it may be one; every frame that is looked for is longer. */
enum { LOOK_AT = FRAME_HEAD + 32 + 8 + 8 };
enum seen { SEEN_NOTHING, SEEN_TOO_LITTLE, SEEN_MAGIC, SEEN_FRAME };

static bool may_be_frame(const uint8_t *p)
{
	const uint8_t *body = p + FRAME_HEAD;
	uint32_t len = load32(p + 1);

	if (len > LIMIT_FRAME)
		return false;
	if (p[0] == FRAME_FORK)
		return len == 2 * ENTRY_HEADER;
	if (p[0] == FRAME_BLOB)
		return len >= 48 && load64(body + 32) <= LIMIT_UPLOAD &&
		       load64(body + 40) <= load64(body + 32);
	return len > 48 && body[0] == 1 && body[1] <= ENTRIES_FOUNDING;
}

static enum seen look_here(struct span s)
{
	if (s.p[0] == stream_magic[0]) {
		bool same = memcmp(s.p, stream_magic, s.n < STREAM_MAGIC ? s.n : STREAM_MAGIC) == 0;

		return !same ? SEEN_NOTHING : s.n < STREAM_MAGIC ? SEEN_TOO_LITTLE : SEEN_MAGIC;
	}
	if (s.p[0] != FRAME_ENTRIES && s.p[0] != FRAME_FORK && s.p[0] != FRAME_BLOB)
		return SEEN_NOTHING;
	if (s.n < LOOK_AT)
		return SEEN_TOO_LITTLE;
	return may_be_frame(s.p) ? SEEN_FRAME : SEEN_NOTHING;
}

struct stream_place stream_look(struct span bytes)
{
	for (size_t at = 0; at < bytes.n; at++) {
		enum seen seen = look_here(span_of(bytes.p + at, bytes.n - at));

		if (seen != SEEN_NOTHING)
			return (struct stream_place){.at = at,
						     .found = seen != SEEN_TOO_LITTLE,
						     .magic = seen == SEEN_MAGIC};
	}
	return (struct stream_place){.at = bytes.n};
}
