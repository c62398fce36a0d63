/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The TXT record of `_lliure._tcp`, PROTOCOL.md section 8:
 *
 *   v=1            version of the protocol
 *   k=52 letters   the appliance's key
 *   d=26 letters   first 16 bytes of the digest of the heads of all its public spaces (optional)
 *   h=PORT         where its pages are served over HTTP (optional)
 *
 * Pure. Everything read here was said by anybody on the network.
 */
#pragma once
#include "sync/crypto/crypto.h"

enum { DISCOVERY_DIGEST = 16, TXT_ITEMS = 4, TXT_ITEM = 64, TXT_READ_ITEMS = 32 };

struct txt {
	struct pubkey key;
	bool has_digest;
	uint8_t digest[DISCOVERY_DIGEST];
	int http_port; /* 0: none */
};

/* The items, "NAME=VALUE", into out; how many. */
size_t txt_write(const struct txt *t, char out[TXT_ITEMS][TXT_ITEM]);
/* false when it is no appliance of our version. Of two items with one name the first counts
 * (RFC 6763 section 6.4); what is not known is ignored, what is optional and malformed too. */
bool txt_read(const struct span *items, size_t n, struct txt *ret);
bool txt_eq(const struct txt *a, const struct txt *b);
