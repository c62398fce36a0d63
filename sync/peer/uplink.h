/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The line to the outside, as a volunteer describes it: whether what goes over it is counted, how
 * much it may be in a day and at which hours, the proxy that stands in it, and under which
 * addresses this box can be reached from outside. For one peer there can be an allowance of its
 * own.
 *
 * Boxes that are seen on this network, and those on this machine, are reached without the line: none of
 * this is for them, unless a tunnel ends on this machine (ssh, Tor) through which others are reached. A
 * person who asks for an exchange is not held back by it either.
 */
#pragma once
#include "sync/crypto/crypto.h"
#include "sync/db/db.h"
#include "sync/peer/peer.h"

enum { LIMIT_PUBLIC = 2, UPLINK_PROXY = 200, PROXY_USER = 64, PROXY_PASSWORD = 128 };

/* An HTTP proxy, and who we say that we are. The password is a secret: it is read for a connection that is
 * about to be made, wiped behind it, and shown to nobody, also not to who set it; a volunteer can have it
 * forgotten. On disk it is in local.db, in clear, for the box must be able to say it while nobody is there:
 * the file is readable for the daemon's user alone, and leaves the box in sealed backups only. What can't
 * be promised: whoever has the disk, or is root on the box, can read it, as everything that the box
 * needs to start by itself. */
struct proxy {
	char url[UPLINK_PROXY];	   /* "http://HOST:PORT", "" for none */
	char user[PROXY_USER];	   /* "": it asks for none */
	char password[PROXY_PASSWORD];
};
static inline void proxy_wipe(struct proxy *p) /* for _cleanup_ */
{
	crypto_wipe(p, sizeof(*p));
}

struct allowance {
	uint64_t day_bytes; /* in both directions together; 0: any */
	int from, to;	    /* hours of the day, 0 to 23, by this box's time zone; equal: all day.
			       22 to 7: over midnight */
};
struct uplink {
	bool metered; /* else `all` says nothing */
	bool tunnel;  /* what goes over this machine's loopback uses the line: a tunnel ends there */
	struct allowance all;
	char proxy[UPLINK_PROXY];		  /* "http://HOST:PORT", "" for none */
	char proxy_user[PROXY_USER];
	bool has_password; /* read only: one is kept for this proxy and user */
	char address[LIMIT_PUBLIC][PEER_ADDRESS]; /* "" for none */
};

/* How long nothing may go over it, in milliseconds; 0: it may. `minute`: of the day, 0 to 1439, in
 * the box's zone; used: today; left_ms: of the day that `used` belongs to. Pure. */
int64_t allowance_wait(const struct allowance *a, uint64_t used, int minute, int64_t left_ms);
/* ERR_INVALID, with a sentence: hours, proxy, its user, or addresses that are none. */
struct error *uplink_check(const struct uplink *l) MUST;
/* A proxy as people write it, also with user and password before its host (percent-encoded, RFC 3986), into
 * its parts: then user and password replace *io_user and *io_password. ERR_INVALID. */
struct error *proxy_parse(const char *text, struct uplink *io, char password[PROXY_PASSWORD]) MUST;

/* --- uplink_store.c: in local.db --- */
extern const char *const uplink_migrations[]; /* db_migrate(local, "line", …) */
extern const int uplink_migrations_n;
/* Not metered, no proxy, no address, when nothing was set. */
struct error *uplink_get(struct db *local, struct uplink *ret) MUST;
/* password NULL: the one that is kept, if proxy and user are the same; "": none. On the writer.
 * ERR_INVALID. */
struct error *uplink_put(struct db *local, const struct uplink *l, const char *password) MUST;
/* With the password: the caller wipes it. */
struct error *proxy_get(struct db *local, struct proxy *ret) MUST;
/* Of one peer: any bytes at any hour when nothing was set. */
struct error *allowance_get(struct db *local, const struct pubkey *key, struct allowance *ret) MUST;
struct error *allowance_put(struct db *local, const struct pubkey *key,
			    const struct allowance *a) MUST; /* writer */
