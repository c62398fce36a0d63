/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The portal of the box's own Wi-Fi: which device was greeted, and what it is told when it asks
 * whether this network has internet.
 *
 *              asks: the page                 asks: all is well
 *                +---+                          +---+
 *                |   v        taps              |   v
 *              STRANGER -----------------------> LET GO
 *                ^                               |
 *                +------ hours pass, closed -----+
 *
 * While the portal is closed (the box has no network of its own, or its visitors have internet)
 * nothing is answered at all. Invariants: a device is a keyed hash that the caller made and lives
 * in memory only; at most PORTAL_DEVICES are known, and the one whose time is up first makes room.
 * Nothing about a visit is kept. Any thread.
 */
#pragma once
#include "sync/base/cleanup.h"
#include "sync/base/env.h"
#include <stdbool.h>

enum { PORTAL_DEVICES = 1024, PORTAL_HOURS = 8, PORTAL_ADDRESS = 64, PORTAL_WORD = 80 };

enum portal_event { PORTAL_ASKS, PORTAL_TAPS, PORTAL_EVENTS };
enum portal_answer {
	PORTAL_NOTHING, /* the portal is closed: not our affair */
	PORTAL_PAGE,	/* lead it to the page */
	PORTAL_WELL	/* tell it what contents it */
};

struct portal_device {
	uint64_t v[2];
};
/* Where people find the box; all texts, all bounded. */
struct portal_place {
	char address[PORTAL_ADDRESS]; /* "10.1.1.1": where the page is led to */
	char name[PORTAL_WORD];	      /* "ateneu.local" */
	char word[PORTAL_WORD];	      /* its name in the network's own DNS; "" for none */
};

bool portal_address_good(const char *address); /* an IPv4 address, as it is written */

struct portal;
struct portal *portal_new(const struct env *env); /* closed; aborts without memory */
void portal_free(struct portal *p);
DEFINE_CLEANUP(struct portal *, portal_free)
void portal_open(struct portal *p, const struct portal_place *place);
void portal_close(struct portal *p); /* forgets all devices */
/* False, and untouched, when it is closed. */
bool portal_where(struct portal *p, struct portal_place *ret);
/* The one function that moves a device's state. */
enum portal_answer portal_event(struct portal *p, struct portal_device d, enum portal_event event);
/* Was it let go? Asks without moving anything. */
bool portal_knows(struct portal *p, struct portal_device d);
