/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What moderation.c and moderation_store.c share: the rows, on the writer. */
#pragma once
#include "appliance/moderation/moderation.h"

struct error *held_add(struct conn *c, const struct held *h, const struct hash *secret) MUST;
/* Forgets the words. op NULL: none. */
struct error *held_settle(struct conn *c, int64_t id, enum held_state state, const char *reason,
			  const struct hash *op) MUST;
struct error *held_purge(struct conn *c, int64_t decided_before) MUST;
struct error *held_recent(struct conn *c, int64_t since, int64_t until, int64_t *ret) MUST;
