/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading connections to log.db, lent to whichever thread needs one for a moment. Any thread. */
#pragma once
#include "sync/log/log.h"

struct readers;
struct readers *readers_new(const char *log_path, const struct env *env, const struct pubkey *self);
void readers_free(struct readers *r); /* all have been given back */
DEFINE_CLEANUP(struct readers *, readers_free)
struct error *readers_take(struct readers *r, struct log_store **ret) MUST;
void readers_give(struct readers *r, struct log_store *take_l);
