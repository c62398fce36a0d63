/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which system a box runs, since when it is well with it, which one it gave up last, and the update
 * that it can pass on: one statement, signed by the box, told to its approved peers and passed on
 * to nobody (PROTOCOL.md section 20). Those of its peers that have the same kind of machine may
 * fetch the update from it; who takes one checks the signature of those who made it, as with a
 * file from anywhere.
 *
 * Everything in it is a word of its speaker. Pure; any thread.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/crypto/crypto.h"

#define SYNC_PATH_UPDATE "/sync/1/update/"

enum {
	SYSTEM_TEXT = 40, /* (P) a version, a machine, a reason, with its end */
	SYSTEM_BODY = 512 /* more than the longest statement has */
};

struct system_said {
	struct pubkey key;
	int64_t when_ms; /* when it was said, by the speaker's clock */
	char machine[SYSTEM_TEXT], version[SYSTEM_TEXT];
	int64_t since_ms; /* it is well with this version since then; 0: not yet */
	/* The version that it gave up last, why, and when; "" none. */
	char back[SYSTEM_TEXT], why[SYSTEM_TEXT];
	int64_t back_ms;
	/* What it can pass on; "" nothing. */
	char offer[SYSTEM_TEXT];
	struct hash blob;
	uint64_t size;
};

/* The body of a frame, as it is signed and sent, appended; the key is the signer's. Texts are of
 * printable ASCII without spaces; machine and version are not empty. */
void system_make(const struct secret *self, const struct system_said *s, struct buf *out);
/* Do two bodies that were made here say the same, whoever says it and when? Empty: nothing is said. */
bool system_same(struct span a, struct span b);
/* Reads and checks one. ERR_MALFORMED, ERR_SIGNATURE, ERR_VERSION (a later kind: to be passed
 * over). */
struct error *system_read(struct span body, struct system_said *ret) MUST;
/* The same without checking the signature, of one that was checked before. */
struct error *system_peek(struct span body, struct system_said *ret) MUST;
