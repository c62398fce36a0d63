/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What stands on the label and on the screen about the network, in one folder (/run/lliure-label,
 * readable by the daemon's user only): `wifi`, the Wi-Fi of the box and its password, written by
 * lliure-network at the start and by the daemon when it was changed; `host`, under which Avahi
 * announces the box just now. Read by the daemon and by the button, which have no other way to
 * know: the host name that a sandboxed service sees stays what it was when the service started
 * (ProtectHostname=).
 *
 * Any thread. `dir` "" or NULL: there is no such folder.
 */
#pragma once
#include "firmware/network/wish.h"
#include "sync/base/buf.h"
#include <stdio.h>

/* Behind the data folder's name: the code of the first run, as long as there is no box. */
#define NETWORK_LABEL_CODE ".code"

enum { NETWORK_LABEL = 128, NETWORK_LABEL_HOST = 80 };
struct network_label {
	char ssid[NETWORK_LABEL];     /* "": the box makes no Wi-Fi of its own */
	char password[NETWORK_LABEL]; /* "": an open one */
};

/* The file's text: lines "ssid …", "password …" and, last, "code …", what a phone's camera reads.
 */
void network_label_text(const struct network_wish *w, struct buf *out);
/* Written when it differs from what is there. ERR_NOT_FOUND: no folder. */
struct error *network_label_put(const char *dir, const struct network_wish *w) MUST;
struct error *network_label_put_host(const char *dir, const char *host) MUST;
/* false: nobody has said it yet, or only half of it. */
bool network_label_read(const char *dir, struct network_label *ret);
/* "ateneu.local": what Avahi announces, else what the box is to be called (STATE/hostname), else
 * the system's own name. state "" or NULL: no box. */
void network_label_host(const char *dir, const char *state, char out[NETWORK_LABEL_HOST]);

/* For people who stand before the box: its Wi-Fi with the password, which after a reset stands
 * nowhere else, its name, its addresses. false: it is on no network, and nothing was printed of
 * names. */
bool network_label_print(FILE *screen, const char *dir, const char *state);

/* Is this (without ".local") what a machine is called that nobody has named yet: "lliure", or
 * "lliure-" and four digits of its own number, so that two new ones in one house differ? */
bool network_label_is_new(const char *host);
