/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a partial box keeps: only the payloads of the last days, only files up to a size. Headers
 * are always whole, so the heads of a partial box and a full one are equal, and what it does keep
 * is checked like anywhere else. It bounds only what this box asks for; what came is kept.
 * PROTOCOL.md section 7.4.
 */
#pragma once
#include "sync/base/env.h"
#include <stdbool.h>

struct keep {
	uint32_t payload_days; /* by the writers' clocks and ours; 0: all */
	uint64_t blob_max;     /* bytes of one file; 0: any */
};

static inline bool keep_is_partial(const struct keep *k)
{
	return k->payload_days || k->blob_max;
}
/* Payloads of entries from before this time are not asked for. */
static inline int64_t keep_since(const struct keep *k, const struct env *env)
{
	return k->payload_days ? env_now(env) - (int64_t)k->payload_days * 86400000 : INT64_MIN;
}
