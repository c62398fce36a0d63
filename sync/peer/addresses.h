/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Statements of address: where a box itself says that it listens, signed by its key, so that
 * others can pass it on: a peer whose address changed is found again through a peer that both have.
 * FRAME_ADDRESSES of the stream; PROTOCOL.md section 7.2.
 *
 * Who is told: a statement names, blinded, the boxes that may be told of it: the peers of the box
 * that makes it. Who carries a statement passes it on to them and to nobody else, so that a box is
 * never revealed to somebody whom it did not approve, nor to whom nobody could say its key. The
 * blinded names (a hash over the statement's number and the reader's key) tell who knows a key
 * already that the two know each other, and others nothing.
 *
 * A statement is never a reason to trust: what answers at an address must hold the key. Of two of
 * one key the one with the higher number counts. Pure; any thread.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/crypto/crypto.h"
#include "sync/peer/peer.h"

#define SYNC_PATH_ADDRESSES "/sync/1/addresses"

enum {
	LIMIT_STATED = 8, /* (P) addresses in a statement */
	LIMIT_TOLD = 256, /* (P) boxes that may be told of it */
	STATED_TAG = 16,  /* bytes of a blinded name */
};

struct statement {
	struct pubkey key;
	uint64_t number; /* rises with each change; below 2^63 */
	char address[LIMIT_STATED][PEER_ADDRESS];
	size_t n;
	const uint8_t *tags; /* borrowed from the body, rising */
	size_t n_tags;
};

/* The body of a frame, as it is signed and sent, appended. What is too much of either is left out,
 * from the end. */
void statement_make(const struct secret *self, uint64_t number,
		    const char (*addresses)[PEER_ADDRESS], size_t n, const struct pubkey *tell,
		    size_t n_tell, struct buf *out);
/* Reads and checks one. Addresses that are none, that mean something else on each box (link-local)
 * or nothing at all are left out. ERR_MALFORMED, ERR_SIGNATURE. The tags point into `body`. */
struct error *statement_read(struct span body, struct statement *ret) MUST;
/* The same without checking the signature, of one that was checked before. */
struct error *statement_peek(struct span body, struct statement *ret) MUST;
/* May this box be told of it? */
bool statement_is_for(const struct statement *s, const struct pubkey *reader);

/* Is it an address of the machine itself, such as 127.0.0.1 or [::1]? One is believed only when it
 * was said over such a connection: or a peer could make us knock at our own doors. */
bool address_is_loopback(const char *address);
/* Does it mean something on this network only: a private address, a link's, the machine's own, a name
 * without a dot or below .local? What is none does, too. */
bool address_is_private(const char *address);
/* Is it in the network of one of this machine's interfaces, so that it is reached without the house's line?
 * Anybody on the network can announce that a peer is at an address somewhere else. */
bool address_is_near(const char *address);
/* How likely it works from here, before anything else is known of it: 0 for this network's, then public
 * names, IPv4 and IPv6 addresses, then what means something on some network only. */
int address_likely(const char *address);
/* These likely ones first; what is as likely stays in the order in which it was given. */
void addresses_likely_first(char (*io)[PEER_ADDRESS], size_t n);
/* The addresses at which others may reach a listener at `listen` with this port: the one it names,
 * or those of this machine's interfaces, public ones first. At most `max`; returns how many. */
size_t addresses_of_machine(const char *listen, int port, char (*out)[PEER_ADDRESS], size_t max);

/* --- what is known of one address of a peer --- */
enum address_source { ADDRESS_BY_HAND, ADDRESS_STATED, ADDRESS_MET };
struct known_address {
	char address[PEER_ADDRESS];
	enum address_source source;
	unsigned failures;		 /* in a row */
	int64_t last_ok_ms, last_try_ms; /* 0: never */
};
enum {
	KNOWN_ADDRESSES = 8,
	LIMIT_BY_HAND = 4, /* of them, those that a volunteer set for one peer */
};
/* The most promising first: what a volunteer has just set; what worked lately; what is new; then
 * what failed, seldom before often. Of each of these, what a volunteer set before what was heard; and of
 * those of which no more is known, the likely ones. */
void addresses_order(struct known_address *a, size_t n);
/* In order, and at most `most` of them, which is at least LIMIT_BY_HAND: what was set by hand stays,
 * whatever else is heard. Returns how many; those that go are behind them, in no order. */
size_t addresses_keep(struct known_address *a, size_t n, size_t most);

/* --- address_store.c: in local.db --- */
extern const char *const address_migrations[]; /* db_migrate(local, "address", …) */
extern const int address_migrations_n;
typedef struct error *statement_fn(void *ctx, const struct pubkey *via, struct span body);
/* All of them; our own has our key. */
struct error *statement_each(struct db *local, statement_fn *fn, void *ctx) MUST;
/* Keep it, if its number is higher than that of the one kept; the addresses of its key become
 * those that it says and those that worked. On the writer. */
struct error *statement_put(struct db *local, const struct statement *s, struct span body,
			    const struct pubkey *via, int64_t now) MUST;
/* The addresses of a peer, in order; at most KNOWN_ADDRESSES. */
struct error *address_list(struct db *local, const struct pubkey *key,
			   struct known_address out[KNOWN_ADDRESSES], size_t *ret_n) MUST;
/* Keep what is known of one; the least promising goes when there are too many. What was set by hand
 * stays so. On the writer. */
struct error *address_put(struct db *local, const struct pubkey *key,
			  const struct known_address *a) MUST;
/* A volunteer says that it is there: tried first, whatever became of it before, and forgotten only
 * by address_remove. ERR_LIMIT: LIMIT_BY_HAND are there. On the writer. */
struct error *address_by_hand(struct db *local, const struct pubkey *key, const char *address) MUST;
/* It is one of those where the peer is (as an invitation says): until its own statement comes. On the
 * writer. */
struct error *address_stated(struct db *local, const struct pubkey *key, const char *address) MUST;
/* Until it is set or heard again. ERR_NOT_FOUND. On the writer. */
struct error *address_remove(struct db *local, const struct pubkey *key, const char *address) MUST;
/* A peer was removed. On the writer. */
struct error *address_forget(struct db *local, const struct pubkey *key) MUST;

/* What came of a peer through others: it need not be met to be heard of. */
struct heard {
	struct pubkey key, via;
	uint64_t entries;  /* that came so since it was first heard of */
	int64_t newest_ms; /* the time of the newest, as its writer says */
	int64_t when_ms;   /* when it came, by our clock */
};
/* Adds its entries. On the writer. */
struct error *heard_put(struct db *local, const struct heard *h) MUST;
/* ERR_NOT_FOUND. */
struct error *heard_get(struct db *local, const struct pubkey *key, struct heard *ret) MUST;
