/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/copy/copy.h"

struct error *notice_put(struct conn *c, const struct copy_notice *n, bool handled) MUST;
/* *ret_any false: there never was one. */
struct error *notice_get(struct conn *c, struct copy_notice *ret, bool *ret_handled,
			 bool *ret_any) MUST;
struct error *successor_put(struct conn *c, const struct copy_successor *s) MUST;
struct error *successor_drop(struct conn *c, const struct pubkey *to) MUST;
struct error *lineage_put(struct conn *c, const struct successor *s) MUST;
/* How `to` came to be ours; ERR_NOT_FOUND. */
struct error *lineage_get(struct conn *c, const struct pubkey *to, struct successor *ret) MUST;
struct strange_key {
	struct pubkey key;
	int64_t since_ms;
};
struct error *strange_put(struct conn *c, const struct pubkey *key, int64_t since_ms) MUST;
struct error *strange_each(struct conn *c, struct buf *rows) MUST; /* struct strange_key */
