/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Secret sharing by Shamir's method over GF(256), by libgfshare: the only door to that library.
 * The field's polynomial is x^8 + x^4 + x^3 + x^2 + 1 (0x11d); byte i of share x is
 * secret[i] + a1[i]·x + … + a(k-1)[i]·x^(k-1), with random a; vectors: tests/vectors/share.json.
 * Fewer than k shares say nothing at all about the secret. Shares carry no check of their own: see
 * sheet.h.
 *
 * Any thread.
 */
#pragma once
#include "sync/sync.h"

enum { SHARE_BYTES = 32, SHARE_MOST = 16 };
struct share {
	uint8_t number; /* 1 to 255; the x above */
	uint8_t bytes[SHARE_BYTES];
};

/* Split into n shares whose numbers are given, of which any `needed` give the secret back. The
 * caller wipes them. */
void share_split(const uint8_t secret[SHARE_BYTES], unsigned needed, struct share *io_shares,
		 unsigned n);
/* Join shares with different numbers: with fewer than were needed, or wrong ones, the result is
 * wrong, too, and nothing shows it. */
void share_join(const struct share *shares, unsigned n, uint8_t ret_secret[SHARE_BYTES]);
