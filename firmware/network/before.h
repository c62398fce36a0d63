/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the network was before a change that is being tried, on disk: who was killed in that minute
 * finds it at the next start and takes the change back. NetworkManager's checkpoint can't do that
 * alone: it remembers the profiles that were in use, and not a Wi-Fi that was off. Any thread.
 */
#pragma once
#include "firmware/network/wish.h"

/* any: there were profiles; else wish is not looked at. Holds the Wi-Fi's password: for the owner
 * only. */
struct error *network_before_write(const char *path, const struct network_wish *wish,
				   bool any) MUST;
/* ERR_NOT_FOUND: nothing was being tried. ERR_INVALID: this is no such file. */
struct error *network_before_read(const char *path, struct network_wish *ret_wish,
				  bool *ret_any) MUST;
/* Also fine when there is none. */
void network_before_remove(const char *path);
