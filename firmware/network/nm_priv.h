/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of this folder share: one connection to the bus, and calls on it. */
#pragma once
#include "firmware/network/nm.h"
#include "firmware/network/profile_priv.h"

#define NM	"org.freedesktop.NetworkManager"
#define NM_PATH "/org/freedesktop/NetworkManager"

struct nm {
	sd_bus *bus;
};

enum { NM_OBJECT = 128, NM_DEVICES = 32 };

/* The sentence for what a call came back with; frees what *e holds. NULL when rc is no failure. */
struct error *nm_fault(int rc, sd_bus_error *e) MUST;
struct error *nm_begin(struct nm *n, const char *path, const char *interface, const char *member,
		       sd_bus_message **ret) MUST;
/* Sends what was begun (rc: of filling it in) and waits. The message is consumed; ret_reply may be
 * NULL. */
struct error *nm_send(struct nm *n, sd_bus_message *take_m, int rc,
		      sd_bus_message **ret_reply) MUST;

/* Both in one; types and values as sd_bus_message_append takes them. ret_reply may be NULL. */
struct error *nm_call(struct nm *n, const char *path, const char *interface, const char *member,
		      sd_bus_message **ret_reply, const char *types, ...) MUST;

/* --- look.c --- */
struct nm_device {
	char path[NM_OBJECT], name[NM_LINK];
	uint32_t kind;
};
/* The link for a profile of this kind; false when there is none. */
struct error *nm_device_of(struct nm *n, enum profile which, struct nm_device *ret,
			   bool *ret_any) MUST;
/* The profile's object; "" when there is none. */
struct error *nm_profile_path(struct nm *n, enum profile which, char ret[NM_OBJECT]) MUST;
/* Where our profile is in use: the active connection's object and state; "" and 0. */
struct error *nm_active(struct nm *n, enum profile which, char ret[NM_OBJECT],
			uint32_t *ret_state) MUST;
enum { ACTIVE_COMING = 1, ACTIVE_UP = 2, ACTIVE_GOING = 3, ACTIVE_GONE = 4 };

static inline void sd_bus_messagep(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}
