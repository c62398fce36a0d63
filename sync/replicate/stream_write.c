/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/stream.h"
#include "sync/replicate/stream_priv.h"
#include <assert.h>

static const uint8_t zeros[64];

void stream_begin(struct stream_writer *w, struct buf *out)
{
	memset(w, 0, sizeof(*w));
	w->out = out;
	buf_add(out, stream_magic, STREAM_MAGIC);
}

/* Opens a frame; its length is known when it is closed. */
static void frame_open(struct stream_writer *w, enum frame_type type)
{
	w->at = w->out->n;
	buf_u8(w->out, (uint8_t)type);
	buf_u32(w->out, 0);
}

static void frame_close(struct stream_writer *w)
{
	struct buf *out = w->out;
	size_t len = out->n - w->at - FRAME_HEAD;
	struct hash check;

	assert(len <= LIMIT_FRAME);
	store32(out->p + w->at + 1, (uint32_t)len);
	check = hash_bytes(span_of(out->p + w->at, FRAME_HEAD + len));
	buf_add(out, check.b, FRAME_CHECK);
	w->frames++;
}

static void put_log_id(struct buf *out, const struct log_id *id)
{
	uint8_t raw[LOG_ID_BYTES];

	log_id_write(id, raw);
	buf_add(out, raw, sizeof(raw));
}

/* A name of at most LIMIT_NAME bytes, with its length in front. */
static void put_short_text(struct buf *out, const char *s)
{
	size_t n = s ? strnlen(s, LIMIT_NAME) : 0;

	buf_u8(out, (uint8_t)n);
	buf_add(out, s, n);
}

void stream_put_hello(struct stream_writer *w, int64_t clock_ms, const char *name)
{
	stream_put_greeting(w, clock_ms, name, 0, HELLO_CLOCK_UNSAID, 0);
}

void stream_put_greeting(struct stream_writer *w, int64_t clock_ms, const char *name,
			 uint32_t abilities, enum hello_clock clock, uint64_t incarnation)
{
	frame_open(w, FRAME_HELLO);
	buf_u64(w->out, (uint64_t)clock_ms);
	put_short_text(w->out, name);
	if (abilities || clock || incarnation)
		buf_u32(w->out, abilities);
	if (clock || incarnation)
		buf_u8(w->out, (uint8_t)clock);
	if (incarnation)
		buf_u64(w->out, incarnation);
	frame_close(w);
}

