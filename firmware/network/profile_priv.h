/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A wish as two profiles of NetworkManager, and back: the only place that knows its settings
 * (nm-settings-dbus(5)). What NetworkManager has no word for stands in the profile's `user` data,
 * so that a profile is the whole truth and a checkpoint takes all of it back.
 */
#pragma once
#include "firmware/network/wish.h"
#include <systemd/sd-bus.h>

enum profile { PROFILE_WIFI, PROFILE_WIRED, PROFILES };
extern const char *const profile_uuid[PROFILES];

/* Appends a{sa{sv}}. own: the address on a network of ours. A negative errno on failure. */
int profile_write(sd_bus_message *m, enum profile which, const struct network_wish *w,
		  const char *own);
/* Reads a{sa{sv}}, as GetSettings or GetSecrets gives it, over what is in *w. own: WISH_ADDRESS. */
int profile_read(sd_bus_message *m, enum profile which, struct network_wish *w, char *own);
