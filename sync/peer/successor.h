/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * "This key goes on under that one": a statement that a box signs with its old key when it takes a
 * new one, because two boxes had one key or because its device is given up. It travels in a header
 * of the new box's requests (PROTOCOL.md section 7.3), so that a peer who approved the old key can
 * tell its volunteer who knocks. It is an offer and never an approval. Pure, any thread.
 */
#pragma once
#include "sync/crypto/crypto.h"

#define CLIENT_HEADER_SUCCESSOR "Lliure-Successor"
enum { SUCCESSOR_BYTES = 32 + 8 + 64, SUCCESSOR_TEXT = 168 };

struct successor {
	struct pubkey from, to;
	int64_t time_ms;
	struct signature sig; /* by `from` */
};
/* Over "lliure-successor-1" ‖ from ‖ to ‖ time. */
struct successor successor_sign(const struct secret *from, const struct pubkey *to,
				int64_t time_ms);
bool successor_ok(const struct successor *s);
/* from ‖ time ‖ signature in base32: who shows it is `to`. */
void successor_text(const struct successor *s, char out[SUCCESSOR_TEXT]);
/* false: not one, or it is not signed. */
bool successor_parse(const char *text, const struct pubkey *to, struct successor *ret);
