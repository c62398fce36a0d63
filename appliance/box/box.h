/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The machine beneath: what the daemon asks of the root helper (firmware/helper/). On an ordinary
 * Debian machine there is no helper, and everything here says so in words; nothing else differs.
 *
 * Each call opens a connection, asks, and waits for the answer: some verbs take half a minute, so
 * handlers call between request_blocks and request_goes_on. Any thread.
 */
#pragma once
#include "appliance/app.h"
#include "firmware/helper/wire.h"

/* The paths of a box below root ("/" in an image; a test's folder). NULL: of an ordinary machine,
 * which has no helper and the usual /sys and /proc. */
void box_paths(const char *root, struct app_box *ret);
/* Is this machine a box, with a helper that listens? `socket`: app.box.helper; "": no. */
bool box_has_helper(const char *socket);
/* Ask: the verb and its arguments, `n` words. *ret_out, when it is not NULL, is what came back, to
 * be released. ERR_NOT_FOUND: there is no helper; else what fault.h says. */
struct error *box_ask(const char *socket, const char *const *words, size_t n,
		      struct buf *ret_out) MUST;
#define BOX_ASK(socket, ret_out, ...)                                                              \
	box_ask((socket), (const char *const[]){__VA_ARGS__},                                      \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (ret_out))
