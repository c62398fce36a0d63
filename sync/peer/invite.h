/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Invitations: how two boxes that are far apart become peers. The inviting box makes a secret that
 * is good once and for some days, and its volunteer sends it to the other volunteer, with the box's
 * key and addresses, as a link, a QR code or a file. The other box knocks and proves that it knows
 * the secret; that is approval enough. PROTOCOL.md section 10.
 *
 * The secret itself never travels between the boxes: what does is a hash over it and both keys, of
 * no use to any other box, inside TLS that is pinned to the inviter's key.
 *
 * Who reads an invitation on its way can accept it instead of who was meant. So it is good once, it
 * ends, it can be taken back, and both pages then show the six digits to compare.
 */
#pragma once
#include "sync/peer/peer.h"

enum {
	INVITE_SECRET = 16,
	INVITE_PROOF = PEER_CLAIM,
	INVITE_ADDRESSES = 4,
	/* bytes: version, length, key, secret, end, name, addresses, check */
	INVITE_BYTES = 1 + 2 + 32 + INVITE_SECRET + 8 + 1 + LIMIT_NAME + 1 +
		       INVITE_ADDRESSES * PEER_ADDRESS + 4,
	INVITE_TEXT = BASE32_LEN(INVITE_BYTES), /* letters, at most */
	INVITE_FILE = 64 * 1024,		/* a text in which one is looked for, at most */
};
/* What comes before the letters in a link. */
#define INVITE_PATH "/pair/"

struct invitation {
	struct pubkey key; /* the inviter's */
	uint8_t secret[INVITE_SECRET];
	int64_t until_ms; /* good before then */
	char name[LIMIT_NAME + 1];
	char address[INVITE_ADDRESSES][PEER_ADDRESS]; /* "ADDR:PORT"; the first is tried first */
	size_t addresses;
};
/* The letters, terminated. Name and addresses are cut to what fits. */
void invitation_write(const struct invitation *i, char out[INVITE_TEXT + 1]);
/* From a link, the bare letters, or a text or file with the link in it: what follows the first
 * INVITE_PATH, or else begins the text; capitals count as small letters, and white space between
 * the letters (a mail program's) as nothing. ERR_MALFORMED with what to do. Whether it has ended is
 * the inviter's to say: our own clock may be wrong. */
struct error *invitation_read(struct span text, struct invitation *ret) MUST;

/* What the accepter shows to the inviter. */
void invite_proof(const uint8_t secret[INVITE_SECRET], const struct pubkey *inviter,
		  const struct pubkey *accepter, uint8_t ret[INVITE_PROOF]);

/* --- invitations that this box made: invite_store.c --- */
struct invite {
	int64_t num; /* this box's own number */
	uint8_t secret[INVITE_SECRET];
	int64_t made_ms, until_ms;
	char label[LIMIT_NAME + 1];	/* for whom, as the volunteer noted */
	char address[PEER_ADDRESS * 4]; /* ours as given with it, with spaces between */
	bool read_only;			/* see struct peer */
	struct peer_terms terms;	/* for the box that accepts it */
	struct pubkey used_by;
	int64_t used_ms; /* 0: not yet */
	/* A volunteer has looked at who used it. A link travels in the open: who reads it on its
	 * way can be first. */
	bool checked;
};
/* For db_migrate(local, "invite", …), run by whoever opens local.db to write. */
extern const char *const invite_migrations[];
extern const int invite_migrations_n;

/* Is it good now? */
static inline bool invite_is_open(const struct invite *i, int64_t now_ms)
{
	return !i->used_ms && now_ms < i->until_ms;
}
/* Keeps it and sets its num. ERR_LIMIT when LIMIT_INVITES are open. Those that were used, or ended,
 * a month ago are forgotten. */
struct error *invite_add(struct db *local, struct invite *io, int64_t now_ms) MUST;
typedef struct error *invite_fn(void *ctx, const struct invite *i);
struct error *invite_each(struct db *local, invite_fn *fn, void *ctx) MUST; /* newest first */
struct error *invite_get(struct db *local, int64_t num,
			 struct invite *ret) MUST;		 /* ERR_NOT_FOUND */
struct error *invite_remove(struct db *local, int64_t num) MUST; /* ERR_NOT_FOUND */
/* The open one of which this box shows the proof. ERR_NOT_FOUND. */
struct error *invite_match(struct db *local, const struct pubkey *self, const struct pubkey *who,
			   const uint8_t proof[INVITE_PROOF], int64_t now_ms,
			   struct invite *ret) MUST;
/* It has been accepted: it is not open any more. */
struct error *invite_use(struct db *local, int64_t num, const struct pubkey *who,
			 int64_t now_ms) MUST;
/* ERR_NOT_FOUND: none of that number was used. */
struct error *invite_checked(struct db *local, int64_t num) MUST;
/* How many were used by somebody whom nobody has looked at yet. */
struct error *invite_unchecked(struct db *local, int64_t *ret) MUST;
