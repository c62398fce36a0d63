/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The questions by which phones and computers find out whether a network leads to the internet:
 * one row each, with the answer that contents the asker. Pure; any thread.
 *
 * The same table is the list of names that the DNS of the box's own network points to the box, so
 * that a question comes here at all; every other name stays unknown there, and a browser says so at
 * once, instead of a warning about a certificate.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct probe {
	const char *system; /* who asks, for people and tests */
	const char *host;   /* lower case; NULL: any that is not ours */
	const char *path;   /* NULL: any other path, which only people ask for */
	int status;	    /* of the answer that contents it; 0: there is none */
	const char *type;   /* NULL: no body */
	const char *body;
	const char *header; /* NULL, or the value of X-NetworkManager-Status */
};

/* Host: lower case, without port. NULL: this is no such question. */
const struct probe *probe_find(const char *host, const char *path);

/* Names that the network's DNS answers itself; ends with a NULL name. */
struct probe_host {
	const char *name;
	const char *address; /* NULL: the box's own. Windows compares this one with what it knows */
};
extern const struct probe_host probe_hosts[];
