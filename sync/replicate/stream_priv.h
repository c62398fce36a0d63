/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What writing and reading a stream share: the layouts of PROTOCOL.md section 5. */
#pragma once
#include "sync/replicate/stream.h"

static const uint8_t stream_magic[STREAM_MAGIC] = {'L', 'L', 'I', 'U', 'R', 'E', 0, 1};

enum {
	FRAME_HEAD = 5,
	FRAME_CHECK = 16,
	HEAD_BYTES = 89,   /* appliance 32, incarnation 8, seq 8, hash 32, mark 1, mark_seq 8 */
	HEAD_LOG_BYTES = 40, /* of these, what names the log */
	DIGEST_BYTES = 80, /* space 32, heads 32, missing 16 */
	SAMPLE_BYTES = 40,
	RANGE_BYTES = 16,
	PIECE_BYTES = 32 + 8 + 8,
	/* The fields of a header that a frame can't imply: bytes 0-7 without the version. */
	ENTRIES_FOUNDING = 1, /* the first header's space field is zero */
};
/* The byte in front of each entry. */
enum entry_bits {
	BITS_STATE = 3,	       /* enum payload_state */
	BITS_SAME_AUTHOR = 4,  /* as the entry before in this frame */
	BITS_SAME_RULES = 8,   /* likewise */
	BITS_BY_APPLIANCE = 16 /* author is the appliance, author's signature is zero */
};
/* Offsets in a header: PROTOCOL.md section 2. */
enum {
	AT_VERSION = 0,
	AT_FLAGS = 1,
	AT_LEN = 4,
	AT_SEQ = 8,
	AT_TIME = 16,
	AT_INCARNATION = 24,
	AT_SPACE = 32,
	AT_APPLIANCE = 64,
	AT_AUTHOR = 96,
	AT_RULES = 128,
	AT_PREV = 160,
	AT_PAYLOAD = 192,
	AT_AUTHOR_SIG = 224,
	AT_APPLIANCE_SIG = 288
};

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 8; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}
static inline uint32_t load32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline void store64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++, v >>= 8)
		p[i] = (uint8_t)v;
}
static inline void store32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

/* The first place in these bytes where a stream, or a frame that carries something, may begin. Not
 * found: nothing begins before `at`, and what is behind it is too little to tell. Pure. */
struct stream_place {
	size_t at;
	bool found, magic;
};
struct stream_place stream_look(struct span bytes);

/* --- a row of heads, without its space --- */
static inline bool head_ok(const struct head *h)
{
	if (hash_is_zero(&h->hash) != (h->seq == 0))
		return false;
	if (h->mark == HEAD_OPEN)
		return h->mark_seq == 0;
	return h->mark <= HEAD_ENDED && h->mark_seq > h->seq;
}
static inline void head_read(struct reader *b, const struct hash *space, struct head *h)
{
	h->id.space = *space;
	reader_copy(b, h->id.appliance.b, 32);
	h->id.incarnation = reader_u64(b);
	h->seq = reader_u64(b);
	reader_copy(b, h->hash.b, 32);
	h->mark = reader_u8(b);
	h->mark_seq = reader_u64(b);
}
static inline void head_write(const struct head *h, uint8_t out[HEAD_BYTES])
{
	memcpy(out, h->id.appliance.b, 32);
	store64(out + 32, h->id.incarnation);
	store64(out + 40, h->seq);
	memcpy(out + 48, h->hash.b, 32);
	out[80] = (uint8_t)h->mark;
	store64(out + 81, h->mark_seq);
}