void stream_put_partial(struct stream_writer *w, const struct keep *keep, bool wanting,
			const struct hash *unkept, size_t n)
{
	assert(n <= LIMIT_SPACES);
	frame_open(w, FRAME_PARTIAL);
	buf_u32(w->out, keep->payload_days);
	buf_u64(w->out, keep->blob_max);
	buf_u8(w->out, wanting);
	if (n)
		buf_u16(w->out, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		buf_add(w->out, unkept[i].b, sizeof(unkept[i].b));
	frame_close(w);
}

void stream_put_counts(struct stream_writer *w, const struct space_count *rows, size_t n)
{
	assert(n <= LIMIT_SPACES);
	frame_open(w, FRAME_COUNTS);
	buf_u16(w->out, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_add(w->out, rows[i].space.b, sizeof(rows[i].space.b));
		buf_u64(w->out, rows[i].entries);
	}
	frame_close(w);
}

void stream_put_proof(struct stream_writer *w, const struct hash *proof)
{
	frame_open(w, FRAME_PROOF);
	buf_add(w->out, proof->b, sizeof(proof->b));
	frame_close(w);
}

void stream_put_pieces(struct stream_writer *w, const struct blob_piece *rows, size_t n)
{
	assert(n <= LIMIT_PIECES);
	frame_open(w, FRAME_PIECES);
	buf_u8(w->out, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_add(w->out, rows[i].blob.b, sizeof(rows[i].blob.b));
		buf_u64(w->out, rows[i].at);
		buf_u64(w->out, rows[i].n);
	}
	frame_close(w);
}

void stream_put_ranges(struct stream_writer *w, struct span body)
{
	frame_open(w, FRAME_RANGES);
	buf_add_span(w->out, body);
	frame_close(w);
}

void stream_put_since(struct stream_writer *w, const struct hash *space, const struct hash *state,
		      const struct head *rows, size_t n)
{
	assert(n <= SINCE_ROWS);
	frame_open(w, FRAME_SINCE);
	buf_add(w->out, space->b, 32);
	buf_add(w->out, state->b, 32);
	buf_u16(w->out, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		uint8_t row[HEAD_BYTES];

		head_write(&rows[i], row);
		buf_add(w->out, row, sizeof(row));
	}
	frame_close(w);
}

void stream_put_digests(struct stream_writer *w, const struct space_digest *rows, size_t n)
{
	assert(n <= LIMIT_SPACES);
	frame_open(w, FRAME_DIGESTS);
	buf_u16(w->out, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_add(w->out, rows[i].space.b, 32);
		buf_add(w->out, rows[i].heads.b, 32);
		buf_add(w->out, rows[i].missing, sizeof(rows[i].missing));
	}
	frame_close(w);
}

void stream_put_heads(struct stream_writer *w, const struct hash *space, const struct head *heads,
		      size_t n)
{
	enum { MAX = (LIMIT_FRAME - 64) / HEAD_BYTES };

	do {
		size_t take = n < MAX ? n : MAX;

		frame_open(w, FRAME_HEADS);
		buf_add(w->out, space->b, 32);
		buf_u32(w->out, (uint32_t)take);
		for (size_t i = 0; i < take; i++) {
			uint8_t row[HEAD_BYTES];

			head_write(&heads[i], row);
			buf_add(w->out, row, sizeof(row));
		}
		frame_close(w);
		heads += take;
		n -= take;
	} while (n);
}

void stream_put_fork(struct stream_writer *w, const struct fork_proof *proof)
{
	frame_open(w, FRAME_FORK);
	buf_add(w->out, proof->a.b, ENTRY_HEADER);
	buf_add(w->out, proof->b.b, ENTRY_HEADER);
	frame_close(w);
}

void stream_put_locator(struct stream_writer *w, const struct log_id *id,
			const struct locator_sample *samples, size_t n)
{
	assert(n <= LIMIT_LOCATOR);
	frame_open(w, FRAME_LOCATOR);
	put_log_id(w->out, id);
	buf_u8(w->out, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_u64(w->out, samples[i].seq);
		buf_add(w->out, samples[i].hash.b, 32);
	}
	frame_close(w);
}

void stream_put_missing(struct stream_writer *w, const struct log_id *id,
			const struct seq_range *ranges, size_t n)
{
	assert(n <= LIMIT_MISSING_RANGES);
	frame_open(w, FRAME_MISSING);
	put_log_id(w->out, id);
	buf_u8(w->out, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_u64(w->out, ranges[i].first);
		buf_u64(w->out, ranges[i].last);
	}
	frame_close(w);
}

void stream_put_blob(struct stream_writer *w, const struct hash *hash, uint64_t size,
		     uint64_t offset, struct span bytes)
{
	frame_open(w, FRAME_BLOB);
	buf_add(w->out, hash->b, 32);
	buf_u64(w->out, size);
	buf_u64(w->out, offset);
	buf_add_span(w->out, bytes);
	frame_close(w);
}

void stream_put_note(struct stream_writer *w, const struct log_id *id, uint64_t seq,
		     enum error_code why)
{
	frame_open(w, FRAME_NOTE);
	put_log_id(w->out, id);
	buf_u64(w->out, seq);
	put_short_text(w->out, error_name(why));
	frame_close(w);
}

void stream_put_addresses(struct stream_writer *w, struct span body)
{
	frame_open(w, FRAME_ADDRESSES);
	buf_add_span(w->out, body);
	frame_close(w);
}

void stream_put_pair(struct stream_writer *w, struct span body)
{
	frame_open(w, FRAME_PAIR);
	buf_add_span(w->out, body);
	frame_close(w);
}

void stream_put_system(struct stream_writer *w, struct span body)
{
	frame_open(w, FRAME_SYSTEM);
	buf_add_span(w->out, body);
	frame_close(w);
}

void stream_put_result(struct stream_writer *w, uint64_t added, uint64_t filled, uint64_t known)
{
	frame_open(w, FRAME_RESULT);
	buf_u64(w->out, added);
	buf_u64(w->out, filled);
	buf_u64(w->out, known);
	frame_close(w);
}

void stream_put_claim(struct stream_writer *w, const struct stream_claim *c)
{
	frame_open(w, FRAME_CLAIM);
	buf_add(w->out, c->writer.b, 32);
	buf_add(w->out, c->receiver.b, 32);
	buf_u64(w->out, c->incarnation);
	buf_u64(w->out, c->serial);
	buf_u64(w->out, (uint64_t)c->time_ms);
	buf_add(w->out, c->heads.b, 32);
	buf_add(w->out, c->signature.b, 64);
	frame_close(w);
}

void stream_put_receipt(struct stream_writer *w, const struct signature *sig, struct span bytes)
{
	frame_open(w, FRAME_RECEIPT);
	buf_add(w->out, sig->b, sizeof(sig->b));
	buf_add_span(w->out, bytes);
	frame_close(w);
}

void stream_put_end(struct stream_writer *w)
{
	uint64_t before = w->frames;

	frame_open(w, FRAME_END);
	buf_u64(w->out, before);
	frame_close(w);
}

/* --- entries --- */

void stream_entries_begin(struct stream_writer *w, const struct log_id *id)
{
	w->id = *id;
	w->count = 0;
	memset(&w->author, 0, sizeof(w->author));
	memset(&w->rules, 0, sizeof(w->rules));
}

/* The part of the frame in front of the entries, once the first is known. */
static void entries_open(struct stream_writer *w, const uint8_t *h)
{
	struct buf *out = w->out;
	bool founding = memcmp(h + AT_SPACE, zeros, 32) == 0;

	w->next = load64(h + AT_SEQ);
	frame_open(w, FRAME_ENTRIES);
	buf_u8(out, h[AT_VERSION]);
	buf_u8(out, founding ? ENTRIES_FOUNDING : 0);
	put_log_id(out, &w->id);
	buf_u64(out, w->next);
	if (w->next > 1)
		buf_add(out, h + AT_PREV, 32);
	w->count_at = out->n;
	buf_u16(out, 0);
}

static uint8_t *put(uint8_t *to, const void *p, size_t n)
{
	memcpy(to, p, n);
	return to + n;
}

/* One entry without what the frame implies. Returns the end. */
static uint8_t *put_entry(struct stream_writer *w, uint8_t *to, const struct stored *e,
			  enum payload_state state)
{
	const uint8_t *h = e->raw.b;
	uint8_t bits = (uint8_t)state;

	if ((h[AT_FLAGS] & ENTRY_BY_APPLIANCE) &&
	    memcmp(h + AT_AUTHOR, h + AT_APPLIANCE, 32) == 0 &&
	    memcmp(h + AT_AUTHOR_SIG, zeros, 64) == 0)
		bits |= BITS_BY_APPLIANCE;
	else if (memcmp(h + AT_AUTHOR, w->author.b, 32) == 0)
		bits |= BITS_SAME_AUTHOR;
	if (memcmp(h + AT_RULES, w->rules.b, 32) == 0)
		bits |= BITS_SAME_RULES;
	*to++ = bits;
	to = put(to, h + AT_FLAGS, AT_SEQ - AT_FLAGS);
	to = put(to, h + AT_TIME, 8);
	if (!(bits & (BITS_SAME_AUTHOR | BITS_BY_APPLIANCE)))
		to = put(to, h + AT_AUTHOR, 32);
	if (!(bits & BITS_SAME_RULES))
		to = put(to, h + AT_RULES, 32);
	to = put(to, h + AT_PAYLOAD, 32);
	if (!(bits & BITS_BY_APPLIANCE))
		to = put(to, h + AT_AUTHOR_SIG, 64);
	to = put(to, h + AT_APPLIANCE_SIG, 64);
	if (state == PAYLOAD_HELD) {
		to = put(to, e->salt, ENTRY_SALT);
		if (e->payload.n)
			to = put(to, e->payload.p, e->payload.n);
	}
	memcpy(w->author.b, h + AT_AUTHOR, 32);
	memcpy(w->rules.b, h + AT_RULES, 32);
	return to;
}

bool stream_entries_add(struct stream_writer *w, const struct stored *e, bool headers_only)
{
	enum payload_state state = e->state;
	size_t room = 1 + ENTRY_HEADER + ENTRY_SALT + e->payload.n;
	uint8_t *to;

	/* A payload of another length than the header says would shift all that follows. */
	if (headers_only || (state == PAYLOAD_HELD && e->payload.n != load32(e->raw.b + AT_LEN)))
		state = PAYLOAD_NOT_HELD;
	if (w->count == 0)
		entries_open(w, e->raw.b);
	else if (w->count == LIMIT_FRAME_ENTRIES || w->out->n - w->at + room > LIMIT_FRAME)
		return false;
	assert(load64(e->raw.b + AT_SEQ) == w->next);
	to = buf_reserve(w->out, room);
	w->out->n += (size_t)(put_entry(w, to, e, state) - to);
	w->count++;
	w->next++;
	return true;
}

void stream_entries_end(struct stream_writer *w)
{
	if (w->count == 0)
		return;
	w->out->p[w->count_at] = (uint8_t)w->count;
	w->out->p[w->count_at + 1] = (uint8_t)(w->count >> 8);
	frame_close(w);
	w->count = 0;
}

void stream_entries_drop(struct stream_writer *w)
{
	if (w->count)
		w->out->n = w->at;
	w->count = 0;
}

size_t stream_entries_size(const struct stream_writer *w)
{
	return w->count ? w->out->n - w->at : 0;
}
