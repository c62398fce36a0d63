/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The work of the first run, on a thread of its own, and what can be told about it meanwhile.
 *
 *	IDLE -> RUNNING -> READY
 *	          |  ^
 *	          v  |
 *	         FAILED      the folder was cleared: try again
 *
 * A power cut at any time leaves a folder without a key file, and the first run begins again.
 */
#pragma once
#include "appliance/member/session.h"
#include "appliance/recovery/backup.h"
#include "appliance/setup/make.h"
#include "appliance/setup/plan.h"

enum { SETUP_PEERS = 8, LANGUAGE_CODE = 9 };

/* What a person asked for; lives in guarded memory: it holds a password. */
struct setup_order {
	enum setup_kind kind;
	char name[LIMIT_NAME + 1];
	char admin[LIMIT_NAME + 1]; /* "": nobody yet */
	char password[PASSWORD_MAX + 1];
	char session[SESSION_TEXT]; /* in which they go on in the running box */
	char language[LANGUAGE_CODE]; /* the house's; "": as in the backup, or English */
	int door;
	struct secret *box; /* from sheets; the order's */
	char passphrase[PASSWORD_MAX + 1];
	int source; /* of SETUP_RESTORE: the open backup, the order's; -1: none */
	char source_name[200];
	size_t n_peers;
	struct setup_peer peers[SETUP_PEERS];
	char addresses[SETUP_PEERS][PEER_ADDRESS];
	bool invited; /* of SETUP_JOIN: by the first of the peers, which then approves us by itself
		       */
	struct invitation invitation;
};
struct setup_order *setup_order_new(void);
void setup_order_free(struct setup_order *o);
DEFINE_CLEANUP(struct setup_order *, setup_order_free)

enum setup_state { SETUP_IDLE, SETUP_RUNNING, SETUP_READY, SETUP_FAILED };
struct setup_progress {
	enum setup_state state;
	enum setup_kind kind;
	enum setup_step step;
	int percent;
	struct error *failure; /* yours; of SETUP_FAILED */
	const char *remark;    /* a message id beside READY, or NULL */
};

struct setup_job;
struct setup_job *setup_job_new(const char *dir, const struct env *env);
void setup_job_free(struct setup_job *j); /* waits for what runs */
/* ERR_EXISTS while one runs, or after one succeeded. The order is consumed, also on failure. */
struct error *setup_job_start(struct setup_job *j, struct setup_order *take_order) MUST;
void setup_job_look(struct setup_job *j, struct setup_progress *ret);
