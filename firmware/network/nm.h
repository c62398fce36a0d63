/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * NetworkManager over its D-Bus interface, by sd-bus: what links there are, what the wish is now
 * (its profiles are the only store), making another one so under a checkpoint. The polkit rules of
 * image/ allow exactly these calls to the daemon's user.
 *
 * A struct nm is one connection to the system bus and belongs to one thread. Every call waits for
 * at most NM_CALL_S seconds, nm_try for NM_UP_S more. ERR_NOT_FOUND: there is no NetworkManager
 * here; ERR_DENIED: this user may not.
 */
#pragma once
#include "firmware/network/wish.h"

enum { NM_CALL_S = 15, NM_UP_S = 30, NM_LINK = 16, NM_CHECKPOINT = 128 };

struct nm;
struct error *nm_open(struct nm **ret) MUST;
void nm_close(struct nm *n);
DEFINE_CLEANUP(struct nm *, nm_close)

struct nm_state {
	char radio[NM_LINK], wired[NM_LINK]; /* names of the links; "": there is none */
	bool radio_own;			     /* the radio can make a network of its own */
	bool cable;			     /* something is plugged in */
	bool wifi_up, wired_up;		     /* our profile is in use there */
	bool uplink;			     /* some way leads out */
	bool own_up;			     /* a network of ours is there */
	char own[WISH_ADDRESS];		     /* our address on it; "" when there never was one */
};
/* What is wanted and what is. *ret_any: there are profiles of ours (else *ret_wish is untouched).
 */
struct error *nm_look(struct nm *n, struct network_wish *ret_wish, bool *ret_any,
		      struct nm_state *ret) MUST;

/* Under a new checkpoint, and without storing it. What was done is taken back on failure. The
 * checkpoint takes it back by itself when seconds have passed since this returned. */
struct error *nm_try(struct nm *n, const struct network_wish *w, int seconds,
		     char ret_checkpoint[NM_CHECKPOINT]) MUST;
/* Ends the checkpoint and stores what is. */
struct error *nm_keep(struct nm *n, const char *checkpoint) MUST;
/* Back to the checkpoint (NULL: to all there are), and to the wish that was; any: there were
 * profiles before. */
struct error *nm_take_back(struct nm *n, const char *checkpoint, const struct network_wish *before,
			   bool any) MUST;
/* At once and for good, also when it can't come up yet: for a box that is new. */
struct error *nm_set(struct nm *n, const struct network_wish *w) MUST;
/* The Wi-Fi on or off the air, by its hours. Does nothing when it is so already. */
struct error *nm_air(struct nm *n, bool on) MUST;

/* Start or stop a unit of systemd's. */
struct error *nm_unit(struct nm *n, const char *unit, bool on) MUST;
/* The machine's name on the network: letters, digits and "-". It is the helper that stores it and
 * tells Avahi, which looks for another when somebody has it. */
struct error *nm_name_check(const char *name) MUST;
/* The name under which Avahi announces this machine, such as "ateneu-2.local"; ERR_NOT_FOUND
 * without Avahi. */
struct error *nm_avahi_name(struct nm *n, char *ret, size_t n_ret) MUST;
