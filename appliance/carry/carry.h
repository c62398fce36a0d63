/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * News that people carry: bundles on USB sticks and visitors' phones. What is written is what the
 * receiver may see and is not known to hold (sync/bundle/known.h); what is read passes the sieve
 * (sieve.h), and then everything that the network's entries pass: spaces that this box carries,
 * logs that are admitted, chains and signatures. A bundle is never trusted more than the network.
 *
 * The files of sticks and phones are named by our own grammar (carry_name); no name from a stick
 * becomes a path but for opening it below the stick's own folder.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/carry/sieve.h"

enum {
	CARRY_NAME = 96,     /* a file's name, with its end */
	CARRY_PHONES = 4,    /* visitors' files that wait or are being read */
	CARRY_STICKS = 16,   /* sticks at once */
	CARRY_LOOKED = 4096, /* names looked at in a stick's folder */
	CARRY_FILES = 8,     /* bundles read of one stick, the newest */
};
#define CARRY_PHONES_A_DAY ((uint64_t)2 * 1024 * 1024 * 1024)  /* bytes from visitors */
#define CARRY_BUNDLE	   ((uint64_t)64 * 1024 * 1024 * 1024) /* one file of a stick */

/* --- bundles ---------------------------------------------------------------------------------- */

struct carry_plan {
	const struct pubkey *receiver; /* a peer; NULL: anybody */
	bool public_only;	       /* only what everybody may read here */
	bool known_only; /* ERR_NOT_FOUND when it isn't known what the receiver holds */
	bool files;	 /* uploaded files, too */
	bool (*progress)(void *ctx, uint64_t done, uint64_t total); /* true: give up */
	void *ctx;
};
struct carry_written {
	struct bundle_totals n;
	bool everything; /* nothing was known of the receiver, or there is none */
};
/* Any thread, not the writer's. From the descriptor's current position. */
struct error *carry_write(struct app *a, const struct carry_plan *plan, int fd,
			  struct carry_written *ret) MUST;
struct error *carry_estimate(struct app *a, const struct carry_plan *plan,
			     uint64_t *ret_bytes) MUST;

enum carry_from {
	CARRY_VISITOR,	/* spaces that are here already, and no files */
	CARRY_VOLUNTEER /* and spaces that a peer founded */
};
struct carry_taking {
	enum carry_from from;
	int fd; /* borrowed; read from where it stands, again from the beginning if it can be */
	const char *name; /* for people */
	bool (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};
/* The report is filled in either case; the error says what stopped it, after what came whole was
 * taken in. */
struct error *carry_take(struct app *a, const struct carry_taking *t, struct sync_report *ret) MUST;

struct error *carry_check(struct app *a, int fd, struct sieve_summary *ret) MUST;
/* How many of its entries are not here and may be taken, as far as can be told beforehand. */
struct error *carry_news(struct conn *c, const struct sieve_summary *s, uint64_t *ret) MUST;

/* "athenaeum-20261125-1510.lliure": of the box's name what fits, and the time in UTC. for_key NULL:
 * for anybody. */
void carry_name(const char *box, const struct pubkey *for_key, int64_t now_ms,
		char out[CARRY_NAME]);
bool carry_name_ok(const char *name);
/* May everybody read this space? */
struct error *carry_public(struct conn *c, const struct hash *space, bool *ret) MUST;
