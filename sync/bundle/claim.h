/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A claim: what the writer of a bundle holds, said and signed by it at the bundle's end, so that
 * who reads the bundle knows what to write into the next one that goes back. PROTOCOL.md section 9.
 *
 * It is HEADS of every space in the bundle, MISSING of the payloads that the writer would like to
 * have, and one CLAIM that names the writer and signs the hash of those frames. It decides nothing
 * about what is accepted: a false claim only brings the liar a bundle with a gap.
 *
 * Pure; any thread.
 */
#pragma once
#include "sync/replicate/stream.h"

enum { LIMIT_CLAIM = 16 * 1024 * 1024 }; /* bytes of heads in one bundle */

struct bundle_claim {
	struct pubkey writer;
	struct pubkey receiver; /* zero: for anybody */
	uint64_t incarnation;	/* of the writer, when it wrote */
	uint64_t serial;	/* grows with every bundle of an incarnation */
	int64_t time_ms;	/* for people */
	struct span frames;	/* HEADS and MISSING, as in the stream; borrowed */
};

/* Sign it: the frame that follows c->frames. */
void claim_sign(const struct bundle_claim *c, const struct secret *writer,
		struct stream_claim *ret);

/* Gathering one while a bundle is read, frame by frame. Embedded: zeroed is empty. */
struct claim_reader {
	struct buf frames;
	struct stream_writer w;
	bool too_large;
};
void claim_reader_release(struct claim_reader *r); /* empty again */
/* A frame of the bundle. True when it was a CLAIM whose signature holds over what came before it:
 * *ret is it; its frames are borrowed from the reader. */
bool claim_read(struct claim_reader *r, const struct frame *f, struct bundle_claim *ret);
