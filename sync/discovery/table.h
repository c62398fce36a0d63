/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What was heard: a bounded table of services, one row for each name, interface and family, and the
 * boxes that they add up to. Pure; the owner locks.
 */
#pragma once
#include "sync/discovery/discovery.h"
#include <netinet/in.h>

struct seen_place {
	int interface, protocol; /* Avahi's numbers */
	char service[64];	 /* the instance's name, as announced */
};

struct seen_row {
	struct seen_place at;
	void *resolver; /* the owner's */
	bool known;	/* what is below was heard and makes sense */
	bool local;	/* this machine itself announces it */
	int rank;	/* of the address, low is better */
	struct txt txt;
	char name[LIMIT_NAME + 1];
	char address[SEEN_ADDRESS];
	char http_url[96];
	int64_t seen_ms;
};

struct seen_table {
	struct seen_row *rows[LIMIT_DISCOVERED];
	size_t n;
};

struct seen_row *seen_find(struct seen_table *t, const struct seen_place *at);
/* A new row, or NULL when the table is full and every row in it is known (one that never made sense
 * goes first; *ret_dropped is then its resolver). `at` is copied. */
struct seen_row *seen_add(struct seen_table *t, const struct seen_place *at, void **ret_dropped);
void seen_remove(struct seen_table *t, struct seen_row *take_row);
void seen_clear(struct seen_table *t);
/* One row a key, newest first, but not `self`. */
size_t seen_boxes(const struct seen_table *t, const struct pubkey *self, struct seen_box *out,
		  size_t max);

bool seen_has(const struct seen_table *t, const struct pubkey *key);
/* One that has the key `self` and is not announced by this machine. */
bool seen_twin(const struct seen_table *t, const struct pubkey *self, struct seen_box *ret);

/* What a resolver said of a row. */
struct seen_answer {
	const char *host;		/* "box.local", anybody's bytes */
	const struct sockaddr *address; /* sockaddr_in or sockaddr_in6, the port set */
	const char *interface;		/* its name, for the scope of link-local addresses */
	const struct span *txt;
	size_t txt_n;
	int64_t now_ms;
};
/* Take it over; row->known says whether it makes sense. true: something that others see changed. */
bool seen_learn(struct seen_row *row, const struct seen_answer *a);
