/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Asking the root helper: one connection, one request, one answer. Any thread. */
#pragma once
#include "firmware/helper/wire.h"

/* The verb and its arguments, `n` words. *ret_out, when it is not NULL, is what came back, to be
 * released. ERR_NOT_FOUND: nobody listens at `socket` ("" or NULL: likewise); else what fault.h
 * says. Waits at most 45 seconds, longer than the slowest verb takes. */
struct error *helper_ask(const char *socket, const char *const *words, size_t n,
			 struct buf *ret_out) MUST;
