/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The rows of the view, on the writer. */
#pragma once
#include "appliance/trust/trust.h"

extern const struct op_type trust_types[];

struct error *vouch_add(struct fold *f, const struct vouch *v) MUST;
/* The object being folded. ERR_NOT_FOUND. */
struct error *vouch_folded(struct fold *f, struct vouch *ret) MUST;
struct error *vouch_end(struct fold *f, int64_t when_ms) MUST;
